"""A client that sends exactly what a test tells it to."""

import base64
import hashlib
import hmac
import os
import socket
import ssl
import subprocess


class Smtp:
    def __init__(self, port, greet=True, host="127.0.0.1", tls=False, first=b"", ehlo=False, timeout=20):
        self.socket = socket.create_connection((host, port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.data = b""
        if first:
            self.send(first)
        if tls:
            self.start_tls()
        if greet:
            self.greeting = self.reply()
            assert self.greeting[0] == 220, self.greeting
        if ehlo:
            self.ehlo()

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

    def line(self):
        while b"\r\n" not in self.data:
            more = self.socket.recv(65536)
            if not more:
                raise EOFError(self.data)
            self.data += more
        line, self.data = self.data.split(b"\r\n", 1)
        return line.decode()

    def reply(self):
        """(code, text), lines of the text joined by LF."""
        lines = []
        while True:
            line = self.line()
            assert len(line) + 2 <= 512 and line[:3].isdigit(), line
            lines.append(line[4:])
            if line[3:4] != "-":
                return int(line[:3]), "\n".join(lines)

    def cmd(self, line):
        self.send((line if isinstance(line, bytes) else line.encode()) + b"\r\n")
        return self.reply()

    def ehlo(self, name="client.example.net"):
        code, text = self.cmd(f"EHLO {name}")
        assert code == 250, text
        self.extensions = {line.split(" ")[0]: line.partition(" ")[2] for line in text.split("\n")[1:]}
        return self.extensions

    def expect(self, code, line):
        got = self.cmd(line)
        assert got[0] == code, f"{line!r}: {got}"
        return got[1]

    def is_closed(self):
        """Closed by the server, after its last output."""
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

    def mail(self, recipients, message, sender="sender@remote.example"):
        """The spool id."""
        if isinstance(recipients, str):
            recipients = [recipients]
        self.expect(250, f"MAIL FROM:<{sender}>")
        for recipient in recipients:
            self.expect(250, f"RCPT TO:<{recipient}>")
        self.expect(354, "DATA")
        self.send(message + b".\r\n")
        code, text = self.reply()
        assert code == 250, text
        return text.split()[-1]

    # ---- AUTH ----

    def plain(self, user, password="secret", authzid=""):
        return self.cmd(b"AUTH PLAIN " + base64.b64encode(f"{authzid}\0{user}\0{password}".encode()))

    def login(self, user, password="secret"):
        code, text = self.cmd("AUTH LOGIN")
        if code != 334:
            return code, text
        assert base64.b64decode(text) == b"Username:"
        code, text = self.cmd(base64.b64encode(user.encode()))
        assert code == 334 and base64.b64decode(text) == b"Password:", (code, text)
        return self.cmd(base64.b64encode(password.encode()))

    def scram(self, user, password="secret", mechanism="SCRAM-SHA-256", binding=None):
        """SCRAM (RFC 5802, 7677); checks the server's signature too. binding: for -PLUS."""
        header = "n,," if binding is None else "p=tls-exporter,,"
        nonce = base64.b64encode(os.urandom(18)).decode()
        first = f"n={user},r={nonce}"
        code, text = self.cmd(f"AUTH {mechanism} ".encode() + base64.b64encode((header + first).encode()))
        if code != 334:
            return code, text
        server_first = base64.b64decode(text).decode()
        fields = dict(field.split("=", 1) for field in server_first.split(","))
        assert fields["r"].startswith(nonce) and len(fields["r"]) > len(nonce)
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(fields["s"]), int(fields["i"]))
        channel = base64.b64encode(header.encode() + (binding or b"")).decode()
        final = f"c={channel},r={fields['r']}"
        signed = f"{first},{server_first},{final}".encode()

        def mac(key, data):
            return hmac.new(key, data, "sha256").digest()

        client_key = mac(salted, b"Client Key")
        signature = mac(hashlib.sha256(client_key).digest(), signed)
        proof = base64.b64encode(bytes(a ^ b for a, b in zip(client_key, signature))).decode()
        code, text = self.cmd(base64.b64encode(f"{final},p={proof}".encode()))
        if code != 334:
            return code, text
        verifier = base64.b64encode(mac(mac(salted, b"Server Key"), signed)).decode()
        assert base64.b64decode(text).decode() == f"v={verifier}"
        return self.cmd("")


class SmtpByOpenssl(Smtp):
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

    def line(self):
        """The next line of a reply; the output of s_client itself is skipped."""
        while True:
            line = self.process.stdout.readline()
            if not line:
                raise EOFError
            if line.endswith(b"\r\n") and line[:3].isdigit():
                return line[:-2].decode()
