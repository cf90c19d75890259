"""The alert rules and the dashboard: promtool accepts them, and every metric
that they name exists and changes, as a real Prometheus sees a working cluster,
and one in trouble."""

import contextlib
import imaplib
import json
import os
import poplib
import re
import shutil
import signal
import smtplib
import socket
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

import pytest

from certificates import Authority
from cluster import ROOT, SETTLE, wait_for
from pebble import Pebble
from prometheus import MONITORING, Prometheus, board_expressions, panels, rules, selectors
from scripted_milter import REJECT, Milter, packet
from spam_engine import Fake
from world import World

TESTS = ROOT / "tests" / "integration" / "manifests" / "rules_test.yaml"
# Not exported by the programs.
OF_OTHERS = ("kube_",)


def promtool(*args, cwd=None):
    return subprocess.run(["promtool", *map(str, args)], cwd=cwd, capture_output=True, text=True)


@pytest.fixture(scope="module")
def rule_file():
    """The rules as Prometheus reads them, beside their tests."""
    dir = Path(tempfile.mkdtemp(prefix="stagepost-rules-"))
    text = (MONITORING / "rules.yaml").read_text().split("\nspec:\n", 1)[1]
    (dir / "rules.yaml").write_text("\n".join(line[2:] for line in text.split("\n")))
    shutil.copy(TESTS, dir)
    yield dir / "rules.yaml"
    shutil.rmtree(dir)


# ---- promtool ----

def test_rules_are_right(rule_file):
    result = promtool("check", "rules", rule_file)
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"SUCCESS: {len(rules())} rules found" in result.stdout


def test_rules_fire_when_they_should(rule_file):
    result = promtool("test", "rules", TESTS.name, cwd=rule_file.parent)
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_rule_is_tested():
    text = TESTS.read_text()
    assert [name for name in rules() if f'alertname="{name}"' not in text] == []


def test_every_rule_says_what_to_do():
    for name, rule in rules().items():
        assert rule["labels"]["severity"] in ("page", "ticket"), name
        assert rule["annotations"].keys() == {"summary", "action"}, name
        for page in [word.strip(".,") for word in rule["annotations"]["action"].split() if word.startswith("docs/")]:
            assert (ROOT / page).exists() or page == "docs/backup.md", page


def test_the_board_can_be_read():
    board = json.loads((MONITORING / "board.json").read_text())
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    taken = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
    for panel in panels():
        refs = [target["refId"] for target in panel["targets"]]
        assert len(set(refs)) == len(refs) and panel["datasource"]["uid"] == "${datasource}"


# ---- a cluster at work and in trouble ----

