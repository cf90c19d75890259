"""What operators encounter: disks that are full or not writable, processes that died, signals, wrong options."""

import imaplib
import os
import shutil
import signal
import smtplib
import socket
import subprocess
import time
import urllib.error
import urllib.request

import pytest

from cluster import BUILD, Cluster, wait_for

MESSAGE = "Subject: hello\r\n\r\n" + "0123456789abcdef\r\n" * 100


def can_mount():
    return os.geteuid() == 0 and subprocess.run(
        ["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True).returncode == 0


class OnItsOwnDisk(Cluster):
    """A cluster whose blob folder is a small file system, in its own mount namespace."""

    def __init__(self, size="64m", **kwargs):
        super().__init__(**kwargs)
        self.size = size

    def command(self, command):
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c",
                'mkdir -p "$0" && mount -t tmpfs -o "size=$1" none "$0" && shift && exec "$@"',
                str(self.dir / "blobs"), self.size] + [str(word) for word in command]

    def inside(self, *words):
        return subprocess.run(["nsenter", "--target", str(self.process.pid), "--mount", *map(str, words)],
                              capture_output=True, text=True)

    def remount(self, how):
        """Read-only only while nobody has a file open for writing: between two looks."""
        blobs = self.dir / "blobs"
        wait_for(lambda: self.inside("mount", "-o", f"remount,{how}", blobs).returncode == 0, what=f"remount {how}")

    def packs(self):
        return self.inside("find", self.dir / "blobs", "-name", "*.pack", "-printf", "%s ").stdout.split()

    def get(self, name, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port(name)}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metric(self, name, metric):
        for line in self.get(name, "/metrics")[1].splitlines():
            if line.startswith(f"stagepost_{metric} "):
                return int(line.split()[1])
        raise AssertionError(metric)

    def answer_to_mail(self, recipient, message=MESSAGE, size=None):
        """The last reply of a transaction."""
        with smtplib.SMTP("127.0.0.1", self.port("smtp"), timeout=30) as smtp:
            smtp.ehlo("client.example.net")
            for command in (f"MAIL FROM:<a@example.net>{f' SIZE={size}' if size else ''}", f"RCPT TO:<{recipient}>"):
                code, text = smtp.docmd(command)
                if code != 250:
                    return code, text.decode()
            code, text = smtp.data(message)
            return code, text.decode()


@pytest.fixture
def own_disk():
    if not can_mount():
        pytest.skip("file systems cannot be mounted here")
    started = []

    def start(**kwargs):
        started.append(OnItsOwnDisk(frontends=1, **kwargs))
        return started[-1].start()

    yield start
    for cluster in started:
        cluster.remove()


def test_a_folder_that_cannot_be_written_is_told(own_disk):
    """Not ready, reported by status, a metric and one line of the log; and it recovers by itself."""
    c = own_disk(env={"STAGEPOST_READY_PATIENCE": "0"})
    address = c.add_user("alice@example.test")
    c.settings("spool", min_free_space="1M")
    names = ["frontend-0", "delivery-worker-0"]
    c.remount("ro")
    for name in names:
        wait_for(lambda: c.get(name, "/readyz")[0] == 503, 15, what=f"{name} not ready")
        assert "blob store" in c.get(name, "/readyz")[1]
        assert c.metric(name, "blobs_writable") == 0
    assert c.answer_to_mail(address)[0] == 451
    status = wait_for(lambda: (s := c.tool("status", check=False)).returncode == 1 and s, what="a bad status")
    assert "CANNOT STORE BODIES" in status.stdout and "Read-only file system" in status.stdout
    # It was reported once, however often it was checked.
    time.sleep(6)
    assert [c.log(name).count("accepts no bodies") for name in names] == [1, 1]
    c.remount("rw")
    for name in names:
        wait_for(lambda: c.get(name, "/readyz")[0] == 200, 15, what=f"{name} ready")
    assert c.metric("frontend-0", "blobs_writable") == 1
    wait_for(lambda: c.tool("status", check=False).returncode == 0, what="a good status")
    assert c.answer_to_mail(address)[0] == 250


def test_under_the_reserve_mail_is_refused_early(own_disk):
    """452 at MAIL; reading continues and the process stays ready; when there is room, mail is accepted again."""
    c = own_disk(env={"STAGEPOST_READY_PATIENCE": "0"})
    address = c.add_user("alice@example.test")
    c.settings("spool", min_free_space="8M")
    wait_for(lambda: c.metric("frontend-0", "blobs_writable") == 1, what="room")
    assert c.answer_to_mail(address)[0] == 250
    c.wait_mail(address)
    code, text = c.answer_to_mail(address, size=60 << 20)  # 64M - 8M are less than that
    assert code == 452 and "4.3.1" in text
    room = int(c.inside("df", "--output=avail", "--block-size=1M", f"{c.dir}/blobs").stdout.split()[-1])
    c.inside("dd", "if=/dev/zero", f"of={c.dir}/blobs/filler", "bs=1M", f"count={room - 4}")
    wait_for(lambda: c.metric("frontend-0", "blobs_writable") == 0, 15, what="a full disk")
    code, text = c.answer_to_mail(address)
    assert code == 452 and "4.3.1" in text
    with imaplib.IMAP4("127.0.0.1", c.port("imap")) as imap:
        imap.login(address, "secret")
        state, (text,) = imap.append("INBOX", None, None, b"Subject: x\r\n\r\nx\r\n")
        assert state == "NO" and b"UNAVAILABLE" in text
    assert c.get("frontend-0", "/readyz")[0] == 200 and len(c.mailbox(address)) == 1
    free = c.metric("frontend-0", "blobs_free_bytes")
    assert 0 < free < 8 << 20
    status = wait_for(lambda: (s := c.tool("status", check=False)).returncode == 1 and s, what="a bad status")
    assert "FULL" in status.stdout
    c.inside("rm", f"{c.dir}/blobs/filler")
    wait_for(lambda: c.metric("frontend-0", "blobs_writable") == 1, 15, what="room again")
    assert c.answer_to_mail(address)[0] == 250


def test_a_full_disk_leaves_no_empty_packs(own_disk):
    c = own_disk(size="24m")
    address = c.add_user("alice@example.test")
    c.settings("spool", min_free_space="0")
    large = "Subject: large\r\n\r\n" + ("x" * 76 + "\r\n") * 4000
    c.inside("sh", "-c", f"cat /dev/zero > {c.dir}/blobs/filler")
    # So little that a pack can be created, but no body written.
    c.inside("truncate", "-s", "-65536", f"{c.dir}/blobs/filler")
    before = c.packs()
    for _ in range(12):
        assert c.answer_to_mail(address, large)[0] == 452
    wait_for(lambda: len(c.packs()) <= len(before) + 1, what="no packs left")
    c.inside("rm", f"{c.dir}/blobs/filler")
    assert c.answer_to_mail(address, large)[0] == 250
    c.wait_mail(address)


def test_status_without_a_process_is_an_error(own_cluster):
    c = own_cluster(frontends=1)
    assert c.tool("status").returncode == 0
    # Nothing is kept of a process that died long ago.
    c.redis.zadd("cluster:procs", {"long-gone": int((time.time() - 86400) * 1000)})
    wait_for(lambda: c.redis.zscore("cluster:procs", "long-gone") is None, what="the dead one forgotten")
    assert c.redis.zcard("cluster:procs") == 3
    for key in c.redis.keys("cluster:proc:*"):
        c.redis.delete(key)
    for name in ("frontend-0", "spool-broker-0", "delivery-worker-0"):
        c.kill(name, signal.SIGSTOP)
    try:
        for key in c.redis.keys("cluster:proc:*"):
            c.redis.delete(key)
        status = c.tool("status", check=False)
        assert status.returncode == 1 and "no process" in status.stderr and "store: unknown" in status.stdout
    finally:
        for name in ("frontend-0", "spool-broker-0", "delivery-worker-0"):
            c.kill(name, signal.SIGCONT)


@pytest.mark.parametrize("kind", ["frontend", "spool-broker", "delivery-worker"])
def test_status_names_a_kind_of_process_that_is_missing(own_cluster, kind):
    c = own_cluster(frontends=1)
    assert c.tool("status").returncode == 0
    c.kill(f"{kind}-0", signal.SIGSTOP)
    status = wait_for(lambda: (s := c.tool("status", check=False)).returncode == 1 and s, 30, step=0.5, what="an error")
    assert f"there has been no heartbeat of any {kind} for 10 s" in status.stderr
    c.kill(f"{kind}-0", signal.SIGCONT)
    wait_for(lambda: c.tool("status", check=False).returncode == 0, what="a good status")


def test_settings_are_listed_without_keys_and_with_units(own_cluster):
    c = own_cluster(frontends=1)
    c.redis.hset("settings:mailbox:example.test", "plus_addressing", "off")
    c.redis.hset("settings:spool", "retry_longest", "90")
    c.redis.config_resetstat()
    listed = c.tool("settings", "list").stdout.splitlines()
    c.tool("settings", "check")
    assert "cmdstat_keys" not in c.redis.info("commandstats")
    assert "spool.retry_first=5m" in listed and "spool.retry_longest=90h   (set)" in listed
    assert "mailbox:example.test.plus_addressing=off   (set)" in listed
    assert c.tool("settings", "get", "spool.retry_first").stdout == "5m\n"


def test_a_hangup_rereads_certificates_and_stops_nothing(own_cluster):
    c = own_cluster(frontends=1)
    pids = {name: c.pid(name) for name in ("frontend-0", "spool-broker-0", "delivery-worker-0")}
    c.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "read their certificates again" in c.out_path.read_text(), what="the signal taken")
    for name in pids:  # each by itself too: none exits because of it
        os.kill(pids[name], signal.SIGHUP)
    (c.dir / "tls" / "cert.pem").write_text("no certificate")
    c.process.send_signal(signal.SIGHUP)
    # Sooner than by the check every ten seconds.
    wait_for(lambda: any("problem" in pair for p in c.json("status")["processes"] for pair in p.get("certificates", [])),
             5, what="the bad certificate noticed")
    assert c.process.poll() is None and {name: c.pid(name) for name in pids} == pids


