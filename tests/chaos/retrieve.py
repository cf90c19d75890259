#!/usr/bin/python3
"""Retrieves from many accounts of Dovecot while a worker, a broker or Redis is killed every second and mail keeps
arriving there; then compares each mailbox here with what was put there, byte for byte.

usage: tests/chaos/retrieve.py [--accounts N] [--messages N] [--longest SECONDS]

Half of the accounts are read by POP3, half by IMAP; half of each are emptied, the others keep their mail. --messages:
for each account. Exit status 1 if a message is missing, is there twice or has other bytes, --longest after the last
kill. Needs root, for Dovecot."""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

import dovecot  # noqa: E402
from cluster import Cluster, wait_for  # noqa: E402
from retrieval import Killer, World, text_of  # noqa: E402

SIZES = (0, 3000, 70000)
A_HOST = 3  # connections at the same time


def clusters(**options):
    made = Cluster(**options)
    return made.start()


def accounts(options):
    """(user, host, protocol, whether they are emptied) of each."""
    for i in range(options.accounts):
        yield f"u{i}", f"127.0.0.{1 + i // A_HOST}", ("pop3", "imap")[i % 2], i % 4 > 1


def deliver(world, texts, messages):
    """A message for each account, again and again."""
    for i in range(messages):
        for user, those in texts.items():
            world.dovecot.deliver(user, those[i])
        time.sleep(0.5)


def compare(world, every, texts, longest):
    until = time.monotonic() + longest
    for user, _, _, _ in every:
        world.wait_bodies(f"{user}@example.test", texts[user], max(1, until - time.monotonic()))
    for user, _, _, emptied in every:
        if emptied:
            wait_for(lambda: world.dovecot.count(user) == 0, max(1, until - time.monotonic()), what=f"{user} is emptied")
        else:
            assert world.dovecot.count(user) == len(texts[user]), f"{user}: they are not kept"


def run(options):
    every = list(accounts(options))
    world = World(clusters, [user for user, _, _, _ in every], hosts=sorted({host for _, host, _, _ in every}),
                  frontends=1, brokers=2, workers=2)
    try:
        texts = {user: [text_of(f"{user}-m{i}", SIZES[i % len(SIZES)]) for i in range(options.messages)]
                 for user, _, _, _ in every}
        for user, host, protocol, emptied in every:
            world.add(f"{user}@example.test", user, protocol, *(["--delete"] if emptied else []), host=host)
        killer = Killer(world.cluster)
        start = time.monotonic()
        killer.start()
        deliver(world, texts, options.messages)
        killer.stopped.set()
        killer.join(40)
        killed = time.monotonic()
        compare(world, every, texts, options.longest)
        print(f"{options.accounts} accounts, {options.accounts * options.messages} messages: all are here once, with "
              f"the same bytes; {len(killer.killed)} processes killed in {killed - start:.0f} s ({killer.killed.count('redis')} "
              f"times redis-server); all was compared {time.monotonic() - killed:.0f} s after the last kill")
    finally:
        world.stop()
        world.cluster.remove()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--accounts", type=int, default=50)
    parser.add_argument("--messages", type=int, default=60)
    parser.add_argument("--longest", type=float, default=240)
    options = parser.parse_args()
    if not dovecot.can_run():
        sys.exit("needs root and Dovecot")
    try:
        run(options)
    except AssertionError as failure:
        sys.exit(str(failure))


if __name__ == "__main__":
    main()
