"""The API /api/v1/ and the page /admin/: sessions, rights, settings, the queue; the page in a real browser."""

import hashlib
import itertools
import json
import os
import re
import shutil
import tempfile
import time

import pytest

from cluster import SETTLE, wait_for
from test_http import curl, url

SEED_GROUPS = ("pop", "imap", "ldap", "smtp-in", "smtp-out", "xmpp", "ews", "eas")
_numbers = itertools.count(1)


def origin(cluster, frontend=0, scheme="http"):
    return f"{scheme}://127.0.0.1:{cluster.port(scheme, frontend)}"


def ask(cluster, method, path, body=None, login=None, headers=(), frontend=0, scheme="http", type="application/json"):
    """Status, headers, what the JSON says."""
    options = ["-X", method]
    if method != "GET" and type:
        options += ["-H", f"Content-Type: {type}"]
    if body is not None:
        text = body if isinstance(body, str) else json.dumps(body)
        if len(text) > 65536:  # too long for an argument
            large = tempfile.NamedTemporaryFile("w")
            large.write(text)
            large.flush()
            text = "@" + large.name
        options += ["--data-binary", text]
    if login:
        options += ["-u", login]
    for header in headers:
        options += ["-H", header]
    status, fields, answer = curl(*options, url(cluster, "/api/v1/" + path, scheme, frontend))
    if status == 204:
        assert answer == b"" and fields["cache-control"] == "no-store"
        return status, fields, None
    assert fields["content-type"] == "application/json; charset=utf-8", (status, answer)
    assert fields["cache-control"] == "no-store" and fields["x-content-type-options"] == "nosniff"
    return status, fields, json.loads(answer)


@pytest.fixture
def admin(cluster):
    name = cluster.add_user(f"admin{next(_numbers)}-{os.getpid()}@example.test")
    cluster.tool("user", "set", name, "roles=system_admin")
    return f"{name}:secret"


class Session:
    def __init__(self, cluster, login, scheme="http"):
        address, password = login.split(":")
        self.cluster, self.scheme = cluster, scheme
        status, fields, answer = ask(cluster, "POST", "session", {"address": address, "password": password}, scheme=scheme)
        assert status == 200, answer
        self.set_cookie = fields["set-cookie"]
        self.cookie = self.set_cookie.split(";")[0]
        self.token = answer["token"]

    def headers(self, frontend=0):
        return [f"Cookie: {self.cookie}", f"X-Stagepost-Token: {self.token}",
                f"Origin: {origin(self.cluster, frontend, self.scheme)}"]

    def ask(self, method, path, body=None, frontend=0, headers=()):
        return ask(self.cluster, method, path, body, headers=[*self.headers(frontend), *headers], frontend=frontend,
                   scheme=self.scheme)


def test_session(cluster, admin):
    session = Session(cluster, admin)
    assert re.fullmatch(r"stagepost=[0-9a-f]{64}; Path=/; HttpOnly; SameSite=Strict; Max-Age=43200", session.set_cookie)
    # On any frontend; no secret lies in the store.
    for frontend in (0, 1):
        status, _, me = session.ask("GET", "session", frontend=frontend)
        assert status == 200 and me == {"address": admin.split(":")[0], "role": "system_admin", "token": session.token}
    keys = [k for k in cluster.redis.scan_iter("web:session:*")]
    assert keys and session.cookie.split("=")[1] not in str(keys)
    assert all(0 < cluster.redis.pttl(k) <= 30 * 60 * 1000 for k in keys)
    assert ask(cluster, "GET", "session", headers=["Cookie: stagepost=" + "0" * 64])[0] == 401
    status, fields, _ = session.ask("DELETE", "session")
    assert status == 200 and "Max-Age=0" in fields["set-cookie"]
    assert session.ask("GET", "session")[0] == 401


