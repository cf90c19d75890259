"""Trouble here is waited out by all remote accounts together, not tried again and again by each."""

import time

import pytest

import dovecot
from blob_disk import BlobDisk
from cluster import wait_for
from retrieval import World, text_of

pytestmark = pytest.mark.skipif(not dovecot.can_run(), reason="needs root and Dovecot")
ACCOUNTS = 8


def test_a_store_that_fails_is_tried_by_one_account_at_a_time(own_cluster, tmp_path):
    disk = BlobDisk(tmp_path)
    users = [f"u{i}" for i in range(ACCOUNTS)]
    w = World(own_cluster, users, env=disk.env, frontends=1, workers=1)
    try:
        disk.set("fail-small")
        ids = {}
        for user in users:
            w.dovecot.deliver(user, text_of(user))
            ids[user] = w.add(f"{user}@example.test", user, "pop3", "--delete")
        wait_for(lambda: "retrieval failed" in w.cluster.logs(), 20, what="the first trouble")
        time.sleep(22)
        # Each by itself would have tried every five seconds.
        assert 1 <= w.cluster.logs().count("retrieval failed") <= 6
        assert all(w.status(f"{u}@example.test", ids[u]).get("failures", "0") == "0" for u in users)
        assert w.dovecot.count(users[0]) == 1
        disk.clear("fail-small")
        for user in users:
            w.wait_bodies(f"{user}@example.test", [text_of(user)], 90)
        assert w.cluster.logs().count("waits because of trouble here") <= 5
    finally:
        w.stop()
