"""IMAP: many sessions working on the same mailboxes through two frontends, each
checking every answer against the earlier ones; and frontends that are killed in
the middle of changes."""

import itertools
import os
import random
import re
import threading
import time

import pytest

from cluster import wait_for
from imap_client import Closed, Imap
from redis_relay import CUT, CUT_ANSWER, HOLD, RedisRelay, RelayedFrontend

_numbers = itertools.count(1)
SEED = int(os.environ.get("STAGEPOST_SEED", "7"))


class Model:
    """What one client knows about its selected mailbox: UIDs by sequence
    number, None if it was never told. Fails when an answer cannot be true."""

    def __init__(self, client, mailbox):
        self.c = client
        self.uids = []
        self.flags = {}
        self.modseqs = {}
        self.learn(client.ok(f"SELECT {mailbox}"), selecting=True)

    def learn(self, answer, expunge_allowed=True, selecting=False):
        for line in answer.untagged:
            m = re.match(r"\* (\d+) (EXISTS|EXPUNGE|FETCH)(.*)", line)
            if not m:
                continue
            number, kind, rest = int(m.group(1)), m.group(2), m.group(3)
            if kind == "EXISTS":
                assert number >= len(self.uids), f"{line}: there were {len(self.uids)}"
                self.uids += [None] * (number - len(self.uids))
            elif kind == "EXPUNGE":
                assert expunge_allowed, line
                assert 1 <= number <= len(self.uids), line
                del self.uids[number - 1]
            else:
                self.fetched(number, rest, line)
        known = [uid for uid in self.uids if uid is not None]
        assert known == sorted(set(known)), known
        return answer

    def fetched(self, number, rest, line):
        assert 1 <= number <= len(self.uids), f"{line}: there are {len(self.uids)}"
        m = re.search(r"UID (\d+)", rest)
        if not m:
            return
        uid = int(m.group(1))
        assert self.uids[number - 1] in (None, uid), f"{line}: that was UID {self.uids[number - 1]}"
        self.uids[number - 1] = uid
        flags, modseq = re.search(r"FLAGS \((.*?)\)", rest), re.search(r"MODSEQ \((\d+)\)", rest)
        if modseq:
            assert int(modseq.group(1)) >= self.modseqs.get(uid, 0), f"{line}: it was {self.modseqs[uid]}"
            self.modseqs[uid] = int(modseq.group(1))
        if flags:
            self.flags[uid] = set(flags.group(1).split()) - {"\\Recent"}

    def all(self):
        """The whole mailbox as the server has it now."""
        self.learn(self.c.ok("NOOP"))
        self.learn(self.c.ok("UID STORE 1:* +FLAGS ()"))
        return {uid: self.flags[uid] for uid in self.uids}


def message(n):
    return f"Subject: {n}\r\n\r\n{'x' * (n % 50)}\r\n".encode()


def work(model, rng, seconds):
    """Random commands; only those on deleted messages may be refused."""
    c, until = model.c, time.monotonic() + seconds
    appended = 0
    while time.monotonic() < until:
        count = len(model.uids)
        seqs = ",".join(str(rng.randint(1, count)) for _ in range(rng.randint(1, 4))) if count else "1"
        flag = rng.choice(["\\Seen", "\\Flagged", "\\Answered", "$Label1", "\\Deleted"])
        sign = rng.choice(["+", "-", ""])
        silent = rng.choice(["", ".SILENT"])
        what = rng.randrange(9)
        if what < 3 and count:
            answer = model.learn(c.cmd(f"STORE {seqs} {sign}FLAGS{silent} ({flag})"), expunge_allowed=False)
            assert answer.status == "OK" or answer.code == "EXPUNGEISSUED", answer
        elif what == 3:
            model.learn(c.ok(f"UID STORE {rng.randint(1, 400)}:{rng.randint(1, 400)} {sign}FLAGS{silent} ({flag})"))
        elif what == 4:
            answer = model.learn(c.literals("APPEND INBOX ", message(rng.randint(0, 1000)), plus=True))
            assert answer.status == "OK", answer
            appended += 1
        elif what == 5:
            model.learn(c.ok("EXPUNGE"))
        elif what == 6 and count:
            model.learn(c.ok(f"{rng.choice(['COPY', 'MOVE'])} {seqs} {rng.choice(['INBOX', 'Work'])}"))
        elif what == 7:
            model.learn(c.ok(f"UID MOVE {rng.randint(1, 400)} {rng.choice(['INBOX', 'Work'])}"))
        else:
            model.learn(c.ok("NOOP"))
    return appended


