"""A milter of the tests, with its own reading of the protocol: it notes what it is told, and
answers as a test wants."""

import socket
import struct
import threading

CONTINUE, ACCEPT, REJECT, TEMPFAIL, DISCARD, PROGRESS, SKIP = b"c", b"a", b"r", b"t", b"d", b"p", b"s"


def packet(kind, data=b""):
    return struct.pack(">I", len(data) + 1) + kind + data


def texts(*values):
    return b"".join(v.encode() + b"\0" for v in values)


def reply(text):
    return packet(b"y", texts(text))


def add(name, value):
    return packet(b"h", texts(name, value))


def insert(index, name, value):
    return packet(b"i", struct.pack(">I", index) + texts(name, value))


def change(index, name, value):
    return packet(b"m", struct.pack(">I", index) + texts(name, value))


def body(data):
    return packet(b"b", data)


def add_recipient(address):
    return packet(b"+", texts(address))


def remove_recipient(address):
    return packet(b"-", texts(address))


def sender(address):
    return packet(b"e", texts(address))


class Milter:
    """answers: what is answered to a command, as {letter: bytes or function(milter, connection, data)};
    None: nothing. Other commands are answered by "continue", unless dialogue says they have no
    answer."""

    def __init__(self, path=None, answers=None, dialogue=0, version=6, actions=0x7f):
        self.answers, self.dialogue, self.version, self.actions = dict(answers or {}), dialogue, version, actions
        self.told, self.macros, self.offered, self.sessions = [], {}, None, 0
        if path:
            self.server, self.place = socket.socket(socket.AF_UNIX), f"unix:{path}"
            self.server.bind(path)
        else:
            self.server = socket.socket()
            self.server.bind(("127.0.0.1", 0))
            self.place = f"inet:127.0.0.1:{self.server.getsockname()[1]}"
        self.server.listen(100)
        threading.Thread(target=self.serve, daemon=True).start()

    def close(self):
        try:
            self.server.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.server.close()

    def serve(self):
        while True:
            try:
                connection = self.server.accept()[0]
            except OSError:
                return
            self.sessions += 1
            threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    MUTE = {b"L": 0x80, b"C": 0x1000, b"H": 0x2000, b"M": 0x4000, b"R": 0x8000, b"T": 0x10000, b"N": 0x40000,
            b"B": 0x80000}

    def talk(self, connection):
        try:
            with connection, connection.makefile("rb") as stream:
                while head := stream.read(4):
                    data = stream.read(struct.unpack(">I", head)[0])
                    if not self.answer(connection, data[:1], data[1:]):
                        return
        except OSError:
            pass  # the server has hung up

    def answer(self, connection, kind, data):
        if kind == b"Q":
            self.told.append((kind, data))
            return False
        if kind == b"D":
            words = data[1:].split(b"\0")
            self.macros.setdefault(data[:1], {}).update(zip(words[::2], words[1::2]))
            return True
        if kind == b"O" and b"O" not in self.answers:
            self.offered = struct.unpack(">III", data)
            connection.sendall(packet(b"O", struct.pack(">III", self.version, self.actions, self.dialogue)))
            return True
        self.told.append((kind, data))
        answer = self.answers.get(kind, b"" if self.dialogue & self.MUTE.get(kind, 0) else packet(CONTINUE))
        if callable(answer):
            answer = answer(self, connection, data)
        if answer is None:
            return True
        connection.sendall(answer)
        return True

    def commands(self):
        return b"".join(kind for kind, _ in self.told).decode()

    def fields(self):
        return [tuple(v.decode() for v in data.split(b"\0")[:2]) for kind, data in self.told if kind == b"L"]

    def body(self):
        return b"".join(data for kind, data in self.told if kind == b"B")
