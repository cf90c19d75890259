"""IMAP FETCH of broken messages: the answer is in the grammar all the same."""

import base64
import itertools
import os

import pytest

from imap_fetch import BROKEN, SAMPLE, account, add, c, fetched, item  # noqa: F401 (fixtures)


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
