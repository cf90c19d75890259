"""What an alias forwards to another server has an ARC set of ours, and an independent verifier agrees."""

import re
import time

import dkim
import pytest

from cluster import SETTLE, wait_for
from mail_auth_world import CLIENT, KEY_TEXT, AuthWorld, message, quoted, signed
from sink import DROP, Sink

SENDER = "ann@pass.example"


class SealWorld(AuthWorld):
    """Two local domains with keys, one without; all that is forwarded reaches the sink."""

    def __init__(self, env=None):
        self.sink = Sink("127.0.0.2").start()
        super().__init__(env)
        self.dns.mail_domain("far.test", (10, "mx.far.test", "127.0.0.2"))
        self.cluster.add_domain("keyless.test")
        self.records = {}
        for domain in ("example.test", "other.test"):
            for key in self.cluster.json("domain", "dkim", domain):
                self.dns.set(key["name"], "TXT", quoted(key["record"]))
                self.records[key["name"].rstrip(".").encode()] = key["record"].encode()
        self.records[b"sel._domainkey.pass.example"] = f"v=DKIM1; p={KEY_TEXT}".encode()
        time.sleep(SETTLE)

    def reset(self, **fields):
        super().reset(**fields)
        self.sink.reset()
        self.cluster.redis.hset("settings:spool", mapping={"retry_first": "1s", "retry_longest": "2s"})
        self.cluster.settings("smtp-out", port=self.sink.port)

    def alias(self, domain="example.test", *targets):
        self.count += 1
        name = f"out{self.count}@{domain}"
        self.cluster.tool("alias", "add", name, *(targets or [f"far{self.count}@far.test"]))
        time.sleep(SETTLE)
        return name

    def forward(self, data, *aliases, sender=SENDER, client=CLIENT):
        """As the sink gets it."""
        count = len(self.sink.messages)
        code, text = self.try_mail(list(aliases) or self.alias(), data, sender, client)
        assert code == 250, text
        return self.sink.wait(count + 1, timeout=60)[-1].data

    def verify(self, data):
        cv, _, _ = dkim.arc_verify(data, dnsfunc=lambda name, timeout=5: self.records.get(name.rstrip(b".")))
        return (cv or b"fail").decode()

    def stop(self):
        super().stop()
        self.sink.stop()


@pytest.fixture(scope="module")
def the_world():
    world = SealWorld()
    yield world
    world.stop()


@pytest.fixture
def world(the_world):
    the_world.reset()
    return the_world


def fields(data, name):
    """Unfolded values, the topmost first."""
    header = re.sub(rb"\r\n[ \t]+", b" ", data[:data.index(b"\r\n\r\n") + 2])
    return re.findall(rb"(?mi)^" + name.encode() + rb":\s*(.*?)\r\n", header)


def seals(data):
    return [re.search(rb"i=(\d+);.* cv=(\w+); d=([^;]+);", value).groups() for value in fields(data, "ARC-Seal")]


BODIES = {
    "plain": "body\r\n",
    "empty": "",
    "blanks": "  a \t b  \r\n\tc\t\r\n\r\n.\r\n..\r\n\r\n\r\n",
    "8-bit": "Grüße\r\n",
    "large": "line of text, and a bit more of it than before, until it is over\r\n" * 160000,  # 10 MB
}


@pytest.mark.parametrize("body", BODIES)
def test_forwarded(world, body):
    data = world.forward(signed(message(body=BODIES[body])))
    assert data.startswith(b"ARC-Seal: i=1; ") and seals(data) == [(b"1", b"none", b"example.test")]
    assert world.verify(data) == "pass" and dkim.verify(data, dnsfunc=lambda name, timeout=5: world.records.get(
        name.rstrip(b".")))
    said, = fields(data, "ARC-Authentication-Results")
    assert said == b"i=1; " + fields(data, "Authentication-Results")[0]
    assert b"mx.example.test; spf=pass" in said and b"dkim=pass" in said and b"dmarc=pass" in said


def test_changed_later(world):
    data = world.forward(message())
    assert world.verify(data) == "pass"
    assert world.verify(data.replace(b"Hello.", b"Hallo.")) == "fail"
    assert world.verify(data.replace(b"dmarc=pass", b"dmarc=fail")) == "fail"


