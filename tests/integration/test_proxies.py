"""nginx and haproxy in front, configured as docs/web.md says."""

import http.client
import re
import shutil
import socket
import ssl
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from cluster import SETTLE, wait_for
from ports import free_port
from test_http import AMBIGUOUS, SMUGGLED, curl
from test_live import Stream
from test_web import admin  # noqa: F401 (a fixture)
from websocket_client import PATH, LiveSocket

DOCS = (Path(__file__).resolve().parents[2] / "docs/web.md").read_text()
BLOCKS = re.findall(r"```(nginx|haproxy)\n(.*?)```", DOCS, re.S)
CONFIGURATIONS = {"nginx": BLOCKS[0][1], "haproxy": BLOCKS[1][1], "haproxy-tls": BLOCKS[2][1]}
CONFIGURATIONS["haproxy-tls-v1"] = CONFIGURATIONS["haproxy-tls"].replace("send-proxy-v2", "send-proxy")
CLIENT = "127.0.0.5"


class Proxy:
    def __init__(self, cluster, kind, folder, checks=True):
        self.cluster, self.kind, self.folder = cluster, kind, folder
        self.port = free_port()
        text = CONFIGURATIONS[kind]
        for i, host in enumerate(("192.0.2.11", "192.0.2.12")):
            text = text.replace(f"{host}:80", f"127.0.0.1:{cluster.port('http', i)}")
            text = text.replace(f"{host}:443", f"127.0.0.1:{cluster.port('https', i)}")
        assert "192.0.2" not in text
        self.make_certificate()
        text = self.nginx(text) if kind == "nginx" else self.haproxy(text, checks)
        (folder / "conf").write_text(text)
        command = ["nginx", "-p", folder, "-c", folder / "conf"] if kind == "nginx" else ["haproxy", "-f", folder / "conf", "-db"]
        self.log = open(folder / "output", "w")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=subprocess.STDOUT)
        wait_for(lambda: cluster.is_open(self.port), what=f"{kind} is there")

    def make_certificate(self):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=mail.example.com",
                        "-keyout", self.folder / "key.pem", "-out", self.folder / "cert.pem"], check=True, capture_output=True)
        (self.folder / "both.pem").write_text((self.folder / "cert.pem").read_text() + (self.folder / "key.pem").read_text())

    def nginx(self, text):
        text = text.replace("listen 443 ssl", f"listen 127.0.0.1:{self.port} ssl")
        text = text.replace("/etc/ssl/mail.example.com/fullchain.pem", str(self.folder / "cert.pem"))
        text = text.replace("/etc/ssl/mail.example.com/privkey.pem", str(self.folder / "key.pem"))
        temp = "".join(f"{name}_temp_path {self.folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        return (f"user root;\ndaemon off;\nworker_processes 1;\npid {self.folder}/pid;\nerror_log {self.folder}/error.log;\n"
                f"events {{ worker_connections 512; }}\nhttp {{\nlog_format passed '$upstream_addr';\n"
                f"access_log {self.folder}/access.log passed;\n{temp}{text}\n}}\n")

    def haproxy(self, text, checks):
        text = text.replace("bind :443", f"bind 127.0.0.1:{self.port}").replace("/etc/haproxy/mail.example.com.pem", str(self.folder / "both.pem"))
        if not checks:
            text = text.replace("option httpchk GET /healthz", "").replace(" check\n", "\n")
        return f"global\n    stats socket {self.folder}/stats mode 600 level admin\n\n{text}"

    def passed(self):
        """Requests that it has passed on."""
        if self.kind == "nginx":
            return sum(line != "-" for line in (self.folder / "access.log").read_text().split("\n") if line)
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(self.folder / "stats"))
            s.sendall(b"show stat\n")
            lines = b"".join(iter(lambda: s.recv(65536), b"")).decode().splitlines()
        names = lines[0].lstrip("# ").split(",")
        return sum(int(dict(zip(names, line.split(",")))["req_tot"] or 0) for line in lines if line.startswith("stagepost,BACKEND"))

    def url(self, path):
        return f"https://127.0.0.1:{self.port}{path}"

    def talk(self, request):
        context = ssl._create_unverified_context()
        with context.wrap_socket(socket.create_connection(("127.0.0.1", self.port), timeout=10)) as s:
            s.sendall(request)
            s.settimeout(1)
            got = b""
            try:
                while piece := s.recv(65536):
                    got += piece
            except (TimeoutError, ssl.SSLError, ConnectionError):
                pass
            return got

    def end(self):
        self.process.terminate()
        self.process.wait(20)
        self.log.close()


@pytest.fixture
def proxy(cluster, tmp_path):
    started = []

    def start(kind, **kwargs):
        if not shutil.which(kind.partition("-")[0]):
            pytest.skip(f"{kind} is not installed")
        cluster.settings("http", **{"proxy_protocol_from" if "tls" in kind else "forwarded_from": "127.0.0.1"})
        time.sleep(SETTLE)
        started.append(Proxy(cluster, kind, tmp_path, **kwargs))
        return started[0]
    yield start
    for p in started:
        p.end()


