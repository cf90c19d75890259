"""IMAP: sessions, mailboxes, flags, copying and appending, on two frontends at
once; bad input; a change that was answered OK is permanent."""

import base64
import imaplib
import itertools
import os
import re
import signal
import ssl
import subprocess
import threading
import time
import zlib

import pytest

from cluster import wait_for
from imap_client import Closed, Imap, b64

TEXT = "From: Sender <sender@remote.example>\r\nTo: you@example.test\r\nSubject: {n}\r\n\r\nbody {n}\r\n"
_numbers = itertools.count(1)


def fresh(cluster, **fields):
    return cluster.add_user(f"client{next(_numbers)}-{os.getpid()}@example.test", **fields)


def connect(cluster, name="imap", frontend=0, **kwargs):
    return Imap(cluster.port(name, frontend), tls=name == "imaps", **kwargs)


def session(cluster, address, frontend=0, select=None, **kwargs):
    c = connect(cluster, frontend=frontend, **kwargs)
    c.login(address)
    if select:
        c.ok(f"SELECT {select}")
    return c


def two(cluster, address, select="INBOX"):
    """A session with each of the two frontends."""
    return [session(cluster, address, frontend, select) for frontend in (0, 1)]


def fill(c, count=3, mailbox="INBOX"):
    for n in range(1, count + 1):
        assert c.append(mailbox, TEXT.format(n=n), plus=True).status == "OK"


def flags(c):
    """{uid: set of flags} as the server has them for all sessions: a STORE that changes nothing."""
    out = {}
    for line in c.ok("UID STORE 1:* +FLAGS ()").untagged:
        m = re.match(r"\* \d+ FETCH \(UID (\d+) FLAGS \((.*?)\)", line)
        if m:
            out[int(m.group(1))] = set(m.group(2).split()) - {"\\Recent"}
    return out


@pytest.fixture
def address(cluster):
    return fresh(cluster)


@pytest.fixture
def patient(cluster):
    """Bad commands do not end the connection so soon."""
    cluster.settings("imap", max_bad_commands=1000)


@pytest.fixture
def c(cluster, address):
    with session(cluster, address) as s:
        yield s


@pytest.fixture
def box(c):
    """Three messages in INBOX, which is selected, not for the first time: they are not \\Recent."""
    fill(c)
    c.ok("SELECT INBOX")
    c.ok("SELECT INBOX")
    return c


# ---- Greeting, login ----

def test_greeting_and_capability(cluster):
    with connect(cluster) as c:
        assert re.match(r"\* OK \[CAPABILITY IMAP4rev1 .*\] mx.example.test IMAP4 server ready$", c.greeting)
        told = re.search(r"\[CAPABILITY (.*?)\]", c.greeting).group(1)
        assert c.ok("CAPABILITY").untagged == ["* CAPABILITY " + told]
        assert "STARTTLS" in told and "AUTH=PLAIN" in told and "LOGINDISABLED" not in told


def test_banner(cluster):
    cluster.settings("imap", banner="hello from #HostName#")
    with connect(cluster) as c:
        assert c.greeting.endswith("] hello from mx.example.test")


@pytest.mark.parametrize("name", ["imap", "imaps"])
def test_login(cluster, address, name):
    with connect(cluster, name) as c:
        assert c.cmd(f"LOGIN {address} wrong").code == "AUTHENTICATIONFAILED"
        assert c.cmd("SELECT INBOX").status == "BAD"
        answer = c.login(address)
        assert answer.code.startswith("CAPABILITY IMAP4rev1") and "AUTH=" not in answer.code
        assert c.cmd(f"LOGIN {address} secret").status == "BAD"
        assert c.ok("LOGOUT").untagged[-1].startswith("* BYE")
        assert c.at_end()


def test_login_with_literals(cluster, address):
    with connect(cluster) as c:
        assert c.literals("LOGIN ", address.encode(), " ", b"secret").status == "OK"
    with connect(cluster) as c:
        assert c.literals("LOGIN ", address.encode(), " ", b"secret", plus=True).status == "OK"


def test_authenticate_plain(cluster, address):
    token = b64(f"\0{address}\0secret")
    with connect(cluster) as c:
        assert c.ok(f"AUTHENTICATE PLAIN {token}").code.startswith("CAPABILITY")
    with connect(cluster) as c:
        tag = c.start("AUTHENTICATE PLAIN")
        assert c.read_line().startswith("+")
        c.send(token + "\r\n")
        assert c.finish(tag).status == "OK"
    with connect(cluster) as c:
        tag = c.start("AUTHENTICATE PLAIN")
        c.read_line()
        c.send("*\r\n")
        assert c.finish(tag).status == "BAD"
        assert c.cmd("AUTHENTICATE NONSENSE").status == "NO"
        assert c.cmd("AUTHENTICATE PLAIN !!!").status == "BAD"
        token = b64(f"\0{address}\0wrong")
        assert c.cmd(f"AUTHENTICATE PLAIN {token}").code == "AUTHENTICATIONFAILED"
        c.login(address)


def test_authenticate_login(cluster, address):
    with connect(cluster) as c:
        tag = c.start("AUTHENTICATE LOGIN")
        assert c.read_line() == "+ " + b64("Username:")
        c.send(b64(address) + "\r\n")
        assert c.read_line() == "+ " + b64("Password:")
        c.send(b64("secret") + "\r\n")
        assert c.finish(tag).status == "OK"


def test_curl_and_scram(cluster, address):
    """curl speaks SCRAM-SHA-256 where its SASL library does; PLAIN and LOGIN in any case."""
    for auth in ("AUTH=PLAIN", "AUTH=LOGIN"):
        out = subprocess.run(["curl", "-sS", "--url", f"imap://127.0.0.1:{cluster.port('imap')}/", "-u", f"{address}:secret",
                              "--login-options", auth], capture_output=True, text=True, timeout=60)
        assert "INBOX" in out.stdout, out.stderr
    out = subprocess.run(["curl", "-sSk", "--url", f"imaps://127.0.0.1:{cluster.port('imaps')}/", "-u", f"{address}:secret"],
                         capture_output=True, text=True, timeout=60)
    assert "INBOX" in out.stdout, out.stderr


def test_imaplib(cluster, address):
    m = imaplib.IMAP4("127.0.0.1", cluster.port("imap"))
    context = ssl._create_unverified_context()
    m.starttls(context)
    m.login(address, "secret")
    assert m.select("INBOX") == ("OK", [b"0"])
    assert m.append("INBOX", "\\Seen", None, b"Subject: x\n\nbody\n")[0] == "OK"
    assert m.noop()[0] == "OK"
    assert m.status("INBOX", "(MESSAGES UNSEEN)")[1] == [b"INBOX (MESSAGES 1 UNSEEN 0)"]
    assert m.store("1", "+FLAGS", "\\Deleted")[0] == "OK"
    assert m.expunge() == ("OK", [b"1"])
    assert m.create("Work")[0] == "OK" and m.delete("Work")[0] == "OK"
    m.close()
    m.logout()


