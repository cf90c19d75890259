"""Brokers and workers that a test starts one by one on a Redis of its own."""

import collections
import itertools
import re
import signal
import subprocess

import pytest

from cluster import Cluster, wait_for
from dnsserver import DnsServer
from sink import Sink

_numbers = itertools.count(1)
SHARDS = 16
SLOW = 16
TAKEN_OVER_WITHIN = 5.0  # seconds, after a death
TEST_SLACK = 3.0         # for a busy machine


class Program:
    """A broker or a worker that nobody restarts."""

    def __init__(self, cluster, kind, *options):
        self.id = f"{kind}-of-test-{next(_numbers)}"
        env = dict(cluster.env, STAGEPOST_REDIS=f"redis://127.0.0.1:{cluster.port('redis')}",
                   STAGEPOST_BLOBS=f"file:{cluster.dir}/blobs")
        self.log_path = cluster.dir / "log" / f"{self.id}.log"
        with open(self.log_path, "w") as log:
            self.process = subprocess.Popen([cluster.build / kind, "--id", self.id, *options], env=env, stdout=log,
                                            stderr=subprocess.STDOUT)

    def signal(self, number):
        self.process.send_signal(number)

    def log(self):
        return self.log_path.read_text(errors="replace")

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait()


class World:
    """A supervised cluster, and next to it the test's own programs; mail to
    `slow` is accepted step by step as the test says, mail to `ill` is deferred
    until the test heals it."""

    def __init__(self, own_cluster, brokers=1, workers=1):
        self.dns = DnsServer().start()
        self.slow = Sink("127.0.0.2").start()
        self.ill = Sink("127.0.0.3", self.slow.port).start()
        self.far = Sink("127.0.0.4", self.slow.port).start()
        self.ill.reply["RCPT"] = self.refuse
        self.healed, self.refused = False, 0
        for i in range(SLOW):  # a new destination gets only a few at once
            self.dns.mail_domain(f"slow{i}.test", (10, f"mx.slow{i}.test", "127.0.0.2"))
        self.dns.mail_domain("ill.test", (10, "mx.ill.test", "127.0.0.3"))
        self.dns.mail_domain("far.test", (10, "mx.far.test", "127.0.0.4"))
        self.dns.mail_domain("dead.test", (10, "mx.dead.test", "127.0.0.9"))
        self.cluster = own_cluster(frontends=1, brokers=brokers, workers=workers,
                                   env={"STAGEPOST_RESOLVER": self.dns.resolver})
        self.user = self.cluster.add_user("user@example.test")
        self.cluster.settings("smtp-in", relay_whitelist="127.0.0.0/8")
        self.cluster.settings("spool", retry_first="1s", retry_longest="1s")
        self.cluster.settings("smtp-out", port=self.slow.port, max_connections_per_destination=1000)
        self.programs = []

    def refuse(self, session, line):
        self.refused += not self.healed
        return None if self.healed else "450 4.2.1 not now"

    def start(self, kind, *options):
        program = Program(self.cluster, kind, *options)
        self.programs.append(program)
        if kind == "spool-broker":
            self.wait_spread()
        else:
            wait_for(lambda: self.workers_of_all(program.id), 20, what="a worker known to all brokers")
        return program

    def processes(self, kind):
        return [p for p in self.cluster.json("status")["processes"] if p["kind"] == kind and p["heartbeat_age_ms"] < 4000]

    def workers_of_all(self, id):
        return all(id in [w["id"] for w in b["workers"]] for b in self.processes("spool-broker"))

    def owners(self):
        return collections.Counter(self.cluster.redis.hgetall("cluster:shards").values())

    def wait_spread(self):
        count = len([p for p in self.programs if "broker" in p.id and p.process.poll() is None]) + self.cluster.brokers

        def spread():
            owners = self.owners()
            return len(owners) == count and sum(owners.values()) == SHARDS and max(owners.values()) <= -(-SHARDS // count)
        wait_for(spread, 20, what="shards spread evenly")

    def send(self, *recipients, sender="sender@remote.example", subject="x"):
        return self.cluster.deliver(sender, list(recipients), f"Subject: {subject}\r\n\r\nbody\r\n")

    def send_slow(self, *more):
        """A message to each of the slow servers."""
        return [self.send(f"a@slow{i}.test", *more) for i in range(SLOW)]

    def send_many(self, count, *recipients, **kwargs):
        return [self.send(*recipients, **kwargs) for _ in range(count)]

    def stop(self):
        for program in self.programs:
            program.end()
        for part in (self.slow, self.ill, self.far, self.dns):
            part.stop()


@pytest.fixture
def make_world(own_cluster):
    made = []

    def make(**kwargs):
        made.append(World(own_cluster, **kwargs))
        return made[-1]

    yield make
    for world in made:
        world.stop()


def ids_of(messages):
    """How often a sink has accepted each spool id."""
    return collections.Counter(re.search(rb"\tid ([0-9a-z]{20})", m.data)[1].decode() for m in messages)


def mailbox_ids(world):
    return collections.Counter(re.search(rb"\tid ([0-9a-z]{20})", m)[1].decode()
                               for m in world.cluster.mailbox(world.user))


@pytest.fixture(scope="module")
def queue():
    """A queue at rest: one destination that defers everything, one where nobody
    listens, one that accepts everything."""
    world = World(lambda **kwargs: Cluster(**kwargs).start(), brokers=3)
    world.cluster.settings("spool", retry_first="1h", retry_longest="1h")
    yield world
    world.stop()
    world.cluster.remove()


@pytest.fixture
def still(queue):
    w = queue
    w.cluster.tool("queue", "delete", "--all")
    wait_for(lambda: not listed(w), what="an empty queue")
    for sink in (w.slow, w.ill, w.far):
        sink.reset()
    w.ill.reply["RCPT"] = w.refuse
    w.far.reply["RCPT"] = "451 4.4.4 no route to host"
    w.healed = False
    w.a = [w.send("x@ill.test", sender=f"ann{i}@one.example") for i in range(3)]
    w.b = [w.send("Y@far.test", "z@ill.test", sender="bob@two.example")]
    w.c = [w.send(f"r{i}@far.test", sender="ANN1@one.example") for i in range(2)]
    wait_for(lambda: len(listed(w, "--state", "deferred")) == 6, what="deferred mail")
    return w


def listed(w, *args):
    return [m["id"] for m in w.cluster.json("queue", "list", *args)]
