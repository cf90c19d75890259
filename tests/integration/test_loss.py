"""Nothing that was answered 250 is lost, and nothing is filed twice: each
process is killed at each step of a message, and Redis too."""

import collections
import poplib
import random
import re
import signal
import smtplib
import threading
import time

import pytest
import redis

from cluster import wait_for
from dnsserver import DnsServer
from sink import Sink

USERS = ["a@example.test", "b@example.test"]
REMOTE = "r@far.test"
# The recipients of a message, in turn: one mailbox (its body's reference is
# passed on), two (references are counted), an alias, a mailbox and another
# server.
SHAPES = [[USERS[0]], USERS, ["both@example.test"], [USERS[1], REMOTE], [REMOTE]]

POINTS = [
    "body-written", "body-synced", "handed-over",                                  # frontend
    "hand-over-received", "hand-over-written", "hand-over-answered", "job-given",  # broker
    "result-received", "result-saved", "entry-removed", "reference-dropped",
    "job-received", "filing", "filed", "job-done", "reported",                     # worker
    "dot-given", "sent",
    "releasing", "release-marked",                                                 # blob store
]
# A remote server may accept a message without our knowledge if the worker dies between the end of the data
# and its report of the answer. This is how long a report may take to leave the worker.
REPORT_SECONDS = 0.1


class Sender(threading.Thread):
    """Sends message after message as an MTA does: each again until it gets a 250."""

    def __init__(self, cluster, name, count):
        super().__init__(daemon=True)
        self.cluster, self.tag, self.count = cluster, name, count
        self.accepted = {}  # spool id -> recipients
        self.failure = None

    def attempt(self, frontend, recipients, text):
        with smtplib.SMTP("127.0.0.1", self.cluster.port("smtp", frontend), timeout=30) as smtp:
            smtp.ehlo("client.example.net")
            smtp.mail("sender@remote.example")
            for recipient in recipients:
                code, answer = smtp.rcpt(recipient)
                if code != 250:
                    raise OSError(answer)
            code, answer = smtp.data(text)
            if code != 250:
                raise OSError(answer)
        return answer.decode().split()[-1]

    def run(self):
        try:
            for n in range(self.count):
                self.send_one(n)
        except Exception as e:  # noqa: BLE001 - told to the test
            self.failure = e

    def send_one(self, n):
        recipients = SHAPES[n % len(SHAPES)]
        text = f"Subject: {self.tag}-{n}\r\n\r\n" + "body of the message\r\n" * (1 if n % 7 else 5000)
        until = time.monotonic() + 60
        for attempt in range(10000):
            try:
                id = self.attempt((n + attempt) % self.cluster.frontends, recipients, text)
            except (OSError, smtplib.SMTPException):
                assert time.monotonic() < until, f"message {n} is never accepted"
                time.sleep(0.1)
            else:
                self.accepted[id] = recipients
                return


class World:
    def __init__(self, own_cluster, tmp_path, point=None):
        self.dns = DnsServer().start()
        self.sink = Sink("127.0.0.2").start()
        self.dns.mail_domain("far.test", (10, "mx.far.test", "127.0.0.2"))
        self.marker = tmp_path / "armed"
        env = {"STAGEPOST_RESOLVER": self.dns.resolver}
        if point is not None:
            env["STAGEPOST_CRASH_AT"] = f"{point}:{self.marker}"
        self.cluster = own_cluster(frontends=2, brokers=2, workers=2, env=env)
        for user in USERS:
            self.cluster.add_user(user)
        self.cluster.tool("alias", "add", "both@example.test", *USERS)
        self.cluster.settings("smtp-in", relay_whitelist="127.0.0.0/8")
        self.cluster.settings("spool", retry_first="1s", retry_longest="2s")
        self.cluster.settings("smtp-out", port=self.sink.port)

    def stop(self):
        self.sink.stop()
        self.dns.stop()

    def mailbox_ids(self, address):
        """How often each spool id is present, by the line that the frontend wrote."""
        def read():
            try:
                return {"messages": self.cluster.mailbox(address)}
            except (OSError, EOFError, poplib.error_proto):
                return None  # the killed process is just being restarted

        ids = collections.Counter()
        for message in wait_for(read, 20, step=0.2, what="a mailbox that can be read")["messages"]:
            ids[re.search(rb"\r\n\tid ([0-9a-z]{20})", message)[1].decode()] += 1
        return ids

    def sink_copies(self):
        """Spool id -> the copies that the remote server accepted, in the order of its answers."""
        copies = collections.defaultdict(list)
        for m in list(self.sink.messages):
            copies[re.search(rb"\r\n\tid ([0-9a-z]{20})", m.data)[1].decode()].append(m)
        return copies

    @staticmethod
    def was_in_its_window(message):
        """Its connection broke before the answer, or just after it: the worker cannot have reported it."""
        session = message.session
        return session.was_cut() and (message.answered is None or session.ended - message.answered < REPORT_SECONDS)

    @staticmethod
    def describe(ids, copies):
        return {id: [f"answered {m.answered}, connection ended {m.session.ended}, {m.session.lines[-1:]}"
                     for m in copies[id]] for id in ids}

    def queue_is_empty(self):
        try:
            return self.cluster.queued() == 0
        except redis.RedisError:
            return False  # it is just being restarted

    def check(self, accepted, reports_may_be_lost=False):
        wait_for(self.queue_is_empty, 90, step=0.1, what="an empty queue")
        boxes = {user: self.mailbox_ids(user) for user in USERS}
        copies = self.sink_copies()
        sink = collections.Counter({id: len(messages) for id, messages in copies.items()})
        for user, ids in boxes.items():
            assert [id for id, count in ids.items() if count != 1] == [], f"filed twice for {user}"
        for id, recipients in accepted.items():
            for recipient in recipients:
                for user in USERS if recipient == "both@example.test" else [recipient]:
                    held = sink if user == REMOTE else boxes[user]
                    assert held[id] >= 1, f"{id} for {user} is lost"
        if not reports_may_be_lost:
            # Of several copies, each but the last was in its window when its worker died.
            twice = [id for id, messages in copies.items() if not all(map(self.was_in_its_window, messages[:-1]))]
            assert twice == [], f"sent twice: {self.describe(twice, copies)}"
        swept = self.cluster.tool("sweep", "--older-than", "0s").stdout
        assert "bodies are referenced" in swept
        # The sweep released only unreferenced bodies: all messages can still be read. One that was never answered
        # may come meanwhile: its frontend died, but its body is whole.
        for user, ids in boxes.items():
            assert ids - self.mailbox_ids(user) == collections.Counter(), f"gone from {user}"


