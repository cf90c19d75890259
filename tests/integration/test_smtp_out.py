"""Mail to other servers: MX records, ill-behaved servers, every row of
settings:smtp-out, reports to senders. The test's own name server answers, the
remote servers are scripted sinks on 127.0.0.x."""

import base64
import smtplib
import time

import pytest

from cluster import wait_for
from sink import DROP, SILENT, Sink, greylisting
from world import World, _numbers, cluster, the_world, world  # noqa: F401

# ---- the normal case ----

def test_delivery(world):
    domain = world.domain()
    id = world.send(f"bob@{domain}")
    message, = world.sink.wait()
    assert message.mail.startswith(f"<{world.sender}>")
    assert message.rcpts == [f"<bob@{domain}>"]
    assert message.data.startswith(b"Received: ")
    assert message.data.endswith(b"\r\nSubject: hello\r\n\r\nbody\r\n")
    assert message.session.helo == "mx.example.test"
    trace = wait_for(lambda: [e for e in str(world.cluster.trace(id)).split() if "sent" in e], what="trace")
    assert trace


def test_several_recipients_in_one_transaction(world):
    domain = world.domain()
    world.send(*[f"r{i}@{domain}" for i in range(20)])
    message, = world.sink.wait()
    assert len(message.rcpts) == 20


def test_two_domains(world):
    one, two = world.domain(), world.domain((10, "127.0.0.3"))
    world.send(f"a@{one}", f"b@{two}")
    assert world.sink.wait()[0].rcpts == [f"<a@{one}>"]
    assert world.second.wait()[0].rcpts == [f"<b@{two}>"]


def test_large_message_arrives_as_it_was(world):
    line = "." + "x" * 70 + "\r\n"
    body = "Subject: large\r\n\r\n" + line * 70000
    world.send(f"bob@{world.domain()}", data=body)
    message, = world.sink.wait(timeout=30)
    assert message.data.endswith(body.encode())


def test_no_pipelining_no_extensions(world):
    world.sink.extensions = []
    world.send(f"a@{world.domain()}")
    message, = world.sink.wait()
    assert message.mail == f"<{world.sender}>"


def test_helo_only(world):
    world.sink.esmtp = False
    world.send(f"a@{world.domain()}")
    message, = world.sink.wait()
    assert [line.split()[0] for line in message.session.lines][:3] == ["EHLO", "HELO", "MAIL"]


def test_connection_reuse(world):
    domain = world.domain()
    for i in range(3):
        world.send(f"a{i}@{domain}")
        world.sink.wait(i + 1)
    assert {m.session.number for m in world.sink.messages} == {0}
    assert "RSET" not in world.sink.sessions[0].lines


def test_reused_connection_that_has_gone(world):
    domain = world.domain()
    world.sink.reply["MAIL"] = lambda s, line: DROP if s.number == 0 and len(s.lines) >= 5 else None
    world.send(f"a@{domain}")
    world.sink.wait(1)
    world.send(f"b@{domain}")
    messages = world.sink.wait(2, timeout=5)
    assert messages[1].session.number == 1


# ---- routing ----

def test_mx_order_and_fallback(world):
    domain = world.domain((20, "127.0.0.3"), (10, "127.0.0.2"), (5, "127.0.0.99"))
    world.send(f"a@{domain}")
    world.sink.wait()
    assert not world.second.messages


def test_next_mx_after_421_and_554(world):
    for greeting in ("421 4.3.2 busy", "554 5.3.2 no"):
        world.sink.reply["GREETING"] = greeting
        count = len(world.second.messages)
        world.send(f"a@{world.domain((10, '127.0.0.2'), (20, '127.0.0.3'))}")
        world.second.wait(count + 1)


def test_no_mx_means_the_address(world):
    name = f"plain{next(_numbers)}.remote.test"
    world.dns.add(name, "A", "127.0.0.2")
    world.send(f"a@{name}")
    world.sink.wait()


