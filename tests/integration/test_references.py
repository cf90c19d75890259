"""References to bodies: late tries, lost answers, and messages that end in doubt. A relay between one worker
and Redis holds a request, or loses its answer, at the critical step; afterwards every message in a mailbox
can be read, and exists once."""

import imaplib
import itertools
import os
import re
import signal
import threading
import time
from contextlib import contextmanager

import pytest

from cluster import Cluster, wait_for
from redis_relay import CUT_ANSWER, HOLD, WATCH, RedisRelay, RelayedWorker

_numbers = itertools.count(1)
FILE = "mailbox/file"


@pytest.fixture(scope="module")
def cluster():
    with Cluster(frontends=1) as c:
        c.settings("spool", retry_first="1s", retry_longest="2s")
        yield c


@pytest.fixture
def relay(cluster):
    with RedisRelay(cluster.port("redis")) as r:
        yield r


@pytest.fixture
def relayed(cluster, relay, tmp_path):
    worker = RelayedWorker(cluster, relay, tmp_path, f"relayed-{next(_numbers)}")
    yield worker
    worker.stop()


def is_present(cluster, worker):
    """Does the broker give jobs to it? It says so at each change."""
    said = re.findall(f'msg="worker (joined|is back|lost)" worker={worker}\\b', cluster.log("spool-broker-0"))
    return said != [] and said[-1] != "lost"


@contextmanager
def only_the_relayed(cluster, relayed):
    """The cluster's own worker sleeps; the relayed one does all the work. A worker that an earlier test has stopped
    is lost about now, too: so it must be this one that is, and that one that is not."""
    own = "delivery-worker-0"
    wait_for(lambda: is_present(cluster, own), 30, what="it is there")
    os.kill(cluster.pid(own), signal.SIGSTOP)
    try:
        wait_for(lambda: not is_present(cluster, own) and is_present(cluster, relayed.name), 30,
                 what="its silence is noticed, and the other is there")
        yield
    finally:
        os.kill(cluster.pid(own), signal.SIGCONT)


def fresh(cluster):
    return cluster.add_user(f"ref{next(_numbers)}@refs.test")


def send(cluster, to, text="body of the message\r\n"):
    return cluster.deliver("s@else.test", to, f"Subject: x\r\n\r\n{text}")


def queue_is_empty(cluster):
    return cluster.queued() == 0


def check_readable(cluster, *users, count=1):
    """`count` messages each, and each can still be read when another one's reference is gone."""
    wait_for(lambda: queue_is_empty(cluster), 30, what="an empty queue")
    for user in users:
        assert len(cluster.mailbox(user)) == count
    cluster.tool("sweep", "--older-than", "0s")
    for user in users:
        assert len(cluster.mailbox(user)) == count


def test_late_first_try(cluster, relay, relayed):
    """It sleeps at its look-up, its silence is noticed, another files the message; then it wakes."""
    alice = fresh(cluster)
    with only_the_relayed(cluster, relayed):
        rule = relay.on(HOLD, key=f"user:{{{alice}}}", call=lambda request: relayed.signal(signal.SIGSTOP))
        send(cluster, alice)
        rule.wait()
        rule.release()
    cluster.wait_mail(alice)
    relayed.signal(signal.SIGCONT)
    wait_for(lambda: "recipient served" in relayed.log(), what="the late one ends")
    check_readable(cluster, alice)


def test_job_taken_back_ends(cluster, relay, relayed):
    """It is told that its job was revoked while it waits for its look-up: it does not even try to file."""
    alice = fresh(cluster)
    cluster.settings("spool", job_lease="1s")
    files = relay.on(WATCH, script=FILE, key=f"mail:{{{alice}}}", times=10)
    with only_the_relayed(cluster, relayed):
        rule = relay.on(HOLD, key=f"user:{{{alice}}}", call=lambda request: relayed.signal(signal.SIGSTOP))
        log = len(cluster.log("spool-broker-0"))
        send(cluster, alice)
        rule.wait()
        wait_for(lambda: f"job lease ran out\" worker={relayed.name}" in cluster.log("spool-broker-0")[log:],
                 what="its lease runs out")
        cluster.unset("spool", "job_lease")  # no other one runs out, however slow the machine is
        relayed.signal(signal.SIGCONT)
        # On a busy machine it has slept so long that it has lost its broker, and all jobs with it.
        wait_for(lambda: "job revoked" in relayed.log() or "broker lost" in relayed.log(), what="the job is taken back")
        rule.release()
        if "job revoked" in relayed.log():
            wait_for(lambda: "recipient served" in relayed.log(), what="the job ends")
    cluster.wait_mail(alice)
    check_readable(cluster, alice)
    assert len(files.requests) <= 1  # by the job that it got afterwards


