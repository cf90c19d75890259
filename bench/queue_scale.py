#!/usr/bin/python3
"""A large queue: how long an operator's queries take, and what each message costs to
deliver, whatever the queue's size.

usage: bench/queue_scale.py look [MESSAGES]        (1000000)
       bench/queue_scale.py drain [MESSAGES ...]   (1000 10000 100000)
       bench/queue_scale.py fair [MESSAGES]        (1000000)

Starts a cluster of its own (2 brokers, 1 worker), writes the spool's entries
into the store as a broker would have left them, to 10,000 destinations of 1,000
senders, and lets the brokers find them.

look   all wait for their next try; the tool is run as an operator runs it,
       including its start: the median and the longest of seven.
drain  all are fresh; a sink accepts them. All have one body, of 4 KiB. Processor
       time of the programs for each message, start and reading of the spool
       included.
fair   one sender has all of them, fresh, to 10,000 destinations. Another sends a
       message every 50 ms, to some of the same ones: how long each takes from
       the end of its data to the sink's 250, alone and beside the others. The
       sink takes 50 to 150 ms, as real servers do, so that the workers' slots are
       the bottleneck."""

import itertools
import os
import random
import re
import signal
import statistics
import struct
import subprocess
import sys
import time
from pathlib import Path

import redis

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "integration"))

import cpu  # noqa: E402
from cluster import BUILD, Cluster, wait_for  # noqa: E402
from ports import free_port  # noqa: E402
from sink import Sink  # noqa: E402

DESTINATIONS, SENDERS, SHARDS = 10000, 1000, 16
PER_CALL = 2000
DAY_MS = 86400 * 1000
QUIET_MESSAGES, QUIET_EVERY_S = 300, 0.05

# ---- protobuf, as far as it is needed ----


def varint(n):
    out = bytearray()
    while n >= 0x80:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def text(number, value):
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def number(number, value):
    return varint(number << 3) + varint(value)


def fixed64(number, value):
    return varint(number << 3 | 1) + struct.pack("<Q", value)


