"""A raw IMAP client for tests: shows every line as received."""

import base64
import re
import socket
import ssl
import time


def b64(data):
    return base64.b64encode(data.encode() if isinstance(data, str) else data).decode()


class Closed(Exception):
    pass


class Answer:
    """The responses to one command."""

    def __init__(self, tag, lines):
        self.tag = tag
        self.untagged = lines[:-1]
        self.line = lines[-1]  # without the tag
        self.status = self.line.split(" ", 1)[0]

    @property
    def code(self):
        """The response code: "[COPYUID 1 2 3]" as "COPYUID 1 2 3"."""
        m = re.match(r"\w+ \[(.*?)\] ", self.line + " ")
        return m.group(1) if m else ""

    def find(self, pattern):
        """The untagged lines that match."""
        return [line for line in self.untagged if re.search(pattern, line)]

    def __repr__(self):
        return "\n".join(self.untagged + [self.line])


class Imap:
    def __init__(self, port, tls=False, send_first=b"", timeout=20):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.buffer = b""
        self.count = 0
        if send_first:
            self.sock.sendall(send_first)
        if tls:
            self.start_tls()
        self.greeting = self.read_line()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        self.sock.close()

    def start_tls(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.sock = context.wrap_socket(self.sock)

    # ---- Bytes ----
    def _more(self):
        try:
            data = self.sock.recv(65536)
        except (ConnectionResetError, BrokenPipeError):
            data = b""
        if not data:
            raise Closed
        self.buffer += data

    def _raw_line(self):
        while b"\r\n" not in self.buffer:
            self._more()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def read_line(self):
        """One response line, with its literals inserted."""
        line = self._raw_line()
        while True:
            m = re.search(rb"\{(\d+)\}$", line)
            if not m:
                return line.decode("utf-8", "surrogateescape")
            size = int(m.group(1))
            while len(self.buffer) < size:
                self._more()
            line += b"\r\n" + self.buffer[:size]
            self.buffer = self.buffer[size:]
            line += self._raw_line()

    def send(self, data):
        self.sock.sendall(data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data)

    def at_end(self):
        """Has the server closed the connection?"""
        try:
            while True:
                self._more()
        except Closed:
            return True
        except OSError:
            return False

    # ---- Commands ----
    def next_tag(self):
        self.count += 1
        return f"a{self.count}"

    def start(self, text):
        tag = self.next_tag()
        self.send(tag.encode() + b" " + (text if isinstance(text, bytes) else text.encode()) + b"\r\n")
        return tag

    def finish(self, tag):
        lines = []
        while True:
            line = self.read_line()
            if line.startswith(tag + " "):
                return Answer(tag, lines + [line[len(tag) + 1:]])
            lines.append(line)

    def cmd(self, text):
        return self.finish(self.start(text))

    def ok(self, text):
        answer = self.cmd(text)
        assert answer.status == "OK", f"{text}: {answer}"
        return answer

    def literals(self, *pieces, plus=False):
        """A command made of pieces of text with literals (bytes) between them:
        literals("LOGIN ", b"me", " ", b"pw")."""
        tag = self.next_tag()
        line = (tag + " ").encode()
        for piece in pieces:
            if isinstance(piece, str):
                line += piece.encode()
                continue
            if plus:
                line += b"{%d+}\r\n" % len(piece) + piece
                continue
            self.send(line + b"{%d}\r\n" % len(piece))
            answer = self.read_line()
            if not answer.startswith("+"):
                lines = []
                while not answer.startswith(tag + " "):
                    lines.append(answer)
                    answer = self.read_line()
                return Answer(tag, lines + [answer[len(tag) + 1:]])
            line = piece
        self.send(line + b"\r\n")
        return self.finish(tag)

    def login(self, address, password="secret"):
        return self.ok(f'LOGIN "{address}" "{password}"')

    def append(self, mailbox, message, flags="", date="", plus=False):
        head = f"APPEND {mailbox} " + (f"({flags}) " if flags else "") + (f'"{date}" ' if date else "")
        return self.literals(head, message.encode() if isinstance(message, str) else message, plus=plus)

    def wait_line(self, pattern, timeout=10):
        """The next line that matches, and how long it took (ms)."""
        began = time.monotonic()
        self.sock.settimeout(timeout)
        while True:
            line = self.read_line()
            if re.search(pattern, line):
                return line, (time.monotonic() - began) * 1000