@pytest.mark.parametrize("to", ["one", "two"])
def test_late_script(cluster, relay, relayed, to):
    """The request to file is delayed in the network while another try files."""
    users = [fresh(cluster) for _ in range(1 if to == "one" else 2)]
    rules = [relay.on(HOLD, script=FILE, key=f"mail:{{{user}}}") for user in users]
    with only_the_relayed(cluster, relayed):
        send(cluster, users)
        for rule in rules[:1]:
            rule.wait()
        wait_for(lambda: "filing failed" in relayed.log(), what="it gives up waiting")
    for user in users:
        cluster.wait_mail(user)
    wait_for(lambda: queue_is_empty(cluster), what="an empty queue")
    for rule in rules:
        rule.release()
    time.sleep(0.5)
    check_readable(cluster, *users)


@contextmanager
def in_doubt(cluster, relay, relayed, to, user, on_doubt=lambda: None):
    """A message to `to` is filed for `user`, but no answer comes; nothing is tried again before the end of the
    block."""
    def close():
        relay.closed = True

    with only_the_relayed(cluster, relayed):
        rule = relay.on(CUT_ANSWER, script=FILE, key=f"mail:{{{user}}}", call=lambda request: close())
        id = send(cluster, to)
        rule.wait()
        wait_for(lambda: any(e["kind"] == "postponed" for e in cluster.trace(id)["events"]), what="it is put off")
        yield id
        relay.closed = False


def delete(cluster, id):
    wait_for(lambda: cluster.tool("queue", "delete", id, check=False).returncode == 0
             and id not in cluster.tool("queue", "list", "--json").stdout, what="the message is deleted")


def test_in_doubt_then_deleted(cluster, relay, relayed):
    alice = fresh(cluster)
    with in_doubt(cluster, relay, relayed, alice, alice) as id:
        delete(cluster, id)
    check_readable(cluster, alice)


def test_in_doubt_then_taken_over_and_deleted(cluster, relay, relayed):
    alice = fresh(cluster)
    with in_doubt(cluster, relay, relayed, alice, alice) as id:
        cluster.tool("queue", "hold", id)
        pid = cluster.kill("spool-broker-0")
        cluster.wait_restarted("spool-broker-0", pid)
        delete(cluster, id)
    check_readable(cluster, alice)


def test_in_doubt_then_disabled(cluster, relay, relayed):
    alice = fresh(cluster)
    with in_doubt(cluster, relay, relayed, alice, alice):
        cluster.tool("user", "set", alice, "enabled=off")
    wait_for(lambda: queue_is_empty(cluster), 30, what="an empty queue")
    cluster.tool("user", "set", alice, "enabled=on")
    check_readable(cluster, alice)


@pytest.mark.parametrize("then", ["another", "remote"])
def test_in_doubt_then_the_alias_leads_elsewhere(cluster, relay, relayed, then):
    alice, bob, alias = fresh(cluster), fresh(cluster), f"alias{next(_numbers)}@refs.test"
    cluster.tool("alias", "add", alias, alice)
    with in_doubt(cluster, relay, relayed, alias, alice):
        cluster.tool("alias", "delete", alias)
        cluster.tool("alias", "add", alias, bob if then == "another" else "r@[127.0.0.9]")
    if then == "another":
        cluster.wait_mail(bob)
        pop = cluster.pop(bob)
        pop.dele(1)
        pop.quit()
    # (Elsewhere it is refused at once, and ends.)
    check_readable(cluster, alice)


