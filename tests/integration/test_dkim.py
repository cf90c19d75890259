"""DKIM: outgoing mail is signed, and an independent verifier agrees."""

import base64
import smtplib
import time

import dkim
import pytest

from cluster import SETTLE, wait_for
from world import World, _numbers, cluster, the_world, world  # noqa: F401

HEADER = "From: {0}\r\nTo: a@remote.test\r\nSubject: hello  world\r\nDate: Mon, 23 Nov 2026 16:10:01 +0000\r\n" \
         "Message-ID: <1@example.test>\r\n"


@pytest.fixture
def domain(world):
    """The test's own local domain, with its user in world.sender."""
    name = f"signer{next(_numbers)}.test"
    world.sender = world.cluster.add_user(f"alice@{name}")
    return name


def submit(world, data, sender=None, mail=""):
    with smtplib.SMTP("127.0.0.1", world.cluster.port("submission"), timeout=30) as smtp:
        smtp.ehlo("client.example.net")
        plain = base64.b64encode(f"\0{world.sender}\0secret".encode()).decode()
        assert smtp.docmd("AUTH", f"PLAIN {plain}")[0] == 235
        assert smtp.docmd(f"MAIL FROM:<{sender or world.sender}> {mail}")[0] == 250
        assert smtp.docmd(f"RCPT TO:<a@{world.domain()}>")[0] == 250
        assert smtp.data(data if isinstance(data, bytes) else data.encode())[0] == 250


def make_key(world, domain, *options):
    """The records, as {name: text}; published by the test's name server."""
    keys = world.cluster.json("domain", "dkim", domain, *options)
    time.sleep(SETTLE)
    return {key["name"] + ".": key["record"] for key in keys}


def signatures(data):
    return [v.decode() for k, v in dkim.rfc822_parse(data)[0] if k.lower() == b"dkim-signature"]


def tag(signature, name):
    return dict(part.strip().split("=", 1) for part in signature.split(";"))[name]


def verify(data, records):
    """True for each valid signature."""
    def lookup(name, timeout=5):
        return records.get(name.decode(), "").encode() or None

    def holds(i):
        try:
            return verifier.verify(idx=i, dnsfunc=lookup)
        except dkim.ValidationError:
            return False

    verifier = dkim.DKIM(data)
    return [holds(i) for i in range(len(signatures(data)))]


BODIES = {
    "plain": "body\r\n",
    "empty": "",
    "blank lines": "a\r\n\r\n  \r\n\r\n",
    "blanks": "  a \t b  \r\n\tc\t\r\n\r\n.\r\n..\r\n",
    "only blank lines": "\r\n\r\n",
    "long": "line of text  \r\n" * 20000,
}


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("algorithm", ["rsa", "ed25519"])
def test_signature_holds(world, domain, algorithm, body):
    records = make_key(world, domain, "--algorithm", algorithm)
    submit(world, HEADER.format(world.sender) + "\r\n" + BODIES[body])
    message, = world.sink.wait()
    signature, = signatures(message.data)
    assert message.data.startswith(b"DKIM-Signature:")
    assert tag(signature, "a") == f"{algorithm}-sha256" and tag(signature, "c") == "relaxed/relaxed"
    assert tag(signature, "d") == domain
    assert verify(message.data, records) == [True]


def test_two_algorithms(world, domain):
    records = {**make_key(world, domain, "--algorithm", "rsa"), **make_key(world, domain, "--algorithm", "ed25519")}
    submit(world, HEADER.format(world.sender) + "\r\nbody\r\n")
    message, = world.sink.wait()
    assert {tag(s, "a") for s in signatures(message.data)} == {"rsa-sha256", "ed25519-sha256"}
    assert verify(message.data, records) == [True, True]


def test_headers(world, domain):
    """Folded, repeated, added by us; and oversigned fields cannot be added."""
    records = make_key(world, domain)
    submit(world, f"Received: from x\r\n\tby y\r\nFROM:  Alice \r\n\t<{world.sender}>\r\nSubject:  a\t b \r\n"
                  "List-Unsubscribe: <mailto:x@y.test>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
                  "Content-Type: text/plain;\r\n charset=utf-8\r\nResent-To: a@b.test\r\nResent-To: c@d.test\r\n\r\nbody\r\n")
    message, = world.sink.wait()
    assert verify(message.data, records) == [True]
    names = tag(signatures(message.data)[0], "h").replace("\r\n\t", "").split(":")
    for name in ("date", "message-id"):  # that we added
        assert names.count(name) == 2
    assert names.count("from") == 2 and names.count("to") == 1 and names.count("resent-to") == 2
    assert "list-unsubscribe-post" in names
    for added in (b"From: evil@remote.test\r\n", b"Subject: buy\r\n", b"To: you@remote.test\r\n"):
        assert verify(added + message.data, records) == [False]
    assert verify(b"X-Spam: no\r\n" + message.data, records) == [True]
    assert verify(message.data + b"more\r\n", records) == [False]


def test_rotation(world, domain):
    def selector():
        count = len(world.sink.messages)
        submit(world, HEADER.format(world.sender) + "\r\nbody\r\n")
        return tag(signatures(world.sink.wait(count + 1)[-1].data)[0], "s")

    tool = world.cluster.tool
    assert list(make_key(world, domain, "--selector", "one")) == [f"one._domainkey.{domain}."]
    assert selector() == "one"
    make_key(world, domain, "--selector", "two", "--inactive")
    assert selector() == "one"
    tool("domain", "dkim", domain, "--selector", "two", "--activate")
    time.sleep(SETTLE)
    assert selector() == "two"
    make_key(world, domain, "--selector", "three")
    assert selector() == "three"
    states = {key["selector"]: key["state"] for key in world.cluster.json("domain", "dkim", domain)}
    assert states == {"one": "retired", "two": "retired", "three": "active"}
    tool("domain", "dkim", domain, "--selector", "three", "--delete")
    time.sleep(SETTLE)
    submit(world, HEADER.format(world.sender) + "\r\nbody\r\n")
    world.sink.wait(5)
    assert not signatures(world.sink.messages[-1].data)


