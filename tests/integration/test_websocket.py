"""GET /api/v1/live with Upgrade: a WebSocket with the same messages, the same rights, the same places."""

import os
import socket
import struct
import threading
import time

import pytest

from cluster import SANITISED, SETTLE, wait_for
from test_http import cluster_metric
from test_live import Stream, add_events, deliver, deliver_to, senders
from test_web import Session, admin, browser, origin  # noqa: F401 (fixtures)
from test_web import Page
from websocket_client import PATH, Bare, LiveSocket, basic

TEXT, BINARY, CLOSE, PING = 0x81, 0x82, 0x88, 0x89


def live(cluster, login, query="", frontend=0, scheme="ws", **options):
    headers = {"Authorization": basic(login)} if login else {}
    headers.update(options.pop("headers", {}))
    port = cluster.port("https" if scheme == "wss" else "http", frontend)
    return LiveSocket(f"{scheme}://127.0.0.1:{port}{PATH}{query}", headers, **options)


def count(cluster):
    return cluster_metric(cluster, "stagepost_http_websockets")


@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_same_messages_as_the_stream(cluster, admin, address, scheme):
    ws = live(cluster, admin, scheme=scheme, subprotocols=["other", "stagepost.live"])
    stream = Stream(cluster, login=admin).start()
    try:
        assert ws.status == 101 and ws.protocol == "stagepost.live"
        wait_for(lambda: ws.of("status") and ws.of("queue") and ws.id and stream.id)
        assert ws.messages[0][0] == "hello" and ws.of("hello")[0]["process"]
        deliver(cluster, address, "live")
        wait_for(lambda: senders(ws, "delivered") == ["live"] and senders(stream, "delivered") == ["live"])
        cluster.redis.hset("settings:pop", "banner", "by redis-cli")
        # None: any of them, as when they have just begun to be watched.
        wait_for(lambda: any("pop" in m["hashes"] or not m["hashes"] for m in ws.of("settings")))
        assert [(m[1], m[2]) for m in ws.messages if m[0] == "event"] == [(m[1], m[2]) for m in stream.messages if m[0] == "event"]
        assert count(cluster) == 1
    finally:
        stream.close()
        ws.close()
    assert ws.code == 1000
    wait_for(lambda: count(cluster) == 0, what="it is gone")


def test_filters_and_refusals(cluster, admin, address):
    kind = live(cluster, admin, "?topics=events&event=delivered")
    try:
        wait_for(lambda: kind.id)
        deliver(cluster, address, "one")
        wait_for(lambda: senders(kind, "delivered") == ["one"])
        assert {m[0] for m in kind.messages} == {"hello", "event"}
    finally:
        kind.close()
    assert live(cluster, admin, "?topics=nonsense").status == 422
    assert live(cluster, None).status == 401
    assert live(cluster, f"{address}:secret").status == 403
    cluster.settings("http", live_viewers="0")
    wait_for(lambda: live(cluster, admin).status == 503)


def test_only_our_own_page(cluster, admin):
    """Any page can make a browser ask, with the user's cookie: its origin tells."""
    session = Session(cluster, admin)
    cookie = {"Cookie": session.cookie}
    ours = live(cluster, None, headers=cookie, origin=origin(cluster))
    assert ours.status == 101
    assert live(cluster, None, headers=cookie).status == 403
    assert live(cluster, None, headers=cookie, origin="https://evil.example").status == 403
    assert live(cluster, None, headers=cookie, origin="null").status == 403
    assert live(cluster, admin, origin="https://evil.example").status == 403
    assert session.ask("DELETE", "session")[0] == 200
    wait_for(lambda: ours.ended, timeout=SETTLE + 5, what="the end")
    assert ours.of("end") == [{"reason": "session"}] and ours.code == 1008