def test_session_by_form_and_tls(cluster, admin):
    address = admin.split(":")[0]
    status, fields, answer = ask(cluster, "POST", "session", f"address={address.replace('@', '%40')}&password=secret",
                                 scheme="https", type="application/x-www-form-urlencoded")
    assert status == 200 and answer["role"] == "system_admin"
    assert fields["set-cookie"].startswith("__Host-stagepost=") and fields["set-cookie"].endswith("; Secure")
    session = Session(cluster, admin, "https")
    assert session.ask("GET", "settings/pop")[0] == 200


def test_session_refuses(cluster, admin, address):
    known = ask(cluster, "POST", "session", {"address": address, "password": "wrong"})
    unknown = ask(cluster, "POST", "session", {"address": "nobody@example.test", "password": "wrong"})
    assert known[0] == unknown[0] == 401 and known[2] == unknown[2]
    assert "basic" not in known[1]["www-authenticate"].lower()
    for body in ({}, {"address": address}, {"address": address, "password": 5}, {"address": address, "password": "x", "y": 1}):
        status, _, answer = ask(cluster, "POST", "session", body)
        assert status == 422 and answer["fields"]
    for body in ("", "[]", "{", '{"a":"\\u0000"}', "[" * 40 + "]" * 40):
        assert ask(cluster, "POST", "session", body)[0] == 400
    assert ask(cluster, "POST", "session", {}, headers=["Origin: https://evil.example"])[0] == 403


@pytest.mark.parametrize("change", [("user", "passwd"), ("user", "set", "enabled=off"), ("user", "set", "roles=")])
def test_session_ends_with_the_account(cluster, admin, change):
    session = Session(cluster, admin)
    assert session.ask("GET", "settings/pop")[0] == 200
    address = admin.split(":")[0]
    if change[1] == "passwd":
        cluster.tool("user", "passwd", address, "--password", "other")
    else:
        cluster.tool("user", "set", address, *change[2:])
    for frontend in (0, 1):
        wait_for(lambda: session.ask("GET", "session", frontend=frontend)[0] == 401, timeout=SETTLE + 10)


def test_session_is_limited_in_time(cluster, admin):
    session = Session(cluster, admin)
    hash_ = hashlib.sha256(session.cookie.split("=")[1].encode()).hexdigest()
    key = "web:session:{" + hash_ + "}"
    value = cluster.redis.get(key)
    value = value.decode() if isinstance(value, bytes) else value
    created, rest = value.split(" ", 1)
    # 12 hours less 10 s ago: what is left is 10 s, though it is used.
    cluster.redis.set(key, f"{int(created) - 12 * 3600 * 1000 + 10000} {rest}", px=1800000)
    assert session.ask("GET", "session")[0] == 200
    wait_for(lambda: 0 < cluster.redis.pttl(key) <= 10000)
    cluster.redis.set(key, f"{int(created) - 12 * 3600 * 1000 - 1} {rest}", px=1800000)
    assert session.ask("GET", "session")[0] == 401


def test_changes_must_be_meant(cluster, admin):
    session = Session(cluster, admin)
    cookie, token, ours = session.headers()
    body = {"max_bad_commands": "11"}
    for headers in ([cookie, ours], [cookie, token], [cookie, ours, "X-Stagepost-Token: " + "0" * 64],
                    [cookie, token, "Origin: https://evil.example"], [cookie, token, "Origin: null"],
                    [cookie, token, ours + "0"], [cookie, ours, "X-Stagepost-Token: "]):
        assert ask(cluster, "PUT", "settings/pop", body, headers=headers)[0] == 403, headers
    assert ask(cluster, "PUT", "settings/pop", body, headers=[cookie, token, ours], type="text/plain")[0] == 415
    assert ask(cluster, "PUT", "settings/pop", body, login=admin, headers=["Origin: https://evil.example"])[0] == 403
    assert cluster.redis.hget("settings:pop", "max_bad_commands") is None
    assert ask(cluster, "PUT", "settings/pop", body, headers=[cookie, token, ours])[0] == 200


