"""The promises of the tables, checked with running programs: metrics count the
right events, a setting without effect is listed as planned."""

import imaplib
import poplib
import struct
import time
import urllib.request

import pytest
import redis

from cluster import wait_for
from world import World, cluster, the_world, world  # noqa: F401


def metric(cluster, name, process):
    """The value of one line: name is without stagepost_, but with its labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{cluster.metrics_port(process)}/metrics", timeout=10) as page:
        lines = page.read().decode().splitlines()
    return next(int(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"stagepost_{name} "))


DELIVERIES = ['delivered_recipients_total{kind="local"}', 'delivered_recipients_total{kind="remote"}',
              "deferred_recipients_total", "failed_recipients_total", "delivery_reports_total"]


def test_deliveries_are_counted(world):
    """One message to four: one filed, one sent, one sent after a deferral, one refused; the report is filed too."""
    answers = iter(["450 4.2.1 not now"])
    world.sink.reply["RCPT"] = lambda s, line: ("550 5.1.1 nobody" if "nobody" in line else
                                                next(answers, None) if "late" in line else None)
    domain = world.domain()
    before = [metric(world.cluster, name, "spool-broker-0") for name in DELIVERIES]
    world.send(world.sender, f"taken@{domain}", f"late@{domain}", f"nobody@{domain}")
    wait_for(lambda: len(world.sink.messages) >= 2, what="both taken")
    world.cluster.wait_mail(world.sender, 2)  # the message itself, and the report

    def counted():
        now = [metric(world.cluster, name, "spool-broker-0") for name in DELIVERIES]
        return [a - b for a, b in zip(now, before)] == [2, 2, 1, 1, 1]
    wait_for(counted, what="2 local, 2 remote, 1 deferred, 1 failed, 1 report")


def test_deletion_by_the_operator_is_no_failure(world):
    world.sink.reply["RCPT"] = "450 4.2.1 not now"
    before = metric(world.cluster, "failed_recipients_total", "spool-broker-0")
    id = world.send(f"late@{world.domain()}")
    wait_for(lambda: world.cluster.trace(id)["recipients"][0].get("attempts", 0) >= 1, what="a try")
    world.cluster.tool("queue", "delete", id)
    wait_for(lambda: world.cluster.trace(id)["state"] == "finished", what="its end")
    assert metric(world.cluster, "failed_recipients_total", "spool-broker-0") == before


def test_delayed_logins_are_counted(world):
    c = world.cluster
    c.settings("auth", failure_delay="200ms")
    before = metric(c, "auth_delayed_total", "frontend-0")
    for _ in range(3):  # the first has no failure before it
        pop = poplib.POP3("127.0.0.1", c.port("pop3"), timeout=30)
        pop.user(world.sender)
        with pytest.raises(poplib.error_proto):
            pop.pass_("wrong")
        pop.close()
    assert metric(c, "auth_delayed_total", "frontend-0") == before + 2
    for key in c.redis.scan_iter("auth:fail:*"):
        c.redis.delete(key)


def test_tombstone_retention_is_live(world):
    """Entries of messages expunged two hours ago are removed at the next expunge, if the log is kept for one hour."""
    c, address = world.cluster, world.sender
    for _ in range(3):
        c.deliver("a@b.test", address, "Subject: x\r\n\r\nx\r\n")
    c.wait_mail(address, 3)
    store = redis.Redis(port=c.redis.connection_pool.connection_kwargs["port"])
    imap = imaplib.IMAP4("127.0.0.1", c.port("imap"))
    imap.login(address, "secret")
    imap.select()

    def expunge(n):
        imap.store("1", "+FLAGS", "\\Deleted")
        imap.expunge()
        key = next(store.scan_iter(f"mail:{{{address}}}:f:*:gone"))
        assert store.llen(key) == n
        # Each: modseq (6 bytes), UID (4), e-mail id (6), when (4). All grow old.
        for i in range(n):
            stone = store.lindex(key, i)
            store.lset(key, i, stone[:16] + struct.pack("<I", int(time.time()) - 7200) + stone[20:])
    expunge(1)
    expunge(2)  # kept: 30 days are the default
    c.settings("mailbox", tombstone_retention="1h")
    expunge(1)  # the two are gone, but not the latest one
    imap.logout()


def test_planned_settings_are_named(world):
    c = world.cluster
    assert "planned" not in c.tool("settings", "describe", "imap.banner").stdout
    assert "not used yet" in c.tool("settings", "describe", "xmpp.max_connections").stdout
    rows = {row["name"]: row for row in c.json("settings", "list")}
    assert rows["xmpp.max_connections"]["planned"] and not rows["imap.banner"]["planned"]
    assert "planned" not in c.tool("settings", "check").stdout
    c.redis.hset("settings:eas:example.test", mapping={"autodiscover_host": "mail.example.test"})
    c.redis.hset("settings:pop", mapping={"retrieval_download_path": "/srv/x"})
    text = c.tool("settings", "check").stdout
    assert "eas:example.test.autodiscover_host: planned" in text and "pop.retrieval_download_path: planned" in text
