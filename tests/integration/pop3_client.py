"""A POP3 client that sends exactly what a test tells it to."""

import base64
import hashlib
import hmac
import os
import socket
import ssl
import subprocess


def b64(data):
    return base64.b64encode(data if isinstance(data, bytes) else data.encode()).decode()


class Pop:
    def __init__(self, port, tls=False, greet=True, first=b"", timeout=20):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.data = b""
        if first:
            self.send(first)
        if tls:
            self.start_tls()
        if greet:
            self.greeting = self.line()
            assert self.greeting.startswith("+OK"), self.greeting

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.socket.close()

    def start_tls(self):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.socket = context.wrap_socket(self.socket)

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def raw_line(self):
        while b"\n" not in self.data:
            more = self.socket.recv(65536)
            if not more:
                raise EOFError(self.data)
            self.data += more
        line, self.data = self.data.split(b"\n", 1)
        assert line.endswith(b"\r"), line
        return line[:-1]

    def line(self):
        line = self.raw_line()
        assert len(line) + 2 <= 512, line
        return line.decode()

    def cmd(self, line):
        self.send((line if isinstance(line, bytes) else line.encode()) + b"\r\n")
        return self.line()

    def ok(self, line):
        reply = self.cmd(line)
        assert reply == "+OK" or reply.startswith("+OK "), f"{line!r}: {reply}"
        return reply[4:]

    def err(self, line, code=None):
        reply = self.cmd(line)
        assert reply.startswith("-ERR "), f"{line!r}: {reply}"
        if code is not None:
            assert reply.startswith(f"-ERR [{code}] "), f"{line!r}: {reply}"
        return reply[5:]

    def lines(self):
        """The lines of a multi-line answer after the first, with dots removed."""
        out = []
        while True:
            line = self.raw_line()
            if line == b".":
                return out
            out.append(line[1:] if line.startswith(b".") else line)

    def multi(self, line):
        self.ok(line)
        return [text.decode() for text in self.lines()]

    def retr(self, number, command="RETR", rest=""):
        """The message as bytes."""
        self.ok(f"{command} {number}{rest}")
        return b"".join(text + b"\r\n" for text in self.lines())

    def capa(self):
        return {line.split(" ")[0]: line.partition(" ")[2] for line in self.multi("CAPA")}

    def login(self, user, password="secret"):
        self.ok(f"USER {user}")
        return self.ok(f"PASS {password}")

    def quit(self):
        reply = self.ok("QUIT")
        assert self.is_closed()
        return reply

    def is_closed(self):
        """Closed by the server, after its last output (kept in .data)."""
        try:
            while True:
                more = self.socket.recv(65536)
                if not more:
                    return True
                self.data += more
        except ConnectionError:
            return True
        except TimeoutError:
            return False

    # ---- AUTH ----

    def plain(self, user, password="secret", authzid=""):
        return self.cmd("AUTH PLAIN " + b64(f"{authzid}\0{user}\0{password}"))

    def challenge(self, line):
        reply = self.cmd(line)
        assert reply.startswith("+ "), f"{line!r}: {reply}"
        return base64.b64decode(reply[2:], validate=True)

    def auth_login(self, user, password="secret"):
        assert self.challenge("AUTH LOGIN") == b"Username:"
        assert self.challenge(b64(user)) == b"Password:"
        return self.cmd(b64(password))

    def scram(self, user, password="secret", mechanism="SCRAM-SHA-256", binding=None, initial=True):
        """SCRAM (RFC 5802, 7677); checks the server's signature too. binding: for -PLUS."""
        header = "n,," if binding is None else "p=tls-exporter,,"
        nonce = b64(os.urandom(18))
        first = f"n={user},r={nonce}"
        if initial:
            server_first = self.challenge(f"AUTH {mechanism} {b64(header + first)}").decode()
        else:
            assert self.challenge(f"AUTH {mechanism}") == b""
            server_first = self.challenge(b64(header + first)).decode()
        fields = dict(field.split("=", 1) for field in server_first.split(","))
        assert fields["r"].startswith(nonce) and len(fields["r"]) > len(nonce)
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(fields["s"]), int(fields["i"]))
        final = f"c={b64(header.encode() + (binding or b''))},r={fields['r']}"
        signed = f"{first},{server_first},{final}".encode()

        def mac(key, data):
            return hmac.new(key, data, "sha256").digest()

        client_key = mac(salted, b"Client Key")
        signature = mac(hashlib.sha256(client_key).digest(), signed)
        proof = b64(bytes(a ^ b for a, b in zip(client_key, signature)))
        reply = self.cmd(b64(f"{final},p={proof}"))
        if not reply.startswith("+ "):
            return reply
        assert base64.b64decode(reply[2:]).decode() == "v=" + b64(mac(mac(salted, b"Server Key"), signed))
        return self.cmd("")


class PopByOpenssl(Pop):
    """Through `openssl s_client`, which can print the channel binding of RFC 9266."""

    def __init__(self, port):
        self.process = subprocess.Popen(
            ["openssl", "s_client", "-nocommands", "-ign_eof", "-keymatexport", "EXPORTER-Channel-Binding",
             "-keymatexportlen", "32", "-connect", f"127.0.0.1:{port}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.binding = None
        while self.binding is None:
            line = self.process.stdout.readline()
            assert line, "no keying material"
            if b"Keying material:" in line:
                self.binding = bytes.fromhex(line.split(b":")[1].strip().decode())

    def __exit__(self, *exc):
        self.process.stdin.close()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def send(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def raw_line(self):
        """The next line of an answer; the output of s_client itself is skipped."""
        while True:
            line = self.process.stdout.readline()
            if not line:
                raise EOFError
            if line.endswith(b"\r\n"):
                return line[:-2]
