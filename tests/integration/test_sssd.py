"""SSSD as a client of the directory: people and groups of Linux machines, and their logins."""

import pytest

import sssd_machine
from cluster import wait_for
from ldap_client import equal
from linux_machine import check_without_the_store
from sssd_machine import SssdMachine
from test_linux_logins import base, domain, number, read, wait_numbered  # noqa: F401 (domain is a fixture)


@pytest.fixture
def machine(cluster, domain, tmp_path):  # noqa: F811
    if not sssd_machine.is_there():
        pytest.skip(sssd_machine.MISSING)
    if not sssd_machine.may_lay_over():
        pytest.skip("this system does not allow a mount namespace with an overlay")
    cluster.add_user(f"reader@{domain}")
    machine = SssdMachine(tmp_path, cluster.port("ldap"), base(domain), f"uid=reader,ou=people,{base(domain)}")
    yield machine
    machine.stop()


def test_people_groups_and_logins(cluster, domain, machine):  # noqa: F811
    cluster.add_user(f"alice@{domain}", "alice's own")
    cluster.tool("user", "set", f"alice@{domain}", "display_name=Alice Smith")
    cluster.add_user(f"bob@{domain}", "bob's own")
    cluster.tool("alias", "add", f"staff@{domain}", f"alice@{domain}", f"bob@{domain}")
    wait_numbered(cluster, domain, "reader", "alice", "bob")
    wait_for(lambda: read(cluster, domain, "reader", equal("memberUid", "bob")), what="the group")
    uid, gid = number(cluster, f"alice@{domain}"), number(cluster, f"staff@{domain}")

    wait_for(lambda: machine.getent("passwd", "alice"), what="alice")
    assert machine.getent("passwd", "alice") == [f"alice:*:{uid}:100:Alice Smith:/home/alice:/bin/bash"]
    assert machine.getent("passwd", uid) == machine.getent("passwd", "alice")
    assert machine.getent("passwd", "nobody-here") == [] == machine.getent("passwd", "999999")
    # Debian has a group of this name itself, which comes first.
    assert machine.getent("--service=sss", "group", "staff")[0].split(":")[2] == gid
    assert set(machine.getent("group", gid)[0].split(":")[3].split(",")) == {"alice", "bob"}
    assert gid in machine.run("id", "-G", "alice").stdout.split()
    assert gid not in machine.run("id", "-G", "reader").stdout.split()
    wait_for(lambda: {"alice", "bob", "reader"} <= {line.split(":")[0] for line in machine.getent("passwd")}, 30,
             what="all of them in a list")

    assert machine.may_log_in("alice", "alice's own") and machine.may_log_in("bob", "bob's own")
    assert not machine.may_log_in("alice", "bob's own") and not machine.may_log_in("alice", "")
    assert not machine.may_log_in("nobody-here", "secret")
    # An account named as the superuser has nothing of him: it gets no number.
    cluster.add_user(f"root@{domain}", "mine")
    assert machine.getent("passwd", "root")[0].split(":")[2] == "0" and not machine.may_log_in("root", "mine")
    cluster.tool("user", "set", f"bob@{domain}", "enabled=off")
    wait_for(lambda: not machine.may_log_in("bob", "bob's own"), what="no login of a disabled account")
    assert machine.may_log_in("alice", "alice's own")


def test_without_the_store(cluster, domain, machine):  # noqa: F811
    cluster.add_user(f"alice@{domain}", "alice's own")
    wait_numbered(cluster, domain, "reader", "alice")
    check_without_the_store(cluster, machine)
