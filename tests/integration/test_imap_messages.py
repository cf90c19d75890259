"""IMAP: reading, changing and finding messages, on two frontends at once."""

import imaplib
import itertools
import os
import re
import subprocess
import time

import pytest

from cluster import wait_for
from imap_lines import Imap
from pop3_client import Pop

_numbers = itertools.count(1)
PLAIN = (b"Date: Mon, 7 Feb 1994 21:52:25 -0800\r\nFrom: Fred Foobar <foobar@Blurdybloop.example>\r\n"
         b"Subject: afternoon meeting\r\nTo: mooch@owatagu.siam.edu.example\r\n"
         b"Message-Id: <B27397-0100000@Blurdybloop.example>\r\nMIME-Version: 1.0\r\n"
         b"Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n\r\nHello Joe, do you think we can meet at 3:30 tomorrow?\r\n")
MIXED = (b"From: =?utf-8?q?J=C3=BCrgen?= <j@x.example>\r\nSubject: =?utf-8?b?R3LDvMOfZSBhdXMgS8O2bG4=?=\r\n"
         b"Content-Type: multipart/mixed; boundary=b1\r\n\r\npreamble\r\n--b1\r\nContent-Type: text/plain; charset=utf-8\r\n"
         b"Content-Transfer-Encoding: quoted-printable\r\n\r\nSch=C3=B6ne Gr=C3=BC=C3=9Fe, lange =\r\nZeile\r\n--b1\r\n"
         b"Content-Type: application/octet-stream; name=x.bin\r\nContent-Transfer-Encoding: base64\r\n\r\nAAECAwQ=\r\n--b1\r\n"
         b"Content-Type: message/rfc822\r\n\r\nSubject: inner\r\nFrom: in@x.example\r\n\r\ninner text\r\n--b1--\r\nepilogue\r\n")


def connect(cluster, frontend=0, name="imap", **kwargs):
    return Imap(cluster.port(name, frontend), tls=name == "imaps", **kwargs)


@pytest.fixture
def account(cluster):
    return cluster.add_user(f"read{next(_numbers)}-{os.getpid()}@example.test")


def session(cluster, account, frontend=0, select="INBOX"):
    c = connect(cluster, frontend)
    c.login(account)
    if select:
        c.ok(f"SELECT {select}")
    return c


def next_line(c):
    """The next response except RECENT, which rev1 sends with EXISTS."""
    line = c.line()
    return c.line() if line.endswith(b" RECENT") else line


def numbers(untagged, word="SEARCH"):
    line = next(u for u in untagged if u.startswith(b"* " + word.encode()))
    return [int(n) for n in line.split()[2:]]


# ---- Greeting, login ----

def test_greeting_and_capability(cluster, account):
    with connect(cluster) as c:
        assert c.greeting.startswith(b"* OK [CAPABILITY IMAP4rev1")
        before = c.ok("CAPABILITY")[0].decode().split()
        assert {"STARTTLS", "AUTH=PLAIN", "AUTH=SCRAM-SHA-256", "SASL-IR"} <= set(before)
        c.login(account)
        after = c.ok("CAPABILITY")[0].decode().split()
        assert {"IDLE", "UIDPLUS", "MOVE", "CONDSTORE", "NAMESPACE", "SPECIAL-USE", "ESEARCH", "UNSELECT"} <= set(after)
        assert "STARTTLS" not in after


def test_login_failures(cluster, account):
    with connect(cluster) as c:
        c.no(f"LOGIN {account} wrong", "AUTHENTICATIONFAILED")
        c.bad("LOGIN x")
        c.bad("SELECT INBOX")
        c.bad("NOSUCH")
        c.ok(f"LOGIN {{{len(account)}}}\0 {{6}}", [account.encode(), b"secret"])
        c.bad("LOGIN a b")


def test_starttls_and_authenticate(cluster, account):
    import base64
    with connect(cluster) as c:
        c.ok("STARTTLS")
        c.start_tls()
        assert b"STARTTLS" not in c.ok("CAPABILITY")[0]
        c.ok("AUTHENTICATE PLAIN " + base64.b64encode(f"\0{account}\0secret".encode()).decode())
    with connect(cluster, 1, "imaps") as c:
        c.login(account)


# ---- Mailboxes ----

