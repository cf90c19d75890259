"""Spam checks: by the real engines, and by one that fails in every way."""

import imaplib
import smtplib
import time
import urllib.request

import pytest

from cluster import Cluster, wait_for
from sink import Sink
from spam_engine import GTUBE, Fake, rspamd, spamd

HAM = ("From: Ann <ann@remote.example>\r\nTo: Bob <bob@example.test>\r\nSubject: Minutes of the meeting on Monday\r\n"
       "Message-ID: <20261123160000.4711@remote.example>\r\nDate: Mon, 23 Nov 2026 16:00:00 +0000\r\n\r\n"
       "Dear Bob,\r\n\r\nplease find the minutes of the meeting below. We agreed on all points\r\n"
       "of the agenda and meet again in two weeks.\r\n\r\nAnn\r\n")
SPAM = HAM.replace("Dear Bob", "buy viagra")
SENDER = "ann@remote.example"


@pytest.fixture(scope="module")
def the_cluster():
    with Cluster(frontends=1) as cluster:
        cluster.add_domain("example.test")
        yield cluster


@pytest.fixture
def cluster(the_cluster):
    yield the_cluster
    the_cluster.tool("queue", "delete", "--all", check=False)
    for key in the_cluster.redis.scan_iter("settings:*"):
        the_cluster.redis.delete(key)
    time.sleep(0.4)


@pytest.fixture
def fake(request):
    engine = Fake(getattr(request, "param", "spamd")).start()
    yield engine
    engine.stop()


@pytest.fixture
def sink():
    with Sink() as sink:
        yield sink


_users = iter(range(1, 1000))


def new_user(cluster, domain="example.test"):
    return cluster.add_user(f"u{next(_users)}@{domain}")


def use(cluster, *engines, **fields):
    cluster.settings("spam", engine=" ".join(e if isinstance(e, str) else e.url for e in engines), **fields)


def send(cluster, to, text, sender=SENDER):
    return cluster.deliver(sender, to, text)


def submit(cluster, account, to, text):
    with smtplib.SMTP("127.0.0.1", cluster.port("submission"), timeout=30) as smtp:
        smtp.login(account, "secret")
        smtp.mail(account)
        assert smtp.rcpt(to)[0] == 250
        code, answer = smtp.data(text)
        assert code == 250, answer
    return answer.decode().split()[-1]


def finished(cluster, id, timeout=30):
    def done():
        trace = cluster.trace(id)
        return trace if trace["state"] == "finished" else None
    return wait_for(done, timeout, step=0.1, what=f"{id} finished")


def folder(cluster, address, name):
    """The keywords and flags of its messages."""
    imap = imaplib.IMAP4("127.0.0.1", cluster.port("imap"))
    try:
        imap.login(address, "secret")
        if imap.select(f'"{name}"', readonly=True)[0] != "OK":
            return None
        numbers = imap.search(None, "ALL")[1][0].split()
        return [imap.fetch(n, "(FLAGS)")[1][0].decode() for n in numbers]
    finally:
        imap.logout()


def kinds(trace):
    return [e["kind"] for e in trace["events"]]


def metric(cluster, name, process="delivery-worker-0"):
    with urllib.request.urlopen(f"http://127.0.0.1:{cluster.metrics_port(process)}/metrics", timeout=10) as page:
        return sum(int(line.split()[-1]) for line in page.read().decode().splitlines()
                   if name in line and not line.startswith("#"))


# ---- real engines ----

@pytest.fixture(scope="module", params=[spamd, rspamd], ids=["spamassassin", "rspamd"])
def engine(request):
    engine = request.param()
    yield engine
    engine.stop()


def test_real_engine(cluster, engine):
    """The test message goes to Junk, with the keyword; a normal one to INBOX."""
    address = new_user(cluster)
    use(cluster, engine)
    before = metric(cluster, 'spam_checks_total{result="spam"}')
    spam = finished(cluster, send(cluster, address, HAM.replace("Dear Bob", GTUBE)), 60)
    ham = finished(cluster, send(cluster, address, HAM), 60)
    assert len(folder(cluster, address, "Junk")) == 1 and "$Junk" in folder(cluster, address, "Junk")[0]
    assert len(folder(cluster, address, "INBOX")) == 1 and "Junk" not in folder(cluster, address, "INBOX")[0]

    assert spam["spam"] == "spam" and ham["spam"] == "not spam"
    check = spam["spam_check"]
    assert check["engine"] == engine.url and check["score"] >= check["required"] > 0
    assert any("GTUBE" in s for s in check["symbols"])
    event = next(e for e in spam["events"] if e["kind"] == "checked")
    assert event["remote"] == engine.url and event["host"] and "GTUBE" in event["detail"]
    assert kinds(spam).index("checked") < kinds(spam).index("filed")
    assert next(e for e in spam["events"] if e["kind"] == "filed")["detail"].endswith("in Junk")
    assert "GTUBE" in cluster.tool("trace", spam["id"]).stdout
    assert metric(cluster, 'spam_checks_total{result="spam"}') == before + 1


