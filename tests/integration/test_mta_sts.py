"""MTA-STS (RFC 8461): policies of domains, fetched from the tests' own web
server, and their demands on mail servers. MX hosts have certificates from an
authority that the workers trust, or not."""

import http.server
import itertools
import json
import smtplib
import ssl
import threading
import time

import pytest

from certificates import Authority
from cluster import wait_for
from ports import free_port
from world import World

REPORTED = ["r-good", "r-testing", "r-testing-name", "r-enforce", "r-not-named", "r-missing", "r-bad", "r-stale"]
CASES = ["good", "wrong-cert", "stripped", "not-named", "two", "testing", "renewed", "offline", "shared", "none",
         "redirect", "html", "large", "missing", "bad-policy", "web-cert", "no-web", "off", "optional", "store",
         "required", "required-not-named", "required-later", "flight", "late", "address", "damaged", "unsaved",
         "neighbour", "runs-out", "due", *REPORTED]


class PolicyServer(http.server.ThreadingHTTPServer):
    """https on 127.0.0.5; `answers`: host -> (status, headers, body)."""

    daemon_threads = True

    def __init__(self, authority, port):
        self.answers, self.asked, self.slow = {}, [], 0
        super().__init__(("127.0.0.5", port), self.Handler)
        names = [f"mta-sts.{c}.sts.test" for c in CASES if c != "web-cert"]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*authority.issue(*names))
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def handle_error(self, request, address):
        pass  # clients that reject the certificate

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            host = self.headers["Host"].split(":")[0]
            self.server.asked.append((host, self.path))
            time.sleep(self.server.slow)
            status, headers, body = self.server.answers.get(host, (404, {}, "no"))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *args):
            pass


class Sts(World):
    def __init__(self):
        self.authority = Authority()
        self.other = Authority("Another authority")
        self.web_port = free_port()
        self.web = PolicyServer(self.authority, self.web_port)
        self.numbers = itertools.count(1)
        super().__init__(env={"STAGEPOST_CA_FILE": str(self.authority.file),
                              "STAGEPOST_STS_PORT": str(self.web_port)})

    def reset(self):
        super().reset()
        self.web.answers, self.web.asked, self.web.slow = {}, [], 0
        self.trusted("mx.sts.test", "second.sts.test")
        self.dns.ttl = 0

    def trusted(self, *names, authority=None):
        self.tls.use_certificate(*(authority or self.authority).issue(*names))

    def publish(self, case, policy="version: STSv1\nmode: enforce\nmx: mx.sts.test\nmax_age: 86400\n",
                hosts=(("mx.sts.test", "127.0.0.4"),), id="1", status=200, content_type="text/plain", record=True):
        """A domain with these MX hosts and this policy."""
        domain = f"{case}.sts.test"
        if (domain, "MX") not in self.dns.records:
            self.dns.mail_domain(domain, *[(10 * (i + 1), name, address) for i, (name, address) in enumerate(hosts)])
            self.dns.set(f"mta-sts.{domain}", "A", "127.0.0.5")
        if record:
            self.dns.set(f"_mta-sts.{domain}", "TXT", f'"v=STSv1; id={id};"')
        headers = {"Content-Type": content_type} if content_type else {}
        if 300 <= status < 400:
            headers["Location"] = f"https://mta-sts.{domain}:{self.web_port}/elsewhere"
        self.web.answers[f"mta-sts.{domain}"] = (status, headers, policy)
        return domain

    def new_worker(self):
        """A worker that remembers nothing."""
        pid = self.cluster.kill("delivery-worker-0")
        self.cluster.wait_restarted("delivery-worker-0", pid)

    def postponed(self, id):
        """Why it was not tried, which is not the answer of any server."""
        def look():
            trace = self.cluster.trace(id)
            assert not trace["recipients"][0].get("attempts"), trace
            return [e for e in trace["events"] if e["kind"] == "postponed"]
        return wait_for(look, what="postponed")[0]

    def deferred(self, id):
        """The answer of the first deferred try."""
        def look():
            recipient, = self.cluster.trace(id)["recipients"]
            return recipient if recipient.get("attempts") else None
        return wait_for(look, what="put off")

    def stop(self):
        super().stop()
        self.web.shutdown()
        self.web.server_close()


