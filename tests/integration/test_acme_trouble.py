"""Certificates when the authority, the store or a worker is in trouble."""

import base64
import json
import os
import signal
import time

import pytest

from acme_world import HOST, ORDERS, new_world, renew, the_world, world  # noqa: F401 (fixtures)
from cluster import wait_for
from pebble import problem
from test_http import url


@pytest.mark.parametrize("fault,told", [
    (None, "the CA cannot be reached"),
    ((500, {}, b"<html>oops"), "the CA answers 500"),
    ((200, {}, b"<html>hello"), "is not the directory of an ACME server"),
    (problem("serverInternal", "our \r\n fault", 503), "503: serverInternal: our"),
    ((301, {"Location": "https://127.0.0.1/"}, b""), "the CA answers 301"),
])
def test_authority_away(world, fault, told):
    world.ca.faults = {"/dir": fault}
    serial = renew(world)
    wait_for(lambda: told in (world.problem() or ""), 20, what=f"told: {told}")
    assert f"certificates: {world.problem()}" in world.cluster.tool("status").stdout
    assert world.served()[1] == serial  # what is there stays in force
    world.ca.faults = {}
    world.wait_served(not_serial=serial, timeout=30)
    wait_for(lambda: not world.problem(), 10)


def test_authority_asks_for_patience(world):
    world.ca.faults = {"/nonce-plz": (503, {"Retry-After": "7"}, b"")}
    before = world.ca.count("/nonce-plz")
    serial = renew(world)
    wait_for(lambda: "503" in (world.problem() or ""), 20)
    assert world.ca.count("/nonce-plz") == before + 1
    since = time.monotonic()
    world.ca.faults = {}
    world.wait_served(not_serial=serial, timeout=30)
    assert time.monotonic() - since > 4


def test_slow_authority(world):
    world.ca.slow = 0.7
    world.wait_served(not_serial=renew(world), timeout=60)


def test_limits_of_the_authority(world):
    """A limit that one name has reached stops no other; the name waits as long as it is told."""
    def limit(body):
        header = json.loads(body)["payload"]
        payload = base64.urlsafe_b64decode(header + "=" * (-len(header) % 4))
        if b"limited.example.test" in payload:
            return problem("rateLimited", "too many certificates", 429, **{"Retry-After": "3600"})
        return False
    world.ca.faults = {ORDERS: limit}
    for name in ("limited", "free"):
        world.dns.set(f"{name}.example.test", "A", "127.0.0.1")
    world.order(names="limited.example.test free.example.test")
    world.wait_name("free.example.test", state="valid")
    row = world.wait_name("limited.example.test", state="failed")
    assert "429: rateLimited: too many certificates" in row["problem"] and not world.problem()
    until = time.strptime(row["next_try"][:19], "%Y-%m-%dT%H:%M:%S")
    assert 3000 < time.mktime(until) - time.mktime(time.gmtime()) < 3700
    world.ca.faults = {}
    world.cluster.tool("certificate", "renew", "limited.example.test")
    world.wait_name("limited.example.test", state="valid")
    world.order(names="")


def test_authority_fails_at_one_name(world):
    """An error of the authority's own stops all for a while, but then the others have their turn."""
    def fail(body):
        header = json.loads(body)["payload"]
        payload = base64.urlsafe_b64decode(header + "=" * (-len(header) % 4))
        return problem("serverInternal", "no luck", 500) if b"aaa.example.test" in payload else False
    world.ca.faults = {ORDERS: fail}
    for name in ("aaa", "bbb", "ccc"):
        world.dns.set(f"{name}.example.test", "A", "127.0.0.1")
    world.order(names="aaa.example.test bbb.example.test ccc.example.test")
    for name in ("bbb", "ccc"):
        world.wait_name(f"{name}.example.test", state="valid")
    wait_for(lambda: world.names()["aaa.example.test"].get("tries", 0) >= 2, 40)
    assert "500: serverInternal: no luck" in world.names()["aaa.example.test"]["problem"]
    world.ca.faults = {}
    world.wait_name("aaa.example.test", state="valid", timeout=60)
    wait_for(lambda: not world.problem(), 40)
    world.order(names="")


def test_failed_renewal_is_tried_again(world):
    """One that an operator asked for, although the certificate is still good."""
    world.ca.faults = {ORDERS: problem("rejectedIdentifier", "not now", 400)}
    serial = renew(world)
    assert "not now" in world.wait_name(HOST, state="failed")["problem"] and world.served()[1] == serial
    world.ca.faults = {}
    world.wait_served(not_serial=serial, timeout=30)