def test_starttls(cluster, address):
    with connect(cluster) as c:
        assert c.cmd("STARTTLS x").status == "BAD"
        # Data sent before the handshake is discarded.
        c.send(f"a STARTTLS\r\nb LOGIN {address} secret\r\n")
        assert c.read_line().startswith("a OK")
        c.start_tls()
        told = c.ok("CAPABILITY").untagged[0]
        assert "STARTTLS" not in told and "AUTH=SCRAM-SHA-256-PLUS" in told
        assert c.cmd("STARTTLS").status == "BAD"
        c.login(address)


def test_login_disabled_without_tls(cluster, address):
    cluster.settings("imap", proxy_protocol_from="127.0.0.1")
    far = b"PROXY TCP4 192.0.2.7 192.0.2.1 4000 143\r\n"
    with connect(cluster, send_first=far) as c:
        assert "LOGINDISABLED" in c.greeting and "AUTH=" not in c.greeting
        assert c.cmd(f"LOGIN {address} secret").code == "PRIVACYREQUIRED"
        assert c.cmd("AUTHENTICATE PLAIN").code == "PRIVACYREQUIRED"
    cluster.settings("imap", proxy_protocol_from="127.0.0.1", allow_insecure_auth="on")
    with connect(cluster, send_first=far) as c:
        c.login(address)


def test_max_connections(cluster):
    cluster.settings("imap", max_connections=2)
    with connect(cluster), connect(cluster):
        with connect(cluster) as c:
            assert c.greeting == "* BYE [UNAVAILABLE] too many connections, try later"


def test_max_bad_commands(cluster):
    cluster.settings("imap", max_bad_commands=3)
    with connect(cluster) as c:
        for _ in range(3):
            assert c.cmd("NONSENSE").status == "BAD"
        assert c.read_line().startswith("* BYE")
        assert c.at_end()


def test_command_timeout(cluster):
    cluster.settings("imap", command_timeout="1s")
    with connect(cluster) as c:
        c.send("a LOG")
        assert c.read_line().startswith("* BYE")


def test_unauthenticate(cluster, c):
    other = fresh(cluster)
    c.ok("SELECT INBOX")
    c.ok("UNAUTHENTICATE")
    assert c.cmd("STATUS INBOX (MESSAGES)").status == "BAD"
    c.login(other)
    c.ok("SELECT INBOX")


@pytest.mark.parametrize("how", ["disabled", "deleted"])
def test_account_is_disabled(cluster, address, how):
    other = fresh(cluster)
    with session(cluster, address, 0, "INBOX") as a, session(cluster, address, 1) as b, session(cluster, other) as c:
        a.start("IDLE")
        a.read_line()
        if how == "disabled":
            cluster.tool("user", "set", address, "enabled=off")
        else:
            cluster.tool("user", "delete", address)
        assert a.wait_line(r"\* BYE")
        assert b.wait_line(r"\* BYE")
        c.ok("SELECT INBOX")


def test_id_namespace_enable(c):
    assert c.ok('ID ("name" "x" "version" NIL)').untagged == ['* ID ("name" "Stagepost")']
    assert c.ok("ID NIL").untagged and c.ok("ID ()").untagged
    assert c.cmd("ID x").status == "BAD"
    assert c.ok("NAMESPACE").untagged == ['* NAMESPACE (("" "/")) NIL NIL']
    assert c.ok("ENABLE CONDSTORE X-NONSENSE").untagged == ["* ENABLED CONDSTORE"]
    assert c.cmd("ENABLE").status == "BAD"


# ---- Mailboxes ----

def names(answer):
    return [re.match(r'\* L\w+ \(.*?\) "/" "?(.*?)"?$', line).group(1) for line in answer.find(r"\* L(IST|SUB) ")]


def test_list(c):
    assert names(c.ok('LIST "" *')) == ["INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash"]
    assert c.ok('LIST "" ""').untagged == ['* LIST (\\Noselect) "/" ""']
    assert c.ok('LIST "" inbox').untagged == ['* LIST (\\HasNoChildren) "/" INBOX']
    assert c.ok("LIST (SPECIAL-USE) \"\" *").find("Sent") == ['* LIST (\\HasNoChildren \\Sent) "/" Sent']
    c.ok("CREATE a/b/c")
    c.ok("CREATE a/d/")
    assert names(c.ok('LIST "" a*')) == ["a", "a/b", "a/b/c", "a/d"]
    assert names(c.ok('LIST "" a/%')) == ["a/b", "a/d"]
    assert names(c.ok('LIST a/ %')) == ["a/b", "a/d"]
    assert names(c.ok('LIST "" %/b')) == ["a/b"]
    assert c.ok('LIST "" a').untagged == ['* LIST (\\HasChildren) "/" a']
    assert names(c.ok('LIST "" (a/d Sent)')) == ["Sent", "a/d"]


def test_list_children(c):
    for name in ("a", "a-b", "a.c", "a/x", "a0", "ab/c", "INBOX/sub", "z/1/2"):
        c.ok(f"CREATE {name}")
    told = {n: "\\HasChildren" in line for line in c.ok('LIST "" *').untagged for n in [line.split(" ")[-1]]}
    parents = {name for name in told if any(other.startswith(name + "/") for other in told)}
    assert {name for name, has in told.items() if has} == parents == {"INBOX", "a", "ab", "z", "z/1"}


def test_list_extended(patient, c):
    c.ok("CREATE a/b")
    c.ok("SUBSCRIBE a/b")
    assert c.ok('LIST (SUBSCRIBED) "" a*').untagged == ['* LIST (\\HasNoChildren \\Subscribed) "/" a/b']
    assert c.ok('LIST (SUBSCRIBED RECURSIVEMATCH) "" a').untagged == [
        '* LIST (\\HasChildren) "/" a ("CHILDINFO" ("SUBSCRIBED"))']
    c.ok("DELETE a/b")
    assert c.ok('LIST (SUBSCRIBED) "" a*').untagged == ['* LIST (\\Subscribed \\NonExistent) "/" a/b']
    assert c.ok('LSUB "" a*').untagged == ['* LSUB () "/" a/b']
    assert c.ok('LSUB "" a%').untagged == ['* LSUB (\\Noselect) "/" a']
    c.ok("UNSUBSCRIBE a/b")
    assert c.ok('LSUB "" a*').untagged == []
    for bad in ('LIST (RECURSIVEMATCH) "" *', 'LIST (NONSENSE) "" *', 'LIST "" * RETURN (NONSENSE)', 'LIST ""', 'LIST',
                'LIST "" * x', 'LIST "" (a'):
        assert c.cmd(bad).status == "BAD", bad
    answer = c.ok('LIST "" INBOX RETURN (STATUS (MESSAGES UIDNEXT) MYRIGHTS CHILDREN SPECIAL-USE)')
    assert answer.untagged == ['* LIST (\\HasNoChildren) "/" INBOX', "* MYRIGHTS INBOX lrswipkxtea",
                               "* STATUS INBOX (MESSAGES 0 UIDNEXT 1)"]


