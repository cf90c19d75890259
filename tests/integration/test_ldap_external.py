"""Logins by certificates of clients (SASL EXTERNAL)."""

import os
import re
import signal
import socket
import ssl
import subprocess
import time
import urllib.request

import ldap3
import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from certificates import Authority
from cluster import wait_for
from ldap_client import NOTICE, Ldap, bind, equal, extended, integer, octets, present, search, tlv
from test_ldap import result

PEOPLE = "ou=people,dc=external,dc=test"
START_TLS, WHO_AM_I = "1.3.6.1.4.1.1466.20037", "1.3.6.1.4.1.4203.1.11.3"


@pytest.fixture(scope="module")
def domain(shared_cluster):
    for name in ("alice", "bob", "gone"):
        shared_cluster.add_user(f"{name}@external.test")
    shared_cluster.tool("alias", "add", "list@external.test", "alice@external.test")
    return "external.test"


@pytest.fixture(scope="module")
def authority():
    with Authority("People") as ca:
        yield ca


@pytest.fixture
def asked(cluster, domain, authority):
    """The server asks for certificates."""
    cluster.settings("ldap", client_authorities=str(authority.file))
    return cluster


def client_context(pair=None):
    context = ssl._create_unverified_context()
    if pair is not None:
        context.load_cert_chain(*pair)
    return context


def connect(cluster, pair=None, protocol="ldaps", **kwargs):
    ldap = Ldap(cluster.port(protocol))
    if protocol == "ldap":
        assert result(ldap, extended(START_TLS)).code == 0
    ldap.sock = client_context(pair).wrap_socket(ldap.sock, **kwargs)
    return ldap


def external(wanted=None, mechanism="EXTERNAL"):
    return tlv(0x60, integer(3) + octets("") + tlv(0xa3, octets(mechanism) + (b"" if wanted is None else octets(wanted))))


def who(ldap):
    return ldap.ask(extended(WHO_AM_I))[0].value.decode()


def mechanisms(ldap):
    return ldap.ask(search(scope=0, attributes=["supportedSASLMechanisms"]))[0].attributes.get("supportedSASLMechanisms", [])


@pytest.mark.parametrize("protocol", ["ldap", "ldaps"])
@pytest.mark.parametrize("wanted,code", [
    (None, 0), ("", 0), ("u:alice@external.test", 0), ("u:ALICE@External.Test", 0), (f"dn:uid=alice,{PEOPLE}", 0),
    ("u:bob@external.test", 49), (f"dn:uid=bob,{PEOPLE}", 49), ("alice@external.test", 49), ("dn:nonsense", 49),
])
def test_the_right_certificate(asked, authority, protocol, wanted, code):
    ldap = connect(asked, authority.issue("Alice@external.test"), protocol)
    assert "EXTERNAL" in mechanisms(ldap)
    assert result(ldap, external(wanted)).code == code
    assert who(ldap) == (f"dn:uid=alice,{PEOPLE}" if code == 0 else "")
    assert result(ldap, search("dc=external,dc=test")).code == (0 if code == 0 else 50)


@pytest.mark.parametrize("names,options", [
    (["alice@external.test"], {"days": -1}), (["alice@external.test"], {"purpose": ExtendedKeyUsageOID.SERVER_AUTH}),
    (["alice@external.test", "bob@external.test"], {}), (["external.test"], {}), (["nobody@external.test"], {}),
    (["list@external.test"], {}), (["gone@external.test"], {}),
])
def test_certificates_that_are_refused(asked, authority, names, options):
    asked.tool("user", "set", "gone@external.test", "enabled=off")
    ldap = connect(asked, authority.issue(*names, **options))
    assert result(ldap, external()).code == 49
    assert who(ldap) == "" and result(ldap, search("dc=external,dc=test")).code == 50
    # It is no hindrance to a password.
    assert result(ldap, bind("bob@external.test")).code == 0


def test_a_right_purpose(asked, authority):
    ldap = connect(asked, authority.issue("alice@external.test", purpose=ExtendedKeyUsageOID.CLIENT_AUTH))
    assert result(ldap, external(mechanism="external")).code == 0


