"""A scripted SMTP server: accepts mail, or mistreats its client on demand.

    with Sink() as sink:
        sink.reply["RCPT"] = "450 4.2.1 later"            # for every RCPT
        sink.reply["RCPT"] = lambda s, line: ...          # or by the command; None: the usual reply
        sink.reply["DATA"] = DROP                         # close instead of answering
        sink.reply["END"] = SILENT                        # never answer
        sink.extensions.remove("PIPELINING")
        sink.tls = "bad"                                  # 220 to STARTTLS, then garbage

Steps: GREETING, EHLO, HELO, STARTTLS, AUTH, MAIL, RCPT, DATA, BDAT (a chunk that is not the
last), END (the final dot or the last chunk), RSET, QUIT, NOOP. `messages` holds what was
accepted, `sessions` the commands, `busiest` the highest number of messages in progress at
once.

    sink.extensions += ["CHUNKING", "AUTH SCRAM-SHA-256 PLAIN"]
    sink.users = {"me": "secret"}
    sink.use_certificate(cert, key, client_ca=None)   # files, for tls="ok" """

import asyncio
import base64
import hashlib
import hmac
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from pathlib import Path

DROP, SILENT = object(), object()


class Session:
    def __init__(self, number, peer, local):
        self.number, self.peer, self.local = number, peer, local
        self.lines = []  # commands as received
        self.helo = None
        self.tls = False
        self.client_certificate = None
        self.sni = None
        self.account = None
        self.mail = None
        self.rcpts = []
        self.chunks = None  # data of the BDATs so far
        self.ended = None   # when, on time.monotonic()

    def was_cut(self):
        """Ended without QUIT, as when the client dies."""
        return self.ended is not None and self.lines[-1:] != ["QUIT"]


class Message:
    def __init__(self, session, data):
        self.session = session
        self.mail, self.rcpts = session.mail, list(session.rcpts)
        self.tls, self.peer, self.data = session.tls, session.peer, data
        self.time = time.monotonic()
        self.answered = None  # when, likewise


