"""`stagepost backup`: while mail arrives and is deleted, with processes that die in the middle, and with damage."""

import json
import os
import random
import re
import signal
import subprocess
import threading

import pytest

from backup_copy import (  # noqa: F401 (fixtures)
    append, backups, bytes_of, imap_of, restored, state, stopped_behind_its_snapshot, text_of)
from cluster import Cluster, wait_for


def test_bodies_that_go_meanwhile(own_cluster, backups, tmp_path):
    """All mail is expunged after the snapshot: the bodies stay until they are copied, and then are deleted."""
    cluster = own_cluster(frontends=1)
    user = cluster.add_user("alice@one.test")
    append(cluster, user, range(50), size=600_000)
    copy = backups(cluster)
    packs = list((cluster.dir / "blobs").iterdir())
    wide = bytes_of(packs)
    process = stopped_behind_its_snapshot(copy, tmp_path)
    before = state(cluster, user)
    imap = imap_of(cluster, user)
    imap.select()
    imap.store("1:*", "+FLAGS", "\\Deleted")
    imap.expunge()
    imap.logout()
    cluster.deliver("s@else.test", user, text_of(500, 1000).decode())  # its spool entry is deleted too
    refused = cluster.tool("sweep", "--older-than", "0s", check=False)
    assert refused.returncode == 1 and "a backup is running" in refused.stderr
    wait_for(lambda: cluster.redis.llen("backup:held") >= 50, what="bodies that are held")
    assert not os.listdir(copy.path / "packs")
    process.send_signal(signal.SIGCONT)
    out, error = process.communicate(timeout=120)
    assert process.returncode == 0, error
    made = json.loads(out)
    assert made["missing"] == made["damaged"] == 0 and made["bodies"] >= 50
    assert not cluster.redis.exists("backup:hold") and not cluster.redis.llen("backup:held")
    copy.check()
    # The store's space is free again.
    assert "0 leaked" in cluster.tool("sweep", "--older-than", "0s").stdout
    wait_for(lambda: bytes_of(packs) < wide - 25_000_000, what="the space of the bodies")
    cluster.stop()
    with restored(copy, tmp_path) as again:
        assert state(again, user) == before
        assert again.mailbox(user)[7] == text_of(7, 600_000)


def test_under_traffic(own_cluster, backups, tmp_path):
    """Senders, and readers that expunge, while one backup follows another; everything that existed before the last
    one, and stayed, is in it."""
    cluster = own_cluster(frontends=1)
    users = [cluster.add_user(f"user{i}@one.test") for i in range(3)]
    kept = cluster.add_user("kept@one.test")
    over, faults = threading.Event(), []

    def send(number):
        try:
            while not over.is_set():
                cluster.deliver("s@else.test", users, text_of(number, random.choice((500, 90_000))).decode())
                number += 3
        except Exception as e:
            faults.append(e)

    def expunge():
        try:
            while not over.is_set():
                imap = imap_of(cluster, random.choice(users))
                # Mail may not come as fast as it is deleted.
                if int(imap.select()[1][0]) >= 3:
                    imap.store("1:3", "+FLAGS", "\\Deleted")
                imap.expunge()
                imap.logout()
        except Exception as e:
            faults.append(e)

    threads = [threading.Thread(target=send, args=(1000 + i,)) for i in range(2)] + [threading.Thread(target=expunge)]
    for thread in threads:
        thread.start()
    copy = backups(cluster)
    try:
        for round in range(6):
            append(cluster, kept, range(round * 5, round * 5 + 5))
            before = state(cluster, kept)
            made = copy.make()
            assert made["missing"] == made["damaged"] == 0
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert not faults
    assert copy.names() == [made["name"]]
    copy.check()
    cluster.stop()
    with restored(copy, tmp_path) as again:
        assert state(again, kept) == before
        wait_for(lambda: not any(again.redis.hlen(key) for key in again.redis.scan_iter("spool:*:env")), 60,
                 what="an empty queue")
        for user in users:
            seen = set()
            for body in again.mailbox(user):
                number = int(re.search(rb"Message-ID: <(\d+)@test>", body).group(1))
                assert number not in seen, "a message is there twice"
                seen.add(number)
                assert body.endswith(text_of(number, 500)) or body.endswith(text_of(number, 90_000))


def test_a_second_one_copies_what_is_new(own_cluster, backups):
    cluster = own_cluster(frontends=1)
    user = cluster.add_user("alice@one.test")
    append(cluster, user, range(40), size=50_000)
    state(cluster, user)
    copy = backups(cluster)
    first = copy.make()
    assert first["new_bytes"] > 40 * 50_000
    append(cluster, user, [100])
    second = copy.make("--keep", 2)
    # The new body, and its digest at most.
    assert 1 <= second["new_bodies"] <= 2 and second["new_bytes"] < 5000
    assert copy.names() == [first["name"], second["name"]]
    imap = imap_of(cluster, user)
    imap.select()
    imap.store("1:35", "+FLAGS", "\\Deleted")
    imap.expunge()
    imap.logout()
    wide = copy.blocks()
    third = copy.make("--keep", 2)
    assert copy.names() == [second["name"], third["name"]]
    for name in copy.names():
        assert name in copy.check("--at", name).stdout
    assert copy.blocks() > wide * 0.9  # the second one still needs them
    copy.make()
    assert copy.blocks() < wide * 0.4
    copy.check()
    assert copy.check("--at", first["name"], check=False).returncode == 1


