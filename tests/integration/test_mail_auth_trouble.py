"""Incoming mail is verified while DNS, its client or the frontend fails: nothing is refused for
good, nothing is lost, nothing is stored twice."""

import signal
import socket
import struct
import time

import pytest

from cluster import wait_for
from mail_auth_world import CLIENT, STRANGER, in_junk, message, results, signed, the_world, world  # noqa: F401
from smtp_in import proxied

LIMIT = 3.0  # seconds; mail_auth_world


def fresh(world, policy="reject"):
    """A domain that nothing is cached of."""
    world.count += 1
    name = f"fresh{world.count}.example"
    world.domain(name, f"v=DMARC1; p={policy}")
    return name


def strict(world):
    world.reset(dmarc_enforcement="on", spf_fail_action="refuse")


def hung(world):
    """A client whose message waits for DNS: its domain's servers say nothing."""
    name = fresh(world)
    world.dns.silent.update({name, f"_dmarc.{name}", f"sel._domainkey.{name}"})
    user = world.user()
    smtp = proxied(world.cluster, CLIENT, ehlo=False)
    smtp.ehlo("mx.pass.example")
    smtp.expect(250, f"MAIL FROM:<x@{name}>")
    smtp.expect(250, f"RCPT TO:<{user}>")
    smtp.expect(354, "DATA")
    smtp.send(signed(message(f"x@{name}"), name) + b".\r\n")
    wait_for(lambda: world.dns.count(f"sel._domainkey.{name}", "TXT"), what="its key is asked for")
    return smtp, user


@pytest.mark.parametrize("how", ["silent", "broken"])
@pytest.mark.parametrize("part", ["", "_dmarc.", "sel._domainkey."])
def test_a_part_has_no_answer(world, how, part):
    strict(world)
    name = fresh(world)
    getattr(world.dns, how).add(part + name)
    began = time.monotonic()
    # SPF and DKIM must not pass by themselves where DMARC's record is what is missing.
    sent = message(f"x@{name}")
    sent = sent if part == "_dmarc." else signed(sent, name)
    client, sender = {"": (CLIENT, f"x@{name}"), "_dmarc.": (CLIENT, "x@pass.example"),
                      "sel._domainkey.": (CLIENT, "x@pass.example")}[part]
    user = world.user()
    code, text = world.try_mail(user, sent, sender, client)
    assert code == 250 and time.monotonic() - began < LIMIT + 3
    found = wait_for(lambda: world.cluster.trace(text.split()[-1]), what="its trace")["mail_auth"]
    method = {"": "spf", "_dmarc.": "dmarc", "sel._domainkey.": "dkim"}[part]
    assert f"{method}=temperror" in found, found
    assert ("dmarc=pass" if part == "" else "dmarc=temperror") in found
    # The domain has a policy, and its key would have to confirm the message.
    assert in_junk(world, user) == (method == "dkim")


def test_dns_is_dead(world):
    """Everything is a temperror, and mail goes on."""
    strict(world)
    name = fresh(world)
    world.dns.silent.update({name, "example", f"_dmarc.{name}", f"sel._domainkey.{name}", "mx.pass.example"})
    began = time.monotonic()
    data = world.take(signed(message(f"x@{name}"), name), f"x@{name}", STRANGER)
    assert LIMIT - 1 < time.monotonic() - began < LIMIT + 3
    assert results(data)["spf"][0] == results(data)["dkim"][0] == results(data)["dmarc"][0] == "temperror"


def test_client_goes_while_it_waits(world):
    """It will send again: nothing is kept."""
    smtp, user = hung(world)
    pid = world.cluster.pid("frontend-0")
    smtp.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    smtp.socket.close()
    time.sleep(LIMIT + 1)
    assert world.cluster.mailbox(user) == [] and world.cluster.queued() == 0
    assert world.cluster.pid("frontend-0") == pid
    assert world.try_mail(user, message(), "ann@pass.example")[0] == 250
    assert len(world.cluster.wait_mail(user)) == 1


def test_client_ends_its_side_while_it_waits(world):
    """It may have said all that it has to say: it is served."""
    smtp, user = hung(world)
    smtp.socket.shutdown(socket.SHUT_WR)
    assert smtp.reply()[0] == 250
    assert len(world.cluster.wait_mail(user)) == 1


def test_frontend_drains_while_a_client_waits(world):
    """It is answered before the frontend ends."""
    smtp, user = hung(world)
    old = world.cluster.kill("frontend-0", signal.SIGTERM)
    code, text = smtp.reply()
    assert code == 250, text
    assert smtp.is_closed()
    world.cluster.wait_restarted("frontend-0", old, timeout=30)
    assert len(world.cluster.wait_mail(user)) == 1


def test_frontend_is_killed_while_a_client_waits(world):
    """It got no answer, sends again, and the message is there once."""
    smtp, user = hung(world)
    old = world.cluster.kill("frontend-0")
    assert smtp.is_closed() and smtp.data == b""
    assert world.try_mail(user, message(), "ann@pass.example", frontend=1)[0] == 250
    world.cluster.wait_restarted("frontend-0", old, timeout=30)
    time.sleep(LIMIT + 1)
    assert len(world.cluster.mailbox(user)) == 1 and world.cluster.queued() == 0


def test_many_wait_at_the_same_time(world):
    """None of them holds up another, nor the one that need not wait."""
    waiting = [hung(world) for _ in range(10)]
    began = time.monotonic()
    assert world.try_mail(world.user(), message(), "ann@pass.example")[0] == 250
    assert time.monotonic() - began < 1.5
    for smtp, user in waiting:
        assert smtp.reply()[0] == 250
        assert results(world.cluster.wait_mail(user)[0])["dkim"] == ["temperror"]