def test_another_authority(asked):
    with Authority("People") as other:  # of the same name
        ldap = connect(asked, other.issue("alice@external.test"))
        assert "EXTERNAL" not in mechanisms(ldap) and result(ldap, external()).code == 49
        assert result(ldap, bind("bob@external.test")).code == 0
        # Signed by nobody but itself.
        ldap = connect(asked, (other.file, write_key(other)))
        assert result(ldap, external()).code == 49


def write_key(authority):
    from cryptography.hazmat.primitives import serialization
    path = authority.dir / "authority.key"
    path.write_bytes(authority.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                                 serialization.NoEncryption()))
    return path


def test_without_a_certificate(asked, authority):
    for ldap in (connect(asked), Ldap(asked.port("ldap"))):
        assert "EXTERNAL" not in mechanisms(ldap) and result(ldap, external("u:alice@external.test")).code == 7
        assert result(ldap, bind("alice@external.test")).code == 0


def test_not_asked(cluster, domain, authority):
    """By default, and where the file does not load."""
    pair = authority.issue("alice@external.test")
    assert result(connect(cluster, pair), external()).code == 7
    broken = authority.dir / "broken.pem"
    broken.write_text("nothing")
    for path in (authority.dir / "missing.pem", broken):
        cluster.settings("ldap", client_authorities=str(path))
        ldap = connect(cluster, pair)
        assert result(ldap, external()).code == 7 and result(ldap, bind("alice@external.test")).code == 0
        # Once, however many connect.
        assert result(connect(cluster, pair), external()).code == 7
        lines = [line for line in cluster.log("frontend-0").splitlines() if "do not load" in line and str(path) in line]
        assert len(lines) == 1


def failed_logins(cluster):
    text = urllib.request.urlopen(f"http://127.0.0.1:{cluster.metrics_port('frontend-0')}/metrics", timeout=5).read()
    return float(re.search(r'^stagepost_auth_total{result="failed"} (\S+)$', text.decode(), re.M).group(1))


def test_file_is_kept_until_it_changes(cluster, domain, authority):
    """It is not read for each connection. One that does not load any more is no failed login."""
    path = authority.dir / "changing.pem"
    good = authority.file.read_bytes()
    path.write_bytes(good)
    was = path.stat()
    cluster.settings("ldap", client_authorities=str(path))
    pair = authority.issue("alice@external.test")
    ldap = connect(cluster, pair)
    assert result(ldap, external()).code == 0
    # Broken, but the file looks as before.
    path.write_bytes(b"x" * len(good))
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
    time.sleep(1.2)
    again = connect(cluster, pair)
    assert "EXTERNAL" in mechanisms(again) and result(again, external()).code == 0
    failed = failed_logins(cluster)
    os.utime(path)
    wait_for(lambda: result(ldap, external()).code == 52, 5, what="the broken file is read")
    assert "EXTERNAL" not in mechanisms(ldap) and who(ldap) == ""
    for _ in range(20):  # more than max_bad_commands
        assert result(ldap, external()).code == 52
    assert failed_logins(cluster) == failed
    log = [line for line in cluster.log("frontend-0").splitlines() if "do not load" in line and str(path) in line]
    assert len(log) == 1 and "level=warning" in log[0]
    assert result(ldap, bind("alice@external.test")).code == 0
    path.write_bytes(good)
    wait_for(lambda: result(ldap, external()).code == 0, 5, what="the good file is read")


