"""SMTP in: every command, every row of settings:smtp-in, limits and bad input."""

import os
import random
import re
import shutil
import smtplib
import socket
import struct
import subprocess
import time

import pytest

from cluster import SANITISED, wait_for
from smtp_client import Smtp, SmtpByOpenssl

MESSAGE = b"From: Sender <sender@remote.example>\r\nTo: you@example.test\r\nSubject: hello\r\n\r\nThe body.\r\n"


@pytest.fixture
def cluster(cluster):
    """Failed logins of one test must not slow down the next."""
    yield cluster
    for key in cluster.redis.scan_iter("auth:fail:*"):
        cluster.redis.delete(key)


def connect(cluster, name="smtp", frontend=0, **kwargs):
    kwargs.setdefault("ehlo", True)
    return Smtp(cluster.port(name, frontend), tls=name == "submissions", **kwargs)


def both(cluster):
    """A session with each of the two frontends."""
    return [connect(cluster, frontend=i) for i in (0, 1)]


def proxied(cluster, address="192.0.2.7", **kwargs):
    """A client from elsewhere, through a local load balancer."""
    first = f"PROXY TCP4 {address} 192.0.2.1 4000 25\r\n".encode()
    return connect(cluster, first=first, **kwargs)


# ---- Greeting and EHLO ----

def test_ehlo_offers(cluster):
    with connect(cluster) as c:
        assert c.greeting[1] == "mx.example.test ESMTP"
        assert set(c.extensions) >= {"PIPELINING", "SIZE", "8BITMIME", "SMTPUTF8", "CHUNKING", "DSN",
                                     "ENHANCEDSTATUSCODES", "STARTTLS", "AUTH", "HELP", "LIMITS"}
        assert c.extensions["AUTH"].split() == ["PLAIN", "LOGIN", "SCRAM-SHA-256"]
        assert c.extensions["LIMITS"] == "RCPTMAX=1000"
        assert "VRFY" not in c.extensions and "EXPN" not in c.extensions


def test_ehlo_under_tls(cluster):
    with connect(cluster, "submissions") as c:
        assert "STARTTLS" not in c.extensions
        assert "SCRAM-SHA-256-PLUS" in c.extensions["AUTH"]


def test_banner(cluster):
    cluster.settings("smtp-in", banner="#HostName# for #ConnectedIP# at #UnixTime#")
    for c in both(cluster):
        host, _, peer, _, now = c.greeting[1].split(" ")
        assert (host, peer) == ("mx.example.test", "127.0.0.1")
        assert abs(int(now) - time.time()) < 5


@pytest.mark.parametrize("line,code", [
    ("HELO client.example", 250), ("HELO", 501), ("HELO a b", 501), ("EHLO", 501), ("EHLO [192.0.2.1]", 250),
    ("EHLO [IPv6:2001:db8::1]", 250), ("EHLO " + "x" * 300, 501), ("ehlo client", 250), ("NOOP", 250),
    ("noop whatever it is", 250), ("RSET", 250), ("RSET x", 501), ("HELP", 214), ("HELP MAIL", 214),
    ("HELP NOSUCH", 214), ("VRFY bob", 252), ("EXPN list", 502), ("VRFY", 501), ("MAIL FROM:<a@b.example>", 503),
    ("RCPT TO:<a@b.example>", 503), ("DATA", 503), ("STARTTLS", 503), ("AUTH PLAIN", 503), ("FOO", 500), ("", 500),
    (" NOOP", 500), ("ETRN x", 502), ("TURN", 502), ("SEND FROM:<a@b>", 502), ("QUIT now", 501), ("BDAT x", 501),
    ("BDAT -1", 501), ("BDAT 0 LAST", 503), ("NOOP\n", 500), ("NOOP\rRSET", 500), (b"NOOP\0", 500), (b"\xff\xfe", 500),
    ("NOOP " + "x" * 505, 250), ("NOOP " + "x" * 506, 500), ("x" * 20000, 500), ("MAIL FROM:<" + "x" * 3000 + ">", 500),
])
def test_before_hello(cluster, line, code):
    with connect(cluster, ehlo=False) as c:
        c.expect(code, line)
        c.expect(250, "NOOP")


