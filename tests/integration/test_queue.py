"""The queue: brokers and workers that die, sleep or leave while they hold mail;
how the tool shows and changes the queue."""

import collections
import itertools
import json
import os
import re
import signal
import subprocess
import threading
import time

import pytest

from cluster import Cluster, wait_for
from dnsserver import DnsServer
from sink import Sink
from smtp_client import Smtp

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


# ---- deaths ----

def test_slots_are_shared_among_brokers(make_world):
    w = make_world()
    w.cluster.settings("smtp-out", max_delivery_threads=7)

    def slots():
        return sorted(worker["remote"]["slots"] for b in w.processes("spool-broker") for worker in b["workers"])
    wait_for(lambda: slots() == [7], what="all slots")
    other = w.start("spool-broker")
    wait_for(lambda: slots() == [4, 4], what="shared slots")
    other.signal(signal.SIGKILL)
    wait_for(lambda: slots() == [7], 15, what="all slots again")


def test_slots_hold_with_more_brokers_than_slots(make_world):
    """Each broker may send one, but no more are in progress at once."""
    w = make_world(brokers=3)
    w.cluster.settings("smtp-out", max_delivery_threads=1)
    w.slow.delay["END"] = 0.3
    sent = w.send_slow()
    w.slow.wait(SLOW, 60)
    assert w.slow.busiest == 1
    assert ids_of(w.slow.messages) == dict.fromkeys(sent, 1)


def test_broker_dies(make_world):
    """Another takes over: deliveries in progress continue, waiting mail is tried."""
    w = make_world()
    victim = w.start("spool-broker")
    w.slow.delay["END"] = 9
    slow = w.send_slow()
    waiting = w.send_many(32, "b@ill.test", w.user)
    wait_for(lambda: len(w.slow.sessions) == SLOW and w.refused >= 64, what="mail under way")
    assert w.owners()[victim.id] == SHARDS // 2
    victim.signal(signal.SIGKILL)
    killed, w.healed = time.monotonic(), True
    w.ill.wait(len(waiting), 30)
    took = max(m.time for m in w.ill.messages) - killed
    assert took < TAKEN_OVER_WITHIN + 1 + TEST_SLACK, took  # with the second until the next try
    w.slow.wait(SLOW, 30)
    time.sleep(2)
    assert ids_of(w.slow.messages) == dict.fromkeys(slow, 1)
    assert ids_of(w.ill.messages) == dict.fromkeys(waiting, 1)
    assert mailbox_ids(w) == dict.fromkeys(waiting, 1)
    assert w.owners() == {"spool-broker-0": SHARDS}


def test_worker_dies(make_world):
    w = make_world(brokers=2)
    victim = w.start("delivery-worker")
    w.slow.delay["RCPT"] = 4
    sent = w.send_slow(w.user)

    def both_are_busy():
        busy = collections.Counter()
        for broker in w.processes("spool-broker"):
            for worker in broker["workers"]:
                busy[worker["id"]] += worker["remote"]["active"]
        return len(busy) == 2 and min(busy.values()) > 0 and sum(busy.values()) == SLOW
    wait_for(both_are_busy, 3.5, what="both workers at work")
    victim.signal(signal.SIGKILL)
    killed = time.monotonic()
    w.slow.delay.clear()
    w.slow.wait(SLOW, 30)
    took = max(m.time for m in w.slow.messages) - killed
    assert took < TAKEN_OVER_WITHIN + TEST_SLACK, took
    w.cluster.wait_mail(w.user, SLOW)
    time.sleep(1)
    assert ids_of(w.slow.messages) == dict.fromkeys(sent, 1)
    assert mailbox_ids(w) == dict.fromkeys(sent, 1)


