"""A strict reader of the message structure that FETCH returns: ENVELOPE, BODY and
BODYSTRUCTURE exactly as in RFC 9051, section 9. Raises an error where a client
that trusts the grammar would give up."""

import re

_QUOTED = re.compile(rb'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
_LITERAL = re.compile(rb"\{(0|[1-9]\d*)\}\r\n")
_NUMBER = re.compile(rb"0|[1-9]\d{0,9}")


class Ungrammatical(AssertionError):
    pass


class Reader:
    def __init__(self, data, at=0):
        self.data, self.at = data, at

    def fail(self, wanted):
        raise Ungrammatical(f"{wanted} wanted at {self.data[max(0, self.at - 60):self.at]!r} >>> "
                            f"{self.data[self.at:self.at + 60]!r}")

    def sees(self, token):
        return self.data.startswith(token, self.at)

    def may(self, token):
        found = self.sees(token)
        self.at += len(token) if found else 0
        return found

    def must(self, token):
        if not self.may(token):
            self.fail(token)

    def _match(self, pattern):
        found = pattern.match(self.data, self.at)
        self.at = found.end() if found else self.at
        return found

    def number(self):
        found = self._match(_NUMBER)
        if not found or int(found[0]) > 0xffffffff:
            self.fail("a number")
        return int(found[0])

    def string(self):
        quoted = self._match(_QUOTED)
        if quoted:
            if len(quoted[1]) > 2100:
                self.fail("a shorter quoted string")
            return re.sub(rb'\\(["\\])', rb"\1", quoted[1])
        literal = self._match(_LITERAL)
        if not literal:
            self.fail("a string")
        text = self.data[self.at:self.at + int(literal[1])]
        self.at += int(literal[1])
        if len(text) != int(literal[1]) or b"\0" in text:
            self.fail("a literal's bytes")
        return text

    def nstring(self):
        return None if self.may(b"NIL") else self.string()

    # ---- ENVELOPE ----

    def address(self):
        self.must(b"(")
        fields = [self.nstring()]
        for _ in range(3):
            self.must(b" ")
            fields.append(self.nstring())
        self.must(b")")
        return fields

    def addresses(self):
        if self.may(b"NIL"):
            return None
        self.must(b"(")
        found = [self.address()]
        while not self.may(b")"):
            found.append(self.address())
        open_group = False
        for name, route, mailbox, host in found:
            if host is not None:
                ok = mailbox is not None
            else:
                ok = name is None and route is None and open_group == (mailbox is None)
                open_group = mailbox is not None
            if not ok:
                self.fail("addresses with paired groups before this, not " + repr(found))
        if open_group:
            self.fail("the end of a group")
        return found

    def envelope(self):
        self.must(b"(")
        fields = [self.nstring()]
        for what in [self.nstring] + [self.addresses] * 6 + [self.nstring] * 2:
            self.must(b" ")
            fields.append(what())
        self.must(b")")
        return fields

    # ---- BODY and BODYSTRUCTURE ----

    def params(self):
        if self.may(b"NIL"):
            return {}
        self.must(b"(")
        found = {}
        while True:
            name = self.string().lower()
            self.must(b" ")
            found[name] = self.string()
            if not name:
                self.fail("a parameter's name")
            if self.may(b")"):
                return found
            self.must(b" ")

    def tail(self):
        self.must(b" ")
        if not self.may(b"NIL"):
            self.must(b"(")
            self.string()
            self.must(b" ")
            self.params()
            self.must(b")")
        self.must(b" ")
        if self.may(b"("):
            self.string()
            while not self.may(b")"):
                self.must(b" ")
                self.string()
        else:
            self.nstring()
        self.must(b" ")
        self.nstring()

    def multipart(self, extended):
        parts = [self.body(extended)]
        while self.sees(b"("):
            parts.append(self.body(extended))
        self.must(b" ")
        found = {"type": "multipart/" + self.string().decode("latin-1").lower(), "parts": parts}
        if extended:
            self.must(b" ")
            self.params()
            self.tail()
        return found

    def leaf(self, extended):
        main = self.string().lower()
        self.must(b" ")
        sub = self.string().lower()
        self.must(b" ")
        found = {"type": (main + b"/" + sub).decode("latin-1"), "params": self.params()}
        for name, what in [("id", self.nstring), ("description", self.nstring), ("encoding", self.string),
                           ("octets", self.number)]:
            self.must(b" ")
            found[name] = what()
        if not main or not sub or main == b"multipart" or not found["encoding"]:
            self.fail("a leaf's type and encoding before this")
        if (main, sub) in [(b"message", b"rfc822"), (b"message", b"global")]:
            self.must(b" ")
            found["envelope"] = self.envelope()
            self.must(b" ")
            found["body"] = self.body(extended)
        if main == b"text" or "envelope" in found:
            self.must(b" ")
            found["lines"] = self.number()
        if extended:
            self.must(b" ")
            self.nstring()
            self.tail()
        return found

    def body(self, extended):
        self.must(b"(")
        found = self.multipart(extended) if self.sees(b"(") else self.leaf(extended)
        self.must(b")")
        return found


def read_structure(line):
    """"* 1 FETCH (ENVELOPE ... BODY ... BODYSTRUCTURE ...)", any of these items: a
    dictionary."""
    r = Reader(line, re.match(rb"\* \d+ FETCH \(", line).end())
    found = {}
    while True:
        name = r._match(re.compile(rb"[A-Z]+"))[0].decode()
        r.must(b" ")
        found[name] = r.envelope() if name == "ENVELOPE" else r.body(name == "BODYSTRUCTURE")
        if r.may(b")"):
            break
        r.must(b" ")
    if r.at != len(line):
        r.fail("the end")
    return found
