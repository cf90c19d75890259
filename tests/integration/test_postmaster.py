"""postmaster and abuse: every domain has them, and mail for them is never
refused, returned or lost, whoever is missing (RFC 5321, 4.5.1)."""

import itertools
import json
import smtplib
import time

import pytest

from cluster import Cluster, wait_for

_numbers = itertools.count(1)
MAIL = "Subject: x\r\n\r\nx\r\n"


@pytest.fixture(scope="module")
def the_cluster():
    with Cluster(frontends=1, workers=2) as cluster:
        yield cluster


@pytest.fixture
def cluster(the_cluster):
    the_cluster.tool("queue", "delete", "--all", check=False)
    for key in the_cluster.redis.scan_iter("settings:*"):
        the_cluster.redis.delete(key)
    the_cluster.settings("spool", retry_first="1s", retry_longest="1s")
    return the_cluster


def new_domain(cluster):
    name = f"d{next(_numbers)}.test"
    cluster.add_domain(name)
    return name


def recipient(cluster, id):
    return cluster.trace(id)["recipients"][0]


def is_kept(cluster, id):
    return "kept until" in recipient(cluster, id).get("answer", "")


@pytest.mark.parametrize("address", ["postmaster@{}", "Abuse@{}", "POSTMASTER@{}"])
def test_kept_until_the_domain_has_an_admin(cluster, address):
    domain = new_domain(cluster)
    id = cluster.deliver("s@else.test", address.format(domain), MAIL)
    wait_for(lambda: is_kept(cluster, id))
    assert recipient(cluster, id)["state"] == "deferred"
    assert domain in str(cluster.json("status")["warnings"]) and domain in cluster.tool("status").stdout
    check = cluster.tool("settings", "check")
    assert f"postmaster@{domain}" in check.stdout and "mailbox.postmaster" in check.stdout
    admin = cluster.add_user(f"boss@{domain}")
    cluster.tool("domain", "set", domain, f"admins={admin}")
    assert len(cluster.wait_mail(admin)) == 1
    assert domain not in str(cluster.json("status")["warnings"])
    assert domain not in cluster.tool("settings", "check").stdout


def test_kept_until_the_setting_is_there(cluster):
    domain = new_domain(cluster)
    root = cluster.add_user(f"root{next(_numbers)}@{new_domain(cluster)}")
    id = cluster.deliver("s@else.test", f"abuse@{domain}", MAIL)
    wait_for(lambda: is_kept(cluster, id))
    cluster.tool("settings", "set", f"mailbox.postmaster={root}")
    assert len(cluster.wait_mail(root)) == 1
    refused = cluster.tool("settings", "set", "mailbox.postmaster=nonsense", check=False)
    assert refused.returncode == 1 and "not a mail address" in refused.stderr


def test_kept_mail_never_expires(cluster):
    """Long past its expiry it is neither returned nor reported as late, while
    other recipients of the same message are; a restarted broker knows this
    too."""
    cluster.settings("spool", expire_after="1m", bounce_expire_after="1m", delay_warning_after="1s")
    sender = cluster.add_user(f"s@{new_domain(cluster)}")
    domain = new_domain(cluster)
    off = new_domain(cluster)
    cluster.add_user(f"x@{off}")
    alias = f"late@{new_domain(cluster)}"  # to a domain that is disabled meanwhile
    cluster.tool("alias", "add", alias, f"x@{off}")
    cluster.tool("domain", "set", off, "disabled=on")
    ids = [cluster.deliver(sender, [f"postmaster@{domain}", alias], MAIL),
           cluster.deliver("", f"abuse@{domain}", MAIL)]
    id = cluster.deliver(sender, f"postmaster@{domain}", MAIL)
    wait_for(lambda: is_kept(cluster, id))
    old = cluster.kill("spool-broker-0")
    cluster.wait_restarted("spool-broker-0", old)
    # The expiry of the other recipient, a minute later, shows that the time has passed.
    wait_for(lambda: cluster.trace(ids[0])["recipients"][1]["state"] == "failed", timeout=90)
    time.sleep(5)
    for each in [id, *ids]:
        assert recipient(cluster, each)["state"] == "deferred" and is_kept(cluster, each)
    assert not [m for m in cluster.mailbox(sender) if f"postmaster@{domain}".encode() in m]
    admin = cluster.add_user(f"boss@{domain}")
    cluster.tool("user", "set", admin, "roles=domain_admin")
    assert len(cluster.wait_mail(admin, 3, timeout=30)) == 3
    time.sleep(2)
    assert len(cluster.mailbox(admin)) == 3


def test_worker_that_dies_with_kept_mail(cluster):
    domain, admin = new_domain(cluster), None
    id = cluster.deliver("s@else.test", f"postmaster@{domain}", MAIL)
    wait_for(lambda: is_kept(cluster, id))
    admin = cluster.add_user(f"boss@{domain}")
    old = cluster.kill("delivery-worker-0")
    cluster.tool("domain", "set", domain, f"admins+={admin}")
    cluster.wait_restarted("delivery-worker-0", old)
    assert len(cluster.wait_mail(admin, timeout=30)) == 1
    time.sleep(2)
    assert len(cluster.mailbox(admin)) == 1


