"""Certificates by ACME, from Pebble: ordered, served by every protocol without a restart, renewed while clients are
connected; a worker that dies or sleeps in the middle; an authority that is away, slow, or refuses."""

import base64
import imaplib
import json
import os
import re
import shutil
import signal
import subprocess
import time

import pytest

import keys
from certificates import Authority
from cluster import Cluster, wait_for
from dnsserver import DnsServer
from pebble import Front, Pebble, problem
from test_http import curl, talk, url
from test_tls import s_client

HOST = "mx.example.test"
ORDERS = "/order-plz"


class AcmeWorld:
    """A cluster of two frontends; Pebble checks names at the second one."""

    def __init__(self, workers=1, env=None, bindings=None):
        self.authority = Authority()
        self.dns = DnsServer().start()
        self.dns.ttl = 0
        self.dns.set(HOST, "A", "127.0.0.1")
        self.cluster = Cluster(frontends=2, workers=workers, env={
            "STAGEPOST_CA_FILE": str(self.authority.file), "STAGEPOST_RESOLVER": self.dns.resolver,
            **(env or {})}).start()
        self.pebble = Pebble(self.authority, self.dns.resolver, self.cluster.port("http", 1), bindings)
        self.ca = Front(self.authority, self.pebble)
        self.cluster.settings("acme", retry_first="1s", retry_longest="2s")

    def order(self, **settings):
        self.cluster.settings("acme", **{"directory_url": self.ca.directory, "contact": "admin@example.test",
                                         "agree_terms": "on", **settings})

    def names(self):
        """What `certificate list` says, by name."""
        return {c["name"]: c for c in self.cluster.json("certificate", "list")}

    def wait_name(self, name, timeout=30, **members):
        """Until the list says so of the name."""
        def there():
            known = self.names().get(name, {})
            return all(known.get(k) == v for k, v in members.items()) and known
        try:
            return wait_for(there, timeout, 0.1, f"{name}: {members}")
        except AssertionError as e:
            raise AssertionError(f"{e}\n{self.names()}\n{self.cluster.log('delivery-worker-0')[-6000:]}\n"
                                 f"{self.pebble.log[-6000:]}")

    def served(self, name=HOST, listener="imaps", frontend=0, **kwargs):
        """Issuer and serial number of the certificate that a client gets."""
        text = s_client(self.cluster.port(listener, frontend), name=name, **kwargs)
        pem = re.search(r"-----BEGIN.*?-----END CERTIFICATE-----", text, re.S).group(0)
        shown = subprocess.run(["openssl", "x509", "-noout", "-issuer", "-serial"], input=pem, capture_output=True,
                               text=True, check=True).stdout
        return re.search(r"issuer=CN = (.*)", shown).group(1), re.search(r"serial=(.*)", shown).group(1)

    def wait_served(self, name=HOST, frontend=0, not_serial=None, timeout=10):
        def there():
            issuer, serial = self.served(name, frontend=frontend)
            return issuer.startswith("Pebble") and serial != not_serial and serial
        return wait_for(there, timeout)

    def problem(self):
        """What `status` says of ordering as a whole."""
        return self.cluster.json("status").get("acme", {}).get("problem")

    def stop(self):
        faults = list(keys.faults(self.cluster.redis))
        self.cluster.remove()
        self.ca.stop()
        self.pebble.stop()
        self.dns.stop()
        assert not faults, faults


@pytest.fixture(scope="module")
def the_world():
    world = AcmeWorld()
    world.cluster.add_user("alice@example.test")
    yield world
    world.stop()


@pytest.fixture
def world(the_world):
    """With a certificate for the server's name, unless the first test is to see it come."""
    the_world.ca.faults, the_world.ca.slow = {}, 0
    the_world.order()
    the_world.wait_name(HOST, state="valid")
    yield the_world
    the_world.ca.faults, the_world.ca.slow = {}, 0


@pytest.fixture
def new_world():
    """Starts worlds of the test's own."""
    made = []

    def start(**kwargs):
        made.append(AcmeWorld(**kwargs))
        return made[-1]
    yield start
    for world in made:
        world.stop()


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
    assert HOST in {c["name"] for p in status["processes"] for c in p.get("certificates", [])}


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


# ---- An authority in trouble ----

def renew(world):
    """A renewal that is under way, and the serial number that it must change."""
    serial = world.wait_served()
    world.cluster.tool("certificate", "renew", HOST)
    return serial


