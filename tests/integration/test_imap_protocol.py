"""IMAP: corners of the protocol that strict and odd clients come to."""

import imaplib
import itertools
import os
import re
import socket
import statistics
import time

import pytest

from cluster import wait_for
from imap_client import Imap

TEXT = "From: Sender <sender@remote.example>\r\nTo: you@example.test\r\nSubject: {n}\r\n\r\nbody {n}\r\n"
_numbers = itertools.count(1)


@pytest.fixture
def address(cluster):
    return cluster.add_user(f"protocol{next(_numbers)}-{os.getpid()}@example.test")


def session(cluster, address, frontend=0, select=None):
    c = Imap(cluster.port("imap", frontend))
    c.login(address)
    if select:
        c.ok(f"SELECT {select}")
    return c


@pytest.fixture
def c(cluster, address):
    with session(cluster, address) as s:
        yield s


def fill(c, count=3, mailbox="INBOX"):
    for n in range(1, count + 1):
        assert c.append(mailbox, TEXT.format(n=n), plus=True).status == "OK"


# ---- Commands and names ----

def test_blank_lines_are_no_commands(cluster, c):
    cluster.settings("imap", max_bad_commands=3)
    c.send("\r\n\r\n\n" * 10)
    assert c.ok("NOOP").untagged == []
    # Some send one line end more than APPEND wants.
    c.send("x APPEND INBOX {3+}\r\nabc\r\n\r\n")
    assert c.finish("x").status == "OK"
    assert c.ok("NOOP").untagged == []


def test_id_as_long_as_may_be(cluster):
    """RFC 2971, 3.3: 30 fields of 30 octets, with values of 1024, before login and as literals too."""
    with Imap(cluster.port("imap")) as c:
        fields = " ".join(f'"{n:030}" "{"v" * 1024}"' for n in range(30))
        assert c.ok(f"ID ({fields})").find(r"\* ID ")
        pieces = [x for n in range(30) for x in (f'"{n}" ', b"v" * 1024, " ")]
        assert c.literals("ID (", *pieces[:-1], ")").status == "OK"
        assert c.cmd("ID (" + " ".join(f'"{n}" "x"' for n in range(31)) + ")").status == "BAD"


def test_large_sets_of_uids(c):
    fill(c, 3)
    c.ok("SELECT INBOX")
    numbers = ",".join(str(n) for n in range(1, 20000, 2))[:60000].rsplit(",", 1)[0]
    assert len(c.ok(f"UID FETCH {numbers} (UID)").untagged) == 2


@pytest.mark.parametrize("name", ["&", "a&b", "&Jjp", "!#&'+,-.0123456789:;<=>?@^_`|[}"])
def test_a_name_that_is_none(c, name):
    """Refused, but no fault of the command: BAD would make clients go."""
    for command in ("SELECT {}", "EXAMINE {}", "STATUS {} (MESSAGES)", "CREATE {}", "DELETE {}", "RENAME {} x", "RENAME Sent {}",
                    "SUBSCRIBE {}", "GETQUOTAROOT {}"):
        assert c.cmd(command.format(name)).status == "NO", command
    assert c.append(name, TEXT).status == "NO"
    for command in ('LIST "" "{}%*"', 'LIST "" "{}"', 'LIST "{}" *', 'LSUB "" "{}*"'):
        assert c.ok(command.format(name)).untagged == [], command
    assert c.ok('LIST "" ("&" INBOX)').untagged == ['* LIST (\\HasNoChildren) "/" INBOX']


def test_search_for_numbers_that_no_message_has(c):
    fill(c, 3)
    c.ok("SELECT INBOX")
    assert c.ok("SEARCH 1000").untagged == ["* SEARCH"]
    assert c.ok("SEARCH 2:9 NOT 1000").untagged == ["* SEARCH 2 3"]
    assert c.ok("SEARCH RETURN (COUNT) 1000").find("COUNT 0")
    assert c.ok("SORT (DATE) UTF-8 4:5").untagged == ["* SORT"]
    c.ok("SELECT Sent")
    assert c.ok("SEARCH 1:*").untagged == ["* SEARCH"]


# ---- CONDSTORE and QRESYNC ----

@pytest.mark.parametrize("command", [
    "FETCH 1 (MODSEQ)", "FETCH 1 (FLAGS) (CHANGEDSINCE 1)", "STORE 1 (UNCHANGEDSINCE 1) +FLAGS ()", "SEARCH MODSEQ 1",
    "STATUS INBOX (HIGHESTMODSEQ)", "ENABLE CONDSTORE", "ENABLE QRESYNC"])
