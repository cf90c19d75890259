"""A world to send mail to: a cluster that resolves by a name server of the
test's own, and scripted sinks on 127.0.0.x for the remote servers.

    from world import World, cluster, the_world, world  # the fixtures too"""

import email
import itertools

import pytest

from cluster import Cluster, wait_for
from dnsserver import DnsServer
from sink import Sink

_numbers = itertools.count(1)


class World:
    """A cluster that resolves by `dns`; three sinks on one port."""

    def __init__(self, env=None, make_dns=None, workers=1):
        """make_dns(port of the sinks): another name server; it has its zones from the beginning."""
        self.sink = Sink("127.0.0.2").start()
        self.dns = make_dns(self.sink.port) if make_dns else DnsServer().start()
        self.second = Sink("127.0.0.3", self.sink.port, name="second.remote.test").start()
        self.tls = Sink("127.0.0.4", self.sink.port, name="tls.remote.test", tls="ok").start()
        self.cluster = Cluster(frontends=1, workers=workers, env={
            "STAGEPOST_RESOLVER": self.dns.resolver,
            **({"STAGEPOST_TRUST_ANCHOR": str(self.dns.anchor)} if make_dns else {}), **(env or {})}).start()
        self.sender = self.cluster.add_user("sender@example.test")

    def reset(self):
        # What a test left waiting would be tried in the next one's world.
        self.cluster.tool("queue", "delete", "--all", check=False)
        for sink in (self.sink, self.second, self.tls):
            sink.reset()
        self.tls.tls = "ok"
        for key in self.cluster.redis.scan_iter("settings:*"):
            self.cluster.redis.delete(key)
        self.cluster.redis.hset("settings:smtp-in", mapping={"relay_whitelist": "127.0.0.0/8"})
        self.cluster.redis.hset("settings:spool", mapping={"retry_first": "1s", "retry_longest": "2s"})
        self.cluster.settings("smtp-out", port=self.sink.port)
        self.sender = self.cluster.add_user(f"sender{next(_numbers)}@example.test")

    def domain(self, *hosts, name=None):
        """A fresh remote domain: hosts as (preference, address), or the sink."""
        number = next(_numbers)
        name = name or f"d{number}.remote.test"
        self.dns.mail_domain(name, *[(p, f"mx{i}-{number}.remote.test", a)
                                     for i, (p, a) in enumerate(hosts or [(10, "127.0.0.2")])])
        return name

    def send(self, *recipients, data="Subject: hello\r\n\r\nbody\r\n", sender=None):
        return self.cluster.deliver(self.sender if sender is None else sender, list(recipients), data)

    def bounce(self):
        """The one report that the sender gets."""
        message = email.message_from_bytes(self.cluster.wait_mail(self.sender)[0])
        assert message.get_content_type() == "multipart/report"
        assert message["Return-Path"] == "<>"
        assert message["Auto-Submitted"] == "auto-replied"
        words, status, original = message.get_payload()
        fields = status.get_payload()
        return message, fields[0], fields[1:], original

    def stop(self):
        self.cluster.remove()
        for part in (self.sink, self.second, self.tls, self.dns):
            part.stop()


@pytest.fixture(scope="module")
def the_world():
    world = World()
    yield world
    world.stop()


@pytest.fixture
def world(the_world):
    the_world.reset()
    yield the_world


@pytest.fixture
def cluster(world):
    return world.cluster
