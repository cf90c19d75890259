"""The live stream over a WebSocket: as python3-websockets reads it, and on a bare socket for what no library does."""

import asyncio
import base64
import json
import os
import socket
import ssl
import struct
import threading

import websockets

PATH = "/api/v1/live"


def basic(login):
    return "Basic " + base64.b64encode(login.encode()).decode()


class LiveSocket:
    """Messages are (event, data, last id), as those of test_live.Stream."""

    def __init__(self, uri, headers=None, **options):
        self.uri, self.headers, self.options = uri, headers or {}, options
        self.messages, self.id, self.code, self.status, self.protocol = [], "", None, None, None
        self.ended, self.opened = False, threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self.run()), daemon=True)
        self.thread.start()
        assert self.opened.wait(30)

    async def run(self):
        if self.uri.startswith("wss:"):
            self.options["ssl"] = ssl._create_unverified_context()
        try:
            async with websockets.connect(self.uri, extra_headers=self.headers, compression=None, ping_interval=None,
                                          max_size=None, **self.options) as ws:
                self.loop, self.ws, self.protocol, self.status = asyncio.get_running_loop(), ws, ws.subprotocol, 101
                self.opened.set()
                async for text in ws:
                    self.take(json.loads(text))
                self.code = ws.close_code
        except websockets.exceptions.InvalidStatusCode as e:
            self.status = e.status_code
        except websockets.exceptions.ConnectionClosed as e:
            self.code = e.rcvd.code if e.rcvd else 1006
        except OSError:
            self.code = 1006
        self.ended = True
        self.opened.set()

    def take(self, message):
        self.id = message.get("id", self.id)
        if message["event"] != "place":
            self.messages.append((message["event"], message["data"], self.id))

    def of(self, *kinds):
        return [m[1] for m in list(self.messages) if m[0] in kinds]

    def do(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    def close(self):
        if self.status == 101 and not self.ended:
            try:
                self.do(self.ws.close())
            except Exception:
                pass
        self.thread.join(30)


class Bare:
    """A socket that has done its handshake; it sends and reads frames as it is told, and answers nothing by itself."""

    def __init__(self, port, login=None, query="?topics=settings", headers=(), host="127.0.0.1", tls=False):
        self.socket = socket.create_connection((host, port), timeout=60)
        if tls:
            self.socket = ssl._create_unverified_context().wrap_socket(self.socket)
        key = base64.b64encode(os.urandom(16)).decode()
        fields = [f"GET {PATH}{query} HTTP/1.1", "Host: a", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
                  f"Sec-WebSocket-Key: {key}", *headers]
        if login:
            fields.append(f"Authorization: {basic(login)}")
        self.socket.sendall(("\r\n".join(fields) + "\r\n\r\n").encode())
        self.file = self.socket.makefile("rb")
        self.status = int(self.file.readline().split()[1])
        while self.file.readline() not in (b"\r\n", b""):
            pass

    def send(self, first, payload=b"", masked=True):
        head = bytes([first, (0x80 if masked else 0) | len(payload)]) if len(payload) < 126 else \
            bytes([first, (0x80 if masked else 0) | 126]) + struct.pack(">H", len(payload))
        mask = os.urandom(4) if masked else b""
        data = bytes(b ^ mask[i % 4] for i, b in enumerate(payload)) if masked else payload
        self.socket.sendall(head + mask + data)

    def read(self):
        """(opcode, payload), or None at the end."""
        head = self.file.read(2)
        if len(head) < 2:
            return None
        length = head[1] & 0x7f
        if length >= 126:
            length = int.from_bytes(self.file.read(2 if length == 126 else 8), "big")
        return head[0] & 0x0f, self.file.read(length)

    def read_close(self):
        """The code of the close that comes, whatever comes before; 1006: none came."""
        try:
            while (frame := self.read()) is not None:
                if frame[0] == 8:
                    return int.from_bytes(frame[1][:2], "big")
        except OSError:
            pass
        return 1006

    def close(self):
        self.file.close()
        self.socket.close()
