"""A worker whose store is broken fails at once, and is therefore always free: it must not attract all the mail."""

import os
import signal
import subprocess
import urllib.request
from contextlib import contextmanager

import pytest

from cluster import BUILD, Cluster, wait_for
from ports import free_port

MESSAGES = 50


@pytest.fixture(scope="module")
def cluster():
    with Cluster(frontends=1, brokers=2, workers=1) as c:
        yield c


class Sick:
    """A worker with an empty folder where the bodies should be."""

    def __init__(self, cluster, folder):
        self.blobs, self.log_path, self.port = folder / "blobs", folder / "log", free_port()
        self.blobs.mkdir()
        with open(self.log_path, "w") as log:
            self.process = subprocess.Popen(
                [BUILD / "delivery-worker", "--id", "sick", "--redis", f"redis://127.0.0.1:{cluster.port('redis')}",
                 "--blobs", f"file:{self.blobs}", "--metrics-port", str(self.port)], stdout=log,
                stderr=subprocess.STDOUT, env=dict(os.environ, STAGEPOST_HOSTNAME="mx.example.test"))
        wait_for(self.is_ready, 20, what="the worker is ready")

    def is_ready(self):
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=2).status == 200
        except OSError:
            return False

    def log(self):
        return self.log_path.read_text()

    def mend(self, blobs):
        self.blobs.rename(self.blobs.with_name("empty"))
        self.blobs.symlink_to(blobs)

    def stop(self):
        self.process.terminate()
        self.process.wait(20)


@pytest.fixture
def sick(cluster, tmp_path):
    worker = Sick(cluster, tmp_path)
    yield worker
    worker.stop()


@contextmanager
def without_the_healthy_one(cluster):
    """It sleeps: its share goes to the other, once its silence is noticed."""
    pid = cluster.pid("delivery-worker-0")
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def local_jobs(cluster):
    process, = [p for p in cluster.json("status")["processes"] if p["id"] == "sick"]
    return process["jobs"]["local"]


def test_sick_worker_is_left_alone(cluster, sick):
    user = cluster.add_user("user@example.test")
    with without_the_healthy_one(cluster):
        for i in range(MESSAGES):
            cluster.deliver("a@far.test", [user], f"Subject: {i}\r\n\r\nx\r\n")
        wait_for(lambda: local_jobs(cluster).get("rests"), 20, what="the status says that it rests")
    # If its failed jobs had waited for the next regular try, this would take five minutes.
    assert len(cluster.wait_mail(user, MESSAGES, timeout=60)) == MESSAGES
    assert local_jobs(cluster)["done"] <= 2 * MESSAGES
    # Once, however often its trials failed.
    assert sick.log().count("because a local resource is missing") == 1


def test_it_is_well_again(cluster, sick):
    user = cluster.add_user("well@example.test")
    with without_the_healthy_one(cluster):
        for i in range(MESSAGES):
            cluster.deliver("a@far.test", [user], f"Subject: {i}\r\n\r\nx\r\n")
        wait_for(lambda: local_jobs(cluster).get("rests"), 20, what="the status says that it rests")
        sick.mend(cluster.dir / "blobs")
        assert len(cluster.wait_mail(user, MESSAGES, timeout=60)) == MESSAGES
        wait_for(lambda: not local_jobs(cluster).get("rests"), what="the status says that it is well")
    assert "taking jobs again" in sick.log()
