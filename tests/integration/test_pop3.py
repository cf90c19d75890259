"""POP3: every command, on both frontends; which messages are deleted."""

import re
import socket
import time

import pytest

from cluster import wait_for
from pop3_client import PopByOpenssl, b64
from pop3_maildrops import FAR, TEXT, both, connect, fresh, maildrop, session  # noqa: F401 (fixtures)


# ---- Greeting, CAPA, LANG, UTF8 ----

def test_greeting(cluster):
    with connect(cluster) as c:
        assert c.greeting == "+OK mx.example.test POP3 server ready"


@pytest.mark.parametrize("banner,expected", [
    ("hello", "+OK hello"), ("+OK hello", "+OK hello"), ("+OK", "+OK"), ("+OKAY", "+OK +OKAY"),
    ("#HostName# for #ConnectedIP#", "+OK mx.example.test for 127.0.0.1"),
])
def test_banner(cluster, banner, expected):
    cluster.settings("pop", banner=banner)
    for c in both(cluster):
        with c:
            assert c.greeting == expected
    cluster.unset("pop", "banner")
    for c in both(cluster):
        with c:
            assert c.greeting == "+OK mx.example.test POP3 server ready"


def test_banner_time(cluster):
    cluster.settings("pop", banner="#UnixTime#")
    for c in both(cluster):
        with c:
            assert abs(int(c.greeting.split()[1]) - time.time()) < 5


def test_capa(cluster, maildrop):
    with connect(cluster) as c:
        capa = c.capa()
        assert set(capa) == {"TOP", "USER", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "EXPIRE", "SASL",
                             "STLS", "UTF8", "LANG", "IMPLEMENTATION"}
        assert capa["EXPIRE"] == "NEVER" and capa["IMPLEMENTATION"] == "Stagepost" and capa["UTF8"] == "USER"
        assert capa["SASL"].split() == ["PLAIN", "LOGIN", "SCRAM-SHA-256"]
        assert c.multi("AUTH") == ["PLAIN", "LOGIN", "SCRAM-SHA-256"]
        c.login(maildrop)
        assert "STLS" not in c.capa()
    with connect(cluster, "pop3s") as c:
        capa = c.capa()
        assert "STLS" not in capa and "SCRAM-SHA-256-PLUS" in capa["SASL"].split()


def test_utf8_and_lang(cluster, maildrop):
    with connect(cluster) as c:
        c.ok("UTF8")
        c.err("UTF8 x")
        assert [line.split(" ")[0] for line in c.multi("LANG")] == ["en", "i-default"]
        for tag in ("en", "EN-gb", "i-default", "*"):
            assert re.match(r"(en|i-default) ", c.ok(f"LANG {tag}"))
        c.err("LANG tlh")
        c.err("LANG en de")
        c.login(maildrop)
        c.err("UTF8")
        c.ok("LANG en")


# ---- Logging in ----

def test_user_and_pass(cluster, maildrop):
    with connect(cluster) as c:
        c.err("PASS secret")
        c.ok("USER nobody@example.test")
        c.err("PASS secret", "AUTH")
        c.err("PASS secret")  # USER must be sent again
        c.ok(f"USER {maildrop}")
        c.err("PASS wrong", "AUTH")
        c.ok(f"user {maildrop.upper()}")
        assert "3 messages" in c.ok("pass secret")
        c.err(f"USER {maildrop}")
        c.err("PASS secret")
        c.err("AUTH PLAIN")
        c.err("STLS")


@pytest.mark.parametrize("password", ["two words", "  leading and trailing  ", "grün", "x" * 200])
def test_odd_passwords(cluster, password):
    address = fresh(cluster, password=password)
    with connect(cluster) as c:
        c.ok(f"USER {address}")
        if password != password.strip():
            c.err(f"PASS {password.strip()}", "AUTH")
            c.ok(f"USER {address}")
        c.ok(f"PASS {password}")


def test_disabled_account(cluster):
    address = fresh(cluster)
    cluster.tool("user", "set", address, "--enabled", "off")
    with connect(cluster) as c:
        c.ok(f"USER {address}")
        c.err("PASS secret")
        assert c.plain(address).startswith("-ERR ")
        c.ok("CAPA") and c.lines()


@pytest.mark.parametrize("name", ["pop3", "pop3s"])
def test_auth(cluster, address, name):
    def again():
        return connect(cluster, name)
    with again() as c:
        assert c.plain(address).startswith("+OK ")
    with again() as c:
        assert c.plain(address, authzid=address).startswith("+OK ")
    with again() as c:
        assert c.challenge("AUTH PLAIN") == b""
        c.ok(b64(f"\0{address}\0secret"))
    with again() as c:
        assert c.auth_login(address).startswith("+OK ")
    with again() as c:
        assert c.scram(address).startswith("+OK ")
    with again() as c:
        assert c.scram(address, initial=False).startswith("+OK ")


