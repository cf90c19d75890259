"""A worker whose store is ill fails at once, and is therefore always free: it
must not be given all the mail there is."""

import os
import subprocess
import time
import urllib.request

import pytest

from cluster import BUILD, Cluster, wait_for
from ports import free_port


@pytest.fixture(scope="module")
def cluster():
    with Cluster(frontends=1, brokers=2, workers=1) as c:
        yield c


@pytest.fixture
def sick(cluster, tmp_path):
    """A worker with an empty folder where the bodies should be."""
    blobs = tmp_path / "blobs"
    blobs.mkdir()
    port = free_port()
    log = open(tmp_path / "log", "w+")
    process = subprocess.Popen(
        [BUILD / "delivery-worker", "--id", "sick", "--redis", f"redis://127.0.0.1:{cluster.port('redis')}",
         "--blobs", f"file:{blobs}", "--metrics-port", str(port)], stdout=log, stderr=subprocess.STDOUT,
        env=dict(os.environ, STAGEPOST_HOSTNAME="mx.example.test"))
    worker = Sick(process, blobs, port, tmp_path / "log")
    wait_for(worker.is_ready, 20, what="the worker is ready")
    yield worker
    process.terminate()
    process.wait(20)


class Sick:
    def __init__(self, process, blobs, port, log):
        self.process, self.blobs, self.port, self.log = process, blobs, port, log

    def is_ready(self):
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=2).status == 200
        except OSError:
            return False


def of_worker(cluster, id):
    process, = [p for p in cluster.json("status")["processes"] if p["id"] == id]
    return process["jobs"]["local"]


def test_sick_worker_is_left_alone(cluster, sick):
    user = cluster.add_user("user@example.test")
    for i in range(300):
        cluster.deliver("a@far.test", [user], f"Subject: {i}\r\n\r\nx\r\n")
    # Had they waited for their next regular try: five minutes.
    assert len(cluster.wait_mail(user, 300, timeout=60)) == 300
    assert "for want of the store" in sick.log.read_text()
    jobs = wait_for(lambda: (j := of_worker(cluster, "sick")).get("rests") and j, what="the status says so")
    assert jobs["done"] < 150, jobs


def test_it_is_well_again(cluster, sick):
    user = cluster.add_user("well@example.test")

    def send_until(condition):
        for i in range(600):
            if condition():
                return
            cluster.deliver("a@far.test", [user], "Subject: x\r\n\r\nx\r\n")
            time.sleep(0.05)
        raise AssertionError("not within 600 messages")

    send_until(lambda: of_worker(cluster, "sick").get("rests"))
    sick.blobs.rename(sick.blobs.with_name("empty"))
    sick.blobs.symlink_to(cluster.dir / "blobs")
    send_until(lambda: not of_worker(cluster, "sick").get("rests"))
    assert "jobs are taken again" in sick.log.read_text()