def test_errors(cluster, admin):
    assert ask(cluster, "GET", "nothing", login=admin)[0] == 404
    assert ask(cluster, "GET", "settings/none", login=admin)[0] == 404
    assert ask(cluster, "GET", "settings/pop/x/y", login=admin)[0] == 404
    assert ask(cluster, "GET", "settings/xmpp:example.test", login=admin)[0] == 404
    assert ask(cluster, "GET", "settings/pop:-", login=admin)[0] in (200, 404)
    assert ask(cluster, "DELETE", "settings/pop", {}, login=admin)[0] == 405
    assert ask(cluster, "PUT", "settings/pop", {}, login=admin)[0] == 422
    assert ask(cluster, "GET", "queue?limit=0", login=admin)[0] == 422
    assert ask(cluster, "GET", "queue?state=nonsense", login=admin)[0] == 422
    assert ask(cluster, "POST", "queue/x/y", login=admin)[0] == 404


def test_settings(cluster, admin):
    status, _, answer = ask(cluster, "GET", "settings", login=admin)
    groups = {g["name"]: g for g in answer["groups"]}
    assert status == 200 and set(SEED_GROUPS) <= set(groups)
    listed = {row["name"] for row in cluster.json("settings", "list")}
    told = {row["name"] for g in groups.values() for row in g["rows"]}
    assert told == {name for name in listed if ":" not in name}
    status, fields, group = ask(cluster, "GET", "settings/smtp-in", login=admin)
    rows = {r["field"]: r for r in group["rows"]}
    assert fields["etag"] == f'"{group["version"]}"'
    assert rows["priority"] == {"name": "smtp-in.priority", "field": "priority", "type": rows["priority"]["type"],
                                "value": "normal", "default": "normal", "set": False, "allowed": "low|normal|high", "unit": "",
                                "words": ["low", "normal", "high"], "help": rows["priority"]["help"], "scope": "domain",
                                "planned": False, "secret": False}
    # A change, and back.
    status, fields, answer = ask(cluster, "PUT", "settings/smtp-in", {"banner": "hi <b>", "max_hop_count": 7, "enable_vrfy": True},
                                 login=admin)
    assert status == 200 and fields["etag"] == f'"{answer["version"]}"'
    assert {"name": "smtp-in.banner", "new": "hi <b>"} in answer["changes"]
    assert cluster.redis.hgetall("settings:smtp-in") == {k: v for k, v in (
        ("banner", "hi <b>"), ("max_hop_count", "7"), ("enable_vrfy", "on"))}
    assert ask(cluster, "DELETE", "settings/smtp-in/banner", login=admin)[0] == 200
    assert ask(cluster, "PUT", "settings/smtp-in", {"max_hop_count": None}, login=admin)[0] == 200
    assert cluster.redis.hgetall("settings:smtp-in") == {"enable_vrfy": "on"}
    entry = cluster.redis.xrevrange("admin:log", count=1)[0][1]
    assert entry["by"] == admin.split(":")[0] and entry["target"] == "smtp-in.max_hop_count"
    assert json.loads(entry["detail"]) == {"name": "smtp-in.max_hop_count", "old": "7"}


def test_settings_bad_value_changes_nothing(cluster, admin):
    status, _, answer = ask(cluster, "PUT", "settings/smtp-in", {"max_hop_count": "5", "priority": "urgent", "nothing": "1"},
                            login=admin)
    assert status == 422 and set(answer["fields"]) == {"priority", "nothing"}
    assert cluster.redis.hgetall("settings:smtp-in") == {}
    # What redis-cli stored, bad as it is, is told with what is wrong with it.
    cluster.settings("smtp-in", priority="urgent")
    rows = {r["field"]: r for r in ask(cluster, "GET", "settings/smtp-in", login=admin)[2]["rows"]}
    assert rows["priority"]["value"] == "urgent" and rows["priority"]["error"]


