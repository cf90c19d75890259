"""stagepost secret: sealed texts by their key, and sealing them anew."""

import base64
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

import sealed
from cluster import wait_for

KEYS = {name: base64.b64encode(bytes([number]) * 32).decode() for number, name in enumerate(("k1", "k2", "k9"))}
ACCOUNT, NAME = "https://ca.test/directory", "mail.example.test"


def seal(key, context, plain):
    return sealed.seal(key, KEYS[key], context, plain)


def totp_context(address):
    return "user:{%s} totp" % address


class Store:
    """A store with a sealed text in every place."""

    def __init__(self, cluster):
        self.cluster, self.redis = cluster, cluster.redis
        self.tool = [cluster.build / "stagepost"]

    def add_users(self, count, key="k1", first=0):
        names = [f"sealed{i}@example.test" for i in range(first, first + count)]
        with self.redis.pipeline(transaction=False) as p:
            for name in names:
                p.hset("user:{%s}" % name, mapping={"enabled": "1", "totp": seal(key, totp_context(name), "secret of " + name)})
            p.execute()
        return names

    def totp(self, name, key="k2"):
        return sealed.unseal(KEYS[key], totp_context(name), sealed.text_of(self.redis.hget("user:{%s}" % name, "totp")))

    def run(self, *args, keys=("k2", "k1"), **env):
        return subprocess.Popen([*self.tool, "secret", *args, "--json", "--dir", str(self.cluster.dir)], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True,
                                env={**os.environ, "STAGEPOST_SECRET_KEY": ",".join(f"{k}:{KEYS[k]}" for k in keys), **env})

    def ask(self, *args, **more):
        """Exit status, and what it says."""
        process = self.run(*args, **more)
        out, err = process.communicate(timeout=60)
        return process.returncode, json.loads(out) if out else err

    def dump(self):
        return {k: self.redis.hgetall(k) if self.redis.type(k) in (b"hash", "hash") else self.redis.get(k)
                for pattern in ("user:*", "auth:totp-new:*", "acme:*") for k in self.redis.scan_iter(pattern)}


@pytest.fixture
def store(own_cluster):
    return Store(own_cluster(frontends=1))


REMOTE = ("someone@example.test", "abcdefgh0123")  # an address, the id of its remote account


def remote_context(what):
    return "retrieve %s %s %s" % (*REMOTE, what)


def packed_account(secret, client_secret):
    """proto/retrieve.proto by hand."""
    def varint(n):
        return bytes([n]) if n < 128 else bytes([n & 127 | 128, n >> 7])

    def text(number, value):
        return varint(number << 3 | 2) + varint(len(value)) + value.encode()
    return text(1, REMOTE[1]) + text(2, REMOTE[0]) + text(4, "imap.example.net") + b"\x28\xe1\x07" + text(8, "there") + \
        text(10, secret) + text(11, "INBOX") + text(23, client_secret) + text(24, "mail")


def by_place(answer):
    return {p["place"]: p["keys"] for p in answer["places"]}


