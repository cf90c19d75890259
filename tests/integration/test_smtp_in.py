"""SMTP in: every command, messages as they were sent, pipelining, and real clients."""

import os
import re
import shutil
import smtplib
import subprocess
import time

import pytest

from cluster import wait_for
from smtp_in import MESSAGE, both, cluster, connect  # noqa: F401 (fixtures)


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
    top = lines.index(b"Received: from client.example.net ([127.0.0.1])")
    assert lines[1].startswith(b"Authentication-Results:") and all(line[:1] == b"\t" for line in lines[2:top])
    received = b" ".join(lines[top:top + 4])
    assert b"with ESMTP" in received and id.encode() in received and f"for <{address}>".encode() in received
    assert stored.endswith(body)
    assert b"\r\n".join(lines[:top + 5]).count(b"Received:") == 1
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
    assert stored.startswith(b"Return-Path: <>\r\nAuthentication-Results: ") and b"\r\nReceived: " in stored


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
