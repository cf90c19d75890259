"""APPEND while the disk of the blob store is slow, or fails: the client waits, and always gets its answer."""

import itertools
import os
import socket
import threading
import time

import pytest

from blob_disk import BlobDisk
from cluster import SANITISED, wait_for
from imap_client import Imap
from redis_relay import RedisRelay, RelayedFrontend

pytestmark = pytest.mark.skipif(SANITISED, reason="sanitizers want to be the first library")

PIECE = 16 * 1024
BACKLOG = 256 * 1024  # BLOB_BACKLOG_BYTES
CHUNK = 64 * 1024     # a body streams to the disk in chunks of this size
_numbers = itertools.count(1)


@pytest.fixture
def disk(tmp_path):
    return BlobDisk(tmp_path)


@pytest.fixture
def c(cluster, disk, tmp_path):
    """A session with a frontend that writes bodies to this disk."""
    address = cluster.add_user(f"append{next(_numbers)}-{os.getpid()}@example.test")
    with RedisRelay(cluster.port("redis")) as relay:
        frontend = RelayedFrontend(cluster, relay, tmp_path, f"append{next(_numbers)}", env=disk.env)
        try:
            with Imap(frontend.port) as session:
                session.login(address)
                for size in (100, 2 * CHUNK):  # all packs are open
                    assert session.append("INBOX", body(size), plus=True).status == "OK"
                session.frontend = frontend
                yield session
        finally:
            disk.clear("wait-small", "wait-large", "fail-small")
            frontend.stop()


def unread(sock):
    """Bytes that the frontend has received from us and not read (rx_queue of its socket)."""
    ours, theirs = (f":{port:04X}" for port in (sock.getsockname()[1], sock.getpeername()[1]))
    for line in [line for table in ("tcp", "tcp6") for line in open(f"/proc/net/{table}").readlines()[1:]]:
        _, local, remote, _, queues, *_ = line.split()
        if local.endswith(theirs) and remote.endswith(ours):
            return int(queues.split(":")[1], 16)
    return 0


def send_in_pieces(c, data):
    """One piece is read after the other, so the frontend does not see them as one."""
    c.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for at in range(0, len(data), PIECE):
        c.send(data[at:at + PIECE])
        wait_for(lambda: unread(c.sock) == 0, what="the frontend reads")
        time.sleep(0.005)


def start_sending(c, data):
    """Beside the test, since the frontend may stop reading."""
    sender = threading.Thread(target=c.send, args=(data,), daemon=True)
    sender.start()
    return sender


def wait_until_it_waits(c):
    """Until the frontend has stopped reading: nothing was read for a while, although something is there."""
    seen = [0]

    def stopped():
        seen.append(unread(c.sock))
        return seen[-1] != 0 and seen[-1] == seen[-2]

    wait_for(stopped, 20, step=0.2, what="the frontend stops reading")


def body(size):
    return (b"Subject: large\r\n\r\n" + b"x" * 70 + b"\r\n" * 2 + b"y" * size)[:size - 2] + b"\r\n"


def test_the_last_piece_of_a_literal_waits_for_room(c, disk):
    """The body is complete, and committed: there is no room to wait for any more."""
    text = body(BACKLOG + CHUNK)
    disk.set("wait-large")
    c.send(b"x APPEND INBOX {%d+}\r\n" % len(text))
    send_in_pieces(c, text)  # the last of them fills the fifth chunk
    c.send(b"\r\n")
    time.sleep(0.2)
    disk.clear("wait-large")
    answer = c.finish("x")
    assert answer.status == "OK", answer
    c.ok("SELECT INBOX")
    assert c.ok("FETCH 3 RFC822.SIZE").find(rf"RFC822.SIZE {len(text)}\)")


def test_a_literal_waits_for_room_in_between(c, disk):
    text = body(2 << 20)
    disk.set("wait-large")
    sender = start_sending(c, b"x APPEND INBOX {%d+}\r\n" % len(text) + text + b"\r\n")
    wait_until_it_waits(c)
    disk.clear("wait-large")
    assert c.finish("x").status == "OK"
    sender.join()


def test_an_earlier_message_fails_while_a_literal_waits_for_room(c, disk):
    """APPEND of two messages: the first cannot be stored. What the second waits for still comes, the rest of it
    is read, and the client is told."""
    small, large = body(1000), body(2 << 20)
    for name in ("wait-small", "wait-large", "fail-small"):
        disk.set(name)
    sender = start_sending(c, b"x APPEND INBOX {%d+}\r\n" % len(small) + small
                           + b" {%d+}\r\n" % len(large) + large + b"\r\n")
    wait_until_it_waits(c)
    disk.clear("wait-small")
    wait_for(lambda: "a message cannot be stored" in c.frontend.log(), what="the first message has failed")
    disk.clear("wait-large", "fail-small")
    answer = c.finish("x")
    assert answer.status == "NO" and answer.code == "UNAVAILABLE", answer
    sender.join()
    assert c.append("INBOX", small, plus=True).status == "OK"
    c.ok("SELECT INBOX")
    assert len(c.ok("FETCH 1:* FLAGS").find("FETCH")) == 3
