"""SPF, DKIM, DMARC and ARC of incoming mail: what is found out, said, and done."""

import email
import imaplib
import smtplib

import pytest

from cluster import wait_for
from mail_auth_world import CLIENT, STRANGER, in_junk, message, results, signed, the_world, world  # noqa: F401
from smtp_in import proxied


# ---- What is said ----

def test_all_pass(world):
    data = world.take(signed(message()), "ann@pass.example")
    assert results(data) == {"spf": ["pass", "none"], "dkim": ["pass"], "dmarc": ["pass"], "arc": ["none"]}
    names = [name for name, _ in email.message_from_bytes(data).items()]
    assert names[:3] == ["Return-Path", "Authentication-Results", "Received"]
    assert data.endswith(signed(message()).split(b"\r\n\r\n", 1)[1])
    trace = wait_for(lambda: world.cluster.trace(world.id), what="its trace")
    assert trace["mail_auth"] == "spf=pass dkim=pass dmarc=pass arc=none"
    assert trace["mail_auth"] in world.cluster.tool("trace", world.id).stdout


@pytest.mark.parametrize("size", [100, 60_000, 64 * 1024, 70_000, 300_000, 10_000_000])
def test_every_size(world, size):
    """A large body is in the store before the results are known."""
    text = "0123456789 abcdef\r\n" * (size // 19)
    sent = signed(message(body=text))
    user = world.user()
    data = world.take(sent, "ann@pass.example", user=user)
    assert results(data)["dkim"] == ["pass"] and data.endswith(sent)
    imap = imaplib.IMAP4("127.0.0.1", world.cluster.port("imap"))
    imap.login(user, "secret")
    imap.select("INBOX")
    head, = imap.fetch("1", "(RFC822.SIZE)")[1]
    assert int(head.split()[-1].rstrip(b")")) == len(data)
    whole = imap.fetch("1", "(BODY.PEEK[])")[1][0][1]
    assert whole == data
    imap.logout()


def test_others_cannot_say_it_for_us(world):
    forged = "Authentication-Results: mx.example.test; spf=pass; dkim=pass\r\n" \
             "authentication-results : MX.example.TEST 1;\r\n\tdmarc=pass\r\n" \
             "Authentication-Results: mx.elsewhere.example; spf=pass\r\n"
    data = world.take(message(more=forged), "ann@pass.example", STRANGER)
    fields = email.message_from_bytes(data).get_all("Authentication-Results")
    assert len(fields) == 2 and "spf=fail" in fields[0] and "elsewhere" in fields[1]
    assert b"dmarc=pass" not in data


def test_name_of_this_service(world):
    world.reset(authserv_id="all.example.test")
    data = world.take(message(more="Authentication-Results: all.example.test; spf=pass\r\n"), "ann@pass.example")
    field, = email.message_from_bytes(data).get_all("Authentication-Results")
    assert field.split(";")[0].strip() == "all.example.test" and "dkim=none" in field


CHANGES = {
    "body": lambda data: data.replace(b"Hello.", b"Hallo."),
    "subject": lambda data: data.replace(b"minutes", b"minuets"),
    "longer": lambda data: data + b"more\r\n",
    "signature": lambda data: data.replace(b" b=", b" b=AAAA", 1),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changed_after_signing(world, change):
    data = world.take(CHANGES[change](signed(message())), "ann@pass.example", STRANGER)
    found = results(data)
    assert found["dkim"] == ["fail"] and found["spf"][0] == "fail" and found["dmarc"] == ["fail"]


def test_nothing_known(world):
    data = world.take(message("x@nobody.example"), "x@nobody.example", STRANGER)
    assert results(data) == {"spf": ["none", "none"], "dkim": ["none"], "dmarc": ["none"], "arc": ["none"]}


def test_null_sender_is_judged_by_the_greeting(world):
    data = world.take(message(), "", helo="pass.example")
    assert results(data)["spf"] == ["pass"] and results(data)["dmarc"] == ["pass"]


def test_without_a_header(world):
    data = world.take(b"no header here\r\n", "ann@pass.example")
    assert results(data)["spf"][0] == "pass" and data.endswith(b"\r\n\r\nno header here\r\n")


@pytest.mark.parametrize("text", ["", "\r\n", "Subject: x\r\n"])
def test_nearly_empty(world, text):
    data = world.take(text.encode(), "ann@pass.example")
    assert results(data)["dmarc"] == ["none"]


def test_mbox_line_is_left_out(world):
    sent = signed(message())
    data = world.take(b"From ann Mon Nov 30 16:00:00 2026\r\n" + sent, "ann@pass.example")
    assert results(data)["dkim"] == ["pass"] and b"From ann" not in data


def test_dots_and_chunks(world):
    """What is verified is the message, not the form in which it comes."""
    sent = signed(message(body=".\r\n..\r\n.x\r\n"))
    assert results(world.take(sent, "ann@pass.example"))["dkim"] == ["pass"]
    user = world.user()
    with proxied(world.cluster, CLIENT, ehlo=False) as smtp:
        smtp.ehlo("mx.pass.example")
        smtp.send(f"MAIL FROM:<ann@pass.example>\r\nRCPT TO:<{user}>\r\n")
        smtp.send(b"BDAT 100\r\n" + sent[:100] + f"BDAT {len(sent) - 100} LAST\r\n".encode() + sent[100:])
        assert [smtp.reply()[0] for _ in range(4)] == [250] * 4
    assert results(world.cluster.wait_mail(user)[0])["dkim"] == ["pass"]


def test_pipelined_messages(world):
    user = world.user()
    with proxied(world.cluster, CLIENT, ehlo=False) as smtp:
        smtp.ehlo("mx.pass.example")
        chunk = signed(message())
        smtp.send(b"".join(b"MAIL FROM:<ann@pass.example>\r\nRCPT TO:<%s>\r\nBDAT %d LAST\r\n%s"
                           % (user.encode(), len(chunk), chunk) for _ in range(20)))
        assert [smtp.reply()[0] for _ in range(60)] == [250] * 60
    for data in world.cluster.wait_mail(user, 20):
        assert results(data)["dmarc"] == ["pass"]


# ---- Who is not verified ----

def test_users_and_trusted_hosts_are_not_verified(world):
    user, count = world.user(), len(world.dns.asked)
    world.cluster.redis.delete("settings:smtp-in")
    world.cluster.settings("mail-auth", time_limit="3s")
    with smtplib.SMTP("127.0.0.1", world.cluster.port("submission"), timeout=20) as smtp:
        smtp.login(user, "secret")
        smtp.sendmail(user, [user], message(user))
    world.reset()
    world.cluster.redis.hset("settings:smtp-in", "relay_whitelist", CLIENT)
    world.cluster.settings("mail-auth", time_limit="3s")
    assert world.try_mail(user, message(), "ann@pass.example")[0] == 250
    for data in world.cluster.wait_mail(user, 2):
        assert b"Authentication-Results" not in data
    assert len(world.dns.asked) == count


def test_turned_off(world):
    world.reset(verify="off", spf_fail_action="refuse", dmarc_enforcement="on")
    data = world.take(message("x@reject.example"), "x@reject.example", STRANGER)
    assert b"Authentication-Results" not in data


# ---- What is done ----

def test_dmarc_reject(world):
    """Live: off, on, off."""
    sent = message("x@reject.example")
    assert "fail" in results(world.take(sent, "x@pass.example"))["dmarc"]
    world.reset(dmarc_enforcement="on")
    user = world.user()
    code, text = world.try_mail(user, sent, "x@pass.example")
    assert code == 550 and text.startswith("5.7.1") and "reject.example" in text
    assert world.cluster.mailbox(user) == [] and world.cluster.queued() == 0
    assert world.try_mail(user, signed(sent, "reject.example"), "x@pass.example")[0] == 250
    assert world.try_mail(user, sent, "x@reject.example")[0] == 250
    world.reset()
    assert world.try_mail(user, sent, "x@pass.example")[0] == 250
    world.cluster.wait_mail(user, 3)


def test_a_refused_body_is_released(world):
    def used():
        return sum(path.stat().st_blocks * 512 for path in (world.cluster.dir / "blobs").rglob("*") if path.is_file())

    world.reset(dmarc_enforcement="on")
    sent = message("x@reject.example", body="y" * 70 + "\r\n" + "y\r\n" * 7_000_000)
    before = used()
    assert world.try_mail(world.user(), sent, "x@pass.example")[0] == 550
    wait_for(lambda: used() < before + 18_000_000, what="the body's space is free again")
    assert world.cluster.queued() == 0


def test_dmarc_quarantine(world):
    world.reset(dmarc_enforcement="on")
    sent = message("x@quarantine.example")
    user, proved = world.user(), world.user()
    assert world.try_mail(user, sent, "x@pass.example")[0] == 250
    assert world.try_mail(proved, signed(sent, "quarantine.example"), "x@pass.example")[0] == 250
    assert in_junk(world, user) and not in_junk(world, proved)


@pytest.mark.parametrize("record,junk", [("v=DMARC1; p=reject; pct=0", True), ("v=DMARC1; p=quarantine; pct=0", False),
                                         ("v=DMARC1; p=reject; t=y", True), ("v=DMARC1; p=none", False)])
def test_one_step_milder(world, record, junk):
    name = f"d{world.count}.example"
    world.domain(name, record)
    world.reset(dmarc_enforcement="on")
    user = world.user()
    assert world.try_mail(user, message(f"x@{name}"), "x@pass.example")[0] == 250
    assert in_junk(world, user) == junk


def test_domains_differ(world):
    """Only one of the recipients' domains enforces: there it is spam, and nobody loses it."""
    world.cluster.redis.hset("settings:mail-auth:other.test", "dmarc_enforcement", "on")
    world.cluster.settings("mail-auth", time_limit="3s")
    strict, mild = world.user("other.test"), world.user()
    sent = message("x@reject.example")
    assert world.try_mail([mild, strict], sent, "x@pass.example")[0] == 250
    assert in_junk(world, strict) and not in_junk(world, mild)
    assert world.try_mail(strict, sent, "x@pass.example")[0] == 550


@pytest.mark.parametrize("more", ["From: y@other.example\r\n", "From: ann@pass.example\r\n"])
def test_two_authors(world, more):
    """Nobody can say which of them is shown."""
    world.reset(dmarc_enforcement="on")
    user = world.user()
    assert world.try_mail(user, signed(message(more=more)), "ann@pass.example")[0] == 250
    assert in_junk(world, user)


@pytest.mark.parametrize("action", ["none", "junk", "refuse"])
def test_spf_fail(world, action):
    world.reset(spf_fail_action=action)
    user = world.user()
    code, text = world.try_mail(user, message(), "ann@pass.example", STRANGER)
    if action == "refuse":
        assert code == 550 and text.startswith("5.7.23") and STRANGER in text
        assert world.cluster.mailbox(user) == [] and world.cluster.queued() == 0
        return
    assert code == 250 and in_junk(world, user) == (action == "junk")