def test_create_delete_rename(patient, c):
    first = c.ok("CREATE one").code
    assert first.startswith("MAILBOXID (F")
    assert c.cmd("CREATE one").code == "ALREADYEXISTS"
    assert c.cmd("CREATE inbox").code == "ALREADYEXISTS"
    c.ok("CREATE one/two")
    assert c.cmd("DELETE one").code == "HASCHILDREN"
    assert c.cmd("DELETE none").code == "NONEXISTENT"
    assert c.cmd("DELETE INBOX").code == "CANNOT"
    c.ok("RENAME one x/y")
    assert names(c.ok('LIST "" x*')) == ["x", "x/y", "x/y/two"]
    assert c.ok("STATUS x/y (MAILBOXID)").untagged == [f"* STATUS x/y ({first})"]
    assert c.cmd("RENAME x/y Sent").code == "ALREADYEXISTS"
    assert c.cmd("RENAME none else").code == "NONEXISTENT"
    assert c.cmd("SUBSCRIBE none").code == "NONEXISTENT"
    c.ok("DELETE x/y/two")
    assert c.cmd("SELECT x/y/two").code == "NONEXISTENT"
    for bad in ("a//b", "/a", '""', '"a\tb"', "&Jjp-", "x" * 2000, "/".join(["d"] * 100)):
        assert c.cmd(f"CREATE {bad}").status in ("NO", "BAD"), bad
    assert c.ok("CREATE Out (USE (\\Sent))") and c.ok('LIST "" Out').untagged == ['* LIST (\\HasNoChildren \\Sent) "/" Out']
    assert c.cmd("CREATE All (USE (\\All))").code == "USEATTR"
    assert c.cmd("CREATE All (NONSENSE)").status == "BAD"


def test_rename_inbox(c):
    fill(c, 2)
    c.ok("RENAME INBOX old")
    assert c.ok("STATUS INBOX (MESSAGES)").untagged == ["* STATUS INBOX (MESSAGES 0)"]
    assert c.ok("STATUS old (MESSAGES)").untagged == ["* STATUS old (MESSAGES 2)"]


def test_utf8_names(c):
    c.ok("CREATE Entw&APw-rfe")
    assert c.ok('LIST "" Ent*').untagged == ['* LIST (\\HasNoChildren) "/" "Entw&APw-rfe"']
    c.ok("ENABLE UTF8=ACCEPT")
    assert c.ok('LIST "" Ent*').untagged == ['* LIST (\\HasNoChildren) "/" "Entwürfe"']
    # Another normal form of the same name.
    assert c.cmd('CREATE "Entwu\u0308rfe"').code == "ALREADYEXISTS"
    c.ok('CREATE "\u65e5\u672c"')


def test_status(patient, c):
    fill(c, 2)
    c.ok("SELECT INBOX")
    c.ok("STORE 1 +FLAGS.SILENT (\\Seen \\Deleted)")
    size = len(TEXT.format(n=1))
    line = c.ok("STATUS INBOX (MESSAGES UIDNEXT UNSEEN DELETED SIZE RECENT DELETED-STORAGE APPENDLIMIT)").untagged[0]
    assert line == (f"* STATUS INBOX (MESSAGES 2 UIDNEXT 3 UNSEEN 1 DELETED 1 SIZE {2 * size} RECENT 0 "
                    "APPENDLIMIT 104857600 DELETED-STORAGE 1)")
    assert re.match(r"\* STATUS INBOX \(UIDVALIDITY \d+ HIGHESTMODSEQ \d+ MAILBOXID \(F1\)\)",
                    c.ok("STATUS inbox (UIDVALIDITY HIGHESTMODSEQ MAILBOXID)").find("STATUS")[0])
    assert c.cmd("STATUS none (MESSAGES)").code == "NONEXISTENT"
    for bad in ("STATUS INBOX ()", "STATUS INBOX (NONSENSE)", "STATUS INBOX", "STATUS INBOX MESSAGES"):
        assert c.cmd(bad).status == "BAD", bad


def test_select(box):
    answer = box.ok("SELECT INBOX")
    assert answer.untagged[0] == "* OK [CLOSED] the mailbox is closed"
    assert "* 3 EXISTS" in answer.untagged and "* 0 RECENT" in answer.untagged
    for code in ("UIDVALIDITY", "UIDNEXT 4", "HIGHESTMODSEQ", "MAILBOXID (F1)", "PERMANENTFLAGS"):
        assert answer.find(re.escape("[" + code)), code
    assert answer.code == "READ-WRITE"
    answer = box.ok("EXAMINE INBOX")
    assert answer.code == "READ-ONLY" and answer.find(r"PERMANENTFLAGS \(\)")
    for refused in ("STORE 1 FLAGS ()", "EXPUNGE", "UID EXPUNGE 1", "MOVE 1 Sent"):
        assert box.cmd(refused).code == "CANNOT", refused
    box.ok("COPY 1 Sent")
    assert box.cmd("SELECT none").code == "NONEXISTENT"
    assert box.cmd("CHECK").status == "BAD"  # a failed SELECT leaves none selected
    assert box.cmd("SELECT").status == "BAD" and box.cmd("SELECT INBOX (NONSENSE)").status == "BAD"


def test_close_and_unselect(box):
    box.ok("STORE 1 +FLAGS (\\Deleted)")
    box.ok("UNSELECT")
    assert box.cmd("UNSELECT").status == "BAD"
    assert "* 3 EXISTS" in box.ok("EXAMINE INBOX").untagged
    box.ok("CLOSE")
    assert "* 3 EXISTS" in box.ok("SELECT INBOX").untagged
    assert box.ok("CLOSE").untagged == []
    assert "* 2 EXISTS" in box.ok("SELECT INBOX").untagged


def test_rev2(cluster, box, address):
    """What ENABLE IMAP4rev2 changes (RFC 9051, appendix E)."""
    assert " IMAP4rev2 " in box.greeting
    assert box.ok("SEARCH ALL").untagged == ["* SEARCH 1 2 3"]
    box.ok("CREATE &AOQ-")
    assert box.ok("ENABLE IMAP4rev2").untagged == ["* ENABLED IMAP4rev2"]
    answer = box.ok("SELECT INBOX")
    assert '* LIST () "/" INBOX' in answer.untagged and not answer.find("RECENT")
    assert re.match(r'\* ESEARCH \(TAG "a\d+"\) ALL 1:3$', box.ok("SEARCH ALL").untagged[0])
    assert box.ok('LIST "" "\u00e4"').untagged == ['* LIST (\\HasNoChildren) "/" "\u00e4"']
    with session(cluster, address, 1, "INBOX") as other:
        other.ok("STORE 2 +FLAGS (\\Seen)")
        # Unsolicited responses include the UID.
        assert box.ok("NOOP").untagged == ["* 2 FETCH (UID 2 FLAGS (\\Seen))"]
        fill(other, 1)
        assert box.ok("NOOP").untagged == ["* 4 EXISTS"]
    assert box.ok("FETCH 1 BINARY.SIZE[1]").find(r"BINARY.SIZE\[1\] \d+")
    assert box.ok("STATUS INBOX (DELETED SIZE)").find("DELETED 0 SIZE")


def test_delete_selected(cluster, c, address):
    c.ok("CREATE gone")
    c.ok("SELECT gone")
    assert c.ok("DELETE gone").find("CLOSED")
    assert c.cmd("CHECK").status == "BAD"
    # Selected by another session, which is told.
    c.ok("CREATE gone")
    with session(cluster, address, 1, "gone") as other:
        c.ok("DELETE gone")
        with pytest.raises(Closed):
            wait_for(lambda: other.cmd("NOOP").status == "NO", what="the mailbox is gone")