def test_what_has_changed_is_told_whole(cluster):
    """A change that one frontend has answered with OK is in the next answer of
    another frontend to a client that asks for changes."""
    address = cluster.add_user(f"changes-{os.getpid()}@example.test")
    with login(cluster, address) as a, login(cluster, address, 1) as b:
        for n in range(3):
            a.literals("APPEND INBOX ", message(n), plus=True)
        a.ok("SELECT INBOX")
        b.ok("SELECT INBOX")
        b.ok("FETCH 1:* (UID FLAGS)")
        modseq = int(b.ok("STATUS INBOX (HIGHESTMODSEQ)").find("STATUS")[0].rsplit(" ", 1)[1].rstrip(")"))
        for n in range(100):
            a.ok(f"STORE {n % 3 + 1} FLAGS.SILENT (k{n})")
            told = b.ok(f"FETCH 1:* (UID FLAGS) (CHANGEDSINCE {modseq})").find("FETCH")
            assert len(told) == 1 and f"(k{n}" in told[0], (n, told)
            modseq = int(re.search(r"MODSEQ \((\d+)\)", told[0]).group(1))
            a.ok(f"STORE {n % 3 + 1} +FLAGS.SILENT (\\Seen)")
            found = b.ok(f"UID SEARCH MODSEQ {modseq + 1}").find("SEARCH")
            assert found and found[0].startswith(f"* SEARCH {n % 3 + 1} "), (n, found)
            modseq = int(re.search(r"MODSEQ (\d+)", found[0]).group(1))


