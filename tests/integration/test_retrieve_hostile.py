"""Remotes that lie, break the rules or are not what they should be: `stagepost retrieve add` says what is wrong, in
the remote's own words where it has some, and no such remote takes part in anything."""

import base64
import socket
import ssl
import threading

import pytest

from certificates import Authority

SECRET_KEY = "k1:" + base64.b64encode(bytes(range(32))).decode()
A = "a@example.test"


class Scripted:
    """Serves every connection by a script: bytes are sent; a text waits for a line that begins so; None waits for
    ever; a context starts TLS. TLS from the start with `context`."""

    def __init__(self, script, context=None):
        self.script, self.context, self.heard = script, context, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        try:
            if self.context is not None:
                client = self.context.wrap_socket(client, server_side=True)
            reader = client.makefile("rb")
            for step in self.script:
                if isinstance(step, bytes):
                    client.sendall(step)
                    continue
                if isinstance(step, ssl.SSLContext):
                    client = step.wrap_socket(client, server_side=True)
                    reader = client.makefile("rb")
                    continue
                line = reader.readline()
                self.heard.append(line)
                if step is None or not line.startswith(step.encode()):
                    break
            reader.read()
        except OSError:
            pass
        client.close()


IMAP_IN = (b"* OK [CAPABILITY IMAP4rev1] hi\r\n", "A1 LOGIN", b"A1 OK [CAPABILITY IMAP4rev1] in\r\n")
POP_IN = (b"+OK hi\r\n", "CAPA", b"-ERR what\r\n", "USER", b"+OK\r\n", "PASS", b"+OK in\r\n")
STARTTLS = (b"* OK hi\r\n", "A1 CAPABILITY", b"* CAPABILITY IMAP4rev1 STARTTLS\r\nA1 OK\r\n", "A2 STARTTLS")

# protocol, TLS, script, what the tool says
REMOTES = [
    ("imap", "none", (b"* OK [CAPABILITY IMAP4rev1] hi\r\n", "A1 LOGIN",
                      b"A1 NO [AUTHENTICATIONFAILED] \x1b[31mwrong\x07\xff\r\n"),
     'the login of joe is refused: "[AUTHENTICATIONFAILED]  [31mwrong ?"'),
    ("imap", "none", (b"* OK [CAPABILITY IMAP4rev1 LOGINDISABLED] hi\r\n",), "allows no login without TLS"),
    ("imap", "none", (b"* BYE too many connections\r\n",), '"too many connections"'),
    ("imap", "none", (b"* PREAUTH welcome\r\n",), "PREAUTH"),
    ("imap", "none", (b"HTTP/1.1 400 Bad Request\r\n\r\n",), "does not speak IMAP"),
    ("imap", "none", (b"* OK " + b"x" * 70000,), "a line of more than 64 KiB"),
    ("imap", "none", (*IMAP_IN, "A2", b"A9 OK done\r\n"), "a tag that is not awaited"),
    ("imap", "none", (*IMAP_IN, "A2", b"* 1 FETCH (UID 1 BODY[] {99999999999}\r\nx"), "a message that nobody asked for"),
    ("imap", "none", (*IMAP_IN, "A2", b"* LIST () \"/\" {99999999999}\r\nx"), "a line of more than 64 KiB"),
    ("imap", "none", (*IMAP_IN, "A2", b"* LIST (((\r\n"), "cannot be read"),
    ("imap", "starttls", (b"* OK hi\r\n", "A1 CAPABILITY", b"* CAPABILITY IMAP4rev1\r\nA1 OK\r\n"),
     "does not offer STARTTLS"),
    ("imap", "starttls", (*STARTTLS, b"A2 OK go\r\nA3 OK injected\r\n"), "plain text after STARTTLS"),
    ("imap", "starttls", (*STARTTLS, b"A2 NO not today\r\n"), '"not today"'),
    ("pop3", "none", (b"-ERR [SYS/TEMP] \xe2\x80\xaereversed\r\n",), '"[SYS/TEMP] ?reversed"'),
    ("pop3", "none", (*POP_IN[:-1], b"-ERR [IN-USE] locked\r\n"), '"[IN-USE] locked"'),
    ("pop3", "none", (b"220 ESMTP\r\n",), "does not speak POP3"),
    ("pop3", "none", (*POP_IN, "STAT", b"+OK lots\r\n"), "STAT makes no sense"),
    ("pop3", "starttls", (b"+OK hi\r\n", "CAPA", b"+OK\r\nUSER\r\n.\r\n"), "does not offer STLS"),
]


def add(cluster, protocol, tls, port, *more):
    return cluster.tool("retrieve", "add", A, "--protocol", protocol, "--host", "localhost", "--port", port, "--tls", tls,
                        "--user", "joe", "--password-stdin", *more, input="s3cret\n", check=False)


@pytest.fixture
def cluster(own_cluster):
    with Authority() as authority, Authority("Another authority") as other:
        made = own_cluster(frontends=1, env={"STAGEPOST_SECRET_KEY": SECRET_KEY, "STAGEPOST_CA_FILE": authority.file})
        made.add_user(A)
        for group in ("imap", "pop"):
            made.settings(group, retrieval_private_hosts="127.0.0.0/8")
        made.authorities = authority, other
        yield made


def test_remotes_that_break_the_rules(cluster):
    for protocol, tls, script, words in REMOTES:
        with Scripted(script) as remote:
            refused = add(cluster, protocol, tls, remote.port)
            assert refused.returncode == 1 and words in refused.stderr, (script, refused.stderr)
            assert all(line.isprintable() for line in refused.stderr.splitlines()), refused.stderr
            if tls == "starttls":
                # The password did not go out in plain text.
                assert not any(b"LOGIN" in line or b"AUTH" in line or b"PASS" in line for line in remote.heard)
    assert cluster.redis.hlen(f"retrieve:{{{A}}}") == 0, "none was kept"
    assert "s3cret" not in cluster.logs()


def context_of(authority, *names, **options):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue(*names, **options))
    return context


def test_certificates(cluster):
    own, other = cluster.authorities
    greeting = (b"* BYE the greeting came\r\n",)
    for context, words in ((context_of(own, "other.test"), "ostname mismatch"),
                           (context_of(own, "localhost", days=-1), "expired"),
                           (context_of(other, "localhost"), "self-signed certificate in certificate chain"),
                           (context_of(own, "localhost"), "the greeting came")):
        with Scripted(greeting, context) as remote:
            refused = add(cluster, "imap", "implicit", remote.port)
            assert refused.returncode == 1 and words in refused.stderr, refused.stderr


def test_what_was_offered_before_tls_does_not_count(cluster):
    context = context_of(cluster.authorities[0], "localhost")
    script = (*STARTTLS, b"A2 OK go\r\n", context, "A3 CAPABILITY", b"A3 OK\r\n")
    with Scripted(script) as remote:
        refused = add(cluster, "imap", "starttls", remote.port)
        assert refused.returncode == 1 and "does not say what it can do" in refused.stderr, refused.stderr


def test_addresses_that_may_not_be_reached(cluster):
    for group in ("imap", "pop"):
        cluster.unset(group, "retrieval_private_hosts")
    with Scripted((b"* BYE reached\r\n",)) as remote:
        refused = add(cluster, "imap", "none", remote.port)
        assert refused.returncode == 1 and "reached" in refused.stderr and '"reached"' not in refused.stderr
        assert remote.heard == []