# ---- Flags ----

def test_store(patient, box):
    assert box.ok("STORE 1 FLAGS (\\Seen kw)").find("FETCH") == ["* 1 FETCH (FLAGS (\\Seen kw))"]
    assert box.ok("STORE 1:2 +FLAGS \\Answered").untagged == [
        "* 1 FETCH (FLAGS (\\Seen \\Answered kw))", "* 2 FETCH (FLAGS (\\Answered))"]
    assert box.ok("STORE 1 -FLAGS (\\Seen KW none)").untagged == ["* 1 FETCH (FLAGS (\\Answered))"]
    assert box.ok("STORE 3 +FLAGS.SILENT (\\Flagged)").untagged == []
    assert box.ok("UID STORE 3 +FLAGS (\\Draft)").untagged == ["* 3 FETCH (UID 3 FLAGS (\\Flagged \\Draft))"]
    assert box.ok("UID STORE 100:200 +FLAGS (\\Draft)").untagged == []
    assert flags(box) == {1: {"\\Answered"}, 2: {"\\Answered"}, 3: {"\\Flagged", "\\Draft"}}
    assert box.ok("STORE *:2 FLAGS ()").untagged == ["* 2 FETCH (FLAGS ())", "* 3 FETCH (FLAGS ())"]
    for bad in ("STORE 4 FLAGS ()", "STORE 0 FLAGS ()", "STORE 1 FLAGS (\\Nonsense)", "STORE 1 FLAGS", "STORE 1 X ()",
                "STORE x FLAGS ()", "STORE 1 FLAGS (a b", "STORE 1,2: FLAGS ()", f"STORE 1 FLAGS ({'k' * 200})"):
        assert box.cmd(bad).status == "BAD", bad


def test_keywords_limit(box):
    box.ok("STORE 1 FLAGS (" + " ".join(f"k{i}" for i in range(64)) + ")")
    assert box.cmd("STORE 2 +FLAGS (another)").code == "LIMIT"
    assert box.cmd("STORE 1 FLAGS (" + " ".join(f"k{i}" for i in range(65)) + ")").status == "BAD"
    # Keywords that no message has any more make room.
    box.ok("STORE 1 FLAGS ()")
    box.ok("STORE 2 +FLAGS (another)")


def test_condstore(box):
    modseq = int(re.search(r"HIGHESTMODSEQ (\d+)", str(box.ok("SELECT INBOX (CONDSTORE)"))).group(1))
    answer = box.ok(f"STORE 1 (UNCHANGEDSINCE {modseq}) +FLAGS (\\Seen)")
    assert answer.untagged == [f"* 1 FETCH (UID 1 FLAGS (\\Seen) MODSEQ ({modseq + 1}))"]
    answer = box.ok(f"UID STORE 1:2 (UNCHANGEDSINCE {modseq}) +FLAGS.SILENT (\\Flagged)")
    assert answer.code == "MODIFIED 1"
    assert answer.untagged == [f"* 2 FETCH (UID 2 MODSEQ ({modseq + 2}))"]
    assert box.ok("STORE 1:3 (UNCHANGEDSINCE 0) +FLAGS (\\Flagged)").code == "MODIFIED 1:3"
    # Nothing to change: no new modseq.
    assert box.ok("STORE 1 +FLAGS (\\Seen)").untagged == [f"* 1 FETCH (UID 1 FLAGS (\\Seen) MODSEQ ({modseq + 1}))"]


def test_silent_does_not_hide_others(cluster, box, address):
    box.ok("STORE 1 FLAGS ()")
    with session(cluster, address, 1, "INBOX") as other:
        other.ok("STORE 1 +FLAGS (\\Flagged)")
        seen = box.ok("STORE 1 +FLAGS.SILENT (\\Seen)").untagged + box.ok("NOOP").untagged
        assert [line for line in seen if "\\Flagged" in line and "\\Seen" in line]


# ---- Expunge, copy, move ----

def test_expunge(box):
    box.ok("STORE 1,3 +FLAGS.SILENT (\\Deleted)")
    assert box.ok("UID EXPUNGE 2:3").untagged == ["* 3 EXPUNGE"]
    assert box.ok("EXPUNGE").untagged == ["* 1 EXPUNGE"]
    assert box.ok("EXPUNGE").untagged == []
    assert flags(box) == {2: set()}
    assert box.cmd("UID EXPUNGE x").status == "BAD" and box.cmd("EXPUNGE 1").status == "BAD"


def test_expunge_is_told_only_when_allowed(cluster, box, address):
    with session(cluster, address, 1, "INBOX") as other:
        flags(other)
        box.ok("STORE 1 +FLAGS (\\Deleted)")
        box.ok("EXPUNGE")
        wait_for(lambda: "\\Answered" in str(box.ok("STORE 1 +FLAGS (\\Answered)")), what="stored")
        time.sleep(0.3)
        # Message 2 is still number 2 while commands with sequence numbers are running.
        answer = other.cmd("STORE 2 +FLAGS (\\Flagged)")
        assert not answer.find("EXPUNGE") and answer.find(r"\* 2 FETCH .*Flagged")
        answer = other.cmd("STORE 1 +FLAGS (\\Flagged)")
        assert answer.code == "EXPUNGEISSUED" and not answer.find("EXPUNGE")
        assert other.ok("NOOP").find("EXPUNGE") == ["* 1 EXPUNGE"]
        assert other.ok("STORE 1 +FLAGS (\\Seen)").find(r"\* 1 FETCH .*Flagged")


def test_copy(box):
    box.ok("STORE 2 +FLAGS (\\Seen label)")
    answer = box.ok("COPY 2:3 Sent")
    assert re.match(r"COPYUID \d+ 2:3 1:2$", answer.code)
    assert re.match(r"COPYUID \d+ 1 3$", box.ok("UID COPY 1 Sent").code)
    assert box.ok("UID COPY 99 Sent").code == ""
    assert box.cmd("COPY 1 none").code == "TRYCREATE"
    assert box.cmd("COPY 9 Sent").status == "BAD"
    box.ok("SELECT Sent")
    assert flags(box) == {1: {"\\Seen", "label"}, 2: set(), 3: set()}


def test_move(box):
    answer = box.ok("MOVE 2 Sent")
    assert re.match(r"\* OK \[COPYUID \d+ 2 1\]", answer.untagged[0]) and answer.untagged[1:] == ["* 2 EXPUNGE"]
    assert box.cmd("UID MOVE 1 none").code == "TRYCREATE"
    assert box.ok("UID MOVE 1:3 Trash").find("EXPUNGE") == ["* 1 EXPUNGE", "* 1 EXPUNGE"]
    assert box.ok("STATUS Trash (MESSAGES)").find("MESSAGES 2")
    assert "* 0 EXISTS" in box.ok("SELECT INBOX").untagged


