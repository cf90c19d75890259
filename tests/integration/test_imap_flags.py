"""IMAP: flags, copying, moving and expunging; what other sessions are told, on two frontends at once."""

import re
import time

from cluster import wait_for
from imap_boxes import TEXT, address, box, c, fill, flags, patient, session, two  # noqa: F401 (fixtures)


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
