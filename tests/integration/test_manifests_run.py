"""The pods' own command lines, run here: Redis, the check of the volume, the
three programs; with their environment, and a client of IPv4 and one of IPv6."""

import os
import poplib
import re
import shutil
import signal
import smtplib
import socket
import subprocess
import tempfile
import urllib.request
from pathlib import Path

import pytest
import redis

from certificates import Authority
from cluster import BUILD, PORTS, ROOT, SANITISED, wait_for
from kubernetes import build, environment, find, needs_npm, pods
from ports import free_port, free_port_base

pytestmark = needs_npm
PASSWORD = "0123456789abcdef0123456789abcdef"
CHECK = ROOT / "deploy" / "check-blobs.sh"


def loopbacks():
    """The IPv4 address, and the IPv6 one if this machine has it."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return ["127.0.0.1"]
    return ["127.0.0.1", "::1"]


def url_host(address):
    return f"[{address}]" if ":" in address else address


class Node:
    """Runs containers of a built kustomization without a container: paths and ports are those of this machine."""

    def __init__(self, objects):
        self.objects = objects
        self.dir = Path(tempfile.mkdtemp(prefix="stagepost-node-"))
        self.dir.chmod(0o755)
        self.ca = Authority()
        cert, key = self.ca.issue("mx.example.com")
        for name in ("data", "blobs", "redis", "tls"):
            (self.dir / name).mkdir()
        shutil.copy(cert, self.dir / "tls" / "tls.crt")
        shutil.copy(key, self.dir / "tls" / "tls.key")
        self.redis_port, self.bus_port = free_port(), free_port()
        self.metrics = {}
        self.secrets = {("redis", "password"): PASSWORD, ("redis", "url"): f"redis://:{PASSWORD}@localhost:{self.redis_port}",
                        ("cluster-key", "key"): "a key of the whole cluster",
                        ("secret-key", "key"): "1:" + "A" * 43 + "="}
        self.started = []
        self.ip = loopbacks()[-1]
        self.more = {}  # variables for the programs that no manifest has

    def here(self, text):
        """Translates what a manifest names to its place on this machine."""
        for path, own in (("/var/lib/stagepost/blobs", "blobs"), ("/etc/stagepost/tls", "tls"), ("/etc/redis", "redis")):
            text = text.replace(path, str(self.dir / own))
        return text

    def environment(self, container, name):
        fields = {"metadata.name": f"{name}-7d4b9-x2x4z", "status.podIP": self.ip}
        values = environment(container, self.objects, self.secrets, fields)
        return {"PATH": os.environ["PATH"], **{k: self.here(v) for k, v in values.items()}}

    def run(self, command, env, log):
        with open(self.dir / f"{log}.log", "w") as out:
            process = subprocess.Popen(command, env=env, stdout=out, stderr=subprocess.STDOUT, cwd="/")
        self.started.append(process)
        return process

    def redis(self):
        pod = dict(pods(self.objects))["redis"]["containers"][0]
        text = find(self.objects, "ConfigMap", "redis")[0]["data"]["redis.conf"]
        text = text.replace("dir /data", f"dir {self.dir}/data") + f"port {self.redis_port}\n"
        (self.dir / "redis" / "redis.conf").write_text(text)
        env = self.environment(pod, "redis")
        process = self.run([*pod["command"], *[self.here(a) for a in pod["args"]]], env, "redis")
        probe = [a.replace("redis-cli", f"redis-cli -p {self.redis_port}") for a in pod["readinessProbe"]["exec"]["command"]]
        wait_for(lambda: subprocess.run(probe, env=env, capture_output=True).returncode == 0, 10, what="Redis ready")
        wrong = subprocess.run(probe, env={**env, "REDISCLI_AUTH": "wrong"}, capture_output=True)
        assert wrong.returncode != 0
        return process

    def program(self, name):
        pod = dict(pods(self.objects))[name]
        for container in pod["initContainers"]:
            assert container["args"] == ["check-blobs"]
            subprocess.run([CHECK], env=self.environment(container, name), check=True)
        container = pod["containers"][0]
        env = {**self.environment(container, name), **self.more}
        self.metrics[name] = free_port()
        args = [re.sub(r"\$\((\w+)\)", lambda m: env[m.group(1)], a) for a in container["args"]]
        self.base = free_port_base([], [p for n, p in PORTS.items() if n not in ("metrics", "redis")], 1)
        moved = {"9090": str(self.metrics[name]), "tcp://*:5571": f"tcp://*:{self.bus_port}", "10000": str(self.base)}
        args = [moved.get(a, a) for a in args]
        process = self.run([BUILD / args[0], *args[1:]], env, name)
        path = container["readinessProbe"]["httpGet"]["path"]
        wait_for(lambda: self.get(name, path) == 200, 20, what=f"{name} ready: {(self.dir / f'{name}.log').read_text()}")
        return process

    def get(self, name, path, host="127.0.0.1"):
        try:
            with urllib.request.urlopen(f"http://{url_host(host)}:{self.metrics[name]}{path}", timeout=5) as answer:
                return answer.status
        except OSError as e:
            return getattr(e, "code", 0)

    def exec(self, name, *command):
        """kubectl exec deploy/<name> -- stagepost ..."""
        env = self.environment(dict(pods(self.objects))[name]["containers"][0], name)
        return subprocess.run([BUILD / "stagepost", *command], env=env, cwd="/", capture_output=True, text=True, timeout=60)

    def count(self, address):
        pop = poplib.POP3("127.0.0.1", self.base + PORTS["pop3"], timeout=30)
        pop.user(address)
        pop.pass_("secret")
        count = pop.stat()[0]
        pop.quit()
        return count

    def remove(self):
        for process in reversed(self.started):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(60)
        shutil.rmtree(self.ca.dir, ignore_errors=True)
        shutil.rmtree(self.dir, ignore_errors=True)


@pytest.fixture
def node():
    made = Node(build("overlays/one-node"))
    yield made
    made.remove()


def test_redis_keeps_what_it_answers(node):
    process = node.redis()
    client = redis.Redis("localhost", node.redis_port, password=PASSWORD, decode_responses=True)
    config = client.config_get("*")
    assert config["appendonly"] == "yes" and config["appendfsync"] == "always" and config["save"] == ""
    assert config["maxmemory-policy"] == "noeviction" and int(config["maxmemory"]) == 640 << 20
    with pytest.raises(redis.AuthenticationError):
        redis.Redis("localhost", node.redis_port).ping()
    # The password is on no command line; the server has replaced the shell, so SIGTERM reaches it.
    assert PASSWORD not in Path(f"/proc/{process.pid}/cmdline").read_text()
    assert Path(f"/proc/{process.pid}/comm").read_text().startswith("redis-server")
    client.set("kept", "yes")
    # Full: writes are refused, nothing is deleted.
    client.config_set("maxmemory", "100kb")
    with pytest.raises(redis.ResponseError, match="OOM"):
        client.set("more", "x")
    assert client.get("kept") == "yes"
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0


def test_pods_come_up_and_take_mail(node):
    node.redis()
    for name in ("spool-broker", "delivery-worker"):
        node.program(name)
    frontend = node.program("frontend")
    for name in ("spool-broker", "delivery-worker", "frontend"):
        assert [node.get(name, "/healthz", host) for host in loopbacks()] == [200] * len(loopbacks()), name
    assert node.exec("frontend", "domain", "add", "example.test").returncode == 0
    assert node.exec("frontend", "user", "add", "alice@example.test", "--password", "secret").returncode == 0
    for host in loopbacks():
        with smtplib.SMTP(host, node.base + PORTS["smtp"], timeout=30) as smtp:
            assert b"mx.example.com" in smtp.ehlo("client.example.net")[1]
            smtp.sendmail("bob@elsewhere.test", ["alice@example.test"], f"Subject: to {host}\r\n\r\nhello\r\n")
    wait_for(lambda: node.count("alice@example.test") == len(loopbacks()), 30, step=0.2, what="both messages filed")
    status = node.exec("frontend", "status")
    assert status.returncode == 0, status.stdout + status.stderr
    assert all(f"{name}-7d4b9-x2x4z" in status.stdout for name in ("frontend", "spool-broker", "delivery-worker"))
    assert node.exec("frontend", "queue", "summary").returncode == 0
    frontend.send_signal(signal.SIGTERM)
    assert frontend.wait(20) == 0


NO_IPV6 = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <sys/socket.h>
int socket(int family, int type, int protocol)
{
	int (*real)(int, int, int) = (int (*)(int, int, int))dlsym(RTLD_NEXT, "socket");
	if (family != AF_INET6)
		return real(family, type, protocol);
	errno = EAFNOSUPPORT;
	return -1;
}
"""


