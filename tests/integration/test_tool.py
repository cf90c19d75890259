"""The tool: every command, what it says, and what it says when it cannot."""

import json
import re
import signal
import smtplib
import subprocess
import urllib.error
import urllib.request

import pytest

from cluster import BUILD, Cluster, ROOT, wait_for
from test_http import curl


def fails(cluster, *args, words="", input=None):
    """Exit status 1, nothing on standard output, one line that says why."""
    result = cluster.tool(*args, check=False, input=input)
    assert result.returncode == 1, args
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith(("stagepost: ", "usage: stagepost ")), result.stderr
    assert words in lines[0], lines[0]


def test_help():
    def run(*args):
        return subprocess.run([BUILD / "stagepost", *args], capture_output=True, text=True)

    page = run("--help")
    assert page.returncode == 0 and page.stderr == ""
    for word in ("NAME", "SYNOPSIS", "COMMANDS", "OPTIONS", "EXIT STATUS", "queue list", "trace ID"):
        assert word in page.stdout
    assert run("user", "add", "--help").stdout.startswith("usage: stagepost user add ADDRESS")
    assert run("domain", "--help").stdout.count("usage: stagepost domain ") == 7
    assert run().returncode == 1
    unknown = run("nosuch")
    assert unknown.returncode == 1 and len(unknown.stderr.splitlines()) == 1
    assert "needs one of: add, list" in run("user", "nosuch").stderr
    for program in ("frontend", "spool-broker", "delivery-worker"):
        version = subprocess.run([BUILD / program, "--version"], capture_output=True, text=True, check=True).stdout
        assert re.fullmatch(rf"{program} \(Stagepost\) \d+\.\d+\.\d+\n", version)
        text = subprocess.run([BUILD / program, "--help"], capture_output=True, text=True, check=True).stdout
        assert "SYNOPSIS" in text and "--redis" in text
        bad = subprocess.run([BUILD / program, "--nosuch"], capture_output=True, text=True)
        assert bad.returncode == 1 and len(bad.stderr.splitlines()) == 1


def try_recipient(cluster, address):
    """What the server says to a message for it, of which nothing is sent."""
    with smtplib.SMTP("127.0.0.1", cluster.port("smtp"), timeout=30) as smtp:
        smtp.ehlo("client.example.net")
        smtp.docmd("MAIL", "FROM:<somebody@remote.test>")
        return smtp.docmd("RCPT", f"TO:<{address}>")[0]


def test_domain_whose_deletion_was_cut_short(cluster, tmp_path):
    """The tool dies when the first mailbox is gone: until it is told again, nothing comes in that would be left behind."""
    addresses = [cluster.add_user(f"{name}@leaving.test") for name in ("one", "two")]
    cluster.deliver("somebody@remote.test", addresses, "Subject: x\r\n\r\nx\r\n")
    for address in addresses:
        cluster.wait_mail(address)
    assert try_recipient(cluster, addresses[0]) == 250
    marker = tmp_path / "marker"
    marker.touch()
    command = [BUILD / "stagepost", "domain", "delete", "leaving.test", "--force", "--dir", str(cluster.dir)]
    dead = subprocess.run(command, env={**cluster.env, "STAGEPOST_CRASH_AT": f"removal-mail-gone:{marker}"},
                          capture_output=True, timeout=60)
    assert dead.returncode == -signal.SIGKILL and not marker.exists()
    gone = [a for a in addresses if not cluster.redis.exists(f"mail:{{{a}}}:meta")]
    assert len(gone) == 1
    for address in addresses:
        wait_for(lambda: 400 <= try_recipient(cluster, address) < 500, what="mail to be put off")
    cluster.tool("domain", "delete", "leaving.test", "--force")
    left = [key for key in cluster.redis.scan_iter(match="*leaving.test*", count=1000)]
    assert [key for key in left if ":filed:" not in key] == []
    wait_for(lambda: try_recipient(cluster, addresses[0]) == 550, what="the domain to be unknown")


def test_domains(cluster):
    cluster.tool("domain", "add", "tool.test")
    assert "tool.test" in cluster.json("domain", "list")
    assert "tool.test" in cluster.tool("domain", "list").stdout.split()
    fails(cluster, "domain", "add", "tool.test", words="tool.test")
    fails(cluster, "domain", "add", "not a name")
    fails(cluster, "domain", "add")
    fails(cluster, "domain", "show", "nosuch.test", words="nosuch.test")
    cluster.tool("user", "add", "a@tool.test", "--password", "secret")
    cluster.tool("domain", "set", "tool.test", "catch_all=a@tool.test", "max_users=2")
    shown = cluster.json("domain", "show", "tool.test")
    assert shown["catch_all"] == "a@tool.test" and shown["max_users"] == 2
    fails(cluster, "domain", "set", "tool.test", "nosuch=1", words="nosuch")
    fails(cluster, "domain", "delete", "tool.test", words="--force")
    cluster.tool("domain", "delete", "tool.test", "--force")
    assert "tool.test" not in cluster.json("domain", "list")
    assert not cluster.redis.exists("user:{a@tool.test}")