@pytest.mark.parametrize("program, environment, arguments, words", [
    ("frontend", {}, ["--hostname", "two words"], "host name"),
    ("spool-broker", {"STAGEPOST_CLUSTER_KEY": "replace this by the output of: openssl rand -hex 32"}, [],
     "placeholder"),
    ("stagepost", {"STAGEPOST_HOSTNAME": "bad_host..test"}, ["up"], "host name"),
    ("stagepost", {}, ["up", "--port-base", "40001"], "0 to 40000"),
])
def test_what_cannot_be_meant_is_refused(tmp_path, program, environment, arguments, words):
    run = subprocess.run([BUILD / program, *arguments], cwd=tmp_path, env=dict(os.environ, **environment),
                         capture_output=True, text=True, timeout=20)
    assert run.returncode == 1 and words in run.stderr


def test_a_busy_metrics_port_is_named_with_its_reason(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        run = subprocess.run([BUILD / "delivery-worker", "--metrics-port", str(taken.getsockname()[1])], cwd=tmp_path,
                             capture_output=True, text=True, timeout=20)
    assert run.returncode == 1 and "Address already in use" in run.stderr
    assert "0 to 40000" in subprocess.run([BUILD / "stagepost", "up", "--help"], capture_output=True, text=True).stdout


def talk(cluster, *recipients, size=None, length=100):
    """The answers to the recipients, and to the message if one of them was accepted."""
    with smtplib.SMTP("127.0.0.1", cluster.port("smtp"), timeout=60) as smtp:
        smtp.ehlo("client.example.net")
        assert smtp.docmd("MAIL", f"FROM:<a@example.net>{f' SIZE={size}' if size else ''}")[0] == 250
        answers = [smtp.docmd("RCPT", f"TO:<{r}>") for r in recipients]
        if all(code != 250 for code, _ in answers):
            return answers, None
        return answers, smtp.data("Subject: x\r\n\r\n" + ("x" * 70 + "\r\n") * (length // 72))


def test_why_a_cluster_does_not_come_up_is_said(tmp_path):
    environment = dict(os.environ, STAGEPOST_CLUSTER_KEY="replace this by the output of: openssl rand -hex 32")
    run = subprocess.run([BUILD / "stagepost", "up", "--dir", tmp_path, "--port-base", "0", "--no-demo"], env=environment,
                         capture_output=True, text=True, timeout=90)
    assert run.returncode == 1 and "does not stay up" in run.stderr and "is the placeholder from the example" in run.stderr


def test_a_full_mailbox_is_told_before_the_250(cluster):
    """At RCPT if it is known, otherwise at the end of the data; 552 only if the message can never fit."""
    small, large = f"small-{os.getpid()}@example.test", f"large-{os.getpid()}@example.test"
    cluster.add_user(small, quota="20K")
    cluster.add_user(large)

    assert talk(cluster, small, length=12000)[1][0] == 250
    cluster.wait_mail(small)
    answers, _ = talk(cluster, small, size=12000)
    assert answers == [(452, f"4.2.2 <{small}>: mailbox full, try again later".encode())]
    assert talk(cluster, small, size=30000)[0][0][0] == 552
    code, text = talk(cluster, small, length=12000)[1]  # without a size
    assert code == 452 and text.startswith(b"4.2.2")
    code, text = talk(cluster, small.replace("@", "+detail@"), length=30000)[1]
    assert code == 552 and text.startswith(b"5.2.2")
    assert talk(cluster, small, length=3000)[1][0] == 250  # a small one fits
    # Together with a recipient that has room it is accepted; a report names the other.
    assert talk(cluster, small, large, length=30000)[1][0] == 250
    assert len(cluster.wait_mail(large)) == 1
    cluster.wait_mail(small, 2)
    # If a size is given, the recipient without room is refused, the other is not.
    answers, end = talk(cluster, small, large, size=30000)
    assert [code for code, _ in answers] == [552, 250] and end[0] == 250
    cluster.tool("user", "set", small, "quota=10K")
    wait_for(lambda: talk(cluster, small)[0][0][0] == 452, what="a quota that is used up")
    cluster.tool("user", "set", small, "quota=0")
    wait_for(lambda: talk(cluster, small)[0][0][0] == 250, what="no quota")


def test_what_is_said_of_a_full_mailbox_is_set_by_domain(cluster):
    domain = f"full-{os.getpid()}.test"
    full, other, roomy = (f"{name}@{domain}" for name in ("full", "other", "roomy"))
    for address in (full, other):
        cluster.add_user(address, quota="10")
    cluster.add_user(roomy)
    cluster.tool("alias", "add", f"both@{domain}", full, other)
    cluster.tool("alias", "add", f"deep@{domain}", f"both@{domain}")
    cluster.tool("alias", "add", f"all@{domain}", full, roomy)
    cluster.tool("alias", "add", f"out@{domain}", full, "far@remote.test")
    for address in (full, other):  # whatever is in it
        with imaplib.IMAP4("127.0.0.1", cluster.port("imap")) as imap:
            cluster.tool("user", "set", address, "quota=1K")
            imap.login(address, "secret")
            assert imap.append("INBOX", None, None, b"Subject: x\r\n\r\n" + b"x" * 200 + b"\r\n")[0] == "OK"
            cluster.tool("user", "set", address, "quota=10")

    def codes(expected):
        """For mailboxes that are all full, directly or through aliases; then for some of which one is not."""
        wait_for(lambda: talk(cluster, full)[0][0][0] == expected, what=f"{expected} for a full mailbox")
        for address in (full, f"both@{domain}", f"deep@{domain}"):
            (code, text), = talk(cluster, address)[0]
            assert code == expected, (address, text)
        for address in (f"all@{domain}", f"out@{domain}", roomy):
            assert talk(cluster, address)[1][0] == 250, address

    # A message of unknown size: larger than the quota of ten octets, but this is not known yet at RCPT.
    codes(452)
    cluster.settings(f"mailbox:{domain}", when_full="refuse")
    codes(552)
    cluster.settings(f"mailbox:{domain}", when_full="report")
    codes(250)
    assert talk(cluster, full, size=3000)[1][0] == 250
    cluster.settings(f"mailbox:{domain}", when_full="later")
    codes(452)


def test_bodies_of_messages_certainly_not_taken_are_released(own_cluster, tmp_path):
    """While the store is away each message is answered 451, and no body of it is left behind."""
    gone, wrapper = tmp_path / "gone", tmp_path / "bin" / "redis-server"
    wrapper.parent.mkdir()
    wrapper.write_text(f"#!/bin/sh\n[ -e {gone} ] && exit 1\nexec {shutil.which('redis-server')} \"$@\"\n")
    wrapper.chmod(0o755)
    c = own_cluster(frontends=1, env={"PATH": f"{wrapper.parent}:{os.environ['PATH']}"})
    address = c.add_user("alice@example.test")
    talks = []
    for _ in range(12):
        smtp = smtplib.SMTP("127.0.0.1", c.port("smtp"), timeout=60)
        smtp.ehlo("client.example.net")
        assert smtp.docmd("MAIL FROM:<a@example.net>")[0] == 250
        assert smtp.docmd(f"RCPT TO:<{address}>")[0] == 250
        talks.append(smtp)
    gone.touch()
    c.kill("redis")
    wait_for(lambda: "ended by signal 9" in c.out_path.read_text(), what="the store gone")
    time.sleep(0.5)
    # Some while the broker still has its shards, some after its lease has ended.
    for smtp in talks[:6]:
        assert smtp.data(MESSAGE)[0] == 451
    for smtp in talks[6:]:
        smtp.putcmd("DATA")
        assert smtp.getreply()[0] == 354
        smtp.send(MESSAGE.replace("\n.", "\n..").encode() + b".\r\n")
    for smtp in talks[6:]:
        assert smtp.getreply()[0] == 451
    gone.unlink()
    wait_for(lambda: c.tool("status", check=False).returncode == 0, 20, what="the store back")
    swept = c.tool("sweep", "--older-than", "0s", "--dry-run").stdout
    assert "; 0 leaked ones" in swept, swept
    assert c.deliver("a@example.net", address, MESSAGE) and len(c.wait_mail(address)) == 1
