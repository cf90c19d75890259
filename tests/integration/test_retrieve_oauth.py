"""Remote accounts by OAuth2: the device-code flow of the tool, with a token endpoint of the tests."""

import itertools
import json

import pytest

from certificates import Authority
from cluster import Cluster
from token_endpoint import TokenEndpoint

PENDING = (400, {"error": "authorization_pending"})
_numbers = itertools.count(1)


class Oauth:
    def __init__(self, cluster, authority):
        self.cluster, self.authority = cluster, authority
        self.endpoint = TokenEndpoint(authority)
        self.address = cluster.add_user(f"user{next(_numbers)}@example.test")

    def add(self, *more, check=True, input=None, url=None):
        url = url or self.endpoint.url
        return self.cluster.tool("retrieve", "add", self.address, "--protocol", "imap", "--host", "imap.remote.test", "--user", "al",
                                 "--oauth2", url + "/token", "--client-id", "our client", "--no-try", "--json", *more, check=check,
                                 input=input)

    def by_device(self, *more, **options):
        return self.add("--device-url", (options.get("url") or self.endpoint.url) + "/device", "--scope", "mail offline", *more, **options)


@pytest.fixture(scope="module")
def world():
    authority = Authority()
    with Cluster(frontends=1, workers=0, env={"STAGEPOST_CA_FILE": str(authority.file)}) as cluster:
        yield cluster, authority


@pytest.fixture
def oauth(world):
    oauth = Oauth(*world)
    yield oauth
    oauth.endpoint.close()


def test_by_a_code(oauth, tmp_path):
    (tmp_path / "secret").write_text("of the client\n")
    oauth.endpoint.answers = [PENDING, (200, {"access_token": "ACCESS", "refresh_token": "REFRESH", "expires_in": 3600})]
    added = oauth.by_device("--client-secret-file", tmp_path / "secret")
    assert "https://login.test/device" in added.stderr and "WDJB-MJHT" in added.stderr
    made = json.loads(added.stdout)
    assert made["auth"] == "oauth2" and made["state"] == "new"
    assert oauth.endpoint.forms("/device") == [{"client_id": "our client", "scope": "mail offline"}]
    assert oauth.endpoint.forms() == [{"client_id": "our client", "client_secret": "of the client", "device_code": "DEV",
                                       "grant_type": "urn:ietf:params:oauth:grant-type:device_code"}] * 2
    shown = added.stdout + added.stderr + oauth.cluster.tool("retrieve", "show", oauth.address, made["id"]).stdout
    for secret in ("ACCESS", "REFRESH", "of the client", "DEV\""):
        assert secret not in shown and secret not in oauth.cluster.logs()


def test_what_goes_wrong(oauth):
    for answers, words in (([PENDING, (400, {"error": "access_denied"})], "refused in the browser"),
                           ([(400, {"error": "expired_token"})], "expired"),
                           ([(401, {"error": "invalid_client", "error_description": "who are you?"})], "who are you?"),
                           ([(200, {"access_token": "A"})], "no refresh token"),
                           ([(200, {"access_token": "A", "refresh_token": "x\ny"})], "control character")):
        oauth.endpoint.answers = answers
        refused = oauth.by_device(check=False)
        assert refused.returncode == 1 and words in refused.stderr, refused.stderr
    oauth.endpoint.device = (200, {"device_code": "D", "user_code": "\x1b[2J", "verification_uri": "https://x.test"})
    assert "rubbish" in oauth.by_device(check=False).stderr
    oauth.endpoint.device = (400, {"error": "invalid_scope"})
    assert "invalid_scope" in oauth.by_device(check=False).stderr
    assert oauth.cluster.json("retrieve", "list", oauth.address) == []


def test_a_wrong_certificate(oauth, world):
    other = TokenEndpoint(Authority("another authority"))
    refused = oauth.by_device(check=False, url=other.url)
    assert refused.returncode == 1 and "certificate" in refused.stderr and other.asked == []
    refused = oauth.by_device(check=False, url=other.url.replace("https", "http"))
    assert refused.returncode == 1 and "https" in refused.stderr and other.asked == []
    other.close()


def test_by_a_token(oauth):
    made = json.loads(oauth.add("--token-stdin", input="a refresh token\n").stdout)
    assert made["auth"] == "oauth2" and oauth.endpoint.asked == []
    # Without one, and without a device endpoint, there is no way.
    assert "--token-stdin" in oauth.add(check=False).stderr
    assert "--client-id" in oauth.cluster.tool("retrieve", "add", oauth.address, "--protocol", "imap", "--host", "h.test", "--user",
                                               "u", "--oauth2", "microsoft", check=False).stderr
