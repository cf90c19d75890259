"""Fixtures of the integration tests."""

import itertools
import os
import resource
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

from cluster import Cluster  # noqa: E402

# Clients of the tests talk to self-signed certificates; many connections at once.
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@pytest.fixture(scope="session")
def shared_cluster():
    """Two frontends, one broker, one worker: enough for most tests."""
    cluster = Cluster(frontends=2).start()
    reset_settings(cluster)
    yield cluster
    cluster.remove()


def reset_settings(cluster):
    """The defaults; but all clients share one address, so that the failed
    logins of one test would slow down the others."""
    for key in cluster.redis.scan_iter("settings:*"):
        if key != "settings:auth":
            cluster.redis.delete(key)
    for key in cluster.redis.scan_iter("auth:fail:*"):
        cluster.redis.delete(key)
    cluster.redis.hset("settings:auth", "failure_delay", "0s")


@pytest.fixture
def cluster(shared_cluster):
    """The shared cluster with no settings but the defaults."""
    yield shared_cluster
    reset_settings(shared_cluster)


@pytest.fixture
def own_cluster():
    """Starts clusters of the test's own: own_cluster(brokers=2, env={...})."""
    started = []

    def start(**kwargs):
        cluster = Cluster(**kwargs)
        started.append(cluster)
        return cluster.start()

    yield start
    for cluster in started:
        cluster.remove()


_numbers = itertools.count(1)


@pytest.fixture
def address(cluster):
    """A fresh account with the password "secret"."""
    return cluster.add_user(f"user{next(_numbers)}-{os.getpid()}@example.test")


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    """The cluster's logs beside a failure."""
    outcome = yield
    report = outcome.get_result()
    cluster = getattr(item, "funcargs", {}).get("cluster")
    if report.when == "call" and report.failed and cluster is not None:
        report.sections.append(("cluster logs", cluster.logs()))
