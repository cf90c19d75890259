"""Connections to the SMTP listeners of the cluster, for tests of mail that comes in."""

import pytest

from smtp_client import Smtp

MESSAGE = b"From: Sender <sender@remote.example>\r\nTo: you@example.test\r\nSubject: hello\r\n\r\nThe body.\r\n"


@pytest.fixture
def cluster(cluster):
    """Failed logins of one test must not slow down the next."""
    yield cluster
    for key in cluster.redis.scan_iter("auth:fail:*"):
        cluster.redis.delete(key)


def connect(cluster, name="smtp", frontend=0, **kwargs):
    kwargs.setdefault("ehlo", True)
    return Smtp(cluster.port(name, frontend), tls=name == "submissions", **kwargs)


def both(cluster):
    """A session with each of the two frontends."""
    return [connect(cluster, frontend=i) for i in (0, 1)]


def proxied(cluster, address="192.0.2.7", **kwargs):
    """A client from elsewhere, through a local load balancer."""
    first = f"PROXY TCP4 {address} 192.0.2.1 4000 25\r\n".encode()
    return connect(cluster, first=first, **kwargs)
