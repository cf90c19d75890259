"""DANE (RFC 7672): the demands of TLSA records, secured by DNSSEC, on a
server's certificate. The zones are signed by ldns and served by nsd; nothing
else is trusted."""

import hashlib
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from certificates import Authority
from cluster import wait_for
from signed_dns import SignedDns
from world import World

NOTHING = "00" * 32


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class Dane(World):
    def __init__(self):
        self.authority = Authority()
        self.other = Authority("Another authority")
        self.chain = self.authority.issue("mx.dane.test", "other.test")
        certificate = x509.load_pem_x509_certificate(self.chain[0].read_bytes())
        self.key = sha256(certificate.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo))
        self.ca = sha256(self.authority.certificate.public_bytes(serialization.Encoding.DER))
        super().__init__(make_dns=self._dns)

    def _dns(self, port):
        """One domain per case: name -> (address, TLSA records)."""
        cases = {
            "ee": ("127.0.0.4", [f"3 1 1 {self.key}"]),
            "ta-other-name": ("127.0.0.4", [f"2 0 1 {self.ca}"]),
            "rollover": ("127.0.0.4", [f"3 1 1 {NOTHING}", f"3 1 1 {self.key}"]),
            "wrong": ("127.0.0.4", [f"3 1 1 {NOTHING}"]),
            "wrong-full": ("127.0.0.4", ["3 0 0 3000"]),
            "unusable": ("127.0.0.4", [f"1 1 1 {NOTHING}", f"3 1 9 {NOTHING}"]),
            "unusable-policy": ("127.0.0.4", [f"1 1 1 {NOTHING}"]),
            "unusable-plain": ("127.0.0.2", [f"0 1 1 {NOTHING}"]),
            "stripped": ("127.0.0.2", [f"3 1 1 {self.key}"]),
            "none": ("127.0.0.2", []),
            "bogus": ("127.0.0.4", [f"3 1 1 {'ab' * 32}"]),
        }
        signed = ["mx IN A 127.0.0.4", f"_{port}._tcp.mx IN TLSA 2 0 1 {self.ca}", "ta IN MX 10 mx",
                  "alias IN MX 10 mx-alias", "mx-alias IN CNAME mx",
                  "linked IN MX 10 mx-linked", "mx-linked IN A 127.0.0.4",
                  f"_{port}._tcp.mx-linked IN CNAME _{port}._tcp.mx-ee",
                  "two IN MX 10 mx-wrong", "two IN MX 20 mx"]
        for name, (address, records) in cases.items():
            signed += [f"{name} IN MX 10 mx-{name}", f"mx-{name} IN A {address}"]
            signed += [f"_{port}._tcp.mx-{name} IN TLSA {r}" for r in records]
        # A secure name whose MX is in an unsigned zone, and the other way round.
        signed.append("leads-out IN MX 10 mx.plain.test.")
        # Aliases whose own records count, wherever they lead.
        signed += ["half IN MX 10 mx-half", "mx-half IN CNAME mx.plain.test.",
                   f"_{port}._tcp.mx-half IN TLSA 3 1 1 {NOTHING}", f"_{port}._tcp.mx-half-ee IN TLSA 3 1 1 {self.key}",
                   "half-ee IN MX 10 mx-half-ee", "mx-half-ee IN CNAME mx.plain.test.",
                   "half-none IN MX 10 mx-half-none", "mx-half-none IN CNAME mx.plain.test."]
        plain = ["mx IN A 127.0.0.4", f"_{port}._tcp.mx IN TLSA 3 1 1 {NOTHING}", "@ IN MX 10 mx",
                 "leads-in IN MX 10 mx-wrong.dane.test."]
        return SignedDns({"dane.test": signed}, {"plain.test": plain},
                         tamper=lambda text: text.replace("ab" * 32, "cd" * 32))


@pytest.fixture(scope="module")
def the_world():
    world = Dane()
    yield world
    world.stop()
    world.authority.__exit__()
    world.other.__exit__()


