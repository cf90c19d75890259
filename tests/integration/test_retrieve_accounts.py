"""Remote accounts by the tool: set up, tried, changed, removed; moves. A worker is played."""

import base64
import itertools
import json
import signal
import subprocess
import time

import pytest

from cluster import Cluster, wait_for
from played_worker import PlayedWorker, bad, good

SECRET = "s3cret of the remote"
IMAP = ("--protocol", "imap", "--host", "imap.remote.test", "--user", "al", "--password-stdin")
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def idle():
    """A cluster without a worker."""
    with Cluster(frontends=1, workers=0) as cluster:
        yield cluster


@pytest.fixture
def address(idle):
    address = idle.add_user(f"user{next(_numbers)}@example.test")
    yield address
    idle.tool("user", "delete", address, check=False)


def add(cluster, address, *args, options=IMAP, check=True, secret=SECRET):
    return cluster.tool("retrieve", "add", address, *options, *args, "--json", input=secret + "\n", check=check)


def untried(cluster, address, *args, **more):
    return json.loads(add(cluster, address, "--no-try", *args, **more).stdout)


def stored(cluster):
    """All that is in the store about remote accounts."""
    texts = []
    for key in cluster.redis.scan_iter("retrieve:*"):
        kind = cluster.redis.type(key)
        # Packed: as bytes.
        raw = subprocess.run(["redis-cli", "-p", str(cluster.port("redis")), {"hash": "HGETALL"}.get(kind, "ZRANGE"), key,
                              *(() if kind == "hash" else ("0", "-1"))], capture_output=True).stdout
        texts.append(key.encode() + b" " + raw)
    return b"\n".join(texts)


def test_the_life_of_one(idle, address):
    made = untried(idle, address, "--keep", "--into", "inbox/Old", "--interval", "5m", "--folder", "INBOX", "--folder", "Arbeit/Älter")
    id = made["id"]
    assert (made["protocol"], made["host"], made["port"], made["tls"]) == ("imap", "imap.remote.test", 993, "implicit")
    assert (made["into"], made["interval"], made["folders"]) == ("INBOX/Old", "5m", ["INBOX", "Arbeit/Älter"])
    assert (made["state"], made["enabled"], made["keep"]) == ("new", True, "keep")
    assert idle.json("retrieve", "show", address, id) == made == idle.json("retrieve", "list", address)[0]
    assert made in idle.json("retrieve", "list")
    assert id in idle.tool("retrieve", "list", address).stdout
    idle.tool("retrieve", "set", address, id, "keep=7d", "interval=", "port=1993")
    changed = idle.json("retrieve", "show", address, id)
    assert (changed["keep"], changed["port"], changed.get("interval")) == ("7d", 1993, None)
    idle.tool("retrieve", "disable", address, id)
    assert idle.json("retrieve", "show", address, id)["state"] == "disabled"
    assert "disabled" in idle.tool("retrieve", "now", address, id, check=False).stderr
    idle.tool("retrieve", "enable", address, id)
    idle.tool("retrieve", "now", address, id)
    due = idle.redis.zscore("retrieve:due", f"{address} {id}")
    assert abs(due / 1000 - time.time()) < 30
    idle.tool("retrieve", "delete", address, id)
    assert idle.json("retrieve", "list", address) == []
    for order in ("show", "now", "enable", "disable", "delete"):
        refused = idle.tool("retrieve", order, address, id, check=False)
        assert refused.returncode == 1 and f"no remote account {id}" in refused.stderr, order


def test_those_of_a_domain(idle, address):
    number = next(_numbers)
    domain = f"list{number}.test"
    users = [idle.add_user(f"{name}@{domain}") for name in ("ann", "bob")]
    mine = [untried(idle, user)["id"] for user in users]
    near = untried(idle, idle.add_user(f"ann@sub.{domain}"))["id"]
    elsewhere = untried(idle, address)["id"]
    assert [one["id"] for one in idle.json("retrieve", "list", domain)] == mine
    assert [one["id"] for one in idle.json("retrieve", "list", domain.upper())] == mine
    assert {*mine, near, elsewhere} <= {one["id"] for one in idle.json("retrieve", "list")}
    assert idle.json("retrieve", "list", "empty.test") == []
    refused = idle.tool("retrieve", "list", "no domain", check=False)
    assert refused.returncode == 1 and "neither an address nor a domain" in refused.stderr


