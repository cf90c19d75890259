"""SMTP in: bad input, sizes and numbers, and a store or a frontend that goes away."""

import os
import random
import socket
import struct
import time

import pytest

from cluster import SANITISED, wait_for
from smtp_in import MESSAGE, cluster, connect  # noqa: F401 (fixtures)


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
