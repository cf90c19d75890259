"""Virus scans by a clamd, which comes before the spam engines."""

import pytest

from cluster import wait_for
from spam_engine import Clamd, Fake
from test_spam import HAM, SPAM, cluster, finished, folder, kinds, metric, new_user, send, submit, the_cluster  # noqa: F401

VIRUS = HAM.replace("Dear Bob", "EICAR")


@pytest.fixture
def clamd():
    scanner = Clamd().start()
    yield scanner
    scanner.stop()


@pytest.fixture
def engine():
    engine = Fake().start()
    yield engine
    engine.stop()


def held(cluster, id):
    return wait_for(lambda: next((m for m in cluster.json("queue", "list") if m["id"] == id and m["state"] == "held"),
                                 None), 15, what="held")


def test_virus_is_held(cluster, clamd, engine):
    """For the operator, with its name; no spam engine sees it. What is released goes to Junk."""
    address = new_user(cluster)
    cluster.settings("spam", virus_scanner=clamd.url, engine=engine.url)
    before = metric(cluster, 'spam_checks_total{result="virus"}')
    id = send(cluster, address, VIRUS)
    check = held(cluster, id)["spam_check"]
    assert check["virus"] == "Eicar-Signature" and check["engine"] == clamd.url
    events = cluster.trace(id)["events"]
    assert next(e for e in events if e["kind"] == "checked")["detail"] == "spam, virus: Eicar-Signature"
    assert next(e for e in events if e["kind"] == "held")["detail"] == "virus Eicar-Signature"
    assert folder(cluster, address, "INBOX") == [] == folder(cluster, address, "Junk")
    assert engine.requests == [] and metric(cluster, 'spam_checks_total{result="virus"}') == before + 1

    cluster.tool("queue", "release", id)
    assert kinds(finished(cluster, id)).count("held") == 1
    assert "$Junk" in folder(cluster, address, "Junk")[0]


def test_virus_to_junk(cluster, clamd):
    address = new_user(cluster)
    cluster.settings("spam", virus_scanner=clamd.url, virus_action="junk")
    assert finished(cluster, send(cluster, address, VIRUS))["spam"] == "spam"
    assert len(folder(cluster, address, "Junk")) == 1
    assert finished(cluster, send(cluster, address, HAM))["spam"] == "not spam"
    assert len(folder(cluster, address, "INBOX")) == 1


def test_clean_mail_goes_on_to_the_engines(cluster, clamd, engine):
    """The whole message is scanned, in pieces."""
    address = new_user(cluster)
    cluster.settings("spam", virus_scanner=clamd.url, engine=engine.url)
    text = SPAM + ("y" * 70 + "\r\n") * 20000
    trace = finished(cluster, send(cluster, address, text))
    assert trace["spam_check"]["engine"] == engine.url and "virus" not in trace["spam_check"]
    assert len(clamd.requests) == 1 == len(engine.requests)
    assert clamd.requests[0][1].endswith(text.encode())
    clamd.mode = "small"  # larger than the scanner takes: not an error, and no reason to wait
    assert finished(cluster, send(cluster, address, SPAM))["spam_check"]["engine"] == engine.url
    assert len(folder(cluster, address, "Junk")) == 2


def test_from_our_own_user(cluster, clamd):
    address = new_user(cluster)
    cluster.settings("spam", virus_scanner=clamd.url)
    assert finished(cluster, submit(cluster, address, address, VIRUS))["spam"] == "not checked"
    cluster.settings("spam", check_authenticated="on")
    held(cluster, submit(cluster, address, address, VIRUS))


def test_scanner_closes_early(cluster, clamd, engine):
    """It has said that the message is too large: it goes on at once."""
    address = new_user(cluster)
    cluster.settings("spam", virus_scanner=clamd.url, engine=engine.url, max_size="0", unavailable="defer")
    clamd.mode = "small-early"
    trace = finished(cluster, send(cluster, address, SPAM + ("y" * 70 + "\r\n") * 100000))
    assert trace["spam_check"]["engine"] == engine.url and "deferred" not in kinds(trace) and clamd.begun == 1


@pytest.mark.parametrize("mode", ["silent", "error", "hangs-up", "stopped"])
def test_scanner_fails(cluster, clamd, engine, mode):
    """Nothing is delivered unscanned before unavailable_after; then it is, and the trace says so."""
    address = new_user(cluster)
    if mode == "stopped":
        clamd.stop()
    clamd.mode = mode
    cluster.settings("spam", virus_scanner=clamd.url, engine=engine.url, timeout="1s", unavailable_after="3s")
    trace = finished(cluster, send(cluster, address, VIRUS), 60)
    assert "unchecked" in kinds(trace) and trace["spam"].startswith("not checked: no engine")
    assert len(folder(cluster, address, "INBOX")) == 1 and engine.requests == []


def test_scanner_comes_back(cluster):
    """With `unavailable defer` nothing passes by it."""
    address = new_user(cluster)
    scanner = Clamd()
    cluster.settings("spam", virus_scanner=scanner.url, unavailable="defer", unavailable_after="1s")
    ids = [send(cluster, address, text) for text in (VIRUS, HAM)]
    wait_for(lambda: "no connection" in str(cluster.trace(ids[1])["events"]), 15, what="tried")
    assert folder(cluster, address, "INBOX") == []
    scanner.start()
    try:
        held(cluster, ids[0])
        assert finished(cluster, ids[1], 60)["spam"] == "not spam"
    finally:
        scanner.stop()