def test_mechanisms_that_are_asked_for(asked, authority):
    """The certificate is checked for whoever asks: by an attribute, or by the filter."""
    ldap = connect(asked, authority.issue("alice@external.test"))
    root = lambda **kwargs: ldap.ask(search(scope=0, **kwargs))
    assert "EXTERNAL" in root(attributes=["+"])[0].attributes["supportedSASLMechanisms"]
    named = present("supportedSASLMechanisms")
    named = tlv(0xa1, equal("cn", "x") + tlv(0xa2, tlv(0xa2, named)))  # (|(cn=x)(!(!(...))))
    assert len(root(filter=named, attributes=["1.1"])) == 2


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_no_session_is_resumed(asked, authority, version):
    """Each one proves the key; a ticket would keep a certificate beyond its end."""
    context = client_context(authority.issue("alice@external.test"))
    context.maximum_version = version
    first = Ldap(asked.port("ldaps"))
    first.sock = context.wrap_socket(first.sock)
    assert result(first, external()).code == 0
    assert not first.sock.session.has_ticket
    second = Ldap(asked.port("ldaps"))
    second.sock = context.wrap_socket(second.sock, session=first.sock.session)
    assert not second.sock.session_reused


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
@pytest.mark.parametrize("has_certificate", [True, False])
def test_session_of_another_protocol(asked, authority, version, has_certificate):
    """A session of IMAP, where nobody asks for certificates, is not resumed here: the key is proven anew."""
    def imaps(session=None):
        sock = context.wrap_socket(socket.create_connection(("127.0.0.1", asked.port("imaps")), timeout=10), session=session)
        assert sock.recv(1000).startswith(b"* OK")  # and the tickets
        return sock

    context = client_context(authority.issue("alice@external.test") if has_certificate else None)
    context.maximum_version = version
    session = imaps().session
    assert session.has_ticket and imaps(session).session_reused
    ldap = Ldap(asked.port("ldaps"))
    ldap.sock = context.wrap_socket(ldap.sock, session=session)
    assert not ldap.sock.session_reused
    assert result(ldap, external()).code == (0 if has_certificate else 7)


def test_authority_changed_meanwhile(asked, authority):
    """What the authorities are now decides, not what they were at the handshake."""
    ldap = connect(asked, authority.issue("alice@external.test"))
    with Authority("Others") as other:
        asked.settings("ldap", client_authorities=str(other.file))
        assert result(ldap, external()).code == 49


def test_disabled_later(asked, authority):
    asked.add_user("later@external.test")
    ldap = connect(asked, authority.issue("later@external.test"))
    assert result(ldap, external()).code == 0
    asked.tool("user", "set", "later@external.test", "enabled=off")
    notice = ldap.read()
    assert (notice.id, notice.name) == (0, NOTICE) and ldap.read() is None


def test_without_the_store(own_cluster, authority):
    cluster = own_cluster(frontends=1)
    cluster.add_user("alice@external.test")
    cluster.settings("ldap", client_authorities=str(authority.file))
    pair = authority.issue("alice@external.test")
    redis = cluster.pid("redis")
    os.kill(redis, signal.SIGSTOP)
    try:
        assert result(connect(cluster, pair), external()).code == 52
    finally:
        os.kill(redis, signal.SIGCONT)
    wait_for(lambda: result(connect(cluster, pair), external()).code == 0, 20, what="logins again")


def test_real_clients(asked, authority):
    cert, key = authority.issue("alice@external.test")
    env = dict(os.environ, LDAPTLS_REQCERT="never", LDAPTLS_CERT=str(cert), LDAPTLS_KEY=str(key))
    for url in (["-H", f"ldaps://127.0.0.1:{asked.port('ldaps')}"], ["-ZZ", "-H", f"ldap://127.0.0.1:{asked.port('ldap')}"]):
        run = subprocess.run(["ldapwhoami", "-Q", "-Y", "EXTERNAL", *url], env=env, capture_output=True, text=True, timeout=30)
        assert run.stdout.strip() == f"dn:uid=alice,{PEOPLE}", run.stderr
    tls = ldap3.Tls(local_certificate_file=str(cert), local_private_key_file=str(key), validate=ssl.CERT_NONE)
    server = ldap3.Server("127.0.0.1", port=asked.port("ldaps"), use_ssl=True, tls=tls)
    client = ldap3.Connection(server, authentication=ldap3.SASL, sasl_mechanism=ldap3.EXTERNAL)
    assert client.bind() and client.extend.standard.who_am_i() == f"dn:uid=alice,{PEOPLE}"