def test_new_account_has_its_folders(cluster, account):
    with session(cluster, account, select=None) as c:
        listed = c.ok('LIST "" "*"')
        names = {re.search(rb'([A-Za-z]+)$', line)[1].decode() for line in listed}
        assert names == {"INBOX", "Drafts", "Sent", "Trash", "Junk", "Archive"}
        assert any(b"\\Sent" in line for line in listed)
        assert c.ok('LIST "" ""')[0].startswith(b'* LIST (\\Noselect) "/"')


def test_create_rename_delete_subscribe(cluster, account):
    with session(cluster, account, select=None) as c, session(cluster, account, 1, None) as d:
        c.ok("CREATE work/2026")
        c.no("CREATE work/2026", "ALREADYEXISTS")
        assert any(line.endswith(b"work/2026") for line in d.ok('LIST "" "work/%"'))
        assert not any(line.endswith(b"2026") for line in d.ok('LIST "" "%"'))
        c.ok("RENAME work job")
        assert any(line.endswith(b"job/2026") for line in d.ok('LIST "" "job*"'))
        c.ok("SUBSCRIBE job/2026")
        assert any(b"job/2026" in line for line in d.ok('LSUB "" "*"'))
        c.ok("UNSUBSCRIBE job/2026")
        assert not any(b"job/2026" in line for line in d.ok('LSUB "" "*"'))
        c.ok('CREATE "Entw&APw-rfe"')
        assert any(b'Entw&APw-rfe' in line for line in d.ok('LIST "" "*"'))
        c.ok("DELETE job/2026")
        c.no("DELETE job/2026", "NONEXISTENT")
        c.no("SELECT nosuch", "NONEXISTENT")
        c.no("DELETE INBOX")


def test_status_and_select(cluster, account):
    with session(cluster, account, select=None) as c:
        c.append("INBOX", PLAIN)
        c.append("INBOX", PLAIN, "(\\Seen)")
        status = c.ok("STATUS INBOX (MESSAGES UNSEEN UIDNEXT UIDVALIDITY)")[0].decode()
        assert "MESSAGES 2" in status and "UNSEEN 1" in status and "UIDNEXT 3" in status
        untagged = c.ok("SELECT INBOX")
        assert b"* 2 EXISTS" in untagged and any(line.startswith(b"* FLAGS (") for line in untagged)
        assert any(b"[UIDVALIDITY " in line for line in untagged) and any(b"[UIDNEXT 3]" in line for line in untagged)
        c.ok("CLOSE")
        c.bad("FETCH 1 FLAGS")
        _, tagged = c.cmd("EXAMINE INBOX")
        assert tagged.startswith("OK [READ-ONLY]")
        c.no("STORE 1 +FLAGS (\\Seen)")
        c.ok("UNSELECT")


# ---- APPEND, FETCH ----

def test_append_and_fetch(cluster, account):
    with session(cluster, account) as c:
        uid = c.append("INBOX", PLAIN, "(\\Flagged $Label)", '" 1-Feb-2026 10:20:30 +0130"')
        line = next(u for u in c.ok(f"UID FETCH {uid} (FLAGS INTERNALDATE RFC822.SIZE)") if b"FETCH" in u)
        assert b"\\Flagged" in line and b"$Label" in line and f"RFC822.SIZE {len(PLAIN)}".encode() in line
        assert b'INTERNALDATE "01-Feb-2026 10:20:30 +0130"' in line
        body = next(u for u in c.ok("FETCH 1 BODY[]") if b"BODY[]" in u)
        assert PLAIN in body and b"\\Seen" in body
        envelope = c.ok("FETCH 1 ENVELOPE")[0]
        assert b'ENVELOPE ("Mon, 7 Feb 1994 21:52:25 -0800" "afternoon meeting" (("Fred Foobar" NIL "foobar"' in envelope
        structure = c.ok("FETCH 1 BODYSTRUCTURE")[0].lower()
        assert b'"text" "plain" ("charset" "us-ascii")' in structure
        assert b"BODY[HEADER.FIELDS (subject)] {30}\r\nSubject: afternoon meeting\r\n\r\n)" in \
            c.ok("FETCH 1 BODY.PEEK[HEADER.FIELDS (subject)]")[0].replace(b"SUBJECT", b"subject")
        assert c.ok("FETCH 1 BODY.PEEK[TEXT]<6.3>")[0].endswith(b"BODY[TEXT]<6> {3}\r\nJoe)")
        assert c.ok("FETCH 1 BODY.PEEK[TEXT]<6000.3>")[0].endswith(b"{0}\r\n)")
        assert PLAIN in c.ok("FETCH 1 RFC822")[0]
        assert c.ok("FETCH 1 (UID BODY.PEEK[1])")[0].endswith(b"tomorrow?\r\n)")


