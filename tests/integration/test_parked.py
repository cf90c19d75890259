"""Two thousand clients of the live stream that leave in every way a client can leave."""

import base64
import os
import socket
import struct
import subprocess
import sys
import time

import pytest

from cluster import wait_for
from test_http import cluster_metric

HERE, THERE = "10.77.0.1", "10.77.0.2"
CLIENTS = 500  # of each kind

# In the other network: opens the streams, says so, and waits.
OPEN = """
import resource, socket, sys
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
request = ("GET /api/v1/live?topics=settings HTTP/1.1\\r\\nHost: a\\r\\nAuthorization: Basic %s\\r\\n\\r\\n" % sys.argv[3]).encode()
clients = []
for _ in range(int(sys.argv[2])):
    s = socket.create_connection(("10.77.0.1", int(sys.argv[1])), timeout=60)
    s.sendall(request)
    got = b""
    while b"event: hello" not in got:
        got += s.recv(4096)
    clients.append(s)
print("open", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def other_network():
    """A second network, joined to ours by a pair of devices. Its half of the pair is named by a process in it."""
    holder = subprocess.Popen(["unshare", "--net", "sleep", "1000"], stderr=subprocess.DEVNULL)

    def there(*command, **kwargs):
        return subprocess.run(["nsenter", "-t", str(holder.pid), "-n", *command], check=True, **kwargs)
    try:
        time.sleep(0.3)
        if holder.poll() is not None:
            pytest.skip("no network can be made here")
        device = f"sp{os.getpid() % 10000}"
        subprocess.run(["ip", "link", "add", device, "type", "veth", "peer", "name", "there", "netns", str(holder.pid)], check=True)
        subprocess.run(["ip", "addr", "add", f"{HERE}/24", "dev", device], check=True)
        subprocess.run(["ip", "link", "set", device, "up"], check=True)
        there("ip", "addr", "add", f"{THERE}/24", "dev", "there")
        there("ip", "link", "set", "there", "up")
        yield holder.pid, there
    finally:
        holder.terminate()
        holder.wait()


def stream(port, login):
    s = socket.create_connection(("127.0.0.1", port), timeout=60)
    s.sendall(f"GET /api/v1/live?topics=settings HTTP/1.1\r\nHost: a\r\nAuthorization: Basic {login}\r\n\r\n".encode())
    got = b""
    while b"event: hello" not in got:
        got += s.recv(4096)
    return s


def test_parked_clients_leave(own_cluster, other_network):
    pid, there = other_network
    cluster = own_cluster(frontends=1, listen="0.0.0.0")
    admin = cluster.add_user("admin@example.test")
    cluster.tool("user", "set", admin, "roles=system_admin")
    cluster.settings("http", live_viewers="10000", max_per_address="0", forwarded_from=THERE)
    login = base64.b64encode(f"{admin}:secret".encode()).decode()
    port = cluster.port("http")
    frontend = next(p["pid"] for p in cluster.json("status")["processes"] if p["kind"] == "frontend")

    def parked():
        return cluster_metric(cluster, "stagepost_http_parked_requests")

    def descriptors():
        return len(os.listdir(f"/proc/{frontend}/fd"))
    stream(port, login).close()
    wait_for(lambda: parked() == 0)
    time.sleep(1)
    before = descriptors()
    silent = subprocess.Popen(["nsenter", "-t", str(pid), "-n", sys.executable, "-c", OPEN, str(port), str(CLIENTS), login],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert silent.stdout.readline() == "open\n"
    ways = {way: [stream(port, login) for _ in range(CLIENTS)] for way in ("fin", "reset", "half")}
    assert parked() == 4 * CLIENTS
    began = time.monotonic()
    there("ip", "route", "add", "blackhole", HERE)
    left = 4 * CLIENTS
    for way, clients in ways.items():
        for s in clients:
            if way == "reset":
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if way == "half":
                s.shutdown(socket.SHUT_WR)
            else:
                s.close()
        left -= CLIENTS
        wait_for(lambda: parked() == left, timeout=5, what=f"those that leave by {way} are gone")
    assert parked() == CLIENTS
    # Nothing more arrives from the silent ones, not even an acknowledgement.
    wait_for(lambda: parked() == 0, timeout=160, step=0.5, what="the silent ones are given up")
    assert 60 < time.monotonic() - began < 160
    for s in ways["half"]:
        s.close()
    wait_for(lambda: descriptors() <= before, timeout=20, what="all descriptors are closed")
    silent.kill()
    silent.wait()
