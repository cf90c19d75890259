"""Spam engines and virus scanners asked before the answer to the data."""

import smtplib
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from cluster import SETTLE, wait_for
from spam_engine import Clamd, Fake
from test_spam import HAM, SPAM, cluster, finished, folder, kinds, metric, new_user, the_cluster  # noqa: F401
from test_virus import VIRUS, clamd, held  # noqa: F401

OUR = "frontend-0"


@pytest.fixture
def engine():
    engine = Fake("rspamd").start()
    yield engine
    engine.stop()


def use(cluster, **fields):
    cluster.settings("spam", in_session="on", **fields)
    time.sleep(SETTLE)


def say(cluster, to, text, account=None):
    """The reply to the data, and the id if it is accepted."""
    with smtplib.SMTP("127.0.0.1", cluster.port("submission" if account else "smtp"), timeout=60) as smtp:
        smtp.ehlo("client.example.net")
        if account:
            smtp.login(account, "secret")
        code, words = smtp.mail(account or "ann@remote.example")
        if code == 451:
            return code, words.decode()
        assert smtp.rcpt(to)[0] == 250
        code, words = smtp.data(text)
        return code, words.decode()


def take(cluster, to, text, **kwargs):
    code, words = say(cluster, to, text, **kwargs)
    assert code == 250, words
    return words.split()[-1]


def test_verdict_comes_along(cluster, engine, clamd):
    """It is asked once, and the spool does not ask again."""
    address = new_user(cluster)
    use(cluster, engine=engine.url, virus_scanner=clamd.url)
    spam, ham = (finished(cluster, take(cluster, address, text)) for text in (SPAM, HAM))
    assert len(engine.requests) == 2 == len(clamd.requests)
    assert spam["spam"] == "spam" and spam["spam_check"]["engine"] == engine.url and ham["spam"] == "not spam"
    assert kinds(spam).count("checked") == 1
    by_kind = {e["kind"]: e for e in spam["events"]}
    assert by_kind["checked"]["host"] == by_kind["accepted"]["host"]  # the frontend
    assert "$Junk" in folder(cluster, address, "Junk")[0] and len(folder(cluster, address, "INBOX")) == 1
    head, body = engine.requests[0]
    assert body.startswith(b"Authentication-Results: ") and f"Queue-Id: {spam['id']}" in head


@pytest.mark.parametrize("mode, words, answer, why", [
    ("reject", "", (550, "5.7.1 Refused as spam"), "spam"),
    ("reject", "Go away\r\n250 ok", (550, "5.7.1 Go away"), "spam"),
    ("soft", "Greylisted", (451, "4.7.1 Greylisted"), "later")])
def test_refused(cluster, engine, mode, words, answer, why):
    address = new_user(cluster)
    use(cluster, engine=engine.url)
    engine.mode, engine.words = mode, words
    before = metric(cluster, f'spam_refused_total{{why="{why}"}}', OUR)
    code, text = say(cluster, address, SPAM)
    assert code == answer[0] and text.startswith(answer[1]) and "\n" not in text
    assert metric(cluster, f'spam_refused_total{{why="{why}"}}', OUR) == before + 1
    assert folder(cluster, address, "INBOX") == [] == folder(cluster, address, "Junk")
    assert cluster.json("queue", "list") == []


def test_virus(cluster, clamd):
    address = new_user(cluster)
    use(cluster, virus_scanner=clamd.url)
    assert say(cluster, address, VIRUS) == (550, "5.7.1 Virus found: Eicar-Signature")
    use(cluster, virus_action="junk")
    assert finished(cluster, take(cluster, address, VIRUS))["spam_check"]["virus"] == "Eicar-Signature"
    assert len(folder(cluster, address, "Junk")) == 1 and folder(cluster, address, "INBOX") == []


def test_held_for_its_verdict(cluster, engine):
    """Outgoing spam, by a verdict that came along; released, it is not held again."""
    address = new_user(cluster)
    cluster.settings("smtp-out", relay_host="[127.0.0.1]:1")
    use(cluster, engine=engine.url, check_authenticated="on", outbound_spam="hold")
    id = take(cluster, "r@far.example", SPAM, account=address)
    assert held(cluster, id)["spam"] == "spam"
    cluster.tool("queue", "release", id)
    wait_for(lambda: "deferred" in kinds(cluster.trace(id)), 15, what="tried")
    assert kinds(cluster.trace(id)).count("held") == 1 and len(engine.requests) == 1


