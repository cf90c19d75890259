"""How far a folder has been read, when a round breaks off while messages are on their way."""

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
        worlds.append(World(own_cluster, users, frontends=1, **options))
        return worlds[-1]
    yield start
    for w in worlds:
        w.stop()


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_the_remote_goes_while_messages_are_on_their_way(world, protocol):
    """What was read, and thrown away with the session, is read again, although those before it have arrived."""
    w = world()
    w.cluster.settings("imap", retrieval_idle="off")
    cutter = Cutter(w.dovecot.ports[protocol])
    cutter.step, cutter.rest = 700, 0.002
    texts = [text_of(f"m{i}", 400) for i in range(40)]
    for text in texts:
        w.dovecot.deliver("ann", text)
    # The connection breaks at another place of the messages each time.
    accounts = []
    for n, cut in enumerate(range(9000, 26000, 1700)):
        address = f"u{n}@example.test"
        cutter.cut = cut
        id = w.add(address, "ann", protocol, "--interval", "1h", port=cutter.port)
        wait_for(lambda: w.status(address, id).get("last_try"), 30, what="a round")
        accounts.append((address, id))
    cutter.cut = None
    for address, id in accounts:
        w.now(address, id)
    for address, id in accounts:
        w.wait_bodies(address, texts)
    cutter.close()