@pytest.mark.parametrize("fault,told", [
    (None, "the CA cannot be reached"),
    ((500, {}, b"<html>oops"), "the CA answers 500"),
    ((200, {}, b"<html>hello"), "is not the directory of an ACME server"),
    (problem("serverInternal", "our \r\n fault", 503), "503: serverInternal: our"),
    ((301, {"Location": "https://127.0.0.1/"}, b""), "the CA answers 301"),
])
def test_authority_away(world, fault, told):
    world.ca.faults = {"/dir": fault}
    serial = renew(world)
    wait_for(lambda: told in (world.problem() or ""), 20, what=f"told: {told}")
    assert f"certificates: {world.problem()}" in world.cluster.tool("status").stdout
    assert world.served()[1] == serial  # what is there stays in force
    world.ca.faults = {}
    world.wait_served(not_serial=serial, timeout=30)
    wait_for(lambda: not world.problem(), 10)


def test_authority_asks_for_patience(world):
    world.ca.faults = {"/nonce-plz": (503, {"Retry-After": "7"}, b"")}
    before = world.ca.count("/nonce-plz")
    serial = renew(world)
    wait_for(lambda: "503" in (world.problem() or ""), 20)
    assert world.ca.count("/nonce-plz") == before + 1
    since = time.monotonic()
    world.ca.faults = {}
    world.wait_served(not_serial=serial, timeout=30)
    assert time.monotonic() - since > 4


def test_slow_authority(world):
    world.ca.slow = 0.7
    world.wait_served(not_serial=renew(world), timeout=60)


def test_limits_of_the_authority(world):
    """A limit that one name has reached stops no other; the name waits as long as it is told."""
    def limit(body):
        header = json.loads(body)["payload"]
        payload = base64.urlsafe_b64decode(header + "=" * (-len(header) % 4))
        if b"limited.example.test" in payload:
            return problem("rateLimited", "too many certificates", 429, **{"Retry-After": "3600"})
        return False
    world.ca.faults = {ORDERS: limit}
    for name in ("limited", "free"):
        world.dns.set(f"{name}.example.test", "A", "127.0.0.1")
    world.order(names="limited.example.test free.example.test")
    world.wait_name("free.example.test", state="valid")
    row = world.wait_name("limited.example.test", state="failed")
    assert "429: rateLimited: too many certificates" in row["problem"] and not world.problem()
    until = time.strptime(row["next_try"][:19], "%Y-%m-%dT%H:%M:%S")
    assert 3000 < time.mktime(until) - time.mktime(time.gmtime()) < 3700
    world.ca.faults = {}
    world.cluster.tool("certificate", "renew", "limited.example.test")
    world.wait_name("limited.example.test", state="valid")
    world.order(names="")


def test_authority_fails_at_one_name(world):
    """An error of the authority's own stops all for a while, but then the others have their turn."""
    def fail(body):
        header = json.loads(body)["payload"]
        payload = base64.urlsafe_b64decode(header + "=" * (-len(header) % 4))
        return problem("serverInternal", "no luck", 500) if b"aaa.example.test" in payload else False
    world.ca.faults = {ORDERS: fail}
    for name in ("aaa", "bbb", "ccc"):
        world.dns.set(f"{name}.example.test", "A", "127.0.0.1")
    world.order(names="aaa.example.test bbb.example.test ccc.example.test")
    for name in ("bbb", "ccc"):
        world.wait_name(f"{name}.example.test", state="valid")
    wait_for(lambda: world.names()["aaa.example.test"].get("tries", 0) >= 2, 40)
    assert "500: serverInternal: no luck" in world.names()["aaa.example.test"]["problem"]
    world.ca.faults = {}
    world.wait_name("aaa.example.test", state="valid", timeout=60)
    wait_for(lambda: not world.problem(), 40)
    world.order(names="")


def test_failed_renewal_is_tried_again(world):
    """One that an operator asked for, although the certificate is still good."""
    world.ca.faults = {ORDERS: problem("rejectedIdentifier", "not now", 400)}
    serial = renew(world)
    assert "not now" in world.wait_name(HOST, state="failed")["problem"] and world.served()[1] == serial
    world.ca.faults = {}
    world.wait_served(not_serial=serial, timeout=30)


def test_another_authority_replaces_certificates(world):
    """Those of a CA for trials are not kept when the directory is changed."""
    serial = world.wait_served()
    world.order(directory_url=world.pebble.directory)
    world.wait_served(not_serial=serial, timeout=20)
    assert world.names()[HOST]["issuer"] == world.pebble.directory
    assert len(world.cluster.redis.hkeys("acme:{acme}:accounts")) == 2