@pytest.fixture(scope="module")
def the_world():
    world = Sts()
    yield world
    world.stop()


@pytest.fixture
def world(the_world):
    the_world.reset()
    yield the_world


def test_enforced(world):
    id = world.send(f"a@{world.publish('good')}")
    message, = world.tls.wait()
    assert message.tls
    assert world.web.asked == [("mta-sts.good.sts.test", "/.well-known/mta-sts.txt")]
    wait_for(lambda: "verified" in str(world.cluster.trace(id)["events"]), what="the trace says so")
    stored = world.cluster.redis.get("tlspolicy:sts:{good.sts.test}")
    assert "mode: enforce" in stored and world.cluster.redis.pttl("tlspolicy:sts:{good.sts.test}") <= 86400_000
    # Fetched once, whatever happens next.
    world.send(f"b@good.sts.test")
    world.tls.wait(2)
    assert len(world.web.asked) == 1


@pytest.mark.parametrize("case", ["wrong-cert", "stripped", "not-named"])
def test_nothing_goes_against_the_policy(world, case):
    domain = world.publish(case, **{
        "wrong-cert": {},
        "stripped": {"hosts": (("plain.sts.test", "127.0.0.2"),),
                     "policy": "version: STSv1\nmode: enforce\nmx: *.sts.test\nmax_age: 86400\n"},
        "not-named": {"policy": "version: STSv1\nmode: enforce\nmx: other.sts.test\nmax_age: 86400\n"},
    }[case])
    if case == "wrong-cert":
        world.trusted("mx.sts.test", authority=world.other)
    id = world.send(f"a@{domain}")
    event = world.deferred(id)
    assert event["code"].startswith("4.7"), event
    assert ("MTA-STS" in event["answer"]) == (case == "not-named")
    time.sleep(1.5)  # a second try
    assert world.tls.messages == [] and world.sink.messages == []
    # It is corrected, and the mail is sent.
    world.trusted("mx.sts.test")
    if case == "wrong-cert":
        world.tls.wait(timeout=30)


def test_other_host_of_the_domain(world):
    """The first is not in the policy, the second is."""
    domain = world.publish("two", policy="version: STSv1\nmode: enforce\nmx: second.sts.test\nmax_age: 86400\n",
                           hosts=(("first.sts.test", "127.0.0.2"), ("second.sts.test", "127.0.0.4")))
    world.send(f"a@{domain}")
    world.tls.wait()
    assert world.sink.sessions == []


def test_address_in_place_of_a_host(world):
    """An attacker who forges the MX records can have a certificate for his own address."""
    world.trusted("mx.sts.test", "127.0.0.4")
    domain = world.publish("address", hosts=(("127.0.0.4", "127.0.0.4"),))
    event = world.deferred(world.send(f"a@{domain}"))
    assert event["code"] == "4.7.5" and "MTA-STS" in event["answer"], event
    assert world.tls.sessions == []


def test_testing_mode_hinders_nothing(world):
    world.trusted("mx.sts.test", authority=world.other)
    domain = world.publish("testing", policy="version: STSv1\nmode: testing\nmx: other.sts.test\nmax_age: 86400\n")
    world.send(f"a@{domain}")
    world.tls.wait()


def test_new_policy_by_its_id(world):
    policy = "version: STSv1\nmode: {}\nmx: {}\nmax_age: 86400\n"
    domain = world.publish("renewed", policy.format("enforce", "other.sts.test"))
    world.deferred(world.send(f"a@{domain}"))
    world.publish("renewed", policy.format("enforce", "mx.sts.test"), id="2")
    world.new_worker()
    world.tls.wait(timeout=30)
    assert world.cluster.redis.get("tlspolicy:sts:{renewed.sts.test}").startswith("2 ")