def test_broker_that_slept_writes_nothing(make_world):
    """Its shards have moved to another; results and orders that waited for it change nothing."""
    w = make_world()
    sleeper = w.start("spool-broker")
    w.slow.delay["END"] = 2
    slow = w.send_slow()
    waiting = w.send_many(16, "b@ill.test")
    wait_for(lambda: len(w.slow.sessions) == SLOW and w.refused >= 32, what="mail under way")
    sleeper.signal(signal.SIGSTOP)
    stopped = time.monotonic()
    wait_for(lambda: w.owners() == {"spool-broker-0": SHARDS}, TAKEN_OVER_WITHIN + TEST_SLACK, what="taken over")
    w.healed = True
    w.ill.wait(16, 20)
    w.slow.wait(SLOW, 20)
    wait_for(lambda: w.cluster.json("status")["queue"]["messages"] == 0 or time.monotonic() - stopped > 10,
             what="an empty queue")
    left = {id: w.cluster.trace(id) for id in slow + waiting}
    assert {t["state"] for t in left.values()} == {"finished"}
    sleeper.signal(signal.SIGCONT)
    wait_for(lambda: sleeper.log().count('"shard lost"') + sleeper.log().count("shard lost") >= SHARDS // 2, 10,
             what="the sleeper's own insight")
    time.sleep(1)
    assert {id: w.cluster.trace(id) for id in slow + waiting} == left
    assert ids_of(w.slow.messages) == dict.fromkeys(slow, 1)
    assert ids_of(w.ill.messages) == dict.fromkeys(waiting, 1)
    w.wait_spread()  # it serves again


def test_drain_with_jobs_running(make_world):
    """SIGTERM: a broker leaves its shards to the others at once, together with
    the jobs in progress; a worker finishes its jobs."""
    w = make_world()
    broker, worker = w.start("spool-broker"), w.start("delivery-worker")
    w.slow.delay["END"] = 6
    sent = w.send_slow()
    wait_for(lambda: len(w.slow.sessions) == SLOW, what="mail under way")
    broker.signal(signal.SIGTERM)
    worker.signal(signal.SIGTERM)
    assert broker.process.wait(5 + TEST_SLACK) == 0
    wait_for(lambda: w.owners() == {"spool-broker-0": SHARDS}, 3, what="shards with the other broker")
    w.send(w.user)
    w.cluster.wait_mail(w.user)
    assert worker.process.wait(15) == 0
    w.slow.wait(SLOW, 20)
    time.sleep(2)
    assert ids_of(w.slow.messages) == dict.fromkeys(sent, 1)
    assert len(w.slow.sessions) == SLOW  # none was started twice
    wait_for(lambda: w.cluster.json("status")["queue"]["messages"] == 0, what="an empty queue")


def test_store_that_refuses_is_told_soon(make_world):
    w = make_world()
    w.cluster.redis.config_set("maxmemory", "1mb")
    begun = time.monotonic()
    with pytest.raises(AssertionError, match="4\\.3\\."):
        w.send(w.user)
    assert time.monotonic() - begun < 3 + TEST_SLACK
    w.cluster.redis.config_set("maxmemory", "0")
    w.send(w.user)
    w.cluster.wait_mail(w.user)


# ---- what the tool shows and does ----

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


@pytest.mark.parametrize("args,wanted", [
    ((), "abc"),
    (("--sender", "ann0@one.example"), "a0"),
    (("--sender", "ann1@ONE.example"), "a1c"),
    (("--sender", "@two.example"), "b"),
    (("--sender", "ONE.ex"), "ac"),
    (("--sender", "nn1@one.example"), ""),
    (("--recipient", "y@far.test"), "b"),
    (("--recipient", "@far.test"), "bc"),
    (("--recipient", "r1"), "c1"),
    (("--domain", "one.example"), "ac"),
    (("--domain", "ill.test"), "ab"),
    (("--domain", "test"), ""),
    (("--destination", "far.test"), "bc"),
    (("--destination", "local"), ""),
    (("--state", "deferred", "--destination", "ill.test"), "ab"),
    (("--state", "held"), ""),
    (("--older-than", "1h"), ""),
    (("--older-than", "0s"), "abc"),
    (("--answer", "NOT now"), "ab"),
    (("--answer", "no route", "--destination", "far.test"), "bc"),
    (("--answer", "no such words"), ""),
    (("--sender", "bob@two.example", "--recipient", "@ill.test", "--answer", "4.2.1"), "b"),
])
def test_list_filters(still, args, wanted):
    ids = [id for name in re.findall(r"[abc]\d?", wanted)
           for id in (getattr(still, name[0]) if len(name) == 1 else [getattr(still, name[0])[int(name[1])]])]
    assert sorted(listed(still, *args)) == sorted(ids)