@pytest.mark.parametrize("line,code", [
    ("MAIL FROM:<>", 250), ("MAIL FROM:<a@b.example>", 250), ("mail from:<a@b.example>", 250),
    ("MAIL FROM: <a@b.example>", 250), ("MAIL FROM:<@x.example,@y.example:a@b.example>", 250),
    ('MAIL FROM:<"a b"@b.example>', 250), ("MAIL FROM:<a@[192.0.2.1]>", 250), ("MAIL FROM:<a@[IPv6:2001:db8::1]>", 250),
    ("MAIL FROM:<postmaster>", 250), ("MAIL FROM:<a@b.example> SIZE=1000 BODY=8BITMIME", 250),
    ("MAIL FROM:<a@b.example> RET=HDRS ENVID=QQ+2B314159", 250), ("MAIL FROM:<a@b.example> AUTH=<>", 250),
    ("MAIL FROM:<a@b.example> SMTPUTF8", 250), ("MAIL", 501), ("MAIL a@b.example", 501), ("MAIL FROM:a@b.example", 501),
    ("MAIL FROM:<a@b", 501), ("MAIL FROM:<a@@b.example>", 501), ("MAIL FROM:<a b@c.example>", 501),
    ("MAIL FROM:<a@b.example>SIZE=1", 501), ("MAIL FROM:<a@b.example> SIZE=x", 501),
    ("MAIL FROM:<a@b.example> SIZE=1 SIZE=1", 501), ("MAIL FROM:<a@b.example> BODY=BINARYMIME", 501),
    ("MAIL FROM:<a@b.example> RET=SOME", 501), ("MAIL FROM:<a@b.example> FOO=BAR", 555),
    ("MAIL FROM:<a@b.example> NOTIFY=NEVER", 555), ("MAIL FROM:<jü@b.example>", 553),
    ("MAIL FROM:<jü@bücher.example> SMTPUTF8", 250), ("MAIL FROM:<" + "a" * 65 + "@b.example>", 501),
    ("MAIL FROM:<a@" + "b" * 64 + ".example>", 501), ("RCPT TO:<a@b.example>", 503), ("DATA", 503),
])
def test_mail(cluster, line, code):
    with connect(cluster) as c:
        c.expect(code, line)
        c.expect(250, "RSET")


def test_rcpt(cluster, address):
    domain = address.split("@")[1]
    cases = [
        (f"RCPT TO:<{address}>", 250), (f"rcpt to:<{address.upper()}>", 250), (f"RCPT TO: <{address}>", 250),
        (f'RCPT TO:<"{address.split("@")[0]}"@{domain}>', 250), (f"RCPT TO:<@relay.example:{address}>", 250),
        (f"RCPT TO:<{address}> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;x@y.example", 250),
        (f"RCPT TO:<{address}> NOTIFY=NEVER,DELAY", 501), (f"RCPT TO:<{address}> NOTIFY=NEVER NOTIFY=NEVER", 501),
        (f"RCPT TO:<{address}> ORCPT=rfc822", 501), (f"RCPT TO:<{address}> SIZE=1", 555),
        (f"RCPT TO:<{address.replace('@', '+tag@')}>", 250),
        ("RCPT TO:<nobody@example.test>", 550), ("RCPT TO:<x@remote.example>", 550), ("RCPT TO:<>", 501),
        ("RCPT TO:<a@b@c>", 501), ("RCPT", 501), ("RCPT <x@y>", 501), ("RCPT TO:<x@[192.0.2.1]>", 550),
        ("RCPT TO:<jü@example.test>", 553),
    ]
    with connect(cluster) as c:
        c.expect(250, "MAIL FROM:<a@b.example>")
        for line, code in cases:
            c.expect(code, line)


def test_enhanced_codes(cluster, address):
    with connect(cluster) as c:
        assert c.cmd("MAIL FROM:<a@b.example>")[1].startswith("2.1.0 ")
        assert c.cmd("RCPT TO:<nobody@example.test>")[1].startswith("5.1.1 ")
        assert c.cmd("RCPT TO:<x@remote.example>")[1].startswith("5.7.1 ")
        assert c.cmd("DATA") [1].startswith("5.5.1 ")
        assert c.cmd(f"RCPT TO:<{address}>")[1].startswith("2.1.5 ")
        assert c.cmd("MAIL FROM:<a@b.example>")[1].startswith("5.5.1 ")


def test_data_without_recipients(cluster):
    with connect(cluster) as c:
        c.expect(250, "MAIL FROM:<a@b.example>")
        c.expect(554, "DATA")
        c.expect(550, "RCPT TO:<nobody@example.test>")
        c.expect(554, "DATA")


def test_postmaster_and_own_literal(cluster, address):
    local = address.split("@")[0]
    cluster.tool("alias", "add", f"postmaster@{address.split('@')[1]}", address, check=False)
    with connect(cluster) as c:
        c.expect(250, "MAIL FROM:<a@b.example>")
        c.expect(250, "RCPT TO:<Postmaster>")
        c.expect(250, f"RCPT TO:<{local}@[127.0.0.1]>")
        c.expect(550, "RCPT TO:<nobody@[127.0.0.1]>")


def test_disabled_account(cluster, address):
    cluster.tool("user", "set", address, "enabled=off")
    with connect(cluster) as c:
        c.expect(250, "MAIL FROM:<a@b.example>")
        assert wait_for(lambda: "5.2.1" in c.cmd(f"RCPT TO:<{address}>")[1], 3)


# ---- A message in transit ----

