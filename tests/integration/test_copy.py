"""COPY of more messages than one script handles (lib/mailbox/staging.c): all or nothing, whatever happens to
the frontend, its connection to Redis, the folders or the client meanwhile."""

import itertools
import signal

import pytest

from cluster import Cluster, wait_for
from imap_client import Closed, Imap
from redis_relay import CUT, CUT_ANSWER, HOLD, WATCH, RedisRelay, RelayedFrontend

COUNT = 600  # three steps
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def cluster():
    with Cluster(frontends=1) as c:
        yield c


@pytest.fixture
def relay(cluster):
    with RedisRelay(cluster.port("redis")) as r:
        yield r


@pytest.fixture
def relayed(cluster, relay, tmp_path):
    frontend = RelayedFrontend(cluster, relay, tmp_path, f"relayed-{next(_numbers)}")
    yield frontend
    frontend.stop()


class Account:
    """An account with COUNT messages in INBOX and one in the folder Target."""

    def __init__(self, cluster, **fields):
        self.cluster = cluster
        self.address = cluster.add_user(f"copy{next(_numbers)}@copies.test", **fields)
        self.client = self.session(cluster.port("imap"))
        self.client.ok("CREATE Target")
        self.client.append("Target", self.text(0), "\\Seen", plus=True)
        pieces = [piece for n in range(1, COUNT + 1) for piece in (" (\\Flagged kw) ", self.text(n).encode())]
        assert self.client.literals("APPEND INBOX", *pieces, plus=True).status == "OK"

    @staticmethod
    def text(n):
        return f"Subject: {n}\r\n\r\nbody {n}\r\n"

    def session(self, port, select=None):
        c = Imap(port, timeout=60)
        c.login(self.address)
        if select:
            c.ok(f"SELECT {select}")
        return c

    def copies(self):
        """Those that are in Target behind its first message; STATUS tells the same, unless
        the copy comes between."""
        for _ in range(3):
            status = self.client.ok("STATUS Target (MESSAGES UIDNEXT)").untagged[0]
            exists = self.client.ok("EXAMINE Target").find("EXISTS")[0]
            count = int(exists.split()[1])
            if f"MESSAGES {count} " in status:
                break
        assert f"MESSAGES {count} " in status
        if count == 1:
            assert "UIDNEXT 2)" in status
        return count - 1

    def let_lease_end(self):
        key = f"mail:{{{self.address}}}:copies"
        for copy in self.cluster.redis.zrange(key, 0, -1):
            self.cluster.redis.zadd(key, {copy: 1})

    def tidy(self):
        """Does what a listing does; afterwards nothing is left of an unpublished copy."""
        self.let_lease_end()
        self.client.ok('LIST "" *')
        names = [f"mail:{{{self.address}}}:{name}" for name in ("copies", "doomed")]
        wait_for(lambda: not self.cluster.redis.exists(*names), what="nothing is left of the copy")

    def check_readable(self, mailbox, first):
        """Also when no reference is left but that of these."""
        self.client.ok(f"EXAMINE {mailbox}")
        lines = self.client.ok("FETCH 1:* (BODY.PEEK[] FLAGS)").untagged
        bodies = [line for line in lines if "BODY[]" in line]
        for n, line in enumerate(bodies, first):
            assert f"Subject: {n}\r\n" in line
        return len(bodies)

    def check(self, copied):
        """All or nothing; every message can be read, even when the other copy is gone."""
        assert self.copies() == (COUNT if copied else 0)
        self.cluster.tool("sweep", "--older-than", "0s")
        assert self.check_readable("INBOX", 1) == COUNT
        if copied:
            assert self.check_readable("Target", 0) == COUNT + 1
            self.client.ok("SELECT INBOX")
            self.client.ok("STORE 1:* +FLAGS.SILENT (\\Deleted)")
            self.client.ok("EXPUNGE")
            self.cluster.tool("sweep", "--older-than", "0s")
            assert self.check_readable("Target", 0) == COUNT + 1
            return
        answer = self.client.ok("SELECT INBOX") and self.client.ok("COPY 1:* Target")
        assert answer.code.endswith(f" 1:{COUNT} 4096:{4096 + COUNT - 1}")
        assert self.copies() == COUNT


@pytest.fixture
def account(cluster):
    return Account(cluster)


def test_is_seen_at_once(cluster, account):
    """Another session sees all of it or nothing; UIDs continue after it."""
    other = account.session(cluster.port("imap"), "Target")
    account.client.ok("SELECT INBOX")
    tag = account.client.start("COPY 1:* Target")
    seen = set()
    while COUNT + 1 not in seen:
        seen |= {int(line.split()[1]) for line in other.ok("NOOP").find("EXISTS")}
    assert seen == {COUNT + 1}
    answer = account.client.finish(tag)
    assert answer.code.endswith(f" 1:{COUNT} 4096:{4096 + COUNT - 1}")
    assert other.append("Target", account.text(COUNT + 1), plus=True).code.endswith(f" {4096 + COUNT}")
    flags = other.ok("UID FETCH 1:* (FLAGS)").find("FETCH")
    assert "\\Seen" in flags[0] and len([line for line in flags if "\\Flagged kw" in line]) == COUNT
    assert [line.split()[4] for line in flags] == [str(u) for u in (1, *range(4096, 4096 + COUNT + 1))]
    assert len(other.ok("SEARCH SUBJECT 599").find("SEARCH")[0].split()) == 3


