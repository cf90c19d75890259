#!/usr/bin/python3
"""How fast a whole mailbox moves from Dovecot to Stagepost, both on this machine.

usage: bench/retrieve.py [--protocol pop3|imap] [--delay MS] [--accounts N] [--slots N] [MESSAGES]     (20000)

Fills the INBOX of each account at Dovecot with a share of the messages, moves all with `stagepost retrieve once`,
and prints messages a second, until the last is taken over and until the last is filed. --delay: a relay in between
delays every byte by so many milliseconds each way. At most
three accounts are read from one host at the same time: each third account has a host of its own."""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "integration"))

import slow_relay  # noqa: E402
from cluster import Cluster, wait_for  # noqa: E402
from retrieval import World, text_of  # noqa: E402


def clusters(**options):
    made = Cluster(**options)
    return made.start()


def total(world, accounts, field):
    return sum(int(world.status(a, id).get(field) or 0) for a, id in accounts)


def slots(world, count):
    """0: nothing is retrieved."""
    for part in ("pop", "imap"):
        world.cluster.settings(part, max_retrieval_threads=count)


def cpu_seconds(world):
    """Of each process of the cluster."""
    used = []
    for name in ("delivery-worker-0", "spool-broker-0", "redis"):
        fields = Path(f"/proc/{world.cluster.pid(name)}/stat").read_text().rsplit(") ", 1)[1].split()
        used.append(f"{name} {(int(fields[11]) + int(fields[12])) / 100:.1f}")
    return ", ".join(used)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--protocol", choices=["pop3", "imap"], default="imap")
    parser.add_argument("--delay", type=int, default=0)
    parser.add_argument("--accounts", type=int, default=1)
    parser.add_argument("--slots", type=int, default=10, help="max_retrieval_threads")
    parser.add_argument("messages", nargs="?", type=int, default=20000)
    args = parser.parse_args()
    users = [f"u{i}" for i in range(args.accounts)]
    hosts = [f"127.0.0.{1 + i // 3}" for i in range(args.accounts)]
    world = World(clusters, users, hosts=sorted(set(hosts)), frontends=1, brokers=1, workers=1)
    try:
        slots(world, 0)
        for n in range(args.messages):
            world.dovecot.deliver(users[n % len(users)], text_of(f"m{n}", 2000))
        port = world.dovecot.ports[args.protocol]
        relays = {h: slow_relay.SlowRelay(port, args.delay / 1000, h).start() for h in set(hosts) if args.delay}
        accounts = []
        for user, host in zip(users, hosts):
            relay = relays.get(host)
            address = f"{user}@example.test"
            id = world.add(address, user, args.protocol, verb="once", host=host, port=relay and relay.port)
            accounts.append((address, id))
        start = time.monotonic()
        slots(world, args.slots)
        wait_for(lambda: total(world, accounts, "messages") >= args.messages, 900, step=0.05, what="all are taken over")
        taken = time.monotonic() - start
        wait_for(lambda: world.cluster.queued() == 0, 900, step=0.1, what="all are filed")
        filed = time.monotonic() - start
        print(f"{args.messages} messages of 2 KB by {args.protocol}, {args.accounts} accounts, {args.slots} slots, delay {args.delay} ms: "
              f"taken over in {taken:.1f} s ({args.messages / taken:.0f}/s), "
              f"filed in {filed:.1f} s ({args.messages / filed:.0f}/s); CPU seconds: {cpu_seconds(world)}")
    finally:
        world.stop()
        world.cluster.remove()


if __name__ == "__main__":
    main()
