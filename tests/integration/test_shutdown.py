"""SIGTERM at a frontend: clients between two commands are told at once; operations in progress are completed."""

import base64
import os
import signal
import socket
import time
from pathlib import Path

import pytest

from cluster import wait_for


class Line:
    """A client that has completed its steps."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.file = self.socket.makefile("rb")

    def send(self, data):
        self.socket.sendall(data)

    def expect(self, start):
        while True:
            line = self.file.readline()
            if line.startswith(start):
                return line
            assert line and not line.startswith((b"5", b"-ERR", b"a NO", b"a BAD")), (start, line)

    def rest(self):
        return self.file.read()


def walk(port, steps, number=0):
    c = Line(port)
    for step in steps:
        if isinstance(step, tuple):
            step = (step[0].replace(b"%d", b"%d" % number), step[1])
        if isinstance(step, tuple):
            c.send(step[0])
            if step[1]:
                c.expect(step[1])
        else:
            c.expect(step)
    return c


PLAIN = base64.b64encode(b"\0alice@example.test\0secret") + b"\r\n"
HELLO = [b"220 ", (b"EHLO c.test\r\n", b"250 ")]
MAIL = HELLO + [(b"MAIL FROM:<bob@elsewhere.test>\r\n", b"250 ")]
RCPT = MAIL + [(b"RCPT TO:<alice@example.test>\r\n", b"250 ")]
USER = [b"+OK", (b"USER pop%d@example.test\r\n", b"+OK")]  # a maildrop has one client at a time
PASS = USER + [(b"PASS secret\r\n", b"+OK")]
OPEN = [b"* OK"]
LOGIN = OPEN + [(b"a LOGIN alice@example.test secret\r\n", b"a OK")]
SELECT = LOGIN + [(b"a SELECT INBOX\r\n", b"a OK")]

# The state of a client when the signal arrives; all are told at once.
BETWEEN = {
    "smtp": [[b"220 "], HELLO, MAIL, RCPT, RCPT + [(b"RCPT TO:<ali", None)], RCPT + [(b"BDAT 5\r\nSubje", b"250 ")],
             HELLO + [(b"MAIL FROM:<x@y.test>\r\nRSET\r\n", b"250 "), b"250 "]],
    "submission": [HELLO + [(b"AUTH PLAIN\r\n", b"334")],
                   HELLO + [(b"AUTH PLAIN " + PLAIN, b"235"), (b"MAIL FROM:<alice@example.test>\r\n", b"250 ")]],
    "pop3": [[b"+OK"], USER, PASS, [b"+OK", (b"AUTH PLAIN\r\n", b"+")], PASS + [(b"LIST\r\n", b".")],
             PASS + [(b"DELE 1\r\n", b"+OK")], PASS + [(b"STA", None)]],
    "imap": [OPEN, LOGIN, SELECT, SELECT + [(b"a IDLE\r\n", b"+")], OPEN + [(b"a AUTHENTICATE PLAIN\r\n", b"+")],
             OPEN + [(b"a LOGIN {19}\r\n", b"+")], SELECT + [(b"a FETCH 1 (FL", None)],
             SELECT + [(b"a FETCH 1 FLAGS\r\n", b"a OK")]],
}
GOODBYE = {"smtp": b"421 4.3.2 ", "submission": b"421 4.3.2 ", "pop3": b"-ERR [SYS/TEMP] ", "imap": b"* BYE "}

MESSAGE = b"Subject: half\r\n\r\n" + b"x" * 1000 + b"\r\n"
# In progress when the signal arrives: what is sent then, and how the reply begins.
UNDER_WAY = [
    ("smtp", RCPT + [(b"DATA\r\n", b"354"), (MESSAGE[:200], None)], MESSAGE[200:] + b".\r\n", b"250 "),
    ("smtp", RCPT + [(b"DATA\r\n", b"354")], MESSAGE + b".\r\n", b"250 "),
    ("smtp", RCPT + [(b"BDAT %d LAST\r\n" % len(MESSAGE) + MESSAGE[:200], None)], MESSAGE[200:], b"250 "),
    ("submission", HELLO + [(b"AUTH PLAIN " + PLAIN, b"235"), (b"MAIL FROM:<alice@example.test>\r\n", b"250 "),
                            (b"RCPT TO:<alice@example.test>\r\n", b"250 "), (b"DATA\r\n", b"354"), (MESSAGE[:200], None)],
     MESSAGE[200:] + b".\r\n", b"250 "),
    ("imap", LOGIN + [(b"a APPEND INBOX {%d}\r\n" % len(MESSAGE), b"+"), (MESSAGE[:200], None)],
     MESSAGE[200:] + b"\r\n", b"a OK"),
]


@pytest.fixture(scope="module")
def one(request):
    from cluster import Cluster
    cluster = Cluster(frontends=1).start()
    cluster.redis.hset("settings:auth", "failure_delay", "0s")
    cluster.add_user("alice@example.test")
    cluster.deliver("bob@elsewhere.test", "alice@example.test", "Subject: first\r\n\r\nbody\r\n")
    cluster.wait_mail("alice@example.test")
    for i in range(len(BETWEEN["pop3"])):
        cluster.add_user(f"pop{i}@example.test")
        cluster.deliver("bob@elsewhere.test", f"pop{i}@example.test", "Subject: first\r\n\r\nbody\r\n")
    for i in range(len(BETWEEN["pop3"])):
        cluster.wait_mail(f"pop{i}@example.test")
    yield cluster
    cluster.remove()


def terminate(cluster):
    pid = cluster.pid("frontend-0")
    os.kill(pid, signal.SIGTERM)
    return pid


def wait_gone(pid, timeout):
    wait_for(lambda: not Path(f"/proc/{pid}").exists(), timeout, what="the frontend has ended")


@pytest.mark.parametrize("name", list(BETWEEN))
def test_between_two_commands(one, name):
    clients = [walk(one.port(name), steps, i) for i, steps in enumerate(BETWEEN[name])]
    began = time.monotonic()
    pid = terminate(one)
    for client, steps in zip(clients, BETWEEN[name]):
        rest = client.rest()
        assert rest.startswith(GOODBYE[name]) and rest.count(b"\n") == 1, (steps, rest)
    assert time.monotonic() - began < 3
    wait_gone(pid, 5)
    one.wait_restarted("frontend-0", pid)
    if name == "pop3":  # marked messages are still there
        for i in range(len(BETWEEN[name])):
            assert len(one.mailbox(f"pop{i}@example.test")) == 1


@pytest.mark.parametrize("name,steps,rest,reply", UNDER_WAY, ids=["data", "data-begun", "bdat", "submission", "append"])
def test_what_is_under_way_ends(one, name, steps, rest, reply):
    before = len(one.mailbox("alice@example.test"))
    client = walk(one.port(name), steps)
    idle = walk(one.port(name), BETWEEN[name][0])
    pid = terminate(one)
    assert idle.rest().startswith(GOODBYE[name])
    time.sleep(0.5)
    assert Path(f"/proc/{pid}").exists()
    client.send(rest)
    assert client.expect(reply)
    assert client.rest().startswith(GOODBYE[name])
    wait_gone(pid, 5)
    one.wait_restarted("frontend-0", pid)
    assert len(one.wait_mail("alice@example.test", before + 1)) == before + 1


@pytest.mark.parametrize("name,steps", [
    ("smtp", HELLO + [(b"STARTTLS\r\n", b"220 ")]),
    ("submission", HELLO + [(b"STARTTLS\r\n", b"220 ")]),
    ("pop3", [b"+OK", (b"STLS\r\n", b"+OK")]),
    ("imap", OPEN + [(b"a STARTTLS\r\n", b"a OK")]),
    ("submissions", []), ("pop3s", []), ("imaps", []),
])
def test_a_handshake_that_does_not_come_holds_nothing_up(one, name, steps):
    client = walk(one.port(name), steps)
    time.sleep(0.2)  # with implicit TLS nothing shows that it was accepted
    pid = terminate(one)
    wait_gone(pid, 5)
    one.wait_restarted("frontend-0", pid)
    try:
        assert client.rest() == b""
    except ConnectionResetError:
        pass


def test_who_does_not_read_holds_nothing_up(one):
    """Its output is stuck: the process does not wait for it as long as the grace time."""
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(("127.0.0.1", one.port("smtp")))
        s.settimeout(2)
        try:
            while True:
                s.sendall(b"NOOP\r\n" * 10000)
        except TimeoutError:
            pass
        pid = terminate(one)
        wait_gone(pid, 10)
    one.wait_restarted("frontend-0", pid)
