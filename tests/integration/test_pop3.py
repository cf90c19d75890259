"""POP3: every command, every setting of settings:pop that the server uses, the
lock, which messages are deleted and which are not, and real clients."""

import itertools
import os
import poplib
import re
import signal
import socket
import ssl
import subprocess
import time

import pytest

from cluster import SETTLE, wait_for
from pop3_client import Pop, PopByOpenssl, b64

TEXT = "From: Sender <sender@remote.example>\r\nTo: you@example.test\r\nSubject: {n}\r\n\r\nline one\r\n.dot\r\n..\r\nlast {n}\r\n"
FAR = b"PROXY TCP4 192.0.2.7 192.0.2.1 4000 110\r\n"
_numbers = itertools.count(1)


def connect(cluster, name="pop3", frontend=0, **kwargs):
    return Pop(cluster.port(name, frontend), tls=name == "pop3s", **kwargs)


def both(cluster, name="pop3", **kwargs):
    """A session with each of the two frontends."""
    return [connect(cluster, name, frontend, **kwargs) for frontend in (0, 1)]


def session(cluster, address, frontend=0, **kwargs):
    pop = connect(cluster, frontend=frontend, **kwargs)
    pop.login(address)
    return pop


def fresh(cluster, name="pop", **fields):
    return cluster.add_user(f"{name}{next(_numbers)}-{os.getpid()}@example.test", **fields)


def fill(cluster, address, count=3, text=TEXT):
    for n in range(1, count + 1):
        cluster.deliver("sender@remote.example", address, text.format(n=n))
        cluster.wait_mail(address, n)  # so that their order is known
    return address


@pytest.fixture
def maildrop(cluster):
    """An account with three messages."""
    return fill(cluster, fresh(cluster))


def lock_key(address):
    return f"mail:{{{address}}}:lock"


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
        assert message.startswith(b"Return-Path: <sender@remote.example>\r\nReceived: ")
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


# ---- The lock ----

def test_lock(cluster, maildrop):
    with session(cluster, maildrop) as c:
        for frontend in (0, 1):
            with connect(cluster, frontend=frontend) as other:
                other.ok(f"USER {maildrop}")
                other.err("PASS secret", "IN-USE")
                assert other.plain(maildrop).startswith("-ERR [IN-USE] ")
                assert other.scram(maildrop).startswith("-ERR [IN-USE] ")
                other.err("STAT")
        assert 0 < cluster.redis.pttl(lock_key(maildrop)) <= 60000
        c.quit()
    with session(cluster, maildrop, frontend=1) as c:
        c.quit()
    assert not cluster.redis.exists(lock_key(maildrop))


def test_lock_is_free_when_quit_is_answered(cluster, maildrop):
    """A client may come back at once, to any frontend."""
    for turn in range(60):
        with connect(cluster, frontend=turn % 2) as c:
            c.send(f"USER {maildrop}\r\nPASS secret\r\nQUIT\r\n")
            for _ in range(3):
                assert c.line().startswith("+OK "), turn


def test_lock_is_renewed(cluster, maildrop):
    with session(cluster, maildrop) as c:
        cluster.redis.pexpire(lock_key(maildrop), 12000)
        wait_for(lambda: cluster.redis.pttl(lock_key(maildrop)) > 12000, 25, step=0.2, what="renewal")
        c.ok("STAT")


def test_lost_lock_deletes_nothing(cluster, maildrop):
    with session(cluster, maildrop) as c:
        c.ok("DELE 1")
        cluster.redis.set(lock_key(maildrop), "another", px=60000)
        # noticed at QUIT at the latest
        c.err("QUIT", "SYS/TEMP")
        assert c.is_closed()
    assert cluster.redis.get(lock_key(maildrop)) == "another"
    cluster.redis.delete(lock_key(maildrop))
    assert len(cluster.mailbox(maildrop)) == 3


def test_lost_lock_ends_the_session(cluster, maildrop):
    with session(cluster, maildrop, timeout=40) as c:
        c.ok("DELE 1")
        cluster.redis.delete(lock_key(maildrop))
        assert c.line().startswith("-ERR [SYS/TEMP] ")
        assert c.is_closed()
    assert len(cluster.mailbox(maildrop)) == 3


# ---- Limits ----

def test_max_bad_commands(cluster, maildrop):
    with connect(cluster) as c:
        for _ in range(8):
            c.err("FOO")
        assert c.line().startswith("-ERR ") and c.is_closed()
    cluster.settings("pop", max_bad_commands=3)
    for c in both(cluster):
        with c:
            for _ in range(3):
                c.ok(f"USER {maildrop}")
                c.err("PASS wrong", "AUTH")
            assert c.line().startswith("-ERR ") and c.is_closed()
    with session(cluster, maildrop) as c:
        for n in range(20):
            c.err("RETR 99")  # there is no such message, but the command is valid
        c.err("XX")
        c.err("XX")
        c.ok("STAT")


