"""A rename of very many folders goes by steps. Whoever dies at one of them leaves all
folders with their old names, or all with their new ones, and the mail in them."""

import os

import pytest

from imap_client import Closed, Imap

FOLDERS = 500


def names(c, pattern):
    return sorted(line.split(" ")[-1] for line in c.ok(f'LIST "" {pattern}').untagged)


@pytest.mark.parametrize("point, renamed", [("rename-publishing", False), ("rename-names", True)])
def test_killed(own_cluster, tmp_path, point, renamed):
    marker = tmp_path / "armed"
    cluster = own_cluster(frontends=2, env={"STAGEPOST_CRASH_AT": f"{point}:{marker}"})
    account = cluster.add_user(f"tree-{os.getpid()}@example.test")

    def connect(frontend):
        c = Imap(cluster.port("imap", frontend), timeout=120)
        c.login(account)
        return c

    c = connect(1)
    for n in range(FOLDERS):
        c.ok(f"CREATE old/{n}")
    c.append("old/7", b"Subject: seven\r\n\r\nseven\r\n")
    marker.write_text("")
    with pytest.raises((Closed, OSError)):
        c.cmd("RENAME old new")
    assert not marker.exists()

    with connect(0) as other:
        top = "new" if renamed else "old"
        assert names(other, "new/*") == (sorted(f"new/{n}" for n in range(FOLDERS)) if renamed else [])
        assert names(other, "old/*") == ([] if renamed else sorted(f"old/{n}" for n in range(FOLDERS)))
        assert other.ok(f"STATUS {top}/7 (MESSAGES)").find("MESSAGES 1")
        other.append(f"{top}/7", b"Subject: eight\r\n\r\neight\r\n")
        # The next one finishes what was left, and does its own.
        other.ok(f"RENAME {top} third")
        assert names(other, "third/*") == sorted(f"third/{n}" for n in range(FOLDERS))
        other.ok("SELECT third/7")
        assert len(other.ok("FETCH 1:* (UID)").untagged) == 2
    meta = next(key for key in cluster.redis.scan_iter("mail:*:meta", count=1000) if "tree-" in key)
    assert not cluster.redis.hexists(meta, "renaming")
