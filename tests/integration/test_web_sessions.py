"""Sessions of an account: listed, ended by their owner, and ended in spite of the network."""

import itertools
import os
import socket
import time

import pytest

from cluster import wait_for
from redis_relay import CUT, HOLD, RedisRelay, RelayedFrontend
from test_web import Session

_numbers = itertools.count(1)


def test_own_sessions(cluster, address):
    first, second, third = (Session(cluster, f"{address}:secret") for _ in range(3))
    listed = first.ask("GET", "account/sessions", frontend=1)[2]["sessions"]
    assert [s["current"] for s in listed] == [True, False, False]
    assert all(s["from"] == "127.0.0.1" and s["agent"].startswith("curl/") for s in listed)
    assert all(abs(s[k] / 1000 - time.time()) < 60 for s in listed for k in ("created_ms", "last_used_ms"))
    assert first.ask("DELETE", f"account/sessions/{listed[1]['id']}")[0] == 200
    assert second.ask("GET", "session", frontend=1)[0] == 401 and third.ask("GET", "session")[0] == 200
    assert first.ask("DELETE", f"account/sessions/{listed[1]['id']}")[0] == 404
    # Not those of others.
    stranger = Session(cluster, cluster.add_user(f"str{next(_numbers)}-{os.getpid()}@example.test") + ":secret")
    assert stranger.ask("DELETE", f"account/sessions/{listed[2]['id']}")[0] == 404
    assert third.ask("GET", "session")[0] == 200
    assert first.ask("DELETE", "account/sessions")[0] == 200
    assert third.ask("GET", "session")[0] == 401 and first.ask("GET", "session")[0] == 200
    assert len(first.ask("GET", "account/sessions")[2]["sessions"]) == 1


def test_sessions_do_not_pile_up(cluster, address):
    first = Session(cluster, f"{address}:secret")
    last = [Session(cluster, f"{address}:secret") for _ in range(50)][-1]
    assert first.ask("GET", "session")[0] == 401
    assert len(last.ask("GET", "account/sessions")[2]["sessions"]) == 50


# ---- Between the frontend and the store ----

class OneFrontend:
    """The cluster, reached by the relayed frontend alone."""

    def __init__(self, cluster, relayed):
        self.cluster, self.relayed = cluster, relayed

    def port(self, scheme, frontend=0):
        return self.relayed.port

    def sessions(self, address):
        """The keys of the store by which somebody is logged in."""
        redis = self.cluster.redis
        return [id for id in redis.zrange(f"web:sessions:{{{address}}}", 0, -1) if redis.exists(f"web:session:{{{id}}}")]


@pytest.fixture
def relay(cluster):
    with RedisRelay(cluster.port("redis")) as r:
        yield r


@pytest.fixture
def site(cluster, relay, tmp_path):
    relayed = RelayedFrontend(cluster, relay, tmp_path, f"sessions-{next(_numbers)}", protocol="http")
    yield OneFrontend(cluster, relayed)
    relayed.stop()


def test_a_closed_tab_ends_its_session(site, relay, address):
    session = Session(site, f"{address}:secret")
    held = relay.on(HOLD, command="ZSCORE", key=address)
    with socket.create_connection(("127.0.0.1", site.port("http"))) as tab:
        tab.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # closed by RST
        head = "".join(f"{field}\r\n" for field in session.headers())
        tab.sendall(f"DELETE /api/v1/session HTTP/1.1\r\nHost: 127.0.0.1:{site.port('http')}\r\n{head}"
                    "Content-Type: application/json\r\nContent-Length: 0\r\n\r\n".encode())
        held.wait()
    time.sleep(0.2)  # the frontend has noticed
    assert len(site.sessions(address)) == 1
    held.release()
    wait_for(lambda: site.sessions(address) == [], timeout=5)


def test_the_index_is_only_tidied(site, relay, address):
    first, second = Session(site, f"{address}:secret"), Session(site, f"{address}:secret")
    cut = relay.on(CUT, command="ZREM", key=address)
    assert first.ask("DELETE", "account/sessions")[0] == 200
    cut.wait()
    assert len(site.sessions(address)) == 1 and "stay in the index" in site.relayed.log()
    # What has ended is not listed.
    wait_for(lambda: [s["current"] for s in first.ask("GET", "account/sessions")[2].get("sessions", [])] == [True])
    assert second.ask("GET", "session")[0] == 401


def test_some_sessions_end(site, relay, address):
    """What was done before the connection broke is told, and what was not."""
    first, *_ = [Session(site, f"{address}:secret") for _ in range(4)]
    ends = []

    def second_one(request):
        ends.append(request)
        time.sleep(0.2)  # the first answer has come
        return len(ends) == 2

    relay.on(CUT, command="DEL", key="web:session:", where=second_one)
    status, _, answer = first.ask("DELETE", "account/sessions")
    assert status == 503 and "some of the sessions" in answer["error"]
    assert len(site.sessions(address)) == 3
    log = site.relayed.log()
    assert 'action="session ended"' in log and "sessions could not be ended" in log and "ended=1 failed=2" in log
    # The rest at the next try.
    wait_for(lambda: first.ask("DELETE", "account/sessions")[0] == 200)
    assert len(site.sessions(address)) == 1 and first.ask("GET", "session")[0] == 200
