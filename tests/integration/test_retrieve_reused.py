"""POP3 servers that give a UIDL to another message, or show only a part of a maildrop for a while."""

import time

import pytest

import dovecot
from cluster import wait_for
from pop_maildrop import Maildrop
from retrieval import World, text_of

pytestmark = pytest.mark.skipif(not dovecot.can_run(), reason="needs root and Dovecot")
A = "a@example.test"


@pytest.fixture
def world(own_cluster):
    w = World(own_cluster, ("ann",), frontends=1)
    w.drop = Maildrop()
    yield w
    w.drop.close()
    w.stop()


def make_rounds(w, id, count=1):
    for _ in range(count):
        before = w.drop.rounds
        wait_for(lambda: not w.status(A, id).get("holder"), 20, what="the round ends")
        w.now(A, id)
        wait_for(lambda: w.drop.rounds > before, 20, what="a round")
    wait_for(lambda: w.is_quiet(A, id), 20, what="nothing is on its way")


@pytest.mark.parametrize("options", [("--delete",), ("--delete-after", "7d")])
def test_a_uidl_comes_again_with_another_message(world, options):
    w = world
    first = [(f"{i}", text_of(f"m{i}")) for i in range(5)]
    w.drop.mail = list(first)
    id = w.add(A, "ann", "pop3", "--interval", "1h", *options, port=w.drop.port)
    w.wait_bodies(A, [text for _, text in first])
    wait_for(lambda: w.drop.rounds == 1, 20, what="a round")
    w.drop.mail = []
    make_rounds(w, id)
    second = [(uidl, text_of(f"other{uidl}")) for uidl, _ in first]
    w.drop.mail = list(second)
    make_rounds(w, id)
    w.wait_bodies(A, [text for _, text in first + second], 20)


def test_a_part_of_a_maildrop_is_away_for_a_while(world):
    w = world
    mail = [(f"u{i}", text_of(f"m{i}")) for i in range(10)]
    w.drop.mail = list(mail)
    id = w.add(A, "ann", "pop3", "--interval", "1h", port=w.drop.port)
    w.wait_bodies(A, [text for _, text in mail])
    wait_for(lambda: w.drop.rounds == 1 and w.is_quiet(A, id), 20, what="the round ends")
    # As if it had come long ago.
    key, old = f"retrieve:{{{A}}}:{id}:l", int(time.time() // 86400) - 60
    for i in range(len(mail)):
        w.cluster.redis.execute_command("SETRANGE", key, 20 * i + 16, old.to_bytes(4, "little"))
    w.drop.mail = mail[6:]
    make_rounds(w, id)
    w.drop.mail = mail
    make_rounds(w, id, 2)
    w.wait_bodies(A, [text for _, text in mail])


def test_devices_repeat_message_id_and_date(world):
    """Same Message-ID, Date and size, and all UIDLs are new: only what is the same message is not taken again."""
    w = world
    mail = [(f"u{i}", text_of("alarm") + b"sensor %d\r\n" % i) for i in range(6)]
    w.drop.mail = mail[:3]
    id = w.add(A, "ann", "pop3", "--delete", "--interval", "1h", port=w.drop.port)
    w.wait_bodies(A, [text for _, text in mail[:3]])
    wait_for(lambda: w.drop.rounds == 1, 20, what="a round")
    w.drop.mail = mail[3:]
    make_rounds(w, id)
    w.wait_bodies(A, [text for _, text in mail])