def test_message_as_it_was_sent(cluster, address):
    body = (b"From: a@b.example\r\nSubject: dots\r\n\r\n.\r\n..\r\n.x\r\n" + (b"y" * 998 + b"\r\n") * 5 + b"\tend \r\n\r\n")
    stuffed = b"".join(b"." + line if line.startswith(b".") else line for line in body.splitlines(True))
    with connect(cluster) as c:
        id = c.mail(address, stuffed)
        assert re.fullmatch("[0-9a-hjkmnp-tv-z]{20}", id)
    [stored] = cluster.wait_mail(address)
    lines = stored.split(b"\r\n")
    assert lines[0] == b"Return-Path: <sender@remote.example>"
    assert lines[1] == b"Received: from client.example.net ([127.0.0.1])"
    received = b" ".join(lines[1:5])
    assert b"with ESMTP" in received and id.encode() in received and f"for <{address}>".encode() in received
    assert stored.endswith(body)
    assert b"\r\n".join(lines[:6]).count(b"Received:") == 1
    assert stored[-len(body) - 2:-len(body)] == b"\r\n"


def test_smtplib_and_both_frontends(cluster, address):
    for frontend in (0, 1):
        with smtplib.SMTP("127.0.0.1", cluster.port("smtp", frontend), timeout=20) as smtp:
            assert smtp.sendmail("a@b.example", [address], f"Subject: {frontend}\r\n\r\nhello\r\n") == {}
    assert len(cluster.wait_mail(address, 2)) == 2


def test_several_messages_and_recipients(cluster):
    users = [cluster.add_user(f"many{i}-{os.getpid()}@example.test") for i in range(3)]
    with connect(cluster) as c:
        for i in range(3):
            c.mail(users, b"Subject: %d\r\n\r\nx\r\n" % i)
    for user in users:
        messages = cluster.wait_mail(user, 3)
        assert len(messages) == 3
        assert not any(b"for <" in m for m in messages)  # with several recipients none is named


def test_recipient_named_twice_gets_one(cluster, address):
    with connect(cluster) as c:
        c.mail([address, address], MESSAGE)
    time.sleep(1)
    assert len(cluster.wait_mail(address)) == 1


def test_bare_text_does_not_join_our_lines(cluster, address):
    with connect(cluster) as c:
        c.mail(address, b" folded?\r\nhello\r\n")
    [stored] = cluster.wait_mail(address)
    assert stored.endswith(b"\r\n\r\n folded?\r\nhello\r\n")


MBOX = b"From bob@example.test  Mon Nov 30 10:00:00 2026\r\n"


@pytest.mark.parametrize("first", [MBOX, b">" + MBOX, b">" + MBOX + MBOX], ids=["From", ">From", "both"])
def test_mbox_line_in_front_is_left_out(cluster, address, first):
    with connect(cluster) as c:
        c.mail(address, first + MESSAGE)
    with connect(cluster) as c:  # byte by byte
        c.expect(250, "MAIL FROM:<a@remote.example>")
        c.expect(250, f"RCPT TO:<{address}>")
        c.expect(354, "DATA")
        for byte in first + MESSAGE + b".\r\n":
            c.send(bytes([byte]))
        assert c.reply()[0] == 250
    with connect(cluster, "submission") as c:
        c.plain(address)
        c.mail(address, first + MESSAGE, sender=address)
    for stored in cluster.wait_mail(address, 3):
        header, _, body = stored.partition(b"\r\n\r\n")
        assert body == b"The body.\r\n" and b"\r\nSubject: hello" in header and b"\r\nReceived: " in header
        assert MBOX not in stored


@pytest.mark.parametrize("text", [b"From now on: nothing\r\nis as it was\r\n", b"From here\r\n\r\nto there\r\n", b"From here\r\n"])
def test_text_that_begins_with_from_stays(cluster, address, text):
    with connect(cluster) as c:
        c.mail(address, text)
    [stored] = cluster.wait_mail(address)
    assert stored.endswith(b"\r\n\r\n" + text)


def test_nul(cluster, address):
    """Outgoing mail must not contain one: it is stored as a space."""
    text = b"\0Subject: a\0b\r\n\0\r\n.\0\r\n" + b"x\0" * 70000 + b"\r\n"
    with connect(cluster) as c:
        c.mail(address, b"Subject: x\r\n\r\n" + text.replace(b"\r\n.", b"\r\n.."))
    with connect(cluster) as c:
        c.expect(250, "MAIL FROM:<a@remote.example>")
        c.expect(250, f"RCPT TO:<{address}>")
        data = b"Subject: x\r\n\r\n" + text
        c.send(b"BDAT %d LAST\r\n" % len(data) + data)
        assert c.reply()[0] == 250
    for stored in cluster.wait_mail(address, 2):
        assert stored.endswith(b"\r\n\r\n" + text.replace(b"\0", b" "))


def test_empty_message(cluster, address):
    with connect(cluster) as c:
        c.mail(address, b"", sender="")
    [stored] = cluster.wait_mail(address)
    assert stored.startswith(b"Return-Path: <>\r\nReceived: ")


