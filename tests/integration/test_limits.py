"""Bad input and shortages: thousands of connections, clients that dawdle or
never read, endless lines, a full disk, a store that is away."""

import os
import signal
import smtplib
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from cluster import wait_for


def memory_kib(pid):
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise AssertionError("no Pss")


def descriptors():
    import resource
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def connect(port, timeout=20):
    return socket.create_connection(("127.0.0.1", port), timeout=timeout)


def test_ten_thousand_connections(own_cluster):
    """All are greeted and served; each costs little; connections beyond the limit do no harm."""
    count = min(10000, (descriptors() - 2000) // 2)
    assert count >= 4000, "the machine allows too few descriptors"
    cluster = own_cluster(frontends=1)
    address = cluster.add_user("a@example.test")
    cluster.settings("smtp-in", max_connections=count)
    pid = cluster.pid("frontend-0")
    before = memory_kib(pid)
    open_ones = []
    try:
        for _ in range(count - 1):
            open_ones.append(connect(cluster.port("smtp")))
        for s in open_ones:
            assert s.recv(200).startswith(b"220 ")
        used = (memory_kib(pid) - before) / count
        assert used < 64, f"{used:.1f} KiB a connection"
        with connect(cluster.port("smtp")) as last:
            assert last.recv(200).startswith(b"220 ")
            with connect(cluster.port("smtp")) as refused:
                assert refused.recv(200).startswith(b"421 ")
            last.sendall(b"QUIT\r\n")
            assert last.recv(200).startswith(b"221 ")
        # the first ones still work
        s = open_ones[0]
        for line in ("EHLO x", "MAIL FROM:<>", f"RCPT TO:<{address}>", "DATA"):
            s.sendall(line.encode() + b"\r\n")
            assert s.recv(4000)[:1] in b"23"
        s.sendall(b"Subject: x\r\n\r\nx\r\n.\r\n")
        assert s.recv(200).startswith(b"250 ")
    finally:
        for s in open_ones:
            s.close()
    assert cluster.pid("frontend-0") == pid
    assert cluster.wait_mail(address)


def idle_session(port, address):
    s = connect(port)
    s.sendall(f"a LOGIN {address} secret\r\nb SELECT INBOX\r\nc IDLE\r\n".encode())
    got = b""
    while b"\r\n+ " not in got:
        more = s.recv(65536)
        assert more, got
        got += more
    assert b"b OK" in got
    return s


def test_two_thousand_idle_sessions(own_cluster):
    """For ten accounts on two frontends: each is told about its own new mail, and about nothing else."""
    count, accounts = 2000, 10
    cluster = own_cluster(frontends=2)
    cluster.settings("imap", max_connections=count)
    users = [cluster.add_user(f"u{n}@example.test") for n in range(accounts)]
    sessions = [(n % accounts, idle_session(cluster.port("imap", n % 2), users[n % accounts])) for n in range(count)]
    try:
        for frontend in (0, 1):
            with connect(cluster.port("imap", frontend)) as s:
                assert s.recv(200).startswith(b"* OK")
        told = users[:5]
        cluster.deliver("s@remote.example", told, "Subject: x\r\n\r\nx\r\n")
        for number, s in sessions:
            if number < 5:
                assert s.recv(4096).startswith(b"* 1 EXISTS\r\n")
        for number, s in sessions:
            s.settimeout(0.01 if number >= 5 else 20)
            if number >= 5:
                with pytest.raises(TimeoutError):
                    s.recv(4096)
            else:
                s.sendall(b"DONE\r\n")
                assert b"c OK" in s.recv(4096)
    finally:
        for _, s in sessions:
            s.close()


def test_slow_sender_is_served_within_the_limit(cluster, address):
    """A byte now and then is not silence."""
    cluster.settings("smtp-in", command_timeout="2s")
    with connect(cluster.port("smtp")) as s:
        s.recv(200)
        for line in (b"EHLO x\r\n", b"MAIL FROM:<>\r\n", f"RCPT TO:<{address}>\r\n".encode(), b"DATA\r\n"):
            s.sendall(line)
            assert s.recv(4000)[:1] in b"23"
        for byte in b"S: 1\r\n\r\nx":
            s.sendall(bytes([byte]))
            time.sleep(0.3)
        s.sendall(b"\r\n.\r\n")
        assert s.recv(200).startswith(b"250 ")
    assert cluster.wait_mail(address)


def test_a_client_that_never_reads(cluster):
    """Its commands wait; the frontend's memory does not grow with its answers."""
    pid = cluster.pid("frontend-0")
    before = memory_kib(pid)
    with connect(cluster.port("smtp"), timeout=2) as s:
        sent = 0
        try:
            for _ in range(3000):
                s.sendall(b"HELP\r\n" * 1000)
                sent += 6000
        except OSError:
            pass  # it waits, or has been closed as one that has timed out
        assert memory_kib(pid) - before < 8 * 1024, f"after {sent} bytes"


@pytest.mark.parametrize("port", ["smtp", "submission", "pop3"])
def test_garbage_harms_nobody(cluster, port):
    pids = [cluster.pid(f"frontend-{i}") for i in (0, 1)]
    pieces = [os.urandom(50000), b"\0" * 10000, b"\r\n" * 5000, b"A" * 1000000, b"\n" * 3000, b"EHLO " + b"x" * 5000 + b"\r\n",
              b"\xff\xfe\r\n" * 100, b"AUTH PLAIN " + b"=" * 20000 + b"\r\n", b"PROXY TCP4 1.1.1.1 2.2.2.2 3 4\r\n"]
    for piece in pieces:
        with connect(cluster.port(port), timeout=5) as s:
            try:
                s.recv(300)
                s.sendall(piece)
                s.shutdown(socket.SHUT_WR)
                while s.recv(65536):
                    pass
            except OSError:
                pass
    assert [cluster.pid(f"frontend-{i}") for i in (0, 1)] == pids
    with smtplib.SMTP("127.0.0.1", cluster.port("smtp"), timeout=10) as smtp:
        assert smtp.noop()[0] == 250


def test_failed_logins_slow_down_everywhere(own_cluster):
    cluster = own_cluster(frontends=2)
    address = cluster.add_user("a@example.test")
    cluster.settings("auth", failure_delay="100ms", failure_delay_longest="1s")

    def attempt(frontend, password):
        start = time.monotonic()
        with smtplib.SMTP("127.0.0.1", cluster.port("submission", frontend), timeout=30) as smtp:
            smtp.ehlo()
            try:
                smtp.login(address, password)
            except smtplib.SMTPAuthenticationError:
                pass
        return time.monotonic() - start
    for n in range(4):
        attempt(n % 2, "wrong")
    assert attempt(0, "wrong") > 0.9  # 100 ms, doubled with each
    assert attempt(1, "wrong") > 0.9
    assert cluster.redis.get(f"auth:fail:{{account:{address}}}") is not None
    attempt(0, "secret")
    assert cluster.redis.get(f"auth:fail:{{account:{address}}}") is None


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 24 MB, if this machine allows one."""
    folder = tmp_path / "small"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder], capture_output=True).returncode != 0:
        pytest.skip("mounting is not permitted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_full_disk(own_cluster, small_disk, tmp_path):
    """452 if there is no room; accepted mail stays; when there is room again, everything continues."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "blobs").symlink_to(small_disk)
    cluster = own_cluster(frontends=1, dir=tmp_path / "data")
    cluster.settings("spool", min_free_space="0")  # until the last byte
    address = cluster.add_user("a@example.test")
    text = "Subject: {n}\r\n\r\n" + ("x" * 70 + "\r\n") * 14000  # 1 MB
    accepted, codes = [], []
    for n in range(60):
        with smtplib.SMTP("127.0.0.1", cluster.port("smtp"), timeout=30) as smtp:
            smtp.ehlo("x")
            code = smtp.mail("s@remote.example")[0]
            code = smtp.rcpt(address)[0] if code == 250 else code
            if code == 250:
                code, answer = smtp.data(text.format(n=n))
            codes.append(code)
            if code == 250:
                accepted.append(answer.decode().split()[-1])
            elif codes.count(452) >= 3:
                break
    assert codes.count(452) >= 3 and set(codes) == {250, 452}, codes
    assert len(accepted) >= 5
    messages = cluster.wait_mail(address, len(accepted), timeout=30)
    for id in accepted:
        assert sum(b"\tid " + id.encode() in m for m in messages) == 1
    pop = cluster.pop(address)
    for n in range(len(messages)):
        pop.dele(n + 1)
    pop.quit()

    def goes():
        try:
            cluster.deliver("s@remote.example", address, text.format(n="again"))
            return True
        except AssertionError:
            return False
    wait_for(goes, 30, step=0.5, what="room again")
    assert cluster.wait_mail(address)


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_store_away(own_cluster, how):
    """Clear refusals, connections are kept, everything resumes by itself."""
    cluster = own_cluster(frontends=1)
    address = cluster.add_user("a@example.test")
    cluster.deliver("s@remote.example", address, "Subject: 1\r\n\r\nx\r\n")
    cluster.wait_mail(address)
    smtp = smtplib.SMTP("127.0.0.1", cluster.port("smtp"), timeout=120)
    smtp.ehlo("x")
    pid = cluster.kill("redis", signal.SIGSTOP if how == "stopped" else signal.SIGKILL)
    if how == "stopped":
        try:
            smtp.mail("s@remote.example")
            code = smtp.rcpt(address)[0]
            if code == 250:
                code = smtp.data("Subject: 2\r\n\r\nx\r\n")[0]
            assert code == 451, code
        finally:
            os.kill(pid, signal.SIGCONT)
    else:
        cluster.wait_restarted("redis", pid)

    def goes():
        smtp.rset()
        smtp.mail("s@remote.example")
        if smtp.rcpt(address)[0] != 250:
            return False
        return smtp.data("Subject: 3\r\n\r\nx\r\n")[0] == 250
    wait_for(goes, 60, step=0.3, what="acceptance again, on the same connection")
    smtp.quit()
    wait_for(lambda: any(b"Subject: 3" in m for m in cluster.mailbox(address)), 30)


def test_many_at_once_while_others_dawdle(cluster, address):
    """Half-sent commands and messages of some clients do not delay others."""
    idle = []
    for i in range(200):
        s = connect(cluster.port("smtp"))
        s.sendall([b"", b"EH", b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT", b"EHLO x\r\n"][i % 4])
        idle.append(s)
    failures = []

    def send(n):
        try:
            cluster.deliver("s@remote.example", address, f"Subject: {n}\r\n\r\nx\r\n", frontend=n % 2)
        except Exception as e:  # noqa: BLE001 - told to the test
            failures.append(e)
    threads = [threading.Thread(target=send, args=(n,)) for n in range(40)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(30)
    assert not failures
    assert len(cluster.wait_mail(address, 40)) == 40
    for s in idle:
        s.close()