def test_settings_of_a_domain(cluster, admin):
    cluster.settings("smtp-in", priority="high")
    _, fields, group = ask(cluster, "GET", "settings/smtp-in:Example.TEST", login=admin)
    rows = {r["field"]: r for r in group["rows"]}
    assert group["domain"] == "example.test" and "banner" not in rows
    assert (rows["priority"]["value"], rows["priority"]["default"], rows["priority"]["set"]) == ("high", "high", False)
    assert ask(cluster, "PUT", "settings/smtp-in:example.test", {"banner": "x"}, login=admin)[0] == 422
    assert ask(cluster, "PUT", "settings/smtp-in:example.test", {"priority": "low"}, login=admin)[0] == 200
    assert cluster.redis.hgetall("settings:smtp-in:example.test") == {"priority": "low"}
    groups = {g["name"]: g for g in ask(cluster, "GET", "settings", login=admin)[2]["groups"]}
    assert groups["smtp-in"]["domains"] == ["example.test"] and groups["xmpp"]["domains"] is None


def test_settings_two_administrators(cluster, admin):
    tag = ask(cluster, "GET", "settings/imap", login=admin)[1]["etag"]
    assert ask(cluster, "PUT", "settings/imap", {"max_bad_commands": "9"}, login=admin, headers=[f"If-Match: {tag}"])[0] == 200
    for frontend in (0, 1):
        status, _, answer = ask(cluster, "PUT", "settings/imap", {"max_bad_commands": "3"}, login=admin, frontend=frontend,
                                headers=[f"If-Match: {tag}"])
        assert status == 412 and answer["error"]
    assert cluster.redis.hget("settings:imap", "max_bad_commands") == "9"
    tag = ask(cluster, "GET", "settings/imap", login=admin)[1]["etag"]
    cluster.redis.hset("settings:imap", "banner", "by redis-cli")
    assert ask(cluster, "PUT", "settings/imap", {"banner": "x"}, login=admin, headers=[f"If-Match: {tag}"])[0] == 412
    assert ask(cluster, "PUT", "settings/imap", {"banner": "x"}, login=admin, headers=["If-Match: *"])[0] == 200


def test_status_and_queue(cluster, admin):
    status, _, answer = ask(cluster, "GET", "status", login=admin)
    assert status == 200 and len(answer["processes"]) >= 4
    cluster.deliver("sender@example.test", [admin.split(":")[0]], b"Subject: seen\r\n\r\n")
    for path in ("queue", "queue/summary"):
        status, _, answer = ask(cluster, "GET", path, login=admin)
        assert status == 200 and answer["missing"] == []
    assert ask(cluster, "GET", "queue/nonsense", login=admin)[0] == 422


def test_queue_orders(cluster, admin):
    """A message that waits: listed, shown with its way, held, released, deleted."""
    cluster.settings("smtp-in", allow_relay="anyone")
    recipient = f"x{next(_numbers)}-{os.getpid()}@unreachable.invalid"
    cluster.settings("smtp-out", relay_host="127.0.0.1:1")
    time.sleep(SETTLE)
    cluster.deliver("sender@example.test", [recipient], b"Subject: waits\r\n\r\n")
    query = "queue?recipient=" + recipient.replace("@", "%40")
    wait_for(lambda: len(ask(cluster, "GET", query, login=admin)[2]["messages"]) == 1)
    id_ = ask(cluster, "GET", query, login=admin)[2]["messages"][0]["id"]
    status, _, message = ask(cluster, "GET", "queue/" + id_, login=admin, frontend=1)
    assert status == 200 and message["sender"] == "sender@example.test" and message["recipients"][0]["address"] == recipient
    for verb in ("hold", "release", "retry", "delete"):
        status, _, answer = ask(cluster, "POST", f"queue/{id_}/{verb}", login=admin)
        assert status == 200 and answer["messages"][0]["done"], (verb, answer)
        entry = cluster.redis.xrevrange("admin:log", count=1)[0][1]
        assert (entry["action"], entry["target"], entry["by"]) == (f"queue {verb}", id_, admin.split(":")[0])
    wait_for(lambda: ask(cluster, "GET", query, login=admin)[2]["messages"] == [])


# ---- The page ----