def test_secrets_stay_secret(idle, address):
    made = add(idle, address, "--no-try")
    id = json.loads(made.stdout)["id"]
    idle.tool("retrieve", "set", address, id, "--password-stdin", input="an0ther secret\n")
    shown = made.stdout + made.stderr + idle.tool("retrieve", "show", address, id).stdout
    for secret in (SECRET, "an0ther secret"):
        assert secret not in shown and secret.encode() not in stored(idle) and secret not in idle.logs()
    assert address.encode() in stored(idle)
    # Never on the command line.
    refused = idle.tool("retrieve", "add", address, *IMAP[:-1], "--password", SECRET, check=False)
    assert refused.returncode == 1


def test_without_a_key(idle, address):
    key = idle.dir / "tls/secret.key"
    hidden = key.rename(key.with_suffix(".away"))
    try:
        refused = add(idle, address, "--no-try", check=False)
        assert refused.returncode == 1 and "STAGEPOST_SECRET_KEY" in refused.stderr
    finally:
        hidden.rename(key)


def test_another_key(idle, address, tmp_path):
    """Secrets that were encrypted with an old key can be read without it afterwards."""
    path = idle.dir / "tls/secret.key"
    first = path.read_text().strip()
    keys = [f"k{n}:{base64.b64encode(bytes([n] * 32)).decode()}" for n in range(2, 5)]
    ids = [untried(idle, address, "--folder", f"F{n}")["id"] for n in range(3)]
    (tmp_path / "secret").write_text("of the client\n")
    ids.append(json.loads(add(idle, address, "--no-try", "--client-secret-file", tmp_path / "secret", options=(
        *IMAP[:-1], "--oauth2", "https://token.test/", "--client-id", "c", "--token-stdin")).stdout)["id"])

    def rotate(text, check=True):
        path.write_text(text + "\n")
        told = idle.tool("secret", "rotate", "--json", check=check)
        return json.loads(told.stdout), told.stderr
    def fits(told, **more):
        assert {name: told[name] for name in ("resealed", "old", "unreadable_count")} == {"old": 0, "unreadable_count": 0, **more}
    try:
        # Each has a secret, one a client's too.
        everything = len(idle.json("retrieve", "list")) + 1
        fits(rotate(first)[0], resealed=0)
        fits(rotate(f"{keys[0]},{first}")[0], resealed=everything)
        # Without the first key, with the second one alone: each can be read, and is sealed anew.
        fits(rotate(f"{keys[1]},{keys[0]}")[0], resealed=everything)
        # A key that is missing: nothing is lost.
        before = stored(idle)
        told, _ = rotate(keys[2], check=False)
        fits(told, resealed=0, old=everything, unreadable_count=everything)
        assert {ids[0], ids[3]} <= {fault["field"] for fault in told["unreadable"]} and stored(idle) == before
        fits(rotate(f"{first},{keys[1]}")[0], resealed=everything)
    finally:
        path.write_text(first + "\n")


@pytest.mark.parametrize("options, text", [
    (("--protocol", "imap", "--user", "u"), "host"),
    (("--host", "h.test", "--user", "u"), "--protocol"),
    (("--protocol", "smtp", "--host", "h.test", "--user", "u"), "pop3 or imap"),
    (("--protocol", "pop3", "--host", "h.test"), "user"),
    (("--protocol", "pop3", "--host", "h.test", "--user", "u", "--folder", "Work"), "no folders"),
    (("--protocol", "pop3", "--host", "h/x", "--user", "u"), "host"),
    (("--protocol", "imap", "--host", "h.test", "--user", "u", "--port", "0"), "port"),
    (("--protocol", "imap", "--host", "h.test", "--user", "u", "--into", "a//b"), "into"),
    (("--protocol", "imap", "--host", "h.test", "--user", "u", "--delete-after", "1h"), "keep"),
    (("--protocol", "imap", "--host", "h.test", "--user", "u", "--scope", "x"), "--oauth2"),
    (("--protocol", "imap", "--host", "h.test", "--user", "u", "--oauth2", "nobody", "--client-id", "c"), "google"),
    (("--protocol", "imap", "--host", "h.test", "--user", "u", "--oauth2", "google", "--client-id", "c"), "refresh token"),
])
def test_what_is_refused(idle, address, options, text):
    more = () if "--oauth2" in options else ("--password-stdin",)
    refused = idle.tool("retrieve", "add", address, *options, *more, "--no-try", input="x\n", check=False)
    assert refused.returncode == 1 and text in refused.stderr, refused.stderr
    # With a token the same goes on to its next fault: there is none.
    if text == "refresh token":
        idle.tool("retrieve", "add", address, *options, "--token-stdin", "--no-try", input="token\n")


