"""What forgers try: to slip past the verification, or to speak in our name."""

import email
import re
import smtplib

import dkim
import pytest

from cluster import wait_for
from mail_auth_world import CLIENT, KEY_PEM, STRANGER, in_junk, message, results, signed, the_world, world  # noqa: F401
from smtp_in import proxied

FORGED = "Authentication-Results: mx.example.test; spf=pass; dkim=pass; dmarc=pass\r\n"


def fresh(world, policy):
    """A domain that nothing is cached of, with another one below it whose name servers are broken."""
    world.count += 1
    name = f"fresh{world.count}.example"
    world.domain(name, f"v=DMARC1; p={policy}")
    world.dns.broken.update({f"sub.{name}", f"sel._domainkey.sub.{name}"})
    return name


# ---- Slipping past ----

@pytest.mark.parametrize("size", [250_000, 300_000, 600_000])
def test_large_header(world, size):
    """What nobody can read cannot be confirmed."""
    world.reset(dmarc_enforcement="on")
    user = world.user()
    sent = message("x@quarantine.example", more="X-Pad: 0123456789\r\n" * (size // 19))
    assert world.try_mail(user, sent, "x@pass.example")[0] == 250
    assert in_junk(world, user)
    world.reset()
    data = world.take(sent, "x@pass.example")
    assert results(data)["dmarc"] == ["permerror" if size > 256 * 1024 else "fail"] and data.endswith(sent)


@pytest.mark.parametrize("line,junk", [("", True), ("From:\r\n", True), ("From: alice\r\n", True),
                                       ("From: friends:;\r\n", False)])
def test_no_author(world, line, junk):
    world.reset(dmarc_enforcement="on")
    user = world.user()
    assert world.try_mail(user, f"{line}Subject: x\r\n\r\nHello.\r\n".encode(), "ann@pass.example")[0] == 250
    assert in_junk(world, user) == junk


@pytest.mark.parametrize("by", ["dkim", "spf"])
@pytest.mark.parametrize("policy,enforced,junk", [("reject", True, True), ("quarantine", True, True),
                                                  ("none", True, False), ("reject", False, False)])
def test_a_broken_zone_does_not_help(world, by, policy, enforced, junk):
    """What is below the author's domain could confirm it, and never says."""
    world.reset(dmarc_enforcement="on" if enforced else "off")
    name = fresh(world, policy)
    sent, sender = message(f"x@{name}"), f"x@sub.{name}"
    if by == "dkim":
        sent, sender = signed(sent, f"sub.{name}"), "x@pass.example"
    user = world.user()
    code, text = world.try_mail(user, sent, sender)
    assert code == 250
    trace = wait_for(lambda: world.cluster.trace(text.split()[-1]), what="its trace")
    assert f"{by}=temperror" in trace["mail_auth"] and "dmarc=temperror" in trace["mail_auth"]
    assert in_junk(world, user) == junk


def test_a_message_has_to_come(world):
    """Nothing is asked about for MAIL alone, and not for ever for messages that are given up."""
    name, user = fresh(world, "none"), world.user()
    with proxied(world.cluster, CLIENT, ehlo=False) as smtp:
        smtp.ehlo("mx.pass.example")
        for _ in range(50):
            smtp.expect(250, f"MAIL FROM:<x@{name}>")
            smtp.expect(250, f"RCPT TO:<{user}>")
            smtp.expect(250, "RSET")
        assert world.dns.count(name, "TXT") == 0
        replies = []
        with pytest.raises(EOFError):
            while len(replies) < 200:
                smtp.send(f"MAIL FROM:<x@{name}>\r\nRCPT TO:<{user}>\r\nBDAT 16\r\nTo: x\r\n\r\nHello\r\n")
                replies += [smtp.reply() for _ in range(3)]
                smtp.expect(250, "RSET")
        assert len(replies) < 40
        wait_for(lambda: world.dns.count(name, "TXT") == 1, what="it was asked about")


# ---- In our name ----

def is_cleaned(data):
    return b"dmarc=pass" not in data and b"Subject: minutes" in data and b"mx.elsewhere.example" in data


def test_nobody_speaks_for_us(world):
    """Not where nothing is verified either."""
    more = FORGED + "Authentication-Results: mx.elsewhere.example; spf=pass\r\n"
    user = world.user()
    world.cluster.redis.delete("settings:smtp-in")
    world.cluster.settings("mail-auth", time_limit="3s")
    with smtplib.SMTP("127.0.0.1", world.cluster.port("submission"), timeout=20) as smtp:
        smtp.login(user, "secret")
        smtp.sendmail(user, [user], message(user, more=more))
    world.reset()
    world.cluster.redis.hset("settings:smtp-in", "relay_whitelist", CLIENT)
    world.cluster.settings("mail-auth", time_limit="3s")
    assert world.try_mail(user, message(more=more), "ann@pass.example")[0] == 250
    world.reset(verify="off")
    assert world.try_mail(user, message(more=more), "ann@pass.example", STRANGER)[0] == 250
    large = message(more=more, body="0123456789\r\n" * 10_000)
    assert world.try_mail(user, large, "ann@pass.example", STRANGER)[0] == 250
    received = world.cluster.wait_mail(user, 4)
    assert all(is_cleaned(data) for data in received)
    assert any(data.endswith(b"0123456789\r\n" * 10_000) for data in received)


def test_only_a_forged_field(world):
    world.reset(verify="off")
    data = world.take(FORGED.encode(), "ann@pass.example", STRANGER)
    assert b"Authentication-Results" not in data


# ---- Room ----

def test_room_for_the_lines_on_top(world):
    """They count too: who is refused is told so, and no report goes to whom it may not concern."""
    user = world.user()
    sent = signed(message(body="0123456789\r\n" * 400))
    world.cluster.tool("user", "set", user, f"quota={len(sent) + 100}")
    code, text = world.try_mail(user, sent, "ann@pass.example")
    assert code == 552 and text.startswith("5.2.2"), text
    assert world.cluster.queued() == 0 and world.cluster.mailbox(user) == []


# ---- ARC ----

@pytest.mark.parametrize("change,result", [(lambda data: data, "pass"),
                                           (lambda data: data.replace(b"Hello.", b"Hallo."), "fail")])
def test_arc(world, change, result):
    """A list's server has verified it, changed it, and sealed it."""
    sent = b"Authentication-Results: list.example; dkim=pass header.d=pass.example; arc=none\r\n" + message()
    world.domain("list.example")
    sealed = b"".join(dkim.arc_sign(sent, b"sel", b"list.example", KEY_PEM, b"list.example",
                                    include_headers=[b"From", b"To", b"Subject"])) + sent
    data = world.take(change(sealed), "x@list.example")
    ours = email.message_from_bytes(data).get_all("Authentication-Results")[0]
    assert "mx.example.test" in ours and re.search(r"\sarc=(\w+)", ours)[1] == result