def test_forgotten_account_is_made_anew(world):
    accounts = world.cluster.redis.hgetall("acme:{acme}:accounts")
    for directory, text in accounts.items():
        account = json.loads(text)
        account["url"] = account["url"].rsplit("/", 1)[0] + "/unknown"
        world.cluster.redis.hset("acme:{acme}:accounts", directory, json.dumps(account))
    world.wait_served(not_serial=renew(world), timeout=30)


def test_forgotten_account_with_another_contact(world):
    """What would be changed at the authority is not there: it is registered anew."""
    text = world.cluster.redis.hget("acme:{acme}:accounts", world.ca.directory)
    account = json.loads(text)
    account["url"] = account["url"].rsplit("/", 1)[0] + "/unknown"
    world.cluster.redis.hset("acme:{acme}:accounts", world.ca.directory, json.dumps(account))
    world.order(contact="another@example.test")
    world.wait_served(not_serial=renew(world), timeout=30)
    assert json.loads(world.cluster.redis.hget("acme:{acme}:accounts", world.ca.directory))["url"] != account["url"]
    world.order()


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


# ---- Death and sleep ----

def test_store_away_in_the_middle(world):
    """For longer than the lease: nothing is sent meanwhile, and the order goes on afterwards."""
    serial = world.wait_served()
    world.ca.slow = 0.5
    orders = orders_made(world)
    world.cluster.tool("certificate", "renew", HOST)
    wait_for(lambda: orders_made(world) > orders, 20)
    world.cluster.kill("redis", signal.SIGSTOP)
    try:
        time.sleep(14)
        asked = len(world.ca.asked)
        time.sleep(4)
        assert len(world.ca.asked) == asked
        assert world.served()[1] == serial  # frontends need no store for that
    finally:
        world.cluster.kill("redis", signal.SIGCONT)
    world.ca.slow = 0
    world.wait_served(not_serial=serial, timeout=40)
    assert orders_made(world) == orders + 1



@pytest.mark.parametrize("point", ["acme-order-saved", "acme-challenge-saved", "acme-challenge-told", "acme-key-saved",
                                   "acme-finalized", "acme-certificate-stored"])
def test_worker_dies(new_world, tmp_path, point):
    """Another goes on with the same order and the same key."""
    marker = tmp_path / "marker"
    marker.touch()
    world = new_world(workers=2, env={"STAGEPOST_CRASH_AT": f"{point}:{marker}"})
    world.order()
    wait_for(lambda: not marker.exists(), 30, what=point)
    world.wait_name(HOST, state="valid", timeout=40)
    world.wait_served()
    assert orders_made(world) == 1
    assert len(world.cluster.redis.hkeys("acme:{acme}:accounts")) == 1


def orders_made(world):
    return world.pebble.log.count("Added order ")


def test_worker_sleeps_through_its_lease(new_world, tmp_path):
    marker = tmp_path / "marker"
    marker.touch()
    world = new_world(workers=2, env={"STAGEPOST_STOP_AT": f"acme-key-saved:{marker}"})
    world.order()
    wait_for(lambda: not marker.exists(), 30)
    holder = world.cluster.redis.hget("acme:{acme}:work", "holder")
    fence = int(world.cluster.redis.hget("acme:{acme}:work", "fence"))
    world.wait_name(HOST, state="valid", timeout=40)
    assert int(world.cluster.redis.hget("acme:{acme}:work", "fence")) > fence
    serial = world.wait_served()
    names = world.cluster.redis.hgetall("acme:{acme}:names")
    asked = len(world.ca.asked)
    os.kill(world.cluster.pid(holder), signal.SIGCONT)
    wait_for(lambda: "another process orders certificates now" in world.cluster.log(holder), 15)
    assert world.served()[1] == serial and world.cluster.redis.hgetall("acme:{acme}:names") == names
    assert len(world.ca.asked) == asked  # it has sent nothing more
    assert orders_made(world) == 1


def test_stopped_worker_leaves_the_lease(new_world):
    world = new_world()
    world.order()
    world.wait_name(HOST, state="valid")
    pid = world.cluster.kill("delivery-worker-0", signal.SIGTERM)
    wait_for(lambda: not os.path.exists(f"/proc/{pid}") or not world.cluster.redis.hget("acme:{acme}:work", "holder"), 20)
    world.cluster.wait_restarted("delivery-worker-0", pid, timeout=40)
    world.wait_served(not_serial=renew(world), timeout=30)