def test_list_in_pages_and_in_order(still):
    everything = listed(still)
    assert everything == sorted(everything)
    for limit in range(1, 8):
        assert listed(still, "--limit", limit) == everything[:limit]
    text = still.cluster.tool("queue", "list", "--limit", 2)
    assert "the first 2" in text.stderr and everything[0] in text.stdout and everything[2] not in text.stdout
    first, = [m for m in still.cluster.json("queue", "list") if m["id"] == still.a[0]]
    assert first["sender"] == "ann0@one.example" and first["recipients"] == ["x@ill.test"]
    assert "not now" in first["answer"] and first["parts"][0]["next_try"]
    for args in (("--state", "nosuch"), ("--limit", "x"), ("--older-than", "soon"), ("--nonsense",), ("word",)):
        assert still.cluster.tool("queue", "list", *args, check=False).returncode == 1


def test_show(still):
    w = still
    shown = w.cluster.json("queue", "show", w.b[0])
    assert shown["state"] == "deferred" and len(shown["recipients"]) == 2
    parts = {p["destination"]: p for p in shown["parts"]}
    assert set(parts) == {"ill.test", "far.test"}
    assert parts["far.test"]["state"] == "deferred" and parts["far.test"]["next_try"]
    assert "far.test" in w.cluster.tool("queue", "show", w.b[0]).stdout
    dead = w.send("x@dead.test")
    part, = wait_for(lambda: [p for p in w.cluster.json("queue", "show", dead)["parts"] if "trouble" in p], what="trouble")
    assert part["ill_until"] and part["state"] == "deferred"
    w.slow.delay["END"] = 3
    id = w.send("a@slow0.test")
    wait_for(lambda: [p for p in w.cluster.json("queue", "show", id).get("parts", [])
                      if p["state"] == "active" and p["worker"] == "delivery-worker-0" and p["started"]], what="who has it")
    w.slow.wait()
    wait_for(lambda: w.cluster.json("queue", "show", id)["state"] == "finished", what="its end")


def test_summary(still):
    w = still
    w.cluster.tool("queue", "hold", "--sender", "@two.example")
    w.send("x@dead.test")
    wait_for(lambda: len(listed(w, "--state", "deferred")) == 6, what="deferred mail")
    lines = {line["destination"]: line for line in w.cluster.json("queue", "summary")}
    assert set(lines) == {"ill.test", "far.test", "dead.test"}
    ill, far, dead = lines["ill.test"], lines["far.test"], lines["dead.test"]
    assert (ill["queued"], ill["active"], ill["deferred"], ill["held"]) == (0, 0, 3, 1)
    assert (far["deferred"], far["held"]) == (2, 1) and far["kind"] == "remote" and "ill_until" not in far
    assert 0 < ill["oldest_age_ms"] < 600000 and ill["next_try"]
    assert "not now" in ill["answer"] and dead["answer"] and dead["ill_until"] and dead["deferred"] == 1
    line, = w.cluster.json("queue", "summary", "--state", "held", "--recipient", "z@ill.test", "--destination", "far.test")[:1]
    assert line["held"] == 1 and line["deferred"] == 0
    assert w.cluster.json("queue", "summary", "--sender", "nobody@one.example") == []
    text = w.cluster.tool("queue", "summary").stdout.splitlines()
    assert len(text) == 4 and text[1].startswith("ill.test")
    assert len(w.cluster.tool("queue", "summary", "--limit", 1).stdout.splitlines()) == 2


def test_orders_by_filter(still):
    w = still

    def order(*args):
        return w.cluster.json("queue", *args)["count"]
    assert order("hold", "--destination", "far.test") == 3
    assert sorted(listed(w, "--state", "held")) == sorted(w.b + w.c)
    assert order("hold", "--destination", "far.test") == 0
    assert order("release", "--sender", "bob@two.example") == 1
    assert sorted(listed(w, "--state", "held")) == sorted(w.c)
    w.healed = True
    assert order("retry", "--recipient", "@ill.test", "--older-than", "0s") == 4
    w.ill.wait(4)
    assert ids_of(w.ill.messages) == dict.fromkeys(w.a + w.b, 1)
    wait_for(lambda: sorted(listed(w)) == sorted(w.b + w.c), what="those that are left")
    assert order("delete", "--state", "held") == 2
    wait_for(lambda: listed(w) == w.b, what="the last one")
    assert order("delete", "--answer", "no such words") == 0
    assert order("delete", "--all") == 1
    wait_for(lambda: listed(w) == [], what="an empty queue")
    for args in ((), ("--all", "--state", "held"), (w.a[0], "--all"), (w.a[0], "--state", "held")):
        assert w.cluster.tool("queue", "delete", *args, check=False).returncode == 1


