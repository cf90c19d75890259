"""Remote accounts by the API and on the page My account. A worker is played."""

import itertools
import json
import threading
import time

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


def all_of(site):
    """All remote accounts, page by page."""
    found, path = [], "remote-accounts?limit=10"
    while path:
        status, answer = site.ask("root", "GET", path)
        assert status == 200 and len(answer["remote_accounts"]) < 200
        found += answer["remote_accounts"]
        path = f"remote-accounts?limit=10&after={answer['next']}" if "next" in answer else None
    return found


def test_pages_of_all(site):
    made = [site.add(user=f"al{number}") for number in range(3)]
    # So many that they are not one page.
    site.cluster.redis.zadd("retrieve:due", {f"nobody{n}@{site.domain} aaaaaaaaaaaa": 8e15 for n in range(300)})
    assert "next" in site.ask("root", "GET", "remote-accounts?limit=10")[1]
    found = all_of(site)
    assert all(one in found for one in made)
    assert site.ask("root", "GET", "remote-accounts?limit=0")[0] == site.ask("root", "GET", "remote-accounts?after=x")[0] == 422
    assert site.ask("plain", "GET", "remote-accounts")[0] == 403


def test_pages_of_a_domain(idle, site):
    made = [site.add(user=f"al{number}") for number in range(3)] + [site.add("chief")]
    other = Site(idle)
    elsewhere = other.add()
    # Each look meets a few of these: the domain's own are far apart.
    idle.redis.zadd("retrieve:due", {f"nobody{n}@crowd.test aaaaaaaaaaaa": 8e15 for n in range(3000)})
    for who in ("chief", "root"):
        found, pages, more = [], 0, ""
        while more is not None:
            status, answer = site.ask(who, "GET", f"domains/{site.domain}/remote-accounts?limit=10{more}")
            assert status == 200, answer
            found, pages = found + answer["remote_accounts"], pages + 1
            more = f"&after={answer['next']}" if "next" in answer else None
        assert {one["id"] for one in found} == {one["id"] for one in made} and elsewhere not in found
        assert 1 < pages < 40
    upper = site.ask("chief", "GET", f"domains/{site.domain.upper()}/remote-accounts?limit=500")
    assert upper[0] == 200 and len(upper[1]["remote_accounts"]) == len(made)
    # His own domain alone, and a user none.
    assert site.ask("chief", "GET", f"domains/{other.domain}/remote-accounts")[0] in (403, 404)
    assert site.ask("plain", "GET", f"domains/{site.domain}/remote-accounts")[0] == 403
    assert site.ask("chief", "GET", f"domains/{site.domain}/remote-accounts?after=x")[0] == 422


def test_one_mailbox_once(site):
    made = site.add(folders=["A"])
    status, answer = site.ask("plain", "POST", MINE, {**NEW, "try": False, "folders": ["B", "A"], "host": "IMAP.remote.test."})
    assert status == 409 and made["id"] in answer["error"] and "delete it first" in answer["error"]
    status, answer = site.ask("plain", "POST", MINE, {**NEW, "try": False, "mirror": True})
    assert status == 409, answer
    site.add(folders=["B"])
    site.add("plain", site.of("plain"), user="other", folders=["A"])
    site.add("chief", folders=["A"])


def test_the_secret_goes_nowhere_else(site):
    one = f"{MINE}/{site.add()['id']}"
    for changed in ({"tls": "none"}, {"certificate": "any"}, {"port": 1993}):
        status, answer = site.ask("plain", "PATCH", one, changed)
        assert status == 422 and "password: it is needed to change where it is sent" in answer["error"], answer
        shown = site.ask("plain", "GET", one)[1]
        assert (shown["tls"], shown["certificate"], shown["port"]) == ("implicit", "verify", 993)
    # The same as before changes nothing.
    assert site.ask("plain", "PATCH", one, {"tls": "implicit", "port": 993, "keep": "delete"})[0] == 204
    assert site.ask("plain", "PATCH", one, {"certificate": "any", "port": 1993, "password": SECRET})[0] == 204
    assert site.ask("plain", "GET", one)[1]["port"] == 1993


def test_not_too_often(site):
    status, answer = site.ask("plain", "POST", MINE, {**NEW, "try": False, "interval": "59s"})
    assert status == 422 and "1m" in answer["fields"]["interval"]
    made = site.add(interval="1m")
    one, member = f"{MINE}/{made['id']}", f"{site.plain} {made['id']}"
    tried = int(time.time() * 1000)
    site.cluster.redis.hset(f"retrieve:{{{site.plain}}}:{made['id']}:st", "last_try", tried)
    assert site.ask("plain", "PATCH", one, {"interval": "1s"})[0] == 422
    for method, path, body in (("POST", "/now", None), ("PATCH", "", {"keep": "delete"})):
        assert site.ask("plain", method, one + path, body)[0] == 204
        assert site.cluster.redis.zscore("retrieve:due", member) == tried + 30000


def test_three_trials_at_once(site):
    """They wait: there is no worker."""
    statuses = []
    threads = [threading.Thread(target=lambda n=n: statuses.append(site.ask("plain", "POST", MINE, {**NEW, "user": f"al{n}"})[0]),
                                daemon=True) for n in range(3)]
    for n, thread in enumerate(threads):
        thread.start()
        wait_for(lambda n=n: len(site.ask("plain", "GET", MINE)[1]["remote_accounts"]) == n + 1, timeout=15)
    status, answer = site.ask("plain", "POST", MINE, {**NEW, "user": "al9"})
    assert status == 409 and "being tried" in answer["error"]
    with PlayedWorker(site.cluster.redis, lambda *_: good()):
        for thread in threads:
            thread.join(20)
    assert statuses == [201, 201, 201]


def test_another_grant_forgets_the_access_token(site):
    made = site.add(auth="oauth2", token_url="https://token.test/", client_id="c", refresh_token="R1", password="")
    key = f"retrieve:{{{site.plain}}}:{made['id']}:st"
    for changed, kept in (({"keep": "delete"}, True), ({"refresh_token": "R2"}, False)):
        site.cluster.redis.hset(key, mapping={"access": "sealed", "access_until": 8000000000000})
        assert site.ask("plain", "PATCH", f"{MINE}/{made['id']}", changed)[0] == 204
        assert (site.cluster.redis.hget(key, "access") == "sealed") == kept


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
    assert made in all_of(other)
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
    for number in range(50):
        site.add(user=f"al{number}")
    status, answer = site.ask("plain", "POST", MINE, {**NEW, "try": False})
    assert status == 409 and "50" in answer["error"]


def test_the_log_has_no_secret(site):
    site.add("root", site.of("plain"), client_secret=SECRET)
    entry = site.cluster.redis.xrevrange("admin:log", count=1)[0][1]
    assert "remote account added" in entry.values() and site.ask("plain", "GET", MINE)[1]["remote_accounts"][0]["id"] in str(entry) and "imap.remote.test" in str(entry)
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
