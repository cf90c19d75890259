"""Accounts with mail, what clients can see of them, and a backup."""

import imaplib
import json
import random
import re
import subprocess

import pytest

from cluster import BUILD, Cluster, wait_for

NAME = r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}Z"


def text_of(seed, size):
    """A message derived from its seed."""
    source = random.Random(seed)
    lines = "\r\n".join(f"{source.getrandbits(280):070x}" for _ in range(size // 72 + 1))
    return f"Subject: {seed}\r\nMessage-ID: <{seed}@test>\r\n\r\n{lines}\r\n".encode()


def imap_of(cluster, user):
    imap = imaplib.IMAP4("127.0.0.1", cluster.port("imap"))
    imap.login(user, "secret")
    return imap


def append(cluster, user, seeds, size=2000, folder="INBOX"):
    imap = imap_of(cluster, user)
    for seed in seeds:
        assert imap.append(folder, None, None, text_of(seed, size))[0] == "OK"
    imap.logout()


def without_counters(part):
    """After a restore, counters continue at a higher value (lib/backup/onward.h)."""
    if isinstance(part, bytes):
        return re.sub(rb"(UIDNEXT|HIGHESTMODSEQ|MODSEQ) \(?\d+\)?", rb"\1", part)
    return type(part)(without_counters(p) for p in part) if isinstance(part, (list, tuple)) else part


def state(cluster, user):
    """Everything that a client can see of an account: folders, UIDVALIDITY, UIDs, flags, dates, bodies."""
    imap = imap_of(cluster, user)
    seen = {}
    for line in imap.list()[1]:
        folder = line.decode().rsplit(" ", 1)[1]
        status = imap.status(folder, "(MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ)")[1]
        imap.select(folder, readonly=True)
        bodies = imap.uid("FETCH", "1:*", "(UID FLAGS INTERNALDATE MODSEQ ENVELOPE BODYSTRUCTURE BODY.PEEK[])")[1]
        seen[folder] = without_counters((status, bodies))
        imap.close()
    imap.logout()
    return seen


class Copy:
    """A folder of backups."""

    def __init__(self, cluster, path):
        self.cluster, self.path = cluster, path

    def command(self, *args):
        return [BUILD / "stagepost", "backup", str(self.path), *args, "--dir", str(self.cluster.dir)]

    def make(self, *args):
        return json.loads(self.cluster.tool("backup", self.path, *args, "--json").stdout)

    def check(self, *args, check=True):
        return self.cluster.tool("backup", "--check", self.path, *args, check=check)

    def names(self):
        return sorted(p.name for p in self.path.iterdir() if re.fullmatch(NAME, p.name))

    def blocks(self):
        return bytes_of((self.path / "packs").iterdir())


@pytest.fixture
def backups(tmp_path):
    return lambda cluster, name="backups": Copy(cluster, tmp_path / name)


def restored(copy, tmp_path, *args, **kwargs):
    """A cluster in its own folder, restored and started."""
    cluster = Cluster(frontends=1, dir=tmp_path / "restored", **kwargs)
    cluster.tool("restore", copy.path, *args)
    return cluster


def stopped_behind_its_snapshot(copy, tmp_path):
    """A backup that sleeps: its snapshot is made, but no body is copied."""
    marker = tmp_path / "stop"
    marker.touch()
    process = subprocess.Popen(copy.command("--json"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               env={**copy.cluster.env, "STAGEPOST_STOP_AT": f"backup-snapshot:{marker}"})
    stat = f"/proc/{process.pid}/stat"
    wait_for(lambda: open(stat).read().rsplit(")", 1)[1].split()[0] == "T", 30, what="a snapshot")
    return process


def bytes_of(packs):
    return sum(p.stat().st_blocks * 512 for p in packs)