def test_fetch_parts(cluster, account):
    with session(cluster, account) as c:
        c.append("INBOX", MIXED)
        def part(section):
            line = c.ok(f"FETCH 1 BODY.PEEK[{section}]")[0]
            return re.search(rb"\{\d+\}\r\n(.*)\)$", line, re.S)[1] if b"{" in line else None
        assert part("1") == b"Sch=C3=B6ne Gr=C3=BC=C3=9Fe, lange =\r\nZeile"
        assert part("2") == b"AAECAwQ="
        assert part("2.MIME").startswith(b"Content-Type: application/octet-stream")
        assert part("3.HEADER") == b"Subject: inner\r\nFrom: in@x.example\r\n\r\n"
        assert part("3.TEXT") == b"inner text" and part("3.1") == b"inner text"
        assert part("4") is None and part("1.1") is None
        assert part("HEADER").endswith(b"boundary=b1\r\n\r\n")
        assert part("TEXT").startswith(b"preamble\r\n--b1") and part("TEXT").endswith(b"epilogue\r\n")
        c.bad("FETCH 1 BODY[0]")
        c.bad("FETCH 1 BODY[1.]")
        c.bad("FETCH 1 NOSUCH")
        c.bad("FETCH 2 FLAGS")
        c.bad("FETCH 1 (FLAGS")


def test_binary(cluster, account):
    with session(cluster, account) as c:
        c.append("INBOX", MIXED)
        def item(name):
            line = c.ok(f"FETCH 1 {name}")[0]
            return line[len(b"* 1 FETCH ("):-1]
        text = "Schöne Grüße, lange Zeile".encode()
        assert item("BINARY.PEEK[1]") == b"BINARY[1] ~{%d}\r\n%s" % (len(text), text)
        assert item("BINARY.PEEK[2]") == b"BINARY[2] ~{5}\r\n\0\1\2\3\4"
        assert item("BINARY.PEEK[2]<1.3>") == b"BINARY[2]<1> ~{3}\r\n\1\2\3"
        assert item("BINARY.PEEK[2]<9.3>") == b"BINARY[2]<9> ~{0}\r\n"
        assert item("BINARY.SIZE[1]") == b"BINARY.SIZE[1] %d" % len(text)
        assert item("BINARY.SIZE[2]") == b"BINARY.SIZE[2] 5"
        assert item("BINARY.PEEK[3]").endswith(b"Subject: inner\r\nFrom: in@x.example\r\n\r\ninner text")
        assert item("BINARY.PEEK[9]") == b"BINARY[9] NIL"
        assert b"\\Seen" in c.ok("FETCH 1 (FLAGS BINARY[2])")[0]
        c.bad("FETCH 1 BINARY[1.MIME]")
        import base64
        big = os.urandom(3000000)
        c.append("INBOX", b"Content-Type: application/x\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
                 base64.encodebytes(big).replace(b"\n", b"\r\n"))
        c.ok("NOOP")
        assert c.ok("FETCH 2 BINARY.PEEK[1]")[0] == b"* 2 FETCH (BINARY[1] ~{%d}\r\n%s)" % (len(big), big)
        c.append("INBOX", b"Content-Transfer-Encoding: x-unknown\r\n\r\nx\r\n")
        c.ok("NOOP")
        c.no("FETCH 3 BINARY[1]", "UNKNOWN-CTE")
        message = b"Subject: nul\r\nContent-Transfer-Encoding: binary\r\n\r\na\0b\r\n"
        c.ok(f"APPEND INBOX ~{{{len(message)}}}", [message])
        c.ok("NOOP")
        assert message in c.ok("FETCH 4 BINARY.PEEK[]")[0]


