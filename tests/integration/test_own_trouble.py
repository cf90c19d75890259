"""Our own trouble is not the recipient's: what fails for want of the store, a
descriptor or a resolver is done within seconds, by another worker if need be, and is no attempt."""

import json
import os
import resource
import subprocess
import time
from contextlib import contextmanager

import pytest
import redis

from cluster import BUILD, Cluster, wait_for
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
    """A second worker, whose way to Redis the test can break."""
    with RedisRelay(cluster.port("redis")) as relay:
        worker = RelayedWorker(cluster, relay, tmp_path)
        try:
            wait_for(lambda: local_jobs(cluster, "relayed").get("slots"), what="the worker's slots")
            yield relay, worker
        finally:
            worker.stop()


def local_jobs(cluster, name):
    for process in cluster.json("status")["processes"]:
        if process["id"] == name:
            return process["jobs"]["local"]
    return {}


_users = iter(range(1, 1000))


def fresh_user(cluster):
    return cluster.add_user(f"own{next(_users)}@example.test")


def send(cluster, user, count=MESSAGES, gap=0.0):
    ids = []
    for i in range(count):
        ids.append(cluster.deliver("a@far.test", [user], f"Subject: {i}\r\n\r\nx\r\n"))
        time.sleep(gap)
    return ids


def check_untroubled(cluster, ids):
    """No try failed, by the trace: what was our own trouble is not told as anybody's answer."""
    for id in ids:
        trace = cluster.trace(id)
        assert [r["attempts"] for r in trace["recipients"]] == [0], trace
        assert "deferred" not in [e["kind"] for e in trace["events"]], trace


def check_all_soon(cluster, user, ids, within):
    start = time.monotonic()
    got = cluster.wait_mail(user, len(ids), timeout=60)
    took = time.monotonic() - start
    assert len(got) == len(ids)
    assert took < within, f"{took:.1f} s until all were there"
    check_untroubled(cluster, ids)


def test_connections_that_break_at_any_step(cluster, relayed):
    """Each request of the worker may be the one at which the connection breaks."""
    relay, worker = relayed
    user = fresh_user(cluster)
    for i in range(100):
        relay.on(CUT, where=lambda r: r.command in ("EVALSHA", "HGETALL", "HMGET", "HGET", "SISMEMBER"))
    ids = send(cluster, user)
    check_all_soon(cluster, user, ids, within=8)
