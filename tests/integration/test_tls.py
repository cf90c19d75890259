"""Certificates by name, renewed one file after the other; sessions that are resumed at another frontend."""

import re
import shutil
import subprocess
import time
import urllib.request

import pytest

from certificates import Authority
from cluster import wait_for


def s_client(port, *options, starttls=None, name=None, bye="a LOGOUT\r\n"):
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *options]
    if starttls:
        command += ["-starttls", starttls]
    if name:
        command += ["-servername", name]
    # The session's ticket arrives after the handshake: waits for the server's goodbye.
    bye = {"smtp": "QUIT\r\n", "pop3": "QUIT\r\n"}.get(starttls, bye)
    result = subprocess.run(command + ["-ign_eof"], input=bye, capture_output=True, text=True,
                            timeout=30)
    return result.stdout + result.stderr


def common_name(text):
    return re.search(r"subject=CN = (\S+)", text).group(1)


@pytest.fixture(scope="module")
def authority():
    with Authority() as ca:
        yield ca


@pytest.fixture(scope="module")
def named(authority, tmp_path_factory):
    """Two frontends with a default certificate and a folder of others."""
    from cluster import Cluster
    folder = tmp_path_factory.mktemp("certificates")
    put(authority, folder, "mail.one.test", "mail.one.test", "alias.one.test")
    put(authority, folder, "*.two.test", "*.two.test")
    cluster = Cluster(frontends=2, env={"STAGEPOST_TLS_DIR": str(folder)}).start()
    cluster.folder = folder
    yield cluster
    cluster.remove()


def put(authority, folder, name, *names, **kwargs):
    cert, key = authority.issue(*names, **kwargs)
    (folder / name).mkdir(exist_ok=True)
    shutil.copy(cert, folder / name / "cert.pem")
    shutil.copy(key, folder / name / "key.pem")


@pytest.mark.parametrize("listener,starttls", [("imaps", None), ("imap", "imap"), ("pop3", "pop3"), ("smtp", "smtp")])
def test_certificate_by_name(named, listener, starttls):
    port = named.port(listener)
    assert common_name(s_client(port, starttls=starttls, name="mail.one.test")) == "mail.one.test"
    assert common_name(s_client(port, starttls=starttls, name="ALIAS.one.test")) == "mail.one.test"
    assert common_name(s_client(port, starttls=starttls, name="x.two.test")) == "*.two.test"
    assert common_name(s_client(port, starttls=starttls, name="unknown.test")) == "mx.example.test"
    assert common_name(s_client(port, "-noservername", starttls=starttls)) == "mx.example.test"


def test_verified_by_curl(named, authority):
    """A client that verifies accepts the certificate for the name that it requested."""
    named.add_user("alice@example.test")
    port = named.port("imaps")
    for name, good in (("mail.one.test", True), ("y.two.test", True), ("other.test", False)):
        result = subprocess.run(["curl", "-sS", "--cacert", str(authority.file), "--resolve", f"{name}:{port}:127.0.0.1",
                                 "--user", "alice@example.test:secret", f"imaps://{name}:{port}/"],
                                capture_output=True, text=True, timeout=30)
        assert (result.returncode == 0) == good, result.stderr


@pytest.mark.parametrize("version", ["-tls1_3", "-tls1_2"])
def test_session_goes_on_at_another_frontend(named, tmp_path, version):
    session = tmp_path / "session"
    text = s_client(named.port("imaps", 0), version, "-sess_out", str(session), name="mail.one.test")
    assert "New, TLS" in text
    text = s_client(named.port("imaps", 1), version, "-sess_in", str(session), name="mail.one.test")
    assert "Reused, TLS" in text
    # Also after all frontends have been restarted.
    for name in ("frontend-0", "frontend-1"):
        named.wait_restarted(name, named.kill(name))
    text = s_client(named.port("imaps", 0), version, "-sess_in", str(session), name="mail.one.test")
    assert "Reused, TLS" in text


def test_alpn(named):
    assert "ALPN protocol: imap" in s_client(named.port("imaps"), "-alpn", "imap")
    assert "no application protocol" in s_client(named.port("imaps"), "-alpn", "http/1.1")
    assert "subject=" in s_client(named.port("submissions"), "-alpn", "smtp", bye="QUIT\r\n")


def metric(cluster, name):
    text = urllib.request.urlopen(f"http://127.0.0.1:{cluster.metrics_port('frontend-0')}/metrics", timeout=5).read()
    return float(re.search(rf"^stagepost_{name} (\S+)$", text.decode(), re.M).group(1))


def test_key_comes_later(named, authority):
    """Renewed by a tool that writes the certificate, and its key half a minute later."""
    folder = named.folder / "mail.one.test"
    cert, key = authority.issue("mail.one.test", "renewed.one.test", days=9)
    errors = named.log("frontend-0").count("the new certificate is not used")
    shutil.copy(cert, folder / "cert.pem")
    wait_for(lambda: metric(named, "certificates_bad") == 1, 15)
    time.sleep(33)
    # The old pair is in use, and the trouble was reported once.
    assert common_name(s_client(named.port("imaps"), name="alias.one.test")) == "mail.one.test"
    assert named.log("frontend-0").count("the new certificate is not used") == errors + 1
    pair = next(c for p in named.json("status")["processes"] if p["id"] == "frontend-0"
                for c in p["certificates"] if c["name"] == "mail.one.test")
    assert pair["days_left"] == 4 and "key.pem" in pair["problem"]
    assert "mail.one.test, ends" in named.tool("status").stdout
    assert "NOT LOADED" in named.tool("status").stdout
    shutil.copy(key, folder / "key.pem")
    wait_for(lambda: metric(named, "certificates_bad") == 0, 15)
    assert common_name(s_client(named.port("imaps"), name="renewed.one.test")) == "mail.one.test"
    wait_for(lambda: "NOT LOADED" not in named.tool("status").stdout, 5)
    status = named.tool("status").stdout
    assert status.count("certificate: mail.one.test, ends ") == 1 and "(in 8 days)" in status
    assert metric(named, "certificate_end_timestamp_seconds") > time.time() + 4 * 86400 - 60


def test_new_folder(named, authority):
    put(authority, named.folder, "late.test", "late.test")
    wait_for(lambda: common_name(s_client(named.port("imaps"), name="late.test")) == "late.test", 15)
    shutil.rmtree(named.folder / "late.test")
    wait_for(lambda: common_name(s_client(named.port("imaps"), name="late.test")) == "mx.example.test", 15)
