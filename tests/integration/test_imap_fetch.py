"""IMAP FETCH: items and sections of any message, however broken; large bodies,
large mailboxes, readers that stop reading."""

import base64
import imaplib
import io
import itertools
import os
import quopri
import random
import re
import subprocess
import time
from pathlib import Path

import pytest

from cluster import SANITISED
from imap_grammar import read_structure
from imap_lines import Imap

_numbers = itertools.count(1)

# RFC 3501, section 8.
SAMPLE = (b"Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\nFrom: Terry Gray <gray@cac.washington.edu>\r\n"
          b"Subject: IMAP4rev1 WG mtg summary and minutes\r\nTo: imap@cac.washington.edu\r\n"
          b"cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\r\n"
          b"Message-Id: <B27397-0100000@cac.washington.edu>\r\nMIME-Version: 1.0\r\n"
          b"Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n\r\n" + b"x" * 70 + b"\r\n" + b"y" * 70 + b"\r\n")
NESTED = (b"Subject: outer\r\nContent-Type: multipart/mixed; boundary=o\r\n\r\n"
          b"--o\r\nContent-Type: multipart/alternative; boundary=i\r\n\r\n--i\r\n\r\nplain text\r\n--i\r\n"
          b"Content-Type: text/html\r\n\r\n<p>html &amp; text\r\n--i--\r\n"
          b"--o\r\nContent-Type: message/rfc822\r\nContent-Description: a mail\r\n\r\nSubject: inner\r\nTo: x@y.example\r\n"
          b"Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\nX-Part: 1\r\n\r\ndeep one\r\n--m\r\n\r\ndeep two\r\n--m--\r\n"
          b"--o--\r\n")


def connect(cluster, account, frontend=0, select="INBOX", **kwargs):
    c = Imap(cluster.port("imap", frontend), timeout=60, **kwargs)
    c.login(account)
    if select:
        c.ok(f"SELECT {select}")
    return c


@pytest.fixture
def account(cluster):
    return cluster.add_user(f"fetch{next(_numbers)}-{os.getpid()}@example.test")


@pytest.fixture
def c(cluster, account):
    with connect(cluster, account) as session:
        yield session


def add(c, *messages):
    """Appends, and makes the session notice."""
    for message in messages:
        c.append("INBOX", message)
    c.ok("NOOP")


def parse(data):
    """A response as nested lists of bytes (None: NIL): fails if it is not well-formed."""
    at = 0

    def value():
        nonlocal at
        if data[at:at + 1] == b"(":
            at += 1
            items = []
            while data[at:at + 1] != b")":
                if data[at:at + 1] == b" ":
                    at += 1
                items.append(value())
            at += 1
            return items
        quoted = re.compile(rb'"((?:[^"\\\r\n\0\x80-\xff]|\\["\\])*)"').match(data, at)
        if quoted:
            at = quoted.end()
            return re.sub(rb'\\(["\\])', rb"\1", quoted[1])
        literal = re.compile(rb"~?\{(\d+)\}\r\n").match(data, at)
        if literal:
            start = literal.end()
            at = start + int(literal[1])
            assert at <= len(data)
            return data[start:at]
        atom = re.compile(rb"[A-Za-z0-9.\\$+_*:-]+(\[[^\]]*\](<\d+>)?)?").match(data, at)
        assert atom, data[at:at + 60]
        at = atom.end()
        return None if atom[0] == b"NIL" else atom[0]

    result = []
    while at < len(data):
        if data[at:at + 1] == b" ":
            at += 1
        result.append(value())
    return result


def fetched(untagged):
    """By sequence number: item name to value."""
    result = {}
    for line in untagged:
        parts = parse(line[2:]) if b" FETCH (" in line[:30] else []
        if parts:
            names = iter(parts[2])
            result.setdefault(int(parts[0]), {}).update({name.decode(): value for name, value in zip(names, names)})
    return result