@pytest.fixture
def world(own_cluster, tmp_path):
    made = []

    def make(point=None):
        made.append(World(own_cluster, tmp_path, point))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def send(world, count=20, senders=2):
    threads = [Sender(world.cluster, f"s{i}", count) for i in range(senders)]
    for thread in threads:
        thread.start()
    return threads


def join(threads, timeout=120):
    accepted = {}
    for thread in threads:
        thread.join(timeout)
        assert not thread.is_alive() and thread.failure is None, thread.failure
        accepted.update(thread.accepted)
    return accepted


@pytest.mark.parametrize("point", POINTS)
def test_killed_at(world, point):
    w = world(point)
    join(send(w, 5, 1))  # all is warm
    w.marker.touch()
    threads = send(w, 15)
    accepted = join(threads)
    if point in ("releasing", "release-marked", "reference-dropped", "entry-removed"):
        # comes after the answers; more messages may have to follow
        for _ in range(20):
            if not w.marker.exists():
                break
            time.sleep(0.2)
            accepted.update(join(send(w, 5, 1)))
    wait_for(lambda: not w.marker.exists(), 20, what=f"a death at {point}")
    w.check(accepted)


@pytest.mark.parametrize("command,left", [("expunging", (1, 3)), ("expunged", (1,))])
def test_pop3_killed_at(world, command, left):
    w = world(command)
    cluster = w.cluster
    for n in range(3):
        cluster.deliver("sender@remote.example", USERS[0], f"Subject: {n}\r\n\r\nx\r\n")
    cluster.wait_mail(USERS[0], 3)
    w.marker.touch()
    pop = cluster.pop(USERS[0])
    pop.dele(1)
    pop.dele(2)
    pid = cluster.pid("frontend-0")
    with pytest.raises(Exception):  # no answer
        pop.quit()
    cluster.wait_restarted("frontend-0", pid)
    cluster.redis.delete(f"mail:{{{USERS[0]}}}:lock")  # as when its lease ends
    assert len(cluster.mailbox(USERS[0])) in left
    w.check({})


def test_redis_killed(world):
    w = world()
    threads = send(w, 40, 3)
    for _ in range(4):
        time.sleep(0.7)
        pid = w.cluster.kill("redis")
        w.cluster.wait_restarted("redis", pid)
    w.check(join(threads))


def test_random_kills(world):
    w = world()
    threads = send(w, 150, 4)
    names = [f"{kind}-{i}" for kind in ("frontend", "spool-broker", "delivery-worker") for i in (0, 1)] + ["redis"]
    killed = 0
    while any(t.is_alive() for t in threads) and killed < 30:
        name = random.choice(names)
        try:
            w.cluster.kill(name, signal.SIGKILL)
            killed += 1
        except (ProcessLookupError, FileNotFoundError, ValueError):
            pass  # it is just being restarted
        time.sleep(0.5)
    # A worker may die after the broker that it reported to, before it has reported to the next one.
    w.check(join(threads), reports_may_be_lost=True)