def test_another_authority_replaces_certificates(world):
    """Those of a CA for trials are not kept when the directory is changed."""
    serial = world.wait_served()
    world.order(directory_url=world.pebble.directory)
    world.wait_served(not_serial=serial, timeout=20)
    assert world.names()[HOST]["issuer"] == world.pebble.directory
    assert len(world.cluster.redis.hkeys("acme:{acme}:accounts")) == 2


def test_forgotten_account_is_made_anew(world):
    accounts = world.cluster.redis.hgetall("acme:{acme}:accounts")
    for directory, text in accounts.items():
        account = json.loads(text)
        account["url"] = account["url"].rsplit("/", 1)[0] + "/unknown"
        world.cluster.redis.hset("acme:{acme}:accounts", directory, json.dumps(account))
    world.wait_served(not_serial=renew(world), timeout=30)


def test_forgotten_account_with_another_contact(world):
    """What would be changed at the authority is not there: it is registered anew."""
    text = world.cluster.redis.hget("acme:{acme}:accounts", world.ca.directory)
    account = json.loads(text)
    account["url"] = account["url"].rsplit("/", 1)[0] + "/unknown"
    world.cluster.redis.hset("acme:{acme}:accounts", world.ca.directory, json.dumps(account))
    world.order(contact="another@example.test")
    world.wait_served(not_serial=renew(world), timeout=30)
    assert json.loads(world.cluster.redis.hget("acme:{acme}:accounts", world.ca.directory))["url"] != account["url"]
    world.order()


# ---- Death and sleep ----

def test_store_away_in_the_middle(world):
    """For longer than the lease: nothing is sent meanwhile, and the order goes on afterwards."""
    serial = world.wait_served()
    world.ca.slow = 0.5
    orders = orders_made(world)
    world.cluster.tool("certificate", "renew", HOST)
    wait_for(lambda: orders_made(world) > orders, 20)
    world.cluster.kill("redis", signal.SIGSTOP)
    try:
        time.sleep(14)
        asked = len(world.ca.asked)
        time.sleep(4)
        assert len(world.ca.asked) == asked
        assert world.served()[1] == serial  # frontends need no store for that
    finally:
        world.cluster.kill("redis", signal.SIGCONT)
    world.ca.slow = 0
    world.wait_served(not_serial=serial, timeout=40)
    assert orders_made(world) == orders + 1



@pytest.mark.parametrize("point", ["acme-order-saved", "acme-challenge-saved", "acme-challenge-told", "acme-key-saved",
                                   "acme-finalized", "acme-certificate-stored"])
def test_worker_dies(new_world, tmp_path, point):
    """Another goes on with the same order and the same key."""
    marker = tmp_path / "marker"
    marker.touch()
    world = new_world(workers=2, env={"STAGEPOST_CRASH_AT": f"{point}:{marker}"})
    world.order()
    wait_for(lambda: not marker.exists(), 30, what=point)
    world.wait_name(HOST, state="valid", timeout=40)
    world.wait_served()
    assert orders_made(world) == 1
    assert len(world.cluster.redis.hkeys("acme:{acme}:accounts")) == 1


def orders_made(world):
    return world.pebble.log.count("Added order ")


def test_worker_sleeps_through_its_lease(new_world, tmp_path):
    marker = tmp_path / "marker"
    marker.touch()
    world = new_world(workers=2, env={"STAGEPOST_STOP_AT": f"acme-key-saved:{marker}"})
    world.order()
    wait_for(lambda: not marker.exists(), 30)
    holder = world.cluster.redis.hget("acme:{acme}:work", "holder")
    fence = int(world.cluster.redis.hget("acme:{acme}:work", "fence"))
    world.wait_name(HOST, state="valid", timeout=40)
    assert int(world.cluster.redis.hget("acme:{acme}:work", "fence")) > fence
    serial = world.wait_served()
    names = world.cluster.redis.hgetall("acme:{acme}:names")
    asked = len(world.ca.asked)
    os.kill(world.cluster.pid(holder), signal.SIGCONT)
    wait_for(lambda: "another process orders certificates now" in world.cluster.log(holder), 15)
    assert world.served()[1] == serial and world.cluster.redis.hgetall("acme:{acme}:names") == names
    assert len(world.ca.asked) == asked  # it has sent nothing more
    assert orders_made(world) == 1


def test_stopped_worker_leaves_the_lease(new_world):
    world = new_world()
    world.order()
    world.wait_name(HOST, state="valid")
    pid = world.cluster.kill("delivery-worker-0", signal.SIGTERM)
    wait_for(lambda: not os.path.exists(f"/proc/{pid}") or not world.cluster.redis.hget("acme:{acme}:work", "holder"), 20)
    world.cluster.wait_restarted("delivery-worker-0", pid, timeout=40)
    world.wait_served(not_serial=renew(world), timeout=30)