def test_many_sessions_one_mailbox(cluster):
    address = cluster.add_user(f"stress-{os.getpid()}@example.test")
    failures, models = [], []
    with Imap(cluster.port("imap")) as first:
        first.login(address)
        first.ok("CREATE Work")
        for n in range(20):
            first.literals("APPEND INBOX ", message(n), plus=True)
    for n in range(6):
        c = Imap(cluster.port("imap", n % 2), timeout=60)
        c.login(address)
        if n % 3 == 0:
            c.ok("ENABLE CONDSTORE")
        models.append(Model(c, "Work" if n == 5 else "INBOX"))

    def run(n):
        try:
            work(models[n], random.Random(SEED * 100 + n), 6)
        except Exception as e:  # shown by the main thread
            failures.append(f"session {n}: {e!r}")

    threads = [threading.Thread(target=run, args=(n,)) for n in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures, "\n".join(failures)
    states = [m.all() for m in models[:5]]
    assert all(state == states[0] for state in states), states
    line = models[0].c.ok("STATUS INBOX (MESSAGES UNSEEN DELETED)").find("STATUS")[0]
    unseen = sum("\\Seen" not in flags for flags in states[0].values())
    deleted = sum("\\Deleted" in flags for flags in states[0].values())
    assert line == f"* STATUS INBOX (MESSAGES {len(states[0])} UNSEEN {unseen} DELETED {deleted})"
    assert len(cluster.mailbox(address)) == len(states[0])  # every body is there
    for m in models:
        m.c.close()


# ---- Killed in the middle ----

def keywords(cluster, address, mailbox):
    """The one keyword of every message."""
    with Imap(cluster.port("imap", 1), timeout=60) as c:
        c.login(address)
        c.ok(f"SELECT {mailbox}")
        out = []
        for line in c.ok("UID STORE 1:* +FLAGS ()").find("FETCH"):
            out += re.findall(r"\bk\d+", line)
        return out


def login(cluster, address, frontend=0):
    def attempt():
        try:
            # The kernel may forget a connection to a process that is being killed.
            c = Imap(cluster.port("imap", frontend), timeout=5)
            return c if c.cmd(f"LOGIN {address} secret").status == "OK" else None
        except (OSError, Closed):
            return None
    return wait_for(attempt, timeout=30, step=0.1, what="the frontend is back")


def kill_while(cluster, body, name="frontend-0", begun=lambda: True):
    """Runs body() in a thread and kills a process a few times meanwhile, first when begun()."""
    over = threading.Event()
    failures = []

    def run():
        try:
            body(over)
        except Exception as e:
            failures.append(repr(e))

    t = threading.Thread(target=run)
    t.start()
    try:
        wait_for(begun, 60, what="enough done before the first kill")
        for _ in range(3):
            time.sleep(0.7)
            old = cluster.kill(name)
            cluster.wait_restarted(name, old, timeout=30)
        time.sleep(0.7)
    finally:
        over.set()
        t.join()
    assert not failures, failures


VICTIMS = pytest.mark.parametrize("victim", ["frontend-0", "redis"])


def settled(cluster, address):
    """Everything is back and answers."""
    def ok():
        try:
            with Imap(cluster.port("imap", 1), timeout=30) as c:
                return c.cmd(f"LOGIN {address} secret").status == "OK" and c.cmd("SELECT INBOX").status == "OK"
        except (OSError, Closed):
            return False
    wait_for(ok, timeout=30, step=0.1, what="the cluster answers again")


@VICTIMS
def test_appended_messages_survive_a_kill(own_cluster, victim):
    cluster = own_cluster(frontends=2)
    address = cluster.add_user("kill@example.test")
    told = []

    def body(over):
        n = 0
        while not over.is_set():
            c = login(cluster, address)
            try:
                while not over.is_set():
                    n += 1
                    if c.literals("APPEND INBOX ", f"Subject: {n}\r\n\r\nx\r\n".encode(), plus=True).status == "OK":
                        told.append(n)
            except (OSError, Closed):
                pass

    kill_while(cluster, body, victim, lambda: len(told) > 10)
    settled(cluster, address)
    there = [int(re.match(rb"Subject: (\d+)", m).group(1)) for m in cluster.mailbox(address, frontend=1)]
    assert len(told) > 10 and set(told) <= set(there)
    assert len(there) == len(set(there))  # nothing half or twice


@VICTIMS
def test_moves_survive_a_kill(own_cluster, victim):
    cluster = own_cluster(frontends=2)
    address = cluster.add_user("kill@example.test")
    with Imap(cluster.port("imap", 1)) as c:
        c.login(address)
        c.ok("CREATE Work")
        for n in range(40):
            assert c.literals(f"APPEND INBOX (k{n}) ", message(n), plus=True).status == "OK"

    def body(over):
        rng = random.Random(SEED)
        while not over.is_set():
            c = login(cluster, address)
            try:
                while not over.is_set():
                    here, there = rng.choice([("INBOX", "Work"), ("Work", "INBOX")])
                    told = re.search(r"\* (\d+) EXISTS", str(c.cmd(f"SELECT {here}")))
                    if told and int(told.group(1)):
                        c.cmd(f"MOVE {rng.randint(1, int(told.group(1)))}:* {there}")
            except (OSError, Closed):
                pass

    kill_while(cluster, body, victim)
    settled(cluster, address)
    found = keywords(cluster, address, "INBOX") + keywords(cluster, address, "Work")
    assert sorted(found) == sorted(f"k{n}" for n in range(40))


@VICTIMS
def test_replaced_message_is_there_once(own_cluster, victim):
    """However often it is replaced, and whichever process dies: one message, not two, not none."""
    cluster = own_cluster(frontends=2)
    address = cluster.add_user("kill@example.test")
    with Imap(cluster.port("imap", 1)) as c:
        c.login(address)
        assert c.literals("APPEND INBOX ", message(0), plus=True).status == "OK"
    told = [0]

    def body(over):
        n = 0
        while not over.is_set():
            c = login(cluster, address)
            try:
                c.cmd("SELECT INBOX")
                while not over.is_set():
                    n += 1
                    answer = c.literals("REPLACE 1 INBOX ", f"Subject: {n}\r\n\r\nx\r\n".encode(), plus=True)
                    if answer.status == "BAD":
                        break  # not selected: the store was away
                    if answer.status == "OK":
                        told.append(n)
            except (OSError, Closed):
                pass

    kill_while(cluster, body, victim, lambda: len(told) > 10)
    settled(cluster, address)
    there = [int(re.match(rb"Subject: (\d+)", m).group(1)) for m in cluster.mailbox(address, frontend=1)]
    assert len(told) > 10 and len(there) == 1 and there[0] >= told[-1]


@VICTIMS
def test_expunged_messages_stay_gone(own_cluster, victim):
    cluster = own_cluster(frontends=2)
    address = cluster.add_user("kill@example.test")
    with Imap(cluster.port("imap", 1)) as c:
        c.login(address)
        for n in range(60):
            assert c.literals(f"APPEND INBOX (k{n}) ", message(n), plus=True).status == "OK"
    gone = []

    def body(over):
        while not over.is_set():
            c = login(cluster, address)
            try:
                c.cmd("SELECT INBOX")
                while not over.is_set():
                    line = (c.cmd("STORE 1 +FLAGS (\\Deleted)").find("FETCH") or [""])[0]
                    answer = c.cmd("EXPUNGE")
                    if answer.status == "BAD":
                        break  # not selected: the store was away
                    if answer.find(r"\* 1 EXPUNGE"):
                        gone.extend(re.findall(r"\bk\d+", line))
                    time.sleep(0.05)
                    if len(gone) > 45:
                        return
            except (OSError, Closed):
                pass

    kill_while(cluster, body, victim)
    settled(cluster, address)
    left = keywords(cluster, address, "INBOX")
    assert gone and not set(gone) & set(left) and len(left) == len(set(left))
    # Only an operation in progress when the frontend died may be lost without an answer.
    assert 60 - 3 <= len(gone) + len(left) <= 60
    assert len(cluster.mailbox(address, frontend=1)) == len(left)


# ---- A lost answer ----

@pytest.mark.parametrize("action", [CUT, CUT_ANSWER])
@pytest.mark.parametrize("script", ["read", "changes"])
def test_select_that_could_not_tell_what_was_missed(cluster, tmp_path, script, action):
    """It must not be OK: the client would keep the new HIGHESTMODSEQ, and never ask for those changes again."""
    address = cluster.add_user(f"missed{next(_numbers)}-{os.getpid()}@example.test")
    with Imap(cluster.port("imap")) as c:
        c.login(address)
        for n in range(3):
            c.append("INBOX", f"Subject: {n}\r\n\r\nbody\r\n", plus=True)
        opened = str(c.ok("SELECT INBOX (CONDSTORE)"))
        validity, modseq = (re.search(rf"{word} (\d+)", opened)[1] for word in ("UIDVALIDITY", "HIGHESTMODSEQ"))
        c.ok("STORE 1 +FLAGS (\\Deleted)")
        c.ok("EXPUNGE")
        with RedisRelay(cluster.port("redis")) as relay:
            frontend = RelayedFrontend(cluster, relay, tmp_path, "relayed-missed")
            try:
                with Imap(frontend.port) as late:
                    late.login(address)
                    late.ok("ENABLE QRESYNC")
                    rule = relay.on(action, script=f"mailbox/{script}")
                    select = f"SELECT INBOX (QRESYNC ({validity} {modseq}))"
                    answer = late.cmd(select)
                    assert rule.met() and answer.status == "NO" and answer.code == "UNAVAILABLE", answer
                    assert late.cmd("CHECK").status == "BAD"  # nothing is selected
                    wait_for(lambda: "OK" == late.cmd("STATUS INBOX (MESSAGES)").status, what="the store is reached again")
                    assert late.ok(select).find(r"VANISHED \(EARLIER\) 1$")
            finally:
                frontend.stop()


# ---- An index that moves on ----

def append_many(c, count):
    for at in range(0, count, 1000):
        messages = [b"Subject: %d\r\n\r\nx\r\n" % n for n in range(at, min(at + 1000, count))]
        c.send(b"x APPEND INBOX" + b"".join(b" {%d+}\r\n%s" % (len(m), m) for m in messages) + b"\r\n")
        assert c.finish("x").status == "OK"


def test_the_index_moves_on_while_a_session_reads_what_was_removed(cluster, tmp_path):
    """A session that has not looked at its messages since SELECT reads the tombstones, in pages. Meanwhile another
    session removes a message: it is in neither the index nor these pages."""
    address = cluster.add_user(f"moved{next(_numbers)}-{os.getpid()}@example.test")
    gone = 2400  # tombstones come in pages of 1,000
    with RedisRelay(cluster.port("redis")) as relay:
        frontend = RelayedFrontend(cluster, relay, tmp_path, "relayed-moved")
        try:
            with Imap(frontend.port) as late, Imap(frontend.port) as other:
                for c in (late, other):
                    c.login(address)
                append_many(other, gone + 2)
                opened = str(late.ok("SELECT INBOX (CONDSTORE)"))
                modseq = re.search(r"HIGHESTMODSEQ (\d+)", opened)[1].encode()
                other.ok("SELECT INBOX")
                other.ok(f"UID STORE 1:{gone + 1} +FLAGS.SILENT (\\Deleted)")
                other.ok(f"UID EXPUNGE 1:{gone}")
                rule = relay.on(HOLD, script="mailbox/changes", where=lambda r: modseq in r.argv)
                fetch = late.start(f"FETCH {gone + 2} UID")
                rule.wait()
                expunge = other.start(f"UID EXPUNGE {gone + 1}")
                wait_for(lambda: any(connection.has_more() for connection in relay.connections), what="the next request")
                rule.release()
                assert other.finish(expunge).status == "OK"
                answer = late.finish(fetch)
                assert answer.status == "OK" and answer.find(rf"\* {gone + 2} FETCH \(UID {gone + 2}\)"), answer
                assert len(late.ok("NOOP").find("EXPUNGE")) == gone + 1
                assert late.ok("FETCH 1:* UID").find(rf"\* 1 FETCH \(UID {gone + 2}\)")
        finally:
            frontend.stop()