def test_page_files(cluster):
    total = 0
    for name, kind in (("", "text/html"), ("style.css", "text/css"), ("app.js", "text/javascript"), ("ui.js", "text/javascript"),
                       ("settings.js", "text/javascript"), ("cluster.js", "text/javascript"), ("live.js", "text/javascript"),
                       ("events.js", "text/javascript"), ("chart.js", "text/javascript"), ("certificates.js", "text/javascript"),
                       ("photo.js", "text/javascript"), ("forms.js", "text/javascript"), ("remote.js", "text/javascript"),
                       ("account.js", "text/javascript"), ("accounts.js", "text/javascript")):
        status, fields, body = curl(url(cluster, "/admin/" + name))
        assert status == 200 and fields["content-type"].startswith(kind)
        assert fields["content-security-policy"].startswith("default-src 'self';")
        assert curl("-H", f"If-None-Match: {fields['etag']}", url(cluster, "/admin/" + name))[0] == 304
        assert b"innerHTML" not in body and b"style=" not in body
        total += len(body)
    assert total <= 100 * 1024
    assert curl(url(cluster, "/admin"))[1]["location"] == "/admin/"
    assert curl(url(cluster, "/admin/none"))[0] == 404


@pytest.fixture
def browser():
    webdriver = pytest.importorskip("selenium.webdriver")
    if not shutil.which("chromedriver"):
        pytest.skip("chromedriver is not installed")
    options = webdriver.ChromeOptions()
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=900,900"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options)
    # No window is as narrow as a phone.
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                           {"width": 400, "height": 900, "deviceScaleFactor": 1, "mobile": False})
    yield driver
    driver.quit()


def is_stale(element):
    try:
        element.is_enabled()
    except Exception as e:
        return type(e).__name__ == "StaleElementReferenceException"
    return False


class Page:
    def __init__(self, browser, cluster):
        self.browser, self.cluster = browser, cluster
        browser.get(url(cluster, "/admin/"))

    def find(self, css):
        found = []

        def there():
            found[:] = self.browser.find_elements("css selector", css)
            return bool(found)
        wait_for(there, timeout=30, what=css)
        return found[0]

    def login(self, login):
        address, password = login.split(":")
        self.find("[name=address]").send_keys(address)
        self.find("[name=password]").send_keys(password)
        self.find("#login").click()
        self.find("nav button")

    def tab(self, name):
        old = self.find("#main h2")
        self.find(f"nav button[data-tab='{name}']").click()
        wait_for(lambda: is_stale(old), timeout=30, what=name)
        self.find(f"#main [name^='{name}.']")

    def shows(self, title):
        def there():
            try:
                return self.find("#main h2").text.lower() == title
            except Exception as e:  # drawn anew meanwhile
                assert type(e).__name__ == "StaleElementReferenceException", e
                return False
        wait_for(there, timeout=30, what=title)

    def input(self, name):
        return self.find(f"[name='{name}']")

    def note(self):
        return self.browser.find_element("css selector", "#note").text

    def save(self):
        self.find("#save").click()


EVIL = "\"><img src=x onerror=\"document.title='evil'\">"
CANDIDATES = (EVIL, "42s", "3h", "7", "101", "12345", "5M", "203.0.113.7", "2001:db8::7", "mx.example.net", "mx.example.net:25",
              "someone@example.test", "10.0.0.0/8", "https://example.net", "http://127.0.0.1:1", "inet:127.0.0.1:1",
              "clamd://127.0.0.1:1")


def new_values(cluster, admin, group, rows):
    """Another value for each, which is allowed. The server says which are: with an unknown field nothing is stored."""
    values = {}
    for candidate in CANDIDATES:
        body = {r["field"]: candidate for r in rows}
        status, _, answer = ask(cluster, "PUT", f"settings/{group}", {**body, "nothing": "1"}, login=admin)
        assert status == 422
        for r in rows:
            if r["field"] not in answer["fields"] and candidate != r["value"]:
                values.setdefault(r["field"], candidate)
    for r in rows:
        if r.get("words"):
            values[r["field"]] = next(w for w in r["words"] if w != r["value"])
    # What takes a list of words of its own; none is left out unseen.
    assert set(values) == {r["field"] for r in rows}, {r["field"]: r["allowed"] for r in rows if r["field"] not in values}
    return values