def test_nul(cluster, account):
    """Kept byte for byte, but returned only by BINARY; elsewhere it is replaced by a space."""
    header = b"Subject: nul\r\nX-Nul: a\0b\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    message = header + b"\0\0begin\0" + os.urandom(200000) + b"\r\n.\0\r\nend\0"
    told = message.replace(b"\0", b" ")
    with session(cluster, account) as c:
        c.no(f"APPEND INBOX {{{len(message)}}}", literals=[message])
        c.ok(f"APPEND INBOX ~{{{len(message)}}}", [message])
        c.ok("COPY 1 INBOX")
        c.ok('APPEND INBOX CATENATE (URL "/INBOX/;UID=1")')
        c.ok("NOOP")
        for number in (1, 2, 3):
            [line] = c.ok(f"FETCH {number} (RFC822.SIZE BODY.PEEK[] BODY.PEEK[TEXT]<3.9> BODY.PEEK[HEADER.FIELDS (X-Nul)] BODY.PEEK[1] ENVELOPE)")
            assert b"RFC822.SIZE %d " % len(message) in line and b"\0" not in line
            assert b"BODY[] {%d}\r\n%s" % (len(message), told) in line
            assert b"BODY[TEXT]<3> {9}\r\n%s" % told[len(header) + 3:len(header) + 12] in line
            assert b"{14}\r\nX-Nul: a b\r\n\r\n" in line
            assert b"BINARY[] ~{%d}\r\n%s" % (len(message), message) in c.ok(f"FETCH {number} BINARY.PEEK[]")[0]
            assert b"BINARY[1] ~{%d}\r\n%s" % (len(message) - len(header), message[len(header):]) in c.ok(f"FETCH {number} BINARY.PEEK[1]")[0]
    with Pop(cluster.port("pop3")) as p:
        p.login(account)
        for got in (p.retr(1), p.retr(1, "TOP", " 99999")):
            assert b"\0" not in got and b"X-Nul: a b\r\n" in got and b"\r\n  begin " in got


def test_large_body_streams(cluster, account):
    big = b"Subject: big\r\n\r\n" + (b"x" * 998 + b"\r\n") * 20000  # 20 MB
    with session(cluster, account) as c:
        c.append("INBOX", big)
        line = c.ok("FETCH 1 BODY.PEEK[]")[0]
        assert big in line
        assert c.ok("FETCH 1 BODY.PEEK[]<19000000.10>")[0].endswith(b"{10}\r\n" + big[19000000:19000010] + b")")


def test_multiappend_and_limits(cluster, account):
    with session(cluster, account) as c:
        _, tagged = c.cmd(f"APPEND INBOX {{{len(PLAIN)}}}\0 (\\Seen) {{{len(MIXED)}}}", [PLAIN, MIXED])
        assert re.match(r"OK \[APPENDUID \d+ 1:2\]", tagged), tagged
        c.ok("NOOP")
        c.no(f"APPEND nosuch {{{len(PLAIN)}}}", "TRYCREATE", [PLAIN])
        cluster.settings("imap", max_message_size="1000")
        c.no("APPEND INBOX {2000}", "TOOBIG", [b"x" * 2000])
        c.ok("NOOP")


# ---- Flags, expunge, copy, move: two sessions ----

def test_changes_are_seen_on_the_other_frontend(cluster, account):
    with session(cluster, account) as c, session(cluster, account, 1) as d:
        for _ in range(4):
            c.append("INBOX", PLAIN)
        assert b"* 4 EXISTS" in d.ok("NOOP")
        c.ok("NOOP")
        c.ok("STORE 2 +FLAGS (\\Deleted \\Flagged)")
        assert any(b"* 2 FETCH" in u and b"\\Flagged" in u for u in d.ok("NOOP"))
        assert b"* 2 EXPUNGE" in c.ok("EXPUNGE")
        assert not any(b"EXPUNGE" in u for u in d.ok("FETCH 1 FLAGS"))  # not now (RFC 9051, 7.5.1)
        assert b"* 2 EXPUNGE" in d.ok("NOOP")
        assert [u for u in d.ok("FETCH 1:* UID") if b"UID" in u] == \
            [b"* 1 FETCH (UID 1)", b"* 2 FETCH (UID 3)", b"* 3 FETCH (UID 4)"]


def test_store(cluster, account):
    with session(cluster, account) as c:
        c.append("INBOX", PLAIN)
        c.append("INBOX", PLAIN)
        assert any(b"FLAGS (\\Seen \\Recent)" in u for u in c.ok("STORE 1 FLAGS (\\Seen)"))
        assert not any(b"FETCH" in u for u in c.ok("STORE 1:2 +FLAGS.SILENT ($Work)"))
        assert any(b"$Work" in u for u in c.ok("FETCH 1 FLAGS"))
        c.ok("STORE 1 -FLAGS (\\Seen)")
        assert b"\\Seen" not in c.ok("FETCH 1 FLAGS")[0]
        c.ok("UID STORE 999 +FLAGS (\\Seen)")
        c.bad("STORE 9 +FLAGS (\\Seen)")
        c.bad("STORE 1 +FLAGS (\\Nosuch)")


