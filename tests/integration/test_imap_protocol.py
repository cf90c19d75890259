"""IMAP: corner cases of the protocol that strict and odd clients reach."""

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
    # Some clients send one line end more than APPEND needs.
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
    """Refused, but not a fault of the command: BAD would make clients disconnect."""
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
    """After an expunge "*" is the last UID that existed: the last messages may be the expunged ones."""
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
        # Without a log that reaches back far enough, all UIDs that do not exist are reported.
        cluster.redis.hset(f"mail:{{{address}}}:f:1", "since", 10 ** 6)
        answer = d.ok(f"UID FETCH 1:* (UID) (CHANGEDSINCE {modseq} VANISHED)")
        assert answer.find("VANISHED") == ["* VANISHED (EARLIER) 3,8:10"]
        # Messages that have arrived since are not gone.
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
    # The parent is not reported when the child itself is.
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


def test_recursivematch_names_the_criteria(c):
    c.ok("CREATE a/b (USE (\\Important))")
    c.ok("CREATE a/c")
    c.ok("SUBSCRIBE a/c")
    for criteria, info in (("SPECIAL-USE", '"SPECIAL-USE"'), ("SUBSCRIBED", '"SUBSCRIBED"')):
        assert c.ok(f'LIST ({criteria} RECURSIVEMATCH) "" a').untagged == [
            f'* LIST (\\HasChildren) "/" a ("CHILDINFO" ({info}))']
    assert c.ok('LIST (SUBSCRIBED SPECIAL-USE RECURSIVEMATCH) "" a').untagged == []
    c.ok("SUBSCRIBE a/b")
    assert c.ok('LIST (SUBSCRIBED SPECIAL-USE RECURSIVEMATCH) "" a').untagged == [
        '* LIST (\\HasChildren) "/" a ("CHILDINFO" ("SUBSCRIBED" "SPECIAL-USE"))']


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
        answer = d.cmd(f"STORE 2,4 {item}")
        assert answer.status == "OK" and answer.code == "EXPUNGEISSUED" and not answer.untagged
        assert d.ok("NOOP").find("EXPUNGE") == ["* 2 EXPUNGE", "* 3 EXPUNGE"]
        told = [re.search(r"FLAGS \((.*?)\)", line)[1] for line in d.ok("FETCH 1:3 (FLAGS)").untagged]
        assert [item.split("(")[1].rstrip(")") in flags for flags in told] == [True, True, False]


# ---- Time ----

def test_append_by_imaplib_does_not_wait(cluster, address):
    """The literal and the line end arrive in separate segments."""
    client = imaplib.IMAP4("127.0.0.1", cluster.port("imap"))
    client.login(address, "secret")
    took = []
    for _ in range(30):
        began = time.monotonic()
        assert client.append("INBOX", None, None, TEXT.encode())[0] == "OK"
        took.append((time.monotonic() - began) * 1000)
    client.logout()
    print("APPEND by imaplib, median ms:", statistics.median(took))
    # The kernel itself acknowledges a connection's first segments at once; then each would wait 40 ms. The machine may be busy.
    assert sorted(took[10:])[1] < 30


@pytest.mark.parametrize("rest", [" " + "y" * 70000, " CATENATE (URL {2000000}"], ids=["long line", "large literal"])
def test_append_refused_after_its_first_literal(cluster, address, rest):
    """BAD ends the command with all that was kept of it; the frontend and its other sessions go on."""
    old = cluster.pid("frontend-0")
    with session(cluster, address, select="INBOX") as other, session(cluster, address) as c:
        c.send("x APPEND INBOX {3+}\r\nabc" + rest + "\r\n")
        assert c.finish("x").status == "BAD"
        assert c.append("INBOX", TEXT.format(n=1), plus=True).status == "OK"
        other.ok("NOOP")
        assert other.ok("FETCH 1:* FLAGS").untagged
    assert cluster.pid("frontend-0") == old


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
    # The kernel itself acknowledges a connection's first segments at once; then each would wait 40 ms. The machine may be busy.
    assert sorted(took[10:])[1] < 30


# ---- \Recent (RFC 3501, 2.3.2) ----

def recent(c):
    """The numbers of the messages whose flags say so."""
    lines = c.ok("FETCH 1:* (FLAGS)").find("FETCH")
    return [int(line.split()[1]) for line in lines if "\\Recent" in line]


def told_recent(answer):
    return [int(line.split()[1]) for line in answer.find(r"^\* \d+ RECENT")]


def status_recent(c, mailbox="INBOX"):
    return int(re.search(r"RECENT (\d+)", str(c.ok(f"STATUS {mailbox} (RECENT)")))[1])