def test_users(cluster):
    address = cluster.add_user("tool-user@example.test", quota="1M", name="Tool User")
    assert address in cluster.json("user", "list")
    assert address in cluster.json("user", "list", "example.test")
    shown = cluster.json("user", "show", address)
    assert shown["quota"] == 1 << 20 and shown["display_name"] == "Tool User" and shown["enabled"] is True
    assert shown["has_password"] is True and shown["messages"] == 0
    fails(cluster, "user", "add", address, "--password", "x")
    fails(cluster, "user", "add", "x@nosuch.test", "--password", "x", words="nosuch.test")
    fails(cluster, "user", "add", "no-at", "--password", "x")
    fails(cluster, "user", "show", "nobody@example.test", words="nobody@example.test")
    cluster.tool("user", "set", address, "quota=2G", "display_name=Other")
    assert cluster.json("user", "show", address)["quota"] == 2 << 30
    cluster.tool("user", "passwd", address, "--password-stdin", input="new secret\n")
    cluster.pop(address, "new secret").quit()
    with pytest.raises(Exception):
        cluster.pop(address, "secret")
    # what lies in the store is no password
    assert "new secret" not in json.dumps(cluster.redis.hgetall(f"user:{{{address}}}"))
    cluster.tool("user", "set", address, "enabled=off")
    with pytest.raises(Exception):
        cluster.pop(address, "new secret")
    cluster.tool("user", "delete", address)
    assert address not in cluster.json("user", "list")


def test_a_deleted_user_leaves_no_mail(cluster):
    address = cluster.add_user("tool-gone@example.test")
    cluster.deliver("sender@remote.example", address, "Subject: x\r\n\r\nx\r\n")
    cluster.wait_mail(address)
    cluster.tool("user", "delete", address)
    # What was delivered to it once is not delivered to a new account of the name: the ledger stays, and expires.
    left = list(cluster.redis.scan_iter(f"mail:{{{address}}}*"))
    assert [key for key in left if ":filed:" not in key] == [] and all(cluster.redis.ttl(key) > 0 for key in left)


def test_aliases(cluster, address):
    cluster.tool("alias", "add", "tool-alias@example.test", address, "else@where.example")
    listed = cluster.json("alias", "list", "example.test")
    assert sorted(listed["tool-alias@example.test"]) == sorted([address, "else@where.example"])
    cluster.tool("alias", "delete", "tool-alias@example.test", "else@where.example")
    cluster.deliver("sender@remote.example", "tool-alias@example.test", "Subject: x\r\n\r\nx\r\n")
    cluster.wait_mail(address)
    cluster.tool("alias", "delete", "tool-alias@example.test")
    fails(cluster, "alias", "delete", "tool-alias@example.test")
    fails(cluster, "alias", "add", "x@nosuch.test", address)


def test_settings(cluster):
    rows = cluster.json("settings", "list")
    assert len(rows) > 60
    assert {"smtp-in", "smtp-out", "pop", "imap"} <= {row["name"].split(".")[0] for row in rows}
    assert {row["name"].split(".")[0] for row in cluster.json("settings", "list", "pop")} == {"pop"}
    assert "allowed:" in cluster.tool("settings", "describe", "pop.banner").stdout
    cluster.tool("settings", "set", "pop.max_connections=123", "pop.banner=+OK hi")
    assert cluster.tool("settings", "get", "pop.max_connections").stdout.strip() == "123"
    assert cluster.redis.hget("settings:pop", "max_connections") == "123"
    fails(cluster, "settings", "set", "pop.max_conections=1", words="max_connections")  # the nearest name
    fails(cluster, "settings", "set", "pop.max_connections=many", words="allowed")
    fails(cluster, "settings", "set", "nosuch.x=1")
    fails(cluster, "settings", "describe", "pop.nosuch")
    cluster.tool("settings", "unset", "pop.max_connections")
    assert cluster.tool("settings", "get", "pop.max_connections").stdout.strip() == "500"
    cluster.tool("settings", "set", "mailbox:example.test.plus_addressing=off")
    assert cluster.redis.hget("settings:mailbox:example.test", "plus_addressing") == "off"
    assert cluster.tool("settings", "check").returncode == 0
    cluster.settings("pop", max_connections="many", nosuch="1")
    check = cluster.tool("settings", "check", check=False)
    assert check.returncode == 1 and "max_connections" in check.stdout and "nosuch" in check.stdout
    wait_for(lambda: any("max_connections" in k for k in cluster.redis.hgetall("settings:errors")), what="a report")


