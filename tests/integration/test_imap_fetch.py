"""IMAP FETCH: every item, which messages, and real clients."""

import base64
import imaplib
import io
import itertools
import quopri
import random
import re
import subprocess
import time
from pathlib import Path

import pytest

from imap_fetch import BROKEN, NESTED, SAMPLE, account, add, c, connect, fetched, item  # noqa: F401 (fixtures)
from imap_grammar import read_structure


# ---- Items ----

def test_envelope_and_structure(c):
    add(c, SAMPLE)
    got = item(c, "ENVELOPE BODY BODYSTRUCTURE RFC822.SIZE")
    assert got["ENVELOPE"] == [
        b"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)", b"IMAP4rev1 WG mtg summary and minutes",
        [[b"Terry Gray", None, b"gray", b"cac.washington.edu"]], [[b"Terry Gray", None, b"gray", b"cac.washington.edu"]],
        [[b"Terry Gray", None, b"gray", b"cac.washington.edu"]], [[None, None, b"imap", b"cac.washington.edu"]],
        [[None, None, b"minutes", b"CNRI.Reston.VA.US"], [b"John Klensin", None, b"KLENSIN", b"MIT.EDU"]], None, None,
        b"<B27397-0100000@cac.washington.edu>"]
    assert [x.lower() if isinstance(x, bytes) else x for x in got["BODY"][:2]] == [b"text", b"plain"]
    assert got["BODY"][5].lower() == b"7bit" and got["BODY"][6:8] == [b"144", b"2"]
    assert got["RFC822.SIZE"] == b"%d" % len(SAMPLE)
    for macro, names in [("FAST", {"FLAGS", "INTERNALDATE", "RFC822.SIZE"}),
                         ("ALL", {"FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE"}),
                         ("FULL", {"FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY"})]:
        assert set(fetched(c.ok(f"FETCH 1 {macro}"))[1]) == names
    assert set(item(c, "UID EMAILID THREADID SAVEDATE MODSEQ")) == {"UID", "EMAILID", "THREADID", "SAVEDATE", "MODSEQ"}


SECTIONS = [
    ("1", b"--i\r\n\r\nplain text\r\n--i\r\nContent-Type: text/html\r\n\r\n<p>html &amp; text\r\n--i--"),
    ("1.MIME", b"Content-Type: multipart/alternative; boundary=i\r\n\r\n"),
    ("1.1", b"plain text"), ("1.1.MIME", b"\r\n"), ("1.2", b"<p>html &amp; text"), ("1.3", None), ("1.1.1", None),
    ("2.HEADER", b"Subject: inner\r\nTo: x@y.example\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n"),
    ("2.HEADER.FIELDS (to)", b"To: x@y.example\r\n\r\n"),
    ("2.HEADER.FIELDS.NOT (to CONTENT-type)", b"Subject: inner\r\n\r\n"),
    ("2.MIME", b"Content-Type: message/rfc822\r\nContent-Description: a mail\r\n\r\n"),
    ("2.1", b"deep one"), ("2.2", b"deep two"), ("2.1.MIME", b"X-Part: 1\r\n\r\n"), ("2.3", None), ("3", None),
    ("2.1.HEADER", None), ("1.HEADER", None), ("1.TEXT", None),
    ("HEADER", b"Subject: outer\r\nContent-Type: multipart/mixed; boundary=o\r\n\r\n"),
    ("HEADER.FIELDS (subject)", b"Subject: outer\r\n\r\n"), ("HEADER.FIELDS (none)", b"\r\n"), ("", NESTED),
]


def test_sections_and_partials(c):
    add(c, NESTED)
    for section, expected in SECTIONS:
        got = item(c, f"BODY.PEEK[{section}]")
        assert list(got.values()) == [expected], section
        if expected is None:
            continue
        for first, length in [(0, 1), (0, 10000), (3, 4), (len(expected) - 1, 5), (len(expected), 5), (99999, 1)]:
            name, value = list(item(c, f"BODY.PEEK[{section}]<{first}.{length}>").items())[0]
            assert name.endswith(f"]<{first}>") and value == expected[first:first + length], (section, first, length)
    whole = item(c, "BODY.PEEK[2.TEXT]")["BODY[2.TEXT]"]
    assert whole.startswith(b"--m\r\nX-Part") and whole.endswith(b"deep two\r\n--m--")
    # Several at once, in the order of the command, the same one too.
    names = re.findall(rb"BODY\[[^]]*\]", c.ok("FETCH 1 (BODY.PEEK[2.2] BODY.PEEK[1.1] BODY.PEEK[2.2])")[0])
    assert names == [b"BODY[2.2]", b"BODY[1.1]", b"BODY[2.2]"]


