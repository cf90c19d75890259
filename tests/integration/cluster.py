"""A whole cluster for a test: started by `stagepost up`, on its own ports, in
its own folder, and stopped by the pid that started it."""

import json
import os
import poplib
import shutil
import signal
import smtplib
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import redis

from ports import free_port_base

poplib._MAXLINE = 1 << 20  # the library's own limit; messages may have longer lines

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("STAGEPOST_BUILD", ROOT / "build"))
# Sanitisers keep freed memory, so its use is not measured then.
SANITISED = "san" in BUILD.name
if not BUILD.is_absolute():
    BUILD = ROOT / BUILD

PORTS = {
    "smtp": 25, "submission": 587, "submissions": 465, "pop3": 110, "pop3s": 995,
    "imap": 143, "imaps": 993, "ldap": 389, "ldaps": 636, "http": 80, "https": 443,
    "xmpp": 5222, "metrics": 9090, "redis": 6379,
}
SETTLE = 0.35  # seconds; a change of settings is live everywhere within one


def wait_for(condition, timeout=10.0, step=0.02, what="condition"):
    """Returns the first true value of condition(), or fails after the timeout."""
    until = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > until:
            raise AssertionError(f"{what}: not within {timeout} s")
        time.sleep(step)


class Cluster:
    def __init__(self, frontends=2, brokers=1, workers=1, env=None, dir=None, demo=False, listen=None,
                 build=BUILD):
        self.frontends, self.brokers, self.workers = frontends, brokers, workers
        self.own_dir = dir is None
        self.dir = Path(dir or tempfile.mkdtemp(prefix="stagepost-test-"))
        self.env = dict(os.environ, STAGEPOST_HOSTNAME="mx.example.test", **(env or {}))
        self.demo = demo
        self.listen = listen
        self.build = Path(build)
        self.process = None
        self.redis = None
        self.output = None

    # ---- its life ----

    def start(self):
        for attempt in range(3):
            self.port_base = self.free_port_base()
            if self._try_start():
                return self
        raise RuntimeError(f"the cluster does not start:\n{self.output}\n{self.logs()}")

    def free_port_base(self):
        processes = self.frontends + self.brokers + self.workers
        return free_port_base([PORTS["redis"]] + [PORTS["metrics"] + i for i in range(processes)],
                              [p for name, p in PORTS.items() if name not in ("metrics", "redis")], self.frontends)

    def command(self, command):
        """The command that runs instead of `stagepost up`: the same in its own environment."""
        return command

    def _try_start(self):
        command = [self.build / "stagepost", "up", "--dir", self.dir, "--port-base", str(self.port_base),
                   "--frontends", str(self.frontends), "--brokers", str(self.brokers),
                   "--workers", str(self.workers)]
        if not self.demo:
            command.append("--no-demo")
        if self.listen:
            command += ["--listen", self.listen]
        self.out_path = self.dir / "up.out"
        with open(self.out_path, "w") as out:
            self.process = subprocess.Popen(self.command(command), env=self.env, stdout=out, stderr=subprocess.STDOUT)
        until = time.monotonic() + 60
        while time.monotonic() < until:
            self.output = self.out_path.read_text()
            if "Running" in self.output:
                self.redis = redis.Redis(port=self.port_base + PORTS["redis"], decode_responses=True)
                return True
            if self.process.poll() is not None:
                return False
            time.sleep(0.03)
        self.stop()
        return False

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise
        if self.process is not None:
            self.status = self.process.returncode
        self.process = None

    def remove(self):
        self.stop()
        if self.own_dir:
            shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc):
        self.remove()

    # ---- its parts ----

    def port(self, name, frontend=0):
        return PORTS[name] + self.port_base + (frontend * 1000 if name not in ("redis", "metrics") else 0)

    def pid(self, name):
        """The pid of a child: "frontend-0", "spool-broker-0", "delivery-worker-0", "redis"."""
        return int((self.dir / "run" / f"{name}.pid").read_text())

    def queued(self):
        """Entries of the spool."""
        return sum(self.redis.hlen(key) for key in self.redis.scan_iter("spool:*:env"))

    def holds_any(self, ids):
        """Has the spool an entry of one of these messages, marked or not?"""
        return any(id in ids for key in self.redis.scan_iter("spool:*:env") for id in self.redis.hkeys(key))

    def kill(self, name, signal_number=signal.SIGKILL):
        pid = self.pid(name)
        os.kill(pid, signal_number)
        return pid

    def wait_restarted(self, name, old_pid, timeout=10):
        def restarted():
            try:
                pid = self.pid(name)
                return pid != old_pid and Path(f"/proc/{pid}").exists()
            except (FileNotFoundError, ValueError):
                return False
        wait_for(restarted, timeout, what=f"{name} started again")
        if name.startswith("frontend-"):
            wait_for(lambda: self.is_open(self.port("smtp", int(name[9:]))), timeout, what=f"{name} listening")

    @staticmethod
    def is_open(port):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
            return True
        except OSError:
            return False

    def metrics_port(self, name):
        """Brokers come first, then workers, then frontends."""
        kind, _, number = name.rpartition("-")
        before = {"spool-broker": 0, "delivery-worker": self.brokers,
                  "frontend": self.brokers + self.workers}[kind]
        return self.port_base + PORTS["metrics"] + before + int(number)

    def logs(self):
        parts = []
        for path in sorted((self.dir / "log").glob("*.log")):
            parts.append(f"== {path.name}\n{path.read_text(errors='replace')[-3000:]}")
        return "\n".join(parts)

    def log(self, name):
        return (self.dir / "log" / f"{name}.log").read_text(errors="replace")

    # ---- control ----

    def tool(self, *args, check=True, input=None):
        result = subprocess.run([self.build / "stagepost", *map(str, args), "--dir", str(self.dir)], env=self.env,
                                input=input, capture_output=True, text=True, timeout=60)
        if check and result.returncode != 0:
            raise AssertionError(f"stagepost {' '.join(map(str, args))}: {result.stderr}\n{self.logs()}")
        return result

    def json(self, *args):
        return json.loads(self.tool(*args, "--json").stdout)

    def settings(self, group, **fields):
        """As an operator does it: redis-cli HSET, then a moment."""
        self.redis.hset(f"settings:{group}", mapping={k: str(v) for k, v in fields.items()})
        time.sleep(SETTLE)

    def unset(self, group, *fields):
        if fields:
            self.redis.hdel(f"settings:{group}", *fields)
        else:
            self.redis.delete(f"settings:{group}")
        time.sleep(SETTLE)

    def add_domain(self, name):
        self.tool("domain", "add", name)

    def add_user(self, address, password="secret", **fields):
        domain = address.split("@")[1]
        if not self.redis.sismember("domains", domain):
            self.add_domain(domain)
        args = ["user", "add", address, "--password", password]
        for name, value in fields.items():
            args += [f"--{name}", str(value)]
        self.tool(*args)
        if count := os.environ.get("STAGEPOST_TEST_ITEMS"):
            self.seed_items(address, count)
        return address

    def seed_items(self, address, count):
        """Items of classes other than mail, which mail clients must not notice; the first ten have bodies."""
        subprocess.run([BUILD / "tests/integration/seed_items", f"redis://127.0.0.1:{self.port('redis')}",
                        f"file:{self.dir}/blobs", address, str(count)], check=True, timeout=120)

    def trace(self, id):
        return self.json("trace", id)

    # ---- mail ----

    def deliver(self, sender, recipients, message, frontend=0, **kwargs):
        """Sends by SMTP on port 25; returns the spool id of the reply."""
        if isinstance(recipients, str):
            recipients = [recipients]
        with smtplib.SMTP("127.0.0.1", self.port("smtp", frontend), timeout=30) as smtp:
            smtp.ehlo("client.example.net")
            code, text = smtp.docmd("MAIL", f"FROM:<{sender}>")
            assert code == 250, text
            for recipient in recipients:
                code, text = smtp.docmd("RCPT", f"TO:<{recipient}>")
                assert code == 250, text
            code, text = smtp.data(message)
            assert code == 250, text
        return text.decode().split()[-1]

    def pop(self, address, password="secret", frontend=0):
        pop = poplib.POP3("127.0.0.1", self.port("pop3", frontend), timeout=30)
        pop.user(address)
        pop.pass_(password)
        return pop

    def mailbox(self, address, password="secret", frontend=0):
        """The messages of INBOX, as bytes with CRLF."""
        pop = self.pop(address, password, frontend)
        try:
            count = pop.stat()[0]
            return [b"\r\n".join(pop.retr(i + 1)[1]) + b"\r\n" for i in range(count)]
        finally:
            pop.quit()

    def wait_mail(self, address, count=1, password="secret", timeout=15, frontend=0):
        def arrived():
            try:
                messages = self.mailbox(address, password, frontend)
            except (OSError, EOFError, poplib.error_proto):
                return None  # a frontend or the store is just being started
            return messages if len(messages) >= count else None
        return wait_for(arrived, timeout, step=0.1, what=f"{count} messages for {address}")