def test_orders_by_id(still):
    w = still
    answers = w.cluster.json("queue", "hold", *w.a)
    assert [a["id"] for a in answers] == w.a and all(a["done"] for a in answers)
    result = w.cluster.tool("queue", "release", w.a[0], w.c[0], "0" * 20, "nonsense", check=False)
    assert result.returncode == 1 and f"{w.a[0]}: released" in result.stdout
    assert w.c[0] in result.stderr and "nonsense: not a message's id" in result.stderr


def test_from_another_host(still):
    """With only the address of the store; the frontend that accepted the mail need not run."""
    w = still
    env = dict(os.environ, STAGEPOST_REDIS=f"redis://127.0.0.1:{w.cluster.port('redis')}")
    result = subprocess.run([w.cluster.build / "stagepost", "queue", "list", "--json"], env=env, cwd="/",
                            capture_output=True, text=True, timeout=30)
    assert sorted(m["id"] for m in json.loads(result.stdout)) == sorted(w.a + w.b + w.c)


def test_summary_of_due_mail_behind_an_ill_destination(still):
    """Due mail waits for the next probe of the destination, and the summary says when that is."""
    w = still
    w.send_many(12, "a@dead.test")  # some for each broker, which finds out by itself
    wait_for(lambda: listed(w, "--destination", "dead.test", "--state", "deferred"), what="a try that failed")
    w.send_many(12, "b@dead.test")

    def line():
        return [s for s in w.cluster.json("queue", "summary") if s["destination"] == "dead.test"][0]
    wait_for(lambda: line()["queued"] > 0 and line()["active"] == 0, what="due mail")
    told = line()
    assert told["next_try"] == told["ill_until"]
    row = [r for r in w.cluster.tool("queue", "summary").stdout.splitlines() if r.startswith("dead.test")][0]
    assert re.match(r"dead\.test +\d+ +0 +\d+ +0 +\d+ s +\d+ s ", row), row


def test_a_message_of_as_many_recipients_as_fit(still):
    """Recipients are refused before the message no longer fits a frame between the programs; an accepted message can be
    tried, listed and deleted."""
    w = still
    w.cluster.settings("smtp-in", max_recipients=100000)
    w.cluster.settings("smtp-out", max_connections_per_destination=5)
    time.sleep(0.3)
    given, refused, at = 0, 0, 0
    with Smtp(w.cluster.port("smtp"), ehlo=True, timeout=60) as c:
        c.expect(250, "MAIL FROM:<>")
        while not refused:
            c.send("".join(f"RCPT TO:<{'x' * 50}{i}@dead.test> ORCPT=rfc822;{'o' * 440}{i}@dead.test\r\n"
                           for i in range(at, at + 200)))
            at += 200
            codes = [c.reply()[0] for _ in range(200)]
            given += codes.count(250)
            refused += codes.count(452)
            assert codes.count(250) + codes.count(452) == 200
        assert 9000 < given < 13000
        c.expect(354, "DATA")
        c.send("Subject: x\r\n\r\nx\r\n.\r\n")
        code, text = c.reply()
        assert code == 250, text
    id = text.split()[-1]

    def entry():
        return [m for m in w.cluster.json("queue", "list", "--destination", "dead.test") if m["id"] == id][0]
    # A job serves ten thousand of them; the others are due, but their destination is left alone.
    entry = wait_for(lambda: entry().get("answer") and entry(), 60, what="tried and put off")
    assert len(entry["recipients"]) == given
    assert w.cluster.tool("queue", "delete", id).stdout == f"{id}: deleted\n"
    assert w.cluster.trace(id)["state"] == "finished"
    w.cluster.unset("smtp-in", "max_recipients")


def test_a_bulk_sender_leaves_slots_to_others(make_world):
    """Slow destinations of one sender hold many of the worker's slots, and another's mail goes at once."""
    w = make_world()
    w.cluster.settings("smtp-out", max_delivery_threads=20)
    w.slow.delay["END"] = 20
    for _ in range(3):
        for i in range(SLOW):
            w.send(f"a@slow{i}.test", sender="news@bulk.example")
    wait_for(lambda: len(w.slow.sessions) >= 16, what="slots that bulk mail holds")
    took = []
    for i in range(20):
        begun = time.monotonic()
        w.send("b@far.test", sender="ann@small.example")
        w.far.wait(i + 1, 15)
        took.append(time.monotonic() - begun)
    assert len(w.slow.messages) == 0, "the bulk mail has ended already"
    assert len(w.slow.sessions) == 16  # four fifths of the slots
    print("p95:", sorted(took)[18])
    assert sorted(took)[18] < 2, took
    w.slow.delay.clear()