# ---- requests to an engine ----

@pytest.mark.parametrize("fake", ["spamd", "rspamd"], indirect=True)
def test_request(cluster, fake):
    addresses = [new_user(cluster), new_user(cluster)]
    use(cluster, fake)
    text = SPAM + "x" * 70 + "\r\n"
    text += ("y" * 70 + "\r\n") * 20000  # more than one piece
    trace = finished(cluster, send(cluster, addresses, text))
    head, body = fake.requests[0]
    assert len(fake.requests) == 1
    assert body.endswith(text.encode())
    if fake.scheme == "spamd":
        assert head.startswith("SYMBOLS SPAMC/1.5\r\n")
        assert body.startswith(b"Return-Path: <ann@remote.example>\r\nAuthentication-Results: ")
        assert trace["spam_check"]["symbols"] == ["FAKE_SPAM", "MORE"]
    else:
        lines = head.split("\r\n")
        assert lines[0] == "POST /checkv2 HTTP/1.0" and body.startswith(b"Authentication-Results: ")
        assert set(lines) >= {f"Queue-Id: {trace['id']}", "From: <ann@remote.example>", "IP: 127.0.0.1",
                              "Helo: client.example.net", *(f"Rcpt: <{a}>" for a in addresses)}
        assert trace["spam_check"] | {"time": 0, "duration_ms": 0} == {
            "engine": fake.url, "score": 9.5, "required": 15, "action": "add header", "time": 0, "duration_ms": 0,
            "symbols": ["FAKE_SPAM(9.50)"]}
    for address in addresses:
        assert len(folder(cluster, address, "Junk")) == 1 and folder(cluster, address, "INBOX") == []


def test_who_is_checked(cluster, fake):
    address = new_user(cluster)
    send_id = send(cluster, address, SPAM)  # no engine is set
    assert "checked" not in kinds(finished(cluster, send_id)) and cluster.trace(send_id)["spam"] == "not checked"

    use(cluster, fake, max_size="10K")
    assert finished(cluster, send(cluster, address, SPAM + "z" * 11000))["spam"] == "not checked"
    assert finished(cluster, submit(cluster, address, address, SPAM))["spam"] == "not checked"
    assert fake.requests == []
    assert finished(cluster, send(cluster, address, SPAM))["spam"] == "spam"
    cluster.settings("spam", check_authenticated="on", max_size="0")
    assert finished(cluster, submit(cluster, address, address, SPAM))["spam"] == "spam"
    assert finished(cluster, send(cluster, address, SPAM + "z" * 11000))["spam"] == "spam"
    cluster.settings("smtp-out", max_spam_check_threads=0)
    assert finished(cluster, send(cluster, address, SPAM))["spam"] == "not checked"
    assert len(fake.requests) == 3 and len(folder(cluster, address, "INBOX")) == 4


# ---- filing ----

def test_actions_by_domain(cluster, fake):
    use(cluster, fake)
    junk, tag, none = (new_user(cluster, d) for d in ("example.test", "tag.test", "none.test"))
    cluster.settings("spam:tag.test", spam_action="tag")
    cluster.settings("spam:none.test", spam_action="none")
    finished(cluster, send(cluster, [junk, tag, none], SPAM))
    assert len(fake.requests) == 1
    assert "$Junk" in folder(cluster, junk, "Junk")[0] and folder(cluster, junk, "INBOX") == []
    assert "$Junk" in folder(cluster, tag, "INBOX")[0] and folder(cluster, tag, "Junk") == []
    assert "Junk" not in folder(cluster, none, "INBOX")[0] and folder(cluster, none, "Junk") == []