def test_how_sections_are_named(c):
    """Answers never contain syntax that only a client may use."""
    add(c, NESTED)
    assert b"BODY[HEADER.FIELDS (Subject to)] {" in c.ok("FETCH 1 body.peek[header.fields (Subject to)]")[0]
    assert b"BODY[HEADER.FIELDS (Subject)] {" in c.ok('FETCH 1 BODY.PEEK[HEADER.FIELDS ("Subject")]')[0]
    assert b"BODY[HEADER.FIELDS (Subject)] {18}" in c.ok("FETCH 1 BODY.PEEK[HEADER.FIELDS ({7}\0)]", [b"Subject"])[0]
    assert b'BODY[HEADER.FIELDS ("a b" "")] {2}' in c.ok('FETCH 1 BODY.PEEK[HEADER.FIELDS ("a b" "")]')[0]
    assert b"BODY[2.MIME]" in c.ok("FETCH 1 Body.Peek[2.mime]")[0]


def test_seen(cluster, account, c):
    add(c, *[SAMPLE] * 8)
    for number, items, seen in [(1, "BODY.PEEK[]", False), (2, "BODY[]", True), (3, "RFC822.HEADER", False),
                                (4, "RFC822.TEXT", True), (5, "BODY[HEADER]", True), (6, "BINARY.PEEK[1]", False),
                                (7, "BINARY[1]", True), (8, "PREVIEW", False)]:
        first = item(c, items, number)
        assert (b"\\Seen" in first.get("FLAGS", [])) == seen, items
        again = item(c, items, number)
        assert "FLAGS" not in again, "told once"
        assert (b"\\Seen" in item(c, "FLAGS", number)["FLAGS"]) == seen
    with connect(cluster, account, 1, None) as d:
        d.ok("EXAMINE INBOX")
        assert "FLAGS" not in item(d, "BODY[]", 1)
        assert item(d, "FLAGS", 1)["FLAGS"] == []


def test_preview(c):
    long = "Wörter " * 100
    add(c, SAMPLE, NESTED,
        b"Content-Type: text/html; charset=utf-8\r\n\r\n<html><style>p {}</style><p>Hello&nbsp;&lt;you&gt;</p>\r\n\r\n<b>World</b>\r\n",
        b"Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nGr=FC=DFe =\r\nan alle\r\n",
        b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n", b"Subject: empty\r\n\r\n",
        b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + long.encode())
    previews = [item(c, "PREVIEW", n)["PREVIEW"].decode() for n in range(1, 8)]
    assert previews[0] == "x" * 70 + " " + "y" * 70
    assert previews[1:6] == ["plain text", "Hello <you> World", "Grüße an alle", "", ""]
    assert previews[6] == long[:200].strip()
    assert fetched(c.ok("FETCH 3 PREVIEW (LAZY)"))[3]["PREVIEW"] == b"Hello <you> World"
    assert set(item(c, "PREVIEW (LAZY) UID", 3)) == {"PREVIEW", "UID"}
    assert set(fetched(c.ok("FETCH 3 PREVIEW (CHANGEDSINCE 1)"))[3]) == {"PREVIEW", "MODSEQ"}
    c.bad("FETCH 3 (PREVIEW (NOSUCH))")


ALTERNATIVE = (b"Content-Type: multipart/alternative; boundary=a\r\n\r\n--a\r\nContent-Type: text/plain\r\n\r\n%s\r\n--a\r\n"
               b"Content-Type: text/html; charset=utf-8\r\n\r\n%s\r\n--a--\r\n")
MIXED = b"Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\n%s\r\n--m\r\n%s\r\n--m--\r\n"
HTML = b"Content-Type: text/html; charset=utf-8\r\n\r\n%s\r\n"


