"""GET /api/v1/live: what happens in the cluster, as it happens."""

import base64
import itertools
import json
import os
import socket
import threading
import time

import pytest

from cluster import SANITISED, SETTLE, wait_for
from test_http import cluster_metric, curl, url
from test_web import Session, admin, ask  # noqa: F401 (a fixture)

_numbers = itertools.count(1)


class Stream:
    """As an EventSource reads it, on a bare socket: messages are (event, data, last event id)."""

    def __init__(self, cluster, query="", login=None, headers=(), frontend=0, buffer=None):
        self.socket = socket.socket()
        if buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.settimeout(30)
        self.socket.connect(("127.0.0.1", cluster.port("http", frontend)))
        fields = [f"GET /api/v1/live{query} HTTP/1.1", "Host: 127.0.0.1", *headers]
        if login:
            fields.append("Authorization: Basic " + base64.b64encode(login.encode()).decode())
        self.socket.sendall(("\r\n".join(fields) + "\r\n\r\n").encode())
        self.file = self.socket.makefile("rb")
        self.status = int(self.file.readline().split()[1])
        self.headers = {}
        while (line := self.file.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode().strip().partition(": ")
            self.headers[name.lower()] = value
        self.messages, self.ended, self.id = [], False, ""
        self.last_id = ""

    def start(self):
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()
        return self

    def chunks(self):
        while True:
            size = int(self.file.readline() or b"-1", 16)
            if size <= 0:
                return size == 0
            yield self.file.read(size)
            self.file.readline()

    def read(self):
        text = ""
        try:
            for chunk in self.chunks():
                text += chunk.decode()
                *blocks, text = text.split("\n\n")
                for block in blocks:
                    self.take(block)
        except (OSError, ValueError):
            pass
        self.ended = True

    def take(self, block):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":"))
        self.id = fields.get("id", self.id)
        if "data" in fields:
            self.messages.append((fields["event"], json.loads(fields["data"]), self.id))

    def of(self, *kinds):
        return [m[1] for m in list(self.messages) if m[0] in kinds]

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()


def deliver(cluster, address, marker):
    cluster.deliver(f"{marker}@sender.example", [address], b"Subject: x\r\n\r\n")


def senders(stream, kind="accepted"):
    return [m["sender"].partition("@")[0] for m in stream.of("event") if m["event"] == kind]


def test_stream(cluster, admin, address):
    stream = Stream(cluster, login=admin).start()
    try:
        assert stream.status == 200 and stream.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert stream.headers["cache-control"] == "no-store" and stream.headers["x-content-type-options"] == "nosniff"
        wait_for(lambda: stream.of("status") and stream.of("queue") and stream.id, what="what there is")
        assert stream.messages[0][0] == "hello" and stream.of("hello")[0]["process"]
        assert len(stream.of("status")[0]["processes"]) >= 4
        assert "destinations" in stream.of("queue")[0]
        deliver(cluster, address, "live")
        wait_for(lambda: senders(stream) == ["live"] and senders(stream, "delivered") == ["live"], what="the message's events")
        cluster.redis.hset("settings:smtp-in:x.test", "priority", "low")
        cluster.redis.hset("settings:pop", "banner", "by redis-cli")
        wait_for(lambda: {"pop", "smtp-in:x.test"} <= {h for m in stream.of("settings") for h in m["hashes"]}, what="the settings")
        cluster.redis.hset("settings:pop", "max_bad_commands", "nonsense")
        wait_for(lambda: "errors" in {h for m in stream.of("settings") for h in m["hashes"]}, what="the error")
        looks = len(stream.of("status"))
        wait_for(lambda: len(stream.of("status")) >= looks + 2, timeout=10)
    finally:
        stream.close()
    wait_for(lambda: cluster_metric(cluster, "stagepost_http_parked_requests") == 0, what="its leaving is seen")


def test_topics_and_filters(cluster, admin, address):
    only = Stream(cluster, "?topics=settings", login=admin).start()
    kind = Stream(cluster, "?topics=events&event=delivered", login=admin).start()
    text = Stream(cluster, "?topics=events&text=wanted%40sender", login=admin).start()
    try:
        wait_for(lambda: kind.id and text.id)
        deliver(cluster, address, "other")
        deliver(cluster, address, "wanted")
        # The two are delivered side by side, in any order.
        wait_for(lambda: sorted(senders(kind, "delivered")) == ["other", "wanted"] and senders(text, "delivered") == ["wanted"])
        assert {m["event"] for m in kind.of("event")} == {"delivered"}
        assert only.of("status", "queue", "event") == []
    finally:
        for stream in (only, kind, text):
            stream.close()
    assert ask(cluster, "GET", "live?topics=nonsense", login=admin)[0] == 422
    assert ask(cluster, "GET", "live?text=" + "x" * 300, login=admin)[0] == 422
    assert curl("-I", "-u", admin, url(cluster, "/api/v1/live"))[0] == 200


