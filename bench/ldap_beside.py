#!/usr/bin/python3
"""How long IMAP users wait while one client reads a large address book by LDAP.

usage: bench/ldap_beside.py [READS]     (5)

The book has 100,000 entries; it is read whole, in pages of 1,000, READS times.
Two IMAP users, one on the frontend of that client and one on another, keep
appending a small message and setting a flag. Shown are the longest waits for
each, and the wait that 99 % do not exceed, in ms. The first row is without a
reader: what the machine and its disk do by themselves."""

import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "integration"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from cluster import Cluster  # noqa: E402
from imap_beside import Measurement, Other, Pinger, QUIET_S  # noqa: E402
from systems import BOOK_BASE, BOOK_DOMAIN, BOOK_ENTRIES, write_book  # noqa: E402


def read_all(cluster):
    result = subprocess.run(["ldapsearch", "-x", "-LLL", "-H", f"ldap://127.0.0.1:{cluster.port('ldap')}",
                             "-D", f"user000000@{BOOK_DOMAIN}", "-w", "secret", "-b", BOOK_BASE,
                             "-E", "pr=1000/noprompt", "(mail=*)"], check=True, stdout=subprocess.PIPE)
    assert result.stdout.count(b"\ndn: ") + 1 >= BOOK_ENTRIES


def main():
    reads = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with Cluster(frontends=2) as cluster:
        write_book(cluster)
        read_all(cluster)  # the frontend has loaded the book
        others = [Other(cluster.add_user(f"other{n}@example.test"), cluster.port("imap", n)) for n in range(2)]
        others.append(Pinger(None, cluster.port("redis")))
        print(f"an address book of {BOOK_ENTRIES:,} entries; longest wait / 99 %, in ms")
        m = Measurement(others)
        m.during("nothing", lambda: time.sleep(QUIET_S))
        m.during(f"{reads} paged reads of all", lambda: [read_all(cluster) for _ in range(reads)])
        for other in others:
            other.stop()


if __name__ == "__main__":
    main()
