#!/usr/bin/python3
"""A large IMAP mailbox, side by side with Dovecot: the time and the cost of
what clients do with it.

usage: bench/imap_folder.py [--only stagepost|dovecot] [MESSAGES]     (100000)

Starts both, fills a mailbox in each, and queries it. Stagepost is queried on
another frontend, which has never seen the mailbox. "cold": the first time; the
others are the best of three. Meanwhile another session of that frontend keeps
sending NOOP: "others wait" is the longest time that it waited for an answer
(the best of the tries; Dovecot has a process for each session). On a busy
machine that is partly the machine's doing."""

import multiprocessing
import re
import socket
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "integration"))

from cluster import Cluster  # noqa: E402
from imap_lines import Imap  # noqa: E402
from systems import PostfixDovecot  # noqa: E402

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


class Bystander:
    """Another session, in its own process."""

    def __init__(self, user, port):
        self.longest = multiprocessing.Value("d", 0.0)
        self.process = multiprocessing.Process(target=self.run, args=(user, port), daemon=True)
        self.process.start()

    def run(self, user, port):
        imap = Imap(port, timeout=600)
        imap.login(user)
        while True:
            start = time.monotonic()
            imap.ok("NOOP")
            took = (time.monotonic() - start) * 1000
            with self.longest.get_lock():
                self.longest.value = max(self.longest.value, took)
            time.sleep(0.0002)

    def reset(self):
        with self.longest.get_lock():
            self.longest.value = 0.0

    def stop(self):
        self.process.terminate()
        self.process.join()


QUESTIONS = [
    ("SELECT, cold", "SELECT INBOX", 1),
    ("FETCH 1:* (FLAGS), cold", "FETCH 1:* (FLAGS)", 1),
    ("FETCH 1:* (FLAGS)", "FETCH 1:* (FLAGS)", 3),
    ("FETCH 1:* (ENVELOPE), cold", "FETCH 1:* (ENVELOPE)", 1),
    ("FETCH 1:* (ENVELOPE)", "FETCH 1:* (ENVELOPE)", 3),
    ("SEARCH SUBJECT", 'SEARCH SUBJECT "number 99999"', 3),
    ("SEARCH UNSEEN", "SEARCH UNSEEN", 3),
    ("SORT (SUBJECT)", "SORT (SUBJECT) UTF-8 ALL", 3),
    ("THREAD REFERENCES", "THREAD REFERENCES UTF-8 ALL", 3),
    ("SEARCH TEXT", 'SEARCH TEXT "hello 99999"', 1),
    ("STORE 1:* (+FLAGS)", "STORE 1:* +FLAGS (\\Flagged)", 1),
]


def question(reader, command, tries, bystander):
    best, waits = [], []
    for _ in range(tries):
        if bystander:
            bystander.reset()
        best.append(ask(reader, command))
        if bystander:
            waits.append(bystander.longest.value)
    return (min(best), "ms", min(waits)) if waits else (min(best), "ms")


def measure(user, writer_port, reader_port, count, is_shared=False):
    """{what: (value, unit[, how long others wait in ms])}"""
    rows = {}
    writer = Imap(writer_port, timeout=600)
    writer.login(user)
    start = time.monotonic()
    fill(writer, count)
    rows["append"] = (count / (time.monotonic() - start), "messages/s")
    reader = Imap(reader_port, timeout=600)
    reader.login(user)
    bystander = Bystander(user, reader_port) if is_shared else None
    for name, command, tries in QUESTIONS:
        rows[name] = question(reader, command, tries, bystander)
    if bystander:
        bystander.stop()
    selected = b" ".join(reader.ok("SELECT INBOX (CONDSTORE)"))
    modseq = re.search(rb"HIGHESTMODSEQ (\d+)", selected)[1].decode()
    validity = re.search(rb"UIDVALIDITY (\d+)", selected)[1].decode()
    writer.ok("SELECT INBOX")
    writer.ok("STORE 5 +FLAGS (\\Flagged)")
    reader.ok("ENABLE QRESYNC")
    rows["QRESYNC of one change"] = (
        min(ask(reader, f"SELECT INBOX (QRESYNC ({validity} {modseq}))") for _ in range(3)), "ms")
    return rows


def late_looks(port):
    """How often the loop was late by more than 5 ms, and the number of measurements.
    (The timer itself is late by a tick of the kernel's coarse clock, up to 4 ms.)"""
    with socket.create_connection(("127.0.0.1", port)) as s:
        s.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        text = b"".join(iter(lambda: s.recv(65536), b"")).decode()
    in_time, looks = (int(re.search(rf"stagepost_loop_lag_ms_{name} (\d+)", text)[1])
                      for name in (r'bucket{le="5"}', "count"))
    return looks - in_time, looks


def stagepost(count):
    with Cluster(frontends=2) as cluster:
        user = cluster.add_user("a@example.test")
        before = int(cluster.redis.info("memory")["used_memory"])
        rows = measure(user, cluster.port("imap"), cluster.port("imap", 1), count, is_shared=True)
        late, looks = late_looks(cluster.metrics_port("frontend-1"))
        rows["loop late by over 5 ms"] = (late * 100 / looks, f"% of {looks} looks")
        used = int(cluster.redis.info("memory")["used_memory"]) - before
    return {"memory of Redis": (used / count, "bytes/message"), **rows}


def dovecot(count):
    with tempfile.TemporaryDirectory(prefix="stagepost-bench-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        system = PostfixDovecot()
        system.start(folder, 1)
        try:
            return measure("bench0@bench.test", system.port("imap"), system.port("imap"), count)
        finally:
            system.stop()


def main():
    arguments = sys.argv[1:]
    only = arguments.pop(arguments.index("--only") + 1) if "--only" in arguments else None
    arguments = [a for a in arguments if a != "--only"]
    count = int(arguments[0]) if arguments else 100000
    ours = stagepost(count) if only != "dovecot" else {}
    theirs = dovecot(count) if only != "stagepost" else {}
    print(f"a mailbox of {count:,} messages")
    print(f"  {'':28} {'Stagepost':>22} {'Dovecot':>22} {'others wait':>12}")
    for name in ours or theirs:
        cells = [f"{r[name][0]:,.1f} {r[name][1]}" if name in r else "-" for r in (ours, theirs)]
        waits = f"{ours[name][2]:,.1f} ms" if len(ours.get(name, ())) == 3 else ""
        print(f"  {name:28} {cells[0]:>22} {cells[1]:>22} {waits:>12}")


if __name__ == "__main__":
    main()