def test_since(cluster, admin, address):
    """Events of some time ago first, then those that come; none twice."""
    deliver(cluster, address, "before")
    wait_for(lambda: cluster.tool("events", "--event", "delivered").stdout.count("before@sender"))
    stream = Stream(cluster, "?topics=events&since=600&text=%40sender.example", login=admin).start()
    try:
        wait_for(lambda: "before" in senders(stream, "delivered"))
        deliver(cluster, address, "after")
        wait_for(lambda: "after" in senders(stream, "delivered"))
        places = [m[2] for m in stream.messages if m[0] == "event"]
        assert len(set(places)) == len(places)
        assert senders(stream, "delivered")[-2:] == ["before", "after"]
    finally:
        stream.close()


def test_nothing_is_missed_when_a_frontend_is_killed(own_cluster):
    """kill -9 with events all the while: the stream goes on elsewhere, with each event once, in the same order."""
    cluster = own_cluster(frontends=3)
    address = cluster.add_user("someone@example.test")
    admin = cluster.add_user("admin@example.test")
    cluster.tool("user", "set", admin, "roles=system_admin")
    login = f"{admin}:secret"
    whole = Stream(cluster, "?topics=events", login=login, frontend=2).start()
    broken = Stream(cluster, "?topics=events", login=login, frontend=0).start()
    wait_for(lambda: whole.id and broken.id)
    done = threading.Event()
    sent = []

    def send():
        while not done.is_set():
            with_marker = f"n{len(sent)}"
            deliver_to(cluster, 2, with_marker, address)
            sent.append(with_marker)

    sender = threading.Thread(target=send)
    sender.start()
    parts = [broken]
    try:
        for frontend in (0, 1, 0):
            wait_for(lambda: len(parts[-1].of("event")) >= 10, timeout=30)
            old = cluster.kill(f"frontend-{frontend}", 9)
            wait_for(lambda: parts[-1].ended, what="the stream breaks")
            next_ = 1 - frontend
            cluster.wait_restarted(f"frontend-{frontend}", old)
            time.sleep(0.5)
            wait_for(lambda: cluster.is_open(cluster.port("http", next_)))
            parts.append(Stream(cluster, "?topics=events", login=login, frontend=next_,
                                headers=[f"Last-Event-ID: {parts[-1].id}"]).start())
            assert parts[-1].status == 200
    finally:
        done.set()
        sender.join()

    def delivered(streams):
        return [m["sender"].partition("@")[0] for s in streams for m in s.of("event") if m["event"] == "delivered"]
    wait_for(lambda: len(delivered([whole])) == len(sent) and len(delivered(parts)) >= len(sent), timeout=30,
             what="all events")
    events = [(m[2], m[1]) for m in whole.messages if m[0] == "event"]
    assert [(m[2], m[1]) for s in parts for m in s.messages if m[0] == "event"] == events
    assert len(sent) >= 20 and whole.of("left_out", "gap") == [] and all(p.of("left_out", "gap") == [] for p in parts)


def deliver_to(cluster, frontend, marker, address):
    import smtplib
    with smtplib.SMTP("127.0.0.1", cluster.port("smtp", frontend), timeout=30) as s:
        s.sendmail(f"{marker}@sender.example", [address], b"Subject: x\r\n\r\nx\r\n")
    time.sleep(0.05)


def test_too_many_viewers(cluster, admin):
    cluster.settings("http", live_viewers="2")
    kept = [Stream(cluster, "?topics=settings", login=admin).start() for _ in range(2)]
    try:
        status, fields, answer = ask(cluster, "GET", "live", login=admin)
        assert status == 503 and fields["retry-after"] == "30" and "too many" in answer["error"]
        kept[0].close()

        def admitted():
            stream = Stream(cluster, "?topics=settings", login=admin)
            stream.close()
            return stream.status == 200
        wait_for(admitted, what="room for another")
    finally:
        for stream in kept:
            stream.close()