def test_max_connections(cluster):
    cluster.settings("pop", max_connections=2)
    for frontend in (0, 1):
        def all_gone():
            with connect(cluster, frontend=frontend, greet=False) as one, \
                    connect(cluster, frontend=frontend, greet=False) as two:
                return one.line().startswith("+OK ") and two.line().startswith("+OK ")
        wait_for(all_gone, 5)

        def refused():
            open_ones = [connect(cluster, frontend=frontend, greet=False) for _ in range(3)]
            try:
                first, second, third = [c.line() for c in open_ones]
                return (first.startswith("+OK ") and second.startswith("+OK ")
                        and third.startswith("-ERR [SYS/TEMP] too many connections") and open_ones[2].is_closed())
            finally:
                for c in open_ones:
                    c.socket.close()
        wait_for(refused, 5)
    cluster.unset("pop", "max_connections")
    sessions = [connect(cluster) for _ in range(50)]
    for c in sessions:
        c.socket.close()


@pytest.mark.parametrize("pause", ["", "USER x\r\n", "NOO", "AUTH LOGIN\r\n"])
def test_command_timeout(cluster, pause):
    cluster.settings("pop", command_timeout="1s")
    for frontend in (0, 1):
        with connect(cluster, frontend=frontend) as c:
            c.send(pause)
            start = time.monotonic()
            assert c.is_closed()
            assert 0.6 < time.monotonic() - start < 4
            assert b"-ERR" not in c.data  # RFC 1939, 3: without any response


def test_timeout_counts_from_the_last_command(cluster, maildrop):
    cluster.settings("pop", command_timeout="1500ms")
    with session(cluster, maildrop) as c:
        for _ in range(5):
            time.sleep(0.7)
            c.ok("NOOP")
        c.retr(1)
        start = time.monotonic()
        assert c.is_closed() and c.data == b""
        assert 1 < time.monotonic() - start < 5
    # also after commands that had to wait: the login itself, a failed login
    for line in ("PASS secret", "PASS wrong"):
        with connect(cluster) as c:
            c.ok(f"USER {maildrop}")
            c.cmd(line)
            assert c.is_closed()


def test_login_delay(cluster, maildrop):
    other = fresh(cluster)
    cluster.settings("pop", login_delay="10s")
    with connect(cluster) as c:
        assert c.capa()["LOGIN-DELAY"] == "10"
        c.login(maildrop)
        c.quit()
    start = time.monotonic()
    for frontend in (0, 1):
        with connect(cluster, frontend=frontend) as c:
            c.ok(f"USER {maildrop}")
            c.err("PASS secret", "LOGIN-DELAY")
            c.login(other) if frontend == 0 else None
    assert 0 < cluster.redis.pttl(f"pop3:login:{{{maildrop}}}") <= 10000
    while time.monotonic() - start < 10.2:
        time.sleep(0.1)
    with session(cluster, maildrop, frontend=1) as c:
        assert c.ok("STAT").startswith("3 ")


def test_bad_values_change_nothing(cluster):
    cluster.settings("pop", max_bad_commands=2, banner="mine")
    cluster.settings("pop", max_bad_commands="many")
    for c in both(cluster):
        with c:
            assert c.greeting == "+OK mine"
            c.err("FOO")
            c.err("FOO")
            assert c.line().startswith("-ERR ") and c.is_closed()
    assert "max_bad_commands" in cluster.tool("settings", "check", check=False).stdout


def test_every_row_can_be_set(cluster):
    """Settings that the server itself does not use are accepted too."""
    cluster.settings("pop", command_timeout="10m", max_bad_commands=9, max_connections=77, banner="x",
                     retrieval_download_path="/tmp/x", max_retrieval_threads=3, retrieval_interval="2m", login_delay=0,
                     allow_insecure_auth="off", proxy_protocol_from="192.0.2.0/24", autodiscover_host="pop.example.test",
                     autodiscover_port=1995, autodiscover_ssl="off")
    assert cluster.tool("settings", "check").returncode == 0


def test_proxy_protocol(cluster, address):
    cluster.settings("pop", proxy_protocol_from="127.0.0.1", banner="#ConnectedIP#")
    for c in both(cluster, first=FAR):
        with c:
            assert c.greeting == "+OK 192.0.2.7"
    with pytest.raises((OSError, EOFError, ssl.SSLError)):
        connect(cluster, "pop3s")  # no header: closed


# ---- Trouble ----

