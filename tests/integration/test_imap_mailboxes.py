"""IMAP: mailboxes, listed, created, renamed, selected."""

import re

import pytest

from cluster import wait_for
from imap_boxes import TEXT, address, box, c, fill, patient, session  # noqa: F401 (fixtures)
from imap_client import Closed


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
