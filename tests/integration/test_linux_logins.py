"""Logins on Linux machines by the directory: numbers of accounts, posixAccount and posixGroup, and nslcd as
the client."""

import itertools
import os
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

import linux_machine
from cluster import BUILD, Cluster, wait_for
from ldap_client import Ldap, Slapd, equal, ldapsearch, present, search, tlv
from linux_machine import LinuxMachine, check_without_the_store
from test_ldap import answers_to, result
from test_tool import fails

ATTRIBUTES = ["objectClass", "uidNumber", "gidNumber", "homeDirectory", "loginShell", "memberUid"]
_numbers = itertools.count(1)


@pytest.fixture
def domain(cluster):
    """One with such accounts."""
    name = f"linux{next(_numbers)}-{os.getpid()}.test"
    cluster.add_domain(name)
    settings(cluster, name, posix_accounts="on", posix_groups="staff")
    yield name
    cluster.tool("domain", "delete", name, "--force")


def settings(cluster, domain, **fields):
    cluster.settings(f"ldap:{domain}", **fields)


def base(domain):
    return ",".join(f"dc={label}" for label in domain.split("."))


def read(cluster, domain, reader, filter=present("uidNumber"), frontend=0):
    """{name: attributes}"""
    ldap = Ldap(cluster.port("ldap", frontend)).login(f"{reader}@{domain}")
    answers = ldap.ask(search(base(domain), filter=filter, attributes=ATTRIBUTES))
    ldap.close()
    assert answers[-1].code == 0
    return {a.dn.split(",")[0].split("=")[1]: a.attributes for a in answers[:-1]}


def number(cluster, address):
    return cluster.redis.hget("posix:numbers", address)


def wait_numbered(cluster, domain, reader, *names):
    """Until the book that the frontend has read has the numbers."""
    return wait_for(lambda: (found := read(cluster, domain, reader)).keys() >= set(names) and found, 20, what="numbers")


# ---- What is shown ----

def test_shown_if_asked(cluster):
    domain = f"ask-{os.getpid()}.test"
    for name in ("alice", "bob"):
        cluster.add_user(f"{name}@{domain}")
    cluster.tool("alias", "add", f"staff@{domain}", f"alice@{domain}", f"bob@{domain}", "far@else.test")
    cluster.tool("alias", "add", f"sudo@{domain}", f"alice@{domain}")
    assert read(cluster, domain, "alice") == {} and number(cluster, f"alice@{domain}") is None
    assert read(cluster, domain, "alice", equal("objectClass", "posixAccount")) == {}

    # Accounts that are there already get theirs within seconds.
    settings(cluster, domain, posix_accounts="on", posix_home="/srv/#Domain#/#User#", posix_shell="/bin/sh",
             posix_primary_group=500)
    found = wait_numbered(cluster, domain, "alice", "alice", "bob")
    alice = found["alice"]
    assert alice["objectClass"][-2:] == ["inetOrgPerson", "posixAccount"]
    assert alice["uidNumber"] == [number(cluster, f"alice@{domain}")] and alice["uidNumber"] != found["bob"]["uidNumber"]
    assert (alice["gidNumber"], alice["homeDirectory"], alice["loginShell"]) == (["500"], [f"/srv/{domain}/alice"], ["/bin/sh"])
    assert set(found) == {"alice", "bob"} and "memberUid" not in alice
    assert read(cluster, domain, "alice", equal("objectClass", "posixGroup")) == {}

    # Groups are those that are named: nobody is in `sudo` of a machine because of an alias.
    settings(cluster, domain, posix_groups="Staff other")
    groups = wait_for(lambda: read(cluster, domain, "alice", equal("objectClass", "posixGroup")), 20, what="groups")
    assert set(groups) == {"staff"} and groups["staff"]["memberUid"] == ["alice", "bob"]
    assert groups["staff"]["gidNumber"] == [number(cluster, f"staff@{domain}")]
    assert number(cluster, f"sudo@{domain}") is None

    # A hidden member is hidden here too; numbers stay when nothing is shown any more.
    cluster.tool("user", "set", f"bob@{domain}", "book=off")
    wait_for(lambda: set(read(cluster, domain, "alice")) == {"alice"}, what="bob hidden")
    assert read(cluster, domain, "alice", present("memberUid"))["staff"]["memberUid"] == ["alice"]
    settings(cluster, domain, posix_accounts="off")
    wait_for(lambda: read(cluster, domain, "alice") == {}, what="off")
    assert number(cluster, f"alice@{domain}") == alice["uidNumber"][0]
    cluster.tool("domain", "delete", domain, "--force")