class Scraped:
    """A world with a Prometheus, and everything that may happen to a mail server in a minute."""

    def __init__(self):
        self.ca = Authority()
        self.tls_dir = Path(tempfile.mkdtemp(prefix="stagepost-certs-"))
        self.spam = Fake().start()
        self.world = World(env={"STAGEPOST_TLS_DIR": str(self.tls_dir), "STAGEPOST_CA_FILE": str(self.ca.file)})
        self.world.reset()
        self.cluster = self.world.cluster
        self.prometheus = Prometheus({app: [self.cluster.metrics_port(f"{app}-0")]
                                      for app in ("frontend", "spool-broker", "delivery-worker")})

    def stop(self):
        self.prometheus.stop()
        self.world.stop()
        self.spam.stop()
        for dir in (self.tls_dir, self.ca.dir):
            shutil.rmtree(dir, ignore_errors=True)

    def seen(self, expression, timeout=60):
        wait_for(lambda: self.prometheus.query(expression), timeout, step=0.2, what=expression)

    def was(self, selector, value="> 0"):
        """Also if it passed between two queries."""
        self.seen(f"max_over_time({selector}[1h]) {value}")

    def alerted(self, name):
        self.was(f'ALERTS{{alertname="{name}"}}')

    @contextlib.contextmanager
    def stopped(self, name):
        """A stopped process."""
        pid = self.cluster.kill(name, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    # ---- work ----

    def mail_comes_and_goes(self):
        c, w = self.cluster, self.world
        c.tool("domain", "dkim", "example.test")
        c.settings("spam", engine=self.spam.url)
        w.sink.reply["RCPT"] = lambda s, line: "550 5.1.1 nobody" if "nobody" in line else "450 4.2.1 later" if "late" in line else None
        domain = w.domain()
        with smtplib.SMTP("127.0.0.1", c.port("submission"), timeout=30) as smtp:
            smtp.login(w.sender, "secret")
            smtp.sendmail(w.sender, [w.sender, f"a@{domain}", f"nobody@{domain}", f"late@{domain}"], "Subject: x\r\n\r\nbody\r\n")
        for word in ("hello", "viagra"):
            w.send(w.sender, data=f"Subject: {word}\r\n\r\n{word}\r\n", sender="a@remote.example")
        w.dns.set("forged.example", "TXT", '"v=spf1 -all"')
        c.settings("smtp-in", relay_whitelist="192.0.2.1")  # whoever may relay is not verified
        c.tool("alias", "add", "forward@example.test", f"b@{domain}")
        w.send(w.sender, "forward@example.test", sender="a@forged.example")
        c.settings("smtp-in", relay_whitelist="127.0.0.0/8")
        with smtplib.SMTP("127.0.0.1", c.port("smtp"), timeout=30) as smtp:
            smtp.ehlo("client.example.net")
            smtp.docmd("MAIL", "FROM:<a@remote.example>")
            assert smtp.docmd("RCPT", "TO:<unknown@example.test>")[0] == 550
            assert smtp.docmd("RCPT", f"TO:<{w.sender}>")[0] == 250
            assert smtp.data("Received: by x\r\n" * 200 + "Subject: a loop\r\n\r\nx\r\n")[0] == 554
        c.wait_mail(w.sender, 4)

    def mail_is_read(self):
        c, address = self.cluster, self.world.sender
        with imaplib.IMAP4("127.0.0.1", c.port("imap")) as imap:
            imap.login(address, "secret")
            imap.append("INBOX", None, None, b"Subject: kept\r\n\r\nx\r\n")
            imap.select()
            imap.fetch("1:*", "(FLAGS)")
        urllib.request.urlopen(f"http://127.0.0.1:{c.port('http')}/healthz", timeout=10).read()
        base = ",".join(f"dc={label}" for label in address.split("@")[1].split("."))
        subprocess.run(["ldapsearch", "-x", "-LLL", "-H", f"ldap://127.0.0.1:{c.port('ldap')}", "-D", address, "-w", "secret",
                        "-b", base, f"(mail={address})", "cn"], check=True, capture_output=True, timeout=30)
        pop = c.pop(address)
        pop.retr(1)
        pop.dele(1)
        pop.quit()

    def mail_is_retrieved(self):
        """From an account here, and from a server that never greets."""
        c = self.cluster
        c.settings("imap", retrieval_private_hosts="127.0.0.0/8")
        c.add_user("retriever@example.test")
        with socket.create_server(("127.0.0.1", 0)) as silent:
            for user, port in ((self.world.sender, c.port("imap")), ("nobody", silent.getsockname()[1])):
                c.tool("retrieve", "add", "retriever@example.test", "--protocol", "imap", "--host", "127.0.0.1", "--port", port,
                       "--tls", "none", "--user", user, "--password-stdin", "--no-try", input="secret\n")
            self.was("stagepost_retrieved_messages_total")
            self.was("stagepost_retrieved_bytes_total")
            self.was("stagepost_retrievals_running")
        self.was("stagepost_retrievals_total")

    # ---- trouble ----

    def clients_are_refused(self):
        c = self.cluster
        c.settings("auth", failure_delay="200ms")
        for _ in range(3):
            pop = poplib.POP3("127.0.0.1", c.port("pop3"), timeout=30)
            pop.user(self.world.sender)
            with pytest.raises(poplib.error_proto):
                pop.pass_("wrong")
            pop.close()
        with socket.create_connection(("127.0.0.1", c.port("imaps")), timeout=10) as s:
            s.sendall(b"no handshake\r\n" * 10)
        self.was("stagepost_tls_handshake_failures_total")
        c.settings("pop", max_connections=1)
        with poplib.POP3("127.0.0.1", c.port("pop3"), timeout=30).sock, pytest.raises(poplib.error_proto):
            poplib.POP3("127.0.0.1", c.port("pop3"), timeout=30)
        c.unset("pop")
        self.was("stagepost_refused_connections_total")
        c.settings("smtp-in", account_messages_per_hour=1)
        with smtplib.SMTP("127.0.0.1", c.port("submission"), timeout=30) as smtp:
            smtp.login(self.world.sender, "secret")
            codes = [(smtp.mail(self.world.sender), smtp.rset())[0][0] for _ in range(3)]
        assert codes[0] == 250 and 450 in codes, codes
        c.unset("smtp-in", "account_messages_per_hour")

    def a_milter_objects(self):
        milter = Milter(answers={b"M": packet(REJECT)})
        self.cluster.settings("smtp-in", milters=milter.place, submission_milters=milter.place)
        for kind, metric in (("objects", 'milter_objections_total{action="reject"}'), ("fails", "milter_failures_total")):
            with smtplib.SMTP("127.0.0.1", self.cluster.port("smtp"), timeout=30) as smtp, \
                    pytest.raises(smtplib.SMTPDataError):
                smtp.sendmail("b@remote.example", [self.world.sender], f"Subject: it {kind}\r\n\r\n")
            self.was(f"stagepost_{metric}")
            milter.close()
        self.cluster.unset("smtp-in", "milters", "submission_milters")

    def certificates_are_bad(self):
        cert, key = self.ca.issue("soon.example.test", days=1)
        for name, parts in (("soon.example.test", (cert, key)), ("bad.example.test", (cert, self.ca.issue("other")[1]))):
            (self.tls_dir / name).mkdir()
            for part, file in zip(parts, ("cert.pem", "key.pem")):
                shutil.copy(part, self.tls_dir / name / file)
        self.cluster.kill("frontend-0", signal.SIGHUP)
        self.alerted("StagepostCertificateBad")

    def certificates_are_not_ordered(self):
        """The authority is away; then it is there, and cannot reach us."""
        c = self.cluster
        pebble = Pebble(self.ca, self.world.dns.resolver, 1)
        c.settings("acme", directory_url="https://127.0.0.1:1/dir", contact="admin@example.test", agree_terms="on")
        self.was("stagepost_acme_authority_failures_total")
        self.was("stagepost_acme_resting")
        c.settings("acme", directory_url=pebble.directory)
        self.was("stagepost_acme_failing_names")
        pebble.stop()
        c.unset("acme")

    def spam_is_refused(self):
        """In the session; then the engine is away."""
        engine = Fake("rspamd", mode="reject").start()
        self.cluster.settings("spam", engine=engine.url, in_session="on")
        time.sleep(SETTLE)
        with smtplib.SMTP("127.0.0.1", self.cluster.port("smtp"), timeout=30) as smtp, \
                pytest.raises(smtplib.SMTPDataError):
            smtp.sendmail("b@remote.example", [self.world.sender], "Subject: refused\r\n\r\n")
        self.was('stagepost_spam_refused_total{why="spam"}')
        engine.stop()
        self.world.send(self.world.sender, sender="b@remote.example")
        self.was("stagepost_spam_left_to_queue_total")
        self.cluster.settings("spam", engine=self.spam.url, in_session="off")

    def spam_goes_unchecked(self):
        self.spam.mode = "error"
        self.cluster.settings("spam", unavailable_after="1s")
        self.world.send(self.world.sender, sender="b@remote.example")
        self.was("stagepost_spam_unchecked_total")
        self.cluster.settings("spam", engine="")

    def the_disk_is_full(self):
        self.cluster.settings("spool", min_free_space="900T")
        self.alerted("StagepostBlobsTakeNothing")
        self.cluster.unset("spool", "min_free_space")
        self.seen('stagepost_blobs_writable{app="frontend"} == 1')

    def the_worker_stands_still(self):
        """Its jobs are lost, and due mail stands still."""
        c, w = self.cluster, self.world
        c.settings("spool", stall_after="1s")
        w.sink.delay["END"] = 3600
        w.send(f"slow@{w.domain()}")
        self.was("stagepost_jobs_oldest_seconds", "> 1")
        with self.stopped("delivery-worker-0"):
            wait_for(lambda: "worker lost" in c.log("spool-broker-0"), 60)
            w.send(w.sender, sender="c@remote.example")
            self.alerted("StagepostQueueStandsStill")
        self.was("stagepost_jobs_lost_total")
        w.sink.delay.clear()
        c.wait_restarted("delivery-worker-0", c.kill("delivery-worker-0"))  # with its outstanding operations

    def the_broker_stands_still(self):
        """Longer than a hand-over waits; then it dies, and its shards get new owners."""
        c = self.cluster
        with self.begun_message() as smtp, self.stopped("spool-broker-0"):
            smtp.send(b"Subject: too late\r\n\r\nx\r\n.\r\n")
            assert smtp.getreply()[0] == 451
        self.was('stagepost_handovers_total{result="failed"}')
        self.alerted("StagepostMailIsPutOff")
        taken = c.log("spool-broker-0").count("shard taken")
        c.wait_restarted("spool-broker-0", c.kill("spool-broker-0"))
        # Not by the figure alone: the last one of the old process is seen for a while.
        wait_for(lambda: c.log("spool-broker-0").count("shard taken") >= taken + 16, 60, what="the shards are owned again")
        self.seen("stagepost_spool_shards_owned == 16")

    @contextlib.contextmanager
    def begun_message(self):
        """A connection in the middle of DATA, once there is a broker to hand over to."""
        smtp = smtplib.SMTP("127.0.0.1", self.cluster.port("smtp"), timeout=60)
        smtp.ehlo("client.example.net")
        wait_for(lambda: smtp.docmd("MAIL", "FROM:<a@remote.example>")[0] == 250, 30, step=0.2, what="MAIL taken")
        assert smtp.docmd("RCPT", f"TO:<{self.world.sender}>")[0] == 250
        assert smtp.docmd("DATA")[0] == 354
        yield smtp
        smtp.close()

    def redis_is_away(self):
        c = self.cluster
        with self.begun_message() as smtp:
            with self.stopped("redis"):
                smtp.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
                self.was("stagepost_spool_shards_stalled")
            smtp.getreply()
        c.redis.config_set("requirepass", "another")
        try:
            c.redis.execute_command("AUTH", "another")
            for kind in ("normal", "pubsub"):
                c.redis.execute_command("CLIENT", "KILL", "TYPE", kind)
            self.alerted("StagepostRedisAway")
        finally:
            c.redis.config_set("requirepass", "")
        self.seen("count(stagepost_redis_connected == 1) == 3")

    def live(self):
        self.prometheus.start()
        self.mail_comes_and_goes()
        self.mail_is_read()
        self.mail_is_retrieved()
        self.clients_are_refused()
        self.a_milter_objects()
        self.certificates_are_bad()
        self.certificates_are_not_ordered()
        self.spam_is_refused()
        self.spam_goes_unchecked()
        self.the_disk_is_full()
        self.the_worker_stands_still()
        self.the_broker_stands_still()
        self.redis_is_away()
        time.sleep(1)  # some scrapes more
        return self


@pytest.fixture
def scraped():
    made = Scraped()
    try:
        yield made.live()
    except AssertionError:
        print(made.cluster.logs())
        raise
    finally:
        made.stop()


def asked():
    """Selectors of the programs' own series in the dashboard and the rules."""
    expressions = [e for _, e in board_expressions()] + [rule["expr"] for rule in rules().values()]
    return [s for s in selectors(expressions) if not s.startswith(OF_OTHERS)]


def test_nothing_that_counts_is_left_out():
    """What the programs count is on the board or in a rule, or is named here."""
    # Once a day, or upkeep that nobody watches.
    left_out = re.compile("tls_reports_total|acme_orders_total|acme_left_out_names|sweep.*|book_.*|session_turns_total|http_parked_requests|http_websockets")
    table = (ROOT / "lib/service/metrics_table.h").read_text()
    names = {line.split('"')[1] for line in table.splitlines() if line.startswith("\tM(")}
    shown = " ".join(asked())
    assert [n for n in sorted(names) if f"stagepost_{n}" not in shown and not left_out.fullmatch(n)] == []


def check_pages(scraped):
    """promtool's own check of /metrics: types, names, help."""
    for app in ("frontend", "spool-broker", "delivery-worker"):
        with urllib.request.urlopen(f"http://127.0.0.1:{scraped.cluster.metrics_port(f'{app}-0')}/metrics", timeout=10) as page:
            text = page.read().decode()
        result = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
        # Milliseconds and microseconds stay: they are used elsewhere too.
        assert [line for line in result.stderr.splitlines() if "base unit" not in line and "abbreviated unit" not in line] == []


def check_alerts(prometheus):
    """Prometheus has evaluated each of them against real figures, without an error."""
    groups = prometheus.get("rules")["groups"]
    states = {rule["name"]: (rule["health"], rule.get("lastError", "")) for group in groups for rule in group["rules"]}
    assert set(states) == set(rules())
    assert {name: state for name, state in states.items() if state != ("ok", "")} == {}


def test_figures_of_a_cluster_at_work_and_in_trouble(scraped):
    """One test: it takes a minute until everything has changed."""
    assert len(asked()) > 50
    assert [s for s in asked() if not scraped.prometheus.moved(s)] == []
    assert [(title, e) for title, e in board_expressions() if not scraped.prometheus.query(f"last_over_time(({e})[10m:1s])")] == []
    check_alerts(scraped.prometheus)
    check_pages(scraped)
