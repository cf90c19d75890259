"""Ways to log in besides the main password: tokens of the API, app passwords, sessions; one's own account."""

import imaplib
import itertools
import os
import poplib
import smtplib
import time

import pytest

from cluster import SETTLE, wait_for
from test_web import Session, ask

_numbers = itertools.count(1)


@pytest.fixture
def admin(cluster):
    name = cluster.add_user(f"boss{next(_numbers)}-{os.getpid()}@example.test")
    cluster.tool("user", "set", name, "roles=system_admin")
    return name


def bearer(token):
    return [f"Authorization: Bearer {token}"]


def by_token(cluster, token, method="GET", path="session", body=None, frontend=0):
    return ask(cluster, method, path, body, headers=bearer(token), frontend=frontend)


def status_of(cluster, token, frontend=0):
    return by_token(cluster, token, frontend=frontend)[0]


# ---- Tokens ----

def test_token(cluster, admin):
    token = cluster.tool("token", "add", admin, "--name", "nightly job", "--role", "system_admin").stdout.strip()
    for frontend in (0, 1):
        status, _, me = by_token(cluster, token, frontend=frontend)
        assert status == 200 and me == {"address": admin, "role": "system_admin"}
    # No cookie, no Origin, no second token: a change needs JSON only.
    assert by_token(cluster, token, "PUT", "settings/pop", {"max_bad_commands": "11"})[0] == 200
    entry = cluster.redis.xrevrange("admin:log", count=1)[0][1]
    assert (entry["by"], entry["token"]) == (admin, "nightly job")
    told, = cluster.json("token", "list", admin)
    assert told["name"] == "nightly job" and told["role"] == "system_admin" and "secret" not in told
    assert abs(told["created_ms"] / 1000 - time.time()) < 60
    wait_for(lambda: "last_used_ms" in cluster.json("token", "list", admin)[0])
    # Nothing in the store is the token, or its secret.
    assert token.split(".")[2] not in str(cluster.redis.hgetall("user:{" + admin + "}"))
    assert "nightly job" in cluster.tool("token", "list", admin).stdout


def test_token_is_limited(cluster, admin, address):
    """To its own role, to that of its account, to its time."""
    plain = cluster.tool("token", "add", admin, "--name", "plain").stdout.strip()
    assert by_token(cluster, plain)[2]["role"] == "user"
    assert by_token(cluster, plain, path="settings/pop")[0] == 403
    refused = cluster.tool("token", "add", address, "--name", "x", "--role", "system_admin", check=False)
    assert refused.returncode == 1 and "may not do more than its account" in refused.stderr
    for args in (["--name", ""], ["--name", "a\nb"], ["--name", "x" * 101], ["--name", "x", "--role", "king"]):
        assert cluster.tool("token", "add", admin, *args, check=False).returncode == 1, args
    cluster.tool("token", "add", admin, "--name", "twice")
    assert "has one with this name" in cluster.tool("token", "add", admin, "--name", "twice", check=False).stderr
    # The account loses its role: so does the token.
    strong = cluster.tool("token", "add", admin, "--name", "strong", "--role", "system_admin").stdout.strip()
    assert by_token(cluster, strong, path="settings/pop")[0] == 200
    cluster.tool("user", "set", admin, "roles=")
    wait_for(lambda: by_token(cluster, strong, path="settings/pop")[0] == 403, timeout=SETTLE + 10)
    assert by_token(cluster, strong)[2]["role"] == "user"
    # For two seconds.
    short = cluster.tool("token", "add", address, "--name", "short", "--expires", "2s").stdout.strip()
    assert status_of(cluster, short) == 200
    wait_for(lambda: status_of(cluster, short) == 401, timeout=30)


def test_token_ends_at_once(cluster, address):
    """Deleted, disabled, or its account deleted and made again: no frontend takes it a second later."""
    token = cluster.tool("token", "add", address, "--name", "one").stdout.strip()
    other = cluster.tool("token", "add", address, "--name", "two").stdout.strip()
    assert [status_of(cluster, token, f) for f in (0, 1)] == [200, 200]
    cluster.tool("token", "delete", address, "one")
    time.sleep(1)
    assert [status_of(cluster, token, f) for f in (0, 1)] == [401, 401]
    assert [status_of(cluster, other, f) for f in (0, 1)] == [200, 200]
    assert cluster.tool("token", "delete", address, "one", check=False).returncode == 1
    cluster.tool("user", "set", address, "enabled=off")
    time.sleep(1)
    assert [status_of(cluster, other, f) for f in (0, 1)] == [401, 401]
    cluster.tool("user", "set", address, "enabled=on")
    time.sleep(1)
    assert status_of(cluster, other) == 200
    cluster.tool("user", "delete", address)
    cluster.add_user(address)
    time.sleep(1)
    assert [status_of(cluster, other, f) for f in (0, 1)] == [401, 401]
    assert cluster.json("token", "list", address) == []


