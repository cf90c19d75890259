"""POP3: the lock of a maildrop, and every row of settings:pop."""

import ssl
import time

import pytest

from cluster import wait_for
from pop3_maildrops import FAR, both, connect, fresh, lock_key, maildrop, session  # noqa: F401 (fixtures)


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
