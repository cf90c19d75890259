"""IMAP SEARCH, SORT and THREAD: keys, results, charsets, matches in bodies of
any form; long searches beside other sessions."""

import imaplib
import itertools
import os
import re
import subprocess
import threading
import time

import pytest

from imap_lines import Imap

_numbers = itertools.count(1)


def connect(cluster, account, frontend=0, select="INBOX"):
    c = Imap(cluster.port("imap", frontend), timeout=60)
    c.login(account)
    if select:
        c.ok(f"SELECT {select}")
    return c


@pytest.fixture
def account(cluster):
    return cluster.add_user(f"find{next(_numbers)}-{os.getpid()}@example.test")


@pytest.fixture
def c(cluster, account):
    with connect(cluster, account) as session:
        yield session


def add(c, *messages):
    for message in messages:
        flags, date = "", ""
        if isinstance(message, tuple):
            message, flags, date = (*message, "")[:3]
        c.append("INBOX", message, flags, date)
    c.ok("NOOP")


def mail(subject="", sender="a@x.example", body="text", **fields):
    lines = [f"From: {sender}", f"Subject: {subject}"] + [f"{k.replace('_', '-')}: {v}" for k, v in fields.items()]
    return ("\r\n".join(lines) + f"\r\n\r\n{body}\r\n").encode()


def numbers(untagged, word="SEARCH"):
    line = next(u for u in untagged if u.startswith(b"* " + word.encode()))
    return [int(n) for n in line.split(b" (MODSEQ")[0].split()[2:]]


def found(c, keys, literals=()):
    return numbers(c.ok("SEARCH " + keys, literals))


def extended(c, command, literals=()):
    """An ESEARCH answer without its tag."""
    line = c.ok(command, literals)[0].decode()
    m = re.fullmatch(r'\* ESEARCH \(TAG "[^"]*"\)( UID)?(.*)', line)
    assert m, line
    return ((m[1] or "") + m[2]).strip()


# ---- The form of results ----

def test_returns(c):
    add(c, *[(mail(str(i)), "(\\Flagged)" if i in (2, 3, 4, 8) else "") for i in range(1, 11)])
    c.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
    c.ok("EXPUNGE")  # now UIDs are one more than numbers
    for options, expected in [
        ("", "ALL 1:3,7"), ("ALL", "ALL 1:3,7"), ("COUNT", "COUNT 4"), ("MIN", "MIN 1"), ("MAX", "MAX 7"), ("MIN MAX", "MIN 1 MAX 7"),
        ("MAX MIN COUNT ALL", "MIN 1 MAX 7 ALL 1:3,7 COUNT 4"), ("PARTIAL 1:2", "PARTIAL (1:2 1:2)"),
        ("PARTIAL -1:-2", "PARTIAL (-1:-2 3,7)"), ("PARTIAL 5:9", "PARTIAL (5:9 NIL)"), ("COUNT PARTIAL 4:4", "COUNT 4 PARTIAL (4:4 7)"),
    ]:
        assert extended(c, f"SEARCH RETURN ({options}) FLAGGED") == expected, options
    assert extended(c, "UID SEARCH RETURN (MIN ALL) FLAGGED") == "UID MIN 2 ALL 2:4,8"
    # Nothing found: MIN, MAX and ALL are left out (RFC 4731, 3.1).
    assert extended(c, "SEARCH RETURN (MIN MAX ALL) DRAFT") == ""
    assert extended(c, "SEARCH RETURN (COUNT) DRAFT") == "COUNT 0"
    assert extended(c, "SEARCH RETURN (PARTIAL 1:5) DRAFT") == "PARTIAL (1:5 NIL)"
    assert c.ok("SEARCH DRAFT")[0] == b"* SEARCH"
    for bad in ("RETURN", "RETURN ALL FLAGGED", "RETURN (NOSUCH) ALL", "RETURN (ALL PARTIAL 1:2) ALL", "RETURN (PARTIAL 1) ALL",
                "RETURN (PARTIAL 1:2 PARTIAL 3:4) ALL", "RETURN (MIN)"):
        c.bad("SEARCH " + bad)


