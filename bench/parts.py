"""What is measured. A part runs the same on either system and returns figures;
the goals are ratios of Stagepost's figure to the other's, or a bound on
Stagepost's."""

import imaplib
import json
import os
import re
import subprocess
import time
from dataclasses import dataclass, field

import cpu
from systems import (BODY_USERS, BOOK_DOMAIN, BOOK_ENTRIES, BUILD, DOMAIN, IMAP_USERS, POP3_USERS, USERS,
                     PostfixDovecot, free_port, wait_for)

RUN_SECONDS = 3.0  # how long one repetition should take
LOAD = BUILD / "bench" / "load"
BLOB_BENCH = BUILD / "bench" / "blob_bench"


@dataclass
class Figures:
    value: float
    unit: str
    more: dict = field(default_factory=dict)


@dataclass
class Part:
    name: str
    title: str
    run: object  # (context, system) -> Figures
    goal: str = ""  # "x10": at least ten times; "<16": Stagepost's value below
    higher_is_better: bool = True
    repeat: bool = True
    alone: bool = False  # for Stagepost only, there is no other side
    against: str = "postfix"  # or "slapd": the other side
    verifies: bool = False  # needs the domain of senders.py


class Context:
    """The state of one run of the benchmarks."""

    def __init__(self, folder, sink_port, connections, sender=None):
        self.folder, self.sink_port, self.connections, self.sender = folder, sink_port, connections, sender
        self._counts = {}  # (part, system) -> how many messages make RUN_SECONDS

    def connections_of(self, system):
        return self.connections[1 if isinstance(system, PostfixDovecot) else 0]

    def load(self, mode, system, port, **options):
        command = [LOAD, mode, "--port", str(system.port(port)), "--domain", DOMAIN]
        for name, value in options.items():
            if value is True:
                command.append("--" + name.replace("_", "-"))
            elif value is not False:
                command += ["--" + name.replace("_", "-"), str(value)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            raise RuntimeError(f"{system.name}: load {mode}: {done.stderr or done.stdout}\n{system.logs()}")
        return json.loads(done.stdout)

    def signature(self):
        """The file with the signature of the load's message."""
        message = subprocess.run([LOAD, "message", "--port", "1", "--domain", DOMAIN], capture_output=True, check=True)
        return self.sender.signature(message.stdout)

    def count_for(self, part, system, measure, first, least):
        """A short run first, which also warms the caches."""
        key = (part, system.name)
        if key not in self._counts:
            rate = measure(first)
            self._counts[key] = max(least, int(rate * RUN_SECONDS))
        return self._counts[key]


def _delivered_rate(context, system, count, port="smtp", **options):
    """Messages a second until the last one is in a mailbox."""
    before = system.delivered()
    with cpu.Watch(system.pids) as watch:
        begun = time.monotonic()
        result = context.load("smtp", system, port, count=count, users=USERS, **options)
        accepted = time.monotonic() - begun
        wait_for(lambda: system.delivered() >= before + count, 300, step=0.005, what=f"{count} delivered")
        seconds = time.monotonic() - begun
    return Figures(count / seconds, "msg/s", {
        "accepted_per_s": count / accepted, "p50_ms": result["p50_ms"], "p99_ms": result["p99_ms"],
        "retries": result["retries"], "messages": count, "cpu_us_each": watch.each_us(count), "cpu": watch.shares(result["cpu_s"])})


def smtp_part(name, title, goal, sessions, size, **options):
    def run(context, system):
        def measure(count):
            return _delivered_rate(context, system, count, sessions=sessions, size=size, **options).value
        first, least = (sessions * 2, sessions * 3) if size > 100000 else (max(200, sessions * 4), 300)
        count = context.count_for(name, system, measure, first, least)
        return _delivered_rate(context, system, count, sessions=sessions, size=size, **options)
    return Part(name, title, run, goal)


def _last_results(system, user):
    """The method=result words that the newest message's Authentication-Results fields have."""
    with imaplib.IMAP4("127.0.0.1", system.port("imap")) as imap:
        imap.login(user, "secret")
        count = int(imap.select("INBOX", readonly=True)[1][0])
        data = imap.fetch(str(count), "(BODY.PEEK[HEADER.FIELDS (Authentication-Results)])")[1]
        imap.logout()
    return set(re.findall(r"\b(?:spf|dkim|dmarc)=\w+", data[0][1].decode()))


def verified_part(name, title, goal, signed):
    """20 sessions, whose mail is verified: SPF, DKIM, DMARC. The first run shows that it really is."""
    def run(context, system):
        options = {"sessions": 20, "size": 4096, "port": "smtp-verified"}
        if signed:
            options["prefix"] = context.signature()
        def measure(count):
            rate = _delivered_rate(context, system, count, **options).value
            found = _last_results(system, f"bench0@{DOMAIN}")
            expected = {"spf=pass", "dmarc=pass", "dkim=pass" if signed else "dkim=none"}
            if not expected - {"dkim=none"} <= found:
                raise RuntimeError(f"{system.name}: {found} instead of {expected}\n{system.logs()}")
            return rate
        system.verify(True)
        try:
            count = context.count_for(name, system, measure, 200, 300)
            return _delivered_rate(context, system, count, **options)
        finally:
            system.verify(False)
    return Part(name, title, run, goal, verifies=True)


def run_relay(context, system):
    def measure(count):
        with cpu.Watch(system.pids) as watch:
            result = context.load("relay", system, "smtp", count=count, users=USERS, sessions=20,
                                  sink_port=context.sink_port)
        return Figures(count / result["seconds"], "msg/s", {
            "accept_p50_ms": result["p50_ms"], "accept_p99_ms": result["p99_ms"], "retries": result["retries"],
            "messages": count, "cpu_us_each": watch.each_us(count), "cpu": watch.shares(result["cpu_s"])})
    count = context.count_for("relay", system, lambda n: measure(n).value, 200, 300)
    return measure(count)


def run_latency(context, system):
    time.sleep(1)  # earlier work has settled
    result = context.load("latency", system, "smtp", count=100, sink_port=context.sink_port)
    return Figures(result["p50_ms"], "ms", {"p99_ms": result["p99_ms"]})


def _fill(context, system, users, each, size=4096):
    """Puts messages into accounts that no other part uses; only once."""
    if users in system.filled:
        return
    count, before = len(users) * each, system.delivered()
    context.load("smtp", system, "smtp", count=count, sessions=20, users=len(users), first_user=users[0], size=size)
    wait_for(lambda: system.delivered() >= before + count, 300, what="mailboxes filled")
    system.filled.add(users)


def _of(users):
    return {"users": len(users), "first_user": users[0]}


def run_pop3_read(context, system):
    each = 200
    _fill(context, system, POP3_USERS, each)
    def measure(logins):
        with cpu.Watch(system.pids) as watch:
            result = context.load("pop3", system, "pop3", sessions=len(POP3_USERS), count=logins, retrieve=True,
                                  **_of(POP3_USERS))
        return Figures(result["done"] / result["seconds"], "msg/s", {
            "mb_per_s": result["bytes"] / result["seconds"] / 1e6, "p50_ms": result["p50_ms"],
            "p99_ms": result["p99_ms"], "cpu_us_each": watch.each_us(result["done"]),
            "cpu": watch.shares(result["cpu_s"])})
    def logins_per_s(logins):
        return measure(logins).value / each
    return measure(context.count_for("pop3", system, logins_per_s, len(POP3_USERS), len(POP3_USERS) * 2))


def run_pop3_login(context, system):
    _fill(context, system, POP3_USERS, 200)
    def measure(logins):
        with cpu.Watch(system.pids) as watch:
            result = context.load("pop3", system, "pop3", sessions=len(POP3_USERS), count=logins, **_of(POP3_USERS))
        return Figures(result["done"] / result["seconds"], "logins/s", {
            "p50_ms": result["p50_ms"], "p99_ms": result["p99_ms"], "retries": result["retries"],
            "cpu_us_each": watch.each_us(result["done"]), "cpu": watch.shares(result["cpu_s"])})
    count = context.count_for("pop3-login", system, lambda n: measure(n).value, 100, 300)
    return measure(count)


def _mixed(context, system, sessions):
    """The mixed load; the result, and a Watch of it."""
    _fill(context, system, IMAP_USERS, 20)
    def measure(logins):
        with cpu.Watch(system.pids) as watch:
            result = context.load("imap", system, "imap", sessions=sessions, count=logins, size=4096, **_of(IMAP_USERS))
        return result, watch, logins
    def logins_per_s(logins):
        return logins / measure(logins)[0]["seconds"]
    return measure(context.count_for(f"imap-{sessions}", system, logins_per_s, sessions * 2, sessions * 4))


def imap_part(name, title, goal, sessions):
    def run(context, system):
        result, watch, logins = _mixed(context, system, sessions)
        return Figures(result["done"] / result["seconds"], "commands/s", {
            "logins_per_s": logins / result["seconds"], "cpu_us_each": watch.each_us(result["done"]),
            "cpu": watch.shares(result["cpu_s"])})
    return Part(name, title, run, goal)


def imap_fetch_part(name, title, goal, sessions):
    def run(context, system):
        result = _mixed(context, system, sessions)[0]
        return Figures(result["p99_ms"], "ms", {"p50_ms": result["p50_ms"]})
    return Part(name, title, run, goal, higher_is_better=False)


class FileServer:
    """Sends one file, in IMAP's syntax."""

    name = "file server"

    def __init__(self, size):
        self._port = free_port()
        self._process = subprocess.Popen([LOAD, "files", "--port", str(self._port), "--size", str(size)],
                                         stdout=subprocess.PIPE)
        self._process.stdout.readline()

    def port(self, name):
        return self._port

    def logs(self):
        return ""

    def stop(self):
        self._process.kill()
        self._process.communicate()


def run_imap_body(context, system):
    _fill(context, system, BODY_USERS, 1, size=1000000)
    def measure(server, count):
        result = context.load("imap-body", server, "imap", sessions=len(BODY_USERS), count=count, **_of(BODY_USERS))
        return result["bytes"] / result["seconds"] / 1e6
    files = FileServer(1000000)
    plain = measure(files, 3000)
    files.stop()
    measure(system, 100)
    rate = measure(system, 3000)
    return Figures(rate, "MB/s", {"reference_per_s": plain, "of_file_server": rate / plain})


def _settled_pss(system):
    """Returns it once it does not change any more."""
    last = -1
    for _ in range(20):
        now = cpu.pss_kib(system.front_pids())
        if abs(now - last) <= max(64, now // 500):
            return now
        last = now
        time.sleep(0.25)
    return last


def idle_part(name, title, goal, protocol, port, tls, alone=False, against="postfix"):
    def run(context, system):
        count = context.connections_of(system)
        system.renew()  # memory that was used before could be used again
        before = _settled_pss(system)
        command = [LOAD, "ldap-idle" if protocol == "ldap" else "idle", "--port", str(system.port(port)), "--protocol",
                   protocol, "--count", str(count), "--domain", BOOK_DOMAIN if protocol == "ldap" else DOMAIN,
                   "--users", str(USERS)]
        with subprocess.Popen(command + (["--tls"] if tls else []), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True) as load:
            begun = time.monotonic()
            if load.stdout.readline() != "ready\n":
                raise RuntimeError(f"{system.name}: {load.stderr.read()}\n{system.logs()}")
            seconds = time.monotonic() - begun
            during = _settled_pss(system)
            load.stdin.close()
            load.wait(60)
        return Figures((during - before) / count, "KiB", {
            "connections": count, "before_kib": before, "during_kib": during, "connects_per_s": count / seconds})
    return Part(name, title, run, goal, higher_is_better=False, repeat=False, alone=alone,
                against=against)


def _search(context, system, what, sessions, count):
    with cpu.Watch(system.pids) as watch:
        result = context.load("ldap", system, "ldap", domain=BOOK_DOMAIN, users=BOOK_ENTRIES, search=what,
                              sessions=sessions, count=count)
    return result, {"p50_ms": result["p50_ms"], "p99_ms": result["p99_ms"], "searches": count,
                    "cpu_us_each": watch.each_us(count), "cpu": watch.shares(result["cpu_s"])}


def run_ldap_exact(context, system):
    def measure(count):
        result, more = _search(context, system, "exact", 20, count)
        return Figures(count / result["seconds"], "searches/s", more)
    return measure(context.count_for("ldap-exact", system, lambda n: measure(n).value, 1000, 1000))


def ldap_time_part(name, title, what):
    """One search at a time."""
    def run(context, system):
        def measure(count):
            result, more = _search(context, system, what, 1, count)
            return Figures(result["p50_ms"], "ms", more)
        def per_s(count):
            return 1000 / measure(count).value
        return measure(context.count_for(name, system, per_s, 20, 20))
    return Part(name, title, run, "x1", higher_is_better=False, against="slapd")


def run_ldap_all(context, system):
    _search(context, system, "exact", 1, 1)  # the book is in memory
    result, more = _search(context, system, "all", 1, 1)
    return Figures(result["seconds"], "s", {k: v for k, v in more.items() if not k.startswith("p")})


def run_blob(context, system):
    folder = os.path.join(context.folder, "blob-bench")
    os.makedirs(folder, exist_ok=True)
    done = subprocess.run([BLOB_BENCH, folder], capture_output=True, text=True, timeout=120, check=True)
    result = json.loads(done.stdout)
    return Figures(result["store_per_s"], "bodies/s", result)


PARTS = [
    smtp_part("smtp-1", "SMTP to mailbox, 1 session, 4 KiB", "x4", 1, 4096),
    smtp_part("smtp-20", "SMTP to mailbox, 20 sessions, 4 KiB", "x10", 20, 4096),
    smtp_part("smtp-100", "SMTP to mailbox, 100 sessions, 4 KiB", "x10", 100, 4096),
    smtp_part("smtp-20-connect", "the same, 20 sessions, a connection each message", "", 20, 4096, reconnect=True),
    smtp_part("smtp-1mb", "SMTP to mailbox, 20 sessions, 1 MB", "x3", 20, 1000000),
    verified_part("smtp-20-verify", "SMTP to mailbox, 20 sessions, 4 KiB, sender verified, not signed", "x5", False),
    verified_part("smtp-20-verify-signed", "the same, signed (RSA, 2048 bits)", "x5", True),
    Part("relay", "relay to a sink, 20 sessions, 4 KiB", run_relay, "x5"),
    Part("latency", "idle system, end of data to the sink's 250, p50", run_latency, "", higher_is_better=False),
    Part("pop3", "POP3, 10 sessions, reading 4 KiB messages", run_pop3_read),
    Part("pop3-login", "POP3, 10 sessions, login and STAT", run_pop3_login),
    imap_part("imap-10", "IMAP, mixed load, 10 clients", "x5", 10),
    imap_part("imap-50", "IMAP, mixed load, 50 clients", "x5", 50),
    imap_fetch_part("imap-fetch-10", "from connecting to the first FETCH answer, 10 clients, p99", "x1", 10),
    imap_fetch_part("imap-fetch-50", "the same, 50 clients, p99", "x1", 50),
    Part("imap-body", "IMAP, 10 sessions, bodies of 1 MB", run_imap_body, ">70%"),
    idle_part("idle-smtp", "memory of an idle SMTP connection", "<16", "smtp", "smtp", False),
    idle_part("idle-smtp-tls", "the same with TLS", "<48", "smtp", "smtps", True),
    idle_part("idle-pop3", "memory of an idle POP3 connection", "<16", "pop3", "pop3", False),
    idle_part("idle-pop3-tls", "the same with TLS", "<48", "pop3", "pop3s", True),
    idle_part("idle-imap", "memory of an IMAP connection in IDLE", "<16", "imap", "imap", False),
    idle_part("idle-imap-tls", "the same with TLS", "<48", "imap", "imaps", True),
    idle_part("idle-http", "memory of an idle HTTP connection", "<4", "http", "http", False, alone=True),
    idle_part("idle-http-tls", "the same with TLS", "<48", "http", "https", True, alone=True),
    Part("ldap-exact", "LDAP, 100,000 entries, search by mail, 20 connections", run_ldap_exact, "x1", against="slapd"),
    ldap_time_part("ldap-substring", "LDAP, part of an address, one found, 1 connection, p50", "substring"),
    ldap_time_part("ldap-four", "LDAP, part of a name in four attributes (Thunderbird), p50", "four"),
    ldap_time_part("ldap-short", "the same, three digits, the first 100 entries, p50", "short"),
    Part("ldap-all", "LDAP, paged read of all entries", run_ldap_all, "x1", higher_is_better=False, against="slapd"),
    idle_part("ldap-idle", "memory of a bound, idle LDAP connection", "<4", "ldap", "ldap", False, against="slapd"),
    Part("blob", "blob store, 20 writers, 4 KiB, synced", run_blob, ">60%", alone=True),
]
