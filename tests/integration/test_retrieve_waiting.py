"""When accounts are read: IDLE, orders of operators, few connections to a host, a server far away, trouble."""

import re
import time

import pytest

import dovecot
from cluster import wait_for
from remote_cut import Cutter
from retrieval import World, text_of
from slow_relay import SlowRelay

pytestmark = pytest.mark.skipif(not dovecot.can_run(), reason="needs root and Dovecot")
A = "a@example.test"


@pytest.fixture
def world(own_cluster):
    worlds = []

    def start(users=("ann",), **options):
        worlds.append(World(own_cluster, users, frontends=1, **options))
        return worlds[-1]
    yield start
    for w in worlds:
        w.stop()


def logins(w):
    return len(re.findall(r"Login: user=<", w.dovecot.log()))


def test_idle_brings_new_mail_at_once_over_the_same_session(world):
    w = world()
    w.cluster.settings("imap", retrieval_interval="1h")
    texts = [text_of("first")]
    w.dovecot.deliver("ann", texts[0])
    id = w.add(A, "ann", "imap")
    w.wait_bodies(A, texts)
    wait_for(lambda: w.is_quiet(A, id), what="the round ends")
    for i in range(3):
        texts.append(text_of(f"later {i}"))
        w.dovecot.deliver("ann", texts[-1])
        w.wait_bodies(A, texts, 20)
    assert logins(w) == 1
    # Orders of an operator end the waiting.
    w.cluster.tool("retrieve", "disable", A, id)
    wait_for(lambda: not w.status(A, id).get("holder"), 20, what="the session ends")
    w.dovecot.deliver("ann", text_of("not wanted"))
    time.sleep(2)
    w.wait_bodies(A, texts)
    w.cluster.tool("retrieve", "enable", A, id)
    w.wait_bodies(A, texts + [text_of("not wanted")], 20)


def test_a_disabled_account_stops_in_the_middle(world):
    w = world()
    relay = Cutter(w.dovecot.ports["pop3"])
    relay.step, relay.rest = 1500, 0.15
    texts = [text_of(f"m{i}", 600) for i in range(200)]
    for text in texts:
        w.dovecot.deliver("ann", text)
    id = w.add(A, "ann", "pop3", "--interval", "1h", port=relay.port)
    wait_for(lambda: int(w.status(A, id).get("messages", 0)) > 3, 30, what="some are here")
    w.cluster.tool("retrieve", "disable", A, id)
    wait_for(lambda: not w.status(A, id).get("holder"), 15, what="the round stops")
    status = w.status(A, id)
    assert int(status["messages"]) < 200 and status["state"] == "idle", status
    relay.rest = 0
    time.sleep(2)
    assert w.status(A, id)["messages"] == status["messages"]
    w.cluster.tool("retrieve", "enable", A, id)
    w.wait_bodies(A, texts)
    relay.close()


def test_without_idle_now_brings_it(world):
    w = world()
    w.cluster.settings("imap", retrieval_interval="1h", retrieval_idle="off")
    id = w.add(A, "ann", "imap")
    wait_for(lambda: w.status(A, id).get("last_ok"), 20, what="the first round")
    wait_for(lambda: not w.status(A, id).get("holder"), what="it has ended")
    w.dovecot.deliver("ann", text_of("one"))
    time.sleep(2)
    w.wait_bodies(A, [])
    w.now(A, id)
    w.wait_bodies(A, [text_of("one")], 20)