def test_auth_refused(cluster, address):
    cluster.settings("pop", max_bad_commands=100)
    with connect(cluster) as c:
        assert c.plain(address, "wrong").startswith("-ERR [AUTH] ")
        assert c.plain(address, authzid="other@example.test").startswith("-ERR [AUTH] ")
        assert c.auth_login(address, "wrong").startswith("-ERR [AUTH] ")
        assert c.scram(address, "wrong").startswith("-ERR [AUTH] ")
        assert c.scram("nobody@example.test").startswith("-ERR [AUTH] ")
        c.err("AUTH NOSUCH")
        c.err("AUTH SCRAM-SHA-256-PLUS")
        c.err("AUTH PLAIN !!!")
        c.err("AUTH PLAIN *")
        c.err("AUTH PLAIN " + b64("no nulls"))
        assert c.challenge("AUTH LOGIN") == b"Username:"
        c.err("*")
        assert c.challenge("AUTH LOGIN") == b"Username:"
        c.err("not base64")
        assert c.challenge("AUTH PLAIN") == b""
        c.err("A" * 13000)
        c.ok(f"USER {address}")  # the session goes on
        assert c.plain(address).startswith("+OK ")


def test_scram_plus(cluster, address):
    with PopByOpenssl(cluster.port("pop3s")) as c:
        while not c.raw_line().startswith(b"+OK "):
            pass
        assert c.scram(address, mechanism="SCRAM-SHA-256-PLUS", binding=c.binding).startswith("+OK ")
    with PopByOpenssl(cluster.port("pop3s")) as c:
        while not c.raw_line().startswith(b"+OK "):
            pass
        wrong = bytes(32)
        assert c.scram(address, mechanism="SCRAM-SHA-256-PLUS", binding=wrong).startswith("-ERR [AUTH] ")


def test_stls(cluster, maildrop):
    with connect(cluster) as c:
        c.ok(f"USER {maildrop}")
        # plain text sent after STLS must never be obeyed under TLS
        c.send("STLS\r\nUSER evil@example.test\r\n")
        assert c.line().startswith("+OK ")
        c.start_tls()
        c.err("PASS secret")  # and earlier commands do not count
        capa = c.capa()
        assert "STLS" not in capa and "SCRAM-SHA-256-PLUS" in capa["SASL"].split()
        c.err("STLS")
        c.login(maildrop)
        assert c.ok("STAT").startswith("3 ")
        c.quit()


def test_no_passwords_without_tls(cluster, address):
    cluster.settings("pop", proxy_protocol_from="127.0.0.0/8")
    for c in both(cluster, first=FAR):
        with c:
            capa = c.capa()
            assert "USER" not in capa and "SASL" not in capa and "STLS" in capa
            c.err(f"USER {address}")
            c.err("PASS secret")
            c.err("AUTH LOGIN")
            assert c.plain(address).startswith("-ERR ")
            c.ok("STLS")
            c.start_tls()
            assert "USER" in c.capa()
            c.login(address)
            c.quit()
    cluster.settings("pop", allow_insecure_auth="on")
    for c in both(cluster, first=FAR):
        with c:
            assert {"USER", "SASL"} <= set(c.capa())
            c.login(address)
            c.quit()


# ---- TRANSACTION ----

def test_stat_list_uidl(cluster, maildrop):
    with session(cluster, maildrop) as c:
        sizes = [len(c.retr(n)) for n in (1, 2, 3)]
        assert c.ok("STAT") == f"3 {sum(sizes)}"
        assert c.multi("LIST") == [f"{n} {size}" for n, size in enumerate(sizes, 1)]
        assert c.ok("LIST 2") == f"2 {sizes[1]}"
        uids = [line.split() for line in c.multi("UIDL")]
        assert [uid[0] for uid in uids] == ["1", "2", "3"]
        assert len({uid[1] for uid in uids}) == 3
        assert all(re.fullmatch(r"[0-9a-f]+[.-]?[0-9a-f]+", uid[1]) for uid in uids)
        assert c.ok("UIDL 3") == " ".join(uids[2])
        c.ok("DELE 2")
        assert c.ok("STAT") == f"2 {sizes[0] + sizes[2]}"
        assert [line.split()[0] for line in c.multi("LIST")] == ["1", "3"]
        assert [line.split()[0] for line in c.multi("UIDL")] == ["1", "3"]
        for line in ("LIST 2", "UIDL 2", "RETR 2", "TOP 2 0", "DELE 2"):
            c.err(line)
        c.ok("RSET")
        assert c.ok("STAT") == f"3 {sum(sizes)}"
        c.ok("DELE 1")
        c.quit()
    with session(cluster, maildrop, frontend=1) as c:
        # the others keep their unique ids, under new numbers
        assert [line.split()[1] for line in c.multi("UIDL")] == [uid[1] for uid in uids[1:]]


