"""Events of messages: printed, followed, read on where a reader stopped; the trace of a message."""

import collections
import json
import os
import signal
import subprocess
import threading
import time

from cluster import wait_for
from queue_world import SHARDS, queue, still  # noqa: F401 (fixtures)


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