def test_modseq_of_results(c):
    """RFC 7162, 3.1.10: of the returned messages, not of all that were found."""
    add(c, *[mail(str(i)) for i in range(4)])
    for number in (3, 1, 4, 2):
        c.ok(f"STORE {number} +FLAGS (\\Flagged)")
    modseq = {int(m[1]): int(m[2]) for m in (re.match(rb"\* (\d+) FETCH \(MODSEQ \((\d+)\)\)", u) for u in c.ok("FETCH 1:4 MODSEQ")) if m}
    assert modseq[2] > modseq[4] > modseq[1] > modseq[3]
    for options, number in [("MIN", 1), ("MAX", 4), ("MIN MAX", 4), ("COUNT", 2), ("ALL", 2), ("MIN COUNT", 2), ("PARTIAL 1:1", 2)]:
        assert extended(c, f"SEARCH RETURN ({options}) MODSEQ 1").endswith(f"MODSEQ {modseq[number]}"), options
    assert c.ok(f"SEARCH MODSEQ {modseq[4]}")[0] == b"* SEARCH 2 4 (MODSEQ %d)" % modseq[2]
    assert c.ok(f"SEARCH MODSEQ {modseq[2] + 1}")[0] == b"* SEARCH"
    assert c.ok("SORT (REVERSE ARRIVAL) UTF-8 MODSEQ 1 1:2")[0].endswith(b"(MODSEQ %d)" % modseq[2])


def test_saved_result(cluster, account, c):
    """RFC 5182."""
    add(c, *[(mail(str(i)), "(\\Flagged)" if i % 2 else "") for i in range(1, 9)])
    fetched = lambda: [int(u.split()[1]) for u in c.ok("FETCH $ UID") if b"FETCH" in u]  # noqa: E731
    assert fetched() == []
    assert not any(u.startswith(b"* ESEARCH") for u in c.ok("SEARCH RETURN (SAVE) FLAGGED"))
    assert fetched() == [1, 3, 5, 7]
    assert found(c, "$ 1:4") == [1, 3] and found(c, "NOT $") == [2, 4, 6, 8] and found(c, "UID $") == [1, 3, 5, 7]
    assert extended(c, "SEARCH RETURN (SAVE MIN) FLAGGED") == "MIN 1" and fetched() == [1]
    assert extended(c, "SEARCH RETURN (SAVE MAX) FLAGGED") == "MAX 7" and fetched() == [7]
    assert extended(c, "SEARCH RETURN (MAX SAVE MIN) FLAGGED") == "MIN 1 MAX 7" and fetched() == [1, 7]
    assert extended(c, "SEARCH RETURN (SAVE MIN COUNT) FLAGGED") == "MIN 1 COUNT 4" and fetched() == [1, 3, 5, 7]
    assert extended(c, "SORT RETURN (SAVE COUNT) (REVERSE ARRIVAL) UTF-8 2:4") == "COUNT 3" and fetched() == [2, 3, 4]
    # Expunged messages leave it; the numbers follow.
    c.ok("STORE 3 +FLAGS.SILENT (\\Deleted)")
    c.ok("EXPUNGE")
    assert fetched() == [2, 3]
    # BAD leaves it alone, NO empties it.
    c.bad("SEARCH RETURN (SAVE) NOSUCH")
    assert fetched() == [2, 3]
    c.ok("STORE $ +FLAGS.SILENT (\\Answered)")
    assert found(c, "ANSWERED") == [2, 3]
    c.ok("COPY $ Archive")
    c.ok("UID MOVE $ Archive")
    assert fetched() == [] and found(c, "ALL") == [1, 2, 3, 4, 5]
    c.ok("SELECT Archive")
    assert fetched() == [], "another mailbox, another result"
    assert found(c, "ALL") == [1, 2, 3, 4]


def test_empty_mailbox(c):
    assert found(c, "ALL") == [] and found(c, "UID 1:*") == [] and found(c, "NOT SEEN") == []
    assert c.ok("SORT (DATE) UTF-8 ALL")[0] == b"* SORT" and c.ok("THREAD REFERENCES UTF-8 ALL")[0] == b"* THREAD"
    assert extended(c, "SEARCH RETURN (MIN MAX COUNT) ALL") == "COUNT 0"
    assert found(c, "1") == [] and found(c, "1:*") == []


