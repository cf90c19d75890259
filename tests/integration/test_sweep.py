"""The automatic sweep: one worker at a time, whatever happens to it; what it reports; and no referenced body is
ever released."""

import os
import signal
import time
import urllib.request

import pytest

from cluster import wait_for

HOURS = 3600 * 1000


def metric(cluster, name, metric):
    with urllib.request.urlopen(f"http://127.0.0.1:{cluster.metrics_port(name)}/metrics", timeout=10) as answer:
        for line in answer.read().decode().splitlines():
            if line.startswith(f"stagepost_{metric} "):
                return int(line.split()[1])
    raise AssertionError(metric)


def send(cluster, address, count=1):
    for i in range(count):
        cluster.deliver("s@else.test", address, f"Subject: {i}\r\n\r\n" + "body of the message\r\n" * 20)
    return cluster.wait_mail(address, count)


def leak(cluster, address):
    """Loses all references to the bodies of an account."""
    for key in list(cluster.redis.scan_iter(f"mail:{{{address}}}:*")):
        cluster.redis.delete(key)


def state(cluster, part):
    return cluster.json("status")["sweep"].get(part, {})


def backdate_suspects(cluster, by=8 * HOURS):
    suspects = cluster.redis.hgetall("sweep:suspects")
    assert suspects
    cluster.redis.hset("sweep:suspects", mapping={k: int(v) - by for k, v in suspects.items()})
    return len(suspects)


def leaked(cluster):
    text = cluster.tool("sweep", "--older-than", "0s", "--dry-run").stdout
    return int(text.split("; ")[1].split()[0])


def next_sweep(cluster, after_ms=None):
    """Waits until the next sweep that starts from now on has finished."""
    after_ms = after_ms or int(time.time() * 1000)
    wait_for(lambda: state(cluster, "last").get("started_ms", 0) >= after_ms, 60, step=0.2, what="a sweep done")
    return state(cluster, "last")


def slow_sweep(cluster, accounts=200):
    """A sweep that takes some seconds, because there are many accounts to read; and the worker that runs it."""
    for i in range(accounts):
        cluster.redis.hset(f"mail:{{many{i}@many.test}}:meta", "modseq", 1)
    cluster.settings("spool", sweep="on", sweep_share=1, sweep_interval="1s", sweep_age="1s")
    holder = wait_for(lambda: state(cluster, "running").get("by"), 60, what="a sweep under way")
    cluster.settings("spool", sweep_share=100)  # for the next one
    return holder


def test_bodies_without_a_reference_are_released(own_cluster):
    c = own_cluster(frontends=1)
    c.settings("spool", sweep="off")
    alice, bob = c.add_user("alice@sweep.test"), c.add_user("bob@sweep.test")
    send(c, alice, 5)
    send(c, bob, 3)
    leak(c, bob)
    time.sleep(1.1)
    assert leaked(c) == 6  # bodies and digests
    c.settings("spool", sweep="on", sweep_share=100, sweep_interval="1s", sweep_age="1s")
    last = next_sweep(c)
    assert (last["released"], last["in_doubt"], last["referred"]) == (0, 6, 10)
    assert last["examined"] == 16 and last["by"] == "delivery-worker-0"
    # Found again, but not long enough ago.
    assert next_sweep(c)["released"] == 0 and leaked(c) == 6
    assert backdate_suspects(c) == 6
    wait_for(lambda: metric(c, "delivery-worker-0", "sweep_released_bodies_total") == 6, 30, what="a release")
    assert leaked(c) == 0
    wait_for(lambda: c.redis.hlen("sweep:suspects") == 0, what="no suspects")
    assert metric(c, "delivery-worker-0", "sweep_last_end_timestamp_seconds") > time.time() - 60
    assert metric(c, "delivery-worker-0", 'sweeps_total{result="done"}') >= 3
    assert "sweep: the last one ended 0.0 hours ago by delivery-worker-0" in c.tool("status").stdout
    assert len(c.mailbox(alice)) == 5
    c.settings("spool", sweep="off")
    time.sleep(6)
    ended = state(c, "last")["end_ms"]
    time.sleep(6)
    assert state(c, "last")["end_ms"] == ended and state(c, "running") == {}


def test_a_suspect_that_is_referred_to_again_is_none(own_cluster):
    c = own_cluster(frontends=1)
    c.settings("spool", sweep="off")
    alice, bob = c.add_user("alice@sweep.test"), c.add_user("bob@sweep.test")
    send(c, alice, 2)
    send(c, bob)
    time.sleep(1.1)
    kept = {key: c.redis.dump(key) for key in c.redis.scan_iter(f"mail:{{{alice}}}:*")}
    leak(c, alice)
    c.settings("spool", sweep="on", sweep_share=100, sweep_interval="1s", sweep_age="1s")
    assert next_sweep(c)["in_doubt"] == 4
    for key, value in kept.items():
        c.redis.restore(key, 0, value)
    backdate_suspects(c)
    last = next_sweep(c)
    assert (last["released"], last["in_doubt"], last["referred"]) == (0, 0, 6)
    assert c.redis.hlen("sweep:suspects") == 0 and len(c.mailbox(alice)) == 2