def test_tool(world, domain):
    tool = world.cluster.tool
    text = tool("domain", "dkim", domain).stdout
    assert "IN TXT ( \"v=DKIM1; k=rsa; p=" in text and "; selector s20" in text
    assert max(len(part) for part in text.split('"')) <= 255
    assert tool("domain", "dkim", domain).stdout == text  # shows the key, makes no new one
    assert "k=ed25519" in tool("domain", "dkim", domain, "--algorithm", "ed25519").stdout
    for arguments in (["nowhere.test"], [domain, "--selector", "-bad"], [domain, "--algorithm", "dsa"],
                      [domain, "--activate"], [domain, "--selector", "none", "--activate"], [domain, "--what"]):
        assert tool("domain", "dkim", *arguments, check=False).returncode == 1
    # No private key is ever shown.
    assert "MII" not in tool("domain", "show", domain).stdout
    tool("domain", "delete", domain, "--force")
    assert not world.cluster.redis.exists(f"domain:{{{domain}}}:dkim")


def test_who_is_signed_for(world, domain):
    records = make_key(world, domain)
    # The account's domain, if that of From: has no key.
    submit(world, "From: x@elsewhere.test\r\nSubject: x\r\n\r\nbody\r\n")
    assert tag(signatures(world.sink.wait(1)[0].data)[0], "d") == domain
    assert verify(world.sink.messages[0].data, records) == [True]
    # A host that may relay, in the name of a local domain.
    world.send(f"a@{world.domain()}", data=f"From: {world.sender}\r\nSubject: x\r\n\r\nbody\r\n")
    assert verify(world.sink.wait(2)[1].data, records) == [True]
    # Others, who only claim to be local, and whose mail is forwarded.
    world.cluster.unset("smtp-in", "relay_whitelist")
    world.cluster.tool("alias", "add", f"out@{domain}", f"b@{world.domain()}")
    world.send(f"out@{domain}", data=f"From: {world.sender}\r\nSubject: x\r\n\r\nbody\r\n")
    assert not signatures(world.sink.wait(3)[2].data)


def test_local_mail_and_down_conversion(world, domain):
    """Only outgoing mail is signed; a signature that no longer matches is left out."""
    make_key(world, domain)
    bob = world.cluster.add_user(f"bob@{domain}")
    world.cluster.deliver(world.sender, [bob], f"From: {world.sender}\r\nSubject: x\r\n\r\nbody\r\n")
    assert b"DKIM-Signature" not in world.cluster.wait_mail(bob)[0]
    world.sink.extensions.remove("8BITMIME")
    submit(world, f"From: {world.sender}\r\nSubject: x\r\n\r\n\u00e9\r\n", mail="BODY=8BITMIME")
    message, = world.sink.wait()
    assert not signatures(message.data) and b"=C3=A9" in message.data


def test_chunked_and_pipelined(world, domain):
    """BDAT cut anywhere gives the same hash."""
    records = make_key(world, domain)
    data = (HEADER.format(world.sender) + "\r\nbody  text \r\n\r\nend\r\n\r\n").encode()
    for size in (1, 7, 100):
        with smtplib.SMTP("127.0.0.1", world.cluster.port("smtp"), timeout=30) as smtp:
            smtp.ehlo("client.example.net")
            assert smtp.docmd(f"MAIL FROM:<{world.sender}>")[0] == 250
            assert smtp.docmd(f"RCPT TO:<a@{world.domain()}>")[0] == 250
            pieces = [data[i:i + size] for i in range(0, len(data), size)]
            for i, piece in enumerate(pieces):
                last = " LAST" if i == len(pieces) - 1 else ""
                smtp.sock.sendall(f"BDAT {len(piece)}{last}\r\n".encode() + piece)
                assert smtp.getreply()[0] == 250
    for message in world.sink.wait(3):
        assert verify(message.data, records) == [True]


def test_store_away(world, domain):
    """Keys that cannot be read: the client is told to try again, and mail is not sent unsigned."""
    make_key(world, domain)
    submit(world, HEADER.format(world.sender) + "\r\nbody\r\n")
    world.sink.wait(1)
    # A damaged key is not used, and this is reported.
    world.cluster.redis.hset(f"domain:{{{domain}}}:dkim", "bad", "rsa active 99 AAAA")
    time.sleep(SETTLE)
    submit(world, HEADER.format(world.sender) + "\r\nbody\r\n")
    assert signatures(world.sink.wait(2)[1].data)
    assert "DKIM key not in use" in world.cluster.log("frontend-0")


def test_delivery_reports(world):
    """Outgoing reports are signed too: by the host's domain, or the one above it."""
    records = make_key(world, "example.test", "--selector", "reports")
    try:
        world.sink.reply["RCPT"] = lambda s, line: "550 5.1.1 no such person" if "nobody" in line else None
        world.send(f"nobody@{world.domain()}", sender=f"writer@{world.domain()}")
        report, = world.sink.wait()
        assert b"From: Mail Delivery System <MAILER-DAEMON@mx.example.test>" in report.data
        signature, = signatures(report.data)
        assert tag(signature, "d") == "example.test"
        assert verify(report.data, records) == [True]
        assert verify(report.data.replace(b"5.1.1", b"5.1.2"), records) == [False]
    finally:
        world.cluster.tool("domain", "dkim", "example.test", "--selector", "reports", "--delete")
