"""The queue when brokers and workers die, sleep, drain, or their store refuses."""

import collections
import signal
import time

import pytest

from cluster import wait_for
from queue_world import (  # noqa: F401 (fixtures)
    SHARDS, SLOW, TAKEN_OVER_WITHIN, TEST_SLACK, ids_of, mailbox_ids, make_world, queue)


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