def test_a_disabled_admin_is_nobody(cluster):
    domain = new_domain(cluster)
    one, two = cluster.add_user(f"one@{domain}"), cluster.add_user(f"two@{domain}")
    cluster.tool("domain", "set", domain, f"admins={one},{two}")
    cluster.tool("user", "set", one, "enabled=off")
    cluster.deliver("s@else.test", f"postmaster@{domain}", MAIL)
    assert len(cluster.wait_mail(two)) == 1
    cluster.tool("user", "set", two, "enabled=off")
    id = cluster.deliver("s@else.test", f"postmaster@{domain}", MAIL)
    wait_for(lambda: is_kept(cluster, id))


def test_an_account_of_the_name_wins(cluster):
    domain = new_domain(cluster)
    admin, own = cluster.add_user(f"boss@{domain}"), cluster.add_user(f"postmaster@{domain}")
    cluster.tool("user", "set", admin, "roles=domain_admin")
    cluster.deliver("s@else.test", f"Postmaster@{domain}", MAIL)
    assert len(cluster.wait_mail(own)) == 1 and not cluster.mailbox(admin)


def test_an_alias_to_it_keeps_only_that_copy(cluster):
    """The other targets get theirs, once."""
    domain = new_domain(cluster)
    user = cluster.add_user(f"user@{domain}")
    cluster.tool("alias", "add", f"staff@{domain}", user, f"abuse@{domain}")
    id = cluster.deliver("s@else.test", f"staff@{domain}", MAIL)
    assert len(cluster.wait_mail(user)) == 1
    wait_for(lambda: "kept until" in str(cluster.trace(id)["recipients"]))
    admin = cluster.add_user(f"boss@{domain}")
    cluster.tool("user", "set", admin, "roles=domain_admin")
    assert len(cluster.wait_mail(admin)) == 1
    time.sleep(1.5)
    assert len(cluster.mailbox(user)) == 1


@pytest.mark.parametrize("path", ["<Postmaster>", "<postmaster>", "<POSTMASTER>"])
def test_without_a_domain(cluster, path):
    """The hostname's domain is not local: that of the setting is used."""
    root = cluster.add_user(f"root{next(_numbers)}@{new_domain(cluster)}")
    cluster.settings("mailbox", postmaster=root)
    with smtplib.SMTP("127.0.0.1", cluster.port("smtp")) as smtp:
        smtp.ehlo("client.example.net")
        assert smtp.docmd("MAIL FROM:<s@else.test>")[0] == 250
        assert smtp.docmd(f"RCPT TO:{path}")[0] == 250
        assert smtp.data(MAIL)[0] == 250
    assert len(cluster.wait_mail(root)) == 1


def test_a_report_to_postmaster_without_a_domain(cluster):
    root = cluster.add_user(f"root{next(_numbers)}@{new_domain(cluster)}")
    full = cluster.add_user(f"full@{new_domain(cluster)}", quota="1K")
    cluster.settings("mailbox", postmaster=root, when_full="report")
    cluster.deliver("postmaster", full, "Subject: x\r\n\r\n" + "x" * 900 + "\r\n" + "x" * 900 + "\r\n")
    assert b"the mailbox is full" in cluster.wait_mail(root)[0]


def test_on_a_server_without_any_domain():
    with Cluster(frontends=1) as cluster:
        cluster.settings("spool", retry_first="1s", retry_longest="1s")
        id = cluster.deliver("s@else.test", "Postmaster", MAIL)
        wait_for(lambda: is_kept(cluster, id))
        root = cluster.add_user("root@first.test")
        cluster.tool("user", "set", root, "roles=domain_admin")
        assert len(cluster.wait_mail(root)) == 1


def test_admins_by_the_tool(cluster):
    domain = new_domain(cluster)
    one, two = cluster.add_user(f"one@{domain}"), cluster.add_user(f"two@{domain}")

    def admins():
        return cluster.json("domain", "show", domain)["admins"].split()

    cluster.tool("domain", "set", domain, f"admins={one},{two}", "max_users=9")
    assert admins() == [one, two] and cluster.json("user", "show", one)["roles"] == "domain_admin"
    cluster.tool("domain", "set", domain, f"admins-={one}")
    assert admins() == [two] and cluster.json("user", "show", one)["roles"] == ""
    cluster.tool("domain", "set", domain, f"admins+={one}")
    assert admins() == [two, one]
    refused = cluster.tool("domain", "set", domain, f"admins=nobody@{domain}", check=False)
    assert refused.returncode == 1 and f"there is no user nobody@{domain}" in refused.stderr
    assert admins() == [two, one]
    cluster.tool("domain", "set", domain, "admins=")
    assert admins() == []
    refused = cluster.tool("domain", "set", domain, "admin=x", check=False)
    assert "admins" in refused.stderr