@pytest.mark.parametrize("line", [
    "STAT x", "LIST x", "LIST 0", "LIST 4", "LIST -1", "LIST 1 2", "LIST 99999999999999999999", "UIDL x", "UIDL 0",
    "UIDL 4", "RETR", "RETR x", "RETR 0", "RETR 4", "RETR 1 2", "RETR 4294967297", "RETR +1", "RETR 1x", "TOP", "TOP 1",
    "TOP 1 x", "TOP 1 -1", "TOP 4 1", "TOP 1 2 3", "DELE", "DELE 0", "DELE 4", "DELE x", "DELE 1 2", "NOOP x", "RSET x",
    "QUIT x", "CAPA x", "FOO", "", " STAT", "STAT\0", b"\xff\xfe", "LAST", "APOP a b", "STAT" + "x" * 300, "x" * 20000,
])
def test_refused_in_transaction(cluster, maildrop, line):
    with session(cluster, maildrop) as c:
        c.err(line)
        assert c.ok("STAT").startswith("3 ")


@pytest.mark.parametrize("line", [
    "STAT", "LIST", "UIDL", "RETR 1", "TOP 1 1", "DELE 1", "RSET", "NOOP", "FOO", "", "USER", "PASS x", "APOP a b",
    "AUTH PLAIN = x", "STLS x", "CAPA x", "QUIT x", "USER " + "x" * 600, "GET / HTTP/1.1",
])
def test_refused_before_login(cluster, line):
    with connect(cluster) as c:
        c.err(line)
        c.multi("CAPA")


def test_line_limit(cluster, maildrop):
    with session(cluster, maildrop) as c:
        c.ok("STAT" + " " * 249)  # 255 octets with CRLF
        c.err("STAT" + " " * 250)
        c.send("NOOP " + "x" * 100000)
        c.send("\r\n")
        assert c.line().startswith("-ERR ")
        c.ok("NOOP")


def test_bare_lf_is_forgiven(cluster, maildrop):
    with connect(cluster) as c:
        for line in (f"USER {maildrop}\n", "PASS secret\n", "STAT\n"):
            c.send(line)
            assert c.line().startswith("+OK ")


def test_retr_byte_for_byte(cluster):
    body = (b"Subject: x\r\n\r\n.\r\n..\r\n...\r\n.x\r\n\r\n\r\n\x01\x7f odd\r\n" + b"y" * 900 + b"\r\n.\xc3\xbc\r\n \r\n")
    address = fresh(cluster)
    cluster.deliver("sender@remote.example", address, body.replace(b"\r\n.", b"\r\n."))
    cluster.wait_mail(address)
    with session(cluster, address) as c:
        message = c.retr(1)
        assert message.startswith(b"Return-Path: <sender@remote.example>\r\nAuthentication-Results: ")
        assert message.endswith(b"\r\n" + body)
        assert c.ok("LIST 1") == f"1 {len(message)}"


def test_top(cluster, maildrop):
    with session(cluster, maildrop) as c:
        whole = c.retr(2)
        head, _, body = whole.partition(b"\r\n\r\n")
        head += b"\r\n\r\n"
        lines = body.split(b"\r\n")[:-1]
        for n in range(len(lines) + 3):
            assert c.retr(2, "TOP", f" {n}") == head + b"".join(text + b"\r\n" for text in lines[:n])
        assert c.retr(2, "TOP", " 18446744073709551614") == whole


@pytest.mark.parametrize("name", ["pop3", "pop3s"])
def test_big_message(cluster, name):
    address = fresh(cluster)
    text = "Subject: big\r\n\r\n" + "".join(f".{n:07d} {'z' * 60}\r\n" for n in range(80000))
    cluster.deliver("sender@remote.example", address, text)
    cluster.wait_mail(address, timeout=40)
    with connect(cluster, name) as c:
        c.login(address)
        c.send("RETR 1\r\nTOP 1 5\r\nRETR 1\r\nSTAT\r\n")
        for _ in (1, 2):
            assert c.line().startswith("+OK ")
            got = b"\r\n".join(c.lines()) + b"\r\n"
            if len(got) < 10000:
                assert got.endswith(b"zzz\r\n") and got.count(b"\r\n.000000") == 5
            else:
                assert got.endswith(text.encode())
        assert c.line().startswith("+OK ")
        assert (b"\r\n".join(c.lines()) + b"\r\n").endswith(text.encode())
        assert c.line().startswith("+OK 1 ")