def test_eight_bit_and_utf8(cluster, address):
    body = "Subject: grüße\r\n\r\nПривет\r\n".encode() + b"\xff\xfe\r\n"
    with connect(cluster) as c:
        c.expect(250, "MAIL FROM:<jürgen@bücher.example> SMTPUTF8 BODY=8BITMIME")
        c.expect(250, f"RCPT TO:<{address}>")
        c.expect(354, "DATA")
        c.send(body + b".\r\n")
        assert c.reply()[0] == 250
    [stored] = cluster.wait_mail(address)
    assert stored.startswith("Return-Path: <jürgen@xn--bcher-kva.example>\r\n".encode())
    assert b"with UTF8SMTP" in stored and stored.endswith(body)


def test_dropped_connection_leaves_nothing(cluster, address):
    for last in (b"", MESSAGE, MESSAGE + b".", MESSAGE + b".\r"):
        with connect(cluster) as c:
            c.expect(250, "MAIL FROM:<a@b.example>")
            c.expect(250, f"RCPT TO:<{address}>")
            c.expect(354, "DATA")
            c.send(last)
    time.sleep(0.7)
    assert cluster.mailbox(address) == []


# ---- Pipelining and slow senders ----

GROUP = b"EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<nobody@example.test>\r\nRCPT TO:<%s>\r\nDATA\r\n"


def test_pipelining(cluster, address):
    with connect(cluster, ehlo=False) as c:
        c.send(GROUP % address.encode())
        assert [c.reply()[0] for _ in range(5)] == [250, 250, 550, 250, 354]
        c.send(MESSAGE + b".\r\nMAIL FROM:<>\r\nRSET\r\nNOOP\r\nQUIT\r\nNOOP\r\n")
        assert [c.reply()[0] for _ in range(5)] == [250, 250, 250, 250, 221]
        assert c.is_closed() and c.data == b""
    assert len(cluster.wait_mail(address)) == 1


def test_byte_by_byte(cluster, address):
    session = GROUP % address.encode() + MESSAGE + b".\r\n" + b"QUIT\r\n"
    with connect(cluster, ehlo=False) as c:
        for i in range(len(session)):
            c.send(session[i:i + 1])
            if i % 16 == 0:
                time.sleep(0.001)
        assert [c.reply()[0] for _ in range(7)] == [250, 250, 550, 250, 354, 250, 221]


# ---- Smuggling ----

@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\n.\r",
                                 b"\r\n\x00.\r\n", b"\r\n.\x00\r\n", b"\r\n. \r\n", b"\r\n.\r\r\n"])
def test_only_crlf_dot_crlf_ends_data(cluster, address, end):
    smuggled = b"MAIL FROM:<evil@b.example>\r\nRCPT TO:<" + address.encode() + b">\r\nDATA\r\nevil\r\n"
    with connect(cluster) as c:
        c.expect(250, "MAIL FROM:<a@b.example>")
        c.expect(250, f"RCPT TO:<{address}>")
        c.expect(354, "DATA")
        c.send(b"Subject: x\r\n\r\nfirst" + end + smuggled + b".\r\nNOOP\r\n")
        assert c.reply()[0] == 250
        assert c.reply() == (250, "2.0.0 Ok")
    [stored] = cluster.wait_mail(address)
    assert b"MAIL FROM:<evil@b.example>\r\n" in stored
    assert re.search(rb"[^\r]\n|\r[^\n]", stored) is None


# ---- BDAT ----

def test_bdat(cluster, address):
    with connect(cluster) as c:
        c.expect(250, "MAIL FROM:<a@b.example>")
        c.expect(250, f"RCPT TO:<{address}>")
        c.send(b"BDAT 14\r\nSubject: x\r\n\r\nBDAT 0\r\nBDAT 3\r\n.\r\nDATA\r\nRCPT TO:<x@y.example>\r\n")
        assert [c.reply()[0] for _ in range(5)] == [250, 250, 250, 503, 503]
        c.send(b"BDAT 9 LAST\r\n.\r\nQUIT\r\nNOOP\r\n")
        assert [c.reply()[0] for _ in range(2)] == [250, 250]
    [stored] = cluster.wait_mail(address)
    assert stored.endswith(b"\r\nSubject: x\r\n\r\n.\r\n.\r\nQUIT\r\n")


def test_bdat_refused(cluster, address):
    cluster.settings("smtp-in", max_message_size=1000)
    with connect(cluster) as c:
        c.send(b"BDAT 6\r\nQUIT\r\nNOOP\r\n")
        assert [c.reply()[0] for _ in range(2)] == [503, 250]
        c.expect(250, "MAIL FROM:<a@b.example>")
        c.send(b"BDAT 6 LAST\r\nQUIT\r\n")
        assert c.reply()[0] == 554
        c.expect(250, f"RCPT TO:<{address}>")
        c.send(b"BDAT 900\r\n" + b"x" * 900 + b"BDAT 200\r\n" + b"y" * 200 + b"BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n")
        assert [c.reply()[0] for _ in range(4)] == [250, 552, 503, 250]


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


