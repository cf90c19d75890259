"""The connection to the store: TLS, users, databases, secrets that are never shown, names that do not resolve."""

import json
import os
import shutil
import signal
import smtplib
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import redis

from certificates import Authority
from cluster import BUILD, PORTS, wait_for
from imap_client import Imap
from ports import free_port, free_port_base

PASSWORD = "s3cr/t:p@ss"
QUOTED = "s3cr%2Ft%3Ap%40ss"


class Processes:
    """Programs started one by one, as an operator's own supervisor does; with a folder, ports and an environment."""

    def __init__(self, redis_url, **env):
        self.dir = Path(tempfile.mkdtemp(prefix="stagepost-link-"))
        (self.dir / "blobs").mkdir()
        self.env = {**os.environ, "STAGEPOST_REDIS": redis_url, "STAGEPOST_BLOBS": f"file:{self.dir}/blobs",
                    "STAGEPOST_HOSTNAME": "mx.example.test", **env}
        self.started, self.ports = [], {}

    def start(self, program, *args, wrap=(), ready=True):
        port = free_port()
        self.ports[program] = port
        log = open(self.dir / f"{program}.log", "w")
        process = subprocess.Popen([*wrap, BUILD / program, "--id", program, "--metrics-port", str(port), *args],
                                   env=self.env, stdout=log, stderr=subprocess.STDOUT)
        self.started.append(process)
        if ready:
            wait_for(lambda: self.get(program, "/readyz")[0] == 200, 20, what=f"{program} ready: {self.log(program)}")
        return process

    def start_frontend(self, **kwargs):
        base = free_port_base([], [port for name, port in PORTS.items() if name not in ("metrics", "redis")], 1)
        self.start("frontend", "--port-base", str(base), "--listen", "127.0.0.1", **kwargs)
        return base

    def log(self, program):
        return (self.dir / f"{program}.log").read_text()

    def get(self, program, path, timeout=5):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[program]}{path}", timeout=timeout) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as e:
            return e.code, e.read().decode()
        except OSError:
            return 0, ""

    def tool(self, *args, check=True):
        result = subprocess.run([BUILD / "stagepost", *args, "--dir", str(self.dir / "none")], env=self.env,
                                capture_output=True, text=True, timeout=60)
        assert not check or result.returncode == 0, result.stderr
        return result

    def remove(self):
        for process in reversed(self.started):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in reversed(self.started):
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


@pytest.fixture
def processes():
    made = []

    def make(*args, **env):
        made.append(Processes(*args, **env))
        return made[-1]

    yield make
    for p in made:
        p.remove()


def redis_server(dir, *options):
    process = subprocess.Popen(["redis-server", "--dir", str(dir), "--save", "", "--appendonly", "yes",
                                "--appendfsync", "always", *map(str, options)], stdout=subprocess.DEVNULL)
    return process


@pytest.fixture(scope="module")
def authority():
    with Authority() as ca:
        yield ca


@pytest.fixture(scope="module")
def secure_redis(authority):
    """Only TLS, with client certificates; one user, and no default one."""
    dir = tempfile.mkdtemp(prefix="stagepost-redis-")
    port, plain = free_port(), free_port()
    cert, key = authority.issue("localhost")
    process = redis_server(dir, "--port", plain, "--tls-port", port, "--tls-cert-file", cert, "--tls-key-file", key,
                           "--tls-ca-cert-file", authority.file, "--tls-auth-clients", "yes",
                           "--user", "stagepost", "on", f">{PASSWORD}", "~*", "&*", "+@all", "--user", "default", "off")
    wait_for(lambda: socket.socket().connect_ex(("127.0.0.1", plain)) == 0, 10)
    yield {"port": port, "plain": plain}
    process.terminate()
    process.wait()
    shutil.rmtree(dir, ignore_errors=True)


def client_files(authority):
    cert, key = authority.issue("client")
    return {"STAGEPOST_REDIS_CA": str(authority.file), "STAGEPOST_REDIS_CERT": str(cert),
            "STAGEPOST_REDIS_KEY": str(key)}


def test_all_of_it_over_tls_as_a_user(secure_redis, authority, processes):
    p = processes(f"rediss://stagepost:{QUOTED}@localhost:{secure_redis['port']}/3", **client_files(authority))
    p.tool("domain", "add", "example.test")
    p.tool("user", "add", "alice@example.test", "--password", "secret")
    p.start("spool-broker")
    p.start("delivery-worker")
    base = p.start_frontend()
    with smtplib.SMTP("127.0.0.1", base + 25, timeout=30) as smtp:
        smtp.sendmail("bob@elsewhere.test", ["alice@example.test"], "Subject: over TLS\r\n\r\n" + "x" * 200000)
    with Imap(base + 143) as imap:
        imap.login("alice@example.test")
        wait_for(lambda: imap.ok("STATUS INBOX (MESSAGES)").find(r"MESSAGES 1"), 10)
    store = redis.Redis(port=secure_redis["plain"], username="stagepost", password=PASSWORD, db=3,
                        decode_responses=True)
    assert store.exists("user:{alice@example.test}")
    assert not redis.Redis(port=secure_redis["plain"], username="stagepost", password=PASSWORD, db=0).dbsize()
    # Notices arrive over it too: a setting takes effect within a second.
    store.hset("settings:smtp-in", "banner", "changed #HostName#")
    wait_for(lambda: socket_banner(base + 25).startswith("220 changed"), 3)
    for text in (p.tool("status").stdout, p.tool("status", "--json").stdout,
                 *(p.log(name) for name in ("frontend", "spool-broker", "delivery-worker"))):
        assert PASSWORD not in text and QUOTED not in text
    assert json.loads(p.tool("status", "--json").stdout)["store"]["redis"] == \
        f"rediss://stagepost:***@localhost:{secure_redis['port']}/3"


