"""Sessions of IMAP with an account, and messages in its INBOX."""

import itertools
import os
import re

import pytest

from imap_client import Imap

TEXT = "From: Sender <sender@remote.example>\r\nTo: you@example.test\r\nSubject: {n}\r\n\r\nbody {n}\r\n"
_numbers = itertools.count(1)


def fresh(cluster, **fields):
    return cluster.add_user(f"client{next(_numbers)}-{os.getpid()}@example.test", **fields)


def connect(cluster, name="imap", frontend=0, **kwargs):
    return Imap(cluster.port(name, frontend), tls=name == "imaps", **kwargs)


def session(cluster, address, frontend=0, select=None, **kwargs):
    c = connect(cluster, frontend=frontend, **kwargs)
    c.login(address)
    if select:
        c.ok(f"SELECT {select}")
    return c


def two(cluster, address, select="INBOX"):
    """A session with each of the two frontends."""
    return [session(cluster, address, frontend, select) for frontend in (0, 1)]


def fill(c, count=3, mailbox="INBOX"):
    for n in range(1, count + 1):
        assert c.append(mailbox, TEXT.format(n=n), plus=True).status == "OK"


def flags(c):
    """{uid: set of flags} as the server has them for all sessions: a STORE that changes nothing."""
    out = {}
    for line in c.ok("UID STORE 1:* +FLAGS ()").untagged:
        m = re.match(r"\* \d+ FETCH \(UID (\d+) FLAGS \((.*?)\)", line)
        if m:
            out[int(m.group(1))] = set(m.group(2).split()) - {"\\Recent"}
    return out


@pytest.fixture
def address(cluster):
    return fresh(cluster)


@pytest.fixture
def patient(cluster):
    """Bad commands do not end the connection so soon."""
    cluster.settings("imap", max_bad_commands=1000)


@pytest.fixture
def c(cluster, address):
    with session(cluster, address) as s:
        yield s


@pytest.fixture
def box(c):
    """Three messages in INBOX, which is selected, not for the first time: they are not \\Recent."""
    fill(c)
    c.ok("SELECT INBOX")
    c.ok("SELECT INBOX")
    return c
