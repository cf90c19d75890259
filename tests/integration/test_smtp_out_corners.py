"""Mail to other servers: rare cases. Chunks, 8-bit data for servers that do not
accept it, logins at a relay, IPv6, servers that fail in odd ways, settings that
change while mail is queued."""

import base64
import email
import email.policy
import shutil
import smtplib
import socket
import time

import pytest

from certificates import Authority
from cluster import wait_for
from sink import DROP, Sink, greylisting
from world import World, _numbers, cluster, world  # noqa: F401


@pytest.fixture(scope="module")
def authority():
    with Authority() as ca:
        yield ca


@pytest.fixture(scope="module")
def the_world(authority):
    world = World(env={"STAGEPOST_CA_FILE": str(authority.file)})
    world.own_certificate = (world.tls.dir / "cert.pem", world.tls.dir / "key.pem")
    yield world
    world.stop()


@pytest.fixture(autouse=True)
def fresh_certificate(world):
    world.tls.use_certificate(*world.own_certificate)


def submit(world, recipients, data, mail="", login=True, tls=False):
    """Submits as an authenticated user; returns the spool id."""
    with smtplib.SMTP("127.0.0.1", world.cluster.port("submission"), timeout=30) as smtp:
        smtp.ehlo("client.example.net")
        if tls:
            smtp.starttls()
            smtp.ehlo("client.example.net")
        plain = base64.b64encode(f"\0{world.sender}\0secret".encode()).decode()
        assert smtp.docmd("AUTH", f"PLAIN {plain}")[0] == 235
        assert smtp.docmd(f"MAIL FROM:<{world.sender}> {mail}")[0] == 250
        for recipient in recipients:
            assert smtp.docmd(f"RCPT TO:<{recipient}>")[0] == 250
        code, text = smtp.data(data)
        assert code == 250, text
        return text.decode().split()[-1]


# ---- CHUNKING ----

def test_small_message_goes_in_one_round_trip(world):
    world.sink.extensions.append("CHUNKING")
    world.send(f"a@{world.domain()}")
    message, = world.sink.wait()
    assert message.data.endswith(b"\r\nSubject: hello\r\n\r\nbody\r\n")
    assert message.session.lines[-1].startswith("BDAT ") and message.session.lines[-1].endswith(" LAST")


def test_large_message_in_chunks(world):
    world.sink.extensions.append("CHUNKING")
    text = "Subject: x\r\n\r\n" + "".join(f".{i} line of text\r\n" for i in range(20000))
    world.send(f"a@{world.domain()}", data=text)
    message, = world.sink.wait()
    assert message.data.endswith(text.split("\r\n\r\n", 1)[1].encode())
    bdats = [line for line in message.session.lines if line.startswith("BDAT")]
    assert len(bdats) > 2 and bdats[-1].endswith("LAST") and not bdats[0].endswith("LAST")


def test_refused_chunk(world):
    world.sink.extensions.append("CHUNKING")
    world.sink.reply["BDAT"] = "552 5.3.4 too big"
    domain = world.domain()
    world.send(f"a@{domain}", data="Subject: x\r\n\r\n" + "line of text\r\n" * 50000)
    _, _, recipients, _ = world.bounce()
    assert recipients[0]["Status"] == "5.3.4"
    # The connection is usable again after a RSET.
    world.sink.reply.clear()
    world.send(f"b@{domain}")
    message, = world.sink.wait()
    if message.session.number == 0:
        assert "RSET" in message.session.lines


def test_nobody_wants_the_chunk(world):
    world.sink.extensions.append("CHUNKING")
    world.sink.reply["RCPT"] = "550 5.1.1 no"
    world.send(f"a@{world.domain()}")
    _, _, recipients, _ = world.bounce()
    assert recipients[0]["Status"] == "5.1.1"


def test_dropped_between_chunk_and_answer(world):
    world.sink.extensions.append("CHUNKING")
    world.sink.reply["END"] = lambda s, line: DROP if s.number == 0 else None
    id = world.send(f"a@{world.domain()}")
    world.sink.wait(timeout=30)
    assert "may have been delivered" in str(world.cluster.trace(id))


# ---- 8-bit data for a server that does not accept it ----