def item(c, name, number=1):
    return fetched(c.ok(f"FETCH {number} ({name})"))[number]


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


# ---- Broken messages ----

BROKEN = {
    "empty": b"",
    "only a line end": b"\r\n",
    "no header": b"\r\nbody\r\n",
    "no body": b"Subject: x\r\n",
    "no line end": b"Subject: x",
    "no fields": b"this is not a header\r\nnor this\r\n\r\nbody\r\n",
    "no boundary": b"Content-Type: multipart/mixed\r\n\r\n--x\r\n\r\npart\r\n--x--\r\n",
    "a boundary that never comes": b"Content-Type: multipart/mixed; boundary=x\r\n\r\ntext\r\n",
    "no end of the multipart": b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\npart\r\n",
    "no end of the inner multipart": NESTED.replace(b"--i--\r\n", b""),
    "the inner boundary begins with the outer one": NESTED.replace(b"--i", b"--oo").replace(b"boundary=i", b"boundary=oo"),
    "multipart without parts": b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x--\r\n",
    "message in nothing": b"Content-Type: message/rfc822\r\n\r\n",
    "message in a message": b"Content-Type: message/rfc822\r\n\r\n" * 60 + b"Subject: deep\r\n\r\nx\r\n",
    "depths of multiparts": b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (i, i) for i in range(150)) + b"\r\nx",
    "parts without number": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\n\r\n" * 12000,
    "a message in base64": b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nU3ViamVjdDog\r\n",
    "a message whose header has no end": b"Content-Type: multipart/digest; boundary=x\r\n\r\n--x\r\nTo: a\r\n--x--\r\n",
    "routes": b"From: <@a:b@c>, <@a,@b:c>, <@a>, <@:b@c>, <@a:>, x <@a@b:c\r\n\r\nx\r\n",
    "a type that is none": b"Content-Type: nonsense\r\n\r\nx\r\n",
    "a type with everything wrong": b"Content-Type: text/plain; charset=; =x; name=\"unclosed; boundary*0=a\r\n\r\nx\r\n",
    "an encoding that is none": b"Content-Transfer-Encoding: ; base64\r\n\r\nx\r\n",
    "8-bit header": b"Subject: Gr\xfc\xdfe\r\nFrom: J\xf6rg <j\xf6rg@x.example>\r\n\r\nx\r\n",
    "UTF-8 header": "Subject: Grüße\r\nFrom: Jörg <jörg@xn--x.example>\r\n\r\nx\r\n".encode(),
    "quotes and backslashes": b'Subject: a "b" \\c\r\nFrom: "a \\"b\\" \\\\c" <"x y"@z.example>\r\n\r\nx\r\n',
    "addresses that are none": b"From: <>, ,;: @, (comment, x@y, \"unclosed\r\nTo: group: a@b, c@d;, undisclosed:;\r\n\r\nx\r\n",
    "encoded words that are none": b"Subject: =?utf-8?b?!!!?= =?x?q?=ZZ?= =?utf-8?q?unclosed\r\n\r\nx\r\n",
    "a field of a megabyte": b"Subject: " + b"x" * 1000000 + b"\r\nTo: a@b.example\r\n\r\nx\r\n",
    "very many fields": b"".join(b"X-Field-%d: y\r\n" % i for i in range(30000)) + b"\r\nx\r\n",
    "control characters": b"Subject: a\x01\x02\x7f\x1b[31mb\r\nFrom: \x08 <a@b.example>\r\n\r\n\x00x\r\n".replace(b"\x00", b" "),
    "dates": b"Date: yesterday\r\nSubject: x\r\n\r\nx\r\n",
    "the header twice": b"Subject: a\r\nSubject: b\r\nTo: a@b.example\r\nTo: c@d.example\r\nContent-Type: text/html\r\nContent-Type: text/plain\r\n\r\nx\r\n",
}