@pytest.mark.parametrize("message, preview", [
    (ALTERNATIVE % (b"", b"<p>Only here"), "Only here"),
    (ALTERNATIVE % (b" \r\n\t\r\n", b"<p>Only here"), "Only here"),
    (ALTERNATIVE % (b"plain", b"<p>html"), "plain"),
    (HTML % (b"<html><head><style>" + b"p { margin: 0 }\r\n" * 6000 + b"</style></head><p>Behind it"), "Behind it"),
    (HTML % (b"<style>" + b"p { margin: 0 }\r\n" * 1300 + b"</style>" + "Grüße ".encode() * 100), ("Grüße " * 100)[:200].strip()),
    (HTML % b"<img title='a>b' alt=\"c>d\">x", "x"),
    (HTML % b"caf&eacute; &ndash; &#8217;&hellip;", "café – ’…"),
    (MIXED % (b"Content-Type: text/csv\r\n\r\n1;2;3", b"\r\nHello"), "Hello"),
    (MIXED % (b"Content-Disposition: attachment\r\n\r\nnot this", b"\r\nHello"), "Hello"),
    (MIXED % (b"Content-Type: text/calendar\r\n\r\nBEGIN:VCALENDAR", b"Content-Type: text/html\r\n\r\n<p>Hello"), "Hello"),
    (MIXED % (b"Content-Type: message/rfc822\r\n\r\nSubject: i\r\n\r\nforwarded", b"\r\nHello"), "Hello"),
    (MIXED % (b"Content-Type: message/rfc822\r\n\r\nSubject: i\r\n\r\nforwarded", b"\r\n\r\n"), "forwarded"),
    (b"Content-Type: text/calendar\r\n\r\nBEGIN:VCALENDAR\r\n", ""),
    (b"Content-Transfer-Encoding: quoted-printable\r\n\r\nno =  \r\nbreak\r\n", "no break"),
], ids=itertools.count())
def test_what_a_preview_is_made_of(c, message, preview):
    add(c, message)
    assert item(c, "PREVIEW")["PREVIEW"].decode() == preview


def as_python_decodes(body, monkeypatch):
    """With the careful one of its two methods, which turns every line end into LF."""
    out = io.BytesIO()
    monkeypatch.setattr(quopri, "a2b_qp", None)
    quopri.decode(io.BytesIO(body), out)
    return out.getvalue()


def test_quoted_printable(cluster, account, monkeypatch):
    """White space at the end of a line was added in transit."""
    rng = random.Random(6)
    tokens = [b"=\r\n", b"= \t\r\n", b" \t \r\n", b"\r\n", b"=20\r\n", b"=3D", b"=c3=A4", b" ", b"\t", b"a", b"word", b"=4X", b"."]
    bodies = [b"".join(rng.choices(tokens, k=rng.randrange(60))) + b"needle\r\n" for _ in range(30)]
    bodies.append(b"".join(rng.choices(tokens, k=150000)) + b"needle\r\n")
    bodies.append(b"nee=\t \r\ndle  \r\n")
    with connect(cluster, account) as d:
        add(d, *(b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + b for b in bodies))
        for number, body in enumerate(bodies, 1):
            got = item(d, "BINARY.PEEK[1] BINARY.SIZE[1]", number)
            assert got["BINARY[1]"].replace(b"\r\n", b"\n") == as_python_decodes(body, monkeypatch), body[:300]
            assert got["BINARY[1]"].count(b"\n") == got["BINARY[1]"].count(b"\r\n")
            assert int(got["BINARY.SIZE[1]"]) == len(got["BINARY[1]"])
        assert d.ok("SEARCH BODY needle") == [b"* SEARCH " + b" ".join(b"%d" % n for n in range(1, len(bodies) + 1))]


def test_source_route(c):
    add(c, b"From: A <@first.example , @second.example:a@b.example>\r\nTo: <@:c@d.example>\r\n\r\nx\r\n")
    envelope = item(c, "ENVELOPE")["ENVELOPE"]
    assert envelope[2] == [[b"A", b"@first.example,@second.example", b"a", b"b.example"]]


def test_message_that_is_encoded(c):
    """Forbidden, but sent: a leaf for every item."""
    inner = b"Subject: inner\r\n\r\ntext\r\n"
    encoded = base64.encodebytes(inner).strip()
    add(c, MIXED % (b"\r\nHello", b"Content-Type: message/rfc822; name=x.eml\r\nContent-Transfer-Encoding: base64\r\n\r\n" + encoded))
    [line] = c.ok("FETCH 1 (BODY BODYSTRUCTURE)")
    part = read_structure(line)["BODYSTRUCTURE"]["parts"][1]
    assert part["type"] == "application/octet-stream" and part["params"] == {b"name": b"x.eml"}
    assert part["encoding"] == b"base64" and part["octets"] == len(encoded)
    got = item(c, "BODY.PEEK[2] BINARY.PEEK[2] BINARY.SIZE[2] BODY.PEEK[2.HEADER] BODY.PEEK[2.1]")
    assert got["BODY[2]"] == encoded and got["BINARY[2]"] == inner and int(got["BINARY.SIZE[2]"]) == len(inner)
    assert got["BODY[2.HEADER]"] is None and got["BODY[2.1]"] is None