# ---- events ----

def events(w, *args):
    return [json.loads(line) for line in w.cluster.tool("events", *args).stdout.splitlines()]


def kinds(w, id, *args):
    return [e["event"] for e in events(w, "--id", id, *args)]


def test_events(still):
    """The whole history of a message, in order, and what each event says."""
    w = still
    w.healed = True
    w.cluster.tool("queue", "hold", w.a[0])
    w.cluster.tool("queue", "release", w.a[0])
    wait_for(lambda: "delivered" in kinds(w, w.a[0]), what="its delivery")
    told = events(w, "--id", w.a[0])
    assert [e["event"] for e in told] == ["accepted", "deferred", "held", "released", "delivered"]
    accepted, deferred, _, _, delivered = told
    assert accepted["sender"] == "ann0@one.example" and accepted["recipient"] == "x@ill.test"
    assert accepted["recipients"] == 1 and accepted["host"] == "frontend-0" and accepted["client"] == "127.0.0.1"
    assert deferred["recipient"] == "x@ill.test" and deferred["code"] == "4.2.1" and "not now" in deferred["text"]
    assert deferred["attempt"] == 1 and deferred["next_try"] > deferred["time"] and "127.0.0.3" in deferred["remote"]
    assert delivered["to"] == "remote" and delivered["host"] == "delivery-worker-0" and delivered["age_ms"] > 0
    assert sorted(e["time"] for e in told) == [e["time"] for e in told]
    w.cluster.tool("queue", "delete", w.c[0])
    wait_for(lambda: kinds(w, w.c[0])[-1] == "deleted", what="its end")
    here = w.send(w.user)
    wait_for(lambda: kinds(w, here) == ["accepted", "delivered"], what="a local delivery")
    assert events(w, "--id", here, "--event", "delivered")[0]["to"] == "local"
    w.slow.reply["RCPT"] = "550 5.1.1 who?"
    gone = w.send("a@slow0.test", sender=w.user)
    wait_for(lambda: kinds(w, gone) == ["accepted", "bounced", "reported"], what="a bounce")
    last = events(w)[-1]["cursor"]
    assert all(e["cursor"] >= last for e in events(w, "--since", last)) and events(w, "--since", last)
    assert events(w, "--since", "1d") == events(w)
    for args in (("--since", "soon"), ("word",), ("--nonsense",)):
        assert w.cluster.tool("events", *args, check=False).returncode == 1


def test_events_are_followed(still):
    """Also across the death of a broker and of the store."""
    w = still
    tool = subprocess.Popen([w.cluster.build / "stagepost", "events", "--follow", "--dir", w.cluster.dir],
                            stdout=subprocess.PIPE, text=True)
    told = collections.defaultdict(list)

    def read():
        for line in tool.stdout:
            event = json.loads(line)
            told[event["id"]].append(event["event"])
    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    try:
        time.sleep(1)
        first = w.send(w.user)
        wait_for(lambda: told[first] == ["accepted", "delivered"], what="the first")
        assert not any(id in told for id in w.a)  # earlier events are not printed
        for name in ("redis", "spool-broker-0"):
            pid = w.cluster.kill(name)
            w.cluster.wait_restarted(name, pid)
        until = time.monotonic() + 60
        sent = []
        while len(sent) < 10 and time.monotonic() < until:
            try:
                sent.append(w.send(w.user))
            except (OSError, AssertionError):
                time.sleep(0.2)
        for id in sent:
            wait_for(lambda: told[id] == ["accepted", "delivered"], 20, what="one after that")
    finally:
        tool.terminate()
        tool.wait()
    thread.join(5)