def test_address_literal(world):
    world.send("a@[127.0.0.2]")
    message, = world.sink.wait()
    assert message.rcpts == ["<a@[127.0.0.2]>"]


@pytest.mark.parametrize("kind,code", [
    ("null-mx", "5.1.10"), ("missing", "5.1.2"), ("own-name", "5.4.6"), ("no-address", "5.4.4")])
def test_no_way_to_go(world, kind, code):
    name = f"{kind}{next(_numbers)}.remote.test"
    if kind == "null-mx":
        world.dns.add(name, "MX", "0 .")
    elif kind == "own-name":
        world.dns.add(name, "MX", "10 mx.example.test.", "20 other.remote.test.")
    elif kind == "no-address":
        world.dns.add(name, "MX", "10 nowhere.missing.test.")
    world.send(f"a@{name}")
    _, _, recipients, _ = world.bounce()
    assert recipients[0]["Status"] == code
    assert recipients[0]["Action"] == "failed"
    assert recipients[0]["Final-Recipient"] == f"rfc822; a@{name}"


def test_ill_destinations_are_retried(world):
    """No name server, no greeting, turned away with 421: a destination in
    trouble as a whole is left alone for half a minute, then probed."""
    domains = [world.domain(), world.domain((10, "127.0.0.3")), world.domain((10, "127.0.0.4"))]
    world.dns.broken.add(domains[0])
    world.second.reply["GREETING"] = lambda s, line: DROP if s.number == 0 else None
    world.tls.reply["MAIL"] = lambda s, line: "421 4.3.2 bye" if s.number == 0 else None
    ids = [world.send(f"a@{domain}") for domain in domains]
    for id in ids:
        wait_for(lambda: "deferred" in str(world.cluster.trace(id)), what="deferred")
    assert "name servers" in str(world.cluster.trace(ids[0]))
    world.dns.broken.clear()
    for sink in (world.sink, world.second, world.tls):
        sink.wait(timeout=60)


# ---- behaviour of servers ----

def test_refused_recipient_bounces(world):
    domain = world.domain()
    world.sink.reply["RCPT"] = lambda s, line: "550-5.1.1 no such\r\n550 5.1.1 person" if "bad" in line else None
    world.send(f"good@{domain}", f"bad@{domain}")
    message, = world.sink.wait()
    assert message.rcpts == [f"<good@{domain}>"]
    report, head, recipients, original = world.bounce()
    assert len(recipients) == 1
    assert recipients[0]["Final-Recipient"] == f"rfc822; bad@{domain}"
    assert recipients[0]["Status"] == "5.1.1"
    assert recipients[0]["Diagnostic-Code"] == "smtp; 550 5.1.1 no such person"
    assert recipients[0]["Remote-MTA"].startswith("dns; mx0-")
    assert head["Reporting-MTA"] == "dns; mx.example.test"
    assert "Subject: hello" in original.get_payload()


@pytest.mark.parametrize("step,reply", [
    ("MAIL", "451 4.3.0 later"), ("RCPT", "450 4.2.1 later"), ("DATA", "451 4.3.0 later"), ("END", "452 4.3.1 full"),
    ("MAIL", DROP), ("RCPT", DROP), ("DATA", DROP), ("END", DROP), ("MAIL", "nonsense")])
def test_trouble_is_retried(world, step, reply):
    """The first session goes wrong."""
    world.sink.reply[step] = lambda s, line: reply if s.number < 1 else None
    domain = world.domain()
    world.send(f"a@{domain}")
    if isinstance(reply, str) and reply.startswith("45"):
        wait_for(lambda: len([ln for s in world.sink.sessions for ln in s.lines if ln.startswith("MAIL")]) >= 1)
        time.sleep(0.2)
        world.sink.reply.clear()
    world.sink.wait(timeout=30)
    assert not world.cluster.mailbox(world.sender)