@pytest.fixture
def world(the_world):
    the_world.reset()
    the_world.tls.use_certificate(*the_world.chain)
    yield the_world


@pytest.mark.parametrize("name", ["ee", "ta", "rollover", "alias", "linked", "half-ee"])
def test_certificate_that_fits(world, name):
    id = world.send(f"a@{name}.dane.test")
    message, = world.tls.wait()
    assert message.tls
    wait_for(lambda: "DANE" in str(world.cluster.trace(id)))


def deferred(world, id, words):
    """It waits, with this text, and nothing was sent."""
    wait_for(lambda: words in str(world.cluster.trace(id)), what=words)
    assert not world.tls.messages and not world.sink.messages


@pytest.mark.parametrize("name", ["wrong", "wrong-full", "ta-other-name", "half"])
def test_certificate_that_does_not_fit(world, name):
    deferred(world, world.send(f"a@{name}.dane.test"), "certificate is not accepted")


def test_name_does_not_count_with_the_very_key(world):
    """Usage 3: only the record counts (3.1.1), even for an expired certificate."""
    cert, key = world.authority.issue("nothing.like.it", days=-1)
    world.tls.use_certificate(cert, key)
    deferred(world, world.send("a@ee.dane.test"), "certificate is not accepted")  # another key
    world.tls.use_certificate(*world.chain)
    world.send("b@ee.dane.test")
    assert len(world.tls.wait(2)) == 2  # the first too, when it is tried again


def test_next_host_is_tried(world):
    world.send("a@two.dane.test")
    message, = world.tls.wait()
    assert message.session.sni == "mx.dane.test"


def test_tls_that_is_stripped(world):
    deferred(world, world.send("a@stripped.dane.test"), "STARTTLS")


def test_records_that_are_bogus(world):
    deferred(world, world.send("a@bogus.dane.test"), "TLSA records cannot be looked up")


def test_records_that_cannot_be_used(world):
    """2.2: TLS, whatever the certificate."""
    world.send("a@unusable.dane.test")
    assert world.tls.wait()[0].tls
    world.tls.messages.clear()
    deferred(world, world.send("a@unusable-plain.dane.test"), "STARTTLS")


def test_records_that_cannot_be_used_do_not_replace_a_policy(world):
    """MTA-STS: still only hosts that it names."""
    now = int(time.time() * 1000)
    key = "tlspolicy:sts:{unusable-policy.dane.test}"
    world.cluster.redis.set(key, f"1 {now} {now + 86400_000}\n"
                                 "version: STSv1\nmode: enforce\nmx: other.test\nmax_age: 86400\n")
    deferred(world, world.send("a@unusable-policy.dane.test"), "MTA-STS policy does not name this host")
    world.cluster.redis.delete(key)


@pytest.mark.parametrize("name", ["none.dane.test", "plain.test", "leads-out.dane.test", "leads-in.plain.test",
                                  "half-none.dane.test"])
def test_where_nothing_is_vouched_for(world, name):
    world.send(f"a@{name}")
    wait_for(lambda: world.sink.messages or world.tls.messages)


def test_switched_off(world):
    world.cluster.settings("smtp-out", enable_dane="off")
    world.send("a@wrong.dane.test")
    world.tls.wait()


def test_sender_says_that_tls_is_not_required(world):
    """RFC 8689, 4.1."""
    world.send("a@wrong.dane.test", data="TLS-Required: No\r\nSubject: x\r\n\r\nx\r\n")
    world.tls.wait()


def test_connections_are_not_shared_with_others(world):
    """A connection that was opened for a domain without DANE is not used for one with it."""
    world.cluster.settings("smtp-out", enable_dane="off")
    world.send("a@wrong.dane.test")
    world.tls.wait()
    world.cluster.settings("smtp-out", enable_dane="on")
    world.tls.messages.clear()
    deferred(world, world.send("a@wrong.dane.test"), "certificate is not accepted")
