"""Priorities: who may request which, what other servers are told, what goes first."""

import base64
import smtplib

import pytest

from world import World, cluster, the_world, world  # noqa: F401


def submit(world, recipient, mail="", data="Subject: x\r\n\r\nx\r\n", login=True):
    """(reply to MAIL, spool id)"""
    with smtplib.SMTP("127.0.0.1", world.cluster.port("submission" if login else "smtp"), timeout=30) as smtp:
        smtp.ehlo("client.example.net")
        assert "mt-priority" in smtp.esmtp_features
        if login:
            plain = base64.b64encode(f"\0{world.sender}\0secret".encode()).decode()
            assert smtp.docmd("AUTH", f"PLAIN {plain}")[0] == 235
        reply = smtp.docmd(f"MAIL FROM:<{world.sender}> {mail}")
        if reply[0] != 250:
            return reply, None
        assert smtp.docmd(f"RCPT TO:<{recipient}>")[0] == 250
        code, text = smtp.data(data)
        assert code == 250, text
        return reply, text.decode().split()[-1]


def taken(world):
    """The priority that the next server was told; 0: none."""
    message = world.sink.wait()[0]
    words = [w for w in message.mail.split() if w.startswith("MT-PRIORITY=")]
    return int(words[0].split("=")[1]) if words else 0


@pytest.mark.parametrize("settings,asked,got", [
    ({}, None, 0),
    ({}, -4, -4),
    ({}, 4, 0),
    ({"priority": "low"}, None, -4),
    ({"priority": "low"}, 0, 0),
    ({"priority": "high"}, None, 4),
    ({"priority": "high"}, -1, -1),
    ({"allow_high_priority": "on"}, 7, 7),
])
def test_asked_and_got(world, settings, asked, got):
    if settings:
        world.cluster.settings("smtp-in:example.test", **settings)
    world.sink.extensions.append("MT-PRIORITY MIXER")
    reply, id = submit(world, f"a@{world.domain()}", f"MT-PRIORITY={asked}" if asked is not None else "")
    # RFC 6710: the text begins with the priority that the message has, and a space.
    assert reply[1].startswith(f"2.3.6 {got} ".encode() if asked is not None and asked != got else b"2.1.0 ")
    assert taken(world) == got
    assert world.cluster.trace(id).get("priority", 0) == got
    received = world.sink.messages[0].data.decode()
    assert (f"PRIORITY {got}" in received) == (asked is not None)


def test_strangers_have_none(world):
    world.sink.extensions.append("MT-PRIORITY")
    reply, _ = submit(world, f"a@{world.domain()}", "MT-PRIORITY=-4", login=False)
    assert reply == (250, b"2.3.6 0 is the priority granted, not the one requested; sender ok")
    assert taken(world) == 0


def test_bulk_is_never_urgent(world):
    world.cluster.settings("smtp-in:example.test", priority="high")
    world.sink.extensions.append("MT-PRIORITY")
    submit(world, f"a@{world.domain()}", data="Precedence: bulk\r\nSubject: x\r\n\r\nx\r\n")
    assert taken(world) == -4


def test_not_told_to_who_does_not_know_it(world):
    submit(world, f"a@{world.domain()}", "MT-PRIORITY=-4")
    assert "MT-PRIORITY" not in world.sink.wait()[0].mail


@pytest.mark.parametrize("value", ["10", "-0", "x", ""])
def test_no_priority(world, value):
    reply, _ = submit(world, "a@b.test", f"MT-PRIORITY={value}")
    assert reply[0] == 501


def test_higher_goes_first(world):
    """One place at the destination; urgent mail overtakes earlier mail."""
    domain = world.domain()
    world.cluster.settings("smtp-in:example.test", allow_high_priority="on")
    world.cluster.settings(f"destination:{domain}", max_connections=1)
    world.sink.delay["END"] = 0.5
    for i in range(6):
        submit(world, f"low{i}@{domain}", "MT-PRIORITY=-4")
    for i in range(3):
        submit(world, f"high{i}@{domain}", "MT-PRIORITY=4")
    order = ["".join(c for c in m.rcpts[0].strip("<>").split("@")[0] if c.isalpha()) for m in world.sink.wait(9, timeout=60)]
    assert order[-3:] == ["low"] * 3
    assert sorted(order) == ["high"] * 3 + ["low"] * 6