@pytest.mark.skipif(SANITISED, reason="sanitizers want to be the first library")
def test_pods_come_up_on_a_node_without_ipv6(node):
    (node.dir / "no-ipv6.c").write_text(NO_IPV6)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", node.dir / "no-ipv6.so", node.dir / "no-ipv6.c", "-ldl"], check=True)
    node.redis()
    node.more = {"LD_PRELOAD": str(node.dir / "no-ipv6.so")}
    node.ip = "127.0.0.1"
    for name in ("spool-broker", "delivery-worker", "frontend"):
        node.program(name)  # ready: the metrics port and the bus are reachable over IPv4
    assert b"mx.example.com" in socket.create_connection(("127.0.0.1", node.base + PORTS["smtp"]), 10).recv(200)


# ---- the check of the volume ----

def as_programs_user(command, folder):
    if os.getuid() == 0:
        command = ["setpriv", "--reuid=990", "--regid=990", "--clear-groups", *command]
    return subprocess.run(command, env={"PATH": os.environ["PATH"], "STAGEPOST_BLOBS": f"file:{folder}"},
                          capture_output=True, text=True)


@pytest.fixture
def volume():
    dir = Path(tempfile.mkdtemp(prefix="stagepost-volume-"))
    dir.chmod(0o755)
    script = dir / "check-blobs"  # where every user may read it
    shutil.copy(CHECK, script)
    folder = dir / "blobs"
    folder.mkdir()
    if os.getuid() == 0:
        os.chown(folder, 990, 990)
    yield script, folder
    subprocess.run(["chmod", "-R", "u+rwx", dir])
    shutil.rmtree(dir)


def test_a_volume_of_ours_passes(volume):
    script, folder = volume
    (folder / "packs").mkdir()
    if os.getuid() == 0:
        os.chown(folder / "packs", 990, 990)
    result = as_programs_user([script], folder)
    assert (result.returncode, result.stderr) == (0, "")
    assert [p.name for p in folder.iterdir()] == ["packs"]  # its probe is gone


def test_a_volume_of_anothers_is_told_of(volume):
    script, folder = volume
    folder.chmod(0o555)
    if os.getuid() == 0:
        os.chown(folder, 0, 0)
    result = as_programs_user([script], folder)
    assert result.returncode == 1
    assert "cannot be written by" in result.stderr and "k8s/prepare" in result.stderr and "mode 555" in result.stderr


def test_a_folder_inside_of_anothers_is_told_of(volume):
    script, folder = volume
    inside = folder / "packs"
    inside.mkdir()
    inside.chmod(0o555)
    result = as_programs_user([script], folder)
    assert result.returncode == 1 and str(inside) in result.stderr


def test_a_volume_that_is_not_there_is_told_of(volume):
    script, folder = volume
    result = as_programs_user([script], folder / "none")
    assert result.returncode == 1 and "is not a folder" in result.stderr