def test_copy_and_move(cluster, account):
    with session(cluster, account) as c, session(cluster, account, 1, "Archive") as d:
        for _ in range(3):
            c.append("INBOX", PLAIN)
        c.ok("NOOP")
        _, tagged = c.cmd("COPY 1:2 Archive")
        assert re.match(r"OK \[COPYUID \d+ 1:2 1:2\]", tagged), tagged
        assert b"* 2 EXISTS" in d.ok("NOOP")
        untagged, tagged = c.cmd("MOVE 3 Archive")
        assert any(b"COPYUID" in u for u in untagged) or "COPYUID" in tagged
        assert b"* 3 EXPUNGE" in untagged
        assert b"* 3 EXISTS" in d.ok("NOOP")
        assert PLAIN in d.ok("FETCH 3 BODY.PEEK[]")[0]
        c.no("COPY 1 nosuch", "TRYCREATE")
        c.ok("UID EXPUNGE 1")


def test_idle(cluster, account):
    with session(cluster, account) as c, session(cluster, account, 1) as d:
        d.send("i IDLE\r\n")
        assert d.line().startswith(b"+ ")
        start = time.monotonic()
        c.append("INBOX", PLAIN)
        assert d.line() == b"* 1 EXISTS"
        assert time.monotonic() - start < 5
        c.ok("NOOP")
        c.ok("STORE 1 +FLAGS (\\Answered)")
        assert b"\\Answered" in next_line(d)
        cluster.deliver("s@remote.example", account, "Subject: new\r\n\r\nx\r\n")
        assert next_line(d) == b"* 2 EXISTS"
        d.send("DONE\r\n")
        assert next_line(d).startswith(b"i OK")
    cluster.settings("imap", enable_idle="off")
    with session(cluster, account) as c:
        assert b"IDLE" not in c.ok("CAPABILITY")[0]
        c.bad("IDLE")


def test_two_sessions_race(cluster, account):
    """Both delete and move the same messages; both end with the same view."""
    with session(cluster, account) as c, session(cluster, account, 1) as d:
        for _ in range(20):
            c.append("INBOX", PLAIN)
        c.ok("NOOP")
        d.ok("NOOP")
        for n in range(1, 21):
            c.send(f"x{n} UID STORE {n} +FLAGS (\\Deleted)\r\n")
            d.send(f"x{n} UID MOVE {n} Trash\r\n" if n % 3 == 0 else f"x{n} UID STORE {n} +FLAGS ($K{n % 4})\r\n")
        for one in (c, d):
            for n in range(1, 21):
                while not one.line().startswith(f"x{n} OK".encode()):
                    pass
        for one in (c, d):
            one.ok("NOOP")
        left = [sorted(re.sub(rb" ?\\Recent", b"", u.split(b" ", 2)[2]) for u in one.ok("UID FETCH 1:* FLAGS") if b"FETCH" in u)
                for one in (c, d)]
        assert left[0] == left[1] and len(left[0]) == 14


# ---- SEARCH, SORT, THREAD ----