def test_known_policy_outlives_its_server(world):
    """The web server and the record are gone: the policy stays in force, even for a worker that has never seen it."""
    domain = world.publish("offline")
    world.send(f"a@{domain}")
    world.tls.wait()
    world.web.answers.clear()
    world.trusted("mx.sts.test", authority=world.other)
    for texts in ((f'"v=STSv1; id=2;"',), ()):
        world.dns.set(f"_mta-sts.{domain}", "TXT", *texts)
        world.new_worker()
        event = world.deferred(world.send(f"b@{domain}"))
        assert event["code"] == "4.7.5", event
    assert len(world.tls.messages) == 1


@pytest.mark.parametrize("case", ["none", "redirect", "html", "large", "missing", "bad-policy", "web-cert", "no-web"])
def test_no_policy(world, case):
    """Nothing valid, and nothing known from before: mail is sent as usual."""
    enforce = "version: STSv1\nmode: enforce\nmx: other.sts.test\nmax_age: 86400\n"
    domain = world.publish(case, **{
        "none": {"policy": "version: STSv1\nmode: none\nmax_age: 86400\n"},
        "redirect": {"status": 301, "policy": enforce},
        "html": {"content_type": "text/html", "policy": enforce},
        "large": {"policy": enforce + "x: " + "y" * 70000 + "\n"},
        "missing": {"status": 404, "policy": enforce},
        "bad-policy": {"policy": enforce.replace("STSv1", "STSv7")},
        "web-cert": {"policy": enforce},
        "no-web": {"policy": enforce},
    }[case])
    if case == "no-web":
        world.dns.set(f"mta-sts.{domain}", "A")
    world.trusted("mx.sts.test", authority=world.other)
    world.send(f"a@{domain}")
    world.tls.wait()
    if case in ("redirect", "html", "large", "missing"):
        assert [path for _, path in world.web.asked] == ["/.well-known/mta-sts.txt"]


def remembered(world, domain, age_s, left_s, policy="version: STSv1\nmode: enforce\nmx: mx.sts.test\nmax_age: 9999\n"):
    """The store has it from an earlier day."""
    now = int(time.time() * 1000)
    world.cluster.redis.set(f"tlspolicy:sts:{{{domain}}}", f"1 {now - age_s * 1000} {now + left_s * 1000}\n{policy}",
                            px=left_s * 1000)


def test_policy_that_runs_out(world):
    domain = world.publish("runs-out", record=False)
    world.trusted("mx.sts.test", authority=world.other)
    remembered(world, domain, 60, 5)
    event = world.deferred(world.send(f"a@{domain}"))
    assert event["code"] == "4.7.5", event
    world.tls.wait(timeout=30)


def test_old_policy_is_fetched_anew(world):
    """Even though its id is the same: it would expire one day (RFC 8461, 3.3). Nothing waits for this."""
    domain = world.publish("due")
    remembered(world, domain, 86400, 86400)
    world.web.slow = 2
    world.send(f"a@{domain}")
    world.tls.wait(timeout=2)
    wait_for(lambda: "max_age: 86400" in world.cluster.redis.get(f"tlspolicy:sts:{{{domain}}}"), what="it is stored")


def test_connections_are_not_shared_with_others(world):
    """A connection that was opened for a domain without a policy is not used for one with it."""
    world.trusted("mx.sts.test", authority=world.other)
    world.dns.mail_domain("free.sts.test", (10, "mx.sts.test", "127.0.0.4"))
    domain = world.publish("neighbour")
    remembered(world, domain, 60, 3600)
    world.send("a@free.sts.test")
    world.tls.wait()
    event = world.deferred(world.send(f"a@{domain}"))
    assert event["code"] == "4.7.5" and len(world.tls.messages) == 1, event


def test_switched_off(world):
    world.cluster.settings("smtp-out", enable_mta_sts="off")
    world.trusted("mx.sts.test", authority=world.other)
    world.send(f"a@{world.publish('off')}")
    world.tls.wait()
    assert world.web.asked == []