def test_down_conversion(world):
    world.sink.extensions.remove("8BITMIME")
    world.sink.extensions.remove("SMTPUTF8")
    domain = world.domain()
    data = ("Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
            "--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
            "Gr\u00fc\u00dfe = x \r\n.dot\r\n--b\r\nContent-Type: text/plain\r\n\r\nplain = x\r\n--b\r\n"
            "Content-Type: application/x; name=y\r\nContent-Transfer-Encoding: binary\r\n\r\n\u00ff\u00fe\r\n--b--\r\n")
    submit(world, [f"a@{domain}"], data.encode(), "BODY=8BITMIME")
    message, = world.sink.wait()
    assert max(message.data) < 0x80
    assert "BODY" not in message.mail and "SIZE" not in message.mail
    first, second, third = email.message_from_bytes(message.data, policy=email.policy.default).get_payload()
    assert first["Content-Transfer-Encoding"] == "quoted-printable"
    assert first.get_content().replace("\r", "") == "Gr\u00fc\u00dfe = x \n.dot"
    assert second.get_payload() == "plain = x"
    assert third["Content-Transfer-Encoding"] == "base64"
    assert third.get_payload(decode=True) == "\u00ff\u00fe".encode()


def test_nothing_to_convert(world):
    world.sink.extensions.remove("8BITMIME")
    submit(world, [f"a@{world.domain()}"], b"From: x@example.test\r\nSubject: x\r\n\r\nplain\r\n", "BODY=8BITMIME")
    message, = world.sink.wait()
    assert message.data.endswith(b"\r\n\r\nplain\r\n") and b"quoted-printable" not in message.data


@pytest.mark.parametrize("data", [
    "Subject: \u00e9\r\n\r\nx\r\n",
    "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\n\u00e9\r\n--b\r\n\r\nx\r\n--b--\r\n"])
def test_what_cannot_be_converted_bounces(world, data):
    world.sink.extensions.remove("8BITMIME")
    submit(world, [f"a@{world.domain()}"], data.encode(), "BODY=8BITMIME")
    _, _, recipients, _ = world.bounce()
    assert recipients[0]["Status"] == "5.6.3"


def test_utf8_address_for_a_server_without_smtputf8(world):
    world.sink.extensions.remove("SMTPUTF8")
    domain = world.domain()
    with smtplib.SMTP("127.0.0.1", world.cluster.port("smtp"), timeout=30) as smtp:
        smtp.ehlo("client.example.net")
        for line in (f"MAIL FROM:<{world.sender}> SMTPUTF8", f"RCPT TO:<j\u00f6rg@{domain}>"):
            smtp.sock.sendall(line.encode() + b"\r\n")
            assert smtp.getreply()[0] == 250
        assert smtp.data(b"Subject: x\r\n\r\nx\r\n")[0] == 250
    report = email.message_from_bytes(world.cluster.wait_mail(world.sender)[0])
    assert "5.6.7" in report.as_string()


def test_message_that_cannot_be_read_waits(world):
    """Whether its header needs SMTPUTF8 is not known then: this is no reason to return it."""
    world.sink.extensions.remove("SMTPUTF8")
    world.sink.reply["GREETING"] = "421 4.3.2 later"
    id = submit(world, [f"a@{world.domain()}"], b"Subject: x\r\n\r\nx\r\n", "BODY=8BITMIME SMTPUTF8")
    wait_for(lambda: world.sink.sessions, what="a first try")
    blobs = world.cluster.dir / "blobs"
    blobs.rename(blobs.with_name("away"))
    try:
        world.cluster.kill("delivery-worker-0")
        del world.sink.reply["GREETING"]
        wait_for(lambda: "postponed" in str(world.cluster.trace(id)), 30, what="its body is missed")
    finally:
        if blobs.exists():
            shutil.rmtree(blobs)
        blobs.with_name("away").rename(blobs)
    world.sink.wait(timeout=60)
    assert not world.cluster.mailbox(world.sender)


# ---- routes ----

def test_equal_preferences_share_the_load(world):
    for i in range(24):
        world.send(f"a@{world.domain((10, '127.0.0.2'), (10, '127.0.0.3'))}")
    wait_for(lambda: len(world.sink.messages) + len(world.second.messages) == 24, 30, what="all delivered")
    assert world.sink.messages and world.second.messages