def test_every_place(store):
    redis = store.redis
    users = store.add_users(3)
    store.add_users(1, "k2", first=3)
    redis.set("auth:totp-new:{%s}" % users[0], seal("k1", totp_context(users[0]), "new"), px=600000)
    account = {"url": "https://ca.test/acct/1", "key": seal("k1", "acme account " + ACCOUNT, "account's"), "ms": 1732900000123}
    redis.hset("acme:{acme}:accounts", ACCOUNT, json.dumps(account))
    certificate = "acme:{acme}:certificate:" + NAME
    redis.hset(certificate, mapping={"entry": "{}", "chain": "x", "key": seal("k1", "acme certificate " + NAME, "certificate's")})
    raw = type(redis)(port=redis.connection_pool.connection_kwargs["port"])
    remote = "retrieve:{%s}" % REMOTE[0]
    # The first is as long as makes its base64 end with '=': what follows it begins with a letter.
    old = packed_account(seal("k1", remote_context("secret"), "remote one"), seal("k1", remote_context("client secret"), "client's"))
    raw.hset(remote, REMOTE[1], old)
    raw.hset(f"{remote}:{REMOTE[1]}:st", mapping={"access": seal("k1", remote_context("access token"), "token"), "access_until": "1"})
    places = {"second factors": {"k1": 3, "k2": 1}, "second factors that are not confirmed": {"k1": 1},
              "keys of ACME accounts": {"k1": 1}, "keys of ordered certificates": {"k1": 1},
              "passwords and refresh tokens of remote accounts": {"k1": 1}, "client secrets of remote accounts": {"k1": 1},
              "access tokens of remote accounts": {"k1": 1}}
    assert list(places) == [p.what for p in sealed.places()], "each has a text here"

    before = store.dump()
    status, answer = store.ask("list")
    assert status == 0 and by_place(answer) == places and answer["current"] == "k2"
    assert (answer["examined"], answer["old"], answer["unreadable"]) == (10, 9, [])
    status, answer = store.ask("rotate", "--dry-run")
    assert status == 0 and answer["old"] == 9 and answer["resealed"] == 0 and store.dump() == before
    status, answer = store.ask("rotate")
    assert status == 0 and (answer["examined"], answer["old"], answer["resealed"]) == (10, 0, 9)
    assert by_place(answer) == {place: {"k2": sum(ids.values())} for place, ids in places.items()}

    assert all(store.totp(u) == "secret of " + u for u in users)
    assert sealed.unseal(KEYS["k2"], totp_context(users[0]), sealed.text_of(redis.get("auth:totp-new:{%s}" % users[0]))) == "new"
    assert 500000 < redis.pttl("auth:totp-new:{%s}" % users[0]) <= 600000
    now = json.loads(redis.hget("acme:{acme}:accounts", ACCOUNT))
    assert sealed.unseal(KEYS["k2"], "acme account " + ACCOUNT, now.pop("key")) == "account's"
    assert now == {k: v for k, v in account.items() if k != "key"}
    assert sealed.unseal(KEYS["k2"], "acme certificate " + NAME, sealed.text_of(redis.hget(certificate, "key"))) == "certificate's"
    assert sealed.text_of(redis.hget(certificate, "chain")) == "x"
    new = raw.hget(remote, REMOTE[1])
    secret, client = sealed.SEALED.findall(new.decode("latin1"))
    assert sealed.unseal(KEYS["k2"], remote_context("secret"), secret) == "remote one"
    assert sealed.unseal(KEYS["k2"], remote_context("client secret"), client) == "client's"
    assert sealed.SEALED.sub("", new.decode("latin1")) == sealed.SEALED.sub("", old.decode("latin1"))
    access = sealed.text_of(raw.hget(f"{remote}:{REMOTE[1]}:st", "access"))
    assert sealed.unseal(KEYS["k2"], remote_context("access token"), access) == "token"
    # The old key is needed no more, and there is nothing left to do.
    status, answer = store.ask("list", keys=("k2",))
    assert status == 0 and answer["unreadable"] == []
    before = store.dump()
    assert store.ask("rotate")[1]["resealed"] == 0 and store.dump() == before


def test_what_cannot_be_opened_stays(store):
    """A missing key, damage, a text of another account: told, and the rest is done."""
    store.add_users(2)
    store.add_users(1, "k9", first=2)
    store.redis.hset("user:{moved@example.test}", "totp", seal("k1", totp_context("other@example.test"), "x"))
    store.redis.hset("user:{nonsense@example.test}", "totp", "nonsense")
    before = store.dump()
    for verb in ("list", "rotate"):
        status, answer = store.ask(verb)
        assert status == 1 and answer["unreadable_count"] == 3
        assert {(f["key"], f["field"]) for f in answer["unreadable"]} == \
            {("user:{%s@example.test}" % n, "totp") for n in ("sealed2", "moved", "nonsense")}
        assert "key 'k9'" in str(answer["unreadable"])
    assert answer["resealed"] == 2 and answer["old"] == 3
    assert by_place(answer)["second factors"] == {"k2": 2, "k9": 1, "k1": 1, "malformed": 1}
    after = store.dump()
    assert sorted(k for k in after if after[k] != before[k]) == ["user:{sealed%d@example.test}" % i for i in (0, 1)]