@pytest.mark.parametrize("point", ["backup-snapshot", "backup-body", "backup-named", "backup-prune"])
def test_dies_in_the_middle(own_cluster, backups, tmp_path, point):
    """The previous backup stays complete; the next one continues from it."""
    cluster = own_cluster(frontends=1)
    user = cluster.add_user("alice@one.test")
    append(cluster, user, range(5))
    copy = backups(cluster)
    first = copy.make()
    imap = imap_of(cluster, user)
    imap.select()
    imap.store("1:3", "+FLAGS", "\\Deleted")
    imap.expunge()
    imap.logout()
    append(cluster, user, range(10, 15))
    marker = tmp_path / "marker"
    marker.touch()
    died = subprocess.run(copy.command(), env={**cluster.env, "STAGEPOST_CRASH_AT": f"{point}:{marker}"})
    assert died.returncode == -signal.SIGKILL
    if point == "backup-prune":
        assert len(copy.names()) == 1 and copy.names()[0] > first["name"]
    else:
        assert copy.names() == [first["name"]]
        # Bodies that have lost their last reference since are held, and the next backup releases them.
        append(cluster, user, [20])
        imap = imap_of(cluster, user)
        imap.select()
        imap.store("1", "+FLAGS", "\\Deleted")
        imap.expunge()
        imap.logout()
        wait_for(lambda: cluster.redis.llen("backup:held") > 0, what="a body that is held")
    copy.check()
    made = copy.make()
    assert made["missing"] == 0 and not (copy.path / "unfinished").exists()
    assert copy.names() == [made["name"]] and not cluster.redis.llen("backup:held")
    copy.check()
    before = state(cluster, user)
    cluster.stop()
    with restored(copy, tmp_path) as again:
        assert state(again, user) == before


def flip(path, at):
    with open(path, "r+b") as f:
        f.seek(at)
        byte = f.read(1)
        f.seek(at)
        f.write(bytes([byte[0] ^ 1]))


def test_damage_is_found(own_cluster, backups, tmp_path):
    cluster = own_cluster(frontends=1)
    user = cluster.add_user("alice@one.test")
    append(cluster, user, range(6), size=20_000)
    copy = backups(cluster)
    name = copy.make()["name"]
    cluster.stop()
    pack = next(p for p in (copy.path / "packs").iterdir() if text_of(3, 20_000) in p.read_bytes())
    at = pack.read_bytes().index(text_of(3, 20_000)) + 9000
    again = Cluster(frontends=1, dir=tmp_path / "restored")
    for path, place, words in [(copy.path / name / "redis.rdb", 500, "digest"),
                               (copy.path / name / "tls/key.pem", 100, "digest"), (pack, at, "1 damaged")]:
        flip(path, place)
        bad = copy.check(check=False)
        assert bad.returncode == 1 and words in bad.stderr, bad.stderr
        refused = again.tool("restore", copy.path, check=False)
        assert refused.returncode == 1 and words in refused.stderr
        assert not any((again.dir / "blobs").iterdir()) and not (again.dir / "redis/appendonlydir").exists()
        flip(path, place)
        copy.check()
    flip(pack, at)
    assert re.search(r"body [0-9a-f-]+ is missing or damaged", copy.check(check=False).stderr)
    again.tool("restore", copy.path, "--despite-damage")
    with again:
        imap = imap_of(again, user)
        imap.select()
        for n in (1, 2, 3, 5, 6):
            assert imap.fetch(str(n), "(BODY.PEEK[])")[1][0][1] == text_of(n - 1, 20_000)
        imap.logout()
    # It is repaired from the store.
    cluster.start()
    assert copy.make()["new_bodies"] == 0 and copy.check(check=False).returncode == 1
    assert copy.make("--verify")["new_bodies"] == 1
    copy.check()


def test_faults_of_the_store_are_named(own_cluster, backups):
    """A body that the store itself has lost: the rest is backed up, and the complete backup before it stays."""
    cluster = own_cluster(frontends=1)
    user = cluster.add_user("alice@one.test")
    append(cluster, user, range(3), size=20_000)
    copy = backups(cluster)
    whole = copy.make()["name"]
    append(cluster, user, range(10, 13), size=20_000)
    pack = next(p for p in (cluster.dir / "blobs").iterdir() if text_of(11, 20_000) in p.read_bytes())
    flip(pack, pack.read_bytes().index(text_of(11, 20_000)) + 9000)
    bad = cluster.tool("backup", copy.path, check=False)
    assert bad.returncode == 1 and "lost bodies" in bad.stderr and "missing or damaged" in bad.stderr
    assert len(copy.names()) == 2 and copy.names()[0] == whole
    assert copy.check().returncode == 0  # as it was made: with its fault
    copy.check("--at", whole)