def test_store_cannot_be_asked(own_cluster):
    cluster = own_cluster(frontends=1)
    address = fill(cluster, cluster.add_user("a@example.test"))
    other = cluster.add_user("b@example.test")
    with session(cluster, address) as c, connect(cluster) as d:
        c.ok("DELE 1")
        cluster.redis.config_set("maxmemory", "1")
        try:
            d.ok(f"USER {other}")
            d.err("PASS secret", "SYS/TEMP")
            c.err("QUIT", "SYS/TEMP")
            assert c.is_closed()
        finally:
            cluster.redis.config_set("maxmemory", "0")
    cluster.redis.delete(lock_key(address))
    assert len(cluster.mailbox(address)) == 3


def packs(cluster):
    return [p for p in cluster.dir.rglob("*") if p.is_file() and p.stat().st_size > 64 * 1024
            and "blob" in str(p.relative_to(cluster.dir))]


def test_a_body_that_cannot_be_read(own_cluster):
    cluster = own_cluster(frontends=1)
    address = cluster.add_user("a@example.test")
    text = "Subject: {n}\r\n\r\n" + ("x" * 70 + "\r\n") * 40000
    for n in (1, 2):
        cluster.deliver("sender@remote.example", address, text.format(n=n))
        cluster.wait_mail(address, n)
    with session(cluster, address) as c:
        pack = next(p for p in packs(cluster) if b"Subject: 1\r\n" in p.read_bytes())
        assert pack.read_bytes().find(b"Subject: 2\r\n") > 2000000  # one frontend's one pack
        os.truncate(pack, 1000000)  # the first can be started, but not finished
        c.err("RETR 2", "SYS/PERM")
        c.err("TOP 2 1", "SYS/PERM")
        c.ok("STAT")
        c.ok("RETR 1")
        with pytest.raises((EOFError, ConnectionError)):
            c.lines()  # cut off, never ended by a dot as if it were complete


@pytest.mark.parametrize("moment", ["before", "during", "after"])
def test_frontend_killed_around_quit(own_cluster, moment):
    cluster = own_cluster(frontends=2)
    address = fill(cluster, cluster.add_user("a@example.test"))
    with session(cluster, address) as c:
        c.ok("DELE 1")
        c.ok("DELE 2")
        if moment == "after":
            c.quit()
        if moment == "during":
            c.send("QUIT\r\n")
        pid = cluster.kill("frontend-0")
        assert c.is_closed()
        answered = c.data.startswith(b"+OK")
    if cluster.redis.exists(lock_key(address)):
        with connect(cluster, frontend=1) as other:  # until the lease ends
            other.ok(f"USER {address}")
            other.err("PASS secret", "IN-USE")
        assert cluster.redis.pttl(lock_key(address)) <= 60000
        cluster.redis.pexpire(lock_key(address), 1)
        time.sleep(0.05)
    with session(cluster, address, frontend=1) as other:
        left = int(other.ok("STAT").split()[0])
    assert left in {"before": (3,), "during": (1,) if answered else (1, 3), "after": (1,)}[moment]
    cluster.wait_restarted("frontend-0", pid)
    assert wait_for(lambda: cluster.wait_mail(address, left), 15)


def test_shutdown(own_cluster):
    cluster = own_cluster(frontends=2)
    address = fill(cluster, cluster.add_user("a@example.test"))
    with session(cluster, address) as c, connect(cluster) as idle:
        c.ok("DELE 1")
        cluster.kill("frontend-0", signal.SIGTERM)
        for one in (c, idle):
            assert one.line().startswith("-ERR [SYS/TEMP] ")
            assert one.is_closed()
    assert len(cluster.mailbox(address, frontend=1)) == 3


def test_log(cluster, maildrop):
    with connect(cluster) as c:
        c.ok(f"USER {maildrop}")
        c.err("PASS my-wrong-secret")
        c.login(maildrop)
        c.retr(1)
        c.ok("DELE 2")
        c.quit()
    text = cluster.log("frontend-0")
    assert "my-wrong-secret" not in text
    lines = [line for line in text.splitlines() if maildrop in line]
    assert any("refused" in line or "failed" in line for line in lines)
    assert any("maildrop opened" in line and "messages=3" in line for line in lines)
    assert any("maildrop left" in line and "retrieved=1" in line for line in lines)


def test_metrics(cluster, maildrop):
    def value(name):
        with socket.create_connection(("127.0.0.1", cluster.metrics_port("frontend-0")), timeout=10) as s:
            s.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            text = b"".join(iter(lambda: s.recv(65536), b"")).decode()
        return int(re.search(rf"^stagepost_{re.escape(name)} (\d+)", text, re.M)[1])

    names = ("pop3_logins_total", "pop3_retrieved_messages_total", "pop3_deleted_messages_total")
    before = [value(n) for n in names]
    with session(cluster, maildrop) as c:
        c.retr(1)
        c.retr(2)
        c.ok("DELE 1")
        c.quit()
    assert [value(n) - b for n, b in zip(names, before)] == [1, 2, 1]


