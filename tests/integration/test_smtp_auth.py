"""SMTP in: TLS and AUTH, and what only a user may do."""

import os
import smtplib
import subprocess

import pytest

from smtp_client import SmtpByOpenssl
from smtp_in import MESSAGE, cluster, connect, proxied  # noqa: F401 (fixtures)


# ---- TLS and AUTH ----

def test_starttls(cluster, address):
    with smtplib.SMTP("127.0.0.1", cluster.port("submission"), timeout=20) as smtp:
        smtp.starttls()
        assert not smtp.has_extn("starttls")  # smtplib sends EHLO again
        smtp.login(address, "secret")
        smtp.sendmail(address, [address], MESSAGE)
    [stored] = cluster.wait_mail(address)
    assert b"with ESMTPSA\r\n\t(TLSv1.3 " in stored


def test_starttls_forgets_and_takes_no_plain_bytes(cluster):
    with connect(cluster) as c:
        c.send(b"STARTTLS\r\nNOOP\r\nMAIL FROM:<evil@b.example>\r\n")
        assert c.reply()[0] == 220
        assert c.data == b""
        c.start_tls()
        c.expect(503, "MAIL FROM:<a@b.example>")
        c.ehlo()
        c.expect(503, "STARTTLS")
        c.expect(250, "MAIL FROM:<a@b.example>")


def test_openssl_s_client(cluster):
    result = subprocess.run(["openssl", "s_client", "-quiet", "-crlf", "-starttls", "smtp", "-connect",
                             f"127.0.0.1:{cluster.port('smtp')}"], input=b"EHLO x\nQUIT\n", capture_output=True,
                            timeout=20)
    assert b"250 HELP" in result.stdout and b"221 2.0.0" in result.stdout


def test_garbage_instead_of_a_handshake(cluster):
    with connect(cluster) as c:
        c.expect(220, "STARTTLS")
        c.send(os.urandom(1000))
        assert c.is_closed()
    connect(cluster).expect(250, "NOOP")


@pytest.mark.parametrize("name", ["submission", "submissions", "smtp"])
@pytest.mark.parametrize("mechanism", ["plain", "login", "scram"])
def test_auth(cluster, address, name, mechanism):
    with connect(cluster, name) as c:
        code, text = getattr(c, mechanism)(address)
        assert (code, text[:5]) == (235, "2.7.0"), text
        c.expect(503, "AUTH PLAIN")
        c.expect(250, f"MAIL FROM:<{address}>")
        c.expect(250, "RCPT TO:<someone@remote.example>")
        c.expect(503, "AUTH LOGIN")


def test_channel_binding(cluster, address):
    cluster.settings("auth", failure_delay=0)

    def scram_plus(c, binding):
        return c.scram(address, mechanism="SCRAM-SHA-256-PLUS", binding=binding)

    with SmtpByOpenssl(cluster.port("submissions")) as c:
        assert c.reply()[0] == 220
        c.ehlo()
        assert scram_plus(c, bytes(32))[0] == 535
        assert scram_plus(c, c.binding)[0] == 235
    with connect(cluster, "submission") as c:
        assert scram_plus(c, bytes(32))[0] == 504


@pytest.mark.parametrize("mechanism", ["plain", "login", "scram"])
def test_auth_fails(cluster, address, mechanism):
    cluster.settings("auth", failure_delay=0)
    with connect(cluster, "submission") as c:
        assert getattr(c, mechanism)(address, "wrong")[0] == 535
        assert getattr(c, mechanism)("nobody@example.test", "secret")[0] == 535
        assert getattr(c, mechanism)(address)[0] == 235


def test_auth_bad_input(cluster):
    with connect(cluster, "submission") as c:
        c.expect(504, "AUTH NOSUCH")
        c.expect(501, "AUTH PLAIN !!!")
        c.expect(334, "AUTH PLAIN")
        c.expect(501, "*")
        c.expect(334, "AUTH LOGIN")
        c.expect(501, "not base64")
        c.expect(334, "AUTH PLAIN")
        c.expect(500, "x" * 13000)
        c.expect(250, "NOOP")


def test_submission_needs_auth(cluster, address):
    for name in ("submission", "submissions"):
        with connect(cluster, name) as c:
            assert c.cmd(f"MAIL FROM:<{address}>") == (530, "5.7.0 Authentication required")


def test_submission_is_completed(cluster, address):
    with connect(cluster, "submission") as c:
        c.plain(address)
        c.mail(address, b"From: x@example.test\r\nSubject: x\r\n\r\nDate: no header\r\n", sender=address)
    [stored] = cluster.wait_mail(address)
    header = stored.partition(b"\r\n\r\n")[0]
    assert header.count(b"\r\nDate: ") == 1 and header.count(b"\r\nMessage-ID: <") == 1
    with connect(cluster) as c:
        c.mail(address, b"Subject: x\r\n\r\nx\r\n")
    stored = cluster.wait_mail(address, 2)[1]
    assert b"Message-ID" not in stored


def test_no_auth_in_the_clear(cluster, address):
    cluster.settings("smtp-in", proxy_protocol_from="127.0.0.0/8")
    with proxied(cluster) as c:
        assert "AUTH" not in c.extensions
        assert c.plain(address)[0] == 538
        c.expect(220, "STARTTLS")
        c.start_tls()
        assert "AUTH" in c.ehlo()
        assert c.plain(address)[0] == 235
    cluster.settings("smtp-in", allow_insecure_auth="on")
    with proxied(cluster) as c:
        assert "AUTH" in c.extensions
        assert c.plain(address)[0] == 235
