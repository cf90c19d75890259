"""A message that the remote does not give, or at which it always hangs up, does not keep the others from coming."""

import re
import subprocess

import pytest

import dovecot
from cluster import wait_for
from remote_cut import Cutter
from retrieval import World, text_of

pytestmark = pytest.mark.skipif(not dovecot.can_run(), reason="needs root and Dovecot")
A = "a@example.test"


@pytest.fixture
def world(own_cluster):
    w = World(own_cluster, ["ann"], frontends=1)
    w.cluster.settings("imap", retrieval_idle="off")  # each round reads the rows from the store
    w.cutter = {p: Cutter(w.dovecot.ports[p]) for p in ("pop3", "imap")}
    yield w
    for cutter in w.cutter.values():
        cutter.close()
    w.stop()


def fill(w, *bad):
    """Nine messages; the remote hangs up at the bad ones. Returns those that it gives."""
    texts = {n: text_of(f"m{n}", 3000) for n in range(9)}
    for text in texts.values():
        w.dovecot.deliver("ann", text)
    for cutter in w.cutter.values():
        cutter.marks = [f"The body of m{n}.".encode() for n in bad]
    return [text for n, text in texts.items() if n not in bad]


def listed(w):
    return w.cluster.json("retrieve", "list", A)[0]


@pytest.mark.parametrize("protocol", ["pop3", "imap"])
def test_those_behind_it_come(world, protocol):
    good = fill(world, 2, 7)
    id = world.add(A, "ann", protocol, "--delete", port=world.cutter[protocol].port)
    world.wait_bodies(A, good)
    wait_for(lambda: listed(world)["stuck"] == 2 and world.is_quiet(A, id), 30)
    assert "the remote does not give 2 of the messages" in listed(world)["last_error"]
    wait_for(lambda: world.dovecot.count("ann") == 2, what="only those that came are deleted there")
    late = text_of("late")
    world.dovecot.deliver("ann", late)
    world.wait_bodies(A, [*good, late])
    assert listed(world)["failures"] == 0
    # A day later it is tried again.
    world.cutter[protocol].marks = []
    rows = re.sub(r"\d+;", lambda tried: f"{int(tried[0][:-1]) - 25 * 3600000};", world.status(A, id)["stuck_rows"])
    world.cluster.redis.hset(f"retrieve:{{{A}}}:{id}:st", "stuck_rows", rows)
    world.wait_bodies(A, [*good, late, *(text_of(f"m{n}", 3000) for n in (2, 7))])
    wait_for(lambda: listed(world)["stuck"] == 0 and "last_error" not in listed(world))
    wait_for(lambda: world.dovecot.count("ann") == 0)


def test_once_ends_and_says_so(world):
    good = fill(world, 4)
    world.cluster.add_user(A)
    command = [world.cluster.build / "stagepost", "retrieve", "once", A, "--protocol", "imap", "--host", "127.0.0.1", "--port",
               str(world.cutter["imap"].port), "--tls", "none", "--user", "ann", "--password-stdin", "--no-try", "--dir",
               world.cluster.dir]

    def once():
        return subprocess.run(list(map(str, command)), input="secret\n", text=True, capture_output=True,
                              env=world.cluster.env, timeout=150)
    done = once()
    assert done.returncode == 1 and "the remote does not give 1 of the messages" in done.stderr, done.stderr
    world.wait_bodies(A, good)
    # Run again, it tries them again.
    world.cutter["imap"].marks = []
    done = once()
    assert done.returncode == 0, done.stderr
    world.wait_bodies(A, [text_of(f"m{n}", 3000) for n in range(9)])