# ---- Settings, row by row, on both frontends ----

def test_proxy_protocol(cluster, address):
    cluster.settings("smtp-in", proxy_protocol_from="127.0.0.1", banner="#ConnectedIP#")
    for frontend in (0, 1):
        with proxied(cluster, frontend=frontend) as c:
            assert c.greeting[1] == "192.0.2.7"
            c.mail(address, MESSAGE)
    assert b"([192.0.2.7])" in cluster.wait_mail(address, 2)[0]


def relays(c, sender="a@b.example"):
    c.expect(250, f"MAIL FROM:<{sender}>")
    code = c.cmd("RCPT TO:<someone@remote.example>")[0]
    c.expect(250, "RSET")
    assert code in (250, 550)
    return code == 250


def test_allow_relay(cluster, address):
    sessions = both(cluster)
    wanted = {"nobody": (False, False, False), "local_users": (False, False, True),
              "local_domains": (False, True, True), "anyone": (True, True, True)}
    senders = ("a@b.example", "nobody@example.test", address)
    for mode, expected in wanted.items():
        cluster.settings("smtp-in", allow_relay=mode)
        for c in sessions:
            assert tuple(relays(c, s) for s in senders) == expected, mode
            assert relays(c, "") == (mode == "anyone")


def test_relay_whitelist(cluster):
    sessions = both(cluster)
    cluster.settings("smtp-in", relay_whitelist="192.0.2.0/24")
    assert not any(relays(c) for c in sessions)
    cluster.settings("smtp-in", relay_whitelist="192.0.2.0/24, 127.0.0.0/8 2001:db8::/32")
    assert all(relays(c) for c in sessions)


def test_allow_relay_for_authenticated(cluster, address):
    sessions = [connect(cluster, "submission", i) for i in (0, 1)]
    assert all(c.plain(address)[0] == 235 for c in sessions)
    assert all(relays(c, address) for c in sessions)
    cluster.settings("smtp-in", allow_relay_for_authenticated="off")
    assert not any(relays(c, address) for c in sessions)


def test_require_auth_match(cluster, address):
    other = cluster.add_user(f"other-{address}")
    tagged = address.replace("@", "+tag@")
    sessions = [connect(cluster, "submission", i) for i in (0, 1)]
    assert all(c.plain(address)[0] == 235 for c in sessions)

    def sends(c, sender, header):
        code, text = c.cmd(f"MAIL FROM:<{sender}>")
        if code != 250:
            assert code == 550 and text.startswith("5.7.1"), text
            return False
        c.expect(250, f"RCPT TO:<{address}>")
        c.expect(354, "DATA")
        c.send(f"From: {header}\r\nSubject: x\r\n\r\nx\r\n.\r\n")
        code, text = c.reply()
        assert code == 250 or text.startswith("5.7.1"), text
        return code == 250

    cases = [  # sender, From:, none, domain, email
        (address, f"Me <{address}>", 1, 1, 1), (tagged, f"Me\r\n <{tagged}>", 1, 1, 1), ("", address, 1, 1, 1),
        (other, address, 1, 1, 0), (address, f"{address}, {other}", 1, 1, 0), (address, other.upper(), 1, 1, 0),
        ("a@b.example", address, 1, 0, 0), (address, "Boss <boss@b.example>", 1, 0, 0),
        (address, f"{address}\r\nFrom: boss@b.example", 1, 0, 0), (address, "no address", 1, 0, 0),
    ]
    for column, mode in enumerate(("none", "domain", "email")):
        cluster.settings("smtp-in", require_auth_match=mode)
        for c in sessions:
            for case in cases:
                assert sends(c, case[0], case[1]) == bool(case[2 + column]), (mode, case)


def test_require_auth_for_local_delivery(cluster, address):
    sessions = both(cluster)

    def takes(c, sender):
        c.expect(250, f"MAIL FROM:<{sender}>")
        code = c.cmd(f"RCPT TO:<{address}>")[0]
        c.expect(250, "RSET")
        assert code in (250, 530)
        return code == 250

    assert all(takes(c, address) for c in sessions)
    cluster.settings("smtp-in:example.test", require_auth_for_local_delivery="on")
    for c in sessions:
        assert not takes(c, address) and not takes(c, "nobody@example.test")
        assert takes(c, "a@b.example") and takes(c, "")
    assert sessions[0].plain(address)[0] == 235
    assert takes(sessions[0], address)


def test_timeouts(cluster):
    cluster.settings("smtp-in", session_timeout="1s", command_timeout="3s")
    with connect(cluster) as idle, connect(cluster, frontend=1) as half:
        half.send(b"NOO")
        start = time.monotonic()
        assert idle.reply()[0] == 421 and idle.is_closed()
        assert 0.8 < time.monotonic() - start < 2.5
        assert half.reply()[0] == 421 and half.is_closed()
        assert 2.5 < time.monotonic() - start < 5


