"""Remote accounts by the API and on the page My account. A worker is played."""

import itertools
import json

import pytest

from cluster import Cluster, wait_for
from played_worker import PlayedWorker, bad, good
from test_login_page import click, fill, text
from test_web import EVIL, Page, ask, browser  # noqa: F401  (a fixture)

SECRET = "s3cret of the remote"
NEW = {"protocol": "imap", "host": "imap.remote.test", "user": "al", "password": SECRET}
MINE = "account/remote-accounts"
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def idle():
    """A cluster without a worker."""
    with Cluster(frontends=1, workers=0) as cluster:
        cluster.redis.hset("settings:auth", "failure_delay", "0s")
        yield cluster


class Site:
    """A domain with an account of each role."""

    def __init__(self, cluster):
        self.cluster, self.domain = cluster, f"site{next(_numbers)}.test"
        for name, roles in (("plain", ""), ("chief", "domain_admin"), ("root", "system_admin")):
            cluster.add_user(f"{name}@{self.domain}")
            cluster.tool("user", "set", f"{name}@{self.domain}", f"roles={roles}")
        self.plain = f"plain@{self.domain}"

    def ask(self, who, method, path, body=None):
        status, _, answer = ask(self.cluster, method, path, body, login=f"{who}@{self.domain}:secret")
        assert SECRET not in json.dumps(answer)
        return status, answer

    def of(self, name):
        return f"domains/{self.domain}/users/{name}@{self.domain}/remote-accounts"

    def add(self, who="plain", path=MINE, **more):
        status, answer = self.ask(who, "POST", path, {**NEW, "try": False, **more})
        assert status == 201, answer
        return answer


@pytest.fixture
def site(idle):
    return Site(idle)


def test_ones_own(site):
    made = site.add(folders=["INBOX", "Arbeit/Älter"], keep="7d", interval="2h", port=1143, tls="starttls")
    assert (made["address"], made["folders"], made["keep"], made["interval"]) == (site.plain, ["INBOX", "Arbeit/Älter"], "7d", "2h")
    one = f"{MINE}/{made['id']}"
    assert site.ask("plain", "GET", MINE) == (200, {"remote_accounts": [made]})
    assert site.ask("plain", "GET", one) == (200, made)
    assert site.ask("plain", "PATCH", one, {"enabled": False, "keep": "delete", "password": "other"}) == (204, None)
    assert site.ask("plain", "GET", one)[1]["state"] == "disabled"
    assert site.ask("plain", "POST", one + "/now")[0] == 409
    assert site.ask("plain", "PATCH", one, {"enabled": True})[0] == 204
    assert site.ask("plain", "POST", one + "/now")[0] == 204
    assert site.ask("plain", "DELETE", one)[0] == 204
    assert site.ask("plain", "GET", one)[0] == 404
    assert site.ask("plain", "GET", MINE) == (200, {"remote_accounts": []})


def test_whose_they_are(site):
    other = Site(site.cluster)
    made = site.add("plain", site.of("plain"))
    one = f"/{made['id']}"
    # Himself, the administrator of his domain, and that of the system.
    for who in ("plain", "chief", "root"):
        assert site.ask(who, "GET", site.of("plain") + one) == (200, made)
        assert site.ask(who, "PATCH", site.of("plain") + one, {"interval": "5m"})[0] == 204
        made["interval"] = "5m"
    assert other.ask("root", "GET", site.of("plain") + one) == (200, made)
    assert made in other.ask("root", "GET", "remote-accounts")[1]["remote_accounts"]
    # Nobody else.
    for status, method, path, body in ((403, "GET", "", None), (403, "POST", "", {**NEW, "try": False}), (403, "GET", one, None),
                                       (403, "PATCH", one, {"interval": "9m"}), (403, "POST", one + "/now", None),
                                       (403, "DELETE", one, None)):
        for who in ("plain", "chief"):
            assert other.ask(who, method, site.of("plain") + path, body)[0] == status, (who, method, path)
    assert site.ask("plain", "GET", "remote-accounts")[0] == site.ask("chief", "GET", "remote-accounts")[0] == 403
    # By the way of one's own there is no other's.
    assert site.ask("chief", "GET", MINE + one)[0] == 404
    # Who administers a domain does not change who may do more.
    assert site.ask("chief", "POST", site.of("root"), {**NEW, "try": False})[0] == 403
    assert site.ask("root", "GET", site.of("plain")) == (200, {"remote_accounts": [made]})


@pytest.mark.parametrize("changed, field", [
    ({"host": "a b"}, "host"), ({"port": 0}, "port"), ({"keep": "some"}, "keep"), ({"interval": "never"}, "interval"),
    ({"user": "a\r\nb"}, "user"), ({"protocol": "smtp"}, "protocol"), ({"tls": "yes"}, "tls"), ({"nothing": 1}, "nothing"),
    ({"token_url": "http://a.test"}, "token_url"), ({"port": "many"}, "port"),
])
def test_faults_of_a_field(site, changed, field):
    status, answer = site.ask("plain", "POST", MINE, {**NEW, "try": False, **changed})
    assert status == 422 and field in answer["fields"], answer