class Sink:
    EXTENSIONS = ["PIPELINING", "SIZE", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES"]

    def __init__(self, host="127.0.0.1", port=0, name="sink.remote.test", tls=None):
        self.name = name
        self.extensions = list(self.EXTENSIONS)
        self.reply = {}
        self.delay = {}        # step -> seconds, or a function that returns them
        self.tls = tls         # None, "ok", "bad" (garbage for a handshake), "closed"
        self.drop_in_data = None  # bytes of data after which the connection is closed
        self.esmtp = True
        self.users = {}
        self.messages, self.sessions = [], []
        self.busy, self.busiest = set(), 0  # sessions with a message in progress, and their highest number
        self.begun = []                     # when each message began
        self.writers = set()
        self.lock = threading.Lock()
        self.socket = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET,
                                           backlog=512)
        self.host, self.port = host, self.socket.getsockname()[1]
        self.dir = None
        self.context = self._certificate() if tls is not None else None
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.ready = threading.Event()

    def _certificate(self):
        self.dir = Path(tempfile.mkdtemp(prefix="stagepost-sink-"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                        f"/CN={self.name}", "-keyout", self.dir / "key.pem", "-out", self.dir / "cert.pem"],
                       check=True, capture_output=True)
        return self._context(self.dir / "cert.pem", self.dir / "key.pem")

    def _context(self, cert, key, client_ca=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        if client_ca is not None:
            context.load_verify_locations(client_ca)
            context.verify_mode = ssl.CERT_OPTIONAL
        context.sni_callback = self._on_sni
        return context

    def _on_sni(self, connection, name, context):
        self.last_sni = name

    def use_certificate(self, cert, key, client_ca=None):
        self.context = self._context(cert, key, client_ca)

    # ---- its life ----

    def _run(self):
        asyncio.set_event_loop(self.loop)

        async def serve():
            self.server = await asyncio.start_server(self._serve, sock=self.socket, limit=1 << 20)
            self.ready.set()

        self.loop.run_until_complete(serve())
        self.loop.run_forever()
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.close()

    def start(self):
        self.thread.start()
        self.ready.wait(5)
        return self

    def stop(self):
        if self.thread.is_alive():
            self.loop.call_soon_threadsafe(self.server.close)
            self.loop.call_soon_threadsafe(self.loop.stop)
            self.thread.join(5)
        if self.dir:
            shutil.rmtree(self.dir, ignore_errors=True)

    __enter__ = start

    def __exit__(self, *exc):
        self.stop()

    def reset(self):
        """As new, except for its port: idle clients are disconnected."""
        async def close_all():
            for writer in list(self.writers):
                writer.transport.abort()

        asyncio.run_coroutine_threadsafe(close_all(), self.loop).result(5)
        with self.lock:
            self.extensions = list(self.EXTENSIONS)
            self.reply, self.delay, self.drop_in_data, self.esmtp, self.users = {}, {}, None, True, {}
            self.messages, self.sessions = [], []
            self.busy, self.busiest, self.begun = set(), 0, []

    def wait(self, count=1, timeout=15):
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            with self.lock:
                if len(self.messages) >= count:
                    return list(self.messages)
            time.sleep(0.02)
        raise AssertionError(f"{len(self.messages)} of {count} messages in {timeout} s")

    # ---- a session ----

    async def _serve(self, reader, writer):
        with self.lock:
            session = Session(len(self.sessions), writer.get_extra_info("peername")[0],
                              writer.get_extra_info("sockname")[0])
            self.sessions.append(session)
        self.writers.add(writer)
        # Not set by asyncio on sockets that it did not make itself.
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            await self._session(session, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ssl.SSLError, EOFError):
            pass
        finally:
            session.ended = time.monotonic()
            self.busy.discard(session)
            self.writers.discard(writer)
            writer.close()

    async def _answer(self, session, writer, step, line, usual):
        """True: continue. The scripted reply, or the usual one."""
        said = self.reply.get(step)
        if callable(said):
            said = said(session, line)
        if said is None:
            said = usual
        if step in self.delay:
            seconds = self.delay[step]
            await asyncio.sleep(seconds() if callable(seconds) else seconds)
        if said is SILENT:
            await asyncio.sleep(3600)
        if said is DROP:
            raise EOFError
        if isinstance(said, str):
            said = said.encode()
        writer.write(said if said.endswith(b"\r\n") else said + b"\r\n")
        await writer.drain()
        return said[:1] in (b"2", b"3")

    async def _session(self, session, reader, writer):
        await self._answer(session, writer, "GREETING", "", f"220 {self.name} ESMTP")
        while True:
            raw = await reader.readuntil(b"\r\n")
            line = raw.decode("utf-8", "replace").rstrip("\r\n")
            session.lines.append(line)
            verb = line.split(" ", 1)[0].upper()
            handler = getattr(self, f"_on_{verb.lower()}", None)
            if handler is None:
                await self._answer(session, writer, verb, line, "500 5.5.1 what?")
                continue
            result = await handler(session, line, reader, writer)
            if result is not None:
                reader, writer = result

    async def _on_ehlo(self, session, line, reader, writer):
        session.helo = line.split(" ", 1)[-1]
        if not self.esmtp:
            await self._answer(session, writer, "EHLO", line, "502 5.5.1 no such command")
            return
        offers = list(self.extensions)
        if self.tls is not None and not session.tls:
            offers.append("STARTTLS")
        lines = [self.name] + offers
        text = "".join(f"250{'-' if i < len(lines) - 1 else ' '}{t}\r\n" for i, t in enumerate(lines))
        await self._answer(session, writer, "EHLO", line, text)

    async def _on_helo(self, session, line, reader, writer):
        session.helo = line.split(" ", 1)[-1]
        await self._answer(session, writer, "HELO", line, f"250 {self.name}")

    async def _on_starttls(self, session, line, reader, writer):
        if not await self._answer(session, writer, "STARTTLS", line, "220 go ahead"):
            return None
        if self.tls == "bad":
            await reader.read(1)  # the client's hello
            writer.write(b"this is not TLS at all, whatever you say\r\n")
            await writer.drain()
            raise EOFError
        if self.tls == "closed":
            raise EOFError
        transport = writer.transport
        protocol = transport.get_protocol()
        new = await self.loop.start_tls(transport, protocol, self.context, server_side=True)
        reader._transport = new
        session.tls = True
        session.sni = getattr(self, "last_sni", None)
        session.client_certificate = new.get_extra_info("peercert")
        return reader, asyncio.StreamWriter(new, protocol, reader, self.loop)

    # ---- AUTH ----

    async def _ask(self, session, reader, writer, challenge):
        writer.write(b"334 " + base64.b64encode(challenge) + b"\r\n")
        await writer.drain()
        line = await reader.readuntil(b"\r\n")
        session.lines.append(line.decode().rstrip("\r\n"))
        return base64.b64decode(line.strip())

    async def _on_auth(self, session, line, reader, writer):
        words = line.split(" ")
        initial = base64.b64decode(words[2]) if len(words) > 2 else b""
        if words[1].upper() == "PLAIN":
            user, password = initial.decode().split("\0")[1:]
            good = self.users.get(user) == password
        elif words[1].upper() == "LOGIN":
            user = (await self._ask(session, reader, writer, b"Username:")).decode()
            password = (await self._ask(session, reader, writer, b"Password:")).decode()
            good = self.users.get(user) == password
        else:
            user, good = await self._scram(session, initial.decode(), reader, writer)
        if await self._answer(session, writer, "AUTH", line, "235 2.7.0 welcome" if good else "535 5.7.8 no") and good:
            session.account = user

    async def _scram(self, session, first, reader, writer):
        bare = first[len("n,,"):]
        user, nonce = (part[2:] for part in bare.split(","))
        nonce += base64.b64encode(os.urandom(9)).decode()
        salt = os.urandom(16)
        server_first = f"r={nonce},s={base64.b64encode(salt).decode()},i=4096"
        final = (await self._ask(session, reader, writer, server_first.encode())).decode()
        without_proof, _, proof = final.rpartition(",p=")
        auth = f"{bare},{server_first},{without_proof}".encode()

        def mac(key, text):
            return hmac.new(key, text, hashlib.sha256).digest()

        salted = hashlib.pbkdf2_hmac("sha256", self.users.get(user, "").encode(), salt, 4096)
        stored = hashlib.sha256(mac(salted, b"Client Key")).digest()
        key = bytes(a ^ b for a, b in zip(base64.b64decode(proof), mac(stored, auth)))
        if user not in self.users or hashlib.sha256(key).digest() != stored:
            return user, False
        signature = base64.b64encode(mac(mac(salted, b"Server Key"), auth))
        await self._ask(session, reader, writer, b"v=" + signature)
        return user, True

    # ---- messages ----

    async def _on_mail(self, session, line, reader, writer):
        if await self._answer(session, writer, "MAIL", line, "250 2.1.0 ok"):
            session.mail, session.rcpts, session.chunks = line[len("MAIL FROM:"):], [], bytearray()
            self.busy.add(session)
            self.busiest = max(self.busiest, len(self.busy))
            self.begun.append(time.monotonic())

    async def _on_rcpt(self, session, line, reader, writer):
        if session.mail is None:
            await self._answer(session, writer, "RCPT-EARLY", line, "503 5.5.1 MAIL first")
        elif await self._answer(session, writer, "RCPT", line, "250 2.1.5 ok"):
            session.rcpts.append(line[len("RCPT TO:"):])

    async def _on_data(self, session, line, reader, writer):
        if not session.rcpts:
            await self._answer(session, writer, "DATA-EARLY", line, "554 5.5.1 no valid recipients")
            return
        if not await self._answer(session, writer, "DATA", line, "354 go ahead"):
            return
        data = bytearray()
        while True:
            part = await reader.readuntil(b"\r\n")
            if part == b".\r\n":
                break
            data += part[1:] if part.startswith(b".") else part
            if self.drop_in_data is not None and len(data) >= self.drop_in_data:
                raise EOFError
        await self._take(session, writer, line, bytes(data))

    async def _take(self, session, writer, line, data):
        message = Message(session, data)
        session.mail, session.rcpts, session.chunks = None, [], None
        if await self._answer(session, writer, "END", line, "250 2.0.0 taken"):
            message.answered = time.monotonic()
            with self.lock:
                self.messages.append(message)
        self.busy.discard(session)

    async def _on_bdat(self, session, line, reader, writer):
        words = line.split(" ")
        data = await reader.readexactly(int(words[1]))
        if not session.rcpts or session.chunks is None:
            await self._answer(session, writer, "BDAT-EARLY", line, "503 5.5.1 no valid recipients")
            return
        session.chunks += data
        if self.drop_in_data is not None and len(session.chunks) >= self.drop_in_data:
            raise EOFError
        if len(words) > 2:
            await self._take(session, writer, line, bytes(session.chunks))
        elif not await self._answer(session, writer, "BDAT", line, f"250 2.0.0 {len(data)} octets"):
            session.chunks = None

    async def _on_rset(self, session, line, reader, writer):
        session.mail, session.rcpts, session.chunks = None, [], None
        await self._answer(session, writer, "RSET", line, "250 2.0.0 ok")

    async def _on_noop(self, session, line, reader, writer):
        await self._answer(session, writer, "NOOP", line, "250 2.0.0 ok")

    async def _on_quit(self, session, line, reader, writer):
        await self._answer(session, writer, "QUIT", line, "221 2.0.0 bye")
        raise EOFError


def greylisting(seconds):
    """For reply["RCPT"]: each recipient is refused until seconds after its first try."""
    first = {}

    def reply(session, line):
        begun = first.setdefault(line, time.monotonic())
        return None if time.monotonic() - begun >= seconds else "451 4.7.1 greylisted, come back"

    return reply
