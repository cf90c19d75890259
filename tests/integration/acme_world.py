"""A cluster that orders certificates of a certificate authority (Pebble)."""

import re
import subprocess

import pytest

import keys
from certificates import Authority
from cluster import Cluster, wait_for
from dnsserver import DnsServer
from pebble import Front, Pebble, problem
from test_tls import s_client

HOST = "mx.example.test"
ORDERS = "/order-plz"


class AcmeWorld:
    """A cluster of two frontends; Pebble checks names at the second one."""

    def __init__(self, workers=1, env=None, bindings=None):
        self.authority = Authority()
        self.dns = DnsServer().start()
        self.dns.ttl = 0
        self.dns.set(HOST, "A", "127.0.0.1")
        self.cluster = Cluster(frontends=2, workers=workers, env={
            "STAGEPOST_CA_FILE": str(self.authority.file), "STAGEPOST_RESOLVER": self.dns.resolver,
            **(env or {})}).start()
        self.pebble = Pebble(self.authority, self.dns.resolver, self.cluster.port("http", 1), bindings)
        self.ca = Front(self.authority, self.pebble)
        self.cluster.settings("acme", retry_first="1s", retry_longest="2s")

    def order(self, **settings):
        self.cluster.settings("acme", **{"directory_url": self.ca.directory, "contact": "admin@example.test",
                                         "agree_terms": "on", **settings})

    def names(self):
        """What `certificate list` says, by name."""
        return {c["name"]: c for c in self.cluster.json("certificate", "list")}

    def wait_name(self, name, timeout=30, **members):
        """Until the list says so of the name."""
        def there():
            known = self.names().get(name, {})
            return all(known.get(k) == v for k, v in members.items()) and known
        try:
            return wait_for(there, timeout, 0.1, f"{name}: {members}")
        except AssertionError as e:
            raise AssertionError(f"{e}\n{self.names()}\n{self.cluster.log('delivery-worker-0')[-6000:]}\n"
                                 f"{self.pebble.log[-6000:]}")

    def served(self, name=HOST, listener="imaps", frontend=0, **kwargs):
        """Issuer and serial number of the certificate that a client gets."""
        text = s_client(self.cluster.port(listener, frontend), name=name, **kwargs)
        pem = re.search(r"-----BEGIN.*?-----END CERTIFICATE-----", text, re.S).group(0)
        shown = subprocess.run(["openssl", "x509", "-noout", "-issuer", "-serial"], input=pem, capture_output=True,
                               text=True, check=True).stdout
        return re.search(r"issuer=CN = (.*)", shown).group(1), re.search(r"serial=(.*)", shown).group(1)

    def wait_served(self, name=HOST, frontend=0, not_serial=None, timeout=10):
        def there():
            issuer, serial = self.served(name, frontend=frontend)
            return issuer.startswith("Pebble") and serial != not_serial and serial
        return wait_for(there, timeout)

    def problem(self):
        """What `status` says of ordering as a whole."""
        return self.cluster.json("status").get("acme", {}).get("problem")

    def stop(self):
        faults = list(keys.faults(self.cluster.redis))
        self.cluster.remove()
        self.ca.stop()
        self.pebble.stop()
        self.dns.stop()
        assert not faults, faults


@pytest.fixture(scope="module")
def the_world():
    world = AcmeWorld()
    world.cluster.add_user("alice@example.test")
    yield world
    world.stop()


@pytest.fixture
def world(the_world):
    """With a certificate for the server's name, unless the first test is to see it come."""
    the_world.ca.faults, the_world.ca.slow = {}, 0
    the_world.order()
    the_world.wait_name(HOST, state="valid")
    yield the_world
    the_world.ca.faults, the_world.ca.slow = {}, 0


@pytest.fixture
def new_world():
    """Starts worlds of the test's own."""
    made = []

    def start(**kwargs):
        made.append(AcmeWorld(**kwargs))
        return made[-1]
    yield start
    for world in made:
        world.stop()


def renew(world):
    """A renewal that is under way, and the serial number that it must change."""
    serial = world.wait_served()
    world.cluster.tool("certificate", "renew", HOST)
    return serial