def test_session_timeout_enabled(cluster):
    cluster.settings("smtp-in", session_timeout="1s", session_timeout_enabled="off")
    with connect(cluster) as c:
        time.sleep(1.6)
        c.expect(250, "NOOP")


def test_command_timeout_in_data(cluster, address):
    cluster.settings("smtp-in", command_timeout="1s")
    with connect(cluster) as c:
        c.expect(250, "MAIL FROM:<a@b.example>")
        c.expect(250, f"RCPT TO:<{address}>")
        c.expect(354, "DATA")
        for _ in range(4):  # slow, but it arrives
            c.send(b"x\r\n")
            time.sleep(0.5)
        code, text = c.reply()
        assert code == 421 and text.startswith("4.4.2") and c.is_closed()


def test_max_bad_commands(cluster):
    cluster.settings("smtp-in", max_bad_commands=3)
    for c in both(cluster):
        c.expect(500, "FOO")
        c.expect(503, "DATA")
        c.expect(500, "BAR")
        assert c.reply()[0] == 421 and c.is_closed()


def test_max_bad_recipients(cluster):
    cluster.settings("smtp-in", max_bad_recipients=2)
    for c in both(cluster):
        c.expect(250, "MAIL FROM:<a@b.example>")
        c.expect(550, "RCPT TO:<nobody@example.test>")
        c.expect(550, "RCPT TO:<x@remote.example>")
        assert c.reply()[0] == 421 and c.is_closed()


def test_max_connections(cluster):
    def try_one(frontend):
        """A session, or None when there is no room."""
        c = Smtp(cluster.port("smtp", frontend), greet=False)
        code, text = c.reply()
        if code == 220:
            return c
        assert code == 421 and text.startswith("4.3.2") and c.is_closed()
        c.socket.close()
        return None

    def take_one(frontend):  # the server may not have noticed yet that another has left
        return wait_for(lambda: try_one(frontend), 10, what="room for a session")

    for frontend in (0, 1):
        cluster.settings("smtp-in", max_connections=1)
        take_one(frontend).socket.close()  # so those of other tests are gone
        cluster.settings("smtp-in", max_connections=3)
        sessions = [take_one(frontend) for _ in range(3)]
        assert try_one(frontend) is None
        sessions[0].expect(250, "NOOP")
        sessions[1].expect(221, "QUIT")
        assert sessions[1].is_closed()
        sessions.append(take_one(frontend))
        assert try_one(frontend) is None
        for c in sessions:
            c.socket.close()


def test_max_hop_count(cluster, address):
    cluster.settings("smtp-in", max_hop_count=5)
    for c in both(cluster):
        for hops, code in ((5, 250), (6, 554)):
            c.expect(250, "MAIL FROM:<a@b.example>")
            c.expect(250, f"RCPT TO:<{address}>")
            c.expect(354, "DATA")
            c.send(b"Received: x\r\n\ty\r\n" * hops + b"\r\nReceived: z\r\n.\r\n")
            got = c.reply()
            assert got[0] == code and (code == 250 or got[1].startswith("5.4.6")), got


def test_max_message_size(cluster, address):
    cluster.settings("smtp-in", max_message_size="2K")
    for c in both(cluster):
        assert c.ehlo()["SIZE"] == "2048"
        c.expect(552, "MAIL FROM:<a@b.example> SIZE=2049")
        for size, code in ((2048, 250), (2049, 552), (200000, 552)):
            c.expect(250, "MAIL FROM:<a@b.example> SIZE=100")
            c.expect(250, f"RCPT TO:<{address}>")
            c.expect(354, "DATA")
            c.send(b"S: x\r\n\r\n" + b"x" * (size - 10) + b"\r\n.\r\n")
            got = c.reply()
            assert got[0] == code and (code == 250 or got[1].startswith("5.3.4")), got


def test_max_recipients(cluster):
    user = cluster.add_user(f"rcpt-{os.getpid()}@example.test")
    cluster.settings("smtp-in", max_recipients=100)
    with connect(cluster) as c:
        assert c.extensions["LIMITS"] == "RCPTMAX=100"
        c.expect(250, "MAIL FROM:<a@b.example>")
        for i in range(100):
            c.expect(250, f"RCPT TO:<{user.replace('@', f'+{i}@')}>")
        assert c.cmd(f"RCPT TO:<{user.replace('@', '+x@')}>")[1].startswith("4.5.3")


def test_append_received_line(cluster, address):
    with connect(cluster) as plain, connect(cluster, "submission", 1) as known:
        assert known.plain(address)[0] == 235
        count = 0
        for mode, expected in (("all", (1, 1)), ("authenticated", (0, 1)), ("none", (0, 0))):
            cluster.settings("smtp-in", append_received_line=mode)
            for c, has in zip((plain, known), expected):
                c.mail(address, MESSAGE, sender=address)
                count += 1
                assert cluster.wait_mail(address, count)[-1].count(b"Received: from ") == has, mode


