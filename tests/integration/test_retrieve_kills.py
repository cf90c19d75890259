"""Retrieval through crashes: every message comes once, whatever dies at whatever step."""

import os
import re
import signal
import time

import pytest
import redis

import dovecot
from cluster import wait_for
from retrieval import Killer, World, text_of

pytestmark = pytest.mark.skipif(not dovecot.can_run(), reason="needs root and Dovecot")
A = "a@example.test"
WORKER_POINTS = ["retrieve-synced", "retrieve-pended", "retrieve-handed-over", "retrieve-noted", "retrieve-closed",
                 "retrieve-ended"]
OTHER_POINTS = ["hand-over-received", "hand-over-written", "hand-over-answered", "filed"]
TAKEN_OVER = 90  # seconds; a lease lasts 30


@pytest.fixture
def world(own_cluster):
    worlds = []

    def start(users, **options):
        worlds.append(World(own_cluster, users, frontends=1, brokers=2, workers=2, **options))
        return worlds[-1]
    yield start
    for w in worlds:
        w.stop()


@pytest.mark.parametrize("protocol", ["pop3", "imap"])
@pytest.mark.parametrize("point", WORKER_POINTS + OTHER_POINTS)
def test_a_process_dies_at_a_step(world, tmp_path, point, protocol):
    marker = tmp_path / "armed"
    w = world(["ann"], env={"STAGEPOST_CRASH_AT": f"{point}:{marker}"})
    w.cluster.settings("imap", retrieval_idle="off")
    texts = [text_of(f"m{i}", 200000 if i == 5 else 0) for i in range(60)]
    for text in texts[:50]:
        w.dovecot.deliver("ann", text)
    marker.touch()
    id = w.add(A, "ann", protocol, *(["--delete"] if protocol == "pop3" else []))
    wait_for(lambda: not marker.exists(), 30, what="it died")
    for text in texts[50:]:
        w.dovecot.deliver("ann", text)
    w.wait_bodies(A, texts, TAKEN_OVER)
    wait_for(lambda: w.is_quiet(A, id), 40, what="nothing is pending")
    if protocol == "pop3":
        wait_for(lambda: w.dovecot.count("ann") == 0, 60, what="nothing is left there")
    w.wait_bodies(A, texts)


@pytest.mark.parametrize("point", ["retrieve-synced", "retrieve-pended", "retrieve-handed-over"])
def test_a_sleeper_wakes_after_its_lease(world, tmp_path, point):
    marker = tmp_path / "armed"
    w = world(["ann"], env={"STAGEPOST_STOP_AT": f"{point}:{marker}"})
    texts = [text_of(f"m{i}") for i in range(50)]
    for text in texts:
        w.dovecot.deliver("ann", text)
    marker.touch()
    id = w.add(A, "ann", "pop3", "--delete")
    wait_for(lambda: not marker.exists(), 30, what="it stopped")
    asleep = [w.cluster.pid(f"delivery-worker-{i}") for i in range(2)]
    asleep = next(p for p in asleep if open(f"/proc/{p}/stat").read().split(") ")[1][0] == "T")
    try:
        w.wait_bodies(A, texts, TAKEN_OVER)
    finally:
        os.kill(asleep, signal.SIGCONT)
    wait_for(lambda: w.is_quiet(A, id), 60, what="nothing is pending")
    time.sleep(3)  # for whatever the one who woke still does
    texts.append(text_of("later"))
    w.dovecot.deliver("ann", texts[-1])
    w.wait_bodies(A, texts, TAKEN_OVER)


def test_kills_every_second_while_mail_arrives(world):
    users = [f"u{i}" for i in range(16)]
    w = world(users)
    texts = {u: [text_of(f"{u}-m{i}") for i in range(40)] for u in users}
    for n, user in enumerate(users):
        w.add(f"{user}@example.test", user, ["pop3", "imap"][n % 2], *(["--delete"] if n % 4 > 1 else []))
    killer = Killer(w.cluster)
    killer.start()
    for i in range(40):
        for user in users:
            w.dovecot.deliver(user, texts[user][i])
        time.sleep(0.5)
    killer.stopped.set()
    killer.join(40)
    assert len(killer.killed) > 5
    for user in users:
        w.wait_bodies(f"{user}@example.test", texts[user], 180)


def change_entry(entry, is_old, body_gone):
    """The pending entry as if it were a day old; body_gone: with a body that does not exist."""
    head, envelope = entry[:20], entry[20:]
    received = re.search(rb"\x31(.{6}\x00\x00)", envelope, re.S)
    if is_old:
        old = int.from_bytes(received[1], "little") - 86400000
        envelope = envelope.replace(received[0], b"\x31" + old.to_bytes(8, "little"), 1)
    if body_gone:
        pack = re.search(rb"\x22.\x09(.{8})\x10", envelope, re.S)
        envelope = envelope.replace(pack[1], b"\x01\x02\x03\x04\x05\x06\x07\x08", 1)
    return head + envelope


@pytest.mark.parametrize("protocol", ["pop3", "imap"])
@pytest.mark.parametrize("is_old, body_gone", [(True, False), (True, True), (False, True)])
def test_pending_entries_that_are_old_or_lack_their_body(world, tmp_path, protocol, is_old, body_gone):
    marker = tmp_path / "armed"
    w = world(["ann"], env={"STAGEPOST_CRASH_AT": f"retrieve-handed-over:{marker}"})
    w.cluster.settings("imap", retrieval_idle="off")
    texts = [text_of(f"m{i}") for i in range(60)]
    for text in texts:
        w.dovecot.deliver("ann", text)
    marker.touch()
    id = w.add(A, "ann", protocol)
    wait_for(lambda: not marker.exists(), 30, what="it died")
    raw = redis.Redis(port=w.cluster.port("redis"))
    key = f"retrieve:{{{A}}}:{id}:pending"
    pending = raw.hgetall(key)
    assert pending
    for remote_id, entry in pending.items():
        raw.hset(key, remote_id, change_entry(entry, is_old, body_gone))
    raw.hset(f"retrieve:{{{A}}}:{id}:st", "until_ms", 1)
    w.now(A, id)
    w.wait_bodies(A, texts, TAKEN_OVER)
    wait_for(lambda: w.is_quiet(A, id), 40, what="nothing is pending")
    w.wait_bodies(A, texts)