def test_names_of_attachments_stay_ascii(c):
    """Parameters in RFC 2231's form are returned in it."""
    add(c, b"Content-Type: application/pdf; name*0*=iso-8859-1''Gr%FC%DFe; name*1=\" 1.pdf\"\r\n"
           b"Content-Disposition: attachment; filename*0=long; filename*1=er.pdf\r\n\r\nx\r\n")
    [line] = c.ok("FETCH 1 BODYSTRUCTURE")
    assert read_structure(line)["BODYSTRUCTURE"]["params"] == {b"name*": b"utf-8''Gr%C3%BC%C3%9Fe%201.pdf"}
    assert b'("attachment" ("filename" "longer.pdf"))' in line


def test_every_structure_is_in_the_grammar(c):
    """The broken messages of this file, and those of the fuzz targets."""
    corpus = Path(__file__).resolve().parents[2] / "fuzz" / "corpus"
    messages = [m for m in BROKEN.values() if m]
    messages += [f.read_bytes()[1:] for f in sorted((corpus / "mime_digest").iterdir())]
    messages += [f.read_bytes() for f in sorted((corpus / "mime_header").iterdir())]
    types = [b"message/rfc822", b"message/global", b"multipart/mixed", b"multipart/mixed; boundary=x", b"multipart/digest; boundary=x"]
    for kind, encoding, body in itertools.product(types, (b"7bit", b"base64", b"quoted-printable", b"x-none"),
                                                  (b"", b"\r\n", b"\r\nU3ViamVjdDog\r\n", b"\r\n--x\r\nTo: a\r\n--x--\r\n")):
        messages.append(b"Content-Type: %s\r\nContent-Transfer-Encoding: %s\r\n%s" % (kind, encoding, body))
    binary = [m for m in messages if b"\0" in m]
    add(c, *(m for m in messages if m and b"\0" not in m))
    for m in binary:
        c.ok(f"APPEND INBOX ~{{{len(m)}}}", [m])
    c.ok("NOOP")
    lines = c.ok("FETCH 1:* (ENVELOPE BODY BODYSTRUCTURE)")
    assert len(lines) >= 100
    for line in lines:
        read_structure(line)


# ---- Which messages ----

def test_partial_of_the_messages(c):
    add(c, *[SAMPLE] * 10)
    c.ok("STORE 4 +FLAGS.SILENT (\\Deleted)")
    c.ok("EXPUNGE")
    for partial, expected in [("1:3", [1, 2, 3]), ("3:5", [3, 5, 6]), ("-1:-2", [9, 10]), ("8:99", [9, 10]), ("20:30", [])]:
        got = fetched(c.ok(f"UID FETCH 1:* (UID FLAGS) (PARTIAL {partial})"))
        assert [int(v["UID"]) for v in got.values()] == expected, partial
    got = fetched(c.ok("UID FETCH 5:8 (UID) (PARTIAL 2:3)"))
    assert [int(v["UID"]) for v in got.values()] == [6, 7]
    for bad in ("PARTIAL", "PARTIAL 1", "PARTIAL 0:1", "PARTIAL 1:-1", "PARTIAL *:1"):
        c.bad(f"UID FETCH 1:* (UID) ({bad})")
    c.bad("FETCH 1:* (UID) (PARTIAL 1:2)")


def test_vanished(cluster, account, c):
    add(c, *[SAMPLE] * 10)
    modseq = int(re.search(rb"MODSEQ \((\d+)\)", c.ok("FETCH 10 MODSEQ")[-1])[1])
    c.ok("UID STORE 2,3,7 +FLAGS.SILENT (\\Deleted)")
    c.ok("EXPUNGE")
    c.ok("STORE 1 +FLAGS.SILENT (\\Flagged)")
    with connect(cluster, account, 1, None) as d:
        d.bad(f"UID FETCH 1:* (FLAGS) (CHANGEDSINCE {modseq} VANISHED)")
        d.ok("ENABLE QRESYNC")
        d.ok("SELECT INBOX")
        untagged = d.ok(f"UID FETCH 1:* (FLAGS) (CHANGEDSINCE {modseq} VANISHED)")
        assert b"* VANISHED (EARLIER) 2:3,7" in untagged and set(fetched(untagged)) == {1}
        untagged = d.ok(f"UID FETCH 3:5 (FLAGS) (CHANGEDSINCE {modseq} VANISHED)")
        assert untagged == [b"* VANISHED (EARLIER) 3"]
        d.bad(f"FETCH 1:* (FLAGS) (CHANGEDSINCE {modseq} VANISHED)")
        d.bad("UID FETCH 1:* (FLAGS) (VANISHED)")