def test_search(cluster, account):
    with session(cluster, account) as c:
        c.append("INBOX", PLAIN, "(\\Seen $Work)", '"01-Feb-2020 10:00:00 +0000"')
        c.append("INBOX", MIXED, "(\\Flagged)", '"01-Mar-2024 10:00:00 +0000"')
        c.append("INBOX", b"Subject: third\r\nX-Special: Yes Sir\r\n\r\n" + b"y" * 3000 + b"\r\n")
        c.ok("NOOP")
        for query, expected in [
            ("ALL", [1, 2, 3]), ("SEEN", [1]), ("UNSEEN", [2, 3]), ("FLAGGED", [2]), ("KEYWORD $Work", [1]),
            ("UNKEYWORD $Work", [2, 3]), ("NOT SEEN NOT FLAGGED", [3]), ("OR SEEN FLAGGED", [1, 2]),
            ("BEFORE 1-Jan-2021", [1]), ("SINCE 1-Jan-2021", [2, 3]), ("ON 1-Mar-2024", [2]),
            ("SENTON 7-Feb-1994", [1]), ("SENTSINCE 1-Jan-1990", [1]), ("LARGER 2000", [3]), ("SMALLER 2000", [1, 2]),
            ("SUBJECT meeting", [1]), ("SUBJECT MEETING", [1]), ("FROM fred", [1]), ("TO owatagu", [1]),
            ("HEADER X-Special sir", [3]), ('HEADER X-Special ""', [3]), ("BODY 3:30", [1]), ("TEXT special", [3]),
            ("1,3", [1, 3]), ("UID 2:*", [2, 3]), ("(SEEN) 1:2", [1]), ("2:3 (OR SEEN (FLAGGED))", [2]), ("NEW", [2, 3]),
            ("OLDER 86400", [1, 2]), ("YOUNGER 86400", [3]), ("BODY nothing-like-it", []),
        ]:
            assert numbers(c.ok("SEARCH " + query)) == expected, query
        text = "grüße".encode()
        assert numbers(c.ok(f"SEARCH CHARSET UTF-8 BODY {{{len(text)}}}", [text])) == [2]
        text = "KÖLN".encode()
        assert numbers(c.ok(f"SEARCH CHARSET UTF-8 SUBJECT {{{len(text)}}}", [text])) == [2]
        c.no("SEARCH CHARSET X-NOSUCH ALL", "BADCHARSET")
        for bad in ("NOSUCH", "SUBJECT", "OR SEEN", "(SEEN", "BEFORE yesterday", "LARGER x"):
            c.bad("SEARCH " + bad)
        assert c.ok("UID SEARCH RETURN (MIN MAX COUNT ALL) 1:*")[0].endswith(b"UID MIN 1 MAX 3 ALL 1:3 COUNT 3")
        c.ok("SEARCH RETURN (SAVE) UNSEEN")
        assert [u for u in c.ok("FETCH $ UID") if b"FETCH" in u] == [b"* 2 FETCH (UID 2)", b"* 3 FETCH (UID 3)"]
        assert numbers(c.ok("SEARCH $ FLAGGED")) == [2]


def test_sort_and_thread(cluster, account):
    with session(cluster, account) as c:
        for subject, sender, date, extra in [
            ("b", "zed@x.example", "1 Jan 2020", "Message-ID: <1@x>\r\n"),
            ("Re: a", "al@x.example", "3 Jan 2020", "Message-ID: <2@x>\r\nReferences: <3@x>\r\n"),
            ("a", "bob@x.example", "2 Jan 2020", "Message-ID: <3@x>\r\n"),
            ("Re: [list] b", "cy@x.example", "4 Jan 2020", "Message-ID: <4@x>\r\nIn-Reply-To: <1@x>\r\n"),
        ]:
            c.append("INBOX", f"From: {sender}\r\nDate: {date} 10:00:00 +0000\r\nSubject: {subject}\r\n{extra}\r\nx\r\n")
        c.ok("NOOP")
        for keys, expected in [("DATE", [1, 3, 2, 4]), ("REVERSE DATE", [4, 2, 3, 1]), ("SUBJECT DATE", [3, 2, 1, 4]),
                               ("FROM", [2, 3, 4, 1]), ("ARRIVAL", [1, 2, 3, 4]), ("REVERSE SIZE", None)]:
            got = numbers(c.ok(f"SORT ({keys}) UTF-8 ALL"), "SORT")
            assert got == expected or (expected is None and sorted(got) == [1, 2, 3, 4]), keys
        assert numbers(c.ok("UID SORT (DATE) US-ASCII FROM al"), "SORT") == [2]
        assert c.ok("THREAD REFERENCES UTF-8 ALL")[0] == b"* THREAD (1 4)(3 2)"
        assert c.ok("THREAD ORDEREDSUBJECT UTF-8 ALL")[0] == b"* THREAD (1 4)(3 2)"
        c.bad("SORT (NOSUCH) UTF-8 ALL")
        c.bad("THREAD NOSUCH UTF-8 ALL")


# ---- CONDSTORE, QRESYNC ----