@pytest.mark.parametrize("changed, word", [
    ({"password": ""}, "password"), ({"folders": [""]}, "folder"), ({"folders": ["A", "A"]}, "twice"),
    ({"protocol": "pop3", "mirror": True}, "POP3"), ({"into": "a//b"}, "into"), ({"auth": "oauth2"}, "token_url"),
])
def test_faults_of_the_whole(site, changed, word):
    status, answer = site.ask("plain", "POST", MINE, {**NEW, "try": False, **changed})
    assert status == 422 and word in answer["error"], answer


def test_the_limit(site):
    for _ in range(50):
        site.add()
    status, answer = site.ask("plain", "POST", MINE, {**NEW, "try": False})
    assert status == 409 and "50" in answer["error"]


def test_the_log_has_no_secret(site):
    site.add("root", site.of("plain"), client_secret=SECRET)
    entry = site.cluster.redis.xrevrange("admin:log", count=1)[0][1]
    assert "remote account added" in entry.values() and "imap.remote.test" in str(entry)
    assert SECRET not in str(site.cluster.redis.xrange("admin:log")) and SECRET not in site.cluster.logs()


def test_tried_first(site):
    words = 'the remote says: "-ERR [AUTH] not you"'
    with PlayedWorker(site.cluster.redis, lambda *_: bad(words)):
        status, answer = site.ask("plain", "POST", MINE, NEW)
        assert status == 409 and answer["error"] == words
    assert site.ask("plain", "GET", MINE) == (200, {"remote_accounts": []})
    with PlayedWorker(site.cluster.redis, lambda *_: good(messages=3)):
        status, answer = site.ask("plain", "POST", MINE, NEW)
        assert status == 201 and answer["total_messages"] == 3 and answer["state"] == "idle"


# ---- The page ----

def press(page, label):
    click(page, f"#remote-accounts button[aria-label='{label}: al at imap.remote.test']")


def test_the_page(site, browser):  # noqa: F811
    answer = {"fields": bad(f'the remote says: "{EVIL}"')}
    page = Page(browser, site.cluster)
    page.login(f"{site.plain}:secret")
    page.find("#remote-accounts")
    browser.execute_script("window.confirm = () => true")
    with PlayedWorker(site.cluster.redis, lambda *_: answer["fields"]):
        fill(page, "remote-host", "a b")
        fill(page, "remote-user", "al")
        fill(page, "remote-password", SECRET)
        fill(page, "remote-port", "many")
        click(page, "#add-remote")
        wait_for(lambda: "name of a host" in text(page, "#account-remote-host-fault"), timeout=15)
        assert "65535" in text(page, "#account-remote-port-fault")
        fill(page, "remote-host", "imap.remote.test")
        fill(page, "remote-port", "")
        click(page, "#add-remote")
        # In the remote's words, and nothing of them is read as HTML.
        wait_for(lambda: EVIL in page.note(), timeout=20)
        assert browser.title == "Stagepost" and not browser.find_elements("css selector", "img")
        assert site.ask("plain", "GET", MINE)[1] == {"remote_accounts": []}
        answer["fields"] = good(messages=5)
        page.find("[name=remote-keep] option[value='7d']").click()
        click(page, "#add-remote")
        wait_for(lambda: "account is added" in page.note(), timeout=20)
    made, = site.ask("plain", "GET", MINE)[1]["remote_accounts"]
    assert (made["user"], made["keep"], made["port"]) == ("al", "7d", 993)
    wait_for(lambda: "al at imap.remote.test" in text(page, "#remote-accounts"), timeout=15)
    assert SECRET not in browser.page_source
    site.cluster.redis.hset(f"retrieve:{{{site.plain}}}:{made['id']}:st", mapping=bad(EVIL))
    press(page, "Now")
    wait_for(lambda: EVIL in text(page, "#remote-accounts"), timeout=15)
    assert browser.title == "Stagepost" and not browser.find_elements("css selector", "img")
    press(page, "Disable")
    wait_for(lambda: "disabled" in text(page, "#remote-accounts"), timeout=15)
    assert site.ask("plain", "GET", MINE)[1]["remote_accounts"][0]["state"] == "disabled"
    press(page, "Enable")
    wait_for(lambda: site.ask("plain", "GET", MINE)[1]["remote_accounts"][0]["enabled"], timeout=15)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 400
    press(page, "Delete")
    wait_for(lambda: site.ask("plain", "GET", MINE)[1] == {"remote_accounts": []}, timeout=15)
