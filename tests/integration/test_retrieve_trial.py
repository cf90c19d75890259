"""Trials by a real worker: what may be reached, and access tokens that expire, are replaced or withdrawn."""

import base64
import itertools
import json
import socketserver
import ssl
import threading
import time

import pytest

from certificates import Authority
from cluster import Cluster, wait_for
from token_endpoint import TokenEndpoint

_numbers = itertools.count(1)


class TokenImap:
    """An IMAP server with an empty INBOX that takes access tokens."""

    def __init__(self, authority):
        imap = self
        self.good, self.logins = set(), []

        class Handler(socketserver.StreamRequestHandler):
            def line(self, text):
                self.wfile.write(text.encode() + b"\r\n")

            def log_in(self, tag, words):
                if len(words) < 4:
                    self.line("+ ")
                    words.append(self.rfile.readline().decode().strip())
                said = base64.b64decode(words[3]).decode()
                token = said.split("Bearer ")[1].split("\x01")[0]
                imap.logins.append(token)
                if token in imap.good:
                    self.line(f"{tag} OK in")
                    return
                self.line("+ " + base64.b64encode(b'{"status":"400"}').decode())
                self.rfile.readline()
                self.line(f"{tag} NO [AUTHENTICATIONFAILED] Invalid token")

            def handle(self):
                self.line("* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] here")
                for raw in self.rfile:
                    tag, *words = raw.decode().split()
                    verb = words[0].upper()
                    if verb == "AUTHENTICATE":
                        self.log_in(tag, [tag, *words])
                        continue
                    if verb == "CAPABILITY":
                        self.line("* CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2")
                    elif verb == "LIST":
                        self.line('* LIST () "/" INBOX')
                    elif verb in ("SELECT", "EXAMINE"):
                        self.line("* FLAGS ()\r\n* 0 EXISTS\r\n* 0 RECENT\r\n* OK [UIDVALIDITY 1] v\r\n* OK [UIDNEXT 1] n")
                    elif verb == "LOGOUT":
                        self.line("* BYE")
                    elif verb not in ("NOOP", "CLOSE", "ID"):
                        self.line(f"{tag} NO [AUTHENTICATIONFAILED] tokens only")
                        continue
                    self.line(f"{tag} OK done")
                    if verb == "LOGOUT":
                        return

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = daemon_threads = True

        self.server = Server(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*authority.issue("localhost", "127.0.0.1"))
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class World:
    def __init__(self):
        self.authority = Authority()
        self.endpoint, self.imap = TokenEndpoint(self.authority), TokenImap(self.authority)
        self.cluster = Cluster(frontends=1, env={"STAGEPOST_CA_FILE": str(self.authority.file)}).start()

    def allow(self, networks="127.0.0.0/8"):
        self.cluster.settings("imap", retrieval_private_hosts=networks, retrieval_interval="1s")

    def add(self, *more, check=True, auth=("--password-stdin",), host="127.0.0.1", input="secret\n", tls="implicit"):
        self.address = self.cluster.add_user(f"user{next(_numbers)}@example.test")
        return self.cluster.tool("retrieve", "add", self.address, "--protocol", "imap", "--host", host, "--port", self.imap.port,
                                 "--tls", tls, "--user", "al", *auth, "--json", *more, check=check, input=input)

    def close(self):
        self.cluster.remove()
        self.endpoint.close()
        self.imap.close()


@pytest.fixture(scope="module")
def the_world():
    world = World()
    yield world
    world.close()


@pytest.fixture
def world(the_world):
    the_world.endpoint.asked.clear()
    the_world.imap.good, the_world.imap.logins = set(), []
    the_world.allow()
    yield the_world
    the_world.cluster.tool("user", "delete", the_world.address, check=False)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::ffff:127.0.0.1"])
def test_nobody_looks_around_in_the_network(world, host):
    world.allow("192.0.2.0/24")
    refused = world.add(host=host, check=False)
    assert refused.returncode == 1 and "may be reached" in refused.stderr, refused.stderr
    assert world.cluster.json("retrieve", "list", world.address) == [] and world.imap.logins == []


def test_in_what_words_it_fails(world):
    refused = world.add(host="nowhere.invalid", check=False)
    assert refused.returncode == 1 and "nowhere.invalid" in refused.stderr
    refused = world.add(check=False)  # a password, where tokens alone are taken
    assert refused.returncode == 1 and world.imap.logins == [] and "secret" not in refused.stderr
    assert world.cluster.json("retrieve", "list", world.address) == []


# ---- Access tokens ----