def test_rev2_has_one_answer(c):
    add(c, mail("x"))
    c.ok("ENABLE IMAP4rev2")
    assert extended(c, "SEARCH ALL") == "ALL 1" and extended(c, "UID SEARCH SEEN") == "UID"


# ---- Matches ----

def test_texts_in_any_form(c):
    add(c,
        b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= =?iso-8859-1?q?_aus_K=F6ln?=\r\n\r\nplain\r\n",  # 1
        b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nU2Now7ZuZSBHcsO8w59lIGF1cyBkZXIgRmVybmUs\r\nIHZlcnN0ZWNrdA==\r\n",  # 2
        b"Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nSch=F6ne Gr=FC=\r\n=DFe\r\n",  # 3
        b"Content-Type: text/plain; charset=koi8-r\r\n\r\n\xed\xcf\xd3\xcb\xd7\xc1\r\n",  # 4
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n--b\r\nContent-Type: image/png; name=\"holiday.png\"\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\ncGxhaW4=\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner words\r\n"
        b"From: deep@y.example\r\n\r\ninner body\r\n--b--\r\nepilogue\r\n",  # 5
        b"From: \"Quoted, Name\" <q@x.example>\r\nTo: one@x.example, Two <two@x.example>\r\nCc: c@x.example\r\nBcc: hidden@x.example\r\n"
        b"X-Folded: first\r\n second\r\n\tthird\r\n\r\nx\r\n")  # 6
    for keys, expected in [
        ("SUBJECT koln", []), ("SUBJECT \"aus k\"", [1]), ("BODY versteckt", [2]), ("BODY VERSTECKT", [2]), ("BODY plain", [1]),
        ("TEXT holiday.png", [5]), ("BODY holiday.png", []), ("BODY \"inner words\"", [5]), ("SUBJECT \"inner words\"", []),
        ("HEADER Subject \"inner words\"", []), ("BODY \"inner body\"", [5]), ("FROM deep", []), ("TEXT deep@y", [5]),
        ("BODY preamble", []), ("FROM \"quoted, name\"", [6]), ("TO two@x", [6]), ("TO \"one@x.example>, two <\"", [6]),
        ("CC c@x", [6]), ("BCC hidden", [6]), ("HEADER X-Folded \"first second third\"", [6]), ("HEADER X-Folded \"\"", [6]),
        ("HEADER x-none \"\"", []), ("HEADER Cc \"\"", [6]), ("TEXT x-folded", [6]), ("BODY x-folded", []),
        ("OR BODY versteckt HEADER Cc c@x", [2, 6]),
    ]:
        assert found(c, keys) == expected, keys
    for charset, text, expected in [
        ("UTF-8", "GRÜSSE".encode(), [1]), ("UTF-8", "gru\u0308ße aus ko\u0308ln".encode(), [1]), ("ISO-8859-1", b"Gr\xfc\xdfe", [1]),
        ("UTF-8", "K\u00f6LN".encode(), [1]),
    ]:
        assert found(c, f"CHARSET {charset} SUBJECT {{{len(text)}}}", [text]) == expected, text
    for charset, text, expected in [
        ("UTF-8", "schöne grüße".encode(), [2, 3]), ("KOI8-R", b"\xcd\xcf\xd3\xcb\xd7\xc1", [4]), ("UTF-8", "МОСКВА".encode(), [4]),
        ("windows-1251", "москва".encode("cp1251"), [4]), ("US-ASCII", b"versteckt", [2]),
    ]:
        assert found(c, f"CHARSET {charset} BODY {{{len(text)}}}", [text]) == expected, text
    c.no("SEARCH CHARSET nosuch ALL", "BADCHARSET")
    c.no("SORT (SUBJECT) nosuch ALL", "BADCHARSET")
    c.no("THREAD REFERENCES nosuch ALL", "BADCHARSET")