def test_without_keys(store):
    """The key of --dir is found; without any, texts are counted, and nothing can be sealed."""
    tool = store.cluster.tool
    own = (store.cluster.dir / "tls/secret.key").read_text().partition(":")[0]
    assert json.loads(tool("secret", "list", "--json").stdout)["current"] == own
    assert f"0 sealed anew with key '{own}'; 0 left" in tool("secret", "rotate").stdout
    store.add_users(2)
    (store.cluster.dir / "tls/secret.key").rename(store.cluster.dir / "tls/secret.away")
    answer = json.loads(tool("secret", "list", "--json").stdout)
    assert by_place(answer)["second factors"] == {"k1": 2} and "current" not in answer and "old" not in answer
    assert "nothing was opened" in tool("secret", "list").stdout
    refused = tool("secret", "rotate", check=False)
    assert refused.returncode == 1 and "STAGEPOST_SECRET_KEY" in refused.stderr
    status, error = store.ask("rotate", STAGEPOST_SECRET_KEY="k1:short")
    assert status == 1 and "STAGEPOST_SECRET_KEY" in error


@pytest.mark.parametrize("point", ["secrets_read", "secrets_resealed"])
def test_killed_in_the_middle(store, tmp_path, point):
    """Each text is sealed with one key or the other at any time, and a second run finishes what the first began."""
    users = store.add_users(1200)
    marker = tmp_path / "marker"
    marker.touch()
    process = store.run("rotate", STAGEPOST_CRASH_AT=f"{point}:{marker}")
    assert process.wait(60) == -signal.SIGKILL
    left = [u for u in users if store.totp(u) is None]
    assert 0 < len(left) <= 1200 and all(store.totp(u, "k1") == "secret of " + u for u in left)
    assert point == "secrets_read" or len(left) < 1200
    status, answer = store.ask("rotate")
    assert status == 0 and answer["resealed"] == len(left) and answer["old"] == 0
    assert all(store.totp(u) == "secret of " + u for u in users)


def test_what_is_changed_meanwhile_stays(store, tmp_path):
    """Between its reading and its replacing: a new secret, one that was removed, one that another has sealed anew."""
    users = store.add_users(4)
    marker = tmp_path / "marker"
    marker.touch()
    process = store.run("rotate", STAGEPOST_STOP_AT=f"secrets_read:{marker}")
    wait_for(lambda: Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T", what="it has stopped")
    store.redis.hset("user:{%s}" % users[0], "totp", seal("k1", totp_context(users[0]), "another"))
    store.redis.hdel("user:{%s}" % users[1], "totp")
    mine = seal("k2", totp_context(users[2]), "secret of " + users[2])
    store.redis.hset("user:{%s}" % users[2], "totp", mine)
    process.send_signal(signal.SIGCONT)
    out, _ = process.communicate(timeout=60)
    answer = json.loads(out)
    assert process.returncode == 0 and by_place(answer)["second factors"] == {"k2": 3} and answer["resealed"] == 2
    assert store.totp(users[0]) == "another" and store.totp(users[3]) == "secret of " + users[3]
    assert store.redis.hget("user:{%s}" % users[1], "totp") is None
    assert sealed.text_of(store.redis.hget("user:{%s}" % users[2], "totp")) == mine


def test_a_new_place_is_noticed(store):
    """The check that all tests end with: a sealed text elsewhere, or in another member, is a fault."""
    store.add_users(1)
    store.redis.hset("acme:{acme}:accounts", ACCOUNT, json.dumps({"key": seal("k1", "c", "x")}))
    assert list(sealed.faults(store.redis)) == []
    store.redis.hset("settings:pop", "banner", seal("k1", "c", "x"))
    store.redis.hset("user:{a@example.test}", "secret", seal("k1", "c", "x"))
    store.redis.hset("acme:{acme}:names", NAME, json.dumps({"key": seal("k1", "c", "x")}))
    store.redis.set("cluster:secret", seal("k1", "c", "x"))
    assert sorted(fault.split()[0] for fault in sealed.faults(store.redis)) == \
        ["acme:{acme}:names", "cluster:secret", "settings:pop", "user:{a@example.test}"]