def test_loop_by_name_among_several(world):
    """Hosts that are no better than ourselves are left out."""
    name = f"loop{next(_numbers)}.remote.test"
    world.dns.add(name, "MX", "5 good.remote.test.", "10 MX.Example.Test.", "10 equal.remote.test.", "20 worse.remote.test.")
    world.dns.set("good.remote.test", "A", "127.0.0.99")
    for host in ("equal", "worse"):
        world.dns.set(f"{host}.remote.test", "A", "127.0.0.2")
    id = world.send(f"a@{name}")
    wait_for(lambda: "deferred" in str(world.cluster.trace(id)), what="deferred")
    assert not world.sink.sessions


def has_ipv6():
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 on loopback")
def test_ipv6_first_then_ipv4(world):
    six = Sink("::1", world.sink.port, name="six.remote.test").start()
    try:
        number = next(_numbers)
        name, host = f"six{number}.remote.test", f"mx{number}.six.remote.test"
        world.dns.add(name, "MX", f"10 {host}.")
        world.dns.set(host, "AAAA", "::1")
        world.dns.set(host, "A", "127.0.0.2")
        world.send(f"a@{name}")
        six.wait()
        world.send("a@[IPv6:::1]")
        six.wait(2)
        six.reset()
        six.reply["GREETING"] = "421 4.3.2 not by this way"
        world.send(f"b@{name}")
        world.sink.wait()
    finally:
        six.stop()


# ---- a relay host with a login ----

@pytest.mark.parametrize("mechanisms", ["SCRAM-SHA-256 PLAIN", "PLAIN LOGIN", "LOGIN"])
def test_login_at_the_relay(world, mechanisms):
    world.tls.extensions.append(f"AUTH {mechanisms}")
    world.tls.users = {"relay-user": "pa,ss=word"}
    world.cluster.settings("smtp-out", relay_host="[127.0.0.4]", relay_user="relay-user", relay_password="pa,ss=word")
    world.send(f"a@{world.domain()}")
    message, = world.tls.wait()
    assert message.session.account == "relay-user" and message.tls
    assert "pa,ss" not in world.cluster.log("delivery-worker-0")


def test_refused_login_waits(world):
    world.tls.extensions.append("AUTH PLAIN")
    world.tls.users = {"relay-user": "right"}
    world.cluster.settings("smtp-out", relay_host="[127.0.0.4]", relay_user="relay-user", relay_password="wrong")
    id = world.send(f"a@{world.domain()}")
    wait_for(lambda: "535 5.7.8" in str(world.cluster.trace(id)), what="refused")
    # Corrected with redis-cli, for mail that is queued already.
    world.cluster.settings("smtp-out", relay_password="right")
    world.cluster.tool("queue", "retry", id)
    world.tls.wait(timeout=60)
    assert not world.cluster.mailbox(world.sender)


def test_password_is_not_listed(world):
    world.cluster.settings("smtp-out", relay_password="hidden-one")
    listed = world.cluster.tool("settings", "list", "smtp-out").stdout
    assert "hidden-one" not in listed and "relay_password=(secret)" in listed


def test_settings_apply_to_what_is_queued(world):
    world.cluster.settings("smtp-out", relay_host="[127.0.0.99]")
    id = world.send(f"a@{world.domain()}")
    wait_for(lambda: "deferred" in str(world.cluster.trace(id)), what="deferred")
    world.cluster.settings("smtp-out", relay_host="[127.0.0.3]")
    world.cluster.tool("queue", "retry", id)
    world.second.wait(timeout=60)


def test_client_certificate(world, authority):
    file = authority.both("client.example.test")
    world.tls.use_certificate(*authority.issue("tls.remote.test"), client_ca=authority.file)
    world.cluster.settings("smtp-out", client_certificate=str(file))
    world.send(f"a@{world.domain((10, '127.0.0.4'))}")
    message, = world.tls.wait()
    assert ("commonName", "client.example.test") in message.session.client_certificate["subject"][0]


# ---- REQUIRETLS ----

def test_requiretls_is_offered_over_tls_only(world):
    with smtplib.SMTP("127.0.0.1", world.cluster.port("smtp"), timeout=30) as smtp:
        smtp.ehlo("x")
        assert not smtp.has_extn("requiretls")
        assert smtp.docmd(f"MAIL FROM:<{world.sender}> REQUIRETLS")[0] == 555
        smtp.starttls()
        smtp.ehlo("x")
        assert smtp.has_extn("requiretls")
        assert smtp.docmd(f"MAIL FROM:<{world.sender}> REQUIRETLS")[0] == 250