@pytest.mark.parametrize("how", ["log out", "password", "roles", "disabled"])
def test_ends_with_the_session(cluster, admin, how):
    session = Session(cluster, admin)
    by_cookie = Stream(cluster, "?topics=settings", headers=session.headers()).start()
    by_login = Stream(cluster, "?topics=settings", login=admin, frontend=1).start()
    name = admin.split(":")[0]
    try:
        wait_for(lambda: by_cookie.of("hello") and by_login.of("hello"))
        time.sleep(2.5)
        assert not by_cookie.ended and not by_login.ended
        if how == "log out":
            assert session.ask("DELETE", "session", frontend=1)[0] == 200
        elif how == "password":
            cluster.tool("user", "passwd", name, "--password", "other")
        else:
            cluster.tool("user", "set", name, "enabled=off" if how == "disabled" else "roles=domain_admin")
        wait_for(lambda: by_cookie.of("end") == [{"reason": "session"}], timeout=SETTLE + 5, what="the end")
        if how == "log out":
            assert not by_login.ended
        else:
            wait_for(lambda: by_login.of("end") == [{"reason": "session"}], timeout=SETTLE + 5, what="the end")
        refused = Stream(cluster, headers=session.headers())
        assert refused.status == 401 or (how == "roles" and refused.status in (401, 403))
        refused.close()
    finally:
        by_cookie.close()
        by_login.close()


def test_ends_with_the_token(cluster, admin):
    name = admin.split(":")[0]
    token = cluster.tool("token", "add", name, "--name", "watcher", "--role", "system_admin").stdout.strip()
    weak = cluster.tool("token", "add", name, "--name", "weak", "--role", "user").stdout.strip()
    refused = Stream(cluster, headers=[f"Authorization: Bearer {weak}"])
    assert refused.status == 403
    refused.close()
    stream = Stream(cluster, headers=[f"Authorization: Bearer {token}"]).start()
    try:
        wait_for(lambda: stream.of("status"))
        cluster.tool("token", "delete", name, "weak")
        time.sleep(3)
        assert not stream.ended
        cluster.tool("token", "delete", name, "watcher")
        wait_for(lambda: stream.of("end") == [{"reason": "session"}], timeout=SETTLE + 5, what="the end")
    finally:
        stream.close()


def test_longest_time(cluster, admin):
    cluster.settings("http", park_longest="2s")
    stream = Stream(cluster, login=admin).start()
    wait_for(lambda: stream.of("end") == [{"reason": "time"}], what="its time is over")
    stream.close()


def add_events(cluster, count, text="x"):
    """Written straight into the store, as a broker writes them."""
    with cluster.redis.pipeline(transaction=False) as p:
        for i in range(count):
            p.xadd("spool:{%d}:events" % (i % 16), {"e": json.dumps({"event": "test", "n": i, "text": text}, separators=(",", ":"))})
        p.execute()


def test_a_flood_is_limited(cluster, admin):
    """At most 100 events in a second, then how many were left out; the others are not kept waiting."""
    stream = Stream(cluster, "?topics=events&event=test", login=admin).start()
    try:
        wait_for(lambda: stream.id)
        began = time.monotonic()
        add_events(cluster, 3000)
        wait_for(lambda: len(stream.of("event")) + sum(m["count"] for m in stream.of("left_out")) == 3000, what="all are counted")
        assert 100 <= len(stream.of("event")) <= 100 * (time.monotonic() - began + 2)
    finally:
        stream.close()


@pytest.mark.skipif(SANITISED, reason="sanitisers keep freed memory")
def test_a_slow_viewer_is_bounded(own_cluster):
    """It reads nothing: what waits for it stays small, others get everything, and it gets the count in the end."""
    cluster = own_cluster(frontends=1)
    admin = cluster.add_user("admin@example.test")
    cluster.tool("user", "set", admin, "roles=system_admin")
    login = f"{admin}:secret"
    slow = Stream(cluster, "?topics=events&event=test", login=login)
    quick = Stream(cluster, "?topics=events&event=test", login=login).start()
    try:
        wait_for(lambda: quick.id)
        add_events(cluster, 100, "warm" * 5000)
        wait_for(lambda: quick.of("event"))
        pid = next(p["pid"] for p in cluster.json("status")["processes"] if p["kind"] == "frontend")

        def rss():
            return next(int(line.split()[1]) for line in open(f"/proc/{pid}/status") if line.startswith("VmRSS"))
        before, total = rss(), 100
        for _ in range(12):
            add_events(cluster, 100, "much" * 5000)
            total += 100
            time.sleep(1)
        # 24 MB were sent to the quick one.
        wait_for(lambda: len(quick.of("event")) + sum(m["count"] for m in quick.of("left_out")) == total)
        assert rss() - before < 12 * 1024, (before, rss())
        slow.start()
        wait_for(lambda: len(slow.of("event")) + sum(m["count"] for m in slow.of("left_out")) == total, what="the count")
        assert slow.of("left_out")
    finally:
        slow.close()
        quick.close()


