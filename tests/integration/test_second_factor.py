"""The second factor of an account: begun, asked for, removed; its keys; sessions of before it was changed."""

import base64
import concurrent.futures
import hmac
import struct
import time

import pytest

from cluster import SETTLE, wait_for
from test_login import imap_takes, pop_takes, smtp_takes, status_of
from test_web import Session, ask


def totp(secret, ahead=0):
    """RFC 6238, written down once more."""
    key = base64.b32decode(secret)
    mac = hmac.new(key, struct.pack(">Q", int(time.time()) // 30 + ahead), "sha1").digest()
    at = mac[19] & 15
    return f"{(struct.unpack('>I', mac[at:at + 4])[0] & 0x7fffffff) % 10**6:06}"


def fresh_codes(secret):
    """Codes of this step, each later one only once the one before was used; waits for the step's begin."""
    time.sleep(max(0, 30 - time.time() % 30 if time.time() % 30 > 20 else 0))
    return totp(secret)


@pytest.fixture
def second(cluster, address):
    """(address, secret, recovery codes) of an account with a second factor; its step before is used."""
    cluster.settings("auth", failure_delay="0")
    session = Session(cluster, f"{address}:secret")
    status, _, begun = session.ask("POST", "account/totp", {"password": "secret"})
    assert status == 200
    status, _, answer = session.ask("POST", "account/totp/confirm", {"code": totp(begun["secret"], -1)})
    assert status == 200, answer
    return address, begun["secret"], answer["recovery_codes"]


def log_in(cluster, address, code=None, password="secret", frontend=0):
    body = {"address": address, "password": password}
    return ask(cluster, "POST", "session", {**body, "code": code} if code is not None else body, frontend=frontend)


def continued(session, answered):
    """The session that an answer begins."""
    status, fields, answer = answered
    assert status == 200, answer
    session.cookie, session.token = fields["set-cookie"].split(";")[0], answer["token"]
    return session


def session_by(cluster, address, code):
    session = Session.__new__(Session)
    session.cluster, session.scheme = cluster, "http"
    return continued(session, log_in(cluster, address, code))


def test_second_factor_is_begun(cluster, address):
    session, other = Session(cluster, f"{address}:secret"), Session(cluster, f"{address}:secret")
    assert session.ask("GET", "account")[2]["second_factor"] is False
    assert session.ask("POST", "account/totp", {"password": "wrong"})[0] == 422
    assert session.ask("POST", "account/totp/confirm", {"code": "123456"})[0] == 404
    status, _, begun = session.ask("POST", "account/totp", {"password": "secret"})
    assert status == 200 and begun["uri"] == (f"otpauth://totp/Stagepost:{address.replace('@', '%40')}?secret={begun['secret']}"
                                              "&issuer=Stagepost")
    assert len(begun["qr"]) == len(begun["qr"][0]) >= 29 and begun["qr"][0].startswith("1111111")
    # Not in force before it is confirmed, and no secret lies open in the store.
    assert log_in(cluster, address)[0] == 200
    wrong = totp(begun["secret"], 5)
    assert session.ask("POST", "account/totp/confirm", {"code": wrong})[0] == 422
    status, fields, answer = session.ask("POST", "account/totp/confirm", {"code": totp(begun["secret"])}, frontend=1)
    assert status == 200 and len(set(answer["recovery_codes"])) == 10
    stored = str(cluster.redis.hgetall("user:{" + address + "}"))
    assert begun["secret"] not in stored and answer["recovery_codes"][0].replace("-", "") not in stored
    # Whoever did it stays logged in, nobody else does.
    session.cookie, session.token = fields["set-cookie"].split(";")[0], answer["token"]
    assert session.ask("GET", "account")[2]["second_factor"] is True
    wait_for(lambda: other.ask("GET", "session")[0] == 401, timeout=5)
    assert session.ask("POST", "account/totp", {"password": "secret"})[0] == 409
    assert not cluster.redis.keys("auth:totp-new:*")


def test_second_factor(cluster, second):
    address, secret, _ = second
    status, _, answer = log_in(cluster, address)
    assert status == 401 and answer["code_needed"] is True
    assert "code_needed" not in log_in(cluster, address, password="wrong")[2]
    assert log_in(cluster, address, totp(secret, 3))[0] == 401
    assert log_in(cluster, address, "")[0] == 401
    code = fresh_codes(secret)
    status, fields, _ = log_in(cluster, address, code, frontend=1)
    assert status == 200
    # Once, and none of before.
    assert log_in(cluster, address, code)[0] == 401 and log_in(cluster, address, code, frontend=1)[0] == 401
    assert log_in(cluster, address, totp(secret, -1))[0] == 401
    # A session is not asked again, nor is a token; Basic login cannot give a code.
    cookie = fields["set-cookie"].split(";")[0]
    assert ask(cluster, "GET", "session", headers=[f"Cookie: {cookie}"])[0] == 200
    token = cluster.tool("token", "add", address, "--name", "one").stdout.strip()
    assert status_of(cluster, token) == 200
    status, _, answer = ask(cluster, "GET", "session", login=f"{address}:secret")
    assert status == 403 and "token" in answer["error"]


def test_second_factor_takes_each_code_once(cluster, second):
    """Ten at the same moment, on two frontends: one comes in."""
    address, secret, _ = second
    code = fresh_codes(secret)
    log_in(cluster, address)  # the password is remembered: they are all as fast
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        statuses = list(pool.map(lambda i: log_in(cluster, address, code, frontend=i % 2)[0], range(10)))
    assert sorted(statuses) == [200] + [401] * 9


def test_second_factor_is_not_guessed(cluster, second):
    """After ten wrong codes in a row not even the right one is taken, on no frontend; a recovery code is."""
    address, secret, recovery = second
    for i in range(10):
        assert log_in(cluster, address, totp(secret, 10 + i), frontend=i % 2)[0] == 401
    code = fresh_codes(secret)
    assert log_in(cluster, address, code)[0] == 401
    assert 0 < cluster.redis.pttl("auth:totp:{" + address + "}") <= 15 * 60 * 1000
    assert log_in(cluster, address, recovery[0])[0] == 200
    cluster.redis.delete("auth:totp:{" + address + "}")  # as after that time
    assert log_in(cluster, address, code)[0] == 200


def test_recovery_codes(cluster, second):
    address, _, recovery = second
    assert log_in(cluster, address, recovery[3].upper().replace("-", " "), frontend=1)[0] == 200
    assert log_in(cluster, address, recovery[3])[0] == 401
    assert log_in(cluster, address, recovery[3], frontend=1)[0] == 401
    assert log_in(cluster, address, recovery[4])[0] == 200
    assert len(cluster.redis.hget("user:{" + address + "}", "totp_recovery").split()) == 8


def test_second_factor_and_mail(cluster, second):
    """The main password is no way around it: mail clients need an app password."""
    address, _, _ = second
    password = cluster.tool("user", "app-password", "add", address, "--name", "phone").stdout.strip()
    for takes in (imap_takes, pop_takes, smtp_takes):
        assert not takes(cluster, address, "secret", 1) and takes(cluster, address, password, 1)
    cluster.settings("auth", failure_delay="0", totp_mail_password="on")
    assert imap_takes(cluster, address, "secret", 1) and imap_takes(cluster, address, password, 1)


def test_second_factor_is_removed(cluster, second):
    address, secret, recovery = second
    session = session_by(cluster, address, recovery[0])
    assert session.ask("POST", "account/totp/disable", {"password": "wrong"})[0] == 422
    assert session.ask("POST", "account/totp/disable", {"password": "secret"})[0] == 200
    assert log_in(cluster, address, frontend=1)[0] == 200
    assert imap_takes(cluster, address, "secret", 1)


def test_a_session_of_before_does_not_come_back(cluster, second):
    """The second factor is removed and given again: what was ended by that stays ended."""
    address, _, recovery = second
    session, stolen = session_by(cluster, address, recovery[0]), session_by(cluster, address, recovery[1])
    assert stolen.ask("GET", "session")[0] == 200
    continued(session, session.ask("POST", "account/totp/disable", {"password": "secret"}))
    wait_for(lambda: stolen.ask("GET", "session")[0] == 401, timeout=5)
    begun = session.ask("POST", "account/totp", {"password": "secret"})[2]
    time.sleep(SETTLE)
    cluster.redis.delete("auth:totp:{" + address + "}")
    continued(session, session.ask("POST", "account/totp/confirm", {"code": totp(begun["secret"])}))
    time.sleep(SETTLE)
    for frontend in (0, 1):
        assert session.ask("GET", "session", frontend=frontend)[0] == 200
        assert stolen.ask("GET", "session", frontend=frontend)[0] == 401


def test_second_factor_is_removed_by_the_tool(cluster, second):
    address, _, _ = second
    assert log_in(cluster, address, frontend=1)[0] == 401
    cluster.tool("user", "totp", "disable", address)
    wait_for(lambda: log_in(cluster, address, frontend=1)[0] == 200, timeout=5)
    refused = cluster.tool("user", "totp", "disable", address, check=False)
    assert refused.returncode == 1 and "no second factor" in refused.stderr


def test_second_factor_under_another_key(own_cluster):
    """A code that is accepted seals the secret with the new key, so that the old one can be removed."""
    cluster = own_cluster(frontends=1)
    old, new = (cluster.dir / "tls/secret.key").read_text().strip(), f"k2:{'Q' * 43}="
    address = cluster.add_user("alice@example.test")
    session = Session(cluster, f"{address}:secret")
    begun = session.ask("POST", "account/totp", {"password": "secret"})[2]
    continued(session, session.ask("POST", "account/totp/confirm", {"code": totp(begun["secret"], -1)}))

    def restart(keys):
        cluster.stop()
        (cluster.dir / "tls/secret.key").write_text(keys + "\n")
        cluster.start()

    def sealed_with():
        return cluster.redis.hget(f"user:{{{address}}}", "totp").split(".")[1]

    # A whole list fits into the file, however long.
    restart(f"{new},{old},{','.join(f'k{i}:' + 'g' * 43 + '=' for i in range(3, 12))}")
    first = old.partition(":")[0]
    assert sealed_with() == first
    assert log_in(cluster, address, "000000")[0] == 401 and sealed_with() == first
    assert log_in(cluster, address, totp(begun["secret"]))[0] == 200
    wait_for(lambda: sealed_with() == "k2", timeout=5)
    # That is no change of the second factor.
    assert session.ask("GET", "session")[0] == 200
    restart(new)
    assert log_in(cluster, address, totp(begun["secret"], 1))[0] == 200


def test_second_factor_without_the_key(own_cluster):
    """A cluster that lost its key: the app's code cannot be checked, a recovery code can."""
    cluster = own_cluster(frontends=1)
    key = (cluster.dir / "tls/secret.key")
    assert key.stat().st_mode & 0o777 == 0o600
    address = cluster.add_user("alice@example.test")
    session = Session(cluster, f"{address}:secret")
    begun = session.ask("POST", "account/totp", {"password": "secret"})[2]
    recovery = session.ask("POST", "account/totp/confirm", {"code": totp(begun["secret"], -1)})[2]["recovery_codes"]
    cluster.stop()
    key.unlink()
    cluster.start()
    assert log_in(cluster, address, totp(begun["secret"]))[0] == 503
    assert log_in(cluster, address, recovery[0])[0] == 200