def test_two_hops(world):
    """The second time the sender is another, and the first set is all that proves the author."""
    world.domain("hop.example")
    first = world.forward(message())
    second = world.forward(first, world.alias("other.test"), sender="x@hop.example")
    assert seals(second) == [(b"2", b"pass", b"other.test"), (b"1", b"none", b"example.test")]
    assert world.verify(second) == "pass"
    assert b"arc=pass" in fields(second, "ARC-Authentication-Results")[0]


def test_failed_chain(world):
    """Its end is sealed once; nothing follows it (RFC 8617, 5.1)."""
    first = world.forward(message()).replace(b"Hello.", b"Hallo.")
    second = world.forward(first)
    assert seals(second)[0] == (b"2", b"fail", b"example.test") and len(seals(second)) == 2
    assert world.verify(second) == "fail"
    assert len(seals(world.forward(second))) == 2


def test_forged_results(world):
    """What a stranger claims in our name is not what we seal."""
    data = world.forward(b"Authentication-Results: mx.example.test; dmarc=pass header.from=bank.example\r\n"
                         + message("x@bank.example"))
    said, = fields(data, "ARC-Authentication-Results")
    assert b"dmarc=pass" not in said and world.verify(data) == "pass"


def test_no_key(world):
    assert seals(world.forward(message(), world.alias("keyless.test"))) == []


def test_setting(world):
    assert len(seals(world.forward(message()))) == 1
    world.cluster.settings("mail-auth:example.test", arc_seal="off")
    assert seals(world.forward(message())) == []
    assert len(seals(world.forward(message(), world.alias("other.test")))) == 1
    world.cluster.unset("mail-auth:example.test")
    assert len(seals(world.forward(message()))) == 1


def test_not_verified(world):
    """There is nothing that could be said about it."""
    world.cluster.settings("mail-auth", verify="off")
    assert seals(world.forward(message())) == []


def test_several(world):
    """Aliases of one domain share a set; with aliases of two, none of them speaks for the other."""
    both = world.forward(message(), world.alias(), world.alias())
    assert len(seals(both)) == 1 and world.verify(both) == "pass"
    assert seals(world.forward(message(), world.alias(), world.alias("other.test"))) == []


def test_chunks(world):
    world.sink.extensions += ["CHUNKING"]
    data = world.forward(message())
    assert any(line.startswith("BDAT") for line in world.sink.messages[-1].session.lines)
    assert world.verify(data) == "pass"


def test_converted(world):
    """For a server without 8BITMIME: what is sent is not what could be sealed; 7-bit mail is sent as it is."""
    world.sink.extensions.remove("8BITMIME")
    data = world.forward(message(body="Grüße\r\n", more="MIME-Version: 1.0\r\n"
                                 "Content-Type: text/plain; charset=utf-8\r\n"
                                 "Content-Transfer-Encoding: 8bit\r\n"))
    assert seals(data) == [] and data.isascii()
    assert world.verify(world.forward(message())) == "pass"


def test_size(world):
    """Rather unsealed than refused."""
    data = message(body="line of text\r\n" * 1000)
    length = len(world.forward(data))
    world.sink.reset()  # the next connection asks anew
    world.sink.extensions[world.sink.extensions.index("SIZE")] = f"SIZE {length - 10}"
    assert seals(world.forward(data)) == []


def test_lost_answer(world):
    """The same job tries again, with the same set or a new one."""
    lost = []

    def drop_once(session, line):
        lost.append(line)
        return DROP if len(lost) == 1 else None
    world.sink.reply["END"] = drop_once
    data = world.forward(message())
    assert len(lost) == 2 and world.verify(data) == "pass"


def test_killed(tmp_path):
    """The worker dies while it seals: another run seals and sends it, once."""
    marker = tmp_path / "armed"
    world = SealWorld(env={"STAGEPOST_CRASH_AT": f"sealing:{marker}"})
    try:
        alias = world.alias()
        world.forward(message(), alias)
        pid = world.cluster.pid("delivery-worker-0")
        marker.touch()
        data = world.forward(message(), alias)
        assert not marker.exists() and world.cluster.pid("delivery-worker-0") != pid
        assert world.verify(data) == "pass" and len(seals(data)) == 1
        wait_for(lambda: world.cluster.queued() == 0, 30, what="an empty queue")
        assert len(world.sink.messages) == 2
    finally:
        world.stop()
