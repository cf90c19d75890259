"""Milters that people have: opendkim as signer and verifier, and rspamd's proxy."""

import base64
import email
import smtplib
import subprocess

import dkim
import pytest

from cluster import wait_for
from spam_engine import GTUBE, Real

HEADER = "From: {0}\r\nTo: b@example.test\r\nSubject:  two   blanks\r\n and a fold\r\n" \
         "Date: Mon, 23 Nov 2026 16:10:01 +0000\r\nMessage-ID: <1@example.test>\r\n"
BODY = "Hello.\r\n.dot\r\n" + "line of text  \r\n" * 20000


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    path = tmp_path_factory.mktemp("key") / "key.pem"
    subprocess.run(["openssl", "genrsa", "-out", path, "2048"], check=True, capture_output=True)
    public = subprocess.run(["openssl", "rsa", "-in", path, "-pubout", "-outform", "DER"], check=True,
                            capture_output=True).stdout
    path.chmod(0o600)
    return path, f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode()}"


@pytest.fixture
def opendkim(tmp_path, key):
    started = []

    def start(*options):
        socket = tmp_path / f"opendkim{len(started)}.sock"
        started.append(subprocess.Popen(["/usr/sbin/opendkim", "-f", "-p", f"local:{socket}", *options]))
        wait_for(socket.exists, what="opendkim's socket")
        return f"unix:{socket}"

    yield start
    for process in started:
        process.terminate()
        process.wait()


def submit(cluster, user, to, text):
    with smtplib.SMTP("127.0.0.1", cluster.port("submission"), timeout=30) as smtp:
        smtp.ehlo("client.example.net")
        plain = base64.b64encode(f"\0{user}\0secret".encode()).decode()
        assert smtp.docmd("AUTH", f"PLAIN {plain}")[0] == 235
        assert smtp.docmd(f"MAIL FROM:<{user}>")[0] == 250
        assert smtp.docmd(f"RCPT TO:<{to}>")[0] == 250
        assert smtp.data(text)[0] == 250


def take(cluster, address, text):
    cluster.deliver("ann@elsewhere.example", address, text)
    return cluster.wait_mail(address)[-1]


def test_opendkim_signs(cluster, address, opendkim, key, tmp_path):
    safe = tmp_path / "safe.conf"
    safe.write_text("RequireSafeKeys no\n")
    place = opendkim("-x", str(safe), "-b", "s", "-d", "example.test", "-s", "sel", "-k", str(key[0]), "-c", "relaxed/simple")
    cluster.settings("smtp-in", submission_milters=place)
    submit(cluster, address, address, HEADER.format(address) + "\r\n" + BODY)
    data = cluster.wait_mail(address)[-1]
    assert data.endswith(BODY.encode())
    assert b"d=example.test; s=sel" in data
    assert dkim.DKIM(data).verify(dnsfunc=lambda name, timeout=5: key[1].encode())


def test_opendkim_verifies(cluster, address, opendkim, key, tmp_path):
    """What this server shows to milters is what was signed."""
    keys = tmp_path / "keys"
    keys.write_text(f"sel._domainkey.elsewhere.example {key[1]}\n")
    place = opendkim("-b", "v", "-x", str(conf(tmp_path, keys)))
    cluster.settings("smtp-in", milters=place)
    text = (HEADER.format("ann@elsewhere.example") + "\r\n" + BODY).encode()
    signature = dkim.sign(text, b"sel", b"elsewhere.example", key[0].read_bytes(), canonicalize=(b"simple", b"simple"))
    data = take(cluster, address, signature + text)
    said = email.message_from_bytes(data).get_all("Authentication-Results")
    assert any("milter.example" in field and "dkim=pass" in field for field in said), said


def conf(tmp_path, keys):
    path = tmp_path / "opendkim.conf"
    path.write_text(f"TestPublicKeys {keys}\nAuthservID milter.example\nAlwaysAddARHeader yes\n")
    return path


RSPAMD = """
options {{ pidfile = "{dir}/pid"; rspamd_socket_dir = "{dir}"; control_socket = "{dir}/control mode=0600";
  filters = ""; tempdir = "{dir}"; hs_cache_dir = "{dir}"; enable_test_patterns = true;
  dns {{ nameserver = "127.0.0.1:1"; }} }}
logging {{ type = "console"; level = "notice"; }}
actions {{ reject = 15; add_header = 6; greylist = 4; }}
worker "rspamd_proxy" {{ bind_socket = "127.0.0.1:{port}"; milter = yes; timeout = 20s; count = 1;
  upstream "local" {{ default = yes; self_scan = yes; }} }}
"""


def test_rspamd_proxy(cluster, address):
    engine = Real("rspamd")
    (engine.dir / "rspamd.conf").write_text(RSPAMD.format(dir=engine.dir, port=engine.port))
    engine.run("/usr/bin/rspamd", "--insecure", "--no-fork", "--config", str(engine.dir / "rspamd.conf"))
    try:
        cluster.settings("smtp-in", milters=f"inet:127.0.0.1:{engine.port}", milter_default_action="tempfail")
        assert b"Hello." in take(cluster, address, HEADER.format("ann@elsewhere.example") + "\r\nHello.\r\n")
        with smtplib.SMTP("127.0.0.1", cluster.port("smtp"), timeout=30) as smtp:
            smtp.ehlo("client.example.net")
            with pytest.raises(smtplib.SMTPDataError) as refused:
                smtp.sendmail("ann@elsewhere.example", [address],
                              HEADER.format("ann@elsewhere.example") + f"\r\n{GTUBE}\r\n")
        assert (refused.value.smtp_code, refused.value.smtp_error) == (554, b"5.7.1 Gtube pattern")
    finally:
        engine.stop()
    assert len(cluster.mailbox(address)) == 1