def test_recent_is_for_the_first_session(cluster, address, c):
    fill(c, 3)
    assert status_recent(c) == 3
    # A read-only session does not take the flag.
    for _ in range(2):
        assert told_recent(c.ok("EXAMINE INBOX")) == [3] and recent(c) == [1, 2, 3]
    with session(cluster, address, 1) as d:
        assert told_recent(d.ok("SELECT INBOX")) == [3]
        assert status_recent(c) == 0
        assert recent(d) == [1, 2, 3]
        assert told_recent(c.ok("SELECT INBOX")) == [0] and recent(c) == []
        c.ok("STORE 2 +FLAGS (\\Seen)")
        wait_for(lambda: d.ok("SEARCH SEEN").untagged[-1] == "* SEARCH 2", what="the flag")
        assert d.ok("SEARCH NEW").untagged == ["* SEARCH 1 3"]
        assert d.ok("SEARCH RECENT").untagged == ["* SEARCH 1 2 3"]
        assert d.ok("SEARCH OLD").untagged == ["* SEARCH"]
        assert c.ok("SEARCH NEW").untagged == c.ok("SEARCH RECENT").untagged == ["* SEARCH"]
        assert c.ok("SEARCH OLD").untagged == ["* SEARCH 1 2 3"]
        # It stays with the session, whatever happens to the flags, and disappears with the message.
        assert d.ok("STORE 1 FLAGS (\\Flagged)").find("FETCH") == ["* 1 FETCH (FLAGS (\\Flagged \\Recent))"]
        d.ok("STORE 2 +FLAGS.SILENT (\\Deleted)")
        answer = d.ok("EXPUNGE")
        assert answer.find("EXPUNGE") == ["* 2 EXPUNGE"] and told_recent(answer) == [2]
        assert recent(d) == [1, 2]
        assert told_recent(d.ok("SELECT INBOX")) == [0] and recent(d) == []


def test_recent_of_what_comes_later(cluster, address, c):
    """Each message is recent in only one session, on whichever frontend."""
    sessions = [session(cluster, address, n % 2, "INBOX") for n in range(4)]
    looker = session(cluster, address, 0)
    looker.ok("EXAMINE INBOX")
    for n in range(1, 13):
        fill(c, 1)
        order = sessions[n % 4:] + sessions[:n % 4]
        for s in order:
            s.ok("NOOP")
    owners = {}
    for i, s in enumerate(sessions):
        for number in recent(s):
            owners.setdefault(number, []).append(i)
    assert sorted(owners) == list(range(1, 13)) and all(len(o) == 1 for o in owners.values())
    assert sum(told_recent(s.ok("SELECT INBOX"))[0] for s in sessions) == 0
    looker.ok("NOOP")
    assert recent(looker) == list(range(1, 13))
    for s in sessions + [looker]:
        s.close()


def test_recent_is_told_with_new_mail(cluster, address, c):
    with session(cluster, address, 1, "INBOX") as d:
        tag = d.start("IDLE")
        assert d.read_line().startswith("+")
        fill(c, 1)
        assert d.wait_line("EXISTS")[0] == "* 1 EXISTS" and d.read_line() == "* 1 RECENT"
        fill(c, 1)
        assert d.wait_line("EXISTS")[0] == "* 2 EXISTS" and d.read_line() == "* 2 RECENT"
        d.send("DONE\r\n")
        d.finish(tag)
        assert recent(d) == [1, 2]
        # Also for messages that it copies into the selected mailbox itself.
        assert told_recent(d.ok("COPY 1 INBOX")) + told_recent(d.ok("NOOP")) == [3]
    # IMAP4rev2 does not know the flag, and does not take it.
    fill(c, 1)
    with session(cluster, address, 1) as d:
        d.ok("ENABLE IMAP4rev2")
        answer = d.ok("SELECT INBOX")
        assert not answer.find("RECENT") and not answer.find("UNSEEN")
        assert recent(d) == []
        fill(c, 1)
        assert not d.ok("NOOP").find("RECENT")
    assert told_recent(c.ok("SELECT INBOX")) == [2] and recent(c) == [4, 5]


def test_recent_of_a_mailbox_of_before(cluster, address, c):
    """A mailbox without a watermark in the store: existing messages are old, new ones are recent."""
    fill(c, 3)
    cluster.redis.hdel(f"mail:{{{address}}}:f:1", "recent", "recent_count")
    assert status_recent(c) == 0
    assert told_recent(c.ok("EXAMINE INBOX")) == [0]
    fill(c, 1)
    assert status_recent(c) == 1
    assert told_recent(c.ok("SELECT INBOX")) == [1] and recent(c) == [4]


def test_recent_after_a_move_and_delete(c):
    fill(c, 4)
    c.ok("SELECT INBOX")
    c.ok("CREATE other")
    c.ok("MOVE 1:3 other")
    assert status_recent(c, "other") == 3
    assert told_recent(c.ok("EXAMINE other")) == [3]
    with_status = c.ok('LIST "" other RETURN (STATUS (RECENT MESSAGES))')
    assert with_status.find(r"MESSAGES 3 RECENT 3|RECENT 3")
    c.ok("UNSELECT")
    c.ok("RENAME INBOX kept")
    assert status_recent(c, "kept") == 1 and status_recent(c) == 0