def test_nothing_is_missed_when_a_frontend_is_killed(own_cluster):
    """kill -9 with events all the while: it goes on elsewhere behind its last id, with each event once, in the same order."""
    cluster = own_cluster(frontends=3)
    address = cluster.add_user("someone@example.test")
    name = cluster.add_user("admin@example.test")
    cluster.tool("user", "set", name, "roles=system_admin")
    login = f"{name}:secret"
    whole = live(cluster, login, "?topics=events", frontend=2)
    parts = [live(cluster, login, "?topics=events", frontend=0)]
    wait_for(lambda: whole.id and parts[0].id)
    done, sent = threading.Event(), []

    def send():
        while not done.is_set():
            deliver_to(cluster, 2, f"n{len(sent)}", address)
            sent.append(len(sent))
    sender = threading.Thread(target=send)
    sender.start()
    try:
        for frontend in (0, 1):
            wait_for(lambda: len(parts[-1].of("event")) >= 10, timeout=30)
            old = cluster.kill(f"frontend-{frontend}", 9)
            wait_for(lambda: parts[-1].ended, what="it breaks")
            assert parts[-1].code == 1006
            parts.append(live(cluster, login, f"?topics=events&after={parts[-1].id}", frontend=1 - frontend))
            assert parts[-1].status == 101
            cluster.wait_restarted(f"frontend-{frontend}", old)
            wait_for(lambda: cluster.is_open(cluster.port("http", frontend)))
        wait_for(lambda: len(sent) >= 20, timeout=30)
    finally:
        done.set()
        sender.join()

    def delivered(sockets):
        return [s for ws in sockets for s in senders(ws, "delivered")]
    wait_for(lambda: len(delivered([whole])) == len(sent) and len(delivered(parts)) >= len(sent), timeout=30, what="all events")
    assert [(m[2], m[1]) for p in parts for m in p.messages if m[0] == "event"] == \
        [(m[2], m[1]) for m in whole.messages if m[0] == "event"]
    assert whole.of("gap", "left_out") == []


def test_shutdown(own_cluster):
    cluster = own_cluster(frontends=1)
    name = cluster.add_user("admin@example.test")
    cluster.tool("user", "set", name, "roles=system_admin")
    ws, deaf = live(cluster, f"{name}:secret"), Bare(cluster.port("http"), f"{name}:secret")
    wait_for(lambda: ws.of("status"))
    began = time.monotonic()
    old = cluster.kill("frontend-0", 15)
    wait_for(lambda: ws.ended, what="the end")
    assert ws.of("end") == [{"reason": "shutdown"}] and ws.code == 1001
    cluster.wait_restarted("frontend-0", old)
    assert time.monotonic() - began < 20  # the one that does not answer its close is not waited for
    deaf.close()


# ---- Clients that are wrong, leave, or do nothing ----

def test_faults(cluster, admin):
    """What a client may not send closes its WebSocket with the code that says so; unit tests have all cases."""
    cases = [(0xc1, b"x", True, 1002), (TEXT, b"x", False, 1002), (0x83, b"", True, 1002), (0x80, b"x", True, 1002),
             (0x09, b"", True, 1002), (TEXT, b"nothing is expected", True, 1003), (BINARY, b"\0", True, 1003),
             (TEXT, b"\xed\xa0\x80", True, 1007), (TEXT, b"x" * 2000, True, 1009), (CLOSE, b"\x03\xed", True, 1002),
             (CLOSE, b"\x03\xe8", True, 1000), (CLOSE, b"\x0f\xa0bye", True, 4000)]
    for first, payload, masked, code in cases:
        bare = Bare(cluster.port("http"), admin)
        assert bare.read()[0] == 1
        bare.send(first, payload, masked)
        assert bare.read_close() == code, (first, payload)
        assert bare.read() is None
        bare.close()
    bare = Bare(cluster.port("http"), admin)
    bare.send(PING, b"hello")
    while (frame := bare.read())[0] == 1:
        pass
    assert frame == (10, b"hello")
    bare.close()
    wait_for(lambda: count(cluster) == 0)


def test_silence(cluster, admin):
    """Who answers no ping is given up; who answers stays."""
    cluster.settings("http", websocket_ping="1s")
    time.sleep(SETTLE)
    silent, alive = Bare(cluster.port("http"), admin), live(cluster, admin, "?topics=settings")
    began = time.monotonic()
    assert silent.read_close() == 1006
    assert 2.5 < time.monotonic() - began < 8
    time.sleep(2)
    assert not alive.ended
    alive.close()
    silent.close()