def test_dates(c):
    add(c, (mail("a", Date="Fri, 1 Mar 2024 23:30:00 -0500"), "", '"01-Mar-2024 23:30:00 -0500"'),
        (mail("b", Date="Sat, 2 Mar 2024 00:30:00 +0900"), "", '"02-Mar-2024 00:30:00 +0900"'), (mail("c"), "", ""))
    for keys, expected in [
        # Days are those of the dates as written (RFC 9051, 6.4.4).
        ("ON 1-Mar-2024", [1]), ("ON 2-Mar-2024", [2]), ("BEFORE 2-Mar-2024", [1]), ("SINCE 2-Mar-2024", [2, 3]),
        ("SENTON 1-Mar-2024", [1]), ("SENTON 2-Mar-2024", [2]), ("SENTBEFORE 3-Mar-2024", [1, 2]), ("SENTSINCE 1-Jan-1990", [1, 2]),
        ("SAVEDSINCE 1-Jan-2020", [1, 2, 3]), ("SAVEDBEFORE 1-Jan-2020", []), ("SAVEDATESUPPORTED", [1, 2, 3]),
        ("OLDER 100000", [1, 2]), ("YOUNGER 100000", [3]),
    ]:
        assert found(c, keys) == expected, keys
    for bad in ("ON 32-Jan-2024", "ON 1-Foo-2024", "ON 2024-01-01", "OLDER 0", "YOUNGER 0", "OLDER -5", "ON 29-Feb-2023"):
        c.bad("SEARCH " + bad)


def test_nesting_and_many_keys(c):
    add(c, *[(mail(f"s{i}"), f"(k{i})") for i in range(5)])
    assert found(c, "OR KEYWORD k1 OR KEYWORD k3 KEYWORD k4") == [2, 4, 5]
    assert found(c, "NOT (OR KEYWORD k1 KEYWORD k2) NOT KEYWORD k0") == [4, 5]
    assert found(c, "(((SUBJECT s1)))") == [2]
    assert found(c, " ".join(["NOT"] * 40) + " KEYWORD k1") == [2]
    assert found(c, " ".join(["OR SUBJECT nothing"] * 45) + " SUBJECT s4") == [5]
    assert found(c, " ".join(["SUBJECT s"] * 1500)) == [1, 2, 3, 4, 5]
    c.bad("SEARCH " + "NOT " * 60 + "SEEN")
    c.bad("SEARCH " + "(" * 60 + "SEEN" + ")" * 60)
    c.bad("SEARCH " + " ".join(["SEEN"] * 2100))
    c.bad("SEARCH " + " ".join(["BODY x"] * 65))
    c.ok("SEARCH " + " ".join(["BODY x"] * 64))
    sequence = ",".join(str(n % 5 + 1) for n in range(5000))
    assert found(c, sequence) == [1, 2, 3, 4, 5]


def test_large_bodies(c):
    line = b"0123456789" * 7 + b"\r\n"
    add(c, b"Subject: large\r\n\r\n" + line * 60000 + b"needle\r\n",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: application/x\r\n\r\n" + line * 60000 + b"--b\r\n\r\nneedle\r\n--b--\r\n",
        b"Subject: hay\r\n\r\n" + line * 8000)
    assert found(c, "BODY needle") == [1, 2] and found(c, "TEXT large") == [1] and found(c, "BODY 90123") == [1, 3]


def test_texts_of_many_windows(c):
    """It is found anywhere in a long text: in lines, in one endless line, encoded or not."""
    plain = b"".join(b"line %07d ends\r\n" % i for i in range(100000))
    endless = b" ".join(b"%07d" % i for i in range(200000))
    umlauts = "".join(f"zeile {i:07d} größer\r\n" for i in range(60000)).encode()
    import base64
    add(c, b"Subject: a\r\n\r\n" + plain, b"Subject: b\r\n\r\n" + endless,
        b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
        base64.encodebytes(umlauts).replace(b"\n", b"\r\n"))
    for i in range(0, 100000, 3571):
        assert found(c, f'BODY "line {i:07d} ends"') == [1], i
        assert found(c, f'BODY "{i:07d} {i + 1:07d}"') == [2], i
        text = f"ZEILE {i * 60000 // 100000:07d} GRÖSSER".encode()
        assert found(c, f"CHARSET UTF-8 BODY {{{len(text)}}}", [text]) == [3], i
    assert found(c, 'BODY "0099999 ends"') == [1] and found(c, "BODY 0199999") == [2] and found(c, "BODY nothing") == []


# ---- SORT, THREAD ----

def order(c, command):
    return numbers(c.ok(command), "SORT")


