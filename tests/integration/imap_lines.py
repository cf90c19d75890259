"""An IMAP client that sends exactly what a test tells it to."""

import re
import socket
import ssl


class Imap:
    def __init__(self, port, tls=False, timeout=20, greet=True):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.data = b""
        self.number = 0
        if tls:
            self.start_tls()
        if greet:
            self.greeting = self.line()

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

    def more(self):
        got = self.socket.recv(262144)
        if not got:
            raise EOFError(self.data)
        self.data += got

    def raw_line(self):
        while b"\r\n" not in self.data:
            self.more()
        line, self.data = self.data.split(b"\r\n", 1)
        return line

    def line(self):
        """One response, its literals inline, as bytes."""
        out = self.raw_line()
        while True:
            literal = re.search(rb"\{(\d+)\}$", out)
            if not literal:
                return out
            size = int(literal[1])
            while len(self.data) < size:
                self.more()
            out += b"\r\n" + self.data[:size]
            self.data = self.data[size:]
            out += self.raw_line()

    def cmd(self, text, literals=()):
        """The untagged responses and the tagged one. literals: sent when the server asks for them."""
        self.number += 1
        tag = f"a{self.number}".encode()
        parts = (text if isinstance(text, bytes) else text.encode()).split(b"\0")
        self.send(tag + b" " + parts[0] + b"\r\n")
        rest = list(zip(literals, parts[1:] + [b""] * len(literals)))
        untagged = []
        while True:
            line = self.line()
            if line.startswith(tag + b" "):
                return untagged, line[len(tag) + 1:].decode()
            if line.startswith(b"+") and rest:
                literal, after = rest.pop(0)
                self.send(literal + after + b"\r\n")
                continue
            untagged.append(line)

    def ok(self, text, literals=()):
        untagged, tagged = self.cmd(text, literals)
        assert tagged.startswith("OK"), f"{text!r}: {tagged}"
        return untagged

    def no(self, text, code=None, literals=()):
        untagged, tagged = self.cmd(text, literals)
        assert tagged.startswith("NO"), f"{text!r}: {tagged}"
        assert code is None or f"[{code}" in tagged, tagged
        return tagged

    def bad(self, text, literals=()):
        untagged, tagged = self.cmd(text, literals)
        assert tagged.startswith("BAD"), f"{text!r}: {tagged}"
        return tagged

    def login(self, user, password="secret"):
        return self.ok(f'LOGIN "{user}" "{password}"')

    def append(self, mailbox, message, flags="", date=""):
        message = message if isinstance(message, bytes) else message.encode()
        untagged, tagged = self.cmd(f"APPEND {mailbox}{flags and ' ' + flags}{date and ' ' + date} {{{len(message)}}}",
                                    [message])
        assert tagged.startswith("OK"), tagged
        return int(re.search(r"APPENDUID \d+ (\d+)", tagged)[1])

    def is_closed(self):
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
