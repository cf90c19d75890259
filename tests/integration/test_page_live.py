"""The page in a real browser, while things happen in the cluster."""

import time

from cluster import SETTLE, wait_for
from test_live import add_events
from test_web import EVIL, Page, admin, browser  # noqa: F401 (fixtures)


def enter(cluster, browser, admin, tab):
    page = Page(browser, cluster)
    page.login(admin)
    page.find(f"nav button[data-tab='{tab}']").click()
    wait_for(lambda: page.find("#live").text == "Live", timeout=20, what="the page is live")
    return page


def text(page, css):
    return page.browser.execute_script("const e = document.querySelector(arguments[0]); return e ? e.textContent : ''", css)


def no_faults(browser):
    return [e for e in browser.get_log("browser")
            if e["level"] == "SEVERE" and "401" not in e["message"] and "favicon" not in e["message"]] == []


def value(page, name):
    return page.input(name).get_attribute("value")


def test_settings_changed_elsewhere(cluster, admin, browser):
    """They appear by themselves; what is being typed stays, and the other value is told beside it."""
    page = enter(cluster, browser, admin, "pop")
    page.find("[name='pop.banner']")
    cluster.redis.hset("settings:pop", "banner", EVIL)
    cluster.redis.hset("settings:pop", "max_bad_commands", "33")
    wait_for(lambda: value(page, "pop.banner") == EVIL and value(page, "pop.max_bad_commands") == "33", what="they appear")
    cluster.redis.hset("settings:pop", "max_bad_commands", "wrong")
    wait_for(lambda: page.browser.find_element("id", "pop.max_bad_commands-fault").text, what="what is wrong with it appears")
    cluster.redis.hdel("settings:pop", "max_bad_commands")
    wait_for(lambda: not page.browser.find_element("id", "pop.max_bad_commands-fault").text and
             value(page, "pop.max_bad_commands") != "wrong")
    field = page.input("pop.banner")
    field.clear()
    field.send_keys("mine")
    cluster.redis.hset("settings:pop", "banner", "theirs")
    cluster.redis.hset("settings:pop", "max_bad_commands", "44")
    wait_for(lambda: 'set this to "theirs"' in text(page, ".row.changed .elsewhere"), what="the other value is told")
    wait_for(lambda: value(page, "pop.max_bad_commands") == "44")
    assert field.get_attribute("value") == "mine"
    field.send_keys(" too")
    page.save()
    wait_for(lambda: cluster.redis.hget("settings:pop", "banner") == "mine too", what="it was seen, so it is stored")
    wait_for(lambda: "Saved" in page.note())
    # The other's value is taken.
    field = page.input("pop.banner")
    field.send_keys("!")
    cluster.redis.hset("settings:pop", "banner", "theirs again")
    wait_for(lambda: page.browser.find_elements("css selector", ".elsewhere button"))
    page.find(".elsewhere button").click()
    assert value(page, "pop.banner") == "theirs again" and not page.find("#save").is_enabled()
    assert page.browser.title == "Stagepost" and no_faults(browser)


def test_queue_and_processes_live(cluster, admin, browser):
    cluster.settings("smtp-in", allow_relay="anyone")
    cluster.settings("smtp-out", relay_host="127.0.0.1:1")
    time.sleep(SETTLE)
    page = enter(cluster, browser, admin, "queue")
    page.find("#messages")
    cluster.deliver("live@sender.example", ["waits@unreachable.invalid"], b"Subject: x\r\n\r\n")
    wait_for(lambda: "live@sender.example" in text(page, "#messages") and "unreachable.invalid" in text(page, "#destinations"), timeout=15)
    id_ = text(page, "#messages button")
    cluster.tool("queue", "delete", id_)
    wait_for(lambda: "live@sender.example" not in text(page, "#messages"), timeout=15, what="it has left")
    page.find("nav button[data-tab='processes']").click()
    wait_for(lambda: "delivery-worker-0" in text(page, "#processes-now") and len(page.browser.find_elements("css selector", "svg.chart path")) == 4)
    assert "every answered change is synced" in text(page, "#store-now")
    first = text(page, "#processes-now")
    wait_for(lambda: text(page, "#processes-now") != first, what="heartbeats move")
    wait_for(lambda: any(int(n.split()[-1]) > 0 for n in text(page, ".legend").replace("delivered", "|").replace("deferred", "|").split("|")),
             timeout=30, what="the plot has something")
    assert page.browser.execute_script("return document.documentElement.scrollWidth") <= 400
    assert no_faults(browser)


def test_events_live(cluster, admin, browser, address):
    page = enter(cluster, browser, admin, "events")
    cluster.deliver("seen@sender.example", [address], b"Subject: x\r\n\r\n")
    wait_for(lambda: text(page, "#events").count("seen@sender.example") >= 2, what="accepted and delivered")
    page.find("#events-text").send_keys("other@sender")
    page.find("#main form button").click()
    wait_for(lambda: page.find("#live").text == "Live" and "seen@" not in text(page, "#events"))
    cluster.deliver("other@sender.example", [address], b"Subject: x\r\n\r\n")
    wait_for(lambda: "other@sender.example" in text(page, "#events"))
    assert "seen@" not in text(page, "#events")
    page.find("#pause").click()
    shown = text(page, "#events")
    cluster.deliver("other@sender.example", [address], b"Subject: x\r\n\r\n")
    wait_for(lambda: "new" in page.find("#pause").text)
    assert text(page, "#events") == shown
    page.find("#pause").click()
    wait_for(lambda: text(page, "#events").count("other@sender.example") >= 4)
    add_events(cluster, 10, EVIL + " other@sender")
    add_events(cluster, 1500, "other@sender")
    wait_for(lambda: "events are not shown" in text(page, "#events"))
    assert page.browser.title == "Stagepost" and page.browser.execute_script("return document.documentElement.scrollWidth") <= 400
    # A message of an event, with its way.
    page.find("#events-text").clear()
    page.find("#events-text").send_keys("seen@sender")
    page.find("#main form button").click()
    wait_for(lambda: text(page, "#events button"))
    id_ = text(page, "#events button")
    page.find("#events button").click()
    wait_for(lambda: id_ in text(page, "#main h2") and "seen@sender.example" in text(page, "#main pre"))
    assert no_faults(browser)


def test_page_goes_on_after_kill(own_cluster, browser):
    """The browser comes back by itself, and shows what happened meanwhile; the log-in form comes when the session ends."""
    cluster = own_cluster(frontends=2)
    name = cluster.add_user("admin@example.test")
    address = cluster.add_user("someone@example.test")
    cluster.tool("user", "set", name, "roles=system_admin")
    page = enter(cluster, browser, f"{name}:secret", "events")
    cluster.deliver("first@sender.example", [address], b"Subject: x\r\n\r\n", frontend=1)
    wait_for(lambda: text(page, "#events").count("first@sender.example") >= 2)
    cluster.kill("frontend-0", 9)
    cluster.deliver("meanwhile@sender.example", [address], b"Subject: x\r\n\r\n", frontend=1)
    wait_for(lambda: text(page, "#events").count("meanwhile@sender.example") >= 2, timeout=30, what="what happened meanwhile")
    assert text(page, "#events").count("first@sender.example") == 2
    cluster.tool("user", "passwd", name, "--password", "other")
    page.find("[name=password]")