def test_wrong_token(cluster, address):
    token = cluster.tool("token", "add", address, "--name", "one").stdout.strip()
    cluster.settings("auth", failure_delay="1")
    for wrong in (token[:-1] + ("a" if token[-1] != "a" else "b"), token + "x", "stp.x.y", "nonsense", ""):
        status, fields, answer = by_token(cluster, wrong)
        assert status == 401 and fields["www-authenticate"] == 'Bearer realm="Stagepost", error="invalid_token"', wrong
        assert answer == {"error": "the token is not valid"}
        cluster.redis.delete(*cluster.redis.keys("auth:fail:*"))
    # Slowed down, as a wrong password is, and a correct one is not.
    by_token(cluster, token[:-2] + "00")
    begun = time.monotonic()
    assert by_token(cluster, token[:-2] + "00")[0] == 401
    assert time.monotonic() - begun >= 0.9
    begun = time.monotonic()
    assert status_of(cluster, token) == 200
    assert time.monotonic() - begun < 0.9
    cluster.redis.delete(*cluster.redis.keys("auth:fail:*"))


def test_token_makes_no_new_ways_in(cluster, admin):
    token = cluster.tool("token", "add", admin, "--name", "one", "--role", "system_admin").stdout.strip()
    for method, path, body in (("POST", "account/tokens", {"name": "two"}), ("POST", "account/app-passwords", {"name": "two"}),
                               ("PUT", "account/password", {"old": "secret", "new": "other"}),
                               ("DELETE", "account/tokens/one", None)):
        assert by_token(cluster, token, method, path, body)[0] == 403, path
    assert by_token(cluster, token, path="account/tokens")[0] == 200


def test_token_without_the_store(own_cluster):
    cluster = own_cluster(frontends=1)
    address = cluster.add_user("alice@example.test")
    token = cluster.tool("token", "add", address, "--name", "one").stdout.strip()
    assert status_of(cluster, token) == 200
    os.kill(cluster.pid("redis"), 19)
    try:
        # What is known is answered from memory for a while; a token of another account is not.
        status, fields, _ = ask(cluster, "GET", "session", headers=bearer("stp.Ym9iQGV4YW1wbGUudGVzdA." + "a" * 40))
        assert status == 503 and "retry-after" in fields
    finally:
        os.kill(cluster.pid("redis"), 18)
    wait_for(lambda: status_of(cluster, token) == 200, timeout=30)


def test_tokens_by_the_api(cluster, admin):
    session = Session(cluster, f"{admin}:secret")
    status, _, made = session.ask("POST", "account/tokens", {"name": "by <b>", "role": "system_admin",
                                                             "expires_ms": int(time.time() * 1000) + 60000})
    assert status == 201 and by_token(cluster, made["secret"])[2]["role"] == "system_admin"
    assert session.ask("POST", "account/tokens", {"name": "by <b>"})[0] == 409
    assert session.ask("POST", "account/tokens", {"name": "x", "role": "king"})[0] == 422
    assert session.ask("POST", "account/tokens", {"name": "x", "expires_ms": 1})[0] == 422
    listed, = session.ask("GET", "account/tokens")[2]["tokens"]
    assert listed["id"] == made["id"] and listed["expires_ms"] == made["expires_ms"] and "secret" not in listed
    assert session.ask("DELETE", f"account/tokens/{made['id']}")[0] == 200
    assert session.ask("DELETE", f"account/tokens/{made['id']}")[0] == 404
    assert session.ask("GET", "account/tokens")[2]["tokens"] == []
    wait_for(lambda: status_of(cluster, made["secret"], 1) == 401, timeout=5)


# ---- App passwords ----

def imap_takes(cluster, address, password, frontend=0, mechanism=None):
    imap = imaplib.IMAP4_SSL("127.0.0.1", cluster.port("imaps", frontend))
    try:
        imap.login(address, password)
        return True
    except imaplib.IMAP4.error:
        return False
    finally:
        imap.shutdown()


def pop_takes(cluster, address, password, frontend=0):
    pop = poplib.POP3_SSL("127.0.0.1", cluster.port("pop3s", frontend))
    try:
        pop.user(address)
        pop.pass_(password)
        return True
    except poplib.error_proto:
        return False
    finally:
        pop.close()


def smtp_takes(cluster, address, password, frontend=0):
    with smtplib.SMTP_SSL("127.0.0.1", cluster.port("submissions", frontend)) as smtp:
        try:
            smtp.login(address, password)
            return True
        except smtplib.SMTPAuthenticationError:
            return False