# ---- Real clients ----

def test_poplib(cluster, maildrop):
    context = ssl._create_unverified_context()
    pop = poplib.POP3_SSL("127.0.0.1", cluster.port("pop3s"), context=context, timeout=20)
    pop.user(maildrop)
    pop.pass_("secret")
    assert pop.stat()[0] == 3 and len(pop.list()[1]) == 3 and len(pop.uidl()[1]) == 3
    assert pop.retr(1)[1][-1] == b"last 1" and b".dot" in pop.retr(1)[1]
    assert pop.top(1, 0)[1][-1] == b""
    pop.dele(1)
    pop.rset()
    pop.dele(3)
    pop.noop()
    assert "UIDL" in pop.capa()
    pop.quit()
    pop = poplib.POP3("127.0.0.1", cluster.port("pop3", 1), timeout=20)
    pop.stls(context)
    pop.utf8()
    pop.user(maildrop)
    pop.pass_("secret")
    assert pop.stat()[0] == 2
    pop.quit()


def run(*command, **kwargs):
    result = subprocess.run([str(part) for part in command], capture_output=True, timeout=60, **kwargs)
    assert result.returncode == 0, (command, result.stdout, result.stderr)
    return result.stdout


@pytest.mark.parametrize("options", [
    [], ["--login-options", "AUTH=PLAIN"], ["--login-options", "AUTH=LOGIN"], ["--ssl-reqd"],
    ["--sasl-ir", "--login-options", "AUTH=PLAIN"],
])
def test_curl(cluster, maildrop, options):
    url = f"pop3://127.0.0.1:{cluster.port('pop3')}/"
    curl = ["curl", "-sSk", "--max-time", "30", "--user", f"{maildrop}:secret", *options]
    assert len(run(*curl, url).splitlines()) == 3
    assert run(*curl, url + "2").endswith(b"\r\nline one\r\n.dot\r\n..\r\nlast 2\r\n")
    assert len(run(*curl, "-X", "UIDL", url).splitlines()) == 3
    run(*curl, "-X", "DELE", "-l", url + "1")
    assert len(run(*curl, url).splitlines()) == 2
    secure = f"pop3s://127.0.0.1:{cluster.port('pop3s', 1)}/1"
    assert run("curl", "-sSk", "--user", f"{maildrop}:secret", secure).endswith(b"last 2\r\n")


@pytest.mark.parametrize("auth", ["user", "plain", "login", "scram-sha-256"])
@pytest.mark.parametrize("tls", ["off", "starttls", "on"])
def test_mpop(cluster, maildrop, tmp_path, auth, tls):
    (tmp_path / "config").write_text(
        f"account default\nhost 127.0.0.1\nport {cluster.port('pop3s' if tls == 'on' else 'pop3')}\n"
        f"user {maildrop}\npassword secret\nauth {auth}\ntls {'off' if tls == 'off' else 'on'}\n"
        f"tls_starttls {'on' if tls == 'starttls' else 'off'}\ntls_certcheck off\n"
        f"delivery mbox {tmp_path}/mbox\nuidls_file {tmp_path}/uidls\nkeep off\n")
    os.chmod(tmp_path / "config", 0o600)
    result = subprocess.run(["mpop", "-C", tmp_path / "config"], capture_output=True, timeout=60, text=True)
    if "not supported" in result.stderr + result.stdout and auth == "scram-sha-256":
        pytest.skip("mpop without SCRAM")
    assert result.returncode == 0, result.stderr
    text = (tmp_path / "mbox").read_text()
    assert [f"last {n}" in text for n in (1, 2, 3)] == [True] * 3
    assert cluster.mailbox(maildrop) == []


@pytest.mark.parametrize("tls", ["no", "starttls", "ssl"])
def test_fetchmail(cluster, maildrop, tmp_path, tls):
    rc = tmp_path / "fetchmailrc"
    port = cluster.port("pop3s" if tls == "ssl" else "pop3", 1)
    words = {"no": 'sslproto ""', "starttls": "sslproto TLS1+ no sslcertck", "ssl": "ssl no sslcertck"}[tls]
    rc.write_text(f'poll 127.0.0.1 protocol pop3 port {port} uidl\n'
                  f'user "{maildrop}" password "secret" fetchall no rewrite {words} mda "cat >> {tmp_path}/mbox"\n')
    os.chmod(rc, 0o600)
    run("fetchmail", "-f", rc, "-i", tmp_path / "ids", "--pidfile", tmp_path / "pid",
        env=dict(os.environ, HOME=str(tmp_path), FETCHMAILHOME=str(tmp_path)))
    text = (tmp_path / "mbox").read_text()
    assert [f"last {n}" in text for n in (1, 2, 3)] == [True] * 3
    assert cluster.mailbox(maildrop) == []