@pytest.mark.parametrize("step", ["MAIL", "DATA", "END"])
def test_refusal_bounces(world, step):
    world.sink.reply[step] = "554 5.7.1 not you"
    world.send(f"a@{world.domain()}")
    _, _, recipients, _ = world.bounce()
    assert recipients[0]["Status"] == "5.7.1"


def test_drop_in_data(world):
    world.sink.drop_in_data = 1000
    world.send(f"a@{world.domain()}", data="Subject: x\r\n\r\n" + "line\r\n" * 1000)
    wait_for(lambda: len(world.sink.sessions) >= 1)
    world.sink.drop_in_data = None
    message, = world.sink.wait(timeout=30)
    assert message.data.count(b"line\r\n") == 1000


def test_greylisting(world):
    world.sink.reply["RCPT"] = greylisting(1.5)
    world.send(f"a@{world.domain()}", f"b@{world.domain()}")
    world.sink.wait(2, timeout=30)


def test_too_many_recipients_are_sent_in_parts(world):
    def at_most_three(session, line):
        return "452 4.5.3 too many recipients" if len(session.rcpts) >= 3 else None

    world.sink.reply["RCPT"] = at_most_three
    domain = world.domain()
    world.send(*[f"r{i}@{domain}" for i in range(8)])
    messages = world.sink.wait(3)
    assert sorted(len(m.rcpts) for m in messages) == [2, 3, 3]
    assert len({r for m in messages for r in m.rcpts}) == 8


def test_size_limit_of_the_server(world):
    world.sink.extensions = ["SIZE 500"]
    world.send(f"a@{world.domain()}", data="Subject: x\r\n\r\n" + "line\r\n" * 200)
    _, _, recipients, _ = world.bounce()
    assert recipients[0]["Status"] == "5.3.4"
    assert not any(line.startswith("MAIL") for s in world.sink.sessions for line in s.lines)


def test_eight_bit_and_utf8(world):
    domain = world.domain()
    with smtplib.SMTP("127.0.0.1", world.cluster.port("smtp"), timeout=30) as smtp:
        smtp.ehlo("client.example.net")
        for line in (f"MAIL FROM:<{world.sender}> BODY=8BITMIME SMTPUTF8", f"RCPT TO:<j\u00f6rg@{domain}>"):
            smtp.sock.sendall(line.encode() + b"\r\n")
            assert smtp.getreply()[0] == 250
        assert smtp.data("Subject: \u00e9\r\n\r\n\u00e9\r\n".encode())[0] == 250
    message, = world.sink.wait()
    assert "BODY=8BITMIME" in message.mail and "SMTPUTF8" in message.mail
    assert message.rcpts == [f"<j\u00f6rg@{domain}>"]
    assert "Subject: \u00e9".encode() in message.data


@pytest.mark.parametrize("missing,code", [("SMTPUTF8", "5.6.7"), ("8BITMIME", "5.6.3")])
def test_what_the_server_cannot_take_bounces(world, missing, code):
    world.sink.extensions.remove(missing)
    with smtplib.SMTP("127.0.0.1", world.cluster.port("smtp"), timeout=30) as smtp:
        smtp.ehlo("client.example.net")
        smtp.docmd(f"MAIL FROM:<{world.sender}> BODY=8BITMIME SMTPUTF8")
        smtp.docmd(f"RCPT TO:<a@{world.domain()}>")
        assert smtp.data("Subject: \u00e9\r\n\r\n\u00e9\r\n".encode())[0] == 250
    _, _, recipients, _ = world.bounce()
    assert recipients[0]["Status"] == code


# ---- TLS ----

def test_tls_whatever_the_certificate(world):
    world.send(f"a@{world.domain((10, '127.0.0.4'))}")
    message, = world.tls.wait()
    assert message.tls