def require_tls(world, recipient):
    return submit(world, [recipient], f"From: {world.sender}\r\nSubject: x\r\n\r\nbody\r\n", "REQUIRETLS RET=FULL", tls=True)


def test_requiretls_by_a_relay(world, authority):
    world.tls.use_certificate(*authority.issue("relay.remote.test"))
    world.tls.extensions.append("REQUIRETLS")
    world.dns.set("relay.remote.test", "A", "127.0.0.4")
    world.cluster.settings("smtp-out", relay_host="relay.remote.test")
    require_tls(world, f"a@{world.domain()}")
    message, = world.tls.wait()
    assert message.tls and "REQUIRETLS" in message.mail


@pytest.mark.parametrize("case", ["no TLS", "bad certificate", "not offered"])
def test_requiretls_bounces(world, authority, case):
    host = "127.0.0.2" if case == "no TLS" else "127.0.0.4"
    world.dns.set("relay.remote.test", "A", host)
    world.cluster.settings("smtp-out", relay_host="relay.remote.test")
    if case == "not offered":
        world.tls.use_certificate(*authority.issue("relay.remote.test"))
    else:
        world.tls.extensions.append("REQUIRETLS")
    require_tls(world, f"a@{world.domain()}")
    _, _, recipients, original = world.bounce()
    assert recipients[0]["Status"] == ("5.7.30" if case == "not offered" else "5.7.10")
    assert "body" not in original.as_string()  # whatever RET says
    assert not world.tls.messages and not world.sink.messages


# ---- broken servers ----

def test_reply_of_a_thousand_lines(world):
    long = "".join(f"250-2.1.5 line {i} of many\r\n" for i in range(999)) + "250 2.1.5 ok"
    world.sink.reply.update({"RCPT": long, "GREETING": long.replace("250", "220"), "END": long})
    world.send(f"a@{world.domain()}")
    world.sink.wait()


def test_refusal_of_a_thousand_lines(world):
    world.sink.reply["RCPT"] = "".join(f"550-5.1.1 line {i}\r\n" for i in range(999)) + "550 5.1.1 no"
    world.send(f"a@{world.domain()}")
    _, _, recipients, _ = world.bounce()
    assert recipients[0]["Diagnostic-Code"].startswith("smtp; 550 5.1.1 line 0 line 1")
    assert 4000 < len(recipients[0]["Diagnostic-Code"]) < 4400
    assert max(map(len, recipients[0]["Diagnostic-Code"].splitlines())) < 80


GMAIL = (
    "550-5.7.26 Your email has been blocked because the sender is unauthenticated.\r\n"
    "550-5.7.26 Gmail requires all senders to authenticate with either SPF or DKIM.\r\n"
    "550-5.7.26\r\n550-5.7.26  Authentication results:\r\n550-5.7.26  DKIM = did not pass\r\n"
    "550-5.7.26  SPF [example.test] with ip: [192.0.2.1] = did not pass\r\n550-5.7.26\r\n"
    "550-5.7.26  For instructions on setting up authentication, go to\r\n"
    "550 5.7.26  https://support.google.com/mail/answer/81126#authentication a640c23a62f3a-1 - gsmtp")


@pytest.mark.parametrize("step", ["RCPT", "END"])
def test_all_lines_of_a_refusal_are_told(world, step):
    world.sink.reply[step] = GMAIL
    id = world.send(f"a@{world.domain()}", f"b@{world.domain((10, '127.0.0.2'))}")
    message, _, recipients, _ = world.bounce()
    link = "https://support.google.com/mail/answer/81126#authentication a640c23a62f3a-1 - gsmtp"
    said = " ".join(recipients[0]["Diagnostic-Code"].split())
    assert said.startswith("smtp; 550 5.7.26 Your email has been blocked because the sender is unauthenticated. Gmail")
    assert said.endswith("authentication, go to " + link)
    words = message.get_payload(0).get_payload()
    assert link in " ".join(words.split()) and max(map(len, words.splitlines())) < 100
    assert link in str(world.cluster.trace(id)["events"])
    assert link in world.cluster.tool("events", "--since", "1h").stdout