def test_filters(cluster, domain):
    for name in ("alice", "bob", "carol"):
        cluster.add_user(f"{name}@{domain}")
    cluster.tool("alias", "add", f"staff@{domain}", f"alice@{domain}", f"carol@{domain}")
    found = wait_numbered(cluster, domain, "alice", "alice", "bob", "carol")
    uid = {name: int(found[name]["uidNumber"][0]) for name in found}
    group = next(iter(read(cluster, domain, "alice", equal("memberUid", "carol")).values()))
    both = tlv(0xa0, equal("objectClass", "posixAccount") + equal("uidNumber", str(uid["bob"])))
    for filter, names in [
        (equal("uidNumber", str(uid["bob"])), ["bob"]), (equal("uidNumber", "0" + str(uid["bob"])), []),
        (equal("uidNumber", "bob"), []), (equal("uidNumber", str(uid["carol"] + 1)), []), (both, ["bob"]),
        (tlv(0xa5, equal("uidNumber", str(uid["bob"]))[2:]), ["bob", "carol"]),  # >=
        (tlv(0xa6, equal("uidNumber", str(uid["bob"]))[2:]), ["alice", "bob"]),  # <=
        (tlv(0xa6, equal("uidNumber", "9")[2:]), []), (tlv(0xa5, equal("uidNumber", "-1")[2:]), ["alice", "bob", "carol"]),
        (equal("gidNumber", "100"), ["alice", "bob", "carol"]), (equal("gidNumber", group["gidNumber"][0]), ["staff"]),
        (equal("memberUid", "carol"), ["staff"]), (equal("memberUid", "Carol"), []), (equal("memberUid", "bob"), []),
        (equal("homeDirectory", "/home/bob"), ["bob"]), (equal("homeDirectory", "/home/Bob"), []),
        # SSSD's
        (tlv(0xa0, equal("uid", "bob") + equal("objectclass", "posixAccount") + tlv(0xa0, present("uidNumber") +
             tlv(0xa2, equal("uidNumber", "0")))), ["bob"]),
        (tlv(0xa0, equal("memberUid", "carol") + equal("objectClass", "posixGroup") + present("cn") + tlv(
            0xa0, present("gidNumber") + tlv(0xa2, equal("gidNumber", "0")))), ["staff"]),
    ]:
        assert sorted(read(cluster, domain, "alice", filter)) == names, filter
    ldap = Ldap(cluster.port("ldap")).login(f"alice@{domain}")
    for attribute, value, code in [("uidNumber", str(uid["bob"]), 6), ("uidNumber", "1", 5), ("uidNumber", "x", 18),
                                   ("memberUid", "x", 16)]:
        compare = tlv(0x6e, tlv(4, f"uid=bob,ou=people,{base(domain)}".encode()) +
                      tlv(0x30, tlv(4, attribute.encode()) + tlv(4, value.encode())))
        assert result(ldap, compare).code == code, attribute
    schema = ldap.ask(search("cn=Subschema", 0, attributes=["+"]))[0].attributes
    assert any("'posixAccount'" in c for c in schema["objectClasses"]) and any("'integerMatch'" in r for r in schema["matchingRules"])


@pytest.mark.skipif(not Slapd.is_there(), reason="slapd is not installed")
def test_filters_as_slapd(cluster, domain, tmp_path):
    for name in ("alice", "bob", "carol", "a+b"):
        cluster.add_user(f"{name}@{domain}")
    cluster.tool("alias", "add", f"staff@{domain}", f"alice@{domain}", f"carol@{domain}")
    cluster.tool("alias", "add", f"other@{domain}", f"alice@{domain}")
    uid = int(wait_numbered(cluster, domain, "alice", "alice", "bob", "carol")["bob"]["uidNumber"][0])
    wait_for(lambda: read(cluster, domain, "alice", equal("memberUid", "carol")), what="the group")
    names = ("uidNumber", "gidNumber", "homeDirectory", "loginShell", "memberUid")
    values = (uid, f"0{uid}", f"+{uid}", f" {uid}", -uid, 0, 1, 100, "x", "", 10**15, "/home/bob", "/HOME/bob", "/bin/bash", "carol", "CAROL")
    filters = [f"({n}{test}{v})" for n in names for test in ("=", ">=", "<=") for v in values]  # ~= is by sound there
    filters += [f"({n}=*)" for n in names] + [f"(!({n}=*))" for n in names] + [f"({n}:integerMatch:={uid})" for n in names]
    filters += [f"(objectClass={c})" for c in ("posixAccount", "posixgroup", "1.3.6.1.1.1.2.0")]
    filters += [f"(&(objectClass=posixAccount)(uidNumber>={uid})(!(uid=bob)))", f"(:integerOrderingMatch:={uid})", f"(:integerMatch:={uid})"]
    path = tmp_path / "filters"
    path.write_text("".join(f"{text[1:]}\n" for text in filters))
    entries = ldapsearch(cluster.port("ldap"), f"alice@{domain}", base(domain), "(objectClass=*)", "*", "structuralObjectClass")[2].stdout
    slapd = Slapd(tmp_path, base(domain), entries)
    try:
        theirs = answers_to(slapd.port, f"cn=admin,{base(domain)}", base(domain), "sub", path)
        ours = answers_to(cluster.port("ldap"), f"alice@{domain}", base(domain), "sub", path)
    finally:
        slapd.stop()
    different = [f"{text}: slapd {theirs[text]}, ours {ours[text]}" for text in theirs if ours.get(text) != theirs[text]]
    assert len(theirs) > 250 and not different, "\n".join(different)


