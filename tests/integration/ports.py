"""Ports for the servers that tests start: below those that the kernel gives to
outgoing connections, so that no client occupies one between its choice and its
use. A test process with its own network uses all of them (have_all). Otherwise
each process uses a part of them, so that none takes, or tries, a port that
another's server has left for a moment."""

import os
import random
import re
import socket

FIRST, PART, PARTS = 2000, 10250, 3
# In each part, the first ports are for the bases of clusters; from SINGLES on there are single ports.
BASES, SINGLES = 800, 9900

_start = FIRST + PART * (int(re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "")) or 0) % PARTS)
_next = random.randrange(PART - SINGLES)


def have_all():
    """This process does not share its network with other test processes."""
    global _start
    _start = FIRST


def is_free(port):
    """Is it free at every address, for TCP and UDP?"""
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
    """A process does not return a port again before it has returned all others."""
    global _next
    for _ in range(PART - SINGLES):
        port = _start + SINGLES + _next
        _next = (_next + 1) % (PART - SINGLES)
        if is_free(port):
            return port
    raise RuntimeError("no free port")


def free_port_base(offsets, frontend_offsets, frontends):
    """For a cluster: base + each offset, and base + 1000 i + each of a frontend's."""
    wanted = set(offsets) | {o + 1000 * f for f in range(frontends) for o in frontend_offsets}
    assert max(wanted) + BASES <= SINGLES
    for _ in range(500):
        base = _start + random.randrange(BASES)
        if all(is_free(base + p) for p in wanted):
            return base
    raise RuntimeError("no free ports")
