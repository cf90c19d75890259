"""IMAP FETCH of large bodies and of many messages."""

import re
import time
from pathlib import Path

import pytest

from cluster import SANITISED
from imap_fetch import account, c, connect  # noqa: F401 (fixtures)


# ---- Large bodies ----

def memory(pid):
    """Anonymous bytes of a process: the page cache is not its own."""
    return int(re.search(r"RssAnon:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) * 1024


@pytest.fixture
def hundred_megabytes(cluster, account):
    """A message of 100 MB, as its lines are numbered."""
    line = b"%0998d\r\n"
    body = b"Subject: large\r\n\r\n" + b"".join(line % i for i in range(100000))
    cluster.settings("imap", max_message_size="200MB")
    with connect(cluster, account) as c:
        c.append("INBOX", body)
    return body


def read_body(c, expected, on_progress=None):
    """Reads one FETCH's literal, and compares it as it arrives."""
    while b"}\r\n" not in c.data:
        c.more()
    head, c.data = c.data.split(b"}\r\n", 1)
    assert int(head.rsplit(b"{", 1)[1]) == len(expected)
    at = 0
    while at < len(expected):
        if not c.data:
            c.more()
        piece, c.data = c.data[:len(expected) - at], c.data[len(expected) - at:]
        assert piece == expected[at:at + len(piece)]
        at += len(piece)
        if on_progress:
            on_progress(at)


def test_a_large_body_streams(cluster, account, hundred_megabytes):
    pid = cluster.pid("frontend-0")
    with connect(cluster, account) as c, connect(cluster, account) as other:
        before, most = memory(pid), 0
        c.send("x FETCH 1 BODY.PEEK[]\r\n")

        def look(at):
            nonlocal most
            most = max(most, memory(pid))
        read_body(c, hundred_megabytes, look)
        assert c.line() == b")" and c.line().startswith(b"x OK")
        assert SANITISED or most - before < 8 << 20, f"{(most - before) >> 20} MB more"
        other.ok("NOOP")


def test_a_reader_that_stops(cluster, account, hundred_megabytes):
    pid = cluster.pid("frontend-0")
    with connect(cluster, account) as c, connect(cluster, account) as other, connect(cluster, account) as third:
        before = memory(pid)
        c.send("x FETCH 1 BODY.PEEK[]\r\n")
        third.send("x FETCH 1 BODY.PEEK[]\r\n")
        until, most = time.monotonic() + 2, 0
        while time.monotonic() < until:
            assert other.ok("FETCH 1 FLAGS")
            most = max(most, memory(pid))
            time.sleep(0.05)
        assert SANITISED or most - before < 8 << 20, f"{(most - before) >> 20} MB more"
        third.socket.close()  # it goes in the middle of it
        read_body(c, hundred_megabytes)
        assert c.line() == b")" and c.line().startswith(b"x OK")
        other.ok("NOOP")
    assert cluster.pid("frontend-0") == pid


# ---- Many messages ----

def fill(c, count, message=lambda i: b"Subject: message %d\r\nFrom: u%d@x.example\r\n\r\nbody %d\r\n" % (i, i % 10, i), batch=500):
    """As one MULTIAPPEND after another."""
    for base in range(0, count, batch):
        parts = [message(i) for i in range(base, min(base + batch, count))]
        c.send(b"f APPEND INBOX" + b"".join(b" {%d+}\r\n%s" % (len(p), p) for p in parts) + b"\r\n")
        line = c.line()
        while not line.startswith(b"f "):
            line = c.line()
        assert line.startswith(b"f OK"), line
    c.ok("NOOP")


def test_many_messages(cluster, account, c):
    count = 20000
    fill(c, count)
    with connect(cluster, account, 1) as d:
        flags = d.ok("FETCH 1:* (UID FLAGS)")
        assert len(flags) == count and flags[-1] == b"* %d FETCH (UID %d FLAGS ())" % (count, count)
        envelopes = d.ok("FETCH 1:* (ENVELOPE)")
        assert len(envelopes) == count
        assert all(b'"message %d"' % i in line for i, line in enumerate(envelopes))
        bodies = d.ok("UID FETCH 1:2000,19001:* (BODY.PEEK[TEXT])")
        assert len(bodies) == 3000 and bodies[-1].endswith(b"body 19999\r\n)")
        sparse = ",".join(str(n) for n in range(1, count, 1000))
        assert len(d.ok(f"FETCH {sparse} (INTERNALDATE ENVELOPE)")) == 20
        assert d.ok("SEARCH SUBJECT \"message 1999\"")[0].split()[2:] == [b"2000"] + [b"%d" % n for n in range(19991, 20001)]
        assert len(d.ok("SEARCH FROM u3@")[0].split()) == 2 + count // 10
        assert len(d.ok("SORT (REVERSE SUBJECT) UTF-8 ALL")[0].split()) == 2 + count
        # A client that stops reading does not hold up anybody.
        c.send("x FETCH 1:* (ENVELOPE FLAGS BODYSTRUCTURE)\r\n")
        for _ in range(20):
            d.ok("FETCH 1 ENVELOPE")
        line = c.line()
        while not line.startswith(b"x "):
            line = c.line()
        assert line.startswith(b"x OK")
        # Two at once on one index, with changes between.
        d.ok("STORE 1:100 +FLAGS.SILENT (\\Deleted)")
        c.send("y FETCH 1:* (ENVELOPE)\r\n")
        d.ok("EXPUNGE")
        got = 0
        line = c.line()
        while not line.startswith(b"y "):
            got += line.startswith(b"* ") and b"ENVELOPE" in line
            line = c.line()
        assert count - 100 <= got <= count and line.startswith(b"y OK")
        c.ok("NOOP")
        assert len([u for u in c.ok("FETCH 1:* UID") if b"UID" in u]) == count - 100


def test_clients_that_go_in_the_middle(cluster, account, c):
    pid = cluster.pid("frontend-0")
    fill(c, 2000)
    for command in ("FETCH 1:* (ENVELOPE)", "FETCH 1:* (BODY[])", "SEARCH BODY nothing", "SEARCH SUBJECT nothing",
                    "SORT (SUBJECT) UTF-8 ALL", "THREAD REFERENCES UTF-8 ALL", "FETCH 1:* (BINARY[1] PREVIEW)",
                    "SEARCH HEADER X-Nothing nothing", "UID FETCH 1:* (FLAGS)"):
        for wait in (0, 0.002, 0.01):
            with connect(cluster, account) as d:
                d.send(f"x {command}\r\n")
                time.sleep(wait)
    c.ok("NOOP")
    assert cluster.pid("frontend-0") == pid