# ---- Numbers ----

def test_numbers_stay(cluster, domain):
    addresses = [f"user{n}@{domain}" for n in range(12)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda a: cluster.tool("user", "add", a, "--password", "secret"), addresses))
    numbers = {a: number(cluster, a) for a in addresses}
    assert None not in numbers.values() and len(set(numbers.values())) == len(addresses)
    one = addresses[0]
    cluster.tool("user", "set", one, "enabled=off", "title=Boss")
    cluster.tool("user", "set", one, "enabled=on")
    assert number(cluster, one) == numbers[one]
    # Whoever is deleted keeps it: files somewhere are of that number.
    cluster.tool("user", "delete", one)
    other = f"other@{domain}"
    cluster.add_user(other)
    assert number(cluster, other) not in numbers.values()
    cluster.add_user(one)
    assert number(cluster, one) == numbers[one]
    cluster.tool("book", "rebuild", domain)
    found = wait_numbered(cluster, domain, "user0", *[a.split("@")[0] for a in addresses])
    assert {a: found[a.split("@")[0]]["uidNumber"][0] for a in addresses} == numbers


@pytest.mark.parametrize("name,has_one", [("root", False), ("1234", False), ("-x", False), ("a+b", False), ("a/b", False),
                                          ("o'neil", False), ("x" * 33, False), ("x" * 32, True), ("a.b-c_9", True)])
def test_names(cluster, domain, name, has_one):
    cluster.add_user(f"reader@{domain}")
    cluster.add_user(f"{name}@{domain}")
    assert (number(cluster, f"{name}@{domain}") is not None) == has_one
    assert (name in wait_numbered(cluster, domain, "reader", "reader", *[name] * has_one)) == has_one


def test_the_range_ends(cluster, domain):
    first = int(cluster.redis.hget("posix:numbers", "next") or 10000)
    cluster.settings("ldap", posix_first_number=first, posix_last_number=first)
    cluster.add_user(f"alice@{domain}")
    cluster.add_user(f"bob@{domain}")  # is an account in all else
    assert number(cluster, f"alice@{domain}") == str(first) and number(cluster, f"bob@{domain}") is None
    assert set(wait_numbered(cluster, domain, "bob", "alice")) == {"alice"}
    # One for whom there is none is looked at each time, but nothing of his is mended. A worker may be at it too.
    rebuilt = wait_for(lambda: (r := cluster.tool("book", "rebuild", domain, check=False)).returncode == 0 and r, what="a comparison")
    assert f"{domain}: 2 examined, 0 mended" in rebuilt.stdout
    # A larger range is enough.
    cluster.settings("ldap", posix_last_number=first + 10)
    assert set(wait_numbered(cluster, domain, "bob", "alice", "bob")) == {"alice", "bob"}
    assert number(cluster, f"bob@{domain}") == str(first + 1)
    cluster.settings("ldap", posix_first_number=first + 1000, posix_last_number=first + 2000)
    cluster.add_user(f"carol@{domain}")
    assert number(cluster, f"carol@{domain}") == str(first + 1000)


def test_killed_before_the_number(cluster, domain, tmp_path):
    marker = tmp_path / "marker"
    marker.touch()
    cluster.add_user(f"reader@{domain}")
    died = subprocess.run([BUILD / "stagepost", "user", "add", f"late@{domain}", "--password", "secret", "--dir", str(cluster.dir)],
                          env={**cluster.env, "STAGEPOST_CRASH_AT": f"directory-book:{marker}"}, timeout=60)
    assert died.returncode == -signal.SIGKILL and number(cluster, f"late@{domain}") is None
    cluster.tool("book", "rebuild", domain)
    late = number(cluster, f"late@{domain}")
    assert wait_numbered(cluster, domain, "reader", "late")["late"]["uidNumber"] == [late]