def test_condstore(cluster, account):
    with session(cluster, account) as c, session(cluster, account, 1) as d:
        for _ in range(3):
            c.append("INBOX", PLAIN)
        c.ok("NOOP")
        untagged = d.ok("SELECT INBOX (CONDSTORE)")
        modseq = int(re.search(rb"HIGHESTMODSEQ (\d+)", b" ".join(untagged))[1])
        c.ok("STORE 2 +FLAGS (\\Flagged)")
        changed = [u for u in d.ok(f"FETCH 1:* (FLAGS) (CHANGEDSINCE {modseq})") if b"FETCH" in u]
        assert len(changed) >= 1 and all(b"MODSEQ (" in u and b"* 2 " in u for u in changed)
        _, tagged = d.cmd(f"STORE 2 (UNCHANGEDSINCE {modseq}) +FLAGS (\\Seen)")
        assert "[MODIFIED 2]" in tagged
        assert numbers([re.sub(rb" \(MODSEQ \d+\)", b"", u) for u in d.ok(f"SEARCH MODSEQ {modseq + 1}")]) == [2]


# ---- Bad input ----

@pytest.mark.parametrize("bad", [
    "", "x", "x ", "* NOOP", "+ NOOP", "x NOOP extra", "x FETCH", "x FETCH 1", "x FETCH 0 FLAGS", "x FETCH 4294967296 FLAGS",
    "x SEARCH " + "(" * 60 + "ALL" + ")" * 60, "x LIST", 'x LIST "" "', "x STORE 1 FLAGS", "x COPY 1", "x APPEND INBOX",
    "x STATUS INBOX ()", "x UID", "x UID NOSUCH", "x SELECT", "x ENABLE",
])
def test_malformed_commands(cluster, account, bad):
    cluster.settings("imap", max_bad_commands=100)
    with session(cluster, account) as c:
        c.send(bad.encode() + b"\r\ny NOOP\r\n")
        line = c.line()
        while not line.startswith(b"y "):
            assert b" BAD" in line or bad == "", line
            line = c.line()
        assert line.startswith(b"y OK")


def test_limits(cluster, account):
    with session(cluster, account) as c:
        c.bad("NOOP " + "x" * 400000)
        c.ok("NOOP")
        _, tagged = c.cmd("LOGIN {999999999} x")
        assert not tagged.startswith("OK")
        c.ok("NOOP")
    cluster.settings("imap", max_bad_commands=3)
    with connect(cluster) as c:
        for _ in range(3):
            c.send("x NOSUCH\r\n")
            assert b" BAD" in c.line()
        assert c.line().startswith(b"* BYE") and c.is_closed()
    cluster.settings("imap", max_connections=1)
    with connect(cluster) as one, connect(cluster) as two:
        assert one.greeting.startswith(b"* OK") and two.greeting.startswith(b"* BYE")


def test_garbage(cluster, account):
    pid = cluster.pid("frontend-0")
    for piece in (os.urandom(100000), b"\0" * 5000, b"a" * 600000, b"x LOGIN {5}\r\n", b"{99999999999999999999}\r\n" * 50):
        with connect(cluster, timeout=5) as c:
            try:
                c.send(piece)
                c.socket.shutdown(1)
                c.is_closed()
            except OSError:
                pass
    assert cluster.pid("frontend-0") == pid


# ---- Real clients ----

def test_imaplib(cluster, account):
    m = imaplib.IMAP4_SSL("127.0.0.1", cluster.port("imaps", 1), ssl_context=__import__("ssl")._create_unverified_context())
    m.login(account, "secret")
    m.append("INBOX", "\\Seen", imaplib.Time2Internaldate(time.time()), PLAIN)
    assert m.select("INBOX")[1] == [b"1"]
    assert m.fetch("1", "(RFC822)")[1][0][1] == PLAIN
    assert m.search(None, "SUBJECT", "meeting")[1] == [b"1"]
    assert m.store("1", "+FLAGS", "\\Deleted")[0] == "OK"
    assert m.expunge()[1] == [b"1"]
    assert m.close()[0] == "OK" and m.logout()[0] == "BYE"


def test_curl(cluster, account):
    cluster.deliver("s@remote.example", account, "Subject: by curl\r\n\r\nhello\r\n")
    cluster.wait_mail(account)
    base = f"imaps://127.0.0.1:{cluster.port('imaps')}"

    def curl(*args):
        result = subprocess.run(["curl", "-sSk", "--max-time", "30", "--user", f"{account}:secret", *args],
                                capture_output=True, timeout=60)
        assert result.returncode == 0, result.stderr
        return result.stdout
    assert b"Sent" in curl(base + "/")
    assert curl(base + "/INBOX;UID=1").endswith(b"hello\r\n")
    assert b"SEARCH 1" in curl(base + "/INBOX?SUBJECT%20curl")
    assert b"hello" in curl(base + "/INBOX;MAILINDEX=1;SECTION=TEXT")