def test_sort_keys(cluster, c):
    cluster.settings("imap", max_bad_commands="100")
    add(c, (mail("Zebra", '"Zed" <m@x.example>', To="b@x.example", Cc="x@x.example", Date="Mon, 1 Jan 2024 10:00:00 +0000"), "", '"05-Jan-2024 10:00:00 +0000"'),
        (mail("Re: apple", '"Amy" <z@x.example>', "long " * 100, To="a@x.example", Date="Mon, 1 Jan 2024 10:00:00 +0100"), "", '"04-Jan-2024 10:00:00 +0000"'),
        (mail("Äpfel", "k@x.example", "x" * 50, To='"AAA" <c@x.example>', Cc="y@x.example"), "", '"03-Jan-2024 10:00:00 +0000"'),
        (mail("Fwd: [list] Apple (fwd)", "=?utf-8?q?=C3=96mer?= <b@x.example>", To="d@x.example", Date="Sun, 31 Dec 2023 23:59:59 +0000"), "", '"02-Jan-2024 10:00:00 +0000"'))
    for keys, expected in [
        ("ARRIVAL", [4, 3, 2, 1]), ("REVERSE ARRIVAL", [1, 2, 3, 4]), ("DATE", [4, 2, 1, 3]), ("REVERSE DATE", [3, 1, 2, 4]),
        ("SUBJECT", [2, 4, 3, 1]), ("REVERSE SUBJECT", [1, 3, 2, 4]), ("SUBJECT REVERSE DATE", [2, 4, 3, 1]),
        ("SUBJECT DATE", [4, 2, 3, 1]), ("FROM", [4, 3, 1, 2]), ("TO", [2, 1, 3, 4]), ("CC", [2, 4, 1, 3]), ("CC REVERSE TO", [4, 2, 1, 3]),
        ("DISPLAYFROM", [2, 3, 4, 1]), ("DISPLAYTO", [2, 3, 1, 4]),
    ]:
        assert order(c, f"SORT ({keys}) UTF-8 ALL") == expected, keys
    sizes = [int(u.split()[-1][:-1]) for u in c.ok("FETCH 1:4 RFC822.SIZE")]
    assert order(c, "SORT (SIZE) UTF-8 ALL") == sorted(range(1, 5), key=lambda n: sizes[n - 1])
    assert order(c, "UID SORT (REVERSE ARRIVAL) US-ASCII 2:3") == [2, 3]
    for options, expected in [("", "ALL 4:1"), ("COUNT", "COUNT 4"), ("MIN MAX", "MIN 4 MAX 1"), ("PARTIAL 1:2", "PARTIAL (1:2 4:3)"),
                              ("PARTIAL -1:-1", "PARTIAL (-1:-1 1)")]:
        got = extended(c, f"SORT RETURN ({options}) (ARRIVAL) UTF-8 ALL")
        assert got.replace("4,3,2,1", "4:1").replace("4,3", "4:3") == expected, options
    for bad in ("()", "(NOSUCH)", "(REVERSE)", "SUBJECT", "(SUBJECT", "(SUBJECT REVERSE)", "(" + " ".join(["DATE"] * 30) + ")"):
        c.bad(f"SORT {bad} UTF-8 ALL")
    c.bad("SORT (DATE) ALL")
    c.bad("SORT (DATE) UTF-8")


def test_threads(c):
    def one(n, references="", subject="x", **fields):
        refs = {"References": " ".join(f"<{r}@x>" for r in references)} if references else {}
        return mail(subject, Message_ID=f"<{n}@x>", Date=f"Mon, 1 Jan 2024 10:{int(n, 36):02d}:00 +0000", **refs, **fields)
    add(c, one("1"), one("2", "1"), one("3", "12"), one("4", "1"), one("5", "1A", "other"), one("6", "1A", "other"),
        one("7", "", "Re: x"), one("8", "", "lonely"), one("9", "", "", In_Reply_To="<8@x>"))
    assert c.ok("THREAD REFERENCES UTF-8 ALL")[0] == b"* THREAD (1 (2 3)(4)(5)(6)(7))(8 9)"
    assert c.ok("UID THREAD REFERENCES UTF-8 2:4")[0] == b"* THREAD ((2 3)(4))"
    assert c.ok("THREAD ORDEREDSUBJECT UTF-8 ALL")[0] == b"* THREAD (1 (2)(3)(4)(7))(5 6)(8)(9)"
    assert c.ok("THREAD REFERENCES UTF-8 DRAFT")[0] == b"* THREAD"
    for bad in ("", " REFS UTF-8 ALL", " REFERENCES ALL", " REFERENCES UTF-8", " REFERENCES UTF-8 NOSUCH"):
        c.bad("THREAD" + bad)