def test_restored_with_its_numbers(own_cluster, tmp_path):
    cluster = own_cluster(frontends=1)
    cluster.settings("ldap", posix_accounts="on")
    for name in ("alice", "bob"):
        cluster.add_user(f"{name}@linux.test")
    numbers = {name: number(cluster, f"{name}@linux.test") for name in ("alice", "bob")}
    cluster.tool("backup", tmp_path / "backups")
    cluster.add_user("lost@linux.test")
    lost = number(cluster, "lost@linux.test")
    cluster.stop()
    again = Cluster(frontends=1, dir=tmp_path / "restored")
    again.tool("restore", tmp_path / "backups")
    with again:
        found = wait_numbered(again, "linux.test", "alice", "alice", "bob")
        assert {name: found[name]["uidNumber"][0] for name in found} == numbers
        # Not the number of one that was made after the backup: its files are still there.
        again.add_user("carol@linux.test")
        assert int(number(again, "carol@linux.test")) > int(lost)


def test_settings_are_checked(cluster):
    for bad in ("posix_first_number=0", "posix_home=", "posix_accounts=perhaps", "posix_primary_group=0"):
        fails(cluster, "settings", "set", f"ldap.{bad}", words=bad.split("=")[0])


# ---- nslcd: NSS and PAM ----

@pytest.fixture
def machine(cluster, domain, tmp_path):
    if not linux_machine.is_there():
        pytest.skip(linux_machine.MISSING)
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode != 0:
        pytest.skip("this system does not allow a mount namespace")
    cluster.add_user(f"reader@{domain}")
    machine = LinuxMachine(tmp_path, cluster.port("ldap"), base(domain), f"uid=reader,ou=people,{base(domain)}")
    yield machine
    machine.stop()


def test_nslcd(cluster, domain, machine):
    cluster.add_user(f"alice@{domain}", "alice's own")
    cluster.tool("user", "set", f"alice@{domain}", "display_name=Alice Smith")
    cluster.add_user(f"bob@{domain}", "bob's own")
    cluster.tool("alias", "add", f"staff@{domain}", f"alice@{domain}", f"bob@{domain}")
    wait_numbered(cluster, domain, "reader", "alice", "bob")
    wait_for(lambda: read(cluster, domain, "reader", equal("memberUid", "bob")), what="the group")
    uid, gid = number(cluster, f"alice@{domain}"), number(cluster, f"staff@{domain}")

    line = f"alice:*:{uid}:100:Alice Smith:/home/alice:/bin/bash"
    assert machine.getent("passwd", "alice") == [line]
    assert machine.getent("passwd", uid) == machine.getent("passwd", "alice")
    assert machine.getent("passwd", "nobody-here") == [] == machine.getent("passwd", "999999")
    assert [l.split(":")[0] for l in machine.getent("passwd") if l.split(":")[5].startswith("/home/")][-3:] == ["alice", "bob", "reader"]
    assert machine.getent("group", "staff") != [] and machine.getent("group", gid)[0].split(":")[2] == gid
    assert set(machine.getent("group", gid)[0].split(":")[3].split(",")) == {"alice", "bob"}
    assert gid in machine.getent("initgroups", "alice")[0].split() and gid not in machine.getent("initgroups", "reader")[0].split()
    assert machine.run("id", "-un", uid).stdout == "alice\n"

    assert machine.may_log_in("alice", "alice's own") and machine.may_log_in("bob", "bob's own")
    assert not machine.may_log_in("alice", "bob's own") and not machine.may_log_in("alice", "")
    assert not machine.may_log_in("nobody-here", "secret")
    cluster.tool("user", "set", f"bob@{domain}", "enabled=off")
    wait_for(lambda: not machine.may_log_in("bob", "bob's own"), what="no login of a disabled account")
    assert machine.may_log_in("alice", "alice's own")


def test_nobody_becomes_root(cluster, domain, machine):
    """An account named as a user of the machine has nothing of it."""
    cluster.add_user(f"root@{domain}", "mine")
    cluster.add_user(f"daemon@{domain}", "mine")
    wait_numbered(cluster, domain, "reader", "daemon")
    assert machine.getent("passwd", "root")[0].split(":")[2] == "0"
    assert not machine.may_log_in("root", "mine") and not machine.may_log_in("daemon", "mine")


def test_nslcd_without_the_store(cluster, domain, machine):
    cluster.add_user(f"alice@{domain}", "alice's own")
    wait_numbered(cluster, domain, "reader", "alice")
    check_without_the_store(cluster, machine)