def check_structure(node):
    """A body of RFC 9051's grammar: parts, or the fields of a single one."""
    assert isinstance(node, list) and node
    if isinstance(node[0], list):
        parts = list(itertools.takewhile(lambda x: isinstance(x, list), node))
        assert isinstance(node[len(parts)], bytes)
        return 1 + max(map(check_structure, parts))
    assert len(node) >= 7 and all(x is None or isinstance(x, bytes) for i, x in enumerate(node[:7]) if i != 2), node
    assert node[6].isdigit()
    if node[0].lower() == b"text":
        assert node[7].isdigit()
    if node[0].lower() == b"message" and node[1].lower() in (b"rfc822", b"global") and len(node) > 8 and isinstance(node[7], list):
        assert len(node[7]) == 10 and node[9].isdigit()
        return 1 + check_structure(node[8])
    return 1


@pytest.mark.parametrize("what", BROKEN)
def test_broken_messages(cluster, account, c, what):
    message = BROKEN[what]
    add(c, message or b"\r\n")
    message = item(c, "BODY.PEEK[]")["BODY[]"]
    got = item(c, "ENVELOPE BODY BODYSTRUCTURE RFC822.SIZE PREVIEW RFC822.HEADER BODY.PEEK[TEXT] BODY.PEEK[HEADER]")
    assert len(got["ENVELOPE"]) == 10
    for field in got["ENVELOPE"][2:8]:
        assert field is None or all(len(a) == 4 for a in field)
    check_structure(got["BODY"])
    check_structure(got["BODYSTRUCTURE"])
    assert int(got["RFC822.SIZE"]) == len(message)
    assert got["BODY[HEADER]"] + got["BODY[TEXT]"] == message and got["RFC822.HEADER"] == got["BODY[HEADER]"]
    got["PREVIEW"].decode()
    for section in ("1", "1.1", "2", "1.HEADER", "1.MIME", "9999", "12000", ".".join("1" * 90),
                    "HEADER.FIELDS (Subject To)", "HEADER.FIELDS.NOT (Subject)"):
        value = list(item(c, f"BODY.PEEK[{section}]").values())[0]
        assert value is None or "FIELDS" in section or value in message
    _, tagged = c.cmd("FETCH 1 (BINARY.PEEK[1] BINARY.SIZE[1])")
    assert tagged.startswith("OK") or "UNKNOWN-CTE" in tagged
    c.ok("SEARCH OR BODY nothing-like-it OR TEXT nothing-like-it HEADER Subject nothing-like-it")
    c.ok("SORT (SUBJECT FROM TO CC DATE DISPLAYFROM) UTF-8 ALL")
    c.ok("THREAD REFERENCES UTF-8 ALL")


def test_fields_of_a_header_of_megabytes(c):
    filler = b"".join(b"X-Filler-%05d: %s\r\n" % (i, b"z" * 900) for i in range(2500))
    add(c, b"Subject: a\r\n" + filler + b"X-Last: here\r\n\r\nbody\r\n")
    got = item(c, "BODY.PEEK[HEADER.FIELDS (Subject X-Last)] BODY.PEEK[TEXT]")
    assert got["BODY[HEADER.FIELDS (Subject X-Last)]"] == b"Subject: a\r\nX-Last: here\r\n\r\n"
    assert got["BODY[TEXT]"] == b"body\r\n"
    assert item(c, "BODY.PEEK[HEADER.FIELDS.NOT (Subject X-Last)]")["BODY[HEADER.FIELDS.NOT (Subject X-Last)]"] == filler + b"\r\n"


def test_unknown_encoding_does_not_spoil_the_others(c):
    bad = b"Content-Transfer-Encoding: x-unknown\r\n\r\nx\r\n"
    add(c, SAMPLE, bad, SAMPLE)
    untagged, tagged = c.cmd("FETCH 1:3 (UID BINARY.PEEK[1])")
    assert tagged.startswith("NO [UNKNOWN-CTE]") and set(fetched(untagged)) == {1, 3}
    assert c.cmd("FETCH 2 BINARY.SIZE[1]")[1].startswith("NO [UNKNOWN-CTE]")
    assert item(c, "BODY.PEEK[1]", 2)["BODY[1]"] == b"x\r\n"