def test_the_first_condstore_command_is_told_the_modseq(c, command):
    fill(c, 1)
    c.ok("SELECT INBOX")
    assert len(c.ok(command).find(r"\* OK \[HIGHESTMODSEQ \d+\]")) == 1
    assert not c.ok("FETCH 1 (MODSEQ)").find("HIGHESTMODSEQ")


def test_vanished_at_the_end(cluster, address, c):
    """"*" of what is gone is the last UID that there was: the last messages may be the ones that went."""
    fill(c, 10)
    c.ok("SELECT INBOX")
    modseq = c.ok("STATUS INBOX (HIGHESTMODSEQ)").untagged[-1].split()[-1].rstrip(")")
    c.ok("STORE 3,8:10 +FLAGS.SILENT (\\Deleted)")
    c.ok("EXPUNGE")
    with session(cluster, address, 1) as d:
        d.ok("ENABLE QRESYNC")
        d.ok("SELECT INBOX")
        for asked, told in (("1:*", "3,8:10"), ("*:1", "3,8:10"), ("5:*", "8:10"), ("9:*", "9:10"), ("9:20", "9:10"),
                            ("*", "10"), ("200:*", "10")):
            answer = d.ok(f"UID FETCH {asked} (UID) (CHANGEDSINCE {modseq} VANISHED)")
            assert answer.find("VANISHED") == [f"* VANISHED (EARLIER) {told}"], asked
        # Without a log that reaches back all that is not there is named.
        cluster.redis.hset(f"mail:{{{address}}}:f:1", "since", 10 ** 6)
        answer = d.ok(f"UID FETCH 1:* (UID) (CHANGEDSINCE {modseq} VANISHED)")
        assert answer.find("VANISHED") == ["* VANISHED (EARLIER) 3,8:10"]
        # What has come since is not gone.
        fill(c, 2)
        answer = d.ok(f"UID FETCH 1:* (UID) (CHANGEDSINCE {modseq} VANISHED)")
        assert answer.find("VANISHED") == ["* VANISHED (EARLIER) 3,8:10"]
        d.ok("NOOP")
        # All of them are gone.
        d.ok("STORE 1:* +FLAGS.SILENT (\\Deleted)")
        d.ok("EXPUNGE")
        assert d.ok("UID FETCH 1:* (UID) (CHANGEDSINCE 1 VANISHED)").find("VANISHED") == ["* VANISHED (EARLIER) 1:12"]


def test_what_the_client_is_yet_to_be_told_is_not_gone_earlier(cluster, address, c):
    fill(c, 5)
    c.ok("SELECT INBOX")
    with session(cluster, address, 1) as d:
        d.ok("ENABLE QRESYNC")
        modseq = int(re.search(r"HIGHESTMODSEQ (\d+)", str(d.ok("SELECT INBOX")))[1])
        d.ok("FETCH 1:* (FLAGS)")
        c.ok("STORE 5 +FLAGS.SILENT (\\Deleted)")
        c.ok("EXPUNGE")
        answer = d.ok(f"UID FETCH 1:* (UID) (CHANGEDSINCE {modseq} VANISHED)")
        assert not answer.find("EARLIER")
        told = answer.find("VANISHED") or d.ok("NOOP").find("VANISHED")
        assert told == ["* VANISHED 5"]


# ---- LIST and LSUB ----

def test_lsub_tells_a_name_once(c):
    for name in ("p/q/r", "p/s", "u/v"):
        c.ok(f"CREATE {name}")
    for name in ("p", "p/q/r", "p/s", "u/v"):
        c.ok(f"SUBSCRIBE {name}")
    assert c.ok('LSUB "" "p%"').untagged == ['* LSUB () "/" p']
    assert c.ok('LSUB "" "p/%"').untagged == ['* LSUB (\\Noselect) "/" p/q', '* LSUB () "/" p/s']
    c.ok("DELETE p/q/r")
    c.ok("DELETE p/q")
    c.ok("DELETE p/s")
    c.ok("DELETE p")
    assert c.ok('LSUB "" "p%"').untagged == ['* LSUB () "/" p']
    assert c.ok('LSUB "" "u%"').untagged == ['* LSUB (\\Noselect) "/" u']
    assert c.ok('LSUB "" "p*"').untagged == ['* LSUB () "/" p', '* LSUB () "/" p/q/r', '* LSUB () "/" p/s']