def test_of_nobody(idle):
    assert "no such user" in add(idle, "nobody@example.test", "--no-try", check=False).stderr
    assert "not an address" in add(idle, "nobody", "--no-try", check=False).stderr


def test_what_says_which_mailbox_it_is_stays(idle, address):
    id = untried(idle, address)["id"]
    for field in ("host=other.test", "user=x", "protocol=pop3", "mirror=on", "once=on"):
        assert "cannot be changed" in idle.tool("retrieve", "set", address, id, field, check=False).stderr
    assert "no such field" in idle.tool("retrieve", "set", address, id, "colour=red", check=False).stderr


def test_removed_with_the_user(idle, address):
    id = untried(idle, address)["id"]
    idle.redis.set(f"retrieve:{{{address}}}:{id}:l", "x")
    idle.redis.hset(f"retrieve:{{{address}}}:{id}:st", "fence", 1)
    idle.tool("user", "delete", address)
    assert list(idle.redis.scan_iter(f"retrieve:*{address}*")) == []
    assert idle.redis.zscore("retrieve:due", f"{address} {id}") is None
    # Whoever gets the address later has nothing of it.
    idle.add_user(address)
    assert idle.json("retrieve", "list", address) == []


# ---- The trial ----

def test_a_trial_that_succeeds(idle, address):
    with PlayedWorker(idle.redis, lambda *_: good(messages=12)) as worker:
        made = json.loads(add(idle, address).stdout)
        assert made["total_messages"] == 12 and made["state"] == "idle" and made["last_ok"]
        # It is due now, for good.
        wait_for(lambda: worker.taken.count(made["id"]) == 2)  # others of this cluster may be due, too


def test_a_trial_that_fails(idle, address):
    words = 'login refused: "NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)"'
    with PlayedWorker(idle.redis, lambda *_: bad(words)):
        refused = add(idle, address, check=False)
    assert refused.returncode == 1 and words in refused.stderr
    assert idle.json("retrieve", "list", address) == []
    assert idle.redis.zscan("retrieve:due", match=f"{address} *")[1] == []


