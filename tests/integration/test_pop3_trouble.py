"""POP3: a store, a body or a frontend that goes away; real clients."""

import os
import poplib
import re
import signal
import socket
import ssl
import subprocess
import time

import pytest

from cluster import wait_for
from pop3_maildrops import connect, fill, lock_key, maildrop, session  # noqa: F401 (fixtures)


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
