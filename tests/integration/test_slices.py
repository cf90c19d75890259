"""A large mailbox: long operations give other sessions their turn, with the
same results as if they did not. Turns are counted, not timed: each is a fixed
amount of work."""

import itertools
import os
import re
import socket

import pytest

from imap_lines import Imap
from pop3_client import Pop

COUNT, PER_APPEND = 20000, 1000
_numbers = itertools.count(1)


def mail(n):
    return (f"From: S <s{n % 977:03}@x.example>\r\nSubject: message {n * 7919 % COUNT:05}\r\n"
            f"Date: Mon, 7 Feb 2022 {n // 3600 % 24:02}:{n // 60 % 60:02}:{n % 60:02} +0000\r\n"
            f"Message-ID: <{n}@x.example>\r\nReferences: <{n // 10}@x.example>\r\n\r\nbody {n}\r\n").encode()


def answer(c, command):
    """Everything up to the tagged reply, which must be OK."""
    c.send(b"t " + command.encode() + b"\r\n")
    return until(c, rb"(^|\r\n)t (OK|NO|BAD)[^\r]*\r\n$", b"t OK")


def until(c, end, wanted=b""):
    pieces, tail = [c.data], c.data[-300:]
    c.data = b""
    while not re.search(end, tail):
        pieces.append(c.socket.recv(1 << 20))
        assert pieces[-1], tail
        tail = (tail + pieces[-1])[-300:]
    assert wanted in tail, tail
    return b"".join(pieces)


def turns(cluster, frontend=0):
    with socket.create_connection(("127.0.0.1", cluster.metrics_port(f"frontend-{frontend}")), timeout=20) as s:
        s.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        text = b"".join(iter(lambda: s.recv(65536), b"")).decode()
    return int(re.search(r"^stagepost_session_turns_total (\d+)", text, re.M)[1])


def connect(cluster, account, frontend=0):
    c = Imap(cluster.port("imap", frontend), timeout=120)
    c.login(account)
    return c


@pytest.fixture(scope="module")
def account(shared_cluster):
    account = shared_cluster.add_user(f"large{next(_numbers)}-{os.getpid()}@example.test")
    with connect(shared_cluster, account) as c:
        for start in range(0, COUNT, PER_APPEND):
            c.send(b"t APPEND INBOX" + b"".join(b" {%d+}\r\n" % len(mail(n)) + mail(n)
                                                for n in range(start, start + PER_APPEND)) + b"\r\n")
            until(c, rb"\r\n$", b"t OK")
    return account


@pytest.fixture
def c(cluster, account):
    with connect(cluster, account) as session:
        session.ok("SELECT INBOX")
        yield session