def test_recursivematch(c):
    c.ok("CREATE a/b/c")
    c.ok("SUBSCRIBE a/b/c")
    assert c.ok('LIST (SUBSCRIBED RECURSIVEMATCH) "" a').untagged == [
        '* LIST (\\HasChildren) "/" a ("CHILDINFO" ("SUBSCRIBED"))']
    # Nothing is told of the parent when the child is told itself.
    assert c.ok('LIST (SUBSCRIBED RECURSIVEMATCH) "" (a a/b/c)').untagged == [
        '* LIST (\\HasNoChildren \\Subscribed) "/" a/b/c']
    for name in ("a/b/c", "a/b", "a"):
        c.ok(f"DELETE {name}")
    assert c.ok('LIST (SUBSCRIBED RECURSIVEMATCH) "" a').untagged == [
        '* LIST (\\NonExistent) "/" a ("CHILDINFO" ("SUBSCRIBED"))']
    assert c.ok('LIST (SUBSCRIBED RECURSIVEMATCH) "" a/%').untagged == [
        '* LIST (\\NonExistent) "/" a/b ("CHILDINFO" ("SUBSCRIBED"))']
    assert c.ok('LIST (SUBSCRIBED RECURSIVEMATCH) "" a*').untagged == ['* LIST (\\Subscribed \\NonExistent) "/" a/b/c']
    assert c.ok('LIST (SUBSCRIBED) "" a').untagged == []


# ---- Messages that are gone ----

@pytest.mark.parametrize("item", ["+FLAGS.SILENT (\\Deleted)", "+FLAGS (\\Deleted)", "FLAGS.SILENT (\\Seen)"])
def test_store_when_some_are_gone(cluster, address, c, item):
    """RFC 2180, 4.2: the rest is stored."""
    fill(c, 5)
    c.ok("SELECT INBOX")
    with session(cluster, address, 1, "INBOX") as d:
        d.ok("FETCH 1:5 (FLAGS)")
        c.ok("STORE 2,4 +FLAGS (\\Deleted)")
        c.ok("EXPUNGE")
        wait_for(lambda: d.ok("FETCH 2 (FLAGS)").code == "EXPUNGEISSUED", what="the other frontend knows")
        answer = d.cmd(f"STORE 1:4 {item}")
        assert answer.status == "OK" and not answer.find("EXPUNGE")
        # Only those that are gone: NO, unless it was to be silent.
        answer = d.cmd(f"STORE 2,4 {item}")
        assert answer.status == ("OK" if "SILENT" in item else "NO") and answer.code == "EXPUNGEISSUED"
        assert d.ok("NOOP").find("EXPUNGE") == ["* 2 EXPUNGE", "* 3 EXPUNGE"]
        told = [re.search(r"FLAGS \((.*?)\)", line)[1] for line in d.ok("FETCH 1:3 (FLAGS)").untagged]
        assert [item.split("(")[1].rstrip(")") in flags for flags in told] == [True, True, False]


# ---- Time ----

def test_append_by_imaplib_does_not_wait(cluster, address):
    """The literal and the line's end come in segments of their own."""
    client = imaplib.IMAP4("127.0.0.1", cluster.port("imap"))
    client.login(address, "secret")
    took = []
    for _ in range(30):
        began = time.monotonic()
        assert client.append("INBOX", None, None, TEXT.encode())[0] == "OK"
        took.append((time.monotonic() - began) * 1000)
    client.logout()
    print("APPEND by imaplib, median ms:", statistics.median(took))
    assert statistics.median(took) < 25


@pytest.mark.parametrize("verb", ["DATA", "BDAT"])
def test_a_body_in_two_segments_does_not_wait(cluster, address, verb):
    took = []
    with socket.create_connection(("127.0.0.1", cluster.port("smtp")), timeout=20) as s:
        reader = s.makefile("rb")

        def answer():
            while True:
                line = reader.readline()
                if line[3:4] != b"-":
                    assert line[:1] in b"23", line
                    return
        answer()
        s.sendall(b"EHLO client.example.net\r\n")
        answer()
        for _ in range(20):
            s.sendall(b"MAIL FROM:<>\r\n")
            answer()
            s.sendall(f"RCPT TO:<{address}>\r\n".encode())
            answer()
            body = TEXT.encode()
            if verb == "DATA":
                s.sendall(b"DATA\r\n")
                answer()
            began = time.monotonic()
            if verb == "BDAT":
                s.sendall(b"BDAT %d LAST\r\n" % len(body))
                s.sendall(body[:20])
                s.sendall(body[20:])
            else:
                s.sendall(body)
                s.sendall(b".\r\n")
            answer()
            took.append((time.monotonic() - began) * 1000)
    print(verb, "median ms:", statistics.median(took))
    assert statistics.median(took) < 25
