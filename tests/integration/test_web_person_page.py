"""The page in a real browser: what the address book says of a user; certificates under Processes."""

import json
import time

import pytest

from cluster import wait_for
from test_web import EVIL, admin, ask, browser  # noqa: F401 (fixtures)
from test_web_accounts_page import Accounts, site  # noqa: F401 (a fixture)

PERSON = {"given_name": "Ann", "surname": "Ōe", "title": EVIL, "department": "Accounts", "company": "Example", "phone": "+1 555 1",
          "mobile": "+1 555 2", "home_phone": "+1 555 3", "fax": "+1 555 4", "pager": "+1 555 5", "street": "1 Main Street",
          "city": "Springfield", "state": "Oregon", "postal_code": "97477", "country": "USA", "url": "https://ann.example.test/",
          "notes": "Likes tea"}


def test_every_field_is_on_the_form():
    """A new row of the table has to be added to the form."""
    import re
    from pathlib import Path
    table = (Path(__file__).resolve().parents[2] / "lib/directory/fields_table.h").read_text()
    assert set(re.findall(r'F\(\w+, \d+, "(\w+)"', table)) == {"display_name", *PERSON}


def test_person(cluster, site, browser):  # noqa: F811
    """A domain's administrator fills in all fields, hides the account, and removes a field again."""
    page, name = Accounts(browser, cluster), f"plain@{site}"
    page.open(f"chief@{site}:secret")
    page.click("#main tbody tr:nth-child(2) td:first-child button")  # chief, plain, root
    page.click("#person summary")
    page.send("edit", book=False, **PERSON)
    page.done()
    user = cluster.json("user", "show", name)
    assert {field: user[field] for field in PERSON} == PERSON and user["book"] is False
    page.click("#person summary")
    assert {f: page.find(f"#edit [name={f}]").get_attribute("value") for f in PERSON} == PERSON
    page.is_clean()
    # Only what was changed is sent: the log names nothing else.
    page.send("edit", title="", city="Salem", book=True)
    page.done()
    user = cluster.json("user", "show", name)
    assert user.get("title", "") == "" and user["city"] == "Salem" and user["surname"] == "Ōe" and user["book"] is True
    detail = cluster.redis.xrevrange("admin:log", count=1)[0][1]["detail"]
    assert "city" in detail and "surname" not in detail
    # What is wrong is shown, even in the part that is folded.
    assert page.find("#person").get_attribute("open") is None
    browser.execute_script("document.getElementById('f-notes').value = 'x\\u0001'")
    page.click("#edit-go")
    wait_for(lambda: page.fault("notes") != "", timeout=15)
    assert page.find("#person").get_attribute("open") is not None


def rows_of(page):
    """All at once: they are drawn anew every two seconds."""
    return page.browser.execute_script("return [...document.querySelectorAll('#certificates-now tbody tr')].map(r => r.innerText.replace(/\\s+/g, ' '))")


def test_certificates(cluster, admin, browser):  # noqa: F811
    later = int(time.time() * 1000) + 3600_000
    cluster.redis.hset("acme:{acme}:names", mapping={
        "broken.example.test": json.dumps({"state": "failed", "problem": EVIL, "tries": 3, "next_ms": later}),
        "away.example.test": json.dumps({"state": "elsewhere", "problem": "DNS leads to 192.0.2.9"})})
    cluster.redis.sadd("acme:{acme}:renew", "broken.example.test")
    try:
        status, _, answer = ask(cluster, "GET", "certificates", login=admin)
        assert status == 200 and [c["name"] for c in answer["certificates"]] == ["away.example.test", "broken.example.test"]
        assert answer["certificates"][1]["problem"] == EVIL and answer["certificates"][1]["renewal_requested"] is True
        page = Accounts(browser, cluster)
        page.login(admin)
        page.click("nav button[data-tab=processes]")
        wait_for(lambda: len(rows_of(page)) == 3, timeout=30, what="the table")
        rows = rows_of(page)
        assert "failed, renewal requested" in rows[1] and EVIL in rows[1] and "Next try" in rows[1] and "ACME" in rows[1]
        assert "elsewhere" in rows[0] and "192.0.2.9" in rows[0]
        # The one in files: what it says of itself.
        assert rows[2].startswith("default") and "mx.example.test localhost" in rows[2] and "files in use" in rows[2]
        assert "(729 days)" in rows[2] or "(730 days)" in rows[2]
        page.is_clean()
        cluster.redis.hdel("acme:{acme}:names", "away.example.test")
        wait_for(lambda: "away.example.test" not in str(rows_of(page)), timeout=40, what="it is drawn anew")
    finally:
        cluster.redis.delete("acme:{acme}:names", "acme:{acme}:renew")


@pytest.mark.parametrize("who", ["plain", "chief"])
def test_certificates_are_not_everybodys(cluster, site, who):  # noqa: F811
    assert ask(cluster, "GET", "certificates", login=f"{who}@{site}:secret")[0] == 403
