"""Ports for the servers that tests start: below those that the kernel gives to
outgoing connections, so that no client sits on one between its choice and its
use, and with a part for each process that runs tests beside others."""

import itertools
import os
import random
import re
import socket

# Single ports; clusters have theirs from 11000 upwards.
FIRST, PART, PARTS = 3000, 1000, 7

_part = int(re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "")) or 0) % PARTS
_start = random.randrange(PART)
_numbers = itertools.count()


def is_free(port):
    """At every address, for TCP and UDP."""
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(type=kind) as s:
            if kind == socket.SOCK_STREAM:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("0.0.0.0", port))
            except OSError:
                return False
    return True


def free_port():
    """None is given twice by one process before all have been."""
    for _ in range(PART):
        port = FIRST + _part * PART + (_start + next(_numbers)) % PART
        if is_free(port):
            return port
    raise RuntimeError("no free port")


def free_port_base(offsets, frontend_offsets, frontends):
    """For a cluster: base + each offset, and base + 1000 i + each of a frontend's."""
    for _ in range(500):
        base = random.randrange(11000, 22500)
        wanted = [base + o for o in offsets] + [base + o + 1000 * f for f in range(frontends) for o in frontend_offsets]
        if len(set(wanted)) == len(wanted) and all(is_free(p) for p in wanted):
            return base
    raise RuntimeError("no free ports")
