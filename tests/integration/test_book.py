"""The address book of a domain: what orders leave in the store, and what mends it."""

import signal
import subprocess

import pytest

import book
from cluster import BUILD, wait_for
from test_sweep import metric
from test_tool import fails


def test_orders_write_it(cluster):
    alice = cluster.add_user("alice@book.test", name="Alice Liddell")
    cluster.tool("user", "set", alice, "given_name=Alice", "surname=Liddell", "title=Head of Sales",
                 "phone=+44 1865 276150", "city=Oxford", "notes=Straße, naïve")
    cluster.tool("alias", "add", "team@book.test", alice, "outside@remote.test")
    shown = cluster.json("user", "show", alice)
    assert shown["title"] == "Head of Sales" and shown["notes"] == "Straße, naïve" and shown["book"] is True
    assert "street" not in shown
    assert "title: Head of Sales" in cluster.tool("user", "show", alice).stdout
    entries = book.read(cluster, "book.test")
    assert entries == book.expected(cluster, "book.test")
    assert entries[alice]["phone"] == "+44 1865 276150" and entries[alice]["display_name"] == "Alice Liddell"
    assert entries["team@book.test"]["members"] == [alice, "outside@remote.test"]
    cluster.tool("user", "set", alice, "book=off", "title=", "enabled=off")
    assert book.read(cluster, "book.test")[alice]["hidden"]
    assert cluster.json("user", "show", alice)["book"] is False
    for bad, words in (("title=" + "x" * 201, "title: longer than 200 bytes"), ("city=a\tb", "city: control characters"),
                       ("book=maybe", "book: neither on nor off"), ("telephone=1", "there is no field telephone")):
        fails(cluster, "user", "set", alice, bad, words=words)
    cluster.tool("alias", "delete", "team@book.test")
    cluster.tool("user", "delete", alice)
    assert book.read(cluster, "book.test") == {}
    cluster.tool("domain", "delete", "book.test")
    assert list(cluster.redis.scan_iter(match="book:{book.test}*")) == []


ORDERS = {
    "set": ["user", "set", "carol@killed.test", "title=Boss"],
    "add": ["user", "add", "dave@killed.test"],
    "delete": ["user", "delete", "carol@killed.test"],
    "alias": ["alias", "add", "team@killed.test", "carol@killed.test"],
}


@pytest.mark.parametrize("order", ORDERS)
def test_killed_before_the_book(cluster, tmp_path, order):
    """The tool dies between the record and the book: a comparison mends it."""
    cluster.add_user("carol@killed.test")
    marker = tmp_path / "marker"
    marker.touch()
    command = [BUILD / "stagepost", *ORDERS[order], "--dir", str(cluster.dir)]
    died = subprocess.run(command, env={**cluster.env, "STAGEPOST_CRASH_AT": f"directory-book:{marker}"}, timeout=60)
    assert died.returncode == -signal.SIGKILL
    assert book.read(cluster, "killed.test") != book.expected(cluster, "killed.test")
    if order == "set":
        # The workers find it by themselves.
        cluster.settings("mailbox", book_interval="1s")
        wait_for(lambda: book.read(cluster, "killed.test") == book.expected(cluster, "killed.test"), timeout=60,
                 what="the regular comparison")
        for name in ("book_mended_entries_total", "book_comparisons_total"):
            wait_for(lambda: metric(cluster, "delivery-worker-0", name) >= 1, what=name)
    else:
        result = cluster.json("book", "rebuild", "killed.test")
        assert result[0]["domain"] == "killed.test" and result[0]["mended"] == 1
        assert book.read(cluster, "killed.test") == book.expected(cluster, "killed.test")
    cluster.tool("domain", "delete", "killed.test", "--force")


def test_rebuild_of_old_accounts(cluster):
    """Accounts that an older version made have no book until one is made."""
    for name in ("a", "b"):
        cluster.add_user(f"{name}@old.test")
    cluster.redis.delete("book:{old.test}", "book:{old.test}:log", "book:{old.test}:v", "book:{old.test}:state")
    assert "old.test: 2 examined, " in cluster.tool("book", "rebuild", "--all").stdout
    assert book.read(cluster, "old.test") == book.expected(cluster, "old.test")
    assert "old.test: 2 examined, 0 mended" in cluster.tool("book", "rebuild", "OLD.test").stdout
    fails(cluster, "book", "rebuild", "nowhere.test", words="there is no such domain")
    fails(cluster, "book", "rebuild", words="usage: stagepost book rebuild")
    # Once more by the workers, with nobody asking.
    cluster.redis.delete("book:{old.test}", "book:{old.test}:log", "book:{old.test}:v", "book:{old.test}:state")
    wait_for(lambda: book.read(cluster, "old.test") == book.expected(cluster, "old.test"), timeout=60,
             what="the workers to make the book")
    cluster.tool("domain", "delete", "old.test", "--force")