def test_a_store_that_has_lost_its_records_loses_no_bodies(own_cluster):
    """Redis comes up empty, or with an old backup: everything looks leaked, and nothing is released."""
    c = own_cluster(frontends=1)
    c.settings("spool", sweep="off")
    alice, bob = c.add_user("alice@sweep.test"), c.add_user("bob@sweep.test")
    send(c, alice, 3)
    send(c, bob, 60)  # with digests, more than is plausible
    time.sleep(1.1)
    kept = {key: c.redis.dump(key) for key in c.redis.scan_iter(f"mail:{{{alice}}}:*")}
    others = {key: c.redis.dump(key) for key in c.redis.scan_iter(f"mail:{{{bob}}}:*")}
    leak(c, bob)
    c.settings("spool", sweep="on", sweep_share=100, sweep_interval="1s", sweep_age="1s")
    failed = wait_for(lambda: state(c, "failed"), 30, step=0.2, what="a sweep that fails")
    assert "120 of 126 bodies have no reference" in failed["reason"] and failed["by"] == "delivery-worker-0"
    assert "one FAILED" in c.tool("status").stdout and c.redis.hlen("sweep:suspects") == 0
    leak(c, alice)
    wait_for(lambda: "126 of 126 bodies have" in state(c, "failed").get("reason", ""), 30, step=0.2, what="it sees more")
    for key, value in {**kept, **others}.items():
        c.redis.restore(key, 0, value)
    last = wait_for(lambda: state(c, "last").get("referred") == 126 and state(c, "last"), 60, step=0.2, what="a sweep done")
    assert (last["released"], last["in_doubt"]) == (0, 0) and state(c, "failed") == {}
    assert len(c.mailbox(alice)) == 3 and len(c.mailbox(bob)) == 60


def test_nothing_is_released_beside_a_backup(own_cluster):
    c = own_cluster(frontends=1)
    c.settings("spool", sweep="off")
    alice, bob = c.add_user("alice@sweep.test"), c.add_user("bob@sweep.test")
    send(c, alice)
    send(c, bob)
    leak(c, bob)
    c.redis.set("backup:hold", "/somewhere", ex=60)
    refused = c.tool("sweep", "--older-than", "0s", check=False)
    assert refused.returncode == 1 and "a backup is running" in refused.stderr
    c.redis.delete("backup:hold")
    assert "2 leaked ones" in c.tool("sweep", "--older-than", "0s").stdout


def test_the_one_that_sweeps_is_killed(own_cluster):
    c = own_cluster(frontends=1, workers=2)
    c.settings("spool", sweep="off")
    alice, bob = c.add_user("alice@sweep.test"), c.add_user("bob@sweep.test")
    send(c, alice, 5)
    send(c, bob, 3)
    leak(c, bob)
    holder = slow_sweep(c)
    # Only one at a time.
    assert metric(c, holder, "sweep_running") == 1
    other = next(name for name in ("delivery-worker-0", "delivery-worker-1") if name != holder)
    assert metric(c, other, "sweep_running") == 0
    killed_ms = int(time.time() * 1000)
    c.kill(holder)
    last = next_sweep(c, killed_ms)
    assert last["in_doubt"] == 6 and last["released"] == 0
    backdate_suspects(c)
    wait_for(lambda: state(c, "last").get("released") == 6 or leaked(c) == 0, 60, step=0.5, what="a release")
    assert leaked(c) == 0 and len(c.mailbox(alice)) == 5


def test_the_one_that_sweeps_sleeps_through_its_lease(own_cluster):
    c = own_cluster(frontends=1, workers=2)
    c.settings("spool", sweep="off")
    alice, bob = c.add_user("alice@sweep.test"), c.add_user("bob@sweep.test")
    send(c, alice, 5)
    send(c, bob, 3)
    leak(c, bob)
    holder = slow_sweep(c)
    slept_ms = int(time.time() * 1000)
    os.kill(c.pid(holder), signal.SIGSTOP)
    last = next_sweep(c, slept_ms)
    assert last["by"] != holder and last["in_doubt"] == 6
    # Bodies that have arrived since the sleeper read the references.
    for _ in range(10):
        c.deliver("s@else.test", alice, "Subject: late\r\n\r\nx\r\n")
    c.wait_mail(alice, 15)
    backdate_suspects(c)
    os.kill(c.pid(holder), signal.SIGCONT)
    wait_for(lambda: "sweep given up" in c.log(holder), 30, what="the late one noticing")
    wait_for(lambda: leaked(c) == 0, 60, step=0.5, what="a release")
    assert len(c.mailbox(alice)) == 15 and state(c, "failed") == {}


def test_an_operators_sweep_goes_before_the_automatic_one(own_cluster):
    c = own_cluster(frontends=1)
    c.settings("spool", sweep="off")
    alice, bob = c.add_user("alice@sweep.test"), c.add_user("bob@sweep.test")
    send(c, alice, 2)
    send(c, bob, 3)
    leak(c, bob)
    holder = slow_sweep(c)
    dry = c.tool("sweep", "--older-than", "0s", "--dry-run").stdout  # needs no lease
    assert "6 leaked ones" in dry and "would be released" in dry
    text = c.tool("sweep", "--older-than", "0s").stdout
    assert "6 leaked ones" in text and "were released" in text
    last = state(c, "last")
    assert last["by"].startswith("tool@") and last["released"] == 6
    wait_for(lambda: "sweep given up: another sweeps now" in c.log(holder), 20, what="it gives way")
    # A sweep started by an operator is not disturbed.
    c.redis.hset("sweep:state", mapping={"holder": "tool@elsewhere 1234", "kind": "manual",
                                         "until_ms": int((time.time() + 60) * 1000)})
    refused = c.tool("sweep", "--older-than", "0s", check=False)
    assert refused.returncode == 1 and "tool@elsewhere sweeps already" in refused.stderr
    assert len(c.mailbox(alice)) == 2


def test_a_drained_worker_leaves_the_sweep_to_another(own_cluster):
    c = own_cluster(frontends=1, workers=2)
    c.settings("spool", sweep="off")
    holder = slow_sweep(c)
    drained_ms = int(time.time() * 1000)
    os.kill(c.pid(holder), signal.SIGTERM)
    wait_for(lambda: state(c, "running").get("by") != holder, 5, what="its lease given back")
    next_sweep(c, drained_ms)
