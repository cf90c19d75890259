"""Our own trouble is not the recipient's: jobs that fail because the store, a descriptor or a
resolver is missing are done within seconds, by another worker if necessary, and do not count as
attempts."""

import json
import os
import resource
import smtplib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from cluster import Cluster, wait_for
from dnsserver import DnsServer
from ports import free_port
from redis_relay import CUT, HOLD, RedisRelay, RelayedWorker
from sink import Sink

MESSAGES = 60


@pytest.fixture(scope="module")
def cluster():
    with Cluster(frontends=1, brokers=2, workers=1) as c:
        yield c


@pytest.fixture
def relayed(cluster, tmp_path):
    """A second worker, whose connection to Redis the test can break."""
    with RedisRelay(cluster.port("redis")) as relay:
        worker = RelayedWorker(cluster, relay, tmp_path)
        try:
            wait_for(lambda: local_jobs(cluster, "relayed").get("slots"), what="the worker's slots")
            yield relay, worker
        finally:
            worker.stop()


def local_jobs(cluster, name):
    # It exits with 1 while a process reports that it cannot write bodies, but prints everything.
    for process in json.loads(cluster.tool("status", "--json", check=False).stdout)["processes"]:
        if process["id"] == name:
            return process["jobs"]["local"]
    return {}


_users = iter(range(1, 1000))


def fresh_user(cluster):
    return cluster.add_user(f"own{next(_users)}@example.test")


def send(cluster, user, count=MESSAGES, gap=0.0):
    """Several at once, so that a single worker would be busy and both get jobs."""
    def one(i):
        time.sleep(gap * (i % 10))
        return cluster.deliver("a@far.test", [user], f"Subject: {i}\r\n\r\nx\r\n")

    with ThreadPoolExecutor(10) as pool:
        return list(pool.map(one, range(count)))


def check_untroubled(cluster, ids):
    """The trace shows no failed try: our own trouble is not reported as somebody's answer."""
    for id in ids:
        trace = cluster.trace(id)
        assert [r["attempts"] for r in trace["recipients"]] == [0], trace
        assert "deferred" not in [e["kind"] for e in trace["events"]], trace


def check_all_there(cluster, user, count, within):
    start = time.monotonic()
    assert len(cluster.wait_mail(user, count, timeout=60)) == count
    took = time.monotonic() - start
    assert took < within, f"{took:.1f} s until all were there"


def check_all_soon(cluster, user, ids, within):
    check_all_there(cluster, user, len(ids), within)
    check_untroubled(cluster, ids)


def test_connections_that_break_at_any_step(cluster, relayed):
    """Each request of the worker may be the one at which the connection breaks."""
    relay, worker = relayed
    user = fresh_user(cluster)
    for _ in range(100):
        relay.on(CUT, where=lambda r: r.command in ("EVALSHA", "HGETALL", "HMGET", "HGET", "SISMEMBER"))
    ids = send(cluster, user)
    check_all_soon(cluster, user, ids, within=8)
    assert "outcome=postponed" in worker.log()


def test_a_worker_that_is_cut_off(cluster, relayed):
    """It takes no jobs, and the healthy one does the work; once the store is back it takes jobs again."""
    relay, worker = relayed
    user = fresh_user(cluster)
    relay.closed = True
    relay.cut_all()
    ids = send(cluster, user)
    check_all_soon(cluster, user, ids, within=5)
    assert "no jobs are taken while the store is away" in worker.log()
    done = worker.log().count("recipient served")
    relay.closed = False
    wait_for(lambda: "the store is available" in worker.log().split("no jobs are taken")[-1], 3, what="well again")
    user = fresh_user(cluster)
    ids = send(cluster, user)
    check_all_soon(cluster, user, ids, within=5)
    assert worker.log().count("recipient served") > done


def test_a_worker_whose_store_says_nothing(cluster, relayed):
    """Its jobs are returned when the silence is noticed; after a second it takes no more."""
    relay, worker = relayed
    user = fresh_user(cluster)
    rules = [relay.on(HOLD) for _ in range(300)]
    ids = send(cluster, user, gap=0.1)
    check_all_soon(cluster, user, ids, within=10)
    assert worker.log().count("recipient served") < len(ids) / 2
    for rule in rules:
        rule.left = 0
        rule.release()