def test_several_ways_to_one_folder(cluster):
    alice = fresh(cluster)
    alias = f"alias{next(_numbers)}@refs.test"
    cluster.tool("alias", "add", alias, alice)
    send(cluster, [alice.replace("@", "+a@"), alice.replace("@", "+b@"), alias, alice])
    cluster.wait_mail(alice)
    check_readable(cluster, alice)


def move_for_ever(cluster, user, folders, stop, failures):
    """Every message moves through the folders, by MOVE and by rename of INBOX."""
    try:
        imap = imaplib.IMAP4("127.0.0.1", cluster.port("imap"))
        imap.login(user, "secret")
        for n in itertools.count():
            if stop.is_set():
                return
            imap.select(folders[n % len(folders)])
            imap.uid("MOVE", "1:*", folders[(n + 1) % len(folders)])
            if n % 7 == 6:
                imap.rename("INBOX", f"old{n}")
                imap.select(f"old{n}")
                imap.uid("MOVE", "1:*", folders[(n + 1) % len(folders)])
                imap.unselect()
                imap.delete(f"old{n}")
    except Exception as e:  # noqa: BLE001 - told to the test
        failures.append(e)


def test_sweep_while_messages_move(cluster):
    user, folders = fresh(cluster), ["INBOX"] + [f"folder{n}" for n in range(30)]
    for n in range(20):
        send(cluster, user, f"{n}\r\n")
    cluster.wait_mail(user, 20)
    imap = imaplib.IMAP4("127.0.0.1", cluster.port("imap"))
    imap.login(user, "secret")
    for folder in folders[1:]:
        imap.create(folder)
    stop, failures = threading.Event(), []
    mover = threading.Thread(target=move_for_ever, args=(cluster, user, folders, stop, failures))
    mover.start()
    try:
        for _ in range(40):
            cluster.tool("sweep", "--older-than", "0s")
    finally:
        stop.set()
        mover.join()
    assert not failures
    bodies = 0
    for folder in folders:
        _, (count,) = imap.select(folder, readonly=True)
        for n in range(int(count)):
            status, parts = imap.fetch(str(n + 1), "(BODY[TEXT])")
            assert status == "OK" and parts[0] is not None
            bodies += 1
    assert bodies == 20
    imap.logout()


def leaked(cluster, *options):
    """The figures of a sweep: how many bodies it releases, how many will be examined again later."""
    words = cluster.tool("sweep", "--dry-run", *options).stdout.split("; ")
    return int(words[1].split()[0]), int(words[2].split()[0]) if len(words) > 2 else 0


def test_sweep_looks_twice(cluster):
    """An unreferenced body is released by the second sweep that finds it, when no late try is possible."""
    cluster.tool("sweep", "--older-than", "0s")
    alice = fresh(cluster)
    send(cluster, alice, "leaked\r\n")
    cluster.wait_mail(alice)
    for key in cluster.redis.scan_iter(f"mail:{{{alice}}}:*"):
        cluster.redis.delete(key)
    assert leaked(cluster, "--older-than", "0s")[0] >= 1
    time.sleep(2)
    found = leaked(cluster, "--older-than", "1s")
    assert found[0] == 0 and found[1] >= 1
    first = cluster.tool("sweep", "--older-than", "1s").stdout
    assert "; 0 leaked ones" in first and "examined again" in first
    time.sleep(1.5)
    second = cluster.tool("sweep", "--older-than", "1s").stdout
    assert "; 0 leaked ones" not in second and "examined again" not in second
    assert cluster.redis.hlen("sweep:suspects") == 0


def test_bodies_of_items(cluster):
    """A sweep recognises their owners, and they are deleted with their account."""
    cluster.tool("sweep", "--older-than", "0s")
    alice = fresh(cluster)
    if "STAGEPOST_TEST_ITEMS" not in os.environ:  # otherwise it has some
        cluster.seed_items(alice, 50)
    assert leaked(cluster, "--older-than", "0s") == (0, 0)
    assert "; 0 leaked ones" in cluster.tool("sweep", "--older-than", "0s").stdout
    cluster.tool("user", "delete", alice)
    wait_for(lambda: leaked(cluster, "--older-than", "0s") == (0, 0), what="their release")
    assert not [key for key in cluster.redis.scan_iter(f"mail:{{{alice}}}:*")]
