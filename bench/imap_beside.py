#!/usr/bin/python3
"""How long others wait while one user does something to a large mailbox, or an
administrator removes a domain.

usage: bench/imap_beside.py [MESSAGES]     (100000)

Two other users, one on the frontend of the big job and one on another, keep
appending a small message and setting a flag. Shown are the longest waits for
each, and the wait that 99 % do not exceed, in ms. The first row is without a
job: what the machine and its disk do by themselves."""

import multiprocessing
import socket
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "integration"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from cluster import Cluster  # noqa: E402
from imap_folder import ask, fill  # noqa: E402
from imap_lines import Imap  # noqa: E402

FOLDERS, ACCOUNTS = 3000, 200
QUIET_S = 5


class Other:
    """A user who works meanwhile, in a process of its own."""

    def __init__(self, user, port):
        self.waits, self.parts = multiprocessing.Queue(), multiprocessing.Value("i", 0)
        self.process = multiprocessing.Process(target=self.run, args=(user, port), daemon=True)
        self.process.start()
        self.waits.get()  # logged in

    def run(self, user, port):
        imap = Imap(port, timeout=600)
        imap.login(user)
        imap.ok("SELECT INBOX")
        message = b"Subject: small\r\n\r\nhello\r\n"
        ask(imap, f"APPEND INBOX {{{len(message)}+}}\r\n" + message.decode())
        self.waits.put(None)
        for n in range(1 << 30):
            part = self.parts.value
            self.waits.put((part, "APPEND", ask(imap, f"APPEND INBOX {{{len(message)}+}}\r\n" + message.decode())))
            self.waits.put((part, "STORE", ask(imap, f"STORE 1 {'+-'[n % 2]}FLAGS (\\Flagged)")))
            time.sleep(0.001)

    def begin(self):
        self.parts.value += 1

    def end(self):
        """{"APPEND": [ms], "STORE": [ms]}: how long each waited that began since begin()."""
        of, part = {"APPEND": [], "STORE": [], "PING": []}, self.parts.value
        self.parts.value += 1
        while (got := self.waits.get())[0] <= part:
            if got[0] == part:
                of[got[1]].append(got[2])
        return of

    def stop(self):
        self.process.terminate()
        self.process.join()


class Pinger(Other):
    """How long Redis does not answer."""

    def run(self, _, port):
        with socket.create_connection(("127.0.0.1", port)) as s:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.waits.put(None)
            while True:
                part, start = self.parts.value, time.monotonic()
                s.sendall(b"PING\r\n")
                s.recv(100)
                self.waits.put((part, "PING", (time.monotonic() - start) * 1000))
                time.sleep(0.001)


class Measurement:
    def __init__(self, others):
        self.others = others
        print(f"  {'':34} {'took':>9} {'same frontend':>27} {'another frontend':>27} {'Redis':>12}")
        print(f"  {'':34} {'':>9} {'APPEND':>14} {'STORE':>12} {'APPEND':>14} {'STORE':>12} {'PING':>12}")

    def during(self, name, job):
        for other in self.others:
            other.begin()
        start = time.monotonic()
        job()
        took = time.monotonic() - start
        cells = []
        for other in self.others:
            waits = other.end()
            for kind, width in (("APPEND", 14), ("STORE", 12), ("PING", 12)):
                all = sorted(waits[kind])
                if not all:
                    continue
                cells.append(f"{all[-1]:.0f} / {all[int(len(all) * 0.99)]:.0f}".rjust(width))
        print(f"  {name:34} {took:7.2f} s {' '.join(cells)}", flush=True)


def make_accounts(cluster, domain):
    """One with very many folders, and many with some mail."""
    first = cluster.add_user(f"folders@{domain}")
    of_first = cluster.redis.hgetall(f"user:{{{first}}}")
    imap = Imap(cluster.port("imap"), timeout=600)
    imap.login(first)
    for n in range(FOLDERS):
        imap.ok(f"CREATE f{n % 50}/{n}")
    for n in range(ACCOUNTS):
        user = f"u{n}@{domain}"
        cluster.redis.hset(f"user:{{{user}}}", mapping=dict(of_first, address=user))
        cluster.redis.sadd(f"domain:{{{domain}}}:users", user)
        imap = Imap(cluster.port("imap"), timeout=600)
        imap.login(user)
        fill(imap, 20)
        imap.socket.close()


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100000
    with Cluster(frontends=2) as cluster:
        user = cluster.add_user("a@example.test")
        imap = Imap(cluster.port("imap"), timeout=600)
        imap.login(user)
        fill(imap, count)
        imap.ok("SELECT INBOX")
        make_accounts(cluster, "gone.test")
        others = [Other(cluster.add_user(f"other{n}@example.test"), cluster.port("imap", n)) for n in range(2)]
        others.append(Pinger(None, cluster.port("redis")))
        print(f"a mailbox of {count:,} messages; longest wait / 99 %, in ms")
        m = Measurement(others)
        m.during("nothing", lambda: time.sleep(QUIET_S))
        for command in ("COPY 1:* Archive", 'SEARCH TEXT "hello 99999"', "STORE 1:* +FLAGS.SILENT (\\Seen)",
                        "MOVE 1:* Trash"):
            m.during(command, lambda: ask(imap, command))
        imap.ok("SELECT Archive")
        imap.ok("STORE 1:* +FLAGS.SILENT (\\Deleted)")
        m.during("EXPUNGE", lambda: ask(imap, "EXPUNGE"))
        m.during("DELETE of the mailbox", lambda: (ask(imap, "UNSELECT"), ask(imap, "DELETE Trash"), time.sleep(2)))
        m.during("domain delete", lambda: subprocess.run(
            [cluster.build / "stagepost", "domain", "delete", "gone.test", "--force", "--dir", str(cluster.dir)],
            env=cluster.env, check=True, capture_output=True))
        for other in others:
            other.stop()


if __name__ == "__main__":
    main()
