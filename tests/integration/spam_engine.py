"""Spam engines for the tests: the real ones of Debian, and a scripted one that
speaks both protocols and mistreats its client on demand."""

import json
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from cluster import Cluster, wait_for
from ports import free_port

GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"


class Real:
    """A program in its own folder, ended by its pid."""

    def __init__(self, scheme):
        self.dir = Path(tempfile.mkdtemp(prefix="stagepost-spam-"))
        self.port = free_port()
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        self.process = None

    def run(self, *command):
        with open(self.dir / "log", "w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=self.dir)
        wait_for(lambda: self.process.poll() is not None or Cluster.is_open(self.port), 240, what=command[0])
        assert self.process.poll() is None, (self.dir / "log").read_text()
        return self

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)
        shutil.rmtree(self.dir, ignore_errors=True)


def spamd():
    e = Real("spamd")
    return e.run("/usr/sbin/spamd", "--local", "--nouser-config", "--max-children", "2", "--syslog", "stderr",
                 "--listen", f"127.0.0.1:{e.port}")


RSPAMD = """
options {{ pidfile = "{dir}/pid"; rspamd_socket_dir = "{dir}"; control_socket = "{dir}/control mode=0600";
  filters = ""; tempdir = "{dir}"; hs_cache_dir = "{dir}"; enable_test_patterns = true;
  dns {{ nameserver = "127.0.0.1:1"; }} }}
logging {{ type = "console"; level = "notice"; }}
actions {{ reject = 15; add_header = 6; greylist = 4; }}
worker "normal" {{ bind_socket = "127.0.0.1:{port}"; count = 1; }}
"""


def rspamd():
    """Without its rules: its core contains what the tests need."""
    e = Real("rspamd")
    (e.dir / "rspamd.conf").write_text(RSPAMD.format(dir=e.dir, port=e.port))
    return e.run("/usr/bin/rspamd", "--insecure", "--no-fork", "--config", str(e.dir / "rspamd.conf"))


class Fake:
    """mode: "ham", "spam", "auto" (by the word in the body), or how to fail: "silent", "closes", "cut",
    "garbage", "error", "hangs-up" (at once), "deaf" (reads nothing). "slow" says "auto" byte by byte.
    "reject" and "soft" are rspamd's actions."""

    def __init__(self, scheme="spamd", port=None, mode="auto"):
        self.scheme, self.port, self.mode = scheme, port or free_port(), mode
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        self.words = ""  # of rspamd, for the client
        self.requests = []  # (head, body), as received
        self.begun = 0
        self.socket = None

    def start(self):
        self.socket = socket.create_server(("127.0.0.1", self.port), backlog=100)
        threading.Thread(target=self._accept, args=(self.socket,), daemon=True).start()
        return self

    def stop(self):
        if self.socket is not None:
            self.socket.shutdown(socket.SHUT_RDWR)
            self.socket.close()
        self.socket = None

    def _accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self.begun += 1
            threading.Thread(target=self._serve, args=(client, self.mode), daemon=True).start()

    def _serve(self, client, mode):
        with client:
            try:
                self._talk(client, mode)
            except OSError:
                pass

    def _talk(self, client, mode):
        client.settimeout(120)
        if mode == "hangs-up":
            return
        if mode == "deaf":
            time.sleep(60)
            return
        stream = client.makefile("rb")
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = stream.readline()
            if not line:
                return
            head += line
        length = next(int(l.split(b":")[1]) for l in head.split(b"\r\n") if l.lower().startswith(b"content-length"))
        body = stream.read(length)
        self.requests.append((head.decode(), body))
        if mode == "silent":
            stream.read(1)  # until it is given up
        elif mode == "garbage":
            client.sendall(b"220 mail.example.net ESMTP\r\n\r\nhello\r\n")
        elif mode == "error":
            client.sendall(b"SPAMD/1.0 76 Bad header line\r\n" if self.scheme == "spamd" else
                           b'HTTP/1.1 500 trouble\r\nContent-Length: 19\r\n\r\n{"error":"trouble"}')
        elif mode != "closes":
            self._answer(client, mode, mode == "spam" or (mode != "ham" and b"viagra" in body))

    def _answer(self, client, mode, spam):
        if self.scheme == "spamd":
            symbols = b"FAKE_SPAM,MORE" if spam else b""
            answer = b"SPAMD/1.1 0 EX_OK\r\nContent-length: %d\r\nSpam: %s\r\n\r\n%s" % (
                len(symbols), b"True ; 9.5 / 5.0" if spam else b"False ; 0.5 / 5.0", symbols)
        else:
            text = json.dumps({"score": 9.5 if spam else 0.5, "required_score": 15,
                               "action": {"reject": "reject", "soft": "soft reject"}.get(
                                   mode, "add header" if spam else "no action"),
                               "messages": {"smtp_message": self.words} if self.words else {},
                               "symbols": {"FAKE_SPAM": {"score": 9.5}} if spam else {}}).encode()
            answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text)
        if mode == "cut":
            answer = answer[:-5] if spam else answer[:20]
        for i in range(0, len(answer), 1 if mode == "slow" else len(answer)):
            client.sendall(answer[i:i + (1 if mode == "slow" else len(answer))])
            if mode == "slow":
                time.sleep(0.01)


class Clamd(Fake):
    """Modes: "auto" (a virus by the word in the body), "small" (the message is over its limit; "small-early": and it reads no
    more of it), "error", "silent",
    "hangs-up". It takes nothing but well-formed chunks."""

    def __init__(self, port=None, mode="auto"):
        super().__init__("clamd", port, mode)

    def _talk(self, client, mode):
        client.settimeout(120)
        if mode == "hangs-up":
            return
        stream = client.makefile("rb")
        command, body = stream.read(10), b""
        if command != b"zINSTREAM\0":
            client.sendall(b"UNKNOWN COMMAND\0")
            return
        if mode == "small-early":  # as clamd does
            stream.read(300000)
            client.sendall(b"INSTREAM size limit exceeded. ERROR\0")
            return
        while (length := int.from_bytes(stream.read(4), "big")) > 0:
            body += stream.read(length)
        self.requests.append((command.decode(), body))
        if mode == "silent":
            stream.read(1)
        elif mode == "error":
            client.sendall(b"stream: Can't allocate memory ERROR\0")
        elif mode == "small":
            client.sendall(b"INSTREAM size limit exceeded. ERROR\0")
        else:
            client.sendall(b"stream: Eicar-Signature FOUND\0" if b"EICAR" in body else b"stream: OK\0")