def test_gap_is_told(cluster, admin):
    add_events(cluster, 320)
    for shard in range(16):
        cluster.redis.xtrim("spool:{%d}:events" % shard, maxlen=2, approximate=False)
    stream = Stream(cluster, "?topics=events", login=admin, headers=["Last-Event-ID: 1000-0-0"]).start()
    try:
        wait_for(lambda: stream.of("gap"), what="the gap")
        wait_for(lambda: sum(m["event"] == "test" for m in stream.of("event")) == 32)
    finally:
        stream.close()


def test_shutdown_ends_it(own_cluster):
    cluster = own_cluster(frontends=1)
    admin = cluster.add_user("admin@example.test")
    cluster.tool("user", "set", admin, "roles=system_admin")
    stream = Stream(cluster, login=f"{admin}:secret").start()
    wait_for(lambda: stream.of("status"))
    began = time.monotonic()
    old = cluster.kill("frontend-0", 15)
    wait_for(lambda: stream.ended and stream.of("end") == [{"reason": "shutdown"}], what="the end")
    cluster.wait_restarted("frontend-0", old)
    assert time.monotonic() - began < 15


def test_store_away(own_cluster):
    """No stream ends because the store does not answer; it goes on afterwards."""
    cluster = own_cluster(frontends=1)
    admin = cluster.add_user("admin@example.test")
    address = cluster.add_user("someone@example.test")
    cluster.tool("user", "set", admin, "roles=system_admin")
    session = Session(cluster, f"{admin}:secret")
    stream = Stream(cluster, headers=session.headers()).start()
    wait_for(lambda: stream.of("status") and stream.id)
    deliver(cluster, address, "first")
    wait_for(lambda: "first" in senders(stream))
    cluster.kill("redis", 19)
    time.sleep(7)
    cluster.kill("redis", 18)

    def delivered():
        try:
            deliver(cluster, address, "second")
        except AssertionError:
            return False
        return True
    wait_for(delivered, timeout=30, what="the store is back")
    wait_for(lambda: "second" in senders(stream), timeout=30)
    assert not stream.ended
    stream.close()


# ---- The last hour ----

def test_history(own_cluster):
    """The same from every frontend; what a stopped broker counted is there, and the queue is counted once."""
    cluster = own_cluster(frontends=2, brokers=2)
    address = cluster.add_user("someone@example.test")
    admin = cluster.add_user("admin@example.test")
    cluster.tool("user", "set", admin, "roles=system_admin")
    cluster.settings("smtp-in", allow_relay="anyone")
    cluster.settings("smtp-out", relay_host="127.0.0.1:1")
    time.sleep(SETTLE)

    def history(frontend=0):
        status, _, answer = ask(cluster, "GET", "history", login=f"{admin}:secret", frontend=frontend)
        assert status == 200 and len(answer["minutes"]) == 60
        assert answer["minutes"] == sorted(answer["minutes"], key=lambda m: m["time"])
        return answer["minutes"]

    def total(name):
        return sum(m[name] for m in history())
    before = {name: total(name) for name in ("in", "delivered", "deferred")}
    for i in range(6):
        deliver(cluster, address, f"n{i}")
        cluster.deliver("x@sender.example", [f"x{i}@unreachable.invalid"], b"Subject: x\r\n\r\n")
    wait_for(lambda: total("in") >= before["in"] + 12 and total("delivered") >= before["delivered"] + 6 and
             total("deferred") > before["deferred"], timeout=30, what="the counts")
    assert total("in") == before["in"] + 12 and total("delivered") == before["delivered"] + 6
    wait_for(lambda: history(0) == history(1), what="the same everywhere")
    wait_for(lambda: [m.get("queue") for m in history()][-1] == 6, timeout=40, what="the queue's length")
    for n in range(6, 9):
        deliver(cluster, address, f"n{n}")
    for broker in (0, 1):
        cluster.kill(f"spool-broker-{broker}", 15)
    wait_for(lambda: total("in") == before["in"] + 15, timeout=20, what="what was counted last")
    wait_for(lambda: [m.get("queue") for m in history()][-1] == 6, timeout=90, what="the queue's length")
    assert all(0 < cluster.redis.ttl(k) <= 65 * 60 for k in cluster.redis.scan_iter("cluster:minute:*"))