def test_every_process_runs_the_same_settings(cluster):
    cluster.settings("pop", banner="version test")

    def same():
        versions = {p["settings_version"] for p in cluster.json("status")["processes"]}
        return len(versions) == 1 and versions
    before = wait_for(same)
    cluster.settings("pop", banner="another")
    assert wait_for(lambda: same() and same() != before, what="a new version everywhere")


def test_reference_is_made_from_the_table(cluster):
    assert cluster.tool("settings", "reference").stdout == (ROOT / "docs" / "settings.md").read_text()


def test_status(cluster):
    def all_is_told():
        """By heartbeats; the first come before there is anything to tell."""
        found = cluster.json("status")
        shards = any(len(p.get("shards", [])) == 16 for p in found["processes"])
        slots = any(p.get("jobs", {}).get("local", {}).get("slots") for p in found["processes"])
        return found if shards and slots else None
    status = wait_for(all_is_told, what="the broker's and the worker's next heartbeats")
    kinds = sorted(p["kind"] for p in status["processes"])
    assert kinds == ["delivery-worker", "frontend", "frontend", "spool-broker"]
    for process in status["processes"]:
        assert process["pid"] == cluster.pid(process["id"])
        assert 0 <= process["heartbeat_age_ms"] < 20000 and process["host"] and process["settings_version"]
    by_kind = {p["kind"]: p for p in status["processes"]}
    assert by_kind["frontend"]["connections"]["smtp"] >= 0
    assert sorted(by_kind["spool-broker"]["shards"]) == list(range(16))
    assert by_kind["delivery-worker"]["jobs"]["local"]["slots"] == 200
    assert set(status["queue"]) >= {"messages", "queued", "active", "deferred", "held"}
    assert status["store"]["durable"] is True and status["store"]["health"] == "ok"
    text = cluster.tool("status").stdout
    assert "frontend-1" in text and "every answered change is synced" in text


def test_a_store_that_promises_less_is_named(own_cluster):
    cluster = own_cluster(frontends=1)
    cluster.redis.config_set("appendfsync", "everysec")
    status = cluster.json("status")
    assert status["store"]["durable"] is False and status["store"]["appendfsync"] == "everysec"


def test_trace_through_all_processes(cluster, address):
    id = cluster.deliver("sender@remote.example", address, "Subject: traced\r\n\r\nx\r\n")
    cluster.wait_mail(address)
    events = wait_for(lambda: (lambda t: t if "filed" in json.dumps(t) else None)(cluster.trace(id)), what="a trace")
    text = json.dumps(events)
    assert "accepted" in text and address in text and "sender@remote.example" in text
    assert "filed" in cluster.tool("trace", id).stdout
    for log in ("frontend-0", "spool-broker-0", "delivery-worker-0"):
        assert f"id={id}" in cluster.log(log)
    fails(cluster, "trace", "0" * 20)
    fails(cluster, "trace", "nonsense")


def test_queue_commands(cluster, address):
    cluster.settings("smtp-in", relay_whitelist="127.0.0.0/8")
    cluster.settings("smtp-out", relay_host="[127.0.0.1]:1")  # nobody listens there
    id = cluster.deliver(address, "r@far.example", "Subject: waits\r\n\r\nx\r\n")

    def listed(*args):
        return [m for m in cluster.json("queue", "list", *args) if m["id"] == id]
    wait_for(lambda: listed("--state", "deferred"), 30, what="a deferred message")
    assert listed("--sender", address) and listed("--recipient", "far.example")
    assert not listed("--sender", "nobody@nowhere.example")
    assert cluster.json("queue", "show", id)["id"] == id
    assert "far.example" in cluster.tool("queue", "show", id).stdout
    for found in (["--domain", "far.example"], ["--destination", "far.example"], ["--older-than", "0s"],
                  ["--answer", "refused"], ["--domain", "example.test"]):
        assert listed(*found), found
    for missed in (["--domain", "ar.example"], ["--destination", "example.test"], ["--older-than", "1h"],
                   ["--answer", "no such words"]):
        assert not listed(*missed), missed
    row = next(r for r in cluster.json("queue", "summary") if r["destination"] == "far.example")
    assert row["deferred"] == 1 and "refused" in row["answer"]
    assert "far.example" in cluster.tool("queue", "summary").stdout
    fails(cluster, "queue", "retry", id, "--domain", "far.example")
    fails(cluster, "queue", "retry")
    assert cluster.tool("queue", "retry", "--destination", "far.example").stdout == "retry: 1 messages\n"
    cluster.tool("queue", "retry", id)
    cluster.tool("queue", "hold", id)
    wait_for(lambda: listed("--state", "held"), what="a held message")
    cluster.tool("queue", "release", id)
    wait_for(lambda: not listed("--state", "held"), what="a released message")
    cluster.tool("queue", "delete", id)
    wait_for(lambda: not listed(), what="a deleted message")
    wait_for(lambda: "deleted" in cluster.tool("trace", id).stdout, what="its end in the trace")
    fails(cluster, "queue", "show", "0" * 20)
    fails(cluster, "queue", "list", "--state", "nosuch")


