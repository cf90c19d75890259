"""The page's Accounts in a real browser: a system_admin, a domain_admin, a plain user; names that look like HTML."""

import itertools
import os

import pytest

from cluster import wait_for
from test_web import EVIL, Page, ask, browser  # noqa: F401 (a fixture)

_numbers = itertools.count(1)


class Accounts(Page):
    """What a person does who reads labels."""

    def open(self, login):
        self.login(login)
        self.click("nav button[data-tab=accounts]")
        self.find("#main h2")

    def click(self, css):
        """Drawn anew meanwhile: it is looked for again."""
        def clicked():
            found = self.browser.find_elements("css selector", css)
            try:
                return bool(found) and (found[0].click() or True)
            except Exception as e:
                assert type(e).__name__ in ("StaleElementReferenceException", "ElementNotInteractableException",
                                            "ElementClickInterceptedException"), e
                return False
        wait_for(clicked, timeout=30, what=css)

    def press(self, text):
        self.click(f"#main button[aria-label='{text}']")

    def section(self, name):
        self.click(f"#main [data-section='{name}']")
        self.find(f"#main [data-section='{name}'][aria-pressed=true]")

    def fill(self, form, **values):
        for name, value in values.items():
            field = self.find(f"#{form} [name='{name}']")
            assert self.find(f"label[for='{field.get_attribute('id')}']").text
            if isinstance(value, bool):
                if field.is_selected() != value:
                    field.click()
            elif field.tag_name == "select":
                self.find(f"#{form} [name='{name}'] option[value='{value}']").click()
            else:
                field.clear()
                field.send_keys(value)

    def send(self, form, **values):
        self.fill(form, **values)
        self.click(f"#{form}-go")

    def done(self):
        wait_for(lambda: self.note() == "Done.", timeout=30, what="Done.")
        self.browser.execute_script("document.getElementById('note').textContent = ''")

    def fault(self, name):
        return self.browser.find_element("id", f"f-{name}-fault").text

    def text(self):
        return self.find("#main").text

    def tells(self, text):
        def there():
            try:
                return text in self.text()
            except Exception as e:
                assert type(e).__name__ == "StaleElementReferenceException", e
                return False
        wait_for(there, timeout=30, what=text)

    def is_clean(self):
        """Nothing that came from the server was read as HTML, all fits a phone, and every input has a label."""
        assert self.browser.title == "Stagepost" and not self.browser.find_elements("css selector", "img")
        assert self.browser.execute_script("return document.documentElement.scrollWidth") <= 400
        without = self.browser.execute_script("""return [...document.querySelectorAll('#main input, #main select')]
            .filter(e => !e.labels.length && !e.ariaLabel).map(e => e.name || e.id)""")
        assert without == []


@pytest.fixture
def site(cluster):
    domain = f"page{next(_numbers)}-{os.getpid()}.test"
    for name, roles in (("root", "system_admin"), ("chief", "domain_admin"), ("plain", "")):
        cluster.add_user(f"{name}@{domain}")
        cluster.tool("user", "set", f"{name}@{domain}", f"roles={roles}")
    return domain