def test_a_client_that_does_not_read_costs_little(cluster):
    """Megabytes that are requested again and again stay in the store until they are read."""
    address = fresh(cluster)
    text = "Subject: big\r\n\r\n" + ("x" * 70 + "\r\n") * 60000
    cluster.deliver("sender@remote.example", address, text)
    cluster.wait_mail(address, timeout=40)
    pid = cluster.pid("frontend-0")

    def resident_kb():
        with open(f"/proc/{pid}/status") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1])

    with session(cluster, address) as c:
        before = resident_kb()
        c.send("RETR 1\r\n" * 200 + "UIDL\r\n" * 200)
        time.sleep(1.5)
        assert resident_kb() - before < 20000
        for _ in range(5):
            assert c.line().startswith("+OK ")
            assert len(c.lines()) > 60000


def test_pipelining(cluster, maildrop):
    with connect(cluster) as c:
        c.send(f"USER {maildrop}\r\nPASS secret\r\nSTAT\r\nRETR 1\r\nLIST\r\nDELE 1\r\nNOSUCH\r\nUIDL\r\nQUIT\r\nSTAT\r\n")
        assert c.line().startswith("+OK ") and "3 messages" in c.line()
        assert c.line().startswith("+OK 3 ")
        assert c.line().startswith("+OK ") and c.lines()[-1] == b"last 1"
        assert c.line().startswith("+OK ") and len(c.lines()) == 3
        assert c.line().startswith("+OK ") and c.line().startswith("-ERR ")
        assert c.line().startswith("+OK ") and len(c.lines()) == 2
        assert c.line().startswith("+OK ")
        assert c.is_closed() and c.data == b""


def test_byte_by_byte(cluster, maildrop):
    with connect(cluster) as c:
        for line in (f"USER {maildrop}", "PASS secret", "LIST 1", "NOSUCH", "STAT"):
            for byte in line.encode() + b"\r\n":
                c.send(bytes([byte]))
            assert c.line().startswith("-ERR " if line == "NOSUCH" else "+OK ")


def test_many_messages(cluster):
    address = fresh(cluster)
    with socket.create_connection(("127.0.0.1", cluster.port("smtp")), timeout=60) as s:
        stream = s.makefile("rb")
        s.sendall(b"EHLO x\r\n" + f"MAIL FROM:<>\r\nRCPT TO:<{address}>\r\nDATA\r\n".encode())
        for n in range(400):
            while not stream.readline().startswith(b"354"):
                pass
            s.sendall(f"Subject: {n}\r\n\r\nx\r\n.\r\n".encode())
            s.sendall(f"MAIL FROM:<>\r\nRCPT TO:<{address}>\r\nDATA\r\n".encode())

    def arrived():
        with session(cluster, address) as c:
            return c.ok("STAT").startswith("400 ")
    wait_for(arrived, 40, step=0.3, what="400 messages")
    with session(cluster, address) as c:
        assert len(c.multi("LIST")) == 400
        c.send("".join(f"DELE {n}\r\n" for n in range(1, 400, 2)))
        for _ in range(200):
            assert c.line().startswith("+OK ")
        c.quit()
    with session(cluster, address, frontend=1) as c:
        assert c.ok("STAT").startswith("200 ")


# ---- Which messages are deleted ----

def test_quit_deletes(cluster, maildrop):
    with session(cluster, maildrop) as c:
        second = c.retr(2)
        c.ok("DELE 1")
        c.ok("DELE 3")
        assert "2" in c.quit()
    with session(cluster, maildrop, frontend=1) as c:
        assert c.ok("STAT") == f"1 {len(second)}"
        assert c.retr(1) == second


@pytest.mark.parametrize("how", ["close", "reset", "half", "timeout"])
def test_dropped_connection_deletes_nothing(cluster, maildrop, how):
    if how == "timeout":
        cluster.settings("pop", command_timeout="1s")
    c = session(cluster, maildrop)
    c.ok("DELE 1")
    c.ok("DELE 2")
    if how == "reset":
        c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    if how == "half":
        c.socket.shutdown(socket.SHUT_WR)
    if how in ("timeout", "half"):
        assert c.is_closed() and c.data == b""  # without a word
    c.socket.close()

    def free():
        with connect(cluster, frontend=1) as other:
            other.ok(f"USER {maildrop}")
            return other.cmd("PASS secret").startswith("+OK 3 messages")
    wait_for(free, 2, what="the lock given back at once")


def test_mail_that_comes_during_a_session(cluster, maildrop):
    with session(cluster, maildrop) as c:
        cluster.deliver("sender@remote.example", maildrop, TEXT.format(n=4))
        wait_for(lambda: int(cluster.redis.hget(f"mail:{{{maildrop}}}:f:1", "count")) == 4, what="delivery")
        assert c.ok("STAT").startswith("3 ")
        for n in (1, 2, 3):
            c.ok(f"DELE {n}")
        c.err("DELE 4")
        c.quit()
    with session(cluster, maildrop) as c:
        assert c.ok("STAT").startswith("1 ")
        assert b"last 4" in c.retr(1)
