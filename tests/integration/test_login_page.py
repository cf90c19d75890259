"""The page "My account", in a real browser."""

import re

import pytest

from cluster import wait_for
from test_login import imap_takes, status_of
from test_second_factor import log_in, totp
from test_web import Page, browser  # noqa: F401  (a fixture)


def text(page, css="#main"):
    """Of what is there now: a view that is drawn anew in between is looked at again."""
    found = []

    def read():
        found[:] = [page.browser.execute_script("const e = document.querySelector(arguments[0]); return e && e.innerText", css)]
        return found[0] is not None
    wait_for(read, timeout=30, what=css)
    return found[0]


def click(page, css):
    page.find(css)
    page.browser.execute_script("document.querySelector(arguments[0]).click()", css)


def note(page, words):
    wait_for(lambda: words in page.note(), timeout=15, what=words)


def fill(page, name, value):
    field = page.find(f"[name='{name}']")
    field.clear()
    field.send_keys(value)


def shown_once(page):
    secret = text(page, "#secret")
    click(page, "#done")
    page.find("#about-me")
    return secret


@pytest.fixture
def page(cluster, address, browser):  # noqa: F811
    page = Page(browser, cluster)
    page.login(f"{address}:secret")
    page.find("#about-me")
    yield page
    severe = [e["message"] for e in browser.get_log("browser") if e["level"] == "SEVERE"]
    assert [m for m in severe if not re.search(r"favicon|\b(401|422|409)\b", m)] == []


def test_a_plain_user_lands_on_his_account(cluster, page, address, browser):  # noqa: F811
    assert address in text(page, "#about-me")
    assert [b.text for b in browser.find_elements("css selector", "nav button")] == ["My account"]
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 400


def test_app_password_and_token(cluster, page, address, browser):  # noqa: F811
    fill(page, "app-passwords-name", "<b>phone")
    click(page, "#add-app-passwords")
    password = shown_once(page)
    assert imap_takes(cluster, address, password)
    assert "<b>phone" in text(page, "#app-passwords") and password not in browser.page_source
    fill(page, "tokens-name", "job")
    click(page, "#add-tokens")
    token = shown_once(page)
    assert status_of(cluster, token) == 200
    # The same name again is refused, and said.
    fill(page, "tokens-name", "job")
    click(page, "#add-tokens")
    note(page, "has one with this name")
    click(page, "button[aria-label='Delete: job']")
    browser.switch_to.alert.accept()
    wait_for(lambda: status_of(cluster, token) == 401, timeout=10)
    wait_for(lambda: "job" not in text(page, "#tokens table, #tokens p + p"), timeout=10)


def test_password(cluster, page, address):
    for name, value in (("old", "wrong"), ("new", "better"), ("again", "bettr")):
        fill(page, name, value)
    click(page, "#change-password")
    wait_for(lambda: text(page, "#account-again-fault") != "")
    fill(page, "again", "better")
    click(page, "#change-password")
    wait_for(lambda: "not the account's password" in text(page, "#account-old-fault"), timeout=15)
    fill(page, "old", "secret")
    click(page, "#change-password")
    note(page, "The password is changed")
    assert log_in(cluster, address, password="better")[0] == 200
    # The page goes on in its new session, which can change things.
    fill(page, "app-passwords-name", "phone")
    click(page, "#add-app-passwords")
    assert imap_takes(cluster, address, shown_once(page))


def test_sessions(cluster, page, address):
    assert log_in(cluster, address)[0] == 200
    click(page, "nav button")
    wait_for(lambda: "curl/" in text(page, "#sessions"), timeout=15)
    click(page, "#end-others")
    wait_for(lambda: "curl/" not in text(page, "#sessions"), timeout=15)
    assert "this one" in text(page, "#sessions")


def test_second_factor(cluster, page, address, browser):  # noqa: F811
    cluster.settings("auth", failure_delay="0")
    form = "form:has(#begin-totp) [name=password]"
    page.find(form).send_keys("secret")
    click(page, "#begin-totp")
    assert page.find(".qr path").get_attribute("d").startswith("M4 4h1v1h-1z")
    secret = text(page, "#totp-secret")
    fill(page, "code", totp(secret, -1))
    click(page, "#confirm-totp")
    recovery = shown_once(page).split("\n")
    assert len(recovery) == 10
    page.find("#disable-totp")
    # Out, and in again with a code.
    click(page, "#logout")
    fill(page, "address", address)
    fill(page, "password", "secret")
    assert not page.find("[name=code]").is_displayed()
    click(page, "#login")
    wait_for(lambda: page.find("[name=code]").is_displayed(), timeout=15)
    fill(page, "code", recovery[0])
    click(page, "#login")
    page.find("#about-me")
    page.find("form:has(#disable-totp) [name=password]").send_keys("secret")
    click(page, "#disable-totp")
    page.find("#begin-totp")
    assert log_in(cluster, address)[0] == 200