def test_cut_again_and_again(cluster, relayed):
    relay, worker = relayed
    user = fresh_user(cluster)
    ids = []
    for _ in range(MESSAGES // 4):
        ids += send(cluster, user, 4)
        relay.cut_all()
        time.sleep(0.1)
    check_all_soon(cluster, user, ids, within=5)


# ---- The store itself ----


def keep_sending(cluster, user, until, ids):
    """As an MTA does: sends again until it gets a 250."""
    while not until.is_set():
        try:
            ids.append(cluster.deliver("a@far.test", [user], "Subject: x\r\n\r\nx\r\n"))
        except (OSError, AssertionError, smtplib.SMTPException):
            time.sleep(0.05)


def test_redis_killed_each_second():
    """Accepted mail is delivered within five seconds of the store's return, and no try of it has failed."""
    with Cluster(frontends=1, brokers=2, workers=2) as c:
        user, until, ids = fresh_user(c), threading.Event(), []
        threads = [threading.Thread(target=keep_sending, args=(c, user, until, ids), daemon=True) for _ in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(8):
            pid = c.kill("redis")
            time.sleep(1)
            c.wait_restarted("redis", pid)
        until.set()
        for thread in threads:
            thread.join(60)
        assert len(ids) > 20
        wait_for(lambda: not any(c.redis.hlen(key) for key in c.redis.scan_iter("spool:*:env")), 5, what="an empty queue")
        assert len(c.mailbox(user)) >= len(ids)
        check_untroubled(c, ids[-60:])


# ---- Passwords ----


def test_a_password_is_changed(tmp_path):
    """The server needs another password than some processes know: NOAUTH and WRONGPASS are not answers
    about a recipient, and when the old password is valid again everything continues."""
    with Cluster(frontends=1, brokers=1, workers=1) as c, RedisRelay(c.port("redis")) as relay:
        users = [fresh_user(c), fresh_user(c)]
        worker = RelayedWorker(c, relay, tmp_path)
        try:
            c.redis.config_set("requirepass", "new")
            relay.cut_all()  # and comes back without the password
            wait_for(lambda: "Redis refuses" in worker.log(), what="refusal")
            c.redis.execute_command("AUTH", "new")
            ids = send(c, users[0])
            check_all_there(c, users[0], len(ids), within=5)
            # Permissions are removed from open connections: NOPERM at each filing.
            keys = ("spool:*", "cluster:*", "settings:*", "domain*", "user:*", "alias:*", "auth:*", "blobrefs:*")
            c.redis.execute_command("ACL", "SETUSER", "default", "nopass", "resetkeys", *[f"~{k}" for k in keys])
            ids += send(c, users[1], 20)
            wait_for(lambda: "NOPERM" in c.log("delivery-worker-0"), what="a filing that is not permitted")
            c.redis.execute_command("ACL", "SETUSER", "default", "allkeys")
            check_all_there(c, users[1], 20, within=5)
            check_untroubled(c, ids)
            wait_for(lambda: "the store is available" in worker.log(), 3, what="well again")
        finally:
            c.redis.execute_command("ACL", "SETUSER", "default", "allkeys", "nopass")
            worker.stop()


# ---- Descriptors, and the resolver ----


def own_worker(cluster, folder, **env):
    """A further worker with its own environment."""
    direct = SimpleNamespace(url=f"redis://127.0.0.1:{cluster.port('redis')}")
    worker = RelayedWorker(cluster, direct, folder, name="own", env=env)
    wait_for(lambda: local_jobs(cluster, "own").get("slots"), 20, what="the worker's slots")
    return worker


@pytest.fixture
def outbound():
    """A cluster that uses the test's own resolver and remote server."""
    with DnsServer() as dns, Sink("127.0.0.2") as sink:
        dns.mail_domain("far.test", (10, "mx.far.test", "127.0.0.2"))
        with Cluster(frontends=1, brokers=1, workers=1, env={"STAGEPOST_RESOLVER": dns.resolver}) as c:
            c.settings("smtp-in", relay_whitelist="127.0.0.0/8")
            c.settings("smtp-out", port=sink.port)
            yield c, dns, sink


def test_no_descriptor_is_left(outbound, tmp_path):
    """A worker that can open neither a body nor a connection; when it can again, it takes jobs again."""
    c, dns, sink = outbound
    user = fresh_user(c)
    own = own_worker(c, tmp_path, STAGEPOST_RESOLVER=dns.resolver)
    try:
        pid = own.process.pid
        used = max(int(fd) for fd in os.listdir(f"/proc/{pid}/fd")) + 1
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE, (used, resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]))
        ids = send(c, user) + send(c, "r@far.test")
        check_all_there(c, user, MESSAGES, within=5)
        wait_for(lambda: len(sink.messages) == MESSAGES, 5, what="all are sent")
        check_untroubled(c, ids)
        assert "Too many open files" in own.log()
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
        seen = own.log().count("outcome=delivered")
        time.sleep(1.2)  # it no longer rests, and gets a trial
        ids = send(c, user)
        check_all_there(c, user, 2 * MESSAGES, within=5)
        check_untroubled(c, ids)
        wait_for(lambda: not local_jobs(c, "own").get("rests"), 5, what="it is well again")
        assert own.log().count("outcome=delivered") > seen
    finally:
        own.stop()


def test_no_resolver_can_be_reached(outbound, tmp_path):
    """A worker that reaches no name server and a domain with broken servers lead to the same SERVFAIL but are
    told apart: the first is our trouble, and another worker does the work; the second is the domain's, and
    costs it a try."""
    c, dns, sink = outbound
    dns.broken.add("broken.test")
    own = own_worker(c, tmp_path, STAGEPOST_RESOLVER=f"127.0.0.1@{free_port()}")
    try:
        ids = send(c, "r@far.test")
        wait_for(lambda: len(sink.messages) == MESSAGES, 20, what="all are sent")
        check_untroubled(c, ids)
        assert "no name server can be reached from here" in own.log()
        id = c.deliver("a@example.test", ["r@broken.test"], "Subject: x\r\n\r\nx\r\n")
        wait_for(lambda: c.trace(id)["recipients"][0].get("attempts") == 1, 40, what="a try that failed")
    finally:
        own.stop()
