"""The connection to the remote breaks at each place of a session: every message comes, and none twice."""

import socket
import threading
import time

import pytest

import dovecot
from cluster import wait_for
from remote_cut import Cutter
from retrieval import World, text_of

pytestmark = pytest.mark.skipif(not dovecot.can_run(), reason="needs root and Dovecot")
A = "a@example.test"


@pytest.fixture
def world(own_cluster):
    worlds = []

    def start(users=("ann",), **options):
        worlds.append(World(own_cluster, users, **options))
        return worlds[-1]
    yield start
    for w in worlds:
        w.stop()


def make_round(w, id):
    """One more round, to its end."""
    before = w.status(A, id).get("last_try", "0")
    w.cluster.redis.zadd("retrieve:due", {f"{A} {id}": int(time.time() * 1000)})
    wait_for(lambda: w.status(A, id).get("last_try", "0") != before and w.status(A, id).get("state") != "running", 30,
             step=0.01, what="a round")


@pytest.mark.parametrize("protocol,options", [("pop3", ()), ("imap", ()), ("pop3", ("--delete",)),
                                              ("imap", ("--delete",))])
def test_each_message_comes_once(world, protocol, options):
    w = world(frontends=1)
    w.cluster.settings("imap", retrieval_idle="off")
    cutter = Cutter(w.dovecot.ports[protocol])
    texts = [text_of(f"m{i}", 3000 if i == 1 else 0) for i in range(4)]
    for text in texts:
        w.dovecot.deliver("ann", text)
    cutter.cut = 10
    id = w.add(A, "ann", protocol, "--interval", "1h", *options, port=cutter.port)
    # Small steps through the dialogue, larger ones through the long message.
    for cut in [*range(20, 900, 43), *range(900, 5500, 460)]:
        cutter.cut = cut
        make_round(w, id)
    assert w.status(A, id)["last_error"] != "" or cutter.longest == 0
    cutter.cut = None
    w.now(A, id)  # also those that were put aside
    w.wait_bodies(A, texts)
    wait_for(lambda: w.status(A, id)["last_error"] == "", what="a good round")
    if options:
        wait_for(lambda: w.dovecot.count("ann") == 0, 30, what="nothing is left there")
    make_round(w, id)
    assert w.is_quiet(A, id)
    w.wait_bodies(A, texts)
    cutter.close()


class HangsUp(Cutter):
    """Ends each connection, in order, where a message has the mark."""

    def _serve(self, client, cut):
        remote = socket.create_connection(("127.0.0.1", self.target))
        threading.Thread(target=self._copy, args=(client, remote), daemon=True).start()
        while data := remote.recv(65536):
            before, mark, _ = data.partition(b"To: bad@")
            client.sendall(before)
            if mark:
                client.shutdown(socket.SHUT_WR)
                return
            client.sendall(data[len(before):])


@pytest.mark.parametrize("protocol", ["pop3", "imap"])
def test_what_came_before_the_end_is_kept(world, protocol):
    w = world(frontends=1)
    remote = HangsUp(w.dovecot.ports[protocol])
    texts = [text_of("first", 0), text_of("second", 0)]
    for text in (*texts, text_of("bad", 0)):
        w.dovecot.deliver("ann", text)
        time.sleep(1.1)     # another second: Dovecot keeps the order
    id = w.add(A, "ann", protocol, "--interval", "1h", port=remote.port)
    for _ in range(2):
        make_round(w, id)
    assert "closed the connection" in w.status(A, id)["last_error"]
    w.wait_bodies(A, texts)
    remote.close()