def test_leaving(own_cluster):
    """A thousand, by every way: each is seen at once, and nothing is left of them."""
    clients = 100 if SANITISED else 330
    cluster = own_cluster(frontends=1)
    name = cluster.add_user("admin@example.test")
    cluster.tool("user", "set", name, "roles=system_admin")
    cluster.settings("http", live_viewers="10000", max_per_address="0")
    login, port = f"{name}:secret", cluster.port("http")
    time.sleep(SETTLE)
    pid = next(p["pid"] for p in cluster.json("status")["processes"] if p["kind"] == "frontend")

    def descriptors():
        return len(os.listdir(f"/proc/{pid}/fd"))
    Bare(port, login).close()
    wait_for(lambda: count(cluster) == 0)
    time.sleep(1)
    before = descriptors()
    ways = {way: [Bare(port, login) for _ in range(clients)] for way in ("fin", "reset", "half")}
    left = len(ways) * clients
    assert count(cluster) == left
    for way, sockets in ways.items():
        for s in sockets:
            if way == "reset":
                s.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if way == "half":
                s.socket.shutdown(socket.SHUT_WR)
            else:
                s.close()
        left -= clients
        wait_for(lambda: count(cluster) == left, timeout=5, what=f"those that leave by {way} are gone")
    for s in ways["half"]:
        s.close()
    wait_for(lambda: descriptors() <= before, timeout=20, what="all descriptors are closed")


@pytest.mark.skipif(SANITISED, reason="sanitisers keep freed memory")
def test_a_slow_viewer_is_bounded(own_cluster):
    """It reads nothing: what waits for it stays small, and it is given up."""
    cluster = own_cluster(frontends=1)
    name = cluster.add_user("admin@example.test")
    cluster.tool("user", "set", name, "roles=system_admin")
    cluster.settings("http", websocket_ping="5s")
    login = f"{name}:secret"
    time.sleep(SETTLE)
    quick = live(cluster, login, "?topics=events&event=test")
    wait_for(lambda: quick.id)
    add_events(cluster, 100, "warm" * 5000)
    wait_for(lambda: quick.of("event"))
    pid = next(p["pid"] for p in cluster.json("status")["processes"] if p["kind"] == "frontend")

    def rss():
        return next(int(line.split()[1]) for line in open(f"/proc/{pid}/status") if line.startswith("VmRSS"))
    slow, before, total = Bare(cluster.port("http"), login, "?topics=events&event=test"), rss(), 100
    for _ in range(12):
        add_events(cluster, 100, "much" * 5000)
        total += 100
        time.sleep(1)
    wait_for(lambda: len(quick.of("event")) + sum(m["count"] for m in quick.of("left_out")) == total)
    assert rss() - before < 12 * 1024
    wait_for(lambda: count(cluster) == 1, timeout=30, what="the slow one is given up")
    slow.close()
    quick.close()


# ---- A browser ----

CONNECT = """
const [path, done] = arguments, got = [];
const ws = new WebSocket(location.origin.replace('http', 'ws') + path, 'stagepost.live');
ws.onmessage = m => { got.push(JSON.parse(m.data).event); if (got.length === 3) ws.close(4001, 'enough'); };
ws.onclose = e => done({ got, code: e.code, clean: e.wasClean, protocol: ws.protocol, extensions: ws.extensions });
ws.onerror = () => done('failed');
"""


def test_chromium(cluster, admin, browser):  # noqa: F811
    page = Page(browser, cluster)
    page.login(admin)
    page.find("nav button")
    browser.set_script_timeout(30)
    result = browser.execute_async_script(CONNECT, PATH + "?topics=status,queue")
    assert result["got"][0] == "hello" and set(result["got"][1:]) <= {"status", "queue"}, result
    assert (result["code"], result["clean"], result["protocol"], result["extensions"]) == (4001, True, "stagepost.live", "")
    wait_for(lambda: count(cluster) == 0)
