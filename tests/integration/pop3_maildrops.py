"""Sessions of POP3, and maildrops for them."""

import itertools
import os

import pytest

from pop3_client import Pop

TEXT = "From: Sender <sender@remote.example>\r\nTo: you@example.test\r\nSubject: {n}\r\n\r\nline one\r\n.dot\r\n..\r\nlast {n}\r\n"
FAR = b"PROXY TCP4 192.0.2.7 192.0.2.1 4000 110\r\n"
_numbers = itertools.count(1)


def connect(cluster, name="pop3", frontend=0, **kwargs):
    return Pop(cluster.port(name, frontend), tls=name == "pop3s", **kwargs)


def both(cluster, name="pop3", **kwargs):
    """A session with each of the two frontends."""
    return [connect(cluster, name, frontend, **kwargs) for frontend in (0, 1)]


def session(cluster, address, frontend=0, **kwargs):
    pop = connect(cluster, frontend=frontend, **kwargs)
    pop.login(address)
    return pop


def fresh(cluster, name="pop", **fields):
    return cluster.add_user(f"{name}{next(_numbers)}-{os.getpid()}@example.test", **fields)


def fill(cluster, address, count=3, text=TEXT):
    for n in range(1, count + 1):
        cluster.deliver("sender@remote.example", address, text.format(n=n))
        cluster.wait_mail(address, n)  # so that their order is known
    return address


@pytest.fixture
def maildrop(cluster):
    """An account with three messages."""
    return fill(cluster, fresh(cluster))


def lock_key(address):
    return f"mail:{{{address}}}:lock"