def member(packed, wanted):
    """The bytes of a message's member with this number."""
    at = 0

    def take():
        nonlocal at
        value = shift = 0
        while True:
            byte = packed[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value
    while at < len(packed):
        key = take()
        if key & 7 == 2:
            length = take()
            if key >> 3 == wanted:
                return packed[at:at + length]
            at += length
        elif key & 7 == 1:
            value = packed[at:at + 8]
            at += 8
            if key >> 3 == wanted:
                return struct.unpack("<Q", value)[0]
        else:
            value = take()
            if key >> 3 == wanted:
                return value
    return None


# ---- entries ----

def spool_id(unix_ms, shard, n):
    value = unix_ms << 52 | shard << 40 | n
    return "".join("0123456789abcdefghjkmnpqrstvwxyz"[value >> 5 * (19 - i) & 31] for i in range(20))


def envelope(id, n, body, skip, now_ms, senders):
    to = text(1, f"recipient.{n}@destination-{n % DESTINATIONS}.example")
    return (text(1, id) + text(2, f"news-{n}@sender{n % senders}.example") + text(3, to) + text(4, body) +
            number(5, skip) + fixed64(6, now_ms) + text(8, "192.0.2.1") + text(9, "client.example.net") +
            text(10, "ESMTP") + text(11, "frontend-0") + fixed64(18, 1))


def deferred(now_ms):
    words = "450 4.2.1 the mailbox is busy, try again later"
    status = (number(2, 1) + fixed64(3, now_ms + DAY_MS) + text(4, "4.2.1") + text(5, words) +
              text(6, "mx.example [192.0.2.2]:25"))
    accepted = fixed64(1, now_ms) + text(2, "accepted") + text(4, "frontend-0") + text(5, "192.0.2.1") + text(6, "ESMTP")
    tried = (fixed64(1, now_ms) + text(2, "deferred") + number(3, 1) + text(4, "delivery-worker-0") +
             text(5, "mx.example [192.0.2.2]:25") + text(6, words) + number(8, 120))
    return text(1, status) + text(3, accepted) + text(3, tried)


class Spool:
    """A cluster whose brokers sleep while its spool is filled."""

    def __init__(self):
        self.cluster = Cluster(frontends=1, brokers=2, workers=1).start()
        self.brokers = [self.cluster.pid(f"spool-broker-{i}") for i in range(2)]
        self.redis = self.cluster.redis
        self.sink_port = free_port()
        self.redis.hset("settings:smtp-in", "relay_whitelist", "127.0.0.0/8")
        self.redis.hset("settings:spool", mapping={"retry_first": "1h", "retry_longest": "1h", "delay_warning_after": "0s"})
        # One host accepts everything: as many at once as there are slots.
        self.redis.hset("settings:smtp-out", mapping={"relay_host": f"[127.0.0.1]:{self.sink_port}",
                                                      "max_connections_per_destination": 1000})
        time.sleep(0.5)
        self._numbers = itertools.count(1)

    def body(self, count):
        """A body that `count` messages refer to, and where the part for remote servers begins."""
        id = self.cluster.deliver("writer@sender.example", "a@nobody.example", "Subject: x\r\n\r\n" + ("x" * 70 + "\r\n") * 55)
        store = redis.Redis(port=self.cluster.port("redis"))
        wait_for(lambda: [m for m in self.cluster.json("queue", "list") if m["state"] == "deferred"], what="the body's message")
        packed = next(e for s in range(SHARDS) if (e := store.hget(f"spool:{{{s}}}:env", id)))
        blob = member(packed, 4)
        store.hincrby(f"blobrefs:{{{member(blob, 1):016x}}}", member(blob, 2), count)
        self.cluster.tool("queue", "delete", id)
        wait_for(lambda: self.entries() == 0, what="an empty spool")
        return blob, member(packed, 5)

    def entries(self):
        return sum(self.redis.hlen(f"spool:{{{s}}}:env") for s in range(SHARDS))

    def queued(self):
        return self.cluster.json("status")["queue"]["messages"]

    def stop_brokers(self):
        for pid in self.brokers:
            os.kill(pid, signal.SIGSTOP)
        wait_for(lambda: not any(self.redis.exists(f"spool:{{{s}}}:lease") for s in range(SHARDS)), 30, what="free shards")

    def wake_brokers(self):
        """The brokers find that their leases belong to another, and read the shards that they then take."""
        for shard in range(SHARDS):
            self.redis.incr(f"spool:{{{shard}}}:fence")
        for pid in self.brokers:
            os.kill(pid, signal.SIGCONT)

    def is_shared(self):
        """Each broker has half of the shards, and none is changing hands."""
        brokers = [p for p in self.cluster.json("status")["processes"] if p["kind"] == "spool-broker"]
        return all(len(b.get("shards", [])) == SHARDS // 2 for b in brokers)

    def fill(self, count, body, skip, waiting, senders=SENDERS):
        now_ms = int(time.time() * 1000)
        state, ids = deferred(now_ms), []
        for start in range(0, count, PER_CALL):
            shard = start // PER_CALL % SHARDS
            envelopes = {}
            for n in range(start, min(start + PER_CALL, count)):
                id = spool_id(now_ms, shard, next(self._numbers))
                envelopes[id] = envelope(id, n, body, skip, now_ms, senders)
            self.redis.hset(f"spool:{{{shard}}}:env", mapping=envelopes)
            if waiting:
                self.redis.hset(f"spool:{{{shard}}}:state", mapping=dict.fromkeys(envelopes, state))
            ids.append(next(iter(envelopes)))
        return ids

    def watch(self):
        pids = {name: self.cluster.pid(name) for name in
                ("redis", "delivery-worker-0", "spool-broker-0", "spool-broker-1")}
        return cpu.Watch(lambda: list(pids.values()))

    def close(self):
        self.wake_brokers()
        self.cluster.remove()


# ---- look ----

def time_tool(cluster, args):
    begun = time.monotonic()
    cluster.tool(*args)
    return (time.monotonic() - begun) * 1000


def look(count):
    spool = Spool()
    try:
        body, skip = spool.body(count)
        spool.stop_brokers()
        before = int(spool.redis.info("memory")["used_memory"])
        ids = spool.fill(count, body, skip, True)
        used = int(spool.redis.info("memory")["used_memory"]) - before
        begun = time.monotonic()
        spool.wake_brokers()
        wait_for(lambda: spool.queued() == count, 300, step=0.2, what="the queue read")
        print(f"{count:,} deferred messages to {DESTINATIONS:,} destinations\n"
              f"  read by 2 brokers in {time.monotonic() - begun:.1f} s; Redis {used / count:.0f} bytes a message, brokers "
              f"{1024 * cpu.pss_kib(spool.brokers) / count:.0f}\n", flush=True)
        for args in (["queue", "list"], ["queue", "list", "--limit", "1000", "--json"],
                     ["queue", "list", "--sender", "@sender77.example"],
                     ["queue", "list", "--recipient", "recipient.4711@destination-4711.example"],
                     ["queue", "list", "--destination", "destination-77.example", "--state", "deferred"],
                     ["queue", "list", "--answer", "busy", "--older-than", "1s"],
                     ["queue", "summary"], ["queue", "summary", "--json"], ["queue", "show", ids[-1]],
                     ["trace", ids[len(ids) // 2]], ["trace", ids[-1], "--json"]):
            times = [time_tool(spool.cluster, args) for _ in range(7)]
            shown = re.sub(r"\b[0-9a-z]{20}\b", "ID", " ".join(args))
            print(f"  {shown:80} {statistics.median(times):6.0f} ms, longest {max(times):.0f} ms", flush=True)
    finally:
        spool.close()


# ---- drain ----

def drain(counts):
    print(f"{'messages':>10} {'seconds':>8} {'msg/s':>7} {'CPU us/msg':>11}  by program")
    for count in counts:
        spool = Spool()
        try:
            body, skip = spool.body(count)
            spool.stop_brokers()
            spool.fill(count, body, skip, False)
            with subprocess.Popen([BUILD / "bench" / "load", "sink", "--port", "1", "--sink-port", str(spool.sink_port),
                                   "--count", str(count)], stdout=subprocess.DEVNULL) as sink:
                time.sleep(0.3)
                with spool.watch() as watch:
                    begun = time.monotonic()
                    spool.wake_brokers()
                    sink.wait(3600)
                    wait_for(lambda: spool.entries() == 0, 600, what="an empty spool")
                    seconds = time.monotonic() - begun
            each = {name: f"{1e6 * used / count:.0f}" for name, used in sorted(watch.programs.items())}
            print(f"{count:10,} {seconds:8.1f} {count / seconds:7,.0f} {watch.each_us(count):11.0f}  "
                  + ", ".join(f"{name} {us}" for name, us in each.items()), flush=True)
        finally:
            spool.close()


# ---- fair ----

def sink_takes():
    return random.uniform(0.05, 0.15)


def quiet_times(spool, sink, run):
    """ms from the end of each message's data to the sink's 250."""
    begun, took = {}, []
    for i in range(QUIET_MESSAGES):
        due = time.monotonic() + QUIET_EVERY_S
        spool.cluster.deliver("a@quiet.example", f"quiet-{run}-{i}@destination-{i}.example", "Subject: x\r\n\r\nx\r\n")
        begun[f"quiet-{run}-{i}@"] = time.monotonic()
        time.sleep(max(0, due - time.monotonic()))

    def arrived():
        with sink.lock:
            messages = [m for m in sink.messages if f"quiet-{run}-" in m.rcpts[0]]
        return messages if len(messages) >= QUIET_MESSAGES else None

    for message in wait_for(arrived, 300, step=0.2, what="the quiet sender's mail"):
        name = message.rcpts[0].strip("<>").split("@")[0] + "@"
        took.append(1000 * (message.answered - begun[name]))
    took.sort()
    return took


def print_times(name, took):
    print(f"  {name:30} p50 {took[len(took) // 2]:6.0f} ms, p95 {took[len(took) * 95 // 100]:6.0f} ms, longest {took[-1]:6.0f} ms",
          flush=True)
    return took[len(took) * 95 // 100]


def fair(count):
    spool = Spool()
    sink = None
    try:
        body, skip = spool.body(count)
        sink = Sink("127.0.0.1", spool.sink_port).start()
        sink.delay["END"] = sink_takes
        print(f"a message every {1000 * QUIET_EVERY_S:.0f} ms, {QUIET_MESSAGES} in all", flush=True)
        alone = print_times("alone", quiet_times(spool, sink, "alone"))
        spool.stop_brokers()
        spool.fill(count, body, skip, False, senders=1)
        spool.wake_brokers()
        wait_for(lambda: spool.queued() > count * 0.9 and spool.is_shared(), 300, step=0.2, what="the queue read")
        sink.reset()
        sink.delay["END"] = sink_takes
        time.sleep(3)
        begun, before = time.monotonic(), len(sink.messages)
        beside = print_times(f"beside {count:,} of another", quiet_times(spool, sink, "beside"))
        rate = (len(sink.messages) - before) / (time.monotonic() - begun)
        print(f"  p95 {beside / alone:.2f} times as long; {rate:,.0f} messages a second meanwhile, "
              f"{spool.queued():,} still queued", flush=True)
    finally:
        spool.close()
        if sink is not None:
            sink.stop()


def main():
    words = sys.argv[1:]
    numbers = [int(w) for w in words[1:]]
    if words[:1] == ["look"]:
        look(numbers[0] if numbers else 1000000)
    elif words[:1] == ["fair"]:
        fair(numbers[0] if numbers else 1000000)
    elif words[:1] == ["drain"]:
        drain(numbers or [1000, 10000, 100000])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