def test_app_password(cluster, address):
    cluster.settings("auth", failure_delay="0")
    password = cluster.tool("user", "app-password", "add", address, "--name", "phone").stdout.strip()
    for spelling in (password, password.replace("-", ""), password.upper(), password.replace("-", " ")):
        assert imap_takes(cluster, address, spelling)
    assert pop_takes(cluster, address, password, 1) and smtp_takes(cluster, address, password)
    assert imap_takes(cluster, address, "secret")
    for wrong in (password[:-1], password + "a", password.replace("-", "_"), ""):
        assert not imap_takes(cluster, address, wrong), wrong
    # It is no login to the page or the API.
    assert ask(cluster, "GET", "session", login=f"{address}:{password}")[0] == 401
    assert ask(cluster, "POST", "session", {"address": address, "password": password})[0] == 401
    told, = cluster.json("user", "app-password", "list", address)
    assert told["name"] == "phone" and "role" not in told
    wait_for(lambda: "last_used_ms" in cluster.json("user", "app-password", "list", address)[0])
    # It survives a change of the main password, and goes at once when it is deleted.
    cluster.tool("user", "passwd", address, "--password", "other")
    assert imap_takes(cluster, address, password)
    cluster.tool("user", "app-password", "delete", address, told["id"])
    time.sleep(1)
    assert not any(imap_takes(cluster, address, password, f) for f in (0, 1))


def test_app_password_is_not_slowed(cluster, address):
    """Somebody guesses: the account's devices go on."""
    password = cluster.tool("user", "app-password", "add", address, "--name", "phone").stdout.strip()
    cluster.settings("auth", failure_delay="8")
    assert not imap_takes(cluster, address, "guess")
    begun = time.monotonic()
    assert imap_takes(cluster, address, password)
    assert time.monotonic() - begun < 4
    cluster.redis.delete(*cluster.redis.keys("auth:fail:*"))


def test_app_passwords_by_the_api(cluster, address):
    session = Session(cluster, f"{address}:secret")
    status, _, made = session.ask("POST", "account/app-passwords", {"name": "phone"})
    assert status == 201 and imap_takes(cluster, address, made["secret"])
    for i in range(49):
        assert session.ask("POST", "account/app-passwords", {"name": f"n{i}"})[0] == 201
    assert session.ask("POST", "account/app-passwords", {"name": "one more"})[0] == 409
    assert len(session.ask("GET", "account/app-passwords")[2]["app_passwords"]) == 50
    assert session.ask("DELETE", "account/app-passwords/phone")[0] == 200
    wait_for(lambda: not imap_takes(cluster, address, made["secret"], 1), timeout=5)


# ---- One's own account ----

def test_own_account(cluster, address):
    session = Session(cluster, f"{address}:secret")
    status, _, me = session.ask("GET", "account")
    assert status == 200 and me["address"] == address and me["role"] == "user" and me["used_bytes"] == 0


def test_own_password(cluster, address):
    cluster.settings("auth", failure_delay="0")
    session, other = Session(cluster, f"{address}:secret"), Session(cluster, f"{address}:secret")
    assert imap_takes(cluster, address, "secret", 1)  # remembered there
    status, _, answer = session.ask("PUT", "account/password", {"old": "wrong", "new": "better"})
    assert status == 422 and set(answer["fields"]) == {"old"}
    assert session.ask("PUT", "account/password", {"old": "secret", "new": ""})[0] == 422
    assert other.ask("GET", "session")[0] == 200
    status, fields, answer = session.ask("PUT", "account/password", {"old": "secret", "new": "better"})
    assert status == 200 and answer["address"] == address
    # Whoever made the change stays logged in, by a new session; nobody else does.
    old_cookie, session.cookie, session.token = session.cookie, fields["set-cookie"].split(";")[0], answer["token"]
    assert session.ask("GET", "session", frontend=1)[0] == 200
    wait_for(lambda: other.ask("GET", "session", frontend=1)[0] == 401, timeout=5)
    assert ask(cluster, "GET", "session", headers=[f"Cookie: {old_cookie}"])[0] == 401
    assert [s["current"] for s in session.ask("GET", "account/sessions")[2]["sessions"]] == [True]
    wait_for(lambda: not imap_takes(cluster, address, "secret", 1), timeout=5)
    assert imap_takes(cluster, address, "better", 1)
    wait_for(lambda: any("password changed" in line and address in line for i in (0, 1)
                         for line in cluster.log(f"frontend-{i}").splitlines()))


def test_wrong_old_password_is_slowed(cluster, address):
    session = Session(cluster, f"{address}:secret")
    cluster.settings("auth", failure_delay="1")
    session.ask("PUT", "account/password", {"old": "wrong", "new": "better"})
    begun = time.monotonic()
    assert session.ask("PUT", "account/password", {"old": "wrong", "new": "better"})[0] == 422
    assert time.monotonic() - begun >= 0.9
    cluster.redis.delete(*cluster.redis.keys("auth:fail:*"))
