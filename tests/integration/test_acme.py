"""Certificates ordered by the cluster: in force everywhere, for which names, what the authority demands."""

import base64
import imaplib
import json
import os
import re
import shutil
import subprocess
import time

from acme_world import HOST, new_world, renew, the_world, world  # noqa: F401 (fixtures)
from certificates import Authority
from cluster import wait_for
from pebble import Pebble, problem
from test_http import curl, talk, url
from test_tls import s_client


# ---- In force everywhere ----

def test_served_by_every_protocol(world):
    for frontend in (0, 1):
        world.wait_served(frontend=frontend)
    for listener, starttls, bye in (("imap", "imap", ". LOGOUT\r\n"), ("smtp", "smtp", None), ("pop3", "pop3", None),
                                    ("submissions", None, "QUIT\r\n"), ("pop3s", None, "QUIT\r\n"),
                                    ("https", None, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")):
        assert world.served(listener=listener, starttls=starttls, bye=bye)[0].startswith("Pebble"), listener
    # Servers that name none get it too, because the default is self-signed.
    text = s_client(world.cluster.port("smtp"), "-noservername", starttls="smtp")
    assert "issuer=CN = Pebble" in text


def test_verified_by_curl(world):
    root = world.cluster.dir / "pebble-root.pem"
    root.write_text(world.pebble.root())
    port = world.cluster.port("https")
    result = subprocess.run(["curl", "-sS", "--cacert", root, "--resolve", f"{HOST}:{port}:127.0.0.1",
                             f"https://{HOST}:{port}/healthz"], capture_output=True, text=True, timeout=30)
    assert result.stdout == "ok\n", result.stderr


def test_told_by_status_and_tool(world):
    row = world.names()[HOST]
    assert row["issuer"] == world.ca.directory and row["days_left"] > 300 and "problem" not in row
    assert re.search(rf"^{re.escape(HOST)} +valid +ends \d{{4}}-\d\d-\d\d \(in \d+ days\)$",
                     world.cluster.tool("certificate", "list").stdout, re.M)
    wait_for(lambda: world.cluster.json("status").get("acme", {}).get("certified"), 40)
    status = world.cluster.json("status")
    assert status["acme"]["failing"] == 0
    # The processes tell it with their next beat.
    wait_for(lambda: HOST in {c["name"] for p in world.cluster.json("status")["processes"] for c in p.get("certificates", [])})


def test_keys_are_sealed(world):
    redis = world.cluster.redis
    for key in redis.scan_iter("acme:*"):
        values = redis.hgetall(key) if redis.type(key) == "hash" else {}
        assert "PRIVATE KEY" not in json.dumps(values), key
    sealed = redis.hget(f"acme:{{acme}}:certificate:{HOST}", "key")
    assert re.match(r"v1\.k[0-9a-f]{8}\.", sealed)
    assert oct((world.cluster.dir / "tls/secret.key").stat().st_mode)[-3:] == "600"


def test_renewed_while_clients_are_connected(world):
    before = {f: world.wait_served(frontend=f) for f in (0, 1)}
    client = imaplib.IMAP4_SSL("127.0.0.1", world.cluster.port("imaps"))
    client.login("alice@example.test", "secret")
    accounts = world.ca.count("/sign-me-up")
    world.cluster.tool("certificate", "renew", HOST.upper())
    after = {world.wait_served(frontend=f, not_serial=before[f], timeout=20) for f in (0, 1)}
    assert len(after) == 1
    assert client.select("INBOX")[0] == "OK"
    client.logout()
    assert world.ca.count("/sign-me-up") == accounts  # the account is registered once
    pid = world.cluster.kill("frontend-0")
    world.cluster.wait_restarted("frontend-0", pid)
    assert {world.wait_served()} == after


def test_renewed_before_it_expires(world):
    """Pebble's certificates are valid for five years, so two thirds of that are always over if the entry says so."""
    before = world.wait_served()
    key = "acme:{acme}:index"
    entry = json.loads(world.cluster.redis.hget(key, HOST))
    now = int(time.time() * 1000)
    entry.update(from_ms=now - 80 * 86400_000, ends_ms=now + 29 * 86400_000)
    world.cluster.redis.hset(key, HOST, json.dumps(entry))
    world.cluster.settings("acme", renew_before="28d")
    time.sleep(2)
    assert world.served()[1] == before
    world.cluster.settings("acme", renew_before="30d")
    world.wait_served(not_serial=before, timeout=20)


def test_removed(world):
    before = world.wait_served()
    assert "not among" in world.cluster.tool("certificate", "renew", "no.example.test", check=False).stderr
    result = world.cluster.tool("certificate", "remove", "no.example.test", check=False)
    assert result.returncode == 1 and "there is no certificate for no.example.test" in result.stderr
    world.cluster.settings("acme", directory_url="")
    world.cluster.tool("certificate", "remove", HOST)
    wait_for(lambda: not world.served()[0].startswith("Pebble"), 5)
    world.order()
    world.wait_served(not_serial=before, timeout=20)


# ---- Which names ----

def test_names_of_domains(world):
    world.cluster.tool("domain", "add", "one.test")
    world.dns.set("autoconfig.one.test", "A", "127.0.0.1")
    world.dns.set("mta-sts.one.test", "CNAME", f"{HOST}.")
    world.dns.set("autodiscover.one.test", "A", "127.0.0.9")
    world.dns.set("imap.one.test", "A", "127.0.0.1")
    world.cluster.settings("smtp-in:one.test", mta_sts="testing")
    world.cluster.settings("imap:one.test", autodiscover_host="IMAP.one.test")
    for name in ("autoconfig.one.test", "mta-sts.one.test", "imap.one.test"):
        world.wait_name(name, state="valid")
    assert "not those of this server" in world.wait_name("autodiscover.one.test", state="elsewhere")["problem"]
    world.wait_served("imap.one.test", frontend=1)
    # When it leads here an operator need not wait for the next look.
    world.dns.set("autodiscover.one.test", "A", "127.0.0.1")
    world.cluster.tool("certificate", "renew", "autodiscover.one.test")
    world.wait_name("autodiscover.one.test", state="valid")
    # A domain that is gone: its names are not renewed, and are dropped once they have expired.
    world.cluster.tool("domain", "delete", "one.test")
    world.cluster.redis.delete("settings:smtp-in:one.test", "settings:imap:one.test")
    entry = json.loads(world.cluster.redis.hget("acme:{acme}:index", "imap.one.test"))
    world.cluster.redis.hset("acme:{acme}:index", "imap.one.test", json.dumps({**entry, "ends_ms": 1}))
    world.order(names="poke.one.test")
    wait_for(lambda: "imap.one.test" not in world.names(), 20)
    assert "mta-sts.one.test" in world.names()
    world.order(names="")


def test_a_name_that_fails_stops_no_other(world):
    world.dns.set("good.example.test", "A", "127.0.0.1")
    failed = world.cluster.log("delivery-worker-0").count('msg="no certificate"')
    world.order(names="bad.example.test good.example.test a..b *.example.test 192.0.2.1 localhost")
    world.wait_name("good.example.test", state="valid")
    row = world.wait_name("bad.example.test", state="failed")
    assert "check failed" in row["problem"] and row["tries"] >= 1
    assert not {"a..b", "*.example.test", "192.0.2.1", "localhost"} & set(world.names())
    assert world.cluster.log("delivery-worker-0").count('msg="no certificate"') > failed
    # It is tried again, and comes when the fault is mended.
    wait_for(lambda: world.names()["bad.example.test"].get("tries", 0) >= 2, 40)
    world.dns.set("bad.example.test", "A", "127.0.0.1")
    world.wait_name("bad.example.test", state="valid", timeout=45)
    world.order(names="")


# ---- The challenge ----

def test_challenge_before_it_is_stored(world):
    path = "/.well-known/acme-challenge/"
    assert curl(url(world.cluster, path + "too-early_1"))[0] == 404
    world.cluster.redis.set("acme:{acme}:challenge:too-early_1", "too-early_1.print", px=60000)
    for frontend in (0, 1):
        status, headers, body = curl("-H", "Host: anything.test",
                                     url(world.cluster, path + "too-early_1", frontend=frontend))
        assert (status, body) == (200, b"too-early_1.print") and headers["content-type"] == "application/octet-stream"
    for bad in ("", "x/y", "a%00b", "%2e%2e", "a*", "x" * 129, "a.b"):
        assert curl("--path-as-is", url(world.cluster, path + bad))[0] in (400, 404), bad
    # From other hosts without TLS, where everything else is sent to https.
    world.cluster.settings("http", proxy_protocol_from="127.0.0.0/8")
    for token, expected in ((path + "too-early_1", b" 200 "), ("/admin/", b" 301 ")):
        answer, _ = talk(world.cluster, b"PROXY TCP4 192.0.2.7 192.0.2.8 1 80\r\n" +
                         f"GET {token} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
        assert expected in answer.split(b"\r\n")[0], answer
    world.cluster.redis.hdel("settings:http", "proxy_protocol_from")


# ---- What the authority demands ----

def test_terms_and_external_account(new_world):
    secret = base64.urlsafe_b64encode(os.urandom(32)).decode().rstrip("=")
    world = new_world(bindings={"kid-1": secret})
    world.order(agree_terms="off")
    wait_for(lambda: "set acme.agree_terms" in (world.problem() or ""), 20)
    assert world.ca.count("/sign-me-up") == 0
    world.order()
    wait_for(lambda: "set acme.eab_kid" in (world.problem() or ""), 20)
    world.order(eab_kid="kid-1", eab_hmac_key="not base64url!")
    wait_for(lambda: "acme.eab_hmac_key is not a key" in (world.problem() or ""), 20)
    world.order(eab_hmac_key=base64.urlsafe_b64encode(b"x" * 32).decode().rstrip("="))
    wait_for(lambda: "no account: the CA answers" in (world.problem() or ""), 20)
    world.order(eab_hmac_key=secret, key_type="p384")
    world.wait_name(HOST, state="valid")
    world.wait_served()
    assert "ECDSA" in s_client(world.cluster.port("imaps"), name=HOST)
    assert "secp384r1" in subprocess.run(
        ["openssl", "x509", "-noout", "-text"], input=world.cluster.redis.hget(
            f"acme:{{acme}}:certificate:{HOST}", "chain"), capture_output=True, text=True).stdout
    assert secret not in world.cluster.tool("settings", "list").stdout


# ---- Files go before; keys that do not fit ----

def test_folder_goes_before(new_world, tmp_path):
    with Authority("The operator's authority") as mine:
        cert, key = mine.issue("files.example.test")
        (tmp_path / "files.example.test").mkdir()
        shutil.copy(cert, tmp_path / "files.example.test/cert.pem")
        shutil.copy(key, tmp_path / "files.example.test/key.pem")
        world = new_world(env={"STAGEPOST_TLS_DIR": str(tmp_path)})
        world.dns.set("files.example.test", "A", "127.0.0.1")
        world.order(names="files.example.test")
        world.wait_name("files.example.test", state="valid")
        world.wait_served()
        assert world.served("files.example.test")[0] == "The operator's authority"
        shutil.rmtree(tmp_path / "files.example.test")
        world.wait_served("files.example.test", timeout=20)


def test_key_that_does_not_open(new_world):
    """Another STAGEPOST_SECRET_KEY: the default is served, and the operator is told."""
    world = new_world()
    world.order()
    world.wait_name(HOST, state="valid")
    serial = world.wait_served()
    world.cluster.stop()
    other = base64.b64encode(os.urandom(32)).decode()
    first = (world.cluster.dir / "tls/secret.key").read_text().strip()
    world.cluster.env["STAGEPOST_SECRET_KEY"] = f"k2:{other}"
    world.cluster._try_start()
    wait_for(lambda: "NOT LOADED" in world.cluster.tool("status").stdout, 10)
    assert f"key '{first.partition(':')[0]}'" in world.cluster.tool("status").stdout
    assert not world.served()[0].startswith("Pebble")
    world.cluster.tool("certificate", "renew", HOST)
    wait_for(lambda: "account's key cannot be opened" in (world.problem() or ""), 20)
    # Another worker may have the key: the lease is left to it.
    wait_for(lambda: not world.cluster.redis.hget("acme:{acme}:work", "holder"), 10)
    world.cluster.stop()
    world.cluster.env["STAGEPOST_SECRET_KEY"] = f"k2:{other},{first}"
    world.cluster._try_start()
    world.wait_served(not_serial=serial, timeout=30)
    assert world.cluster.redis.hget(f"acme:{{acme}}:certificate:{HOST}", "key").startswith("v1.k2.")
    # The account's key too, so that the old key is not needed any more.
    account = json.loads(world.cluster.redis.hget("acme:{acme}:accounts", world.ca.directory))
    assert account["key"].startswith("v1.k2.") and world.ca.count("/sign-me-up") > 0