def test_gone_meanwhile(cluster, account, c):
    """Messages that another session has expunged are not reported too early."""
    add(c, *[SAMPLE] * 5)
    with connect(cluster, account, 1) as d:
        d.ok("UID STORE 2 +FLAGS.SILENT (\\Deleted)")
        d.ok("EXPUNGE")
        deadline = time.monotonic() + 20
        while True:
            untagged, tagged = c.cmd("FETCH 1:5 (UID BODY.PEEK[HEADER.FIELDS (Subject)])")
            assert not any(b"EXPUNGE" in u for u in untagged)
            if "[EXPUNGEISSUED]" in tagged:
                break
            assert time.monotonic() < deadline
        assert sorted(fetched(untagged)) == [1, 3, 4, 5]
        assert "[EXPUNGEISSUED]" in c.cmd("FETCH 2 FLAGS")[1]
        assert b"* 2 EXPUNGE" in c.ok("NOOP")
        assert "EXPUNGEISSUED" not in c.cmd("FETCH 1:4 UID")[1]


@pytest.mark.parametrize("bad", [
    "FETCH", "FETCH 1", "FETCH 1 ", "FETCH 1 ()", "FETCH 1 (FLAGS", "FETCH 1 (FLAGS  UID)", "FETCH 1 FLAGS UID", "FETCH 0 FLAGS",
    "FETCH 2 FLAGS", "FETCH * FLAGS x", "FETCH 1:2 FLAGS", "FETCH 1 BODY[", "FETCH 1 BODY[]<", "FETCH 1 BODY[]<0>", "FETCH 1 BODY[]<0.0>",
    "FETCH 1 BODY[]<-1.5>", "FETCH 1 BODY[TEXT.1]", "FETCH 1 BODY[1..2]", "FETCH 1 BODY[MIME]", "FETCH 1 BODY[HEADER.FIELDS]",
    "FETCH 1 BODY[HEADER.FIELDS ()]", "FETCH 1 BINARY[TEXT]", "FETCH 1 BINARY.SIZE[1]<0.1>", "FETCH 1 BINARY", "FETCH 1 (ALL)",
    "FETCH 1 BODY.PEEK", "FETCH 1 FLAGS (NOSUCH 1)", "FETCH 1 FLAGS (CHANGEDSINCE)", "FETCH 1 FLAGS (CHANGEDSINCE x)",
    "FETCH 1 BODY[" + ".".join("1" * 101) + "]", "FETCH $x FLAGS", "FETCH 1,, FLAGS", "FETCH 1 (" + " ".join(["BODY[]"] * 1001) + ")",
])
def test_bad_fetch(cluster, c, bad):
    add(c, SAMPLE)
    c.bad(bad)
    c.ok("FETCH 1 FLAGS")


# ---- Real clients ----

def test_imaplib(cluster, account):
    m = imaplib.IMAP4("127.0.0.1", cluster.port("imap"))
    m.login(account, "secret")
    m.append("INBOX", None, None, NESTED)
    m.select("INBOX")
    assert m.fetch("1", "(BODY.PEEK[2.HEADER])")[1][0][1].startswith(b"Subject: inner")
    assert m.fetch("1", "(BODY.PEEK[]<9.5>)")[1][0][1] == b"outer"
    assert m.uid("fetch", "1", "(UID FLAGS ENVELOPE BODYSTRUCTURE)")[0] == "OK"
    m.logout()


def test_curl(cluster, account, c):
    add(c, NESTED)

    def curl(path):
        url = f"imap://127.0.0.1:{cluster.port('imap')}/INBOX{path}"
        result = subprocess.run(["curl", "-sS", "--max-time", "30", "--user", f"{account}:secret", url],
                                capture_output=True, timeout=60)
        assert result.returncode == 0, result.stderr
        return result.stdout
    assert curl(";MAILINDEX=1").strip() == NESTED.strip()
    assert curl(";UID=1;SECTION=1.1").strip() == b"plain text"
    assert curl(";UID=1;SECTION=2.HEADER").startswith(b"Subject: inner\r\n")
    assert curl(";UID=1;SECTION=TEXT").startswith(b"--o\r\n")