def test_page_sets_every_tab(cluster, admin, browser):
    page = Page(browser, cluster)
    page.login(admin)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 400
    for group in SEED_GROUPS:
        page.tab(group)
        rows = ask(cluster, "GET", f"settings/{group}", login=admin)[2]["rows"]
        for row in rows:
            field = page.input(row["name"])
            assert field.get_attribute("value") == row["value"]
            assert page.find(f"label[for='{row['name']}']").text.startswith(row["field"])
        values = new_values(cluster, admin, group, rows)
        for name, value in values.items():
            if page.input(f"{group}.{name}").tag_name == "select":
                page.find(f"[name='{group}.{name}'] option[value='{value}']").click()
            else:
                page.input(f"{group}.{name}").clear()
                page.input(f"{group}.{name}").send_keys(value)
        page.save()
        wait_for(lambda: cluster.redis.hgetall(f"settings:{group}") == values, timeout=15, what=group)
        wait_for(lambda: "Saved" in page.note(), timeout=15)
        secrets = {r["field"] for r in rows if r["secret"]}
        for name, value in values.items():
            shown = page.input(f"{group}.{name}").get_attribute("value")
            assert shown == ("" if name in secrets else value), name
        first = next(iter(values))
        # Found and clicked in one step: the tab may be drawn anew in between.
        browser.execute_script("document.querySelector(arguments[0]).click()", f"button[aria-label='Back to the default: {first}']")
        wait_for(lambda: cluster.redis.hget(f"settings:{group}", first) is None, timeout=15)
    severe = [e for e in browser.get_log("browser") if e["level"] == "SEVERE" and "401" not in e["message"] and "favicon" not in e["message"]]
    assert severe == []
    for name in ("queue", "processes", "events"):
        page.find(f"nav button[data-tab='{name}']").click()
        page.shows(name)
    page.find("#logout").click()
    page.find("[name=password]")


def test_page_refuses(cluster, admin, browser):
    page = Page(browser, cluster)
    page.login(admin)
    page.tab("pop")
    page.input("pop.max_bad_commands").clear()
    page.input("pop.max_bad_commands").send_keys("0")
    page.save()
    told = ask(cluster, "PUT", "settings/pop", {"max_bad_commands": "0"}, login=admin)[2]["fields"]["max_bad_commands"]
    wait_for(lambda: page.browser.find_element("id", "pop.max_bad_commands-fault").text == told, timeout=15)
    assert cluster.redis.hgetall("settings:pop") == {}
    # Somebody else was quicker, and the page has not heard of it.
    cluster.settings("http", live_viewers="0")
    page.tab("imap")
    page.tab("pop")
    wait_for(lambda: page.find("#live").text != "Live")
    cluster.redis.hset("settings:pop", "max_bad_commands", "77")
    page.input("pop.max_bad_commands").clear()
    page.input("pop.max_bad_commands").send_keys("12")
    page.save()
    wait_for(lambda: "Someone else" in page.note(), timeout=15)
    assert cluster.redis.hget("settings:pop", "max_bad_commands") == "77"


def test_page_shows_text_as_text(cluster, admin, browser):
    cluster.redis.hset("settings:pop", "banner", EVIL)
    cluster.redis.hset("settings:pop", "max_bad_commands", EVIL)
    cluster.redis.hset("settings:smtp-in:" + EVIL.replace(":", ""), "priority", EVIL)
    page = Page(browser, cluster)
    page.login(admin)
    page.tab("pop")
    assert page.input("pop.banner").get_attribute("value") == EVIL
    assert page.browser.find_element("id", "pop.max_bad_commands-fault").text != ""
    page.tab("smtp-in")
    assert page.browser.title == "Stagepost" and not page.browser.find_elements("css selector", "img")
