"""Slow remotes have their slots only while nobody else waits for one, and moves share theirs."""

import time

import pytest

import dovecot
from cluster import wait_for
from remote_cut import Cutter
from retrieval import World, text_of

pytestmark = pytest.mark.skipif(not dovecot.can_run(), reason="needs root and Dovecot")
A = "a@example.test"
SLOTS = 10


@pytest.fixture
def world(own_cluster):
    worlds = []

    def start(users, **options):
        worlds.append(World(own_cluster, users, frontends=1, workers=1, **options))
        return worlds[-1]
    yield start
    for w in worlds:
        w.stop()


def address_of(user):
    return f"{user}@example.test"


@pytest.mark.parametrize("protocol", ["pop3", "imap"])
def test_remotes_that_drip_hold_nobody_up(world, protocol):
    slow = [f"s{i}" for i in range(SLOTS)]
    w = world(slow + ["good"])
    w.cluster.settings("imap", retrieval_idle="off")
    texts = [text_of("small"), text_of("large", 100000)]
    relays, ids = [], {}
    for i, user in enumerate(slow):
        for text in texts:
            w.dovecot.deliver(user, text)
        relays.append(Cutter(w.dovecot.ports[protocol], f"127.0.0.{i + 2}"))
        ids[user] = w.add(address_of(user), user, protocol, port=relays[-1].port, host=f"127.0.0.{i + 2}")
        relays[-1].step, relays[-1].rest = 256, 0.25
    wait_for(lambda: sum(r.connections > 0 for r in relays) == SLOTS, 30, what="all slots drip")
    w.dovecot.deliver("good", text_of("good"))
    start = time.monotonic()
    w.add(address_of("good"), "good", protocol)
    w.wait_bodies(address_of("good"), [text_of("good")], 40)
    assert time.monotonic() - start < 40
    told = [w.status(address_of(u), ids[u]).get("last_error", "") for u in slow]
    assert any("too slow" in text and "while others wait" in text for text in told), told
    # Nothing of them is lost, and nothing comes twice.
    for relay in relays:
        relay.rest = 0
    for user in slow:
        w.now(address_of(user), ids[user])
        w.wait_bodies(address_of(user), texts)
    for relay in relays:
        relay.close()


def test_a_slow_remote_keeps_its_slot_while_nobody_waits(world):
    w = world(["ann"])
    relay = Cutter(w.dovecot.ports["pop3"])
    relay.step, relay.rest = 256, 0.25
    w.dovecot.deliver("ann", text_of("large", 25000))
    id = w.add(A, "ann", "pop3", port=relay.port)
    w.wait_bodies(A, [text_of("large", 25000)])
    assert relay.connections < 4 and "failures" not in w.status(A, id) or w.status(A, id)["failures"] == "0"
    relay.close()
