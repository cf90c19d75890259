#!/usr/bin/python3
"""A large IMAP mailbox: what clients do with it, timed, and what it costs.

usage: bench/imap_folder.py [MESSAGES]     (100000)

Starts a cluster of its own, appends the messages, and asks from another
frontend, which has never seen the mailbox. Each figure is the best of three,
but for those marked cold."""

import re
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "integration"))

from cluster import Cluster  # noqa: E402
from imap_lines import Imap  # noqa: E402

PER_APPEND = 500


def message(n):
    return (f"From: Sender {n} <s{n % 977}@remote.example>\r\nTo: a@example.test\r\n"
            f"Subject: message number {n} about things\r\nDate: Mon, 7 Feb 2022 21:52:25 -0800\r\n"
            f"Message-ID: <{n}@x.example>\r\n\r\nhello {n}\r\n").encode()


def fill(imap, count):
    for start in range(0, count, PER_APPEND):
        parts = [b"b APPEND INBOX"]
        for n in range(start, min(start + PER_APPEND, count)):
            parts.append(b" {%d+}\r\n" % len(message(n)) + message(n))
        imap.send(b"".join(parts) + b"\r\n")
        while not (line := imap.line()).startswith(b"b "):
            pass
        assert line.startswith(b"b OK"), line


def ask(imap, command):
    """Milliseconds until the tagged answer."""
    start = time.monotonic()
    imap.send(b"t " + command.encode() + b"\r\n")
    tail = b""
    while not re.search(rb"(^|\r\n)t (OK|NO|BAD)", tail):
        tail = (tail + imap.socket.recv(1 << 20))[-300:]
    assert b"t OK" in tail, tail
    return (time.monotonic() - start) * 1000


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100000
    with Cluster(frontends=2) as cluster:
        user = cluster.add_user("a@example.test")
        writer = Imap(cluster.port("imap"), timeout=300)
        writer.login(user)
        before = int(cluster.redis.info("memory")["used_memory"])
        start = time.monotonic()
        fill(writer, count)
        seconds = time.monotonic() - start
        used = int(cluster.redis.info("memory")["used_memory"]) - before
        rows = [("append", f"{count / seconds:,.0f} messages/s"), ("memory of Redis", f"{used / count:.0f} bytes/message")]
        reader = Imap(cluster.port("imap", 1), timeout=300)
        reader.login(user)
        for name, command, tries in [
            ("SELECT, cold", "SELECT INBOX", 1), ("FETCH 1:* (FLAGS), cold", "FETCH 1:* (FLAGS)", 1),
            ("FETCH 1:* (FLAGS)", "FETCH 1:* (FLAGS)", 3), ("FETCH 1:* (ENVELOPE)", "FETCH 1:* (ENVELOPE)", 3),
            ("SEARCH SUBJECT", 'SEARCH SUBJECT "number 99999"', 3), ("SEARCH UNSEEN", "SEARCH UNSEEN", 3),
            ("SORT (SUBJECT)", "SORT (SUBJECT) UTF-8 ALL", 3), ("THREAD REFERENCES", "THREAD REFERENCES UTF-8 ALL", 3),
        ]:
            rows.append((name, f"{min(ask(reader, command) for _ in range(tries)):.1f} ms"))
        selected = b" ".join(reader.ok("SELECT INBOX (CONDSTORE)"))
        modseq = re.search(rb"HIGHESTMODSEQ (\d+)", selected)[1].decode()
        validity = re.search(rb"UIDVALIDITY (\d+)", selected)[1].decode()
        writer.ok("SELECT INBOX")
        writer.ok("STORE 5 +FLAGS (\\Flagged)")
        reader.ok("ENABLE QRESYNC")
        rows.append(("QRESYNC of one change",
                     f"{min(ask(reader, f'SELECT INBOX (QRESYNC ({validity} {modseq}))') for _ in range(3)):.1f} ms"))
    print(f"a mailbox of {count:,} messages")
    for name, value in rows:
        print(f"  {name:28} {value}")


if __name__ == "__main__":
    main()