def test_junk_folder_is_made_or_found(cluster, fake):
    address = new_user(cluster)
    use(cluster, fake)
    imap = imaplib.IMAP4("127.0.0.1", cluster.port("imap"))
    imap.login(address, "secret")
    assert imap.delete("Junk")[0] == "OK" and imap.create("lists")[0] == "OK"
    finished(cluster, send(cluster, address, SPAM))
    assert "$Junk" in folder(cluster, address, "Junk")[0]
    listed = [l.decode() for l in imap.list()[1] if b"Junk" in l]
    assert len(listed) == 1 and "\\Junk" in listed[0]
    assert any(b"Junk" in l for l in imap.lsub()[1])
    # It is the same folder under another name.
    assert imap.rename("Junk", "Rubbish")[0] == "OK"
    finished(cluster, send(cluster, address, SPAM))
    assert len(folder(cluster, address, "Rubbish")) == 2 and folder(cluster, address, "Junk") is None
    # A requested folder takes precedence; the keyword stays.
    finished(cluster, send(cluster, address.replace("@", "+lists@"), SPAM))
    assert "$Junk" in folder(cluster, address, "lists")[0]
    finished(cluster, send(cluster, address.replace("@", "+nothing@"), SPAM))
    assert len(folder(cluster, address, "Rubbish")) == 3
    imap.logout()


# ---- engines that fail ----

@pytest.mark.parametrize("fake", ["spamd", "rspamd"], indirect=True)
@pytest.mark.parametrize("mode", ["silent", "closes", "cut", "garbage", "error", "hangs-up"])
def test_next_engine(cluster, fake, mode):
    """If one fails the next is asked, for this message."""
    fake.mode = mode
    second = Fake("rspamd" if fake.scheme == "spamd" else "spamd").start()
    try:
        address = new_user(cluster)
        use(cluster, fake, second, timeout="1s")
        trace = finished(cluster, send(cluster, address, SPAM))
        assert fake.begun == 1 and trace["spam_check"]["engine"] == second.url
        assert len(folder(cluster, address, "Junk")) == 1
    finally:
        second.stop()


def test_deaf_engine(cluster, fake):
    """An engine that does not read costs no more than its time-out."""
    fake.mode = "deaf"
    address = new_user(cluster)
    use(cluster, fake, timeout="1s", max_size="0", unavailable_after="1s")
    trace = finished(cluster, send(cluster, address, HAM + ("y" * 70 + "\r\n") * 200000))
    assert "no answer within 1 s" in str(trace["events"])
    assert len(folder(cluster, address, "INBOX")) == 1


def test_slow_engine(cluster, fake):
    fake.mode = "slow"
    address = new_user(cluster)
    use(cluster, fake)
    assert finished(cluster, send(cluster, address, SPAM))["spam_check"]["score"] == 9.5


def test_engine_down_then_accepted(cluster):
    address = new_user(cluster)
    use(cluster, Fake("rspamd"), unavailable_after="3s")
    unchecked = metric(cluster, "spam_unchecked_total", "spool-broker-0")
    begin = time.monotonic()
    id = send(cluster, address, SPAM)
    waiting = wait_for(lambda: next((m for m in cluster.json("queue", "list") if m["id"] == id and "answer" in m),
                                    None), 10, what="the engine's trouble shown")
    assert waiting["spam"] == "waits for its spam check" and "no connection" in waiting["answer"]
    trace = finished(cluster, id)
    assert time.monotonic() - begin > 2.5
    assert "unchecked" in kinds(trace) and trace["spam"].startswith("not checked: no engine")
    assert len(folder(cluster, address, "INBOX")) == 1
    assert metric(cluster, "spam_unchecked_total", "spool-broker-0") == unchecked + 1


def test_engine_down_then_up(cluster):
    address = new_user(cluster)
    engine = Fake("rspamd")
    use(cluster, engine, unavailable="defer", unavailable_after="1s")
    ids = [send(cluster, address, SPAM) for _ in range(3)]
    time.sleep(3)
    assert folder(cluster, address, "INBOX") == [] == folder(cluster, address, "Junk")
    engine.start()
    try:
        for id in ids:
            assert finished(cluster, id, 60)["spam"] == "spam"
    finally:
        engine.stop()
    assert len(folder(cluster, address, "Junk")) == 3


