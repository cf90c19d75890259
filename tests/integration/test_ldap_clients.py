"""Real LDAP clients: OpenLDAP's, Python's ldap3, ldapjs. Others: test_linux_logins.py (nslcd), test_thunderbird.py."""

import os
import ssl
import subprocess
from pathlib import Path

import ldap3
import pytest

from cluster import ROOT

BASE = "dc=clients,dc=test"
PEOPLE = "ou=people," + BASE
ACCOUNTS = {"alice": {"display_name": "Alice Smith", "given_name": "Alice", "surname": "Smith"}, "bob": {},
            "carol": {"display_name": "Carol O'Hara"}, "jurgen": {"display_name": "Jürgen Groß"},
            "a+b": {"display_name": "Plus, Person; #1"}}
LDAPJS = ROOT / "build" / "npm-ldapjs" / "node_modules"


@pytest.fixture(scope="module")
def domain(shared_cluster):
    for name, fields in ACCOUNTS.items():
        shared_cluster.add_user(f"{name}@clients.test")
        if fields:
            shared_cluster.tool("user", "set", f"{name}@clients.test", *[f"{k}={v}" for k, v in fields.items()])
    shared_cluster.tool("alias", "add", "sales@clients.test", "alice@clients.test", "bob@clients.test")
    return "clients.test"


def test_openldap_clients(cluster, domain):
    url = ["-x", "-H", f"ldap://127.0.0.1:{cluster.port('ldap')}", "-D", f"uid=alice,{PEOPLE}", "-w", "secret"]
    tls = dict(os.environ, LDAPTLS_REQCERT="never")

    def run(*args):
        return subprocess.run(args, capture_output=True, text=True, timeout=30, env=tls)

    assert run("ldapwhoami", *url).stdout.strip() == f"dn:uid=alice,{PEOPLE}"
    assert run("ldapwhoami", "-ZZ", *url).stdout.strip() == f"dn:uid=alice,{PEOPLE}"
    secure = [f"ldaps://127.0.0.1:{cluster.port('ldaps')}" if a.startswith("ldap:") else a for a in url]
    assert run("ldapwhoami", *secure).stdout.strip() == f"dn:uid=alice,{PEOPLE}"
    assert "TRUE" in run("ldapcompare", *url, f"uid=alice,{PEOPLE}", "sn:smith").stdout
    assert "FALSE" in run("ldapcompare", *url, f"uid=alice,{PEOPLE}", "sn:jones").stdout
    found = run("ldapsearch", *url, "-b", BASE, "-E", "pr=2/noprompt", "-E", "sss=-uid", "-LLL", "(uid=*)", "dn").stdout
    assert found.count("\ndn: ") + found.startswith("dn: ") >= len(ACCOUNTS)
    assert "read-only" in run("ldapdelete", *url, f"uid=alice,{PEOPLE}").stderr
    assert "not changed by LDAP" in run("ldappasswd", *url, "-s", "new").stdout


def test_ldap3(cluster, domain):
    server = ldap3.Server("127.0.0.1", port=cluster.port("ldap"), get_info=ldap3.ALL)
    with ldap3.Connection(server, f"uid=alice,{PEOPLE}", "secret", auto_bind=ldap3.AUTO_BIND_TLS_BEFORE_BIND) as c:
        assert c.tls_started and server.info.naming_contexts == [BASE]
        assert server.schema.object_classes["inetOrgPerson"] and server.schema.attribute_types["mail"]
        assert c.extend.standard.who_am_i() == f"dn:uid=alice,{PEOPLE}"
        assert c.search(BASE, "(&(objectClass=inetOrgPerson)(mail=bob@clients.test))", attributes=ldap3.ALL_ATTRIBUTES)
        assert c.entries[0].uid == "bob" and c.entries[0].entry_dn == f"uid=bob,{PEOPLE}"
        found = c.extend.standard.paged_search(BASE, "(uid=*)", paged_size=2, generator=False)
        assert len(found) >= len(ACCOUNTS)
        assert c.compare(f"uid=alice,{PEOPLE}", "givenName", "alice")
        assert not c.modify(f"uid=alice,{PEOPLE}", {"title": [(ldap3.MODIFY_REPLACE, ["x"])]})
        assert c.result["result"] == 53
    ldaps = ldap3.Server("127.0.0.1", port=cluster.port("ldaps"), use_ssl=True, tls=ldap3.Tls(validate=ssl.CERT_NONE))
    plain = ldap3.Connection(ldaps, authentication=ldap3.SASL, sasl_mechanism="PLAIN",
                             sasl_credentials=(None, "alice@clients.test", "secret"))
    assert plain.bind() and plain.extend.standard.who_am_i() == f"dn:uid=alice,{PEOPLE}"


@pytest.mark.skipif(not (LDAPJS / "ldapjs").exists(), reason="ldapjs is not installed: make deps-test needs npm's registry")
def test_ldapjs(cluster, domain):
    run = subprocess.run(["node", Path(__file__).parent / "ldapjs" / "session.js", str(cluster.port("ldap")),
                          str(cluster.port("ldaps")), BASE, "alice"], env=dict(os.environ, NODE_PATH=str(LDAPJS)),
                         capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stdout + run.stderr
