"""Fixtures of the integration tests."""

import collections
import itertools
import os
import resource
import sys
from pathlib import Path

import pytest
from xdist.scheduler import LoadScheduling

sys.path.insert(0, os.path.dirname(__file__))

import keys  # noqa: E402
import network  # noqa: E402
import ports  # noqa: E402
import sealed  # noqa: E402
from cluster import Cluster  # noqa: E402

# One of several processes of tests.
if "PYTEST_XDIST_WORKER" in os.environ and network.enter():
    ports.have_all()

# Clients of the tests talk to self-signed certificates; many connections at once.
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@pytest.fixture(scope="session")
def shared_cluster():
    """Two frontends, one broker, one worker: enough for most tests."""
    cluster = Cluster(frontends=2).start()
    reset_settings(cluster)
    yield cluster
    faults, unplaced = list(keys.faults(cluster.redis)), list(sealed.faults(cluster.redis))
    cluster.remove()
    assert not faults, "keys of Redis that are not as lib/redis/keys_table.h says:\n" + "\n".join(faults)
    assert not unplaced, "\n".join(unplaced)


def reset_settings(cluster):
    """The defaults, except that failed logins are not delayed: all clients
    share one address, so the failed logins of one test would slow down the
    others."""
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
    """Starts the test's own clusters: own_cluster(brokers=2, env={...})."""
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
    """Shows the cluster's logs with a failure."""
    outcome = yield
    report = outcome.get_result()
    cluster = getattr(item, "funcargs", {}).get("cluster")
    if report.when == "call" and report.failed and cluster is not None:
        report.sections.append(("cluster logs", cluster.logs()))


# ---- The longest tests go first, each to whoever is free, so that none runs alone at the end ----
LONGEST = Path(__file__).with_name("longest.txt")
LONG_SECONDS = 5
_order = {line.split(" ", 1)[1]: i for i, line in enumerate(LONGEST.read_text().splitlines())}
_seconds = collections.Counter()


class ByTurns(LoadScheduling):
    """Of the long tests a process never has more than the one that runs and the next one. Of the
    others it is sent many at once, so that tests which share a fixture stay together."""

    def _send_tests(self, node, num):
        if self.pending and self.collection[self.pending[0]] in _order:
            num = min(num, max(2 - len(self.node2pending[node]), 0))
        super()._send_tests(node, num)


def pytest_xdist_make_scheduler(config, log):
    return ByTurns(config, log) if config.getvalue("dist") == "load" else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: _order.get(item.nodeid, len(_order)))


def pytest_runtest_logreport(report):
    if report.when != "teardown":
        _seconds[report.nodeid] += report.duration


def pytest_sessionfinish(session):
    """STAGEPOST_NOTE_LONGEST=1, with all tests: writes longest.txt again."""
    if "STAGEPOST_NOTE_LONGEST" in os.environ and "PYTEST_XDIST_WORKER" not in os.environ:
        lines = [f"{seconds:.0f} {name}\n" for name, seconds in _seconds.most_common() if seconds >= LONG_SECONDS]
        LONGEST.write_text("".join(lines))
