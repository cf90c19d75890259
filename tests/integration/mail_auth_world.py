"""A cluster that verifies incoming mail with the test's own name server, and what its clients do."""

import base64
import email
import imaplib
import re

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from cluster import Cluster, wait_for
from dnsserver import DnsServer
from smtp_in import proxied

CLIENT = "192.0.2.7"  # those who may send for pass.example
STRANGER = "198.51.100.9"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
KEY_PEM = KEY.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL,
                            serialization.NoEncryption())
KEY_TEXT = base64.b64encode(KEY.public_key().public_bytes(
    serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)).decode()


def quoted(text):
    """A TXT record of several strings."""
    return " ".join(f'"{text[i:i + 250]}"' for i in range(0, len(text), 250))


class AuthWorld:
    def __init__(self, env=None):
        self.dns = DnsServer().start()
        self.cluster = Cluster(frontends=2, env={"STAGEPOST_RESOLVER": self.dns.resolver, **(env or {})}).start()
        for name in ("example.test", "other.test"):
            self.cluster.add_domain(name)
        for policy in ("none", "quarantine", "reject"):
            self.domain(f"{policy}.example", f"v=DMARC1; p={policy}")
        self.domain("pass.example", "v=DMARC1; p=reject")
        self.count = 0
        self.reset()

    def domain(self, name, dmarc=None):
        self.dns.set(name, "TXT", f'"v=spf1 ip4:{CLIENT} -all"')
        self.dns.set(f"sel._domainkey.{name}", "TXT", quoted(f"v=DKIM1; p={KEY_TEXT}"))
        if dmarc:
            self.dns.set(f"_dmarc.{name}", "TXT", f'"{dmarc}"')

    def reset(self, **fields):
        self.dns.broken.clear()
        self.dns.silent.clear()
        for key in self.cluster.redis.scan_iter("settings:*"):
            self.cluster.redis.delete(key)
        self.cluster.redis.hset("settings:smtp-in", "proxy_protocol_from", "127.0.0.0/8")
        self.cluster.settings("mail-auth", **{"time_limit": "3s", **fields})

    def user(self, domain="example.test"):
        self.count += 1
        return self.cluster.add_user(f"u{self.count}@{domain}")

    def try_mail(self, recipients, message, sender, client=CLIENT, helo="mx.pass.example", frontend=0):
        """The reply to the message."""
        with proxied(self.cluster, client, ehlo=False, frontend=frontend) as smtp:
            smtp.ehlo(helo)
            smtp.expect(250, f"MAIL FROM:<{sender}>")
            for recipient in [recipients] if isinstance(recipients, str) else recipients:
                smtp.expect(250, f"RCPT TO:<{recipient}>")
            smtp.expect(354, "DATA")
            smtp.send(re.sub(rb"(?m)^\.", b"..", message) + b".\r\n")
            return smtp.reply()

    def take(self, message, sender, client=CLIENT, user=None, **kwargs):
        """Sends it; what the recipient then has, as bytes."""
        user = user or self.user()
        code, text = self.try_mail(user, message, sender, client, **kwargs)
        assert code == 250, text
        self.id = text.split()[-1]
        return self.cluster.wait_mail(user)[0]

    def stop(self):
        self.cluster.remove()
        self.dns.stop()


@pytest.fixture(scope="module")
def the_world():
    """For the tests of a file that imports it."""
    made = AuthWorld()
    yield made
    made.stop()


@pytest.fixture
def world(the_world):
    yield the_world
    the_world.reset()


def results(data):
    """The methods' results in the only Authentication-Results field: {"spf": ["pass", ...], ...}."""
    fields = email.message_from_bytes(data).get_all("Authentication-Results")
    assert len(fields) == 1, fields
    text = " ".join(fields[0].split())
    assert text.startswith("mx.example.test;"), text
    found = {}
    for method, result in re.findall(r"; (spf|dkim|dmarc|arc)=(\w+)", text):
        found.setdefault(method, []).append(result)
    return found


def message(author="ann@pass.example", body="Hello.\r\n", more=""):
    return (f"From: Ann <{author}>\r\nTo: bob@example.test\r\nSubject: minutes\r\n{more}"
            f"Message-ID: <1@pass.example>\r\nDate: Mon, 23 Nov 2026 16:00:00 +0000\r\n\r\n{body}").encode()


def signed(data, domain="pass.example", canonical=(b"relaxed", b"simple"), headers=(b"From", b"To", b"Subject")):
    return dkim.sign(data, b"sel", domain.encode(), KEY_PEM, canonicalize=canonical, include_headers=list(headers)) \
        + data


def in_junk(world, user):
    """Is its only message in Junk?"""
    imap = imaplib.IMAP4("127.0.0.1", world.cluster.port("imap"))
    try:
        imap.login(user, "secret")

        def where():
            for folder in ("INBOX", "Junk"):
                status, count = imap.select(folder)
                if status == "OK" and int(count[0]):
                    return folder
            return None
        return wait_for(where, what=f"mail for {user}") == "Junk"
    finally:
        imap.logout()
