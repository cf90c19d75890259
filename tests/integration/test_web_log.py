"""The log of changes that are made with the API."""

import base64
import socket
import time

import pytest

from cluster import wait_for
from test_web import Session, ask
from web_site import Site


@pytest.fixture
def site(cluster):
    return Site(cluster)


def test_what_a_user_does_is_not_in_the_log_of_changes(site):
    before = site.cluster.redis.xlen("admin:log")
    assert site.ask("POST", "account/tokens", {"name": "t", "role": "user"}, role="user")[0] == 201
    assert site.cluster.redis.xlen("admin:log") == before
    wait_for(lambda: any("token added" in site.cluster.log(f"frontend-{i}") for i in (0, 1)))
    # Nothing ended: nothing is told.
    assert site.ask("DELETE", "account/sessions", role="domain_admin")[0] == 200
    assert site.cluster.redis.xlen("admin:log") == before
    Session(site.cluster, site.login("domain_admin"))
    assert site.ask("DELETE", "account/sessions", role="domain_admin")[0] == 200
    assert site.log()["action"] == "session ended" and site.cluster.redis.xlen("admin:log") == before + 1


class Change:
    """A change whose client leaves at once; each kind can be made again and again."""

    def __init__(self, site):
        self.site, self.redis = site, site.cluster.redis
        self.address, self.password = site.login("system_admin").split(":")
        self.count = 0

    def request(self):
        """Method, path and body of the next."""
        raise NotImplementedError

    def stored(self):
        raise NotImplementedError

    def settle(self):
        """Before the next, so that the login is remembered and takes no time."""
        login = f"{self.address}:{self.password}"
        wait_for(lambda: ask(self.site.cluster, "GET", "session", login=login)[0] == 200)

    def send(self, stay):
        method, path, body = self.request()
        login = base64.b64encode(f"{self.address}:{self.password}".encode()).decode()
        with socket.create_connection(("127.0.0.1", self.site.cluster.port("http"))) as c:
            c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            c.sendall(f"{method} /api/v1/{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {login}\r\n"
                      f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
            time.sleep(stay)


class Setting(Change):
    def request(self):
        self.count += 1
        return "PUT", "settings/pop", f'{{"max_connections": {700 + self.count}}}'

    def stored(self):
        return self.redis.hget("settings:pop", "max_connections") == str(700 + self.count)


class Token(Change):
    def request(self):
        self.count += 1
        return "POST", "account/tokens", f'{{"name": "token-{self.count:03}", "role": "user"}}'

    def stored(self):
        return f"token-{self.count:03}" in str(self.redis.hgetall(f"user:{{{self.address}}}"))


class Password(Change):
    def request(self):
        self.count += 1
        self.before = self.record()
        return "PUT", "account/password", f'{{"old": "{self.password}", "new": "secret{self.count}"}}'

    def record(self):
        return self.redis.hget(f"user:{{{self.address}}}", "password")

    def stored(self):
        return self.record() != self.before

    def settle(self):
        if self.count and self.stored():
            self.password = f"secret{self.count}"
        super().settle()


@pytest.mark.parametrize("kind", [Setting, Token, Password])
def test_a_change_whose_client_leaves_is_in_the_log(site, kind):
    """It leaves at moments before, while and after it is stored: stored or not, the log says what is so."""
    change, stored = kind(site), 0
    for i in range(60):
        change.settle()
        before = site.cluster.redis.xlen("admin:log")
        change.send(0.0004 * i)
        try:
            wait_for(lambda: change.stored() or site.cluster.redis.xlen("admin:log") != before, timeout=0.3)
        except AssertionError:
            continue  # it came too early
        wait_for(lambda: change.stored() and site.cluster.redis.xlen("admin:log") == before + 1, timeout=5)
        stored += 1
        if stored == 5:
            break
    assert stored >= 3
