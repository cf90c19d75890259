"""A relay between one program and Redis, which reads every request and can hold it, lose it or lose its
answer: it does what a slow network, a sleeping process and a broken connection do, at the step that a
test names.

    with RedisRelay(cluster.port("redis")) as relay:
        ...start a program with --redis relay.url...
        rule = relay.on(CUT_ANSWER, script="mailbox/file")
        ...
        rule.wait()

A rule acts on the first `times` requests that match. Rules are tried in the order of their creation."""

import hashlib
import os
import queue
import signal
import socket
import subprocess
import threading
import urllib.request
from pathlib import Path

from cluster import BUILD, ROOT, wait_for
from ports import free_port

HOLD = "hold"                # holds the request, and everything after it on its connection, until release()
HOLD_ANSWER = "hold answer"  # Redis executes it; the answer arrives at release()
CUT = "cut"                  # the connection breaks; Redis never gets the request
CUT_ANSWER = "cut answer"    # Redis executes it; the connection breaks before the answer
WATCH = "watch"              # nothing: only noted

SUBSCRIBING = (b"SUBSCRIBE", b"PSUBSCRIBE", b"SSUBSCRIBE")


class Scripts:
    """The scripts that programs load: each is a file of the tree, after a prefix that the program adds."""

    def __init__(self):
        self.files = [(path.read_bytes(), f"{path.parent.name}/{path.stem}") for path in ROOT.glob("*/**/*.lua")]
        self.names = {}  # by SHA-1

    def loaded(self, text):
        fits = [(len(body), name) for body, name in self.files if text.endswith(body)]
        if fits:
            self.names[hashlib.sha1(text).hexdigest()] = max(fits)[1]


class Request:
    def __init__(self, raw, argv, scripts):
        self.raw, self.argv = raw, argv
        self.command = argv[0].upper().decode() if argv else ""
        if self.command == "SCRIPT" and argv[1].upper() == b"LOAD":
            scripts.loaded(argv[2])
        self.script = scripts.names.get(argv[1].decode()) if self.command == "EVALSHA" else None


class Rule:
    def __init__(self, action, fits, times, call):
        self.action, self.fits, self.left, self.call = action, fits, times, call
        self.requests = []  # the requests that it acted on
        self._met, self._released = threading.Event(), threading.Event()

    def wait(self, timeout=20):
        """Waits until a matching request has arrived (with CUT_ANSWER, HOLD_ANSWER: until Redis has executed it)."""
        assert self._met.wait(timeout), f"no request to {self.action} within {timeout} s"
        return self.requests[-1]

    def met(self):
        return self._met.is_set()

    def release(self):
        self._released.set()


class Broken(Exception):
    pass


class Stream:
    """Reads whole values of the protocol (RESP2), raw."""

    def __init__(self, sock):
        self.sock, self.data = sock, b""

    def more(self):
        piece = self.sock.recv(65536)
        if not piece:
            raise Broken
        self.data += piece

    def line_end(self, at):
        while (end := self.data.find(b"\r\n", at)) < 0:
            self.more()
        return end

    def value_end(self, at, leaves):
        """Where the value that begins at `at` ends; its bulk strings go to leaves."""
        end = self.line_end(at)
        kind, rest = self.data[at:at + 1], self.data[at + 1:end]
        end += 2
        if kind == b"$" and int(rest) >= 0:
            whole = end + int(rest) + 2
            while len(self.data) < whole:
                self.more()
            leaves.append(self.data[end:whole - 2])
            return whole
        if kind == b"*":
            for _ in range(int(rest)):
                end = self.value_end(end, leaves)
        return end

    def value(self):
        leaves = []
        end = self.value_end(0, leaves)
        raw, self.data = self.data[:end], self.data[end:]
        return raw, leaves