def socket_banner(port):
    with socket.create_connection(("127.0.0.1", port), timeout=5) as s:
        return s.recv(200).decode()


@pytest.mark.parametrize("url,env,words", [
    ("rediss://stagepost:{q}@127.0.0.1:{port}", {}, "IP address mismatch"),
    ("rediss://stagepost:{q}@localhost:{port}", {"STAGEPOST_REDIS_CA": ""}, "certificate"),
    ("rediss://stagepost:wrong-pass@localhost:{port}", {}, "WRONGPASS"),
    ("rediss://:{q}@localhost:{port}", {}, "WRONGPASS"),
    ("redis://stagepost:{q}@localhost:{port}", {}, ""),
    ("rediss://stagepost:{q}@localhost:{plain}", {}, ""),
    ("rediss://stagepost:{q}@localhost:{port}", {"STAGEPOST_REDIS_CA": "/nowhere"}, "STAGEPOST_REDIS_CA"),
])
def test_refused_and_said_without_the_password(secure_redis, authority, processes, url, env, words):
    p = processes(url.format(q=QUOTED, **secure_redis), **{**client_files(authority), **env})
    result = p.tool("domain", "list", check=False)
    text = result.stdout + result.stderr
    assert result.returncode == 1 and "does not answer" in text
    assert words in text
    assert PASSWORD not in text and QUOTED not in text and "wrong-pass" not in text


def test_malformed_url_is_not_shown(processes):
    p = processes(f"redis://stagepost:{QUOTED}@localhost:0")
    assert QUOTED not in p.tool("domain", "list", check=False).stderr


# ---- Names ----

SILENT = """
set -e
mount --bind {dir}/resolv.conf /etc/resolv.conf
mount --bind {dir}/hosts /etc/hosts
exec "$@"
"""


@pytest.fixture
def silent_names():
    """For programs started through .wrap: a name server that never answers, and a hosts file that can be changed."""
    class Names:
        dir = Path(tempfile.mkdtemp(prefix="stagepost-names-"))
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        server.bind(("127.0.54.53", 53))
        (Names.dir / "resolv.conf").write_text("nameserver 127.0.54.53\n")
        (Names.dir / "hosts").write_text("127.0.0.1 localhost\n")
        Names.wrap = ["unshare", "-m", "sh", "-c", SILENT.format(dir=Names.dir), "sh"]
        subprocess.run([*Names.wrap, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no right to be a name server, or to make a mount namespace")
    yield Names
    server.close()
    shutil.rmtree(Names.dir, ignore_errors=True)


def longest_wait(action, seconds):
    """How long the slowest of many took."""
    until, longest = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        began = time.monotonic()
        action()
        longest = max(longest, time.monotonic() - began)
        time.sleep(0.05)
    return longest


def test_name_server_is_silent_from_the_start(processes, silent_names):
    p = processes("redis://store.stagepost.example:6379")
    p.start_frontend(wrap=silent_names.wrap, ready=False)
    wait_for(lambda: p.get("frontend", "/healthz")[0] == 200, 10)

    def healthz():
        assert p.get("frontend", "/healthz", timeout=10)[0] == 200
    assert longest_wait(healthz, 8) < 1
    assert "no answer in time" in p.log("frontend")


def test_name_server_falls_silent(processes, silent_names):
    """The store disappears, and its name too: open sessions and /healthz are served as before, and everything
    recovers."""
    dir = tempfile.mkdtemp(prefix="stagepost-redis-")
    port = free_port()
    store = redis_server(dir, "--port", port)
    try:
        hosts = silent_names.dir / "hosts"
        hosts.write_text("127.0.0.1 localhost store.stagepost.example\n")
        p = processes(f"redis://store.stagepost.example:{port}")
        p.start("spool-broker", wrap=silent_names.wrap)
        base = p.start_frontend(wrap=silent_names.wrap)
        smtp = smtplib.SMTP("127.0.0.1", base + 25, timeout=30)
        hosts.write_text("127.0.0.1 localhost\n")
        store.kill()
        store.wait()

        def ask():
            assert smtp.noop()[0] == 250
            assert p.get("frontend", "/healthz", timeout=30)[0] == 200
        assert longest_wait(ask, 10) < 1
        # A short loss does not send the frontend's clients elsewhere: other frontends are no better off.
        assert p.get("frontend", "/readyz")[0] == 200
        smtp.ehlo()
        smtp.mail("bob@elsewhere.test")
        assert smtp.rcpt("alice@example.test")[0] == 451
        hosts.write_text("127.0.0.1 localhost store.stagepost.example\n")
        store = redis_server(dir, "--port", port)
        wait_for(lambda: p.get("frontend", "/readyz")[1] == "ok\n", 30)
        smtp.quit()
    finally:
        store.kill()
        store.wait()
        shutil.rmtree(dir, ignore_errors=True)