def test_max_messages_per_session(cluster, address):
    cluster.settings("smtp-in", max_messages_per_session=2)
    for c in both(cluster):
        assert c.ehlo()["LIMITS"] == "RCPTMAX=1000 MAILMAX=2"
        c.mail(address, MESSAGE)
        c.mail(address, MESSAGE)
        c.expect(421, "MAIL FROM:<a@b.example>")
        assert c.is_closed()


def test_vrfy_and_expn(cluster, address):
    alias = f"alias-{address}"
    cluster.tool("alias", "add", alias, address, "x@remote.example")
    sessions = both(cluster)
    for c in sessions:
        c.expect(252, f"VRFY {address}")
        c.expect(502, f"EXPN {alias}")
    cluster.settings("smtp-in", enable_vrfy="on", enable_expn="on")
    for c in sessions:
        assert {"VRFY", "EXPN"} <= set(c.ehlo())
        assert address in c.expect(250, f"VRFY {address}")
        assert address in c.expect(250, f"VRFY <{address}>")
        assert address in c.expect(250, f"VRFY {address.split('@')[0]}")
        c.expect(550, "VRFY nobody@example.test")
        c.expect(252, "VRFY x@remote.example")
        c.expect(501, "VRFY a b c")
        expanded = c.expect(250, f"EXPN {alias}")
        assert address in expanded and "x@remote.example" in expanded


def test_disable_auth_login(cluster, address):
    cluster.settings("smtp-in", disable_auth_login="on")
    for frontend in (0, 1):
        with connect(cluster, "submission", frontend) as c:
            assert c.extensions["AUTH"] == "SCRAM-SHA-256"
            assert c.plain(address)[0] == 504
            assert c.login(address)[0] == 504
            assert c.scram(address)[0] == 235


# ---- Real clients ----