def heeds_interrupts():
    """A shell starts what runs in the background with SIGINT ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_a_trial_without_a_worker(idle, address):
    """It says so soon; when the tool is interrupted, what is left is a trial, which the workers remove."""
    tool = subprocess.Popen([idle.build / "stagepost", "retrieve", "add", address, *IMAP, "--dir", str(idle.dir)],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=idle.env,
                            preexec_fn=heeds_interrupts)
    tool.stdin.write(SECRET + "\n")
    tool.stdin.flush()
    said = [tool.stderr.readline() for _ in range(2)]
    assert "waiting for a worker" in said[0] and "does a delivery-worker run" in said[1]
    tool.send_signal(signal.SIGINT)
    tool.wait(10)
    assert idle.json("retrieve", "list", address)[0]["state"] == "trying"


# ---- A move ----

class Move:
    """Messages that come by and by."""

    def __init__(self, total):
        self.total, self.done, self.stuck = total, 0, None

    def __call__(self, address, id):
        if self.stuck:
            self.failures = getattr(self, "failures", 0) + 1
            return bad(self.stuck, failures=self.failures)
        self.done = min(self.total, self.done + 10)
        return good(messages=self.done, state="done" if self.done == self.total else "running",
                    total_messages=self.total, total_bytes=self.total * 1000, bytes=self.done * 1000)


class MovingWorker(PlayedWorker):
    """Looks at its account again at once, until it is done or disabled."""

    def _run(self):
        while not self.ended.wait(0.1):
            for member, due in self.redis.zscan_iter("retrieve:due"):
                if due > 7e15:
                    continue
                address, id = member.split(" ")
                fields = self.answer(address, id)
                fields["messages"] = self.answer.done
                self.redis.hset(f"retrieve:{{{address}}}:{id}:st", mapping={"fence": 1, "last_try": 1, **fields})
                if fields["state"] == "done":
                    self.redis.zadd("retrieve:due", {member: 8e15}, xx=True)


def once(cluster, address, *args, **more):
    return cluster.tool("retrieve", "once", address, *IMAP, *args, "--no-try", input=SECRET + "\n", **more)


def test_a_move(idle, address):
    with MovingWorker(idle.redis, Move(50)):
        assert once(idle, address).stdout == "50 messages, 50000 bytes are here\n"
    account, = idle.json("retrieve", "list", address)
    assert account["once"] and account["state"] == "done"
    # Once more, for what has arrived since: the same account, what is here counts.
    with MovingWorker(idle.redis, Move(60)):
        again = json.loads(once(idle, address, "--json").stdout)
    assert again["id"] == account["id"] and again["messages"] == 60


def test_a_move_is_interrupted(idle, address):
    with MovingWorker(idle.redis, Move(100000)) as worker:
        tool = subprocess.Popen([idle.build / "stagepost", "retrieve", "once", address, *IMAP, "--no-try", "--dir", str(idle.dir)],
                                stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=idle.env,
                                preexec_fn=heeds_interrupts)
        tool.stdin.write(SECRET + "\n")
        tool.stdin.close()
        wait_for(lambda: worker.answer.done > 20, timeout=20)
        tool.send_signal(signal.SIGINT)
        assert tool.wait(20) == 1 and "run the command again" in tool.stderr.read()
        account, = idle.json("retrieve", "list", address)
        assert account["state"] == "disabled" and account["once"]
        # And again: it goes on, and ends.
        worker.answer.total = worker.answer.done + 30
        assert "are here" in once(idle, address).stdout
        assert idle.json("retrieve", "list", address)[0]["id"] == account["id"]


def test_a_move_of_other_folders(idle, address):
    with MovingWorker(idle.redis, Move(5)):
        once(idle, address, "--folder", "A", "--folder", "B")
        for other in (("--folder", "A"), (), ("--folder", "A", "--folder", "B", "--into", "Old")):
            refused = once(idle, address, *other, check=False)
            assert refused.returncode == 1 and "moves other folders of this mailbox; delete it first" in refused.stderr
        once(idle, address, "--folder", "B", "--folder", "A")
    assert len(idle.json("retrieve", "list", address)) == 1


def test_damaged_values_are_named(idle, address):
    made = untried(idle, address)
    key = f"retrieve:{{{address}}}"
    idle.redis.hset(key, "damaged00000", "rubbish")
    idle.redis.hset("acme:{acme}:accounts", "https://acme.test/", "{")
    try:
        for order in (("list",), ("rotate",)):
            told = idle.tool("secret", *order, "--json", check=False)
            found = json.loads(told.stdout)
            assert told.returncode == 1 and found["unreadable_count"] == 2, found
            assert {(one["key"], one["field"]) for one in found["unreadable"]} == {(key, "damaged00000"), ("acme:{acme}:accounts", "https://acme.test/")}
        assert idle.redis.hget(key, "damaged00000") == "rubbish"
        assert made["id"] in idle.tool("retrieve", "list", address).stdout
    finally:
        idle.redis.hdel(key, "damaged00000")
        idle.redis.hdel("acme:{acme}:accounts", "https://acme.test/")
    assert json.loads(idle.tool("secret", "list", "--json", check=False).stdout)["unreadable_count"] == 0


def test_a_move_that_fails(idle, address):
    move = Move(10)
    move.stuck = "the remote is on fire"
    with MovingWorker(idle.redis, move):
        failed = once(idle, address, check=False)
    assert failed.returncode == 1 and "on fire" in failed.stderr and "run the command again" in failed.stderr
    assert idle.json("retrieve", "list", address)[0]["state"] == "disabled"