def test_one_fetch_for_all_who_wait(world):
    world.web.slow = 1
    domain = world.publish("flight")
    for i in range(5):
        world.send(f"a{i}@{domain}")
    world.tls.wait(5)
    assert len(world.web.asked) == 1


def require_tls(world, recipient):
    with smtplib.SMTP("127.0.0.1", world.cluster.port("submission"), timeout=30) as smtp:
        smtp.starttls(context=ssl._create_unverified_context())
        smtp.login(world.sender, "secret")
        smtp.sendmail(world.sender, [recipient], "Subject: x\r\n\r\nx\r\n", mail_options=["REQUIRETLS"])


def test_required_tls_needs_a_vouched_name(world):
    """RFC 8689, 4.2.1: without DNSSEC, MTA-STS must name the host."""
    world.tls.extensions.append("REQUIRETLS")
    named = world.publish("required")
    other = world.publish("required-not-named", record=False)
    for domain in (named, other):
        require_tls(world, f"a@{domain}")
    message, = world.tls.wait()
    assert named in message.rcpts[0]
    _, _, recipients, _ = world.bounce()
    assert recipients[0]["Status"] == "5.7.10"
    assert len(world.tls.messages) == 1


def test_required_tls_waits_for_a_host_that_may_have_it(world):
    """The last host does not; the first is only away, so it is too early to give up."""
    world.trusted("mx.sts.test", "second.sts.test")
    domain = world.publish("required-later", hosts=(("mx.sts.test", "127.0.0.4"), ("second.sts.test", "127.0.0.3")),
                           policy="version: STSv1\nmode: enforce\nmx: *.sts.test\nmax_age: 86400\n")
    world.tls.reply["GREETING"] = "421 4.3.2 not now"
    require_tls(world, f"a@{domain}")
    wait_for(lambda: world.second.sessions, what="the second is asked")
    time.sleep(0.5)
    assert not world.cluster.mailbox(world.sender)
    del world.tls.reply["GREETING"]
    world.tls.extensions.append("REQUIRETLS")
    message, = world.tls.wait(timeout=30)
    assert "REQUIRETLS" in message.mail


def test_store_that_cannot_tell(world):
    """Known in the store, but not readable there: nothing is sent with less security."""
    domain = world.publish("store")
    world.send(f"a@{domain}")
    world.tls.wait()
    world.trusted("mx.sts.test", authority=world.other)
    # A value of another type: every read of it is an error.
    key = "tlspolicy:sts:{store.sts.test}"
    world.cluster.redis.delete(key)
    world.cluster.redis.rpush(key, "x")
    world.dns.set(f"_mta-sts.{domain}", "TXT")
    world.new_worker()
    assert "MTA-STS" in world.postponed(world.send(f"b@{domain}"))["detail"]
    assert len(world.tls.messages) == 1
    world.cluster.redis.delete(key)  # now the answer is that none is known
    world.tls.wait(2, timeout=30)


@pytest.mark.parametrize("value", ["nonsense", "1 {fetched} {expires}\nversion: STSv1\nmode: enf"])
def test_policy_that_is_damaged_in_the_store(world, value):
    """There was a policy: it is fetched again, or nothing is sent."""
    domain = world.publish("damaged", record=False)
    key, now = "tlspolicy:sts:{damaged.sts.test}", int(time.time() * 1000)
    world.dns.set(f"_mta-sts.{domain}", "TXT")
    world.cluster.redis.set(key, value.format(fetched=now, expires=now + 86400_000))
    world.new_worker()
    assert "MTA-STS" in world.postponed(world.send(f"a@{domain}"))["detail"]
    assert world.tls.sessions == []
    world.publish("damaged")
    world.tls.wait(timeout=30)
    assert "mode: enforce\nmx" in world.cluster.redis.get(key)
    world.cluster.redis.delete(key)