class Connection:
    def __init__(self, relay, client):
        self.relay, self.client = relay, client
        self.server = socket.create_connection(("127.0.0.1", relay.upstream))
        for sock in (self.client, self.server):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.answers = queue.Queue()  # a rule, or None, for each request on its way
        self.subscribed = False
        for run in (self.carry_requests, self.carry_answers):
            threading.Thread(target=run, daemon=True).start()

    def cut(self):
        for sock in (self.client, self.server):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def has_more(self):
        """Has a request arrived that waits behind a held one?"""
        try:
            return bool(self.client.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except OSError:
            return False

    def carry_requests(self):
        stream = Stream(self.client)
        try:
            while True:
                raw, argv = stream.value()
                self.carry(Request(raw, argv, self.relay.scripts))
        except (Broken, OSError):
            pass
        self.cut()

    def carry(self, request):
        rule = self.relay.rule_for(request)
        action = rule.action if rule else None
        if request.argv and request.argv[0].upper() in SUBSCRIBING:
            self.subscribed = True
        if action in (HOLD, CUT, WATCH):
            rule._met.set()
        if action == CUT:
            raise Broken
        if action == HOLD:
            # A held request is sent to Redis however long ago its sender gave up: it had been sent.
            rule._released.wait()
        self.answers.put(rule if action in (HOLD_ANSWER, CUT_ANSWER) else None)
        self.server.sendall(request.raw)

    def carry_answers(self):
        stream = Stream(self.server)
        try:
            while True:
                if self.subscribed:  # everything received is passed on
                    stream.more()
                    self.client.sendall(stream.data)
                    stream.data = b""
                    continue
                raw, _ = stream.value()
                self.pass_on(raw)
        except (Broken, OSError):
            pass
        self.cut()

    def pass_on(self, raw):
        rule = None if self.subscribed else self.answers.get()
        if rule:
            rule._met.set()
            if rule.action == CUT_ANSWER:
                raise Broken
            rule._released.wait()
        self.client.sendall(raw)


class RedisRelay:
    def __init__(self, upstream):
        self.upstream, self.scripts = upstream, Scripts()
        self.rules, self.connections, self.lock = [], [], threading.Lock()
        self.closed = False  # True: nobody gets through

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}"
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *exc):
        self.listener.close()
        for rule in self.rules:
            rule.release()
        self.cut_all()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
                if self.closed:
                    client.close()
                    continue
                self.connections.append(Connection(self, client))
            except OSError:
                return

    def on(self, action, script=None, key=None, command=None, where=None, times=1, call=None):
        """A rule for requests that run this script ("mailbox/file"), have `key` as a part of an argument, are
        this command, and are such that where(request) is true. call(request) is called before the action."""
        part = key.encode() if isinstance(key, str) else key

        def fits(request):
            return ((script is None or request.script == script)
                    and (command is None or request.command == command)
                    and (part is None or any(part in arg for arg in request.argv))
                    and (where is None or where(request)))

        rule = Rule(action, fits, times, call)
        with self.lock:
            self.rules.append(rule)
        return rule

    def rule_for(self, request):
        with self.lock:
            rule = next((r for r in self.rules if r.left > 0 and r.fits(request)), None)
            if rule is None:
                return None
            rule.left -= 1
            rule.requests.append(request)
        if rule.call:
            rule.call(request)
        return rule

    def cut_all(self):
        """Breaks every open connection; new ones are accepted unless `closed` is set."""
        for connection in list(self.connections):
            connection.cut()


class Relayed:
    """A program of the cluster that reaches Redis through the relay."""

    def __init__(self, program, cluster, relay, folder, name="relayed", env=None, options=()):
        self.name, self.log_path, self.metrics_port = name, Path(folder) / f"{name}.log", free_port()
        with open(self.log_path, "w") as log:
            self.process = subprocess.Popen(
                [BUILD / program, "--id", name, "--redis", relay.url, "--blobs", f"file:{cluster.dir / 'blobs'}",
                 "--metrics-port", str(self.metrics_port), *options], stdout=log,
                stderr=subprocess.STDOUT, env=dict(os.environ, STAGEPOST_HOSTNAME="mx.example.test", **(env or {})))
        wait_for(self.is_ready, 20, what="the program is ready")

    def is_ready(self):
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/readyz", timeout=2).status == 200
        except OSError:
            return False

    def log(self):
        return self.log_path.read_text(errors="replace")

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class RelayedWorker(Relayed):
    def __init__(self, *args, **kwargs):
        super().__init__("delivery-worker", *args, **kwargs)


class RelayedFrontend(Relayed):
    """For one protocol alone."""

    def __init__(self, cluster, *args, protocol="imap", **kwargs):
        self.port = free_port()
        base = self.port - {"imap": 143, "http": 80}[protocol]
        super().__init__("frontend", cluster, *args, **kwargs,
                         options=("--protocols", protocol, "--port-base", str(base)))
