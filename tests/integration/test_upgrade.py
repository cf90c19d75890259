"""Versions: what does not go together says so and keeps its hands off; a rolling restart of every kind, in the order of
docs/upgrade.md, loses and doubles nothing."""

import os
import signal
import smtplib
import socket
import subprocess
import threading

import pytest

from cluster import BUILD, wait_for
from ports import free_port
from test_store_link import Processes, processes  # noqa: F401

KINDS = ["spool-broker", "delivery-worker", "frontend"]
TOO_OLD = "this program is too old for it"


def test_versions_are_told(cluster):
    told = cluster.json("status")["processes"]
    assert {(p["version"], p["store_version"], p["bus_version"]) for p in told} == {("0.1.0", 1, 1)}
    assert cluster.redis.get("cluster:store-version") == "1"
    broker = next(iter(cluster.redis.smembers("cluster:brokers")))
    assert cluster.redis.hmget(f"cluster:broker:{broker}", "bus_version", "bus_least") == ["1", "1"]


@pytest.mark.parametrize("version,words", [("2", TOO_OLD), ("0", "too old for this program")])
def test_programs_leave_another_store_alone(own_cluster, processes, version, words):
    """Those that run end in order, those that start do not; with the version back all goes on."""
    c = own_cluster(frontends=1)
    user = c.add_user("alice@one.test")
    pids = {name: c.pid(name) for name in ("spool-broker-0", "delivery-worker-0", "frontend-0")}
    c.redis.set("cluster:store-version", version)
    for name, pid in pids.items():
        wait_for(lambda: not os.path.exists(f"/proc/{pid}"), 20, what=f"the end of {name}")
        assert words in c.log(name)
    refused = c.tool("user", "list", check=False)
    assert refused.returncode == 1 and f"of version {version}" in refused.stderr
    p = processes(f"redis://127.0.0.1:{c.port('redis')}")
    for kind in KINDS:
        started = p.start(kind, *(["--port-base", str(free_port())] if kind == "frontend" else []), ready=False)
        assert started.wait(20) == 1 and words in p.log(kind)
    wait_for(lambda: not c.redis.keys("spool:*:lease"), what="no shard has an owner")
    c.redis.set("cluster:store-version", "1")

    def delivered():
        try:
            return c.deliver("s@else.test", user, "Subject: x\r\n\r\nx\r\n")
        except (OSError, AssertionError, smtplib.SMTPException):
            return None
    wait_for(delivered, 30, step=0.3, what="mail is taken again")
    c.wait_mail(user)


def test_brokers_of_another_version_are_passed_over(own_cluster):
    """Nobody connects to one that does not understand us; its shards wait for one that does."""
    c = own_cluster(frontends=1)
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        c.redis.hset("cluster:broker:stranger", mapping={
            "endpoint": f"tcp://127.0.0.1:{stranger.getsockname()[1]}", "boot": "1", "draining": "0", "curve": "",
            "bus_version": "9", "bus_least": "9"})
        c.redis.sadd("cluster:brokers", "stranger")
        for name in ("frontend-0", "delivery-worker-0"):
            wait_for(lambda: "a broker is passed over" in c.log(name), what="it is told")
        user = c.add_user("alice@one.test")
        c.deliver("s@else.test", user, "Subject: x\r\n\r\nx\r\n")
        c.wait_mail(user)
        stranger.settimeout(1)
        with pytest.raises(TimeoutError):
            stranger.accept()
        assert c.log("frontend-0").count("a broker is passed over") == 1
        # One of a later version that still talks with ours is like any other.
        c.redis.hset("cluster:broker:stranger", mapping={"bus_version": "2", "bus_least": "1"})
        stranger.settimeout(20)
        stranger.accept()[0].close()
        wait_for(lambda: "versions of all brokers are compatible again" in c.log("frontend-0"), what="it is over")


def restart(c, name):
    """As systemd or Kubernetes do: SIGTERM, then a new one."""
    old = c.kill(name, signal.SIGTERM)
    wait_for(lambda: not os.path.exists(f"/proc/{old}"), 45, what=f"the end of {name}")
    c.wait_restarted(name, old, 20)


def test_rolling_restart_under_traffic(own_cluster):
    """One process after the other, in the order of docs/upgrade.md: each message that was answered 250 is there once."""
    c = own_cluster(frontends=2, brokers=2, workers=2)
    users = [c.add_user(f"user{i}@one.test") for i in range(4)]
    over, accepted, lock = threading.Event(), [], threading.Lock()

    def send(sender):
        number = 0
        while not over.is_set():
            number += 1
            marker = f"{sender}-{number}"
            try:
                c.deliver("s@else.test", users, f"Subject: {marker}\r\n\r\nx\r\n", frontend=number % 2)
            except (OSError, AssertionError, smtplib.SMTPException):
                continue  # refused for now, or the frontend is going; answered 250 it was not
            with lock:
                accepted.append(marker)

    threads = [threading.Thread(target=send, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    try:
        for name in ("spool-broker-0", "spool-broker-1", "delivery-worker-0", "delivery-worker-1", "frontend-0",
                     "frontend-1"):
            before = len(accepted)
            restart(c, name)
            wait_for(lambda: len(accepted) > before + 10, 30, what=f"mail is taken behind the restart of {name}")
    finally:
        over.set()
        for thread in threads:
            thread.join()
    wait_for(lambda: not any(c.redis.hlen(key) for key in c.redis.scan_iter("spool:*:env")), 60, what="an empty queue")
    for user in users:
        got = sorted(m.split(b"Subject: ")[1].split(b"\r\n")[0].decode() for m in c.mailbox(user))
        # What was not answered may be there too, but nothing twice.
        assert len(got) == len(set(got)) and set(accepted) <= set(got)
    assert len(accepted) > 60