@pytest.mark.parametrize("kind", CONFIGURATIONS)
def test_as_the_docs_say(cluster, proxy, admin, kind):
    """The client's address, its TLS, the page's session and the live stream, whatever the client claims."""
    p = proxy(kind)
    wait_for(lambda: curl(p.url("/healthz"))[0] == 200, what="a frontend is found")
    claims = ["--interface", CLIENT, "-H", "X-Forwarded-For: 203.0.113.9", "-H", "Forwarded: for=203.0.113.9;proto=http",
              "-H", "X-Forwarded-Proto: http"]
    assert curl(*claims, "-u", f"{admin.split(':')[0]}:wrong", p.url("/autodiscover/autodiscover.xml"))[0] == 401
    assert [k for k in cluster.redis.scan_iter("auth:fail:{address:*")] == ["auth:fail:{address:%s}" % CLIENT]
    # TLS up to the proxy: the cookie is that of a TLS host, and the browser's origin is ours.
    name, password = admin.split(":")
    status, headers, body = curl("-d", f"address={name}&password={password}", "-H", f"Origin: https://127.0.0.1:{p.port}",
                                 *claims, p.url("/api/v1/session"))
    assert status == 200 and headers["set-cookie"].startswith("__Host-stagepost="), (status, body)
    # What happens comes at once; the stream's end is seen.
    connection = http.client.HTTPSConnection("127.0.0.1", p.port, timeout=10, context=ssl._create_unverified_context())
    began = time.monotonic()
    connection.request("GET", "/api/v1/live", headers={"Cookie": headers["set-cookie"].split(";")[0]})
    answer = connection.getresponse()
    assert answer.status == 200
    got = b""
    while b"event: status" not in got:
        got += answer.read1(65536)
    assert time.monotonic() - began < 8
    connection.sock.shutdown(socket.SHUT_RDWR) if connection.sock else answer.close()
    connection.close()
    answer.close()
    wait_for(lambda: parked(cluster) == 0, timeout=15, what="its leaving is seen")
    # So it does over a WebSocket, for the page's own origin only; its end is seen from either side.
    cookie, uri = {"Cookie": headers["set-cookie"].split(";")[0]}, f"wss://127.0.0.1:{p.port}{PATH}"
    ws = LiveSocket(uri, cookie, origin=f"https://127.0.0.1:{p.port}")
    assert ws.status == 101
    wait_for(lambda: ws.of("status"), what="what happens")
    assert LiveSocket(uri, cookie, origin="https://evil.example").status == 403
    ws.close()
    assert ws.code == 1000
    wait_for(lambda: metric(cluster, "stagepost_http_websockets") == 0, timeout=15, what="its leaving is seen")


def metric(cluster, name):
    total = 0.0
    for frontend in range(cluster.frontends):
        text = urllib.request.urlopen(f"http://127.0.0.1:{cluster.metrics_port(f'frontend-{frontend}')}/metrics").read().decode()
        total += sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name))
    return total


def parked(cluster):
    return metric(cluster, "stagepost_http_parked_requests")


POST = b"POST /healthz HTTP/1.1\r\nHost: a\r\n"
UPGRADE = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
HIDDEN = AMBIGUOUS + [
    # Bodies that look like requests: of a length, in a chunk, in a trailer.
    POST + b"Content-Length: %d\r\n\r\n" % len(SMUGGLED),
    b"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(SMUGGLED),
    POST + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(SMUGGLED) + SMUGGLED + b"\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n",
    POST + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(SMUGGLED),
    # Chunks that two readers may read differently.
    POST + b"Transfer-Encoding: chunked\r\n\r\n0x2\r\nab\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding: chunked\r\n\r\n2;x\nab\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding: chunked\r\n\r\n2\nab\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding: chunked\r\n\r\n10000000000000002\r\nab\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding: chunked\r\n\r\n-1\r\nab\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n",
    # Two readers of the framing fields.
    POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding: chunked, chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding: \"chunked\"\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    POST + b"transfer-encoding: CHUNKED\r\ncontent-length: 6\r\n\r\n0\r\n\r\nX",
    POST + b"Content-Length: 0\r\nConnection: Content-Length\r\nContent-Length: %d\r\n\r\n" % len(SMUGGLED),
    POST + b"Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    POST + b"Content_Length: %d\r\n\r\n" % len(SMUGGLED),
    b"GET /healthz HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    b"GET /api/v1/live HTTP/1.1\r\nHost: a\r\n" + UPGRADE + b"Sec-WebSocket-Version: 8\r\n\r\n",
    b"GET /api/v1/live HTTP/1.1\r\nHost: a\r\n" + UPGRADE + b"Sec-WebSocket-Version: 13\r\n\r\n",
    b"GET http://b/healthz HTTP/1.1\r\nHost: a\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
]


@pytest.mark.parametrize("kind", ["nginx", "haproxy"])
def test_no_request_is_smuggled(cluster, proxy, kind):
    """What the proxy passes on as one request is one request here: never a second one that it does not know of."""
    p = proxy(kind, checks=False)
    for request in HIDDEN:
        for hidden in (request + SMUGGLED, request.replace(b"Host: a\r\n", b"Host: a\r\nConnection: close\r\n", 1) + SMUGGLED):
            before, passed = metric(cluster, "stagepost_http_requests_total"), p.passed()
            p.talk(hidden)
            # A connection that it keeps to us serves the next client: nothing may be left on it.
            for _ in range(3):
                status, _, body = curl(p.url("/healthz?victim"))
                assert (status, body) == (200, b"ok\n"), hidden
            time.sleep(0.05)
            seen = metric(cluster, "stagepost_http_requests_total") - before
            assert 3 <= seen <= p.passed() - passed, (hidden, seen, p.passed() - passed)