def test_page_of_a_system_admin(cluster, site, browser):
    name = "new-" + site
    page = Accounts(browser, cluster)
    page.open(f"root@{site}:secret")
    # Domains: a bad one is refused beside its field.
    page.send("add", name="not a name")
    wait_for(lambda: page.fault("name") != "", timeout=15)
    page.send("add", name=name, max_users="many")
    wait_for(lambda: "number" in page.fault("max_users"), timeout=15)
    page.send("add", name=name, max_users="5")
    page.done()
    assert cluster.json("domain", "show", name)["max_users"] == 5
    page.find("#query").send_keys(site)
    page.click("form[role=search] button")
    wait_for(lambda: "Part" not in page.text() and page.text().count(site) == 2, timeout=15)
    page.is_clean()
    page.click(f"#main td:first-child button")  # the domains are sorted: "new-..." is the first
    page.tells("No users.")
    # A user.
    page.send("add", address="ann", display_name=EVIL, password="geheim", quota="much")
    wait_for(lambda: "size" in page.fault("quota"), timeout=15)
    page.send("add", address="ann", display_name=EVIL, password="geheim", quota="2G")
    page.done()
    page.tells(f"ann@{name}")
    page.tells("0 B of 2.0 GiB")
    page.is_clean()
    user = cluster.json("user", "show", f"ann@{name}")
    assert user["display_name"] == EVIL and user["quota"] == 2 << 30 and user["has_password"]
    assert ask(cluster, "GET", "session", login=f"ann@{name}:geheim")[0] == 200
    # Changed, while somebody else does so too.
    page.click("#main td:first-child button")
    assert page.find("#edit [name=display_name]").get_attribute("value") == EVIL
    assert page.find("#edit [name=quota]").get_attribute("value") == "2G"
    cluster.tool("user", "set", f"ann@{name}", "display_name=Quicker")
    page.send("edit", display_name="Slower")
    wait_for(lambda: "Someone else" in page.note(), timeout=15)
    assert cluster.json("user", "show", f"ann@{name}")["display_name"] == "Quicker"
    page.section("users")
    page.click("#main td:first-child button")
    page.send("edit", display_name="Ann", quota="", enabled=False, domain_admin=True)
    page.done()
    user = cluster.json("user", "show", f"ann@{name}")
    assert (user["display_name"], user["enabled"], user["roles"], user["own_quota"]) == ("Ann", False, "domain_admin", False)
    page.send("passwd", password="")
    wait_for(lambda: page.fault("password") != "", timeout=15)
    page.send("passwd", password="other")
    page.done()
    page.send("edit", enabled=True)
    page.done()
    assert ask(cluster, "GET", "session", login=f"ann@{name}:other")[0] == 200
    page.is_clean()
    # The domain itself.
    page.section("domain")
    page.send("edit", catch_all=f"ann@{name}", max_users="7")
    page.done()
    shown = cluster.json("domain", "show", name)
    assert (shown["catch_all"], shown["max_users"], shown["admins"]) == (f"ann@{name}", 7, f"ann@{name}")
    # Its removal needs its name.
    page.click("#removal summary")
    assert not page.find("#remove").is_enabled()
    page.find("#removal [name=confirm]").send_keys(name[:-1])
    assert not page.find("#remove").is_enabled()
    page.find("#removal [name=confirm]").send_keys(name[-1])
    page.is_clean()
    page.click("#remove")
    wait_for(lambda: name not in cluster.json("domain", "list"), timeout=30)
    severe = [e for e in browser.get_log("browser") if e["level"] == "SEVERE" and "Failed to load resource" not in e["message"]
              and "favicon" not in e["message"]]
    assert severe == []


