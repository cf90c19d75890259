"""TLS reports (RFC 8460): sessions are counted by all workers together, and each
domain that asks for it gets one report for each day, mailed and posted."""

import datetime
import email
import email.policy
import gzip
import hashlib
import http.server
import json
import ssl
import threading
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from certificates import Authority
from cluster import wait_for
from signed_dns import SignedDns
from test_dkim import make_key, signatures, tag, verify
from world import World

NOTHING = "00" * 32


def day(ago=0):
    return (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=ago)).strftime("%Y-%m-%d")


class Collector:
    """A web server that accepts reports."""

    def __init__(self, chain):
        self.posts, self.answers = [], []  # answers to the next posts; then 201
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = collector.answers.pop(0) if collector.answers else 201
                if status == 201:
                    collector.posts.append((self.path, self.headers["Content-Type"], self.headers["Host"], body))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*chain)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Reporting(World):
    def __init__(self, marker):
        self.authority = Authority()
        self.chain = self.authority.issue("mx.dane.test")
        certificate = x509.load_pem_x509_certificate(self.chain[0].read_bytes())
        self.key = hashlib.sha256(certificate.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)).hexdigest()
        self.collector = Collector(self.authority.issue("web.plain.test"))
        self.marker = marker
        super().__init__(make_dns=self._dns, workers=2, env={
            "STAGEPOST_CA_FILE": str(self.authority.file),
            "STAGEPOST_CRASH_AT": f"tls-report-handed-over:{marker}"})
        self.records = make_key(self, "example.test")

    def _dns(self, port):
        post = f"https://web.plain.test:{self.collector.port}/tls?d=1"
        signed, plain = [], ["web IN A 127.0.0.1", "silent IN MX 10 mx", "mx IN A 127.0.0.2", "box IN MX 10 mx-box",
                             "mx-box IN A 127.0.0.3"]
        # domain -> (address, TLSA record, where its reports go)
        for name, address, record, rua in (
                ("good", "127.0.0.4", f"3 1 1 {self.key}", f"mailto:tls%2Breports@box.plain.test,{post}"),
                ("once", "127.0.0.4", f"3 1 1 {self.key}", "mailto:once@box.plain.test"),
                ("bad", "127.0.0.4", f"3 1 1 {NOTHING}", "mailto:postmaster@bad.dane.test"),
                ("unusable", "127.0.0.4", f"0 1 1 {NOTHING}", "mailto:unusable@box.plain.test"),
                ("stripped", "127.0.0.2", f"3 1 1 {self.key}", "mailto:stripped@box.plain.test")):
            signed += [f"{name} IN MX 10 mx-{name}", f"mx-{name} IN A {address}",
                       f"_{port}._tcp.mx-{name} IN TLSA {record}",
                       f'_smtp._tls.{name} IN TXT "v=TLSRPTv1; rua={rua}"']
        for name, address in (("clear", "127.0.0.2"), ("any", "127.0.0.4")):
            plain += [f"{name} IN MX 10 mx-{name}", f"mx-{name} IN A {address}",
                      f'_smtp._tls.{name} IN TXT "v=TLSRPTv1; rua=mailto:{name}@box.plain.test"']
        return SignedDns({"dane.test": signed}, {"plain.test": plain})

    # ---- counts ----

    def report(self, domain, when="today"):
        """The report as it would be made now, or None."""
        done = self.cluster.tool("tls-report", "show", when, domain, check=False)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def counted(self, domain, ok=0, failed=0):
        """The parts of the domain's report, once there are at least this many sessions."""
        def parts():
            report = self.report(domain)
            sums = [sum(p["summary"][f"total-{k}-session-count"] for p in report["policies"])
                    for k in ("successful", "failure")] if report else (0, 0)
            return report if sums[0] >= ok and sums[1] >= failed else None
        return wait_for(parts, 20, 0.2, f"{ok} and {failed} sessions of {domain}")["policies"]

    def make_yesterday(self, domain):
        """Moves today's counts to yesterday, so that the report is due."""
        redis, old, new = self.cluster.redis, f"tlsrpt:{{{day()}}}", f"tlsrpt:{{{day(1)}}}"
        due = redis.zscore(f"{old}:due", domain)
        assert due == (int(time.time()) // 86400 + 1) * 86400_000 + 60_000  # nothing is spread
        redis.zrem(f"{old}:due", domain)
        redis.rename(f"{old}:c:{domain}", f"{new}:c:{domain}")
        redis.zadd(f"{new}:due", {domain: due - 86400_000})

    def outcome(self, domain, when="yesterday", timeout=30):
        def found():
            lines = {line["domain"]: line for line in self.cluster.json("tls-report", "list", when)}
            state = lines[domain]["report"]
            return None if state.startswith("due") else state
        return wait_for(found, timeout, 0.2, f"the report about {domain}")


@pytest.fixture(scope="module")
def the_world(tmp_path_factory):
    world = Reporting(tmp_path_factory.mktemp("crash") / "marker")
    yield world
    world.stop()
    world.collector.stop()
    world.authority.__exit__()


@pytest.fixture
def world(the_world):
    the_world.reset()
    the_world.tls.use_certificate(*the_world.chain)
    the_world.collector.posts.clear()
    the_world.collector.answers.clear()
    the_world.marker.unlink(missing_ok=True)
    for key in the_world.cluster.redis.scan_iter("tlsrpt:*"):
        the_world.cluster.redis.delete(key)
    the_world.cluster.settings("smtp-out", tls_reports="on", tls_report_spread="0s",
                               tls_report_organization="Example Post", max_delivery_threads=2)
    yield the_world


def stop_trying(world):
    world.cluster.tool("queue", "delete", "--all", check=False)


def unpack(message):
    """The report in a mail, checked for its form; with its spool id."""
    m = email.message_from_bytes(message.data, policy=email.policy.default)
    assert not m.defects
    assert m.get_content_type() == "multipart/report" and m.get_param("report-type") == "tlsrpt"
    words, part = m.get_payload()
    assert words.get_content_type() == "text/plain"
    assert part.get_content_type() == "application/tlsrpt+gzip"
    report = json.loads(gzip.decompress(part.get_content()))
    domain, start = m["TLS-Report-Domain"], int(time.time()) // 86400 * 86400 - 86400
    assert m["TLS-Report-Submitter"] == "mx.example.test" and m["TLS-Required"] == "No"
    assert m["From"] == "postmaster@mx.example.test" and m["Auto-Submitted"] == "auto-generated"
    assert m["Subject"] == (f"Report Domain: {domain} Submitter: mx.example.test "
                            f"Report-ID: <{report['report-id']}>")
    id = report["report-id"].split("@")[0]
    assert part.get_filename() == f"mx.example.test!{domain}!{start}!{start + 86399}!{id}.json.gz"
    return m, report


# ---- counting ----

def test_counts_of_two_workers(world):
    world.tls.delay["END"] = 0.2
    for i in range(12):
        world.send(f"a{i}@good.dane.test")
    world.tls.wait(12)
    sessions = len(world.tls.sessions)
    policy, = world.counted("good.dane.test", ok=sessions)
    assert policy == {
        "policy": {"policy-type": "tlsa", "policy-domain": "mx-good.dane.test",
                   "policy-string": [f"_{world.sink.port}._tcp.mx-good.dane.test. IN TLSA 3 1 1 {world.key}"]},
        "summary": {"total-successful-session-count": sessions, "total-failure-session-count": 0}}
    marks = [f for f in world.cluster.redis.hkeys(f"tlsrpt:{{{day()}}}:c:good.dane.test") if f[0] == "#"]
    assert len(marks) == 2  # each worker had its part
    line, = world.cluster.json("tls-report", "list", "today")
    assert line["domain"] == "good.dane.test" and line["successful"] == sessions and line["failed"] == 0


FAILURES = {
    "bad.dane.test": ("tlsa", "validation-failure", "tls.remote.test", "127.0.0.4", "certificate is not accepted"),
    "unusable.dane.test": ("tlsa", "tlsa-invalid", "tls.remote.test", "127.0.0.4", None),
    "stripped.dane.test": ("tlsa", "starttls-not-supported", "sink.remote.test", "127.0.0.2", "STARTTLS"),
    "clear.plain.test": ("no-policy-found", "starttls-not-supported", "sink.remote.test", "127.0.0.2", None),
}


@pytest.mark.parametrize("domain", FAILURES)
def test_failures(world, domain):
    kind, result, helo, ip, words = FAILURES[domain]
    world.send(f"a@{domain}")
    policy = world.counted(domain, failed=1)[0]
    stop_trying(world)
    assert policy["policy"]["policy-type"] == kind
    assert policy["summary"]["total-successful-session-count"] == 0
    detail, = policy["failure-details"]
    assert detail["failed-session-count"] == policy["summary"]["total-failure-session-count"] >= 1
    assert detail["result-type"] == result and detail["receiving-mx-helo"] == helo
    assert detail["receiving-mx-hostname"] == "mx-" + domain
    assert detail["receiving-ip"] == ip and detail["sending-mta-ip"].startswith("127.0.0.")
    assert words is None and "failure-reason-code" not in detail or words in detail["failure-reason-code"]


def test_opportunistic(world):
    """Without a policy any TLS session is a success, a broken one a failure, and the plain session that
    follows counts as nothing."""
    world.send("a@any.plain.test")
    policy, = world.counted("any.plain.test", ok=1)
    assert policy["policy"] == {"policy-type": "no-policy-found", "policy-domain": "any.plain.test"}
    world.tls.reset()  # the idle connection is closed
    world.tls.tls = "bad"
    world.send("b@any.plain.test")
    policy, = world.counted("any.plain.test", ok=1, failed=1)
    world.tls.wait(1)
    assert policy["summary"] == {"total-successful-session-count": 1, "total-failure-session-count": 1}
    assert policy["failure-details"][0]["result-type"] == "validation-failure"


def test_what_is_not_counted(world):
    world.send("a@bad.dane.test", data="TLS-Required: No\r\nSubject: x\r\n\r\nx\r\n")
    world.cluster.settings("smtp-out", relay_host=f"[127.0.0.2]:{world.sink.port}")
    world.send("a@clear.plain.test")
    world.tls.wait(1), world.sink.wait(1)
    world.cluster.unset("smtp-out", "relay_host")
    world.cluster.settings("smtp-out", tls_reports="off")
    world.send("a@any.plain.test")
    world.tls.wait(2)
    time.sleep(3)
    assert not world.cluster.redis.keys("tlsrpt:*")


# ---- reports ----

def test_report_is_mailed_and_posted(world):
    world.send("a@good.dane.test")
    world.counted("good.dane.test", ok=1)
    world.make_yesterday("good.dane.test")
    assert world.outcome("good.dane.test") == "sent"
    mail, = world.second.wait()
    m, report = unpack(mail)
    assert mail.rcpts[0].startswith("<tls+reports@box.plain.test>") and "NOTIFY=NEVER" in mail.rcpts[0]
    assert mail.mail.startswith("<postmaster@mx.example.test>")
    assert report["organization-name"] == "Example Post" and report["contact-info"] == "postmaster@mx.example.test"
    assert report["date-range"] == {"start-datetime": f"{day(1)}T00:00:00Z", "end-datetime": f"{day(1)}T23:59:59Z"}
    policy, = report["policies"]
    assert policy["summary"] == {"total-successful-session-count": 1, "total-failure-session-count": 0}
    # Signed by the parent domain, including the fields that are specific to reports.
    signature, = signatures(mail.data)
    assert tag(signature, "d") == "example.test" and "tls-report-domain" in tag(signature, "h").replace("\r\n\t", "")
    assert verify(mail.data, world.records) == [True]
    # The same, posted.
    (path, kind, host, body), = world.collector.posts
    assert (path, kind) == ("/tls?d=1", "application/tlsrpt+gzip") and host.startswith("web.plain.test:")
    assert json.loads(gzip.decompress(body)) == report == world.report("good.dane.test", "yesterday")
    # Done is done.
    again = world.cluster.tool("tls-report", "send", "yesterday", "good.dane.test", check=False)
    assert again.returncode == 1 and "is already done: sent" in again.stderr


def test_report_arrives_where_tls_fails(world):
    """It reports a certificate that does not match to its owner."""
    world.send("a@bad.dane.test")
    world.counted("bad.dane.test", failed=1)
    stop_trying(world)
    assert not world.tls.messages
    world.make_yesterday("bad.dane.test")
    m, report = unpack(world.tls.wait()[0])
    assert report["policies"][0]["failure-details"][0]["result-type"] == "validation-failure"
    # The report's own session is not counted.
    time.sleep(3)
    assert world.report("bad.dane.test") is None


def test_worker_dies_behind_the_hand_over(world):
    """The next one goes on; the mail is the same, and comes once."""
    world.send("a@once.dane.test")
    world.counted("once.dane.test", ok=1)
    world.marker.touch()
    world.make_yesterday("once.dane.test")
    wait_for(lambda: not world.marker.exists(), 30, what="the death of a worker")
    world.second.wait(1)
    key = f"tlsrpt:{{{day(1)}}}:due"
    assert world.cluster.redis.zscore(key, "once.dane.test") > time.time() * 1000 - 1000  # its lease
    world.cluster.redis.zadd(key, {"once.dane.test": 0})  # is over
    assert world.outcome("once.dane.test") == "sent"
    time.sleep(2)
    assert len(world.second.messages) == 1
    logs = world.cluster.log("spool-broker-0")
    assert "message was handed over before" in logs or "known" in logs


def test_web_server_that_fails(world):
    """Tried again, without a second mail."""
    world.collector.answers += [500, 503]
    world.send("a@good.dane.test")
    world.counted("good.dane.test", ok=1)
    world.make_yesterday("good.dane.test")
    for left in (1, 0):
        wait_for(lambda: len(world.collector.answers) == left, 30)
        key = f"tlsrpt:{{{day(1)}}}:due"
        wait_for(lambda: world.cluster.redis.hget(f"tlsrpt:{{{day(1)}}}:p:good.dane.test", "tries") == str(2 - left))
        wait_for(lambda: world.cluster.redis.zscore(key, "good.dane.test") > time.time() * 1000 + 40_000)
        assert not world.collector.posts
        time.sleep(0.5)
        world.cluster.tool("tls-report", "send", "yesterday", "good.dane.test")
    assert world.outcome("good.dane.test") == "sent"
    assert len(world.collector.posts) == 1 and len(world.second.wait()) == 1


def test_nobody_asks(world):
    world.send("a@silent.plain.test")
    world.counted("silent.plain.test", failed=1)
    world.make_yesterday("silent.plain.test")
    assert world.outcome("silent.plain.test") == "not asked for"
    assert not world.second.messages


def test_without_a_key(world):
    """An unsigned report is worth nothing; it is not sent, and the log says why."""
    world.cluster.settings("smtp-out", tls_report_from="reports@elsewhere.test")
    world.send("a@once.dane.test")
    world.counted("once.dane.test", ok=1)
    world.make_yesterday("once.dane.test")
    assert world.outcome("once.dane.test") == "not sent"
    assert not world.second.messages
    logs = "".join(world.cluster.log(f"delivery-worker-{i}") for i in range(2))
    assert "TLS reports are not mailed: they must be signed, and there is no DKIM key" in logs


def test_today_by_hand(world):
    tool = world.cluster.tool
    world.send("a@once.dane.test")
    world.counted("once.dane.test", ok=1)
    tool("tls-report", "send", "today", "once.dane.test")
    assert world.outcome("once.dane.test", "today") == "sent"
    world.second.wait()
    for arguments in (["send", "today", "never.test"], ["show", "today", "never.test"], ["show", "2026-13-01", "a.test"],
                      ["show", "today"], ["list"], ["list", "tomorrow"], ["send", "yesterday", "once.dane.test"]):
        assert tool("tls-report", *arguments, check=False).returncode == 1