def test_turned_off_while_messages_wait(cluster, fake):
    address = new_user(cluster)
    use(cluster, Fake(), unavailable="defer")
    ids = [send(cluster, address, SPAM) for _ in range(5)]
    time.sleep(1)
    assert folder(cluster, address, "INBOX") == []
    cluster.redis.hset("settings:spam", "engine", "")
    for id in ids:
        trace = finished(cluster, id, 20)
        assert trace["spam"] == "not checked: spam checks were turned off"
    assert len(folder(cluster, address, "INBOX")) == 5


def test_backlog_waits_for_its_turn(cluster, fake):
    """unavailable_after is for engines that fail, not for busy ones."""
    address = new_user(cluster)
    fake.mode = "slow"
    cluster.settings("smtp-out", max_spam_check_threads=1)
    use(cluster, fake, unavailable_after="1s")
    ids = [send(cluster, address, SPAM) for _ in range(6)]
    assert [finished(cluster, id, 60)["spam"] for id in ids] == ["spam"] * 6


# ---- outgoing mail ----

def test_outbound_spam(cluster, fake, sink):
    """Forwarded by an alias, and submitted: sent, or held for the operator."""
    address = new_user(cluster)
    cluster.settings("smtp-out", relay_host=f"[127.0.0.1]:{sink.port}")
    cluster.tool("alias", "add", f"away-{address}", "r@far.example")
    use(cluster, fake, check_authenticated="on")
    assert finished(cluster, send(cluster, f"away-{address}", SPAM))["spam"] == "spam"
    assert len(sink.messages) == 1 and b"$Junk" not in sink.messages[0].data

    cluster.settings("spam", outbound_spam="hold")
    ids = [send(cluster, f"away-{address}", SPAM), submit(cluster, address, "r@far.example", SPAM)]
    for id in ids:
        held = wait_for(lambda: next((m for m in cluster.json("queue", "list") if m["id"] == id and
                                      m["state"] == "held"), None), 15, what="held")
        assert held["spam"] == "spam" and held["spam_check"]["score"] == 9.5
        assert "outgoing spam" in str(cluster.trace(id)["events"])
    assert finished(cluster, submit(cluster, address, "r@far.example", HAM))["spam"] == "not spam"
    assert finished(cluster, send(cluster, address, SPAM))["spam"] == "spam"  # to a mailbox here
    assert len(sink.messages) == 2
    for id in ids:
        cluster.tool("queue", "release", id)
        assert kinds(finished(cluster, id)).count("held") == 1
    assert len(sink.messages) == 4


# ---- loss ----

def test_worker_killed_during_check(own_cluster, fake):
    cluster = own_cluster(frontends=1)
    address = cluster.add_user("a@example.test")
    fake.mode = "silent"
    use(cluster, fake)
    ids = [send(cluster, address, SPAM) for _ in range(5)]
    wait_for(lambda: len(fake.requests) == 5, 15, what="checks under way")
    fake.mode = "auto"
    old = cluster.kill("delivery-worker-0")
    cluster.wait_restarted("delivery-worker-0", old)
    for id in ids:
        assert finished(cluster, id, 60)["spam"] == "spam"
    assert len(folder(cluster, address, "Junk")) == 5 and folder(cluster, address, "INBOX") == []


@pytest.mark.parametrize("point", ["job-given", "result-received", "result-saved", "checked", "checking"])
def test_killed_on_the_way(own_cluster, fake, sink, tmp_path, point):
    """Broker or worker: the verdict is kept or the check repeated; delivered once."""
    marker = tmp_path / "marker"
    cluster = own_cluster(frontends=1, env={"STAGEPOST_CRASH_AT": f"{point}:{marker}"})
    name = "delivery-worker-0" if point in ("checked", "checking") else "spool-broker-0"
    address = cluster.add_user("a@example.test")
    cluster.settings("smtp-in", relay_whitelist="127.0.0.0/8")
    cluster.settings("smtp-out", relay_host=f"[127.0.0.1]:{sink.port}")
    use(cluster, fake)
    old = cluster.pid(name)
    marker.write_text("")
    id = send(cluster, [address, "r@far.example"], SPAM)
    cluster.wait_restarted(name, old, 20)
    assert not marker.exists()
    trace = finished(cluster, id, 60)
    assert trace["spam"] == "spam" and kinds(trace).count("checked") == 1
    assert len(folder(cluster, address, "Junk")) == 1 and folder(cluster, address, "INBOX") == []
    assert len(sink.messages) == 1
    if point == "result-saved":
        assert len(fake.requests) == 1