def test_onto_itself(account):
    account.client.ok("SELECT INBOX")
    answer = account.client.ok("COPY 1:* INBOX")
    assert answer.code.endswith(f" 1:{COUNT} 4096:{4096 + COUNT - 1}")
    assert account.client.ok("NOOP").find("EXISTS") == [f"* {2 * COUNT} EXISTS"]


def test_over_quota(cluster, account):
    size = sum(len(account.text(n)) for n in range(COUNT + 1))
    cluster.tool("user", "set", account.address, f"quota={size + 300 * len(account.text(100))}")
    account.client.close()
    account.client = account.session(cluster.port("imap"), "INBOX")
    assert account.client.cmd("COPY 1:* Target").code == "OVERQUOTA"
    cluster.tool("user", "set", account.address, "quota=0")
    account.client.close()
    account.client = account.session(cluster.port("imap"))
    account.tidy()
    account.check(copied=False)


def test_client_goes(cluster, relay, relayed, account):
    """Its request is carried out nevertheless."""
    c = account.session(relayed.port, "INBOX")
    rule = relay.on(HOLD, script="mailbox/stage_add")
    c.start("COPY 1:* Target")
    rule.wait()
    c.close()
    rule.release()
    wait_for(lambda: account.copies() == COUNT, what="the copy")
    account.tidy()
    account.check(copied=True)


@pytest.mark.parametrize("action", [CUT, CUT_ANSWER])
@pytest.mark.parametrize("script, nth", [("stage_open", 1), ("source", 2), ("stage_add", 1), ("stage_add", 3),
                                         ("stage_publish", 1)])
def test_broken_connection(cluster, relay, relayed, account, script, nth, action):
    """Before the request or its answer; the client is told that the result is unknown, or that it failed."""
    c = account.session(relayed.port, "INBOX")
    passed = relay.on(WATCH, script=f"mailbox/{script}", times=nth - 1)
    rule = relay.on(action, script=f"mailbox/{script}")
    answer = c.cmd("COPY 1:* Target")
    assert rule.met() and len(passed.requests) == nth - 1
    assert answer.code == "UNAVAILABLE"
    account.tidy()
    account.check(copied=script == "stage_publish" and action == CUT_ANSWER)


@pytest.mark.parametrize("script", ["stage_add", "stage_publish"])
def test_late_frontend(cluster, relay, relayed, account, script):
    """It sleeps at a step; its lease ends and others remove what it has created; then it wakes."""
    c = account.session(relayed.port, "INBOX")
    rule = relay.on(HOLD, script=f"mailbox/{script}", call=lambda request: relayed.signal(signal.SIGSTOP))
    tag = c.start("COPY 1:* Target")
    rule.wait()
    account.tidy()
    relayed.signal(signal.SIGCONT)
    rule.release()
    assert c.finish(tag).status == "NO"
    account.tidy()
    account.check(copied=False)


def test_target_deleted_meanwhile(cluster, relay, relayed, account):
    c = account.session(relayed.port, "INBOX")
    rule = relay.on(HOLD, script="mailbox/stage_publish")
    tag = c.start("COPY 1:* Target")
    rule.wait()
    account.client.ok("DELETE Target")
    account.client.ok("CREATE Target")
    rule.release()
    assert c.finish(tag).code == "TRYCREATE"
    account.client.append("Target", account.text(0), plus=True)
    account.tidy()
    account.check(copied=False)


def test_account_deleted_meanwhile(cluster, relay, relayed, account):
    c = account.session(relayed.port, "INBOX")
    rule = relay.on(HOLD, script="mailbox/stage_add")
    c.start("COPY 1:* Target")
    rule.wait()
    cluster.tool("user", "delete", account.address)
    rule.release()
    assert c.at_end()
    wait_for(lambda: not list(cluster.redis.scan_iter(f"mail:{{{account.address}}}:*", count=1000)),
             what="nothing is left of the account")


@pytest.mark.parametrize("point, copied", [("copy-opened", False), ("copy-referred", False), ("copy-added", False),
                                           ("copy-publishing", False), ("copy-published", True)])
def test_killed(own_cluster, tmp_path, point, copied):
    """The frontend dies at a step. The next client finds all or nothing, and no leftovers."""
    marker = tmp_path / "armed"
    cluster = own_cluster(frontends=2, env={"STAGEPOST_CRASH_AT": f"{point}:{marker}"})
    account = Account(cluster)
    c = account.session(cluster.port("imap", 1), "INBOX")
    marker.write_text("")
    with pytest.raises((Closed, OSError)):
        c.cmd("COPY 1:* Target")
    assert not marker.exists()
    account.tidy()
    account.check(copied)