def test_all_lines_of_a_greeting_are_told(world):
    world.sink.reply["GREETING"] = GMAIL.replace("550", "421").replace("5.7.26", "4.7.26")
    id = world.send(f"a@{world.domain()}")
    wait_for(lambda: world.cluster.trace(id)["recipients"][0].get("answer"))
    assert "answer/81126#authentication" in world.cluster.trace(id)["recipients"][0]["answer"]
    assert "answer/81126#authentication" in world.cluster.tool("queue", "show", id).stdout


def test_endless_reply_is_given_up(world):
    world.sink.reply["MAIL"] = lambda s, line: "".join(f"250-{i}\r\n" for i in range(20000)) + "250 x" if s.number == 0 else None
    world.send(f"a@{world.domain((10, '127.0.0.2'), (20, '127.0.0.3'))}")
    world.second.wait(timeout=30)


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA", "END"])
def test_421_in_mid_session(world, step):
    world.sink.reply[step] = lambda s, line: "421 4.3.2 going down" if s.number == 0 else None
    id = world.send(f"a@{world.domain()}")
    world.sink.wait(timeout=60)
    assert "421" in str(world.cluster.trace(id)) or len(world.sink.sessions) > 1


def test_slow_server_keeps_its_job(world):
    """Slower than the job's lease: renewed, not duplicated."""
    world.cluster.settings("spool", job_lease="2s")
    world.sink.delay["END"] = 6
    world.send(f"a@{world.domain()}")
    world.sink.wait(timeout=30)
    time.sleep(3)
    assert len(world.sink.messages) == 1 and len(world.sink.sessions) == 1


def test_starttls_stripped(world):
    """A middle-box overwrites the offer: without a policy mail is sent without TLS."""
    world.tls.reply["EHLO"] = "250-tls.remote.test\r\n250-PIPELINING\r\n250 XXXXXXXA"
    world.send(f"a@{world.domain((10, '127.0.0.4'))}")
    message, = world.tls.wait()
    assert not message.tls


def test_speaks_in_the_clear_behind_starttls(world):
    """Data injected before the handshake is never accepted as the server's."""
    world.tls.reply["STARTTLS"] = "220 go ahead\r\n250 2.0.0 injected"
    world.send(f"a@{world.domain((10, '127.0.0.4'))}")
    message, = world.tls.wait(timeout=30)
    assert not message.tls


def test_greylisting_by_many(world):
    world.sink.reply["RCPT"] = greylisting(2)
    domain = world.domain()
    for i in range(10):
        world.send(f"r{i}@{domain}")
    world.sink.wait(10, timeout=60)
    assert sorted(r for m in world.sink.messages for r in m.rcpts) == sorted(f"<r{i}@{domain}>" for i in range(10))


# ---- a relay host with a mistake in it ----

@pytest.mark.parametrize("relay", ["127.0.0.2:{}", "[127.0.0.2]:{}", "sink.relay.test:{}"])
def test_relay_host_with_a_port(world, relay):
    world.dns.add("sink.relay.test", "A", "127.0.0.2")
    world.cluster.settings("smtp-out", port=1, relay_host=relay.format(world.sink.port))
    world.send(f"a@{world.domain((10, '127.0.0.3'))}")
    world.sink.wait()
    assert not world.second.sessions


def test_relay_host_without_an_address_is_our_trouble(world):
    """Nothing is returned: mail waits until the setting is corrected."""
    world.cluster.settings("smtp-out", relay_host="nowhere.relay.test")
    id = world.send(f"a@{world.domain()}")
    wait_for(lambda: world.cluster.trace(id)["recipients"][0].get("answer"))
    recipient, = world.cluster.trace(id)["recipients"]
    assert recipient["state"] == "deferred" and recipient["code"] == "4.3.5", recipient
    assert "nowhere.relay.test" in recipient["answer"] and "smtp-out.relay_host" in recipient["answer"]
    world.cluster.unset("smtp-out", "relay_host")
    world.cluster.tool("queue", "retry", "--all")
    world.sink.wait(timeout=60)


@pytest.mark.parametrize("value", ["smtp://relay.test", "relay.test:", "relay.test:99999", "192.0.2.300", "a b", "[::1"])
def test_bad_relay_host_is_refused(world, value):
    refused = world.cluster.tool("settings", "set", f"smtp-out.relay_host={value}", check=False)
    assert refused.returncode == 1 and "host[:port]" in refused.stderr
