"""What stands still is named, once, and so is its going on."""

import os
import signal
import smtplib
import time
import urllib.request

import pytest

from cluster import wait_for


@pytest.fixture
def watched(own_cluster):
    cluster = own_cluster(frontends=1)
    cluster.settings("spool", stall_after="1s")
    return cluster


def metric(cluster, name):
    with urllib.request.urlopen(f"http://127.0.0.1:{cluster.metrics_port('spool-broker-0')}/metrics", timeout=10) as page:
        for line in page.read().decode().splitlines():
            if name in line and not line.startswith("#"):
                return int(line.split()[-1])
    raise AssertionError(name)


def test_queue_without_a_worker(watched):
    address = watched.add_user("a@example.test")
    worker = watched.kill("delivery-worker-0", signal.SIGSTOP)
    try:
        wait_for(lambda: "worker lost" in watched.log("spool-broker-0"), 30)
        watched.deliver("s@remote.example", [address], "Subject: x\r\n\r\nx\r\n")
        wait_for(lambda: 'msg="queue stalled"' in watched.log("spool-broker-0"), 30)
        assert 'queue=local ready=1 reason="no worker"' in watched.log("spool-broker-0")
        assert metric(watched, 'spool_stalled{queue="local"}') == 1
        time.sleep(1.5)
    finally:
        os.kill(worker, signal.SIGCONT)
    assert len(watched.wait_mail(address)) == 1
    wait_for(lambda: 'msg="queue moves again" queue=local' in watched.log("spool-broker-0"), 30)
    assert metric(watched, 'spool_stalled{queue="local"}') == 0
    assert watched.log("spool-broker-0").count("queue stalled") == 1


def test_mail_that_waits_is_no_stall(watched):
    """For its next try, or for the probe of a dead destination."""
    watched.settings("smtp-in", relay_whitelist="127.0.0.0/8")
    watched.settings("smtp-out", relay_host="[127.0.0.1]:1")
    id = watched.deliver(watched.add_user("a@example.test"), ["b@remote.example"], "Subject: x\r\n\r\nx\r\n")
    wait_for(lambda: "deferred" in str(watched.trace(id)).lower(), 30)
    watched.deliver("a@example.test", ["c@remote.example"], "Subject: x\r\n\r\nx\r\n")
    time.sleep(3)
    assert "queue stalled" not in watched.log("spool-broker-0")


def test_store_that_hangs(watched):
    address = watched.add_user("a@example.test")
    watched.deliver("s@remote.example", [address], "Subject: x\r\n\r\nx\r\n")
    watched.wait_mail(address)
    redis = watched.pid("redis")
    # RCPT asks the store too: the data must be under way when it stops.
    with smtplib.SMTP("127.0.0.1", watched.port("smtp"), timeout=60) as smtp:
        smtp.ehlo("x")
        assert smtp.docmd("MAIL FROM:<>")[0] == 250
        assert smtp.docmd(f"RCPT TO:<{address}>")[0] == 250
        assert smtp.docmd("DATA")[0] == 354
        os.kill(redis, signal.SIGSTOP)
        smtp.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
        try:
            wait_for(lambda: "spool writes stalled" in watched.log("spool-broker-0"), 20)
        finally:
            os.kill(redis, signal.SIGCONT)
        assert smtp.getreply()[0] in (250, 451)
    wait_for(lambda: "spool writes succeed again" in watched.log("spool-broker-0"), 30)