def test_own_users(cluster, engine):
    address = new_user(cluster)
    engine.mode = "reject"
    use(cluster, engine=engine.url)
    take(cluster, address, HAM, account=address)
    use(cluster, check_authenticated="on")
    assert say(cluster, address, HAM, account=address)[0] == 550


@pytest.mark.parametrize("mode", ["silent", "error", "closes", "stopped"])
def test_engine_fails(cluster, engine, mode):
    """Taken, and checked from the spool."""
    address = new_user(cluster)
    if mode == "stopped":
        engine.stop()
    engine.mode = mode
    use(cluster, engine=engine.url, in_session_time_limit="1s", unavailable="defer", timeout="2s")
    begin = time.monotonic()
    before = metric(cluster, "spam_left_to_queue_total", OUR)
    id = take(cluster, address, SPAM)
    assert time.monotonic() - begin < 5 and metric(cluster, "spam_left_to_queue_total", OUR) == before + 1
    assert folder(cluster, address, "INBOX") == []
    engine.mode = "auto"
    if mode == "stopped":
        engine.start()
    assert finished(cluster, id, 60)["spam"] == "spam"
    assert len(folder(cluster, address, "Junk")) == 1


def test_no_more_at_once(cluster, engine):
    """What comes while enough are asked is taken at once."""
    address = new_user(cluster)
    engine.mode = "silent"
    use(cluster, engine=engine.url, in_session_checks=1, in_session_time_limit="5s", unavailable="defer")
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(take, cluster, address, SPAM)
        wait_for(lambda: engine.requests, what="the first asks")
        begin = time.monotonic()
        take(cluster, address, SPAM)
        assert time.monotonic() - begin < 3
        first.result()


def test_client_leaves(cluster, engine):
    """Nothing of it is kept, and its place is free."""
    address = new_user(cluster)
    engine.mode = "silent"
    use(cluster, engine=engine.url, in_session_checks=1, in_session_time_limit="60s")
    smtp = smtplib.SMTP("127.0.0.1", cluster.port("smtp"), timeout=30)
    smtp.ehlo("client.example.net")
    smtp.mail("ann@remote.example")
    smtp.rcpt(address)
    smtp.docmd("DATA")
    smtp.send(SPAM.encode() + b".\r\n")
    wait_for(lambda: engine.requests, what="asked")
    smtp.close()
    time.sleep(0.5)
    engine.mode = "auto"
    assert "checked" in kinds(finished(cluster, take(cluster, address, HAM)))
    assert len(engine.requests) == 2 and folder(cluster, address, "Junk") == []


@pytest.mark.parametrize("point", ["checking", "engines-asked", "hand-over-received", "hand-over-written", "hand-over-answered",
                                   "job-given"])
def test_killed_on_the_way(own_cluster, engine, tmp_path, point):
    """Nothing is lost, nothing comes twice, and the verdict stays with the message."""
    marker = tmp_path / "marker"
    cluster = own_cluster(frontends=1, env={"STAGEPOST_CRASH_AT": f"{point}:{marker}"})
    name = OUR if point in ("checking", "engines-asked") else "spool-broker-0"
    address = cluster.add_user("a@example.test")
    use(cluster, engine=engine.url)
    old = cluster.pid(name)
    marker.write_text("")
    try:
        code = say(cluster, address, SPAM)[0]
    except (smtplib.SMTPException, OSError):
        code = None
    cluster.wait_restarted(name, old, 20)
    assert not marker.exists() and (code == 250 or name == OUR)
    if code != 250:
        wait_for(lambda: say(cluster, address, SPAM)[0] == 250, 30, what="sent again")
    wait_for(lambda: folder(cluster, address, "Junk"), 60, what="filed")
    time.sleep(2)
    assert len(folder(cluster, address, "Junk")) == 1 and folder(cluster, address, "INBOX") == []
    assert len(engine.requests) == (2 if point == "engines-asked" else 1)