def oauth_add(world, *answers, check=True, url=None):
    world.endpoint.answers = list(answers)
    auth = ("--oauth2", (url or world.endpoint.url) + "/token", "--client-id", "our client", "--token-stdin")
    added = world.add(auth=auth, input="R1\n", check=check)
    return json.loads(added.stdout)["id"] if check else added


def granted(token, **more):
    return 200, {"access_token": token, "expires_in": 3600, **more}


def refresh_tokens(world):
    return [form["refresh_token"] for form in world.endpoint.forms()]


def shown(world, id):
    return world.cluster.json("retrieve", "show", world.address, id)


def test_a_token_serves_until_it_ends(world):
    world.imap.good = {"A1", "A2"}
    id = oauth_add(world, granted("A1", expires_in=62), granted("A2"))
    assert world.endpoint.forms()[0] == {"grant_type": "refresh_token", "client_id": "our client", "refresh_token": "R1"}
    wait_for(lambda: world.imap.logins.count("A1") >= 2, timeout=30)
    # It is used no more once less than a minute of it is left.
    wait_for(lambda: world.imap.logins.count("A2") >= 2, timeout=30)
    assert len(world.endpoint.asked) == 2 and world.imap.logins == sorted(world.imap.logins)
    assert shown(world, id)["state"] in ("idle", "running") and "last_error" not in shown(world, id)


def test_a_token_that_the_mailbox_refuses(world):
    """It may have been withdrawn: another is asked for at once."""
    world.imap.good = {"A2"}
    id = oauth_add(world, granted("A1"), granted("A2"))
    assert world.imap.logins[:2] == ["A1", "A2"] and shown(world, id)["last_ok"]


def test_a_refresh_token_that_is_replaced(world):
    world.imap.good = {"A2", "A3"}
    oauth_add(world, granted("A1", refresh_token="R2"), granted("A2", refresh_token="R3"), granted("A3"))
    world.imap.good = {"A3"}
    wait_for(lambda: "A3" in world.imap.logins, timeout=30)
    assert refresh_tokens(world)[:3] == ["R1", "R2", "R3"]


def test_a_grant_that_is_withdrawn(world):
    words = "Token has been expired or revoked."
    withdrawn = 400, {"error": "invalid_grant", "error_description": words}
    refused = oauth_add(world, withdrawn, check=False)
    assert refused.returncode == 1 and words in refused.stderr
    assert world.cluster.json("retrieve", "list", world.address) == []
    # Later: it is disabled, and says why; nobody asks again.
    world.imap.good = {"A1"}
    id = oauth_add(world, granted("A1"), withdrawn)
    world.imap.good = set()
    wait_for(lambda: shown(world, id)["state"] == "disabled", timeout=30)
    assert words in shown(world, id)["last_error"]
    asked = len(world.endpoint.asked)
    time.sleep(2.5)
    assert len(world.endpoint.asked) == asked and words in shown(world, id)["last_error"]
    # Another token, and it goes on.
    world.imap.good, world.endpoint.answers = {"A9"}, [granted("A9")]
    world.cluster.tool("retrieve", "set", world.address, id, "--token-stdin", "enabled=on", input="R9\n")
    wait_for(lambda: shown(world, id)["state"] == "idle" and "last_error" not in shown(world, id), timeout=30)
    assert refresh_tokens(world)[-1] == "R9"


def test_an_endpoint_in_trouble(world):
    """It is asked again later; the account stays as it is."""
    world.imap.good = {"A1", "A2"}
    id = oauth_add(world, granted("A1", expires_in=5), (503, "<html>busy"), granted("A2"))
    wait_for(lambda: "503" in shown(world, id).get("last_error", ""), timeout=30)
    assert shown(world, id)["enabled"] and shown(world, id)["state"] == "waiting"
    world.cluster.tool("retrieve", "now", world.address, id)
    wait_for(lambda: "A2" in world.imap.logins, timeout=30)


def test_an_endpoint_with_a_wrong_certificate(world):
    other = TokenEndpoint(Authority("another authority"))
    refused = oauth_add(world, granted("A1"), check=False, url=other.url)
    assert refused.returncode == 1 and "certificate" in refused.stderr and other.asked == []
    other.close()


def test_no_endpoint_in_the_network(world):
    """The mailbox may be reached; the setting for it is that of the endpoint too."""
    world.allow("192.0.2.0/24")
    refused = oauth_add(world, granted("A1"), check=False)
    assert refused.returncode == 1 and "not public" in refused.stderr and world.endpoint.asked == []