def test_binary_of_large_parts(c):
    data = os.urandom(1500000)
    quoted = b"".join(b"=%02X" % b + (b"=\r\n" if i % 20 == 19 else b"") for i, b in enumerate(data[:400000]))
    add(c, b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(data).replace(b"\n", b"\r\n"),
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + quoted, SAMPLE)
    for number, expected in (1, data), (2, data[:400000]):
        assert int(item(c, "BINARY.SIZE[1]", number)["BINARY.SIZE[1]"]) == len(expected)
        assert item(c, "BINARY.PEEK[1]", number)["BINARY[1]"] == expected
        for first, length in [(0, 10), (299999, 70000), (len(expected) - 3, 10), (len(expected), 1), (1 << 40, 9)]:
            assert item(c, f"BINARY.PEEK[1]<{first}.{length}>", number)[f"BINARY[1]<{first}>"] == expected[first:first + length]
    assert item(c, "BINARY.PEEK[1]<3.4>", 3)["BINARY[1]<3>"] == b"xxxx"
    assert item(c, "BINARY.PEEK[1]<9999.4>", 3)["BINARY[1]<9999>"] == b""


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


# ---- Large bodies ----

def memory(pid):
    """Anonymous bytes of a process: the page cache is not its own."""
    return int(re.search(r"RssAnon:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) * 1024


@pytest.fixture
def hundred_megabytes(cluster, account):
    """A message of 100 MB, as its lines are numbered."""
    line = b"%0998d\r\n"
    body = b"Subject: large\r\n\r\n" + b"".join(line % i for i in range(100000))
    cluster.settings("imap", max_message_size="200MB")
    with connect(cluster, account) as c:
        c.append("INBOX", body)
    return body


def read_body(c, expected, on_progress=None):
    """Reads one FETCH's literal, and compares it as it arrives."""
    while b"}\r\n" not in c.data:
        c.more()
    head, c.data = c.data.split(b"}\r\n", 1)
    assert int(head.rsplit(b"{", 1)[1]) == len(expected)
    at = 0
    while at < len(expected):
        if not c.data:
            c.more()
        piece, c.data = c.data[:len(expected) - at], c.data[len(expected) - at:]
        assert piece == expected[at:at + len(piece)]
        at += len(piece)
        if on_progress:
            on_progress(at)


def test_a_large_body_streams(cluster, account, hundred_megabytes):
    pid = cluster.pid("frontend-0")
    with connect(cluster, account) as c, connect(cluster, account) as other:
        before, most = memory(pid), 0
        c.send("x FETCH 1 BODY.PEEK[]\r\n")

        def look(at):
            nonlocal most
            most = max(most, memory(pid))
        read_body(c, hundred_megabytes, look)
        assert c.line() == b")" and c.line().startswith(b"x OK")
        assert SANITISED or most - before < 8 << 20, f"{(most - before) >> 20} MB more"
        other.ok("NOOP")


def test_a_reader_that_stops(cluster, account, hundred_megabytes):
    pid = cluster.pid("frontend-0")
    with connect(cluster, account) as c, connect(cluster, account) as other, connect(cluster, account) as third:
        before = memory(pid)
        c.send("x FETCH 1 BODY.PEEK[]\r\n")
        third.send("x FETCH 1 BODY.PEEK[]\r\n")
        until, most = time.monotonic() + 2, 0
        while time.monotonic() < until:
            assert other.ok("FETCH 1 FLAGS")
            most = max(most, memory(pid))
            time.sleep(0.05)
        assert SANITISED or most - before < 8 << 20, f"{(most - before) >> 20} MB more"
        third.socket.close()  # it goes in the middle of it
        read_body(c, hundred_megabytes)
        assert c.line() == b")" and c.line().startswith(b"x OK")
        other.ok("NOOP")
    assert cluster.pid("frontend-0") == pid


# ---- Many messages ----

def fill(c, count, message=lambda i: b"Subject: message %d\r\nFrom: u%d@x.example\r\n\r\nbody %d\r\n" % (i, i % 10, i), batch=500):
    """As one MULTIAPPEND after another."""
    for base in range(0, count, batch):
        parts = [message(i) for i in range(base, min(base + batch, count))]
        c.send(b"f APPEND INBOX" + b"".join(b" {%d+}\r\n%s" % (len(p), p) for p in parts) + b"\r\n")
        line = c.line()
        while not line.startswith(b"f "):
            line = c.line()
        assert line.startswith(b"f OK"), line
    c.ok("NOOP")


def test_many_messages(cluster, account, c):
    count = 20000
    fill(c, count)
    with connect(cluster, account, 1) as d:
        flags = d.ok("FETCH 1:* (UID FLAGS)")
        assert len(flags) == count and flags[-1] == b"* %d FETCH (UID %d FLAGS ())" % (count, count)
        envelopes = d.ok("FETCH 1:* (ENVELOPE)")
        assert len(envelopes) == count
        assert all(b'"message %d"' % i in line for i, line in enumerate(envelopes))
        bodies = d.ok("UID FETCH 1:2000,19001:* (BODY.PEEK[TEXT])")
        assert len(bodies) == 3000 and bodies[-1].endswith(b"body 19999\r\n)")
        sparse = ",".join(str(n) for n in range(1, count, 1000))
        assert len(d.ok(f"FETCH {sparse} (INTERNALDATE ENVELOPE)")) == 20
        assert d.ok("SEARCH SUBJECT \"message 1999\"")[0].split()[2:] == [b"2000"] + [b"%d" % n for n in range(19991, 20001)]
        assert len(d.ok("SEARCH FROM u3@")[0].split()) == 2 + count // 10
        assert len(d.ok("SORT (REVERSE SUBJECT) UTF-8 ALL")[0].split()) == 2 + count
        # A client that stops reading does not hold up anybody.
        c.send("x FETCH 1:* (ENVELOPE FLAGS BODYSTRUCTURE)\r\n")
        for _ in range(20):
            d.ok("FETCH 1 ENVELOPE")
        line = c.line()
        while not line.startswith(b"x "):
            line = c.line()
        assert line.startswith(b"x OK")
        # Two at once on one index, with changes between.
        d.ok("STORE 1:100 +FLAGS.SILENT (\\Deleted)")
        c.send("y FETCH 1:* (ENVELOPE)\r\n")
        d.ok("EXPUNGE")
        got = 0
        line = c.line()
        while not line.startswith(b"y "):
            got += line.startswith(b"* ") and b"ENVELOPE" in line
            line = c.line()
        assert count - 100 <= got <= count and line.startswith(b"y OK")
        c.ok("NOOP")
        assert len([u for u in c.ok("FETCH 1:* UID") if b"UID" in u]) == count - 100


def test_clients_that_go_in_the_middle(cluster, account, c):
    pid = cluster.pid("frontend-0")
    fill(c, 2000)
    for command in ("FETCH 1:* (ENVELOPE)", "FETCH 1:* (BODY[])", "SEARCH BODY nothing", "SEARCH SUBJECT nothing",
                    "SORT (SUBJECT) UTF-8 ALL", "THREAD REFERENCES UTF-8 ALL", "FETCH 1:* (BINARY[1] PREVIEW)",
                    "SEARCH HEADER X-Nothing nothing", "UID FETCH 1:* (FLAGS)"):
        for wait in (0, 0.002, 0.01):
            with connect(cluster, account) as d:
                d.send(f"x {command}\r\n")
                time.sleep(wait)
    c.ok("NOOP")
    assert cluster.pid("frontend-0") == pid


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
