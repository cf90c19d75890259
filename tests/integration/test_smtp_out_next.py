"""A recipient that one server defers is tried at the next one in the same try
(RFC 5321, 5.1), but never where it could arrive twice."""

import time

import pytest

from cluster import wait_for
from sink import DROP, Sink
from world import cluster, the_world, world, _numbers  # noqa: F401


@pytest.fixture(autouse=True)
def one_try(world):
    """There is no second try within a test: mail that arrives was sent by the first."""
    world.cluster.settings("spool", retry_first="1h", retry_longest="1h")


def two_hosts(world):
    return world.domain((10, "127.0.0.2"), (20, "127.0.0.3"))


def recipient(world, id, number=0):
    return world.cluster.trace(id)["recipients"][number]


@pytest.mark.parametrize("step,reply", [
    ("MAIL", "451 4.3.0 later"), ("RCPT", "450 4.2.1 later"), ("DATA", "451 4.3.0 later"), ("END", "452 4.3.1 full"),
    ("MAIL", "421 4.3.2 going down"), ("RCPT", "421 4.3.2 going down"), ("END", "421 4.3.2 going down")])
def test_the_next_host_takes_it(world, step, reply):
    world.sink.reply[step] = reply
    id = world.send(f"a@{two_hosts(world)}")
    world.second.wait()
    wait_for(lambda: recipient(world, id)["state"] == "delivered")
    assert not world.sink.messages and len(world.second.messages) == 1


def test_each_recipient_by_itself(world):
    """One is accepted, one is refused, one is deferred: only that one is tried further."""
    replies = {"good": None, "gone": "550 5.1.1 no such user", "busy": "450 4.2.1 mailbox busy"}
    world.sink.reply["RCPT"] = lambda s, line: replies[line.split("<")[1].split("@")[0]]
    domain = two_hosts(world)
    world.send(*[f"{name}@{domain}" for name in replies])
    taken, = world.second.wait()
    assert taken.rcpts == [f"<busy@{domain}>"]
    assert world.sink.wait()[0].rcpts == [f"<good@{domain}>"]
    _, _, reported, _ = world.bounce()
    assert [r["Final-Recipient"] for r in reported] == [f"rfc822; gone@{domain}"]


def test_both_put_it_off(world):
    """The last answer is reported, and two servers are enough for one try."""
    third = Sink("127.0.0.5", world.sink.port, name="third.remote.test").start()
    try:
        world.sink.reply["RCPT"] = "450 4.2.1 first says no"
        world.second.reply["RCPT"] = "451 4.7.1 second says no"
        id = world.send(f"a@{world.domain((10, '127.0.0.2'), (20, '127.0.0.3'), (30, '127.0.0.5'))}")
        wait_for(lambda: "second says no" in str(recipient(world, id)))
        time.sleep(0.5)
        assert not third.sessions
        assert [e["kind"] for e in world.cluster.trace(id)["events"]].count("deferred") == 1
    finally:
        third.stop()


def test_a_dead_second_host_does_not_hide_the_answer(world):
    world.sink.reply["RCPT"] = "450 4.2.1 mailbox busy"
    id = world.send(f"a@{world.domain((10, '127.0.0.2'), (20, '127.0.0.99'))}")
    wait_for(lambda: recipient(world, id).get("answer"))
    assert "mailbox busy" in recipient(world, id)["answer"]


def test_a_refusal_by_the_second_host_counts(world):
    world.sink.reply["RCPT"] = "450 4.2.1 later"
    world.second.reply["RCPT"] = "550 5.1.1 no such user"
    world.send(f"a@{two_hosts(world)}")
    assert world.bounce()[2][0]["Status"] == "5.1.1"


def test_no_answer_to_the_end_ends_the_try(world):
    """The first may have it: the second is not asked in this try, whatever the answers to other recipients were."""
    world.sink.reply["RCPT"] = lambda s, line: "450 4.2.1 busy" if "<b@" in line else None
    world.sink.reply["END"] = DROP
    domain = two_hosts(world)
    id = world.send(f"a@{domain}", f"b@{domain}")
    wait_for(lambda: all(r.get("answer") for r in world.cluster.trace(id)["recipients"]))
    assert "may have been delivered" in recipient(world, id, 0)["answer"]
    assert "busy" in recipient(world, id, 1)["answer"]
    time.sleep(0.5)
    assert not world.second.sessions


def test_too_many_and_put_off(world):
    """The surplus recipients are sent in a further transaction, without the deferred ones."""
    def reply(session, line):
        if "<busy@" in line:
            return "450 4.2.1 busy"
        return "452 4.5.3 too many recipients" if len(session.rcpts) >= 2 else None

    world.sink.reply["RCPT"] = reply
    domain = two_hosts(world)
    world.send(f"busy@{domain}", *[f"r{i}@{domain}" for i in range(3)])
    assert world.second.wait()[0].rcpts == [f"<busy@{domain}>"]
    assert sorted(len(m.rcpts) for m in world.sink.wait(2)) == [1, 2]
    assert sum("<busy@" in line for s in world.sink.sessions for line in s.lines) == 1


def test_another_address_when_there_is_no_other_host(world):
    number = next(_numbers)
    world.dns.add(f"mx-{number}.remote.test", "A", "127.0.0.2", "127.0.0.3")
    world.dns.add(f"d{number}.remote.test", "MX", f"10 mx-{number}.remote.test.")
    for sink in (world.sink, world.second):
        sink.reply["RCPT"] = lambda s, line: "450 4.2.1 later" if not (world.sink.sessions and world.second.sessions) else None
    world.send(f"a@d{number}.remote.test")
    wait_for(lambda: world.sink.messages or world.second.messages)
    assert len(world.sink.sessions) == len(world.second.sessions) == 1