# The work of each for one message is known, and so is the least number of turns: most of these are expected.
COMMANDS = [
    ("FETCH 1:* (FLAGS)", 1, rb"\* \d+ FETCH \(FLAGS ", COUNT),
    ("FETCH 1:* (UID ENVELOPE)", 10, rb"\* \d+ FETCH \(UID \d+ ENVELOPE ", COUNT),
    ("FETCH 1:* (INTERNALDATE)", 1, rb"\* \d+ FETCH \(INTERNALDATE ", COUNT),
    ("SEARCH ALL", 1, rb" \d+\b", COUNT),
    ('SEARCH SUBJECT "message 0"', 8, rb" \d+\b", COUNT // 2),
    ('SEARCH TEXT "body 1999"', 30, rb" \d+\b", 11),
    ("UID SORT (SUBJECT) UTF-8 ALL", 2, rb" \d+\b", COUNT),
    ("SORT (FROM REVERSE DATE) UTF-8 ALL", 2, rb" \d+\b", COUNT),
    ("THREAD REFERENCES UTF-8 ALL", 15, rb"\b\d+\b", COUNT),
    ("THREAD ORDEREDSUBJECT UTF-8 ALL", 15, rb"\b\d+\b", COUNT),
    ("STORE 1:* +FLAGS (\\Flagged)", 0, rb"\* \d+ FETCH \(FLAGS ", COUNT),
]


@pytest.mark.parametrize("command, least, pattern, count", COMMANDS, ids=[x[0].split(" (")[0] for x in COMMANDS])
def test_turns(cluster, c, command, least, pattern, count):
    before = turns(cluster)
    got = answer(c, command)
    assert turns(cluster) - before >= least
    assert len(re.findall(pattern, got.split(b"\r\nt OK")[0])) == count


def test_commands_in_one_piece(cluster, c):
    """Many short commands that do not wait for anything are long work too."""
    before = turns(cluster)
    c.send(b"".join(b"a%d SEARCH 1:500 UNSEEN\r\n" % n for n in range(300)) + b"t NOOP\r\n")
    got = until(c, rb"\r\nt OK[^\r]*\r\n$")
    assert got.count(b" OK SEARCH completed") == 300
    assert turns(cluster) - before >= 20


def test_orders(c):
    """The second SORT uses what the first has computed."""
    numbers = range(1, COUNT + 1)
    expected = sorted(numbers, key=lambda n: ((n - 1) * 7919 % COUNT, n))
    for _ in range(2):
        assert [int(n) for n in answer(c, "SORT (SUBJECT) UTF-8 ALL").split(b"\r\n")[0].split()[2:]] == expected
    expected = sorted(numbers, key=lambda n: ((n - 1) % 977, -(n - 1), n))
    assert [int(n) for n in answer(c, "SORT (FROM REVERSE DATE) UTF-8 ALL").split(b"\r\n")[0].split()[2:]] == expected
    part = answer(c, "SORT RETURN (PARTIAL 11:20 COUNT SAVE) (FROM REVERSE DATE) UTF-8 ALL")
    assert b"PARTIAL (11:20 " + b",".join(b"%d" % n for n in expected[10:20]) in part
    assert answer(c, "SEARCH RETURN (COUNT) $").count(b"COUNT %d" % COUNT) == 1


def test_pop3(cluster, account):
    before = turns(cluster)
    with Pop(cluster.port("pop3"), timeout=120) as p:
        p.login(account)
        for command in ("LIST", "UIDL"):
            p.send(command.encode() + b"\r\n")
            assert until(p, rb"\r\n\.\r\n$").count(b"\r\n") == COUNT + 2
        p.quit()
    assert turns(cluster) - before >= 2


def test_what_others_change(cluster, account, c):
    """One session idles, one polls, one comes back: each is told everything, once."""
    with connect(cluster, account, 1) as idle, connect(cluster, account, 1) as asks:
        for s in (idle, asks):
            s.ok("ENABLE QRESYNC")
            s.ok("SELECT INBOX")
            s.ok("FETCH 1 (FLAGS)")
        known = b"".join(idle.ok("SELECT INBOX"))
        validity, modseq = (int(re.search(name + rb" (\d+)", known)[1]) for name in (b"UIDVALIDITY", b"HIGHESTMODSEQ"))
        idle.ok("FETCH 1 (FLAGS)")
        before = turns(cluster, 1)
        idle.send("t IDLE\r\n")
        assert idle.line().startswith(b"+")
        answer(c, "STORE 1:* +FLAGS.SILENT ($Mark)")
        answer(asks, "NOOP")
        last = asks.ok(f"FETCH {COUNT} (MODSEQ)")[0]
        got = until(idle, rb"\* %d FETCH [^\r]*MODSEQ \(%s\)\)\r\n" % (COUNT, re.search(rb"MODSEQ \((\d+)", last)[1]))
        idle.send("DONE\r\n")
        got += until(idle, rb"(^|\r\n)t OK[^\r]*\r\n$")
        assert set(re.findall(rb"\* (\d+) FETCH \(UID \d+ FLAGS \([^)]*\$Mark", got)) == {b"%d" % n for n in
                                                                                       range(1, COUNT + 1)}
        assert turns(cluster, 1) - before >= 2
        back = answer(asks, f"SELECT INBOX (QRESYNC ({validity} {modseq}))")
        assert len(re.findall(rb"\* \d+ FETCH \(UID \d+ FLAGS \([^)]*\$Mark", back)) == COUNT
        # Every other message is deleted.
        odd = ",".join(str(n) for n in range(1, COUNT, 2))
        answer(c, f"UID STORE {odd} +FLAGS.SILENT (\\Deleted)")
        answer(c, "EXPUNGE")
        gone = answer(asks, "NOOP")
        vanished = re.search(rb"\* VANISHED ([\d,:]+)\r\n", gone)[1]
        assert vanished == odd.encode()
        back = answer(idle, f"SELECT INBOX (QRESYNC ({validity} {modseq}))")
        assert re.search(rb"\* VANISHED \(EARLIER\) ([\d,:]+)\r\n", back)[1] == odd.encode()


FOLDERS = 3000


@pytest.fixture(scope="module")
def tree(shared_cluster):
    account = shared_cluster.add_user(f"tree{next(_numbers)}-{os.getpid()}@example.test")
    with connect(shared_cluster, account) as c:
        for start in range(0, FOLDERS, 500):
            c.send(b"".join(b"a CREATE tree/%d\r\na SUBSCRIBE tree/%d\r\n" % (n, n)
                            for n in range(start, start + 500)) + b"t NOOP\r\n")
            until(c, rb"\r\nt OK[^\r]*\r\n$")
    return account


@pytest.mark.parametrize("command, least, line", [
    ('LIST "" tree/*', 1, rb'\* LIST \(\\HasNoChildren\) "/" tree/(\d+)'),
    ('LIST (SUBSCRIBED) "" tree/*', 1, rb'\* LIST \(\\HasNoChildren \\Subscribed\) "/" tree/(\d+)'),
    ('LIST "" tree/* RETURN (STATUS (MESSAGES))', 2, rb"\* STATUS tree/(\d+) \(MESSAGES 0\)"),
    ('LSUB "" tree/*', 1, rb'\* LSUB \(\) "/" tree/(\d+)'),
])
def test_many_folders(cluster, tree, command, least, line):
    with connect(cluster, tree) as c:
        before = turns(cluster)
        got = answer(c, command)
        assert turns(cluster) - before >= least
    assert re.findall(line, got) == sorted(b"%d" % n for n in range(FOLDERS))
