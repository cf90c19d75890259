"""The HTTP server, queried from outside with curl and bare sockets: its limits,
its handling of ambiguous requests, the client's address behind a load
balancer."""

import json
import socket
import ssl
import subprocess
import time

import pytest

from cluster import wait_for


def curl(*args):
    """Status, headers (lower case) and body of the last answer."""
    result = subprocess.run(["curl", "-sk", "-i", "--max-time", "30", *map(str, args)], capture_output=True)
    assert result.returncode == 0, (args, result.returncode, result.stderr)
    head, _, body = result.stdout.partition(b"\r\n\r\n")
    while head.startswith(b"HTTP/1.1 100"):
        head, _, body = body.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = {}
    for line in lines[1:]:
        name, _, value = line.partition(": ")
        headers.setdefault(name.lower(), value)
    return int(lines[0].split()[1]), headers, body


def url(cluster, path, scheme="http", frontend=0):
    return f"{scheme}://127.0.0.1:{cluster.port(scheme, frontend)}{path}"


def talk(cluster, request, scheme="http", half_close=False):
    """Everything received until the server closes, or until nothing more arrives for a while."""
    with socket.create_connection(("127.0.0.1", cluster.port(scheme)), timeout=10) as s:
        if scheme == "https":
            context = ssl._create_unverified_context()
            s = context.wrap_socket(s)
        s.sendall(request)
        if half_close:
            s.shutdown(socket.SHUT_WR)
        got = b""
        while True:
            try:
                piece = s.recv(65536)
            except (TimeoutError, socket.timeout):
                return got, False
            if not piece:
                return got, True
            got += piece


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_answers(cluster, scheme):
    status, headers, body = curl(url(cluster, "/healthz", scheme))
    assert (status, body) == (200, b"ok\n")
    assert headers["content-length"] == "3" and headers["date"].endswith(" GMT")
    assert curl("-I", url(cluster, "/healthz", scheme))[0] == 200
    status, headers, _ = curl("-X", "OPTIONS", url(cluster, "/healthz", scheme))
    assert status == 204 and headers["allow"] == "GET, HEAD, OPTIONS"
    status, headers, _ = curl("-d", "x", url(cluster, "/healthz", scheme))
    assert status == 405 and headers["allow"] == "GET, HEAD, OPTIONS"
    assert curl(url(cluster, "/none", scheme))[0] == 404
    assert curl("--http1.0", url(cluster, "/healthz", scheme))[0] == 200
    # One connection for all three.
    result = subprocess.run(["curl", "-sk", "-w", "%{num_connects}\n", "-o", "/dev/null", "-o", "/dev/null", "-o", "/dev/null",
                             *[url(cluster, "/healthz", scheme)] * 3], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["1", "0", "0"]


def test_alpn(cluster):
    """Browsers offer h2 first."""
    for offered, taken in ((["h2", "http/1.1"], "http/1.1"), (None, None)):
        context = ssl._create_unverified_context()
        if offered:
            context.set_alpn_protocols(offered)
        with socket.create_connection(("127.0.0.1", cluster.port("https"))) as raw:
            with context.wrap_socket(raw) as s:
                assert s.selected_alpn_protocol() == taken


SMUGGLED = b"GET /healthz?smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
AMBIGUOUS = [
    b"POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" % (5 + len(SMUGGLED)),
    b"POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    b"POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 0\r\n\r\n",
    b"POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 0, 5\r\n\r\n",
    b"POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: +0\r\n\r\n",
    b"POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\n",
    b"POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    b"POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    b"POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    b"POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
    b"POST /healthz HTTP/1.1\r\nHost: a\r\nX: y\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /healthz HTTP/1.1\r\nHost: a\r\nX: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /healthz HTTP/1.1\r\nHost: a\r\nX: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /healthz HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET /healthz HTTP/1.1\nHost: a\n\n",
    b"GET http://a\x00b/ HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /healthz HTTP/1.1 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /healthz\tHTTP/1.1\r\nHost: a\r\n\r\n",
]


@pytest.mark.parametrize("request_", AMBIGUOUS)
def test_ambiguous_requests_end_the_connection(cluster, request_):
    """A request that a proxy in front may read differently is refused, and nothing after it is read."""
    got, closed = talk(cluster, request_ + SMUGGLED)
    assert closed and got.count(b"HTTP/1.1 ") == 1, got
    assert got.split()[1] in (b"400", b"501"), got
    assert b"Connection: close\r\n" in got


def test_limits(cluster):
    cases = [
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", b"414"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 101 + b"\r\n", b"431"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 40000 + b"\r\n\r\n", b"431"),
        (b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", b"501"),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", b"505"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n", b"417"),
        (b"POST /autodiscover/autodiscover.xml HTTP/1.1\r\nHost: a\r\nContent-Length: 999999\r\n\r\n", b"413"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 40, b"400"),
    ]
    for request, status in cases:
        got, closed = talk(cluster, request)
        assert closed and got.split()[1] == status, (request[:40], got[:80])


def test_slow_header_is_cut_off(cluster):
    cluster.settings("http", header_timeout="1s")
    with socket.create_connection(("127.0.0.1", cluster.port("http")), timeout=20) as s:
        s.sendall(b"GET / HTTP/1.1\r\n")
        began = time.monotonic()
        got = b""
        try:
            while time.monotonic() < began + 20:
                s.settimeout(0.2)
                try:
                    piece = s.recv(4096)
                except TimeoutError:
                    s.sendall(b"X: y\r\n")  # trickling data does not extend the time
                    continue
                if not piece:
                    break
                got += piece
        except ConnectionError:
            pass
        assert got.split()[1] == b"408"


def test_idle_connection_is_closed(cluster):
    cluster.settings("http", keep_alive_timeout="1s")
    got, closed = talk(cluster, b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
    assert closed and got.endswith(b"ok\n") and got.count(b"HTTP/1.1") == 1


def test_too_many_connections(cluster):
    cluster.settings("http", max_connections="2")
    kept = [socket.create_connection(("127.0.0.1", cluster.port("http"))) for _ in range(2)]
    try:
        def refused():
            got, closed = talk(cluster, b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            return closed and got.startswith(b"HTTP/1.1 503 ")
        wait_for(refused, what="503 for one connection too many")
    finally:
        for s in kept:
            s.close()


def test_many_pipelined_requests(cluster):
    request = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
    got, closed = talk(cluster, request * 2000 + request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert closed and got.count(b"HTTP/1.1 200 OK") == 2001


def test_half_closed_client_is_answered(cluster, address):
    body = b"<Autodiscover/>"
    import base64
    login = base64.b64encode(f"{address}:secret".encode())
    got, closed = talk(cluster, b"POST /autodiscover/autodiscover.xml HTTP/1.1\r\nHost: a\r\nAuthorization: Basic " + login +
                       b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body, half_close=True)
    assert closed and got.startswith(b"HTTP/1.1 200 OK") and b"<ErrorCode>600<" in got


# ---- TLS or not; balancers ----

def test_plain_http_from_elsewhere(cluster):
    """A load balancer on loopback says where the client comes from, and how."""
    cluster.settings("http", forwarded_from="127.0.0.1 10.0.0.0/8")
    page = url(cluster, "/autodiscover/autodiscover.json?Email=a@example.test&Protocol=x")
    plain = ["-H", "X-Forwarded-For: 192.0.2.7", "-H", "X-Forwarded-Proto: http", "-H", "Host: mail.example.test"]
    status, headers, _ = curl(*plain, page)
    assert status == 301
    asked = "/autodiscover/autodiscover.json?Email=a@example.test&Protocol=x"
    assert headers["location"] == "https://mail.example.test" + asked
    plain[-1] = f"Host: mail.example.test:{cluster.port('http')}"
    assert curl(*plain, page)[1]["location"] == f"https://mail.example.test:{cluster.port('https')}" + asked
    assert curl(*plain, "-d", "x", url(cluster, "/autodiscover/autodiscover.xml"))[0] == 403
    assert curl(*plain, url(cluster, "/healthz"))[0] == 200
    assert curl("-H", "X-Forwarded-For: 192.0.2.7", "-H", "X-Forwarded-Proto: https", page)[0] == 400  # served
    assert curl("-H", 'Forwarded: for="[2001:db8::1]:4711";proto=http', page)[0] == 301
    assert curl("-H", "Forwarded: for=192.0.2.7;proto=https, for=10.1.2.3", page)[0] == 400
    cluster.settings("http", redirect_to_https="off")
    assert curl(*plain, page)[0] == 403


def test_client_address_behind_a_balancer(cluster, address):
    """The last address that is not that of a trusted load balancer; failed logins count against it."""
    cluster.settings("http", forwarded_from="127.0.0.1 10.0.0.0/8")
    page = url(cluster, "/autodiscover/autodiscover.xml")
    curl("-u", f"{address}:wrong", "-H", "X-Forwarded-For: 203.0.113.9, 198.51.100.4, 10.0.0.1", page)
    assert cluster.redis.exists("auth:fail:{address:198.51.100.4}")
    assert not cluster.redis.exists("auth:fail:{address:203.0.113.9}") and not cluster.redis.exists("auth:fail:{address:127.0.0.1}")
    cluster.unset("http", "forwarded_from")
    curl("-u", f"{address}:wrong", "-H", "X-Forwarded-For: 203.0.113.10", page)
    assert not cluster.redis.exists("auth:fail:{address:203.0.113.10}")


def test_forwarded_fields_must_agree(cluster, address):
    """Most balancers write one of the two fields, and pass on the other as the client sent it."""
    cluster.settings("http", forwarded_from="127.0.0.1")
    page = url(cluster, "/autodiscover/autodiscover.xml")

    def client(*fields):
        """The address that a failed login counts against; the status."""
        for key in cluster.redis.scan_iter("auth:fail:{address:*"):
            cluster.redis.delete(key)
        options = [o for field in fields for o in ("-H", field)]
        status = curl("-u", f"{address}:wrong", *options, page)[0]
        return status, [key.split(":", 3)[3].rstrip("}") for key in cluster.redis.scan_iter("auth:fail:{address:*")]
    cases = [
        (("Forwarded: for=203.0.113.1", "X-Forwarded-For: 203.0.113.1"), (401, ["203.0.113.1"])),
        (("Forwarded: for=203.0.113.1", "X-Forwarded-For: 198.51.100.1"), (401, ["127.0.0.1"])),
        (("Forwarded: for=203.0.113.1, for=198.51.100.1", "X-Forwarded-For: 203.0.113.9, 198.51.100.1"), (401, ["198.51.100.1"])),
        (("Forwarded: for=203.0.113.1",), (401, ["203.0.113.1"])),
        # The last word on TLS is the balancer's; what one of the two fields denies is not TLS.
        (("X-Forwarded-For: 203.0.113.1", "X-Forwarded-Proto: http, https"), (401, ["203.0.113.1"])),
        (("X-Forwarded-For: 203.0.113.1", "X-Forwarded-Proto: http", "X-Forwarded-Proto: https"), (401, ["203.0.113.1"])),
        (("X-Forwarded-For: 203.0.113.1", "X-Forwarded-Proto: https, http"), (301, [])),
        (("Forwarded: for=203.0.113.1;proto=https", "X-Forwarded-For: 203.0.113.1", "X-Forwarded-Proto: http"), (301, [])),
        (("Forwarded: for=203.0.113.1;proto=http", "X-Forwarded-For: 203.0.113.1"), (301, [])),
    ]
    for fields, expected in cases:
        assert client(*fields) == expected, fields


def test_absolute_form(cluster, address):
    """RFC 9112, 3.2.2: the target names scheme and host; the API understands it as everything else does."""
    for path in (b"/healthz", b"/api/v1/session", b"/api/v1/settings/smtp-in%3Aexample.test?x=/"):
        short, _ = talk(cluster, b"GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % path)
        long, _ = talk(cluster, b"GET http://a:80%s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % path)
        assert short.split()[1] == long.split()[1] and long.split()[1] in (b"200", b"401"), long


def test_login(cluster, address):
    page = url(cluster, "/autodiscover/autodiscover.xml", "https")
    answers = [curl(page), curl("-u", "nobody@example.test:secret", page), curl("-u", f"{address}:wrong", page),
               curl("-H", "Authorization: Basic !!", page), curl("-H", "Authorization: Bearer x", page)]
    for status, headers, body in answers:
        assert (status, body) == (401, b"401 Unauthorized\n")
        assert headers["www-authenticate"] == 'Basic realm="Stagepost", charset="UTF-8"'
    assert curl("-u", f"{address}:secret", page)[0] == 200
    cluster.tool("user", "set", address, "enabled=off")
    assert wait_for(lambda: curl("-u", f"{address}:secret", page)[0] in (401, 403), what="disabled")


def test_counted(cluster):
    before = cluster_metric(cluster, 'stagepost_http_requests_total{status="4xx"}')
    curl(url(cluster, "/none"))
    assert cluster_metric(cluster, 'stagepost_http_requests_total{status="4xx"}') == before + 1


def cluster_metric(cluster, name):
    import urllib.request
    text = urllib.request.urlopen(f"http://127.0.0.1:{cluster.metrics_port('frontend-0')}/metrics").read().decode()
    return float(next(line for line in text.splitlines() if line.startswith(name)).rsplit(" ", 1)[1])


# ---- The end of the process, and of its store ----

def test_sigterm(own_cluster):
    cluster = own_cluster(frontends=1)
    idle = socket.create_connection(("127.0.0.1", cluster.port("http")), timeout=20)
    idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
    assert idle.recv(4096).endswith(b"ok\n")
    old = cluster.kill("frontend-0", 15)
    assert idle.recv(4096) == b""
    idle.close()
    cluster.wait_restarted("frontend-0", old)
    wait_for(lambda: cluster.is_open(cluster.port("http")), what="the port is open again")
    assert curl(url(cluster, "/healthz"))[0] == 200


def test_store_away_is_503_never_401(own_cluster):
    cluster = own_cluster(frontends=1)
    address = cluster.add_user("http@example.test")
    page = url(cluster, "/autodiscover/autodiscover.xml", "https")
    config = url(cluster, "/.well-known/autoconfig/mail/config-v1.1.xml?emailaddress=x@unknown.test", "https")
    assert curl("-u", f"{address}:secret", page)[0] == 200
    cluster.kill("redis", 19)
    try:
        status, headers, _ = curl("-u", "other@example.test:secret", page)
        assert status == 503 and headers["retry-after"] == "30"
        status, headers, _ = curl(config)
        assert status == 503 and headers["retry-after"] == "30"
        assert curl(url(cluster, "/healthz"))[0] == 200
    finally:
        cluster.kill("redis", 18)
    assert json.loads(json.dumps(curl("-u", f"{address}:secret", page)[0])) == 200


# ---- Listeners by settings ----

def test_listeners_follow_the_settings(own_cluster):
    """Another port is served, and given up, within a second; connections on it stay."""
    cluster = own_cluster(frontends=1)
    plain, tls = (cluster.free_port_base() + port for port in (8080, 8443))
    base = cluster.port_base

    def served(port, scheme="http"):
        result = subprocess.run(["curl", "-sk", "--max-time", "5", f"{scheme}://127.0.0.1:{port}/healthz"], capture_output=True)
        return result.stdout == b"ok\n"
    assert not served(plain)
    cluster.settings("http", listeners=f"http://+:{plain - base}, https://127.0.0.1:{tls - base} http://+:80")
    wait_for(lambda: served(plain) and served(tls, "https"), what="the further ports are served")
    with socket.create_connection(("127.0.0.1", plain), timeout=10) as kept:
        cluster.settings("http", listeners=f"https://127.0.0.1:{tls - base}")
        wait_for(lambda: not cluster.is_open(plain), what="the port is given up")
        kept.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        assert kept.recv(4096).endswith(b"ok\n")
    assert served(tls, "https") and served(cluster.port("http"))
    # One that is taken is opened as soon as it is free.
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("0.0.0.0", plain))
        taken.listen()
        cluster.settings("http", listeners=f"http://+:{plain - base}")
        wait_for(lambda: "not listening" in cluster.log("frontend-0"), what="the trouble is told")
        wait_for(lambda: not cluster.is_open(tls), what="the other port is given up")
    wait_for(lambda: served(plain), timeout=20, what="the port is served once it is free")
    # The same port on fewer addresses, and on all again.
    def other_is_served():
        return subprocess.run(["curl", "-s", "--max-time", "5", f"http://127.0.0.2:{plain}/healthz"],
                              capture_output=True).stdout == b"ok\n"
    assert other_is_served()
    for listeners, wide in ((f"http://127.0.0.1:{plain - base}", False), (f"http://+:{plain - base}", True)) * 2:
        cluster.settings("http", listeners=listeners)
        wait_for(lambda: other_is_served() == wide and served(plain), what=listeners)
    for bad in ("http://mail.example.com:80", "ftp://+:21", "http://+:0", "http://+:8080/path"):
        assert cluster.tool("settings", "set", f"http.listeners={bad}", check=False).returncode == 1