def get(cluster, name, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{cluster.metrics_port(name)}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.parametrize("name", ["frontend-0", "frontend-1", "spool-broker-0", "delivery-worker-0"])
def test_metrics_and_health(cluster, name):
    status, text = get(cluster, name, "/metrics")
    assert status == 200
    for line in text.splitlines():
        assert re.fullmatch(r"# (HELP|TYPE) \S+ .*|[a-z_0-9]+(\{[^}]*\})? -?[0-9.e+]+", line), line
    assert "stagepost_" in text
    assert get(cluster, name, "/healthz")[0] == 200
    assert wait_for(lambda: get(cluster, name, "/readyz")[0] == 200)
    assert get(cluster, name, "/nosuch")[0] == 404


def test_not_ready_without_the_store(own_cluster):
    cluster = own_cluster(frontends=1, env={"STAGEPOST_READY_PATIENCE": "1"})
    wait_for(lambda: get(cluster, "frontend-0", "/readyz")[0] == 200)
    pid = cluster.kill("redis", signal.SIGSTOP)
    try:
        status, text = wait_for(lambda: (lambda a: a if a[0] == 503 else None)(get(cluster, "frontend-0", "/readyz")), 20)
        assert text.strip() != ""
        assert get(cluster, "frontend-0", "/healthz")[0] == 200
    finally:
        import os
        os.kill(pid, signal.SIGCONT)
    wait_for(lambda: get(cluster, "frontend-0", "/readyz")[0] == 200, 20)


def test_first_administrator(tmp_path):
    """Made at the first start, with a password that is never the same; told at each start, as long as it is true."""
    told = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        with Cluster(frontends=1, brokers=1, dir=tmp_path / name, demo=True) as cluster:
            page, password = re.search(r"administration: (http://\S+)\n.* admin@example\.test with the password (\S+)\n",
                                       cluster.output).groups()
            assert page == f"http://127.0.0.1:{cluster.port('http')}/admin/"
            told.append(password)
            me = curl("-u", f"admin@example.test:{password}", page.replace("/admin/", "/api/v1/session"))
            assert me[0] == 200 and json.loads(me[2])["role"] == "system_admin"
            kept = cluster.dir / "admin-password"
            assert kept.read_text() == password + "\n" and kept.stat().st_mode & 0o777 == 0o600
            assert str(kept) in cluster.output
    assert len(set(told)) == 2
    with Cluster(frontends=1, brokers=1, dir=tmp_path / "two", demo=True) as cluster:
        assert told[1] in cluster.output and "Created the domain" not in cluster.output
        cluster.tool("user", "passwd", "admin@example.test", "--password", "another")
        cluster.stop()
        cluster.start()
        assert told[1] not in cluster.output and "the password has been changed" in cluster.output
        cluster.tool("user", "delete", "admin@example.test")
        cluster.stop()
        cluster.start()
        assert "for accounts with `stagepost user set ADDRESS roles=system_admin`" in cluster.output
        assert cluster.json("user", "list") == ["alice@example.test", "bob@example.test"]


def test_demo_and_detach(tmp_path):
    """What `make run` shows, in the background."""
    cluster = Cluster(frontends=1, dir=tmp_path / "data")
    for attempt in range(3):
        cluster.port_base = cluster.free_port_base()
        result = subprocess.run([BUILD / "stagepost", "up", "--dir", cluster.dir, "--port-base", str(cluster.port_base),
                                 "--detach"], capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
        if result.returncode == 0:
            break
    assert result.returncode == 0, result.stderr
    try:
        assert "alice@example.test" in result.stdout and "Subject:" in result.stdout
        assert str(cluster.port("smtp")) in result.stdout
        assert sorted(cluster.json("user", "list")) == ["admin@example.test", "alice@example.test", "bob@example.test"]
        assert len(cluster.mailbox("alice@example.test")) + len(cluster.mailbox("bob@example.test")) >= 1
        again = cluster.tool("up", check=False)
        assert again.returncode == 1 and len(again.stderr.splitlines()) == 1
    finally:
        assert cluster.tool("down").returncode == 0
    assert cluster.tool("down", check=False).returncode == 1
    assert cluster.tool("status", check=False).returncode == 1