@pytest.mark.parametrize("how", ["bad", "closed"])
def test_broken_tls_falls_back(world, how):
    world.tls.tls = how
    world.send(f"a@{world.domain((10, '127.0.0.4'))}")
    message, = world.tls.wait()
    assert not message.tls
    assert len(world.tls.sessions) == 2


def test_refused_starttls_goes_on(world):
    world.tls.reply["STARTTLS"] = "454 4.7.0 not now"
    world.send(f"a@{world.domain((10, '127.0.0.4'))}")
    message, = world.tls.wait()
    assert not message.tls and len(world.tls.sessions) == 1


def test_enable_tls_off(world):
    world.cluster.settings("smtp-out", enable_tls="off")
    world.send(f"a@{world.domain((10, '127.0.0.4'))}")
    message, = world.tls.wait()
    assert "STARTTLS" not in message.session.lines


# ---- the other settings ----

def test_outbound_ipv4_by_sender_domain(world):
    world.cluster.settings("smtp-out:example.test", outbound_ipv4="127.0.0.9")
    world.send(f"a@{world.domain()}")
    world.send(f"b@{world.domain()}", sender="else@where.test")
    messages = {m.rcpts[0][1]: m.peer for m in world.sink.wait(2)}
    assert messages == {"a": "127.0.0.9", "b": "127.0.0.1"}


def test_primary_ip_on_failure(world):
    world.cluster.settings("smtp-out", outbound_ipv4="192.0.2.99")
    id = world.send(f"a@{world.domain()}")
    wait_for(lambda: "source address" in str(world.cluster.trace(id)), what="deferred")
    assert not world.sink.sessions
    world.cluster.settings("smtp-out", enable_primary_ip_on_failure="on")
    world.sink.wait(timeout=30)


@pytest.mark.parametrize("step", ["GREETING", "EHLO", "MAIL", "RCPT", "DATA"])
def test_command_timeout(world, step):
    world.cluster.settings("smtp-out", command_timeout="1s")
    world.sink.reply[step] = lambda s, line: SILENT if s.number == 0 else None
    begun = time.monotonic()
    world.send(f"a@{world.domain((10, '127.0.0.2'), (20, '127.0.0.3'))}")
    world.second.wait(timeout=10)
    assert 0.9 < time.monotonic() - begun < 5


@pytest.mark.parametrize("caching", ["on", "off"])
def test_dns_caching(world, caching):
    world.cluster.settings("smtp-out", enable_dns_caching=caching)
    domain = world.domain()
    for i in range(3):
        world.send(f"a{i}@{domain}")
        world.sink.wait(i + 1)
    # One query is the broker's, which remembers the answer in any case.
    assert world.dns.count(domain, "MX") == (1 if caching == "on" else 3) + 1


def test_append_authenticated_header(world):
    domain = world.domain()
    for on in (False, True):
        world.cluster.settings("smtp-out", append_authenticated_header="on" if on else "off")
        with smtplib.SMTP("127.0.0.1", world.cluster.port("submission"), timeout=30) as smtp:
            smtp.ehlo("client.example.net")
            plain = base64.b64encode(f"\0{world.sender}\0secret".encode()).decode()
            assert smtp.docmd("AUTH", f"PLAIN {plain}")[0] == 235
            smtp.sendmail(world.sender, [f"a@{domain}"], f"From: {world.sender}\r\nSubject: x\r\n\r\nx\r\n")
        data = world.sink.wait(2 if on else 1)[-1].data
        header = f"x-smartermail-authenticatedas: {world.sender}\r\n".encode()
        assert data.startswith(header) == on


def test_relay_host(world):
    domain = world.domain((10, "127.0.0.3"))
    world.cluster.settings("smtp-out", relay_host=f"[127.0.0.2]:{world.sink.port}")
    world.send(f"a@{domain}")
    world.sink.wait()
    assert not world.second.messages
    assert world.dns.count(domain, "MX") == 0