def test_first_unseen(cluster, address, c):
    def told(command):
        found = re.search(r"\[UNSEEN (\d+)\]", str(c.ok(command)))
        return found and int(found[1])
    assert told("SELECT INBOX") is None
    fill(c, 5)
    assert told("SELECT Sent") is None and told("SELECT INBOX") == 1
    c.ok("STORE 1:3,5 +FLAGS.SILENT (\\Seen)")
    assert told("SELECT INBOX") == 4 and told("EXAMINE INBOX") == 4
    # By a frontend that does not know about it yet.
    with session(cluster, address, 1) as d:
        assert d.ok("EXAMINE INBOX").find(r"\[UNSEEN 4\]")
    c.ok("SELECT INBOX")
    c.ok("STORE 4 +FLAGS (\\Seen)")
    assert told("SELECT INBOX") is None
    assert told("EXAMINE INBOX") is None


# ---- Keywords and modseqs are told in time ----

def test_keywords_are_announced_before_they_are_used(cluster, address, c):
    fill(c, 2)
    c.ok("SELECT INBOX")
    with session(cluster, address, 0, "INBOX") as d, session(cluster, address, 1, "INBOX") as e:
        for other in (d, e):
            other.ok("FETCH 1:2 (FLAGS)")
        c.ok("STORE 2 +FLAGS (fresh)")
        time.sleep(0.5)
        for other in (d, e):
            lines = other.ok("FETCH 1:2 (FLAGS UID)").untagged
            used = next(i for i, line in enumerate(lines) if "FETCH" in line and "fresh" in line)
            assert any(line.startswith("* FLAGS (") and "fresh" in line for line in lines[:used]), lines


def test_flags_of_others_are_told_with_their_modseq(cluster, address, c):
    fill(c, 1)
    c.ok("SELECT INBOX")
    with session(cluster, address, 1, "INBOX") as d:
        d.ok("FETCH 1 (FLAGS MODSEQ)")
        modseq = re.search(r"MODSEQ \((\d+)\)", str(c.ok("STORE 1 (UNCHANGEDSINCE 9999) +FLAGS (\\Flagged)")))[1]
        time.sleep(0.5)
        told = str(d.ok("FETCH 1 (FLAGS)")) + str(d.ok("NOOP"))
        assert f"MODSEQ ({modseq})" in told


@pytest.mark.parametrize("items", ["ENVELOPE BODYSTRUCTURE", "BODY.PEEK[]", "BODY.PEEK[HEADER.FIELDS (Subject)]", "BODY.PEEK[TEXT]"])
def test_fetch_of_what_another_frontend_has_just_expunged(cluster, address, items):
    """The body is gone before the frontend knows about it: not a server error, and the connection stays open."""
    readers = [session(cluster, address, 1) for _ in range(2)]
    with session(cluster, address, 0) as c:
        for _ in range(12):
            fill(c, 8)
            c.ok("SELECT INBOX")
            for d in readers:
                d.ok("SELECT INBOX")
                d.ok("FETCH 1:* (FLAGS)")
            c.ok("STORE 1:* +FLAGS.SILENT (\\Deleted)")
            tag = c.start("EXPUNGE")
            tags = [(d, d.start(f"FETCH 1:8 (UID {items})")) for _ in range(8) for d in readers]
            c.finish(tag)
            for d, tag in tags:
                assert d.finish(tag).status == "OK"
            for d in readers:
                assert len(d.ok("NOOP").find("EXPUNGE")) == 8
    for d in readers:
        d.close()


# ---- Several fields of one name ----

def test_search_looks_at_all_fields_of_a_name(c):
    c.append("INBOX", "From: a@one.example\r\nTo: first@x.example\r\nSubject: alpha\r\nTo: Second <second@x.example>\r\n"
             "Cc: cc1@x.example\r\nCC: cc2@x.example\r\nBcc: b1@x.example\r\nbcc: b2@x.example\r\nSubject: beta\r\n"
             "From: b@two.example\r\nX-Many: uno\r\nX-Many: dos\r\nMessage-ID: <one@x>\r\nMessage-ID: <two@x>\r\n\r\nx\r\n")
    c.append("INBOX", TEXT.format(n=2))
    c.ok("SELECT INBOX")
    for key in ("TO first", "TO second", "CC cc1", "CC cc2", "BCC b1", "BCC b2", "FROM one", "FROM two", "SUBJECT alpha",
                "HEADER Subject alpha", "HEADER Subject beta", "HEADER X-Many uno", "HEADER X-Many dos", "HEADER To second",
                "HEADER Message-ID one@x", "HEADER Message-ID two@x", 'HEADER Message-ID "<two@x>"',
                "HEADER Subject alpha HEADER Subject beta TEXT uno"):
        assert c.ok("SEARCH " + key).untagged == ["* SEARCH 1"], key
    assert c.ok("SEARCH HEADER Subject gamma").untagged == ["* SEARCH"]
    # Sorting goes by the first.
    assert c.ok("SORT (TO) UTF-8 ALL").untagged == ["* SORT 1 2"]
    # Many ids in one search, as clients send when they look for messages that they have.
    ids = " ".join("NOT HEADER Message-ID %d@y" % n for n in range(200))
    assert c.ok(f"SEARCH {ids} HEADER Message-ID two@x").untagged == ["* SEARCH 1"]
