"""What the tests of retrieval share: a cluster, Dovecot beside it, accounts there that are retrieved here."""

import base64
import collections
import hashlib
import poplib
import random
import re
import subprocess
import threading

from cluster import wait_for
from dovecot import Dovecot

SECRET_KEY = "k1:" + base64.b64encode(bytes(range(32))).decode()
# What is put on top of a retrieved message.
TRACE = re.compile(rb"\AReceived: from [^\n]*\r\n(?:\t[^\n]*\r\n)*X-Retrieved-From: [^\n]*\r\n")


def text_of(tag, size=0):
    return (f"From: sender@remote.example\r\nTo: {tag}@remote.example\r\nSubject: {tag}\r\n"
            f"Message-ID: <{tag}@remote.example>\r\nDate: Mon, 30 Nov 2026 10:00:00 +0000\r\n\r\n"
            f"The body of {tag}.\r\n" + "0123456789abcdef\r\n" * (size // 18)).encode()


class World:
    def __init__(self, own_cluster, users, env=None, hosts=("127.0.0.1",), **cluster):
        self.tools = []
        self.dovecot = Dovecot(users, hosts=hosts).start()
        self.cluster = own_cluster(env=dict({"STAGEPOST_SECRET_KEY": SECRET_KEY}, **(env or {})), **cluster)
        self.cluster.settings("pop", retrieval_interval="1s", retrieval_private_hosts="127.0.0.0/8")
        self.cluster.settings("imap", retrieval_interval="1s", retrieval_private_hosts="127.0.0.0/8")
        self.cluster.settings("spool", retry_first="1s", retry_longest="2s")

    def stop(self):
        for tool in self.tools:
            tool.kill()
            tool.wait()
        self.dovecot.remove()

    def add(self, address, user, protocol, *options, trial=False, verb="add", port=None,
            host="127.0.0.1"):
        """The id of a new remote account."""
        if not self.cluster.redis.exists(f"user:{{{address}}}"):
            self.cluster.add_user(address)
        more = [] if trial else ["--no-try"]
        before = set(self.cluster.redis.hkeys(f"retrieve:{{{address}}}"))
        command = ["retrieve", verb, address, "--protocol", protocol, "--host", host, "--port",
                   port or self.dovecot.ports[protocol], "--tls", "none", "--user", user, "--password-stdin", *more,
                   *options]
        if verb == "once":
            self.follow(command)
        else:
            self.cluster.tool(*command, input="secret\n")

        def added():
            return set(self.cluster.redis.hkeys(f"retrieve:{{{address}}}")) - before
        return wait_for(added, 20, what="the account is added").pop()

    def follow(self, command):
        """`once` runs until all is moved."""
        tool = subprocess.Popen([self.cluster.build / "stagepost", *map(str, command), "--dir", self.cluster.dir],
                                env=self.cluster.env, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        tool.stdin.write("secret\n")
        tool.stdin.close()
        self.tools.append(tool)

    def now(self, address, id):
        self.cluster.tool("retrieve", "now", address, id)

    def status(self, address, id):
        return self.cluster.redis.hgetall(f"retrieve:{{{address}}}:{id}:st")

    def bodies(self, address):
        """How often each message is in the INBOX, as it was at the remote."""
        found = collections.Counter()
        for message in self.cluster.mailbox(address):
            assert TRACE.match(message), message[:300]
            found[hashlib.sha256(TRACE.sub(b"", message, count=1)).hexdigest()] += 1
        return found

    def wait_bodies(self, address, texts, timeout=60):
        """Waits until they are all here, and each is here once."""
        wanted = collections.Counter(hashlib.sha256(t).hexdigest() for t in texts)

        def arrived():
            try:
                found = self.bodies(address)
            except (OSError, EOFError, poplib.error_proto):
                return None  # a process that was killed is just being started again
            return [found] if found.total() >= len(texts) else None
        found, = wait_for(arrived, timeout, step=0.3, what=f"{len(texts)} messages of {address}")
        assert found == wanted, f"{(found - wanted).total()} too many, {(wanted - found).total()} missing"

    def is_quiet(self, address, id):
        return (self.cluster.redis.hlen(f"retrieve:{{{address}}}:{id}:pending") == 0 and
                self.status(address, id).get("state") in ("idle", "done"))


class Killer(threading.Thread):
    """Every second one process dies."""

    def __init__(self, cluster):
        super().__init__(daemon=True)
        self.cluster, self.stopped, self.killed = cluster, threading.Event(), []

    def run(self):
        names = ["delivery-worker-0", "delivery-worker-1", "spool-broker-0", "spool-broker-1", "redis"]
        while not self.stopped.wait(1):
            name = random.choice(names)
            try:
                pid = self.cluster.kill(name)
                self.cluster.wait_restarted(name, pid, 30)
                self.killed.append(name)
            except (OSError, ValueError, AssertionError):
                pass