def test_swaks(cluster, address):
    command = ["swaks", "--server", "127.0.0.1", "--port", str(cluster.port("submission")), "--pipeline",
               "--auth-user", address, "--auth-password", "secret", "--from", address, "--to", address,
               "--header", "Subject: from swaks"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert result.returncode == 0, result.stdout
    assert b"Subject: from swaks" in cluster.wait_mail(address)[0]


@pytest.mark.parametrize("url,options", [
    ("smtp://127.0.0.1:{smtp}", []), ("smtp://127.0.0.1:{submission}", ["--ssl-reqd", "--user", "{user}:secret"]),
    ("smtps://127.0.0.1:{submissions}", ["--user", "{user}:secret"]),
])
def test_curl(cluster, address, tmp_path, url, options):
    mail = tmp_path / "mail"
    mail.write_bytes(MESSAGE)
    ports = {n: cluster.port(n) for n in ("smtp", "submission", "submissions")}
    command = ["curl", "-sS", "-k", url.format(**ports), "--mail-from", address, "--mail-rcpt", address, "-T",
               str(mail)] + [o.format(user=address) for o in options]
    result = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert result.returncode == 0, result.stderr
    assert cluster.wait_mail(address)[0].endswith(MESSAGE)


@pytest.mark.skipif(shutil.which("msmtp") is None, reason="no msmtp")
@pytest.mark.parametrize("method", ["plain", "login", "scram-sha-256"])
def test_msmtp(cluster, address, method):
    command = ["msmtp", "--host=127.0.0.1", f"--port={cluster.port('submission')}", "--tls=on", "--tls-certcheck=off",
               f"--auth={method}", f"--user={address}", "--passwordeval=echo secret", f"--from={address}", address]
    result = subprocess.run(command, input=MESSAGE.replace(b"\r\n", b"\n"), capture_output=True, timeout=30)
    assert result.returncode == 0, result.stderr
    assert cluster.wait_mail(address)[0].endswith(MESSAGE)


# ---- Bad input, size, numbers ----

def frontend_rss_kib(cluster):
    for line in open(f"/proc/{cluster.pid('frontend-0')}/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1])
    raise AssertionError("no VmRSS")


measures_memory = pytest.mark.skipif(SANITISED, reason="sanitisers keep freed memory")


@measures_memory
def test_big_message_costs_little_memory(cluster, address):
    line = b"x" * 998 + b"\r\n"
    piece, count = line * 1000, 60
    with connect(cluster) as c:
        c.mail(address, MESSAGE)
        before = frontend_rss_kib(cluster)
        c.expect(250, f"MAIL FROM:<a@b.example> SIZE={len(piece) * count}")
        c.expect(250, f"RCPT TO:<{address}>")
        c.expect(354, "DATA")
        most = 0
        for _ in range(count):
            c.send(piece)
            most = max(most, frontend_rss_kib(cluster))
        c.send(b".\r\n")
        assert c.reply()[0] == 250
    assert most - before < 16 * 1024, f"{most - before} KiB more"


@measures_memory
def test_one_endless_line(cluster, address):
    with connect(cluster) as c:
        before = frontend_rss_kib(cluster)
        c.send(b"NOOP ")
        for _ in range(20):
            c.send(b"x" * 1000000)
        c.send(b"\r\nNOOP\r\n")
        assert [c.reply()[0] for _ in range(2)] == [500, 250]
        c.mail(address, b"Subject: " + b"y" * 3000000 + b"\r\n")
        assert frontend_rss_kib(cluster) - before < 16 * 1024


def test_garbage(cluster):
    pid = cluster.pid("frontend-0")
    for seed in range(40):
        source = random.Random(seed)
        with connect(cluster, ehlo=False) as c:
            try:
                for _ in range(20):
                    c.send(source.randbytes(source.randrange(1, 3000)) + source.choice([b"", b"\r\n", b"\n", b"\r\n.\r\n"]))
            except OSError:
                pass  # it has disconnected us
    with connect(cluster) as c:
        c.expect(250, "NOOP")
    assert cluster.pid("frontend-0") == pid


def test_web_browser(cluster):
    with connect(cluster, ehlo=False) as c:
        c.send(b"POST / HTTP/1.1\r\nHost: x\r\n\r\nEHLO x\r\nMAIL FROM:<>\r\n")
        assert c.reply()[0] == 421
        assert c.is_closed() and c.data == b""


def test_many_sessions_at_once(cluster, address):
    sessions = [connect(cluster, frontend=i % 2) for i in range(200)]
    for c in sessions:
        c.send(b"MAIL FROM:<a@b.example>\r\nRCPT TO:<%s>\r\nDATA\r\n" % address.encode())
    for c in sessions:
        assert [c.reply()[0] for _ in range(3)] == [250, 250, 354]
        c.send(MESSAGE + b".\r\n")
    ids = set()
    for c in sessions:
        code, text = c.reply()
        assert code == 250
        ids.add(text.split()[-1])
        c.socket.close()
    assert len(ids) == 200
    assert len(cluster.wait_mail(address, 200, timeout=30)) == 200


def test_trace_has_the_id(cluster, address):
    with connect(cluster) as c:
        id = c.mail(address, MESSAGE)
    cluster.wait_mail(address)
    assert id in str(cluster.trace(id))
    assert id in cluster.log("frontend-0")


# ---- When the store is away ----

def test_store_away(own_cluster):
    import signal
    cluster = own_cluster(frontends=1)
    user = cluster.add_user("alice@example.test")
    with connect(cluster) as c:
        c.mail(user, MESSAGE)
        broker = cluster.kill("spool-broker-0", signal.SIGSTOP)
        try:
            c.expect(250, f"MAIL FROM:<a@b.example>")
            c.expect(250, f"RCPT TO:<{user}>")
            c.expect(354, "DATA")
            c.send(MESSAGE + b".\r\n")
            time.sleep(1)  # no answer without the broker's
            c.socket.settimeout(0.2)
            with pytest.raises(TimeoutError):
                c.reply()
        finally:
            os.kill(broker, signal.SIGCONT)
        c.socket.settimeout(60)
        assert c.reply()[0] == 250
        assert len(cluster.wait_mail(user, 2)) == 2


def test_client_goes_while_its_message_is_handed_over(own_cluster):
    """It enters the spool, once, although nobody is told; the body stays."""
    import signal
    cluster = own_cluster(frontends=1)
    user = cluster.add_user("alice@example.test")
    broker = cluster.kill("spool-broker-0", signal.SIGSTOP)
    try:
        with connect(cluster) as c:
            c.expect(250, "MAIL FROM:<a@b.example>")
            c.expect(250, f"RCPT TO:<{user}>")
            c.expect(354, "DATA")
            c.send(MESSAGE + b".\r\n")
            time.sleep(0.5)
            c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, no FIN
        time.sleep(0.5)
    finally:
        os.kill(broker, signal.SIGCONT)
    (stored,) = cluster.wait_mail(user)
    assert stored.endswith(MESSAGE)
    (accepted,) = [line for line in cluster.log("frontend-0").splitlines() if "message accepted" in line]
    assert "client=gone" in accepted and "with=ESMTP " in accepted
    with connect(cluster) as c:
        c.mail(user, MESSAGE)
    assert len(cluster.wait_mail(user, 2)) == 2


def test_sigterm_lets_transactions_end(own_cluster):
    import signal
    cluster = own_cluster(frontends=1)
    user = cluster.add_user("alice@example.test")
    with connect(cluster) as busy, connect(cluster) as idle:
        busy.expect(250, "MAIL FROM:<a@b.example>")
        busy.expect(250, f"RCPT TO:<{user}>")
        busy.expect(354, "DATA")
        pid = cluster.kill("frontend-0", signal.SIGTERM)
        assert idle.reply()[0] == 421 and idle.is_closed()
        busy.send(MESSAGE + b".\r\n")
        assert busy.reply()[0] == 250
        assert busy.reply()[0] == 421 and busy.is_closed()
        cluster.wait_restarted("frontend-0", pid)
    wait_for(lambda: socket.socket().connect_ex(("127.0.0.1", cluster.port("smtp"))) == 0, 10)
    assert len(cluster.wait_mail(user)) == 1