def test_page_of_a_domain_admin(cluster, site, browser):
    cluster.tool("domain", "dkim", site, "--algorithm", "ed25519", "--selector", "first")
    page = Accounts(browser, cluster)
    page.open(f"chief@{site}:secret")
    # His domain at once, and nothing else of the cluster.
    page.tells(f"plain@{site}")
    assert [b.get_attribute("data-tab") for b in browser.find_elements("css selector", "nav button")] == ["accounts", "account"]
    assert not browser.find_elements("css selector", "#to-domains")
    # Who administers the whole server is not his to change.
    page.find("#query").send_keys("root")
    page.click("form[role=search] button")
    wait_for(lambda: f"plain@{site}" not in page.text(), timeout=15)
    page.click("#main td:first-child button")
    page.tells("cannot be changed here")
    assert not browser.find_elements("css selector", "form#edit, form#passwd, #removal")
    # Removing a user.
    page.section("users")
    page.tells(f"plain@{site}")
    page.find("#query").send_keys("plain")
    page.click("form[role=search] button")
    wait_for(lambda: f"root@{site}" not in page.text(), timeout=15)
    page.click("#main td:first-child button")
    page.find("#edit [name=domain_admin]")
    assert not browser.find_elements("css selector", "#edit [name=system_admin]")
    page.click("#removal summary")
    page.find("#removal [name=confirm]").send_keys(f"plain@{site}")
    page.click("#remove")
    page.done()
    assert f"plain@{site}" not in cluster.json("user", "list", site)
    # Aliases.
    page.section("aliases")
    page.send("add", address="info", targets="nonsense")
    wait_for(lambda: "not an address" in page.fault("targets"), timeout=15)
    page.send("add", address="info", targets=f"chief@{site} far@remote.test")
    page.done()
    assert sorted(cluster.json("alias", "list", site)[f"info@{site}"]) == sorted([f"chief@{site}", "far@remote.test"])
    page.is_clean()
    page.press(f"Remove the target far@remote.test of info@{site}")
    browser.switch_to.alert.accept()
    page.done()
    assert cluster.json("alias", "list", site) == {f"info@{site}": [f"chief@{site}"]}
    page.press(f"Remove the alias info@{site}")
    browser.switch_to.alert.dismiss()
    page.press(f"Remove the alias info@{site}")
    browser.switch_to.alert.accept()
    page.done()
    assert cluster.json("alias", "list", site) == {}
    # DKIM keys: the record to publish is shown before the key signs.
    page.section("dkim")
    page.send("add", selector="second", algorithm="ed25519")
    page.done()
    keys = {k["selector"]: k for k in cluster.json("domain", "dkim", site)}
    assert keys["second"]["state"] == "waiting" and keys["second"]["zone_line"] in browser.execute_script(
        "return document.getElementById('main').textContent")
    page.is_clean()
    page.press("Sign by second")
    page.done()
    assert {k["selector"]: k["state"] for k in cluster.json("domain", "dkim", site)} == {"first": "retired", "second": "active"}
    page.press("Remove the key first")
    browser.switch_to.alert.accept()
    page.done()
    # Records, and their check.
    page.section("dns")
    page.tells("second._domainkey." + site)
    page.is_clean()
    page.click("#check")
    page.tells("Not all records are right.")
    page.is_clean()
    # His domain's own settings.
    page.section("settings")
    page.click("#main [data-group='smtp-in']")
    page.find(f"[name='smtp-in:{site}.mta_sts'] option[value='testing']").click()
    page.save()
    wait_for(lambda: cluster.redis.hgetall(f"settings:smtp-in:{site}") == {"mta_sts": "testing"}, timeout=15)
    wait_for(lambda: "Saved" in page.note(), timeout=15)
    page.click("button[aria-label='Back to the default: mta_sts']")
    wait_for(lambda: cluster.redis.hgetall(f"settings:smtp-in:{site}") == {}, timeout=15)


def test_page_of_a_user(cluster, site, browser):
    page = Accounts(browser, cluster)
    page.browser.find_element("css selector", "#main")
    address, password = page.find("[name=address]"), page.find("[name=password]")
    address.send_keys(f"plain@{site}")
    password.send_keys("secret")
    page.find("#login").click()
    page.find("#logout")
    assert not browser.find_elements("css selector", "nav button[data-tab=accounts]")


def test_page_of_many_users(cluster, site, browser):
    """Page by page, and with names that look like HTML."""
    for i in range(51):
        cluster.redis.sadd(f"domain:{{{site}}}:users", f"u{i:02}@{site}")
        cluster.redis.hset(f"user:{{u{i:02}@{site}}}", mapping={"address": f"u{i:02}@{site}", "display_name": EVIL})
    page = Accounts(browser, cluster)
    page.open(f"chief@{site}:secret")
    page.tells(f"u00@{site}")
    page.is_clean()
    page.click("#next")
    page.tells(f"u50@{site}")
    assert f"u00@{site}" not in page.text()
    page.click("#first")
    page.tells(f"u00@{site}")