def test_very_long_subjects(c):
    add(c, mail("[a]" * 200000), mail("Re: " * 200000 + "x"), mail("[fwd: " * 100000), mail("x" + "(fwd)" * 200000))
    start = time.monotonic()
    assert sorted(order(c, "SORT (SUBJECT) UTF-8 ALL")) == [1, 2, 3, 4]
    c.ok("THREAD REFERENCES UTF-8 ALL")
    assert time.monotonic() - start < 20  # the square of their length would be minutes


# ---- Beside others ----

def fill(c, count, message):
    for base in range(0, count, 500):
        parts = [message(i) for i in range(base, base + 500)]
        c.send(b"f APPEND INBOX" + b"".join(b" {%d+}\r\n%s" % (len(p), p) for p in parts) + b"\r\n")
        line = c.line()
        while not line.startswith(b"f "):
            line = c.line()
        assert line.startswith(b"f OK"), line
    c.ok("NOOP")


def test_long_searches_let_others_work(cluster, account, c):
    fill(c, 10000, lambda i: mail(f"subject {i}", body="some words " * 200))
    done, slow = threading.Event(), []

    def other():
        with connect(cluster, account, 0, None) as d:
            while not done.is_set():
                start = time.monotonic()
                d.ok("NOOP")
                slow.append(time.monotonic() - start)
                time.sleep(0.005)
    thread = threading.Thread(target=other)
    thread.start()
    try:
        for command in ("SEARCH BODY nothing", "SEARCH TEXT nothing", "SEARCH SUBJECT nothing", "SORT (SUBJECT) UTF-8 ALL",
                        "SEARCH HEADER X-None x", "SEARCH OR " + "OR SUBJECT a " * 40 + "BODY b BODY c"):
            c.ok(command)
    finally:
        done.set()
        thread.join()
    slow.sort()
    assert slow[len(slow) // 2] < 0.5


def test_search_while_messages_go(cluster, account, c):
    fill(c, 3000, lambda i: mail(f"subject {i}"))
    with connect(cluster, account, 1) as d:
        for turn in range(3):
            c.send("x SEARCH BODY text\r\n")
            d.ok(f"UID STORE {turn * 500 + 1}:{turn * 500 + 300} +FLAGS.SILENT (\\Deleted)")
            d.ok("EXPUNGE")
            line = c.line()
            while not line.startswith(b"x "):
                assert b"EXPUNGE" not in line
                if line.startswith(b"* SEARCH"):  # changes made meanwhile may be reported after it
                    result = line
                line = c.line()
            assert line.startswith(b"x OK") and 2000 <= len(result.split()) <= 3002
            c.ok("NOOP")
        assert len(found(c, "SUBJECT subject")) == 2100 == len(found(c, "BODY text"))


# ---- Real clients ----

def test_imaplib_and_curl(cluster, account, c):
    add(c, mail("meeting"), (mail("other"), "(\\Seen)"))
    m = imaplib.IMAP4("127.0.0.1", cluster.port("imap", 1))
    m.login(account, "secret")
    m.select("INBOX")
    assert m.search(None, "SUBJECT", '"meet"')[1] == [b"1"]
    assert m.uid("search", None, "UNSEEN")[1] == [b"1"]
    assert m.sort("(REVERSE SUBJECT)", "UTF-8", "ALL")[1] == [b"2 1"]
    assert m.thread("REFERENCES", "UTF-8", "ALL")[1] == [b"(1)(2)"]
    m.literal = "meet".encode()
    assert m.uid("SEARCH", "CHARSET", "UTF-8", "SUBJECT")[1] == [b"1"]
    m.logout()
    url = f"imap://127.0.0.1:{cluster.port('imap')}/INBOX?SEEN"
    got = subprocess.run(["curl", "-sS", "--max-time", "30", "--user", f"{account}:secret", url], capture_output=True, timeout=60)
    assert got.stdout.strip() == b"* SEARCH 2", got
