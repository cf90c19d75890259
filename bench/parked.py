#!/usr/bin/python3
"""What a client costs the frontend in memory: connected and idle, parked in the live stream, and with a WebSocket.

    bench/parked.py [COUNT]     needs `make`; starts a cluster of its own

Each connection has had one answer before. Prints the resident memory of the frontend for each connection, and what
each costs more once it waits in GET /api/v1/live?topics=settings, or there as a WebSocket."""

import base64
import resource
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOOL = ROOT / "build/stagepost"
BASE = 20000


def tool(folder, *args):
    subprocess.run([TOOL, *args, "--dir", folder], check=True, stdout=subprocess.DEVNULL)


def resident(pid):
    return next(int(line.split()[1]) * 1024 for line in open(f"/proc/{pid}/status") if line.startswith("VmRSS"))


def settled(pid):
    """Once it no longer changes."""
    last = resident(pid)
    while True:
        time.sleep(1)
        now = resident(pid)
        if abs(now - last) < 65536:
            return now
        last = now


def ask(s, path, login=None, until=b"ok\n", fields=""):
    authorization = f"Authorization: Basic {login}\r\n" if login else ""
    s.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n{authorization}{fields}\r\n".encode())
    got = b""
    while until not in got:
        piece = s.recv(65536)
        assert piece, got
        got += piece


UPGRADE = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    folder = tempfile.mkdtemp(prefix="stagepost-parked-")
    up = subprocess.Popen([TOOL, "up", "--dir", folder, "--port-base", str(BASE), "--frontends", "1"],
                          stdout=subprocess.PIPE, text=True)
    try:
        next(line for line in up.stdout if "Running" in line)
        tool(folder, "settings", "set", "http.max_connections=100000", "http.max_per_address=0", "http.live_viewers=10000",
             "http.keep_alive_timeout=1h")
        tool(folder, "user", "set", "alice@example.test", "roles=system_admin")
        login = base64.b64encode(b"alice@example.test:secret").decode()
        time.sleep(2)
        pid = int(subprocess.run(["pgrep", "-P", str(up.pid), "frontend"], capture_output=True, text=True).stdout.split()[0])
        clients = [socket.create_connection(("127.0.0.1", BASE + 80)) for _ in range(100)]
        for s in clients:
            ask(s, "/api/v1/live?topics=settings", login, b"hello")
        warm = clients
        empty = settled(pid)
        clients = [socket.create_connection(("127.0.0.1", BASE + 80)) for _ in range(count)]
        for s in clients:
            ask(s, "/healthz")
        idle = settled(pid)
        for s in clients[:count // 2]:
            ask(s, "/api/v1/live?topics=settings", login, b"hello")
        parked = settled(pid)
        for s in clients[count // 2:]:
            ask(s, "/api/v1/live?topics=settings", login, b"hello", UPGRADE)
        sockets = settled(pid)
        print(f"{count} connections: {(idle - empty) / count:.0f} bytes each while idle, {(parked - idle) / (count // 2):.0f} more "
              f"while parked, {(sockets - parked) / (count // 2):.0f} more with a WebSocket")
        del warm
    finally:
        up.terminate()
        up.wait()
        subprocess.run(["rm", "-rf", folder])


main()