def test_policy_that_the_store_did_not_take(world):
    """It is offered again: otherwise it would be lost with this worker."""
    domain, redis = world.publish("unsaved"), world.cluster.redis
    key = "tlspolicy:sts:{unsaved.sts.test}"
    redis.execute_command("ACL", "SETUSER", "default", "resetkeys", "~[^t]*", "%R~tlspolicy:*")
    try:
        world.send(f"a@{domain}")
        world.tls.wait()
    finally:
        redis.execute_command("ACL", "SETUSER", "default", "allkeys")
    assert not redis.exists(key)

    def saved():
        world.send(f"b@{domain}")
        return redis.exists(key)
    wait_for(saved, 20, 1, "the policy is in the store")


def test_worker_killed_while_it_fetches(world):
    world.web.slow = 2
    domain = world.publish("late")
    world.send(f"a@{domain}")
    wait_for(lambda: world.web.asked, what="it fetches")
    world.new_worker()
    world.tls.wait(timeout=30)
    time.sleep(0.5)
    assert len(world.tls.messages) == 1


# ---- what TLS reports say about it (RFC 8460) ----

def counted(world, domain, ok, failed):
    """The parts of the report, by (policy type, are there policy strings), once this many sessions were counted."""
    def look():
        done = world.cluster.tool("tls-report", "show", "today", domain, check=False)
        parts = json.loads(done.stdout)["policies"] if done.returncode == 0 else []
        sums = [sum(p["summary"][f"total-{k}-session-count"] for p in parts) for k in ("successful", "failure")]
        return sums[0] >= ok and sums[1] >= failed and parts
    parts = wait_for(look, 20, 0.2, f"counts of {domain}")
    world.cluster.tool("queue", "delete", "--all", check=False)
    return {(p["policy"]["policy-type"], "policy-string" in p["policy"]): p for p in parts}


POLICY = "version: STSv1\nmode: {}\nmx: {}\nmax_age: 86400\n"
RESULTS = {  # case -> policy, is the certificate good, the result
    "r-good": (POLICY.format("enforce", "*.sts.test"), True, None),
    "r-testing": (POLICY.format("testing", "mx.sts.test"), False, "certificate-not-trusted"),
    "r-testing-name": (POLICY.format("testing", "other.sts.test"), True, "validation-failure"),
    "r-enforce": (POLICY.format("enforce", "mx.sts.test"), False, "certificate-not-trusted"),
    "r-not-named": (POLICY.format("enforce", "other.sts.test"), True, "validation-failure"),
    "r-missing": (None, True, "sts-policy-fetch-error"),
    "r-bad": ("version: STSv7\n", True, "sts-policy-invalid"),
}


@pytest.mark.parametrize("case", RESULTS)
def test_reported(world, case):
    policy, good, result = RESULTS[case]
    world.cluster.settings("smtp-out", tls_reports="on")
    world.trusted("mx.sts.test", authority=world.authority if good else world.other)
    domain = world.publish(case, policy or "", status=200 if policy else 404)
    world.send(f"a@{domain}")
    (kind, has_strings), part = counted(world, domain, result is None, result is not None).popitem()
    assert kind == "sts" and part["policy"]["policy-domain"] == domain
    assert has_strings == (case not in ("r-missing", "r-bad"))
    if has_strings:
        assert part["policy"]["policy-string"] == policy.splitlines()
        assert part["policy"]["mx-host"] == [policy.splitlines()[2][4:]]
    if result is None:
        assert part["summary"] == {"total-successful-session-count": 1, "total-failure-session-count": 0}
    else:
        assert {d["result-type"] for d in part["failure-details"]} == {result}


def test_problem_beside_a_known_policy(world):
    world.cluster.settings("smtp-out", tls_reports="on")
    domain = world.publish("r-stale")
    world.send(f"a@{domain}")
    assert list(counted(world, domain, 1, 0)) == [("sts", True)]
    world.publish("r-stale", id="2", status=500)
    world.new_worker()
    world.send(f"b@{domain}")
    parts = counted(world, domain, 2, 1)
    assert parts[("sts", True)]["summary"]["total-successful-session-count"] == 2
    assert parts[("sts", False)]["failure-details"][0]["result-type"] == "sts-policy-fetch-error"