def test_very_many_messages(cluster, c, address):
    """More than the store changes at once."""
    count, message = 11000, b"Subject: x\r\n\r\nx\r\n"
    c.sock.settimeout(120)
    for _ in range(count // 1000):
        assert c.literals("APPEND INBOX", *[piece for _ in range(1000) for piece in (" ", message)], plus=True).status == "OK"
    with session(cluster, address, 1, "INBOX", timeout=120) as other:
        c.ok("SELECT INBOX")
        other.ok("NOOP")
        assert c.ok("STORE 1:* +FLAGS.SILENT (\\Seen kw)").find("FETCH") == []
        assert len(c.ok("STORE 1:* +FLAGS (\\Flagged)").find("FETCH")) == count
        assert len(other.ok("NOOP").find(r"FETCH \(FLAGS \(\\Seen \\Flagged kw \\Recent\)\)")) == count
        assert len(c.ok(f"MOVE 1:{count - 1000} Archive").find("EXPUNGE")) == count - 1000
        c.ok("STORE 1:* +FLAGS.SILENT (\\Deleted)")
        assert len(c.ok("EXPUNGE").find("EXPUNGE")) == 1000
        assert len(other.ok("NOOP").find("EXPUNGE")) == count
    assert c.ok("STATUS Archive (MESSAGES UNSEEN)").find(f"MESSAGES {count - 1000} UNSEEN 0")
    c.ok("SELECT Archive")
    c.ok("STORE 1:* +FLAGS.SILENT (\\Deleted)")
    c.ok("CLOSE")
    assert c.ok("STATUS Archive (MESSAGES)").find("MESSAGES 0")


def test_move_into_itself(box):
    answer = box.ok("MOVE 1 INBOX")
    assert answer.find("COPYUID \\d+ 1 4") and answer.find("EXPUNGE") == ["* 1 EXPUNGE"]
    assert sorted(flags(box)) == [2, 3, 4]


# ---- APPEND ----

def test_append(patient, cluster, c, address):
    message = TEXT.format(n=1)
    answer = c.append("INBOX", message, "\\Seen keyword", "17-Jul-1996 02:44:25 -0700")
    assert re.match(r"APPENDUID \d+ 1$", answer.code)
    assert cluster.mailbox(address) == [message.encode()]
    assert c.append("none", message).code == "TRYCREATE"
    assert c.append("none", message, plus=True).code == "TRYCREATE"
    assert c.append("INBOX", "").status == "NO"
    c.ok("SELECT INBOX")
    assert flags(c) == {1: {"\\Seen", "keyword"}}
    for bad in ("APPEND INBOX", "APPEND", "APPEND INBOX x", "APPEND INBOX (\\Seen)", "APPEND INBOX (\\Seen {3+}\r\nabc",
                'APPEND INBOX "nonsense" {3+}\r\nabc', "APPEND INBOX {3+}\r\nabc x", "APPEND INBOX (\\Nonsense) {3+}\r\nabc"):
        assert c.cmd(bad).status == "BAD", bad
    assert c.ok("STATUS INBOX (MESSAGES)").find("MESSAGES 1")


def test_append_bare_line_feeds_become_lines(cluster, c, address):
    c.append("INBOX", "Subject: x\n\none\r\ntwo\n", plus=True)
    assert cluster.mailbox(address) == [b"Subject: x\r\n\r\none\r\ntwo\r\n"]


def test_append_mailbox_as_literal(c):
    c.ok("CREATE \"a b\"")
    assert c.literals("APPEND ", b"a b", " (\\Seen) ", TEXT.encode()).status == "OK"
    assert c.literals("APPEND ", b"a b", " ", TEXT.encode(), plus=True).status == "OK"
    assert c.ok('STATUS "a b" (MESSAGES UNSEEN)').find("MESSAGES 2 UNSEEN 1")


def test_multiappend(c):
    messages = [TEXT.format(n=n).encode() for n in range(3)]
    answer = c.literals("APPEND INBOX (\\Seen) ", messages[0], " ", messages[1], ' "17-Jul-1996 02:44:25 -0700" ', messages[2])
    assert re.match(r"APPENDUID \d+ 1:3$", answer.code)
    # All or none: the last one is refused.
    answer = c.literals("APPEND INBOX ", messages[0], " (\\Seen) ", b"")
    assert answer.status == "NO"
    assert c.literals("APPEND INBOX ", messages[0], " (\\Seen) ", b"", plus=True).status == "NO"
    assert c.literals("APPEND INBOX ", messages[0], " nonsense ", messages[1], plus=True).status == "BAD"
    assert c.ok("STATUS INBOX (MESSAGES UNSEEN)").find("MESSAGES 3 UNSEEN 2")


def test_append_binary_and_utf8(c):
    tag = c.start(b"APPEND INBOX ~{20+}\r\nSubject: x\r\n\r\na\0b\n\xff\r\n")
    assert c.finish(tag).status == "OK"
    assert c.append("INBOX", b"Subject: x\r\n\r\na\0b\r\n", plus=True).code == "UNKNOWN-CTE"
    c.ok("ENABLE UTF8=ACCEPT")
    body = "Subject: \u00fc\r\n\r\nx\r\n".encode()
    tag = c.start(b"APPEND INBOX UTF8 (~{%d+}\r\n" % len(body) + body + b")")
    assert c.finish(tag).status == "OK"
    tag = c.start(b"APPEND INBOX UTF8 (~{%d+}\r\n" % len(body) + body)
    assert c.finish(tag).status == "BAD"
    assert c.ok("STATUS INBOX (MESSAGES)").find("MESSAGES 2")


def test_catenate(patient, cluster, c, address):
    whole = ("From: a@b\r\nSubject: parts\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
             "--x\r\nContent-Type: text/plain\r\n\r\none\r\n--x\r\nContent-Type: text/html\r\n\r\n<b>two</b>\r\n--x--\r\n")
    assert c.append("Drafts", whole, plus=True).status == "OK"
    validity = re.search(r"UIDVALIDITY (\d+)", str(c.ok("STATUS Drafts (UIDVALIDITY)"))).group(1)
    # Without any literal; with literals before, between and behind; as a whole message.
    assert c.ok('APPEND INBOX CATENATE (URL "/Drafts;UID=1/;SECTION=HEADER" URL "/Drafts;UID=1/;SECTION=1")').status == "OK"
    answer = c.literals("APPEND INBOX (\\Seen) CATENATE (TEXT ", b"Subject: new\r\n\r\n", f' URL "/Drafts;UIDVALIDITY={validity}/;UID=1/;SECTION=2" '
                        "TEXT ", b"\nend\r\n", ")")
    assert answer.status == "OK", answer
    assert c.literals('APPEND INBOX CATENATE (URL ', b"/Drafts;UID=1", " TEXT ", b"more\r\n", ") ", b"Subject: third\r\n\r\nx\r\n",
                      plus=True).status == "OK"
    assert c.ok('APPEND INBOX CATENATE (URL "/%44rafts;UID=1/;PARTIAL=0.11") "17-Jul-1996 02:44:25 -0700" CATENATE '
                '(URL "/Drafts;UID=1/;SECTION=HEADER.FIELDS%20(SUBJECT)")').code.startswith("APPENDUID")
    header = whole[:whole.index("--x\r\n")].encode()
    assert cluster.mailbox(address) == [header + b"one\r\n", b"Subject: new\r\n\r\n<b>two</b>\r\nend\r\n", whole.encode() + b"more\r\n",
                                        b"Subject: third\r\n\r\nx\r\n", whole[:11].encode(), b"Subject: parts\r\n\r\n"]
    for bad in ("/Drafts;UID=2", "/none;UID=1", "/Drafts;UIDVALIDITY=1/;UID=1", "/Drafts;UID=1/;SECTION=9", "/Drafts", "nonsense",
                "/Drafts;UID=1/;SECTION=NONSENSE", "imap://elsewhere/INBOX;UID=1", ";UID=1", "/Drafts;UID=%zz", "/Drafts;UID=1/;X=y"):
        assert c.cmd(f'APPEND INBOX CATENATE (URL "{bad}")').code.startswith("BADURL"), bad
        assert c.literals(f'APPEND INBOX CATENATE (URL "{bad}" TEXT ', b"x", ")").code.startswith("BADURL"), bad
        assert c.literals(f'APPEND INBOX CATENATE (TEXT ', b"x", f' URL "{bad}")', plus=True).code.startswith("BADURL"), bad
    for bad in ("CATENATE ()", "CATENATE (X)", "CATENATE (URL)", 'CATENATE (URL "/Drafts;UID=1"', "CATENATE (TEXT {1+}\r\nx",
                "CATENATE (TEXT x)", 'CATENATE (URL "/Drafts;UID=1") x'):
        assert c.cmd(f"APPEND INBOX {bad}").status == "BAD", bad
    assert c.cmd('APPEND none CATENATE (URL "/Drafts;UID=1")').code == "TRYCREATE"
    c.ok("SELECT Drafts")
    assert c.ok('APPEND Sent CATENATE (URL ";UID=1")') and c.ok('APPEND Sent CATENATE (URL "/;UID=1/;SECTION=TEXT")')
    assert c.literals("REPLACE 1 Drafts CATENATE (TEXT ", b"Subject: y\r\n", ' URL "/;UID=1/;SECTION=TEXT")').status == "OK"
    cluster.settings("imap", max_message_size=300)
    big = " ".join(['URL "/Drafts;UID=2"'] * 5)
    assert c.cmd(f"APPEND INBOX CATENATE ({big})").code == "TOOBIG"
    assert c.ok("STATUS INBOX (MESSAGES)").find("MESSAGES 6")


def test_catenate_streams(c):
    line = b"x" * 98 + b"\r\n"
    c.sock.settimeout(120)
    assert c.literals("APPEND Drafts ", line * 100000, plus=True).status == "OK"
    assert c.ok('APPEND INBOX CATENATE (URL "/Drafts;UID=1" URL "/Drafts;UID=1")').status == "OK"
    assert c.ok("STATUS INBOX (SIZE)").find("SIZE 20000000")


def test_replace(patient, cluster, c, address):
    fill(c)
    c.ok("SELECT INBOX")
    answer = c.literals("REPLACE 2 INBOX (\\Seen) ", TEXT.format(n=9).encode())
    assert answer.status == "OK" and answer.find(r"OK \[APPENDUID \d+ 4\]") and answer.find("EXPUNGE") == ["* 2 EXPUNGE"]
    assert flags(c) == {1: set(), 3: set(), 4: {"\\Seen"}}
    answer = c.literals("UID REPLACE 1 Sent ", TEXT.format(n=8).encode(), plus=True)
    assert answer.status == "OK" and answer.find("EXPUNGE") == ["* 1 EXPUNGE"]
    assert c.ok("STATUS Sent (MESSAGES)").find("MESSAGES 1")
    assert c.literals("REPLACE 9 INBOX ", b"x").status == "BAD"
    assert c.literals("UID REPLACE 1 INBOX ", b"x").code == "NONEXISTENT"
    assert c.literals("UID REPLACE 3 none ", b"x").code == "TRYCREATE"
    assert c.literals("REPLACE 1 INBOX ", b"x", " ", b"y").status == "BAD"
    assert c.literals("REPLACE 1 INBOX ", b"x", " ", b"y", plus=True).status == "BAD"
    assert c.cmd("REPLACE 1 INBOX").status == "BAD" and c.cmd("REPLACE x INBOX {1+}\r\nx").status == "BAD"
    c.ok("EXAMINE INBOX")
    assert c.literals("REPLACE 1 INBOX ", b"x").code == "CANNOT"
    assert sorted(flags(session(cluster, address, 1, "INBOX"))) == [3, 4]


def test_replace_is_one_step(cluster):
    """Deleted messages make room for new ones; messages deleted meanwhile are not brought back."""
    cluster.settings("imap", max_message_size=3000)
    address = fresh(cluster, quota="3000")
    big = b"x" * 2000
    with session(cluster, address) as c, session(cluster, address, 1) as other:
        assert c.literals("APPEND INBOX ", big, plus=True).status == "OK"
        c.ok("SELECT INBOX")
        assert c.literals("APPEND INBOX ", big, plus=True).code == "OVERQUOTA"
        assert c.literals("REPLACE 1 INBOX ", big, plus=True).status == "OK"
        assert c.literals("REPLACE 1 INBOX ", b"x" * 3000, plus=True).status == "OK"
        assert c.ok("STATUS INBOX (MESSAGES SIZE DELETED)").find("MESSAGES 1 DELETED 0 SIZE 3000")
        other.ok("SELECT INBOX")
        other.ok("STORE 1 +FLAGS (\\Deleted)")
        c.send("r UID REPLACE 3 INBOX {5}\r\n")
        while not c.read_line().startswith("+"):
            pass
        other.ok("EXPUNGE")
        c.send("hello\r\n")
        answer = c.finish("r")
        assert answer.code == "NONEXISTENT"
        assert other.ok("STATUS INBOX (MESSAGES)").find("MESSAGES 0")


def test_append_limits(cluster):
    cluster.settings("imap", max_message_size=1000)
    address = fresh(cluster, quota="3000")
    with session(cluster, address) as c:
        assert "APPENDLIMIT=1000" in str(c.ok("CAPABILITY"))
        assert c.append("INBOX", "x" * 1001).code == "TOOBIG"
        assert c.append("INBOX", "x" * 1001, plus=True).code == "TOOBIG"
        for _ in range(3):
            assert c.append("INBOX", "x" * 900).status == "OK"
        assert c.append("INBOX", "x" * 900).code == "OVERQUOTA"
        assert c.append("INBOX", "x" * 900, plus=True).code == "OVERQUOTA"
        assert c.ok("GETQUOTAROOT INBOX").untagged == ['* QUOTAROOT INBOX ""', '* QUOTA "" (STORAGE 3 2)']
        c.ok("SELECT INBOX")
        assert c.cmd("COPY 1 Sent").code == "OVERQUOTA"
        c.ok("MOVE 1 Sent")
        c.ok("LOGOUT")


def test_quota(c):
    assert c.ok('GETQUOTA ""').untagged == ['* QUOTA "" ()']
    assert c.cmd("GETQUOTA x").code == "NONEXISTENT"
    assert c.ok("GETQUOTAROOT INBOX").untagged == ['* QUOTAROOT INBOX ""', '* QUOTA "" ()']


def test_metadata(patient, cluster, c, address):
    c.ok('SETMETADATA INBOX (/private/comment "mine" /Shared/Comment "ours" /shared/comment/deep {3+}\r\nx\ny)')
    assert c.ok("GETMETADATA INBOX /private/comment").untagged == ['* METADATA INBOX (/private/comment "mine")']
    assert c.ok("GETMETADATA INBOX (/shared/COMMENT /private/none)").untagged == ['* METADATA INBOX (/shared/comment "ours")']
    assert c.ok("GETMETADATA INBOX /shared").untagged == []
    assert c.ok("GETMETADATA (DEPTH 1) INBOX /shared").untagged == ['* METADATA INBOX (/shared/comment "ours")']
    assert "/shared/comment/deep {3}\r\nx\ny" in c.ok("GETMETADATA (DEPTH infinity) INBOX /shared").untagged[0]
    answer = c.ok("GETMETADATA (MAXSIZE 3 DEPTH infinity) INBOX (/shared /private)")
    assert answer.code == "METADATA LONGENTRIES 4" and "ours" not in str(answer)
    c.ok("SETMETADATA INBOX (/private/comment NIL)")
    assert c.ok("GETMETADATA INBOX /private/comment").untagged == []
    c.ok('SETMETADATA "" (/private/vendor/x "all")')
    with session(cluster, address, 1) as other:
        assert other.ok('GETMETADATA "" /private/vendor/x').untagged == ['* METADATA "" (/private/vendor/x "all")']
    tag = c.start(b"SETMETADATA INBOX (/private/bytes ~{3+}\r\na\0b)")
    assert c.finish(tag).status == "OK"
    assert "~{3}\r\na\0b" in str(c.ok("GETMETADATA INBOX /private/bytes"))
    assert c.cmd("SETMETADATA none (/private/x NIL)").code == "NONEXISTENT"
    assert c.literals("SETMETADATA INBOX (/private/x ", b"x" * 70000, ")").code == "METADATA MAXSIZE 65536"
    many = " ".join(f"/private/x{n} y" .replace(" y", ' "y"') for n in range(99))
    assert c.cmd(f"SETMETADATA INBOX ({many})").code == "METADATA TOOMANY"
    for bad in ("SETMETADATA INBOX (/x y)", "SETMETADATA INBOX (/private/a* NIL)", "SETMETADATA INBOX (/private//a NIL)",
                "SETMETADATA INBOX (/private/a/ NIL)", "SETMETADATA INBOX (/private NIL)", "SETMETADATA INBOX ()",
                "GETMETADATA INBOX", "GETMETADATA (DEPTH 2) INBOX /private", "GETMETADATA (X) INBOX /private"):
        assert c.cmd(bad).status == "BAD", bad
    # They are deleted with their mailbox.
    c.ok("CREATE md")
    c.ok('SETMETADATA md (/private/comment "x")')
    c.ok("DELETE md")
    c.ok("CREATE md")
    assert c.ok("GETMETADATA md /private/comment").untagged == []


def test_large_append_streams(cluster, c, address):
    line = b"x" * 998 + b"\r\n"
    size = 40 * 1000 * 1000
    pid = cluster.pid("frontend-0")

    def resident():
        text = open(f"/proc/{pid}/status").read()
        return int(re.search(r"VmRSS:\s+(\d+)", text).group(1))

    before = resident()
    tag = c.next_tag()
    c.sock.settimeout(120)
    c.send(f"{tag} APPEND INBOX {{{size}}}\r\n")
    assert c.read_line().startswith("+")
    for _ in range(size // len(line) // 1000):
        c.send(line * 1000)
    c.send("\r\n")
    assert c.finish(tag).status == "OK"
    assert resident() - before < 24 * 1024
    assert c.ok("STATUS INBOX (SIZE)").find(f"SIZE {size}")


# ---- Changes made by other sessions ----

def test_two_frontends_see_each_other(cluster, address):
    a, b = two(cluster, address)
    with a, b:
        fill(a, 2)
        wait_for(lambda: b.ok("NOOP").find("2 EXISTS") or "* 2 EXISTS" in str(b.ok("NOOP")), what="messages seen")
        b.ok("STORE 1 +FLAGS (\\Seen x)")
        assert a.ok("NOOP").find(r"\* 1 FETCH .*Seen x")
        b.ok("STORE 2 +FLAGS (\\Deleted)")
        b.ok("EXPUNGE")
        assert a.ok("NOOP").find("EXPUNGE") == ["* 2 EXPUNGE"]
        assert flags(a) == flags(b) == {1: {"\\Seen", "x"}}


def test_changes_between_select_and_first_use(cluster, address):
    """The list of messages is read after SELECT: the numbers are still right."""
    a, b = two(cluster, address)
    with a, b:
        fill(a, 5)
        b.ok("SELECT INBOX")
        a.ok("NOOP")
        a.ok("STORE 2 +FLAGS (\\Deleted)")
        a.ok("EXPUNGE")
        fill(a, 1)
        # For b, message 3 is still UID 3.
        assert b.ok("STORE 3 +FLAGS (\\Flagged)").find(r"\* 3 FETCH .*Flagged")
        answer = b.ok("NOOP")
        assert answer.find("EXPUNGE") == ["* 2 EXPUNGE"] and answer.find("5 EXISTS")
        assert flags(b) == flags(a) and flags(b)[3] == {"\\Flagged"}


def test_idle(cluster, address):
    a, b = two(cluster, address)
    with a, b:
        tag = b.start("IDLE")
        assert b.read_line().startswith("+")
        fill(a, 1)
        assert b.wait_line(r"\* 1 EXISTS")[0]
        began = time.monotonic()
        a.ok("STORE 1 +FLAGS (\\Seen)")
        b.wait_line(r"\* 1 FETCH \(.*Seen")
        assert time.monotonic() - began < 5
        a.ok("STORE 1 +FLAGS (\\Deleted)")
        a.ok("EXPUNGE")
        b.wait_line(r"\* 1 EXPUNGE")
        cluster.deliver("sender@remote.example", address, TEXT)
        b.wait_line(r"\* 1 EXISTS")
        b.send("DONE\r\n")
        assert b.finish(tag).status == "OK"
        tag = b.start("IDLE")
        b.read_line()
        b.send("NOOP\r\n")
        assert b.finish(tag).status == "BAD"


def test_idle_switched_off(cluster, address):
    cluster.settings("imap", enable_idle="off")
    with session(cluster, address) as c:
        assert "IDLE" not in str(c.ok("CAPABILITY")) and "IMAP4rev2" not in str(c.ok("CAPABILITY"))
        assert c.cmd("IDLE").status == "BAD"


def test_idle_heals_lost_notices(cluster, address):
    """The connection for notices is cut, and a change is made meanwhile."""
    a, b = two(cluster, address)
    with a, b:
        b.start("IDLE")
        b.read_line()
        cluster.redis.client_kill_filter(_type="pubsub")
        fill(a, 1)
        b.wait_line(r"\* 1 EXISTS", timeout=45)


def test_qresync(patient, cluster, address):
    with session(cluster, address) as c:
        fill(c, 6)
        c.ok("ENABLE QRESYNC")
        answer = c.ok("SELECT INBOX")
        validity = re.search(r"UIDVALIDITY (\d+)", str(answer)).group(1)
        modseq = int(re.search(r"HIGHESTMODSEQ (\d+)", str(answer)).group(1))
        assert c.ok("STORE 2,4:5 +FLAGS.SILENT (\\Deleted)").status == "OK"
        answer = c.ok("EXPUNGE")
        assert answer.untagged == ["* VANISHED 2,4:5", "* 3 RECENT"] and answer.code.startswith("HIGHESTMODSEQ")
        c.ok("STORE 1 +FLAGS.SILENT (\\Seen)")
        fill(c, 1)
        answer = c.ok(f"SELECT INBOX (QRESYNC ({validity} {modseq} 1:6))")
        assert answer.find("VANISHED") == ["* VANISHED (EARLIER) 2,4:5"]
        assert [line.split(" MODSEQ")[0] for line in answer.find("FETCH")] == ["* 1 FETCH (UID 1 FLAGS (\\Seen)"]
        answer = c.ok(f"SELECT INBOX (QRESYNC ({validity} {modseq} 1:3 (1:3 1:3)))")
        assert answer.find("VANISHED") == ["* VANISHED (EARLIER) 2"]
        answer = c.ok(f"SELECT INBOX (QRESYNC ({validity} {modseq}))")
        assert len(answer.find("FETCH")) == 2 and answer.find("VANISHED")
        now = int(re.search(r"HIGHESTMODSEQ (\d+)", str(answer)).group(1))
        answer = c.ok(f"SELECT INBOX (QRESYNC ({validity} {now}))")
        assert not answer.find("FETCH") and not answer.find("VANISHED")
        assert not c.ok(f"SELECT INBOX (QRESYNC (1 {modseq}))").find("VANISHED")
        for bad in ("(1)", "(0 1)", "(1 1 *)", "(1 1 1:2 (1))", "(1 1"):
            assert c.cmd(f"SELECT INBOX (QRESYNC {bad})").status == "BAD", bad
    with session(cluster, address) as c:
        assert c.cmd("SELECT INBOX (QRESYNC (1 1))").status == "BAD"


# ---- COMPRESS ----

class Deflated(Imap):
    def begin(self):
        self.packer = zlib.compressobj(wbits=-15)
        self.unpacker = zlib.decompressobj(wbits=-15)

    def send(self, data):
        data = data.encode() if isinstance(data, str) else data
        if hasattr(self, "packer"):
            data = self.packer.compress(data) + self.packer.flush(zlib.Z_SYNC_FLUSH)
        self.sock.sendall(data)

    def _more(self):
        data = self.sock.recv(65536)
        if not data:
            raise Closed
        self.buffer += self.unpacker.decompress(data) if hasattr(self, "unpacker") else data


def test_compress(cluster, address):
    with Deflated(cluster.port("imap")) as c:
        c.login(address)
        assert c.cmd("COMPRESS NONSENSE").status == "NO"
        c.ok("COMPRESS DEFLATE")
        c.begin()
        assert c.cmd("COMPRESS DEFLATE").code == "COMPRESSIONACTIVE"
        assert "COMPRESS" not in str(c.ok("CAPABILITY"))
        big = TEXT + "a line that packs very well indeed\r\n" * 100000
        assert c.append("INBOX", big).status == "OK"
        c.ok("SELECT INBOX")
        for _ in range(300):
            c.send("x STORE 1 +FLAGS (\\Seen)\r\n")
        for _ in range(300):
            assert c.finish("x").status == "OK"
        # Data that is not DEFLATE ends the connection.
        c.sock.sendall(b"\xff" * 100)
        assert c.at_end()


# ---- Bad input ----

@pytest.mark.parametrize("line,expected", [
    (b" ", "* BAD"), (b"a", "* BAD"), (b"a ", "a BAD"), (b"a NONSENSE", "a BAD"), (b"* NOOP", "* BAD"),
    (b"+ NOOP", "* BAD"), (b"a NOOP x", "a BAD"), (b"a UID", "a BAD"), (b"a UID NOOP", "a BAD"),
    (b"a LOGIN", "a BAD"), (b"a LOGIN x", "a BAD"), (b"a LOGIN \"x", "a BAD"), (b"a LOGIN x y z", "a BAD"),
    (b"a \x00\x01\xff", "a BAD"), (b"\xff\xfe\x00", "* BAD"), (b"a LOGIN \xff \xff", "a BAD"),
    (b"a" * 20000, "* BAD"), (b"a LOGIN " + b"x" * 20000, "a BAD"), (b"a LOGIN {99999999999999999999}", "a BAD"),
    (b"a LOGIN {40000}", "a BAD"), (b"a LOGIN {}", "a BAD"), (b"a LOGIN {x}", "a BAD"), (b"a LOGIN {-1}", "a BAD"),
    (b"a LOGIN {3+}\r\nabc", "a BAD"), (b"a LOGIN {40000+}\r\n" + b"x" * 40000 + b" {2+}\r\nab", "a BAD"),
    (b"GET / HTTP/1.1", "GET BAD"), (b"a FETCH 1 BODY[]", "a BAD"), (b"a STATUS INBOX (MESSAGES)", "a BAD"),
])
def test_bad_input(cluster, line, expected):
    with connect(cluster) as c:
        c.send(line + b"\r\n")
        assert c.read_line().startswith(expected)
        assert c.cmd("NOOP").status == "OK"


def test_bad_input_one_byte_at_a_time(cluster, address):
    with connect(cluster) as c:
        c.sock.setsockopt(6, 1, 1)
        for line in (f"a LOGIN {{{len(address)}+}}\r\n{address} {{6}}\r\n", "secret\r\n"):
            for byte in line:
                c.send(byte)
            if line != "secret\r\n":
                assert c.read_line().startswith("+")
        assert c.read_line().startswith("a OK")


def test_bad_input_logged_in(patient, c):
    assert c.cmd("LIST (" * 100).status == "BAD"
    assert c.cmd("LIST " + "x" * 70000).code == "TOOBIG"
    assert c.literals('LIST "" ', b"x" * 1100000).code == "TOOBIG"
    assert c.literals('LIST "" ', b"x" * 1100000, plus=True).code == "TOOBIG"
    assert c.literals('LIST "" (', *[b"x", " "] * 1001).status == "BAD"
    tag = c.start("SELECT {3+}\r\na\0b")
    assert c.finish(tag).status == "BAD"
    c.ok("NOOP")


def test_pipelining(cluster, address):
    with connect(cluster) as c:
        c.send(f"a LOGIN {address} secret\r\nb SELECT INBOX\r\nc APPEND INBOX {{3+}}\r\nabc\r\nd STORE 1 +FLAGS (\\Seen)\r\n"
               "e NOOP\r\nf LOGOUT\r\n")
        for tag in "abcdef":
            assert c.finish(tag).status == "OK"


def test_idle_on_the_same_frontend(cluster, address):
    """Sessions of one process share what they know about a mailbox."""
    with session(cluster, address, 0, "INBOX") as a, session(cluster, address, 0, "INBOX") as b:
        fill(a, 2)
        b.start("IDLE")
        b.wait_line(r"\* 2 EXISTS")
        a.ok("STORE 1 +FLAGS (\\Flagged)")
        b.wait_line(r"\* 1 FETCH .*Flagged")
        a.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
        b.wait_line(r"\* 1 FETCH .*Deleted")
        a.ok("EXPUNGE")
        b.wait_line(r"\* 1 EXPUNGE")
        a.ok("MOVE 1 Sent")
        b.wait_line(r"\* 1 EXPUNGE")