def test_a_named_reader_goes_on_where_it_stopped(still):
    """Even when it is killed: no event is missed, a few may be repeated."""
    w = still
    told = []
    command = [w.cluster.build / "stagepost", "events", "--follow", "--reader", "billing-1", "--dir", w.cluster.dir]

    def read(tool):
        told.extend(json.loads(line) for line in tool.stdout)
    ids = []
    for turn in range(3):
        tool = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        thread = threading.Thread(target=read, args=(tool,), daemon=True)
        thread.start()
        new = [w.send(w.user) for _ in range(5)]
        if turn != 1:  # otherwise it is killed in the middle of them
            wait_for(lambda: {e["id"] for e in told if e["event"] == "delivered"} >= set(new), 20, what="all told")
        tool.kill()
        tool.wait()
        thread.join(5)
        ids += new + [w.send(w.user)]  # while none reads
    w.cluster.wait_mail(w.user, len(ids))

    def told_all():
        told.extend(events(w, "--reader", "billing-1"))
        count = collections.Counter((e["id"], e["event"]) for e in told)
        return all(count[id, "accepted"] and count[id, "delivered"] for id in ids) and count
    count = wait_for(told_all, 10, what="all told")
    assert sum(n > 1 for n in count.values()) < len(count) / 2, count
    assert events(w, "--reader", "billing-1") == []
    assert events(w, "--reader", "another")  # has its own positions, and starts with everything that is kept
    assert w.cluster.tool("events", "--reader", "a b", check=False).returncode == 1


def test_a_reader_is_told_what_went_before_it_came(still):
    w = still
    w.cluster.redis.hset("events:reader:late", mapping={3: "1-1"})
    w.cluster.redis.xadd("spool:{3}:events", {"e": '{"event":"filler"}'})
    gaps = [e for e in events(w, "--reader", "late") if e["event"] == "trimmed"]
    assert [(g["shard"], g["after"]) for g in gaps] == [(3, "1-1")]
    assert not [e for e in events(w, "--reader", "late") if e["event"] == "trimmed"]


def test_trace_of_the_whole_way(still):
    """For a waiting message and for one that has left; the frontend is not asked."""
    w = still
    pid = w.cluster.pid("frontend-0")
    here = w.send(w.user)
    w.cluster.wait_mail(w.user)
    wait_for(lambda: w.cluster.trace(here)["state"] == "finished", what="its end")
    os.kill(pid, signal.SIGSTOP)
    try:
        waiting, done = w.cluster.trace(w.a[0]), w.cluster.trace(here)
        text = w.cluster.tool("trace", here).stdout
    finally:
        os.kill(pid, signal.SIGCONT)
    for trace in (waiting, done):
        assert trace["spam"] == "not checked" and len(trace["settings_version"]) == 16 and trace["size"] > 10
        assert trace["frontend"] == "frontend-0" and trace["client_ip"] == "127.0.0.1" and trace["received"]
    assert "spam: not checked" in text and done["settings_version"] in text
    assert [e["kind"] for e in done["events"]] == ["accepted", "filed"]
    assert [e["host"] for e in done["events"]] == ["frontend-0", "delivery-worker-0"]
    tried = waiting["events"][-1]
    assert tried["kind"] == "deferred" and "450 4.2.1 not now" in tried["detail"] and "127.0.0.3" in tried["remote"]
    assert tried["time"] >= waiting["events"][0]["time"] and waiting["recipients"][0]["next_try"] > tried["time"]


def test_as_many_events_are_kept_as_asked_for(still):
    w = still
    w.cluster.settings("spool", events_kept=0)
    silent = w.send(w.user)
    w.cluster.wait_mail(w.user)
    time.sleep(0.3)
    assert kinds(w, silent) == []
    w.cluster.settings("spool", events_kept=1600)
    for _ in range(3):
        for shard in range(SHARDS):
            w.cluster.redis.xadd(f"spool:{{{shard}}}:events", {"e": '{"event":"filler"}'})
        with w.cluster.redis.pipeline(transaction=False) as pipe:
            for i in range(SHARDS * 300):
                pipe.xadd(f"spool:{{{i % SHARDS}}}:events", {"e": '{"event":"filler"}'})
            pipe.execute()
    ids = w.send_many(SHARDS * 2, w.user)
    wait_for(lambda: kinds(w, ids[-1]) == ["accepted", "delivered"], what="the last")
    lengths = [w.cluster.redis.xlen(f"spool:{{{shard}}}:events") for shard in range(SHARDS)]
    assert max(lengths) <= 400 and kinds(w, ids[0]) == ["accepted", "delivered"], lengths
