#!/usr/bin/python3
"""Sends messages through a cluster while its processes are killed, one every
second, Redis among them; then counts what was lost and what came twice.

usage: tests/chaos/chaos.py [--messages N] [--sessions N] [--kill-every SECONDS] [--redis-share PERCENT]
                            [--longest SECONDS] [--keep] [--seed N] [--json]

Exit status 1 if anything that was answered 250 is missing, is in a mailbox
twice, or took longer than --longest from its 250 until it was delivered. What a remote server got twice is counted apart: SMTP cannot tell what
became of a message when the connection breaks between the last dot and its
answer, or when the worker that heard the answer dies."""

import argparse
import asyncio
import collections
import datetime
import json
import os
import random
import re
import signal
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

import redis  # noqa: E402

from cluster import Cluster, wait_for  # noqa: E402
from dnsserver import DnsServer  # noqa: E402
from imap_lines import Imap  # noqa: E402
from sink import Sink  # noqa: E402

USERS = [f"user{i}@example.test" for i in range(20)]
REMOTE_EVERY = 10  # each tenth message goes to the remote server
PROCESSES = ([f"frontend-{i}" for i in range(2)] + [f"spool-broker-{i}" for i in range(3)] +
             [f"delivery-worker-{i}" for i in range(3)])


class Run:
    def __init__(self, options):
        self.options = options
        self.random = random.Random(options.seed)
        self.accepted = {}        # spool id -> recipient
        self.accepted_at = {}     # spool id -> unix seconds at which the 250 came
        self.next_message = 0
        self.refused = self.broken = 0
        self.kills = collections.Counter()
        self.sending = True
        self.stalls = []          # seconds without progress while there was work

    # ---- the cluster ----

    def start(self):
        self.dns = DnsServer().start()
        self.sink = Sink("127.0.0.2").start()
        self.dns.mail_domain("far.test", (10, "mx.far.test", "127.0.0.2"))
        self.cluster = Cluster(frontends=2, brokers=3, workers=3, env={"STAGEPOST_RESOLVER": self.dns.resolver}).start()
        for user in USERS:
            self.cluster.add_user(user)
        self.cluster.settings("smtp-in", relay_whitelist="127.0.0.0/8")
        self.cluster.settings("spool", retry_first="1s", retry_longest="5s")
        self.cluster.settings("smtp-out", port=self.sink.port)

    def stop(self):
        if self.options.keep:
            self.cluster.stop()
            print(f"the cluster's folder: {self.cluster.dir}", file=sys.stderr)
        else:
            self.cluster.remove()
        self.sink.stop()
        self.dns.stop()

    # ---- sending, as MTAs do: again until there is a 250 ----

    async def session(self):
        pending = None
        while pending is not None or self.next_message < self.options.messages:
            try:
                reader, writer = await asyncio.wait_for(asyncio.open_connection(
                    "127.0.0.1", self.cluster.port("smtp", self.random.randrange(2))), 10)
                await self.expect(reader, b"220")
                writer.write(b"EHLO chaos.example.net\r\n")
                await self.expect(reader, b"250")
                while pending is not None or self.next_message < self.options.messages:
                    if pending is None:
                        pending = self.next_message
                        self.next_message += 1
                    await self.send(reader, writer, pending)
                    pending = None
                writer.close()
            except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError):
                self.broken += 1
                await asyncio.sleep(0.05)

    async def expect(self, reader, code):
        while True:
            line = await asyncio.wait_for(reader.readuntil(b"\n"), 60)
            if not line.startswith(code):
                self.refused += 1
                raise OSError(line)
            if line[3:4] == b" ":
                return line

    async def send(self, reader, writer, number):
        recipient = "r@far.test" if number % REMOTE_EVERY == 0 else USERS[number % 19]
        body = b"x" * 70 + b"\r\n"
        writer.write(b"MAIL FROM:<sender@remote%d.example>\r\nRCPT TO:<%s>\r\nDATA\r\n" %
                     (number % 7, recipient.encode()))
        await self.expect(reader, b"250")
        await self.expect(reader, b"250")
        await self.expect(reader, b"354")
        writer.write(b"Subject: chaos %d\r\n\r\n" % number + body * (1000 if number % 200 == 7 else 20) + b".\r\n")
        line = await self.expect(reader, b"250")
        id = line.split()[-1].decode()
        self.accepted[id] = recipient
        self.accepted_at.setdefault(id, time.time())

    # ---- killing ----

    def kill_some(self):
        while self.sending:
            time.sleep(self.options.kill_every)
            name = self.random.choice(PROCESSES)
            # Not while it still reads its data: it would never come to an end.
            if self.random.random() * 100 < self.options.redis_share and self.redis_answers():
                name = "redis"
            try:
                self.cluster.kill(name, signal.SIGKILL)
                self.kills[name.rsplit("-", 1)[0]] += 1
            except (ProcessLookupError, FileNotFoundError, ValueError):
                pass  # it is just being started again

    def redis_answers(self):
        try:
            return self.cluster.redis.ping()
        except redis.RedisError:
            return False

    # ---- watching ----

    def delivered(self):
        total = sum(int(self.cluster.redis.hget(f"mail:{{{user}}}:meta", "messages") or 0) for user in USERS)
        return total + len(self.sink.messages)

    def queued(self):
        return self.cluster.queued()

    def watch(self):
        """The longest time in which nothing was delivered though mail waited."""
        last, since = -1, time.monotonic()
        while self.watching:
            time.sleep(0.05)
            try:
                now = self.delivered()
                if now != last or self.queued() == 0:
                    self.stalls.append(time.monotonic() - since)
                    last, since = now, time.monotonic()
            except redis.RedisError:
                pass
            if not self.options.json and sys.stderr.isatty():
                print(f"\r{len(self.accepted)} accepted, {max(last, 0)} delivered, {sum(self.kills.values())} killed ",
                      end="", file=sys.stderr)

    # ---- counting ----

    def mailbox_ids(self, user):
        def read():
            try:
                imap = Imap(self.cluster.port("imap", 0), timeout=60)
                imap.login(user)
                imap.ok("EXAMINE INBOX")
                return [imap.ok("UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS (RECEIVED)])")]
            except (OSError, EOFError, AssertionError):
                return None
        lines = wait_for(read, 30, step=0.5, what="a mailbox that can be read")[0]
        return collections.Counter(m[1].decode() for line in lines
                                   if (m := re.search(rb"\r\n\tid ([0-9a-z]{20})", line)))

    def queue_is_empty(self):
        try:
            return self.queued() == 0
        except redis.RedisError:
            return False

    def count(self):
        wait_for(self.queue_is_empty, 180, step=0.2, what="an empty queue")
        boxes = {user: self.mailbox_ids(user) for user in USERS}
        boxes["r@far.test"] = collections.Counter(
            re.search(rb"\r\n\tid ([0-9a-z]{20})", m.data)[1].decode() for m in list(self.sink.messages))
        lost = [id for id, recipient in self.accepted.items() if boxes[recipient][id] == 0]
        doubled = sum(n - 1 for user in USERS for n in boxes[user].values())
        doubled_at_sink = sum(n - 1 for n in boxes["r@far.test"].values())
        return lost, doubled, doubled_at_sink

    def delivery_times(self):
        """Seconds from the 250 until the message was in the mailbox or at the remote server, the shortest first."""
        done = {}
        for i in range(3):
            for when, id in re.findall(r'^time=(\S+) .*msg="recipient served" id=(\w+) .*outcome=(?:delivered|relayed)',
                                       self.cluster.log(f"delivery-worker-{i}"), re.M):
                at = datetime.datetime.fromisoformat(when).timestamp()
                done[id] = min(at, done.get(id, at))
        # What a worker delivered and then died of is known by the message's end alone.
        for i in range(3):
            for when, id in re.findall(r'^time=(\S+) .*msg="message finished" id=(\w+)',
                                       self.cluster.log(f"spool-broker-{i}"), re.M):
                done.setdefault(id, datetime.datetime.fromisoformat(when).timestamp())
        return sorted((max(done[id] - at, 0), id) for id, at in self.accepted_at.items() if id in done)

    def delivery_summary(self):
        times = self.delivery_times()
        at = lambda part: round(times[min(int(len(times) * part), len(times) - 1)][0], 3) if times else 0  # noqa: E731
        return {"timed": len(times), "from_250_to_delivered_p50_s": at(0.5), "from_250_to_delivered_p99_s": at(0.99),
                "from_250_to_delivered_longest_s": at(1),
                "longest_ids": [f"{id} {seconds:.1f}" for seconds, id in reversed(times[-5:])]}

    def run(self):
        start = time.monotonic()
        self.watching = True
        threads = [threading.Thread(target=self.kill_some, daemon=True), threading.Thread(target=self.watch, daemon=True)]
        for thread in threads:
            thread.start()

        async def all_sessions():
            await asyncio.gather(*[self.session() for _ in range(self.options.sessions)])
        asyncio.run(all_sessions())
        sent_s = time.monotonic() - start
        self.sending = False
        threads[0].join()
        lost, doubled, doubled_at_sink = self.count()
        self.watching = False
        threads[1].join()
        return {
            "messages": self.options.messages, "accepted": len(self.accepted), "seconds": round(sent_s, 1),
            "killed": dict(self.kills), "connections_broken": self.broken, "refused_for_a_while": self.refused,
            "lost": len(lost), "twice_in_a_mailbox": doubled, "twice_at_the_remote_server": doubled_at_sink,
            "longest_standstill_s": round(max(self.stalls, default=0), 2),
            **self.delivery_summary(), "lost_ids": lost[:10],
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=100000)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--kill-every", type=float, default=1.0)
    parser.add_argument("--redis-share", type=float, default=33, help="percent of the kills")
    parser.add_argument("--longest", type=float, default=10, help="seconds that a message may take")
    parser.add_argument("--keep", action="store_true", help="leave the cluster's folder where it is")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "little"))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    run = Run(options)
    run.start()
    try:
        result = dict(run.run(), seed=options.seed)
    finally:
        run.stop()
    if options.json:
        print(json.dumps(result))
    else:
        print()
        for name, value in result.items():
            print(f"{name.replace('_', ' '):30} {value}")
    slow = result["from_250_to_delivered_longest_s"] > options.longest
    return 1 if result["lost"] or result["twice_in_a_mailbox"] or slow else 0


if __name__ == "__main__":
    sys.exit(main())