def test_delete_after_some_days(world):
    w = world()
    w.dovecot.deliver("ann", text_of("old"))
    id = w.add(A, "ann", "pop3", "--delete-after", "7d")
    w.wait_bodies(A, [text_of("old")])
    wait_for(lambda: w.is_quiet(A, id), what="the round ends")
    # As if it had come eight days ago.
    key = f"retrieve:{{{A}}}:{id}:l"
    today = int(time.time() // 86400)
    w.cluster.redis.execute_command("SETRANGE", key, 16, (today - 8).to_bytes(4, "little"))
    w.dovecot.deliver("ann", text_of("young"))
    w.wait_bodies(A, [text_of("old"), text_of("young")])
    wait_for(lambda: w.dovecot.count("ann") == 1, 20, what="only the old one is deleted")


def test_few_connections_to_one_host(world):
    users = [f"u{i}" for i in range(12)]
    w = world(users, workers=2)
    w.cluster.settings("imap", retrieval_idle="off")
    relay = SlowRelay(w.dovecot.ports["pop3"], 0.05).start()
    most = 0
    for user in users:
        w.dovecot.deliver(user, text_of(user))
        w.add(f"{user}@example.test", user, "pop3", port=relay.port)
    until = time.monotonic() + 60
    while time.monotonic() < until:
        most = max(most, w.cluster.redis.zcard("retrieve:host:127.0.0.1"))
        if all(w.status(f"{u}@example.test", w.cluster.redis.hkeys(f"retrieve:{{{u}@example.test}}")[0]).get("messages")
               for u in users):
            break
    assert most == 3
    for user in users:
        w.wait_bodies(f"{user}@example.test", [text_of(user)])


@pytest.mark.parametrize("protocol", ["pop3", "imap"])
def test_a_server_far_away(world, protocol):
    """200 ms each way and back: the requests for messages are sent ahead."""
    w = world()
    texts = [text_of(f"m{i}") for i in range(200)]
    for text in texts:
        w.dovecot.deliver("ann", text)
    relay = SlowRelay(w.dovecot.ports[protocol], 0.1).start()
    start = time.monotonic()
    id = w.add(A, "ann", protocol, port=relay.port)
    wait_for(lambda: w.status(A, id).get("messages") == "200", 60, what="all are taken")
    assert time.monotonic() - start < 200 * 0.2 / 3  # one after the other they would take 40 s
    w.wait_bodies(A, texts)


def test_a_dead_server_is_left_alone_longer_and_longer(world):
    w = world()
    port = w.dovecot.ports["pop3"]
    w.dovecot.stop()
    id = w.add(A, "ann", "pop3", port=port)
    wait_for(lambda: int(w.status(A, id).get("failures", 0)) >= 3, 40, what="it fails")
    status = w.status(A, id)
    assert "refused" in status["last_error"].lower() and status["state"] == "waiting"
    assert int(status["next_ms"]) - int(status["last_try"]) > 2500
    w.dovecot.start()
    w.dovecot.deliver("ann", text_of("one"))
    w.now(A, id)
    w.wait_bodies(A, [text_of("one")], 40)


def test_a_loop_is_refused_and_named(world):
    w = world()
    w.dovecot.deliver("ann", b"Received: from x by y; z\r\n" * 30 + text_of("loops"))
    w.dovecot.deliver("ann", text_of("fine"))
    id = w.add(A, "ann", "pop3", "--delete")
    w.wait_bodies(A, [text_of("fine")])
    wait_for(lambda: "loop" in w.status(A, id).get("last_error", "") or w.dovecot.count("ann") == 1, 20)
    time.sleep(2)
    assert w.dovecot.count("ann") == 1, "it stays there"


def test_too_large_messages_stay(world):
    w = world()
    w.cluster.settings("smtp-in", max_message_size="100K")
    w.dovecot.deliver("ann", text_of("large", 300000))
    w.dovecot.deliver("ann", text_of("fine"))
    id = w.add(A, "ann", "pop3", "--delete")
    w.wait_bodies(A, [text_of("fine")])
    wait_for(lambda: "max_message_size" in w.status(A, id).get("last_error", ""), 20, what="it is told")
    w.cluster.settings("smtp-in", max_message_size="1M")
    w.wait_bodies(A, [text_of("fine"), text_of("large", 300000)], 20)
    wait_for(lambda: w.dovecot.count("ann") == 0, 20, what="nothing is left there")
