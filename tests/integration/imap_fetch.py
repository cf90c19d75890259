"""Messages of an account, and what FETCH answers of them, parsed."""

import itertools
import os
import re

import pytest

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