def test_max_delivery_threads(world):
    """No more messages at once than slots, and a change takes effect at once."""
    at_once, most = [0], [0]

    def slow(session, line):
        at_once[0] += 1
        most[0] = max(most[0], at_once[0])
        return None

    def done(session, line):
        at_once[0] -= 1
        return None

    world.cluster.settings("smtp-out", max_delivery_threads="2")
    world.sink.reply.update({"MAIL": slow, "END": done})
    world.sink.delay["DATA"] = 0.3
    for _ in range(6):
        world.send(f"a@{world.domain()}")
    world.sink.wait(6)
    assert most[0] == 2
    most[0] = 0
    world.cluster.settings("smtp-out", max_delivery_threads="50")
    for _ in range(12):
        world.send(f"a@{world.domain()}")
    world.sink.wait(18)
    assert most[0] > 4


# ---- reports ----

def send_with_dsn(world, recipient, mail="", rcpt=""):
    with smtplib.SMTP("127.0.0.1", world.cluster.port("smtp"), timeout=30) as smtp:
        smtp.ehlo("client.example.net")
        assert smtp.docmd(f"MAIL FROM:<{world.sender}> {mail}")[0] == 250
        assert smtp.docmd(f"RCPT TO:<{recipient}> {rcpt}")[0] == 250
        assert smtp.data("Subject: asked\r\n\r\nbody text\r\n")[0] == 250


def test_dsn_parameters_are_passed_on(world):
    domain = world.domain()
    send_with_dsn(world, f"a@{domain}", "RET=HDRS ENVID=ab+2Bc", f"NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x@{domain}")
    message, = world.sink.wait()
    assert "RET=HDRS" in message.mail and "ENVID=ab+2Bc" in message.mail
    assert "NOTIFY=SUCCESS,DELAY" in message.rcpts[0] and f"ORCPT=rfc822;x@{domain}" in message.rcpts[0]
    time.sleep(0.5)
    assert not world.cluster.mailbox(world.sender)


def test_relayed_report(world):
    world.sink.extensions.remove("DSN")
    domain = world.domain()
    send_with_dsn(world, f"a@{domain}", "ENVID=ab+2Bc", f"NOTIFY=SUCCESS ORCPT=rfc822;x+2By@{domain}")
    _, head, recipients, _ = world.bounce()
    assert head["Original-Envelope-Id"] == "ab+c"
    assert recipients[0]["Action"] == "relayed"
    assert recipients[0]["Original-Recipient"] == f"rfc822; x+y@{domain}"


@pytest.mark.parametrize("ret", ["FULL", "HDRS"])
def test_ret(world, ret):
    world.sink.reply["RCPT"] = "550 5.1.1 no"
    send_with_dsn(world, f"a@{world.domain()}", f"RET={ret}")
    _, _, _, original = world.bounce()
    assert original.get_content_type() == ("message/rfc822" if ret == "FULL" else "text/rfc822-headers")
    assert ("body text" in original.as_string()) == (ret == "FULL")


def test_no_report(world):
    """For NOTIFY=NEVER, and for the null reverse-path."""
    world.sink.reply["RCPT"] = "550 5.1.1 no"
    send_with_dsn(world, f"a@{world.domain()}", "", "NOTIFY=NEVER")
    id = world.send(f"a@{world.domain()}", sender="")
    wait_for(lambda: "5.1.1" in str(world.cluster.trace(id)), what="failed")
    time.sleep(1)
    assert not world.cluster.mailbox(world.sender)


def test_delay_warning_and_expiry(world):
    world.cluster.settings("spool", delay_warning_after="1s", expire_after="60s")
    world.sink.reply["RCPT"] = "450 4.2.1 later"
    world.send(f"a@{world.domain()}")
    _, _, recipients, _ = world.bounce()
    assert recipients[0]["Action"] == "delayed"
    assert recipients[0]["Will-Retry-Until"]
    world.sink.reply.clear()
    world.sink.wait(timeout=30)
