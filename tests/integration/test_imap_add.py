"""IMAP: APPEND, CATENATE, REPLACE, their limits, quotas and metadata."""

import re

from imap_boxes import TEXT, address, c, fill, flags, fresh, patient, session  # noqa: F401 (fixtures)


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
