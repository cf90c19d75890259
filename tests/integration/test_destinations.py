"""Limits on what is sent to remote servers: destinations that one mail system
serves count together, and its limits hold for the whole cluster."""

import time

import pytest

from cluster import Cluster, wait_for
from dnsserver import DnsServer
from sink import Sink

BROKERS = 3


class Site:
    """Three brokers, two workers, two mail systems."""

    def __init__(self):
        self.sink = Sink("127.0.0.2").start()
        self.other = Sink("127.0.0.3", self.sink.port).start()
        self.dns = DnsServer().start()
        self.cluster = Cluster(frontends=1, brokers=BROKERS, workers=2,
                               env={"STAGEPOST_RESOLVER": self.dns.resolver}).start()
        self.sender = self.cluster.add_user("sender@example.test")
        self.number = 0

    def domains(self, count, mx="mx.provider.test", address="127.0.0.2"):
        """New domains that this host serves."""
        self.dns.add(mx, "A", address) if (mx, "A") not in self.dns.records else None
        made = []
        for _ in range(count):
            self.number += 1
            made.append(f"d{self.number}.test")
            self.dns.add(made[-1], "MX", f"10 {mx}.")
        return made

    def send(self, domains, count):
        """Sends this many messages, to one domain after another."""
        return [self.cluster.deliver(self.sender, [f"u{i}@{domains[i % len(domains)]}"], f"Subject: {i}\r\n\r\nx\r\n")
                for i in range(count)]

    def summary(self):
        return {line["destination"]: line for line in self.cluster.json("queue", "summary")}

    def stop(self):
        self.cluster.remove()
        for part in (self.sink, self.other, self.dns):
            part.stop()


@pytest.fixture(scope="module")
def the_site():
    site = Site()
    yield site
    site.stop()


@pytest.fixture
def site(the_site):
    s = the_site
    s.cluster.tool("queue", "delete", "--all", check=False)
    for key in s.cluster.redis.scan_iter("settings:*"):
        s.cluster.redis.delete(key)
    s.sink.reset()
    s.other.reset()
    s.cluster.redis.hset("settings:smtp-in", mapping={"relay_whitelist": "127.0.0.0/8"})
    s.cluster.redis.hset("settings:spool", mapping={"retry_first": "1s", "retry_longest": "2s"})
    s.cluster.settings("smtp-out", port=s.sink.port)
    yield s


def test_domains_of_one_provider_count_together(site):
    """Fewer places than brokers, so that no broker can have its own share."""
    site.cluster.settings("smtp-out", max_connections_per_destination=2)
    site.sink.delay["END"] = 0.05
    domains = site.domains(6, "mx.one.test")
    site.send(domains, 60)
    assert len(site.sink.wait(60, timeout=60)) == 60
    assert 1 <= site.sink.busiest <= 2


def test_providers_do_not(site):
    """The same, each with its own host, at one address."""
    site.cluster.settings("smtp-out", max_connections_per_destination=2)
    site.sink.delay["END"] = 0.3
    domains = [site.domains(1, f"mx{i}.apart.test")[0] for i in range(6)]
    site.send(domains, 60)
    site.sink.wait(60, timeout=60)
    assert site.sink.busiest > 2


def test_limit_of_one(site):
    """All brokers have mail for it and take turns."""
    site.cluster.settings("destination:one-at-a-time.test", max_connections=1)
    site.sink.delay["END"] = 0.02
    domains = site.domains(3, "mx.one-at-a-time.test")
    site.send(domains, 40)
    site.sink.wait(40, timeout=90)
    assert site.sink.busiest == 1


def test_rate(site):
    """Two a second, plus the savings of one second."""
    site.cluster.settings("destination:slow.test", max_messages_per_minute=120)
    domains = site.domains(2, "mx.slow.test")
    site.send(domains, 12)
    site.sink.wait(10, timeout=60)
    begun = sorted(site.sink.begun)
    for i, first in enumerate(begun):
        for j in range(i + 1, len(begun)):
            # The store's clock grants them; the workers may send them slightly bunched.
            assert j - i + 1 <= 2 + 2 * (begun[j] - first + 0.5), begun
    site.sink.wait(12, timeout=30)


def test_rate_lifted_while_mail_waits(site):
    site.cluster.settings("destination:stopped.test", max_messages_per_minute=1)
    domains = site.domains(2, "mx.stopped.test")
    others = site.domains(1, "mx.free.test", "127.0.0.3")
    site.send(domains, 10)
    site.sink.wait(1)
    site.send(others, 5)
    site.other.wait(5)  # nobody else waits for it
    wait_for(lambda: any(site.summary().get(d, {}).get("throttled") for d in domains), what="it shows")
    lines = site.summary()
    assert {lines[d]["site"] for d in domains if d in lines} == {"stopped.test"}
    assert "waits because of the limits" in site.cluster.tool("queue", "summary").stdout
    assert len(site.sink.messages) <= 3
    site.cluster.redis.delete("settings:destination:stopped.test")
    site.sink.wait(10)


def test_limits_by_recipient_domain(site):
    """Hosts without the provider's name: limits by the domain itself."""
    domain, = site.domains(1, "mx.shared-hosting.test")
    site.cluster.settings(f"destination:{domain}", max_connections=1)
    site.sink.delay["END"] = 0.05
    site.send([domain], 20)
    site.sink.wait(20, timeout=60)
    assert site.sink.busiest == 1


def test_limits_named_wrongly(site):
    site.cluster.redis.hset("settings:destination:x.test", mapping={"max_conections": 3, "max_messages_per_minute": "many"})
    result = site.cluster.tool("settings", "check", check=False)
    assert "max_connections" in result.stdout + result.stderr
    assert "max_messages_per_minute" in result.stdout + result.stderr


def test_broker_killed_with_the_only_place(site):
    """Its permits become free when they expire; nothing is lost or overtaken."""
    site.cluster.settings("destination:narrow.test", max_connections=1)
    site.sink.delay["END"] = 0.1
    domains = site.domains(3, "mx.narrow.test")
    site.send(domains, 40)
    site.sink.wait(3, timeout=30)
    old = site.cluster.pid("spool-broker-1")
    site.cluster.kill("spool-broker-1")
    site.cluster.wait_restarted("spool-broker-1", old)
    site.sink.wait(40, timeout=90)
    subjects = sorted(int(m.data.split(b"Subject: ")[1].split(b"\r\n")[0]) for m in site.sink.messages)
    assert sorted(set(subjects)) == list(range(40))


def test_relay_host_is_one_site(site):
    site.cluster.settings("smtp-out", relay_host="[127.0.0.3]", max_connections_per_destination=2)
    site.other.delay["END"] = 0.05
    domains = site.domains(5)
    site.send(domains, 30)
    site.other.wait(30, timeout=60)
    assert site.other.busiest <= 2
    assert site.sink.messages == []


def test_site_in_trouble_is_probed_by_one(site):
    """Ten domains on a dead system cost one try at a time, not ten."""
    domains = site.domains(10, "mx.dead.test")
    site.sink.reply["GREETING"] = "421 4.3.2 not now"
    site.send(domains, 30)
    wait_for(lambda: any("ill_until" in line for line in site.summary().values()), what="it is known to be ill")
    time.sleep(1)
    before = len(site.sink.sessions)
    time.sleep(3)
    # Each broker probes it once a second or two.
    assert len(site.sink.sessions) - before <= 4 * BROKERS
    site.sink.reply.clear()
    site.sink.wait(30, timeout=60)
