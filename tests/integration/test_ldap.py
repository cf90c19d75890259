"""LDAP: binds, searches, limits and failures. Filters are compared with slapd, which has the same
entries. For real clients see test_ldap_clients.py."""

import contextlib
import itertools
import os
import re
import signal
import socket
import subprocess
import time
import urllib.request

import pytest

from cluster import SETTLE, Cluster, wait_for
from ldap_client import (NOTICE, TESTS, Ldap, Slapd, bind, boolean, controls, cookie_of, equal, extended, fill_book, integer,
                         ldapsearch, octets, paged, present, request, search, tlv)

BASE = "dc=ldap,dc=test"
PEOPLE = "ou=people," + BASE
FAR = b"PROXY TCP4 192.0.2.7 192.0.2.1 4000 389\r\n"
_numbers = itertools.count(1)
# (account, fields): names in other scripts, values to be escaped, spaces and hyphens, missing fields.
ACCOUNTS = [
    ("alice", {"display_name": "Alice Smith", "given_name": "Alice", "surname": "Smith", "title": "Head of  Sales",
               "phone": "+49 30 1234-56", "department": "Sales", "company": "Example Ltd", "city": "Berlin",
               "postal_code": "10115", "country": "Germany", "url": "http://example.test/Alice", "notes": "likes (tea)*"}),
    ("bob", {}),
    ("carol.o-hara", {"display_name": "Carol O'Hara", "given_name": "Carol", "surname": "O'Hara", "mobile": "+4930999",
                      "title": "Engineer"}),
    ("jurgen", {"display_name": "Jürgen Groß", "given_name": "Jürgen", "surname": "Groß", "city": "Köln"}),
    ("olga", {"display_name": "Ольга Иванова", "given_name": "Ольга", "surname": "Иванова", "street": "Main St. 5, 2nd floor"}),
    ("a+b", {"display_name": "Plus, Person; #1", "pager": "123-456", "home_phone": "030 777", "fax": "030 778", "state": "BE"}),
]
GROUPS = {"sales": ["alice", "bob"], "everyone": ["alice", "bob", "olga"]}


@pytest.fixture(scope="module")
def domain(shared_cluster):
    shared_cluster.add_domain("ldap.test")
    for name, fields in ACCOUNTS:
        shared_cluster.add_user(f"{name}@ldap.test")
        if fields:
            shared_cluster.tool("user", "set", f"{name}@ldap.test", *[f"{k}={v}" for k, v in fields.items()])
    for name, members in GROUPS.items():
        shared_cluster.tool("alias", "add", f"{name}@ldap.test", *[f"{m}@ldap.test" for m in members])
    return "ldap.test"


def connect(cluster, frontend=0, **kwargs):
    return Ldap(cluster.port("ldap", frontend), **kwargs)


def session(cluster, name="alice@ldap.test", frontend=0):
    return connect(cluster, frontend).login(name)


def fresh_domain(cluster, users=("one", "two")):
    name = f"ldap{next(_numbers)}-{os.getpid()}.test"
    for user in users:
        cluster.add_user(f"{user}@{name}")
    return name, ",".join(f"dc={label}" for label in name.split("."))


def result(ldap, *args, **kwargs):
    return ldap.ask(*args, **kwargs)[-1]


# ---- Who may ask ----

def test_anonymous(cluster, domain):
    ldap = connect(cluster)
    root = ldap.ask(search(scope=0, attributes=["*", "+"]))
    assert root[-1].code == 0 and root[0].dn == "" and root[0].attributes["supportedLDAPVersion"] == ["3"]
    assert "namingContexts" not in root[0].attributes  # nobody is told which domains there are
    assert "1.3.6.1.4.1.1466.20037" in root[0].attributes["supportedExtension"]
    assert result(ldap, search(scope=0, filter=equal("objectClass", "person"))).code == 0
    schema = ldap.ask(search("cn=Subschema", 0, attributes=["+"]))
    assert any("'mail'" in t for t in schema[0].attributes["attributeTypes"])
    for base in (BASE, PEOPLE, "", "dc=nothing,dc=test"):
        assert [a.code for a in ldap.ask(search(base))] == [50], base
    assert result(ldap, tlv(0x6e, octets(PEOPLE) + tlv(0x30, octets("ou") + octets("people")))).code == 50
    assert ldap.ask(extended("1.3.6.1.4.1.4203.1.11.3"))[0].value == b""


@pytest.mark.parametrize("name,password,code", [
    ("uid=alice,ou=people,dc=ldap,dc=test", "secret", 0),
    ("UID = Alice , OU=People,DC=LDAP,dc=test", "secret", 0),
    ("alice@ldap.test", "secret", 0),
    ("ALICE@LDAP.TEST", "secret", 0),
    (r"uid=a\2bb,ou=people,dc=ldap,dc=test", "secret", 0),
    ("", "", 0),
    ("alice@ldap.test", "wrong", 49),
    ("nobody@ldap.test", "secret", 49),
    ("uid=nobody,ou=people,dc=ldap,dc=test", "secret", 49),
    ("cn=sales,ou=groups,dc=ldap,dc=test", "secret", 49),
    ("dc=ldap,dc=test", "secret", 49),
    ("", "secret", 49),
    ("uid=alice,ou=people,dc=ldap,dc=test", "", 53),
    ("alice@ldap.test", "", 53),
    ("uid=alice,,dc=test", "secret", 34),
    ("nonsense", "secret", 34),
])
def test_bind(cluster, domain, name, password, code):
    ldap = connect(cluster)
    assert result(ldap, bind(name, password)).code == code
    logged_in = code == 0 and password
    assert ldap.ask(extended("1.3.6.1.4.1.4203.1.11.3"))[0].value.startswith(b"dn:uid=") == bool(logged_in)


def test_failed_bind_logs_out(cluster, domain):
    ldap = session(cluster)
    assert result(ldap, bind("alice@ldap.test", "wrong")).code == 49
    assert result(ldap, search(BASE)).code == 50
    assert result(ldap, bind(version=2)).code == 2
    assert result(ldap, tlv(0x60, integer(3) + octets("") + tlv(0xa3, octets("NTLM")))).code == 7


def test_failed_binds_are_counted_with_other_logins(cluster, domain):
    cluster.settings("auth", failure_delay="1s")
    address, _ = f"slow@{domain}", cluster.add_user(f"slow@{domain}")
    for _ in range(2):
        assert result(connect(cluster), bind(address, "wrong")).code == 49
    begin = time.monotonic()
    session(cluster, address, frontend=1)
    assert time.monotonic() - begin > 0.9


def test_passwords_need_tls(cluster, domain):
    cluster.settings("ldap", proxy_protocol_from="127.0.0.1")
    ldap = connect(cluster, before=FAR)
    assert result(ldap, bind("alice@ldap.test")).code == 13
    assert result(ldap, tlv(0x60, integer(3) + octets("") + tlv(0xa3, octets("PLAIN") + octets("\0alice@ldap.test\0secret")))).code == 13
    assert "supportedSASLMechanisms" not in ldap.ask(search(scope=0, attributes=["+"]))[0].attributes
    answer = result(ldap, extended("1.3.6.1.4.1.1466.20037"))
    assert answer.code == 0 and answer.name == "1.3.6.1.4.1.1466.20037"
    ldap.start_tls()
    assert result(ldap, bind("alice@ldap.test")).code == 0
    assert result(ldap, extended("1.3.6.1.4.1.1466.20037")).code == 2
    cluster.settings("ldap", allow_insecure_auth="on")
    assert result(connect(cluster, before=FAR), bind("alice@ldap.test")).code == 0
    cluster.unset("ldap")  # the next test sends no such header


def test_start_tls_forgets_the_login(cluster, domain):
    ldap = session(cluster)
    # What follows in the same segment was not protected, and must not be obeyed.
    ldap.sock.sendall(request(90, extended("1.3.6.1.4.1.1466.20037")) + request(91, search(BASE)))
    assert ldap.read().id == 90
    ldap.start_tls()
    assert result(ldap, search(BASE)).code == 50


def test_sasl(cluster, domain):
    ldap = connect(cluster)
    plain = tlv(0x60, integer(3) + octets("") + tlv(0xa3, octets("PLAIN") + octets("\0alice@ldap.test\0secret")))
    assert result(ldap, plain).code == 0
    assert ldap.ask(extended("1.3.6.1.4.1.4203.1.11.3"))[0].value == b"dn:uid=alice,ou=people,dc=ldap,dc=test"
    # A dialogue that another mechanism breaks off, then a simple Bind.
    first = tlv(0x60, integer(3) + octets("") + tlv(0xa3, octets("SCRAM-SHA-256") + octets("n,,n=alice@ldap.test,r=abc")))
    assert result(ldap, first).code == 14
    assert result(ldap, plain).code == 0
    assert result(ldap, first).code == 14
    assert result(ldap, bind("bob@ldap.test")).code == 0
    wrong = tlv(0x60, integer(3) + octets("") + tlv(0xa3, octets("SCRAM-SHA-256") + octets("c=biws,r=abc,p=AAAA")))
    assert result(ldap, first).code == 14
    assert result(ldap, wrong).code == 49
    assert result(ldap, search(BASE)).code == 50
    for mechanism in ("SCRAM-SHA-256", "PLAIN"):
        run = subprocess.run(["ldapwhoami", "-Y", mechanism, "-U", "alice@ldap.test", "-w", "secret", "-H",
                              f"ldap://127.0.0.1:{cluster.port('ldap')}", "-O", "none"], capture_output=True, text=True, timeout=30)
        if "no mechanism available" in run.stderr.lower():
            continue  # the client's machine has no such module
        assert run.returncode == 0 and "dn:uid=alice" in run.stdout, run.stderr


# ---- What is there ----

def test_tree(cluster, domain):
    ldap = session(cluster)
    root = ldap.ask(search(scope=0, attributes=["+"]))[0]
    assert root.attributes["namingContexts"] == root.attributes["defaultNamingContext"] == [BASE]
    people = sorted(f"uid={n if n != 'a+b' else chr(92).join(['a', '+b'])},{PEOPLE}" for n, _ in ACCOUNTS)
    assert set(people) <= set(ldap.names(PEOPLE, 1))
    assert ldap.names("ou=groups," + BASE, 1) == sorted(f"cn={g},ou=groups,{BASE}" for g in GROUPS)
    assert ldap.names(BASE, 1) == sorted([PEOPLE, "ou=groups," + BASE])
    assert ldap.names(BASE, 0) == [BASE] and ldap.names("", 1) == [BASE]
    assert ldap.names("", 2) == ldap.names(BASE, 2)
    assert ldap.names(people[0], 1) == [] and ldap.names(people[0], 2) == [people[0]]
    for base, matched in [(f"uid=x,{PEOPLE}", PEOPLE), (f"cn=x,ou=groups,{BASE}", "ou=groups," + BASE), (f"ou=x,{BASE}", BASE),
                          (f"cn=a,uid=alice,{PEOPLE}", PEOPLE), ("dc=test", ""), ("dc=other,dc=test", ""), ("o=x", ""),
                          (f"uid=sales,{PEOPLE}", PEOPLE), (f"cn=alice,ou=groups,{BASE}", "ou=groups," + BASE)]:
        answer = result(ldap, search(base))
        assert (answer.code, answer.matched) == (32, matched), base
    assert result(ldap, search("nonsense")).code == 34


def test_attributes(cluster, domain):
    ldap = session(cluster)

    def attributes(*names):
        return ldap.ask(search(f"uid=alice,{PEOPLE}", 0, attributes=names))[0].attributes

    everything = attributes()
    assert everything["cn"] == ["Alice Smith"] and everything["description"] == ["likes (tea)*"]
    assert everything["mail"] == ["alice@ldap.test"] and everything["ou"] == ["Sales"] and "entryUUID" not in everything
    assert attributes("*") == everything
    assert set(attributes("+")) >= {"entryUUID", "entryDN", "createTimestamp"} and "cn" not in attributes("+")
    assert set(attributes("*", "+")) == set(attributes("*")) | set(attributes("+"))
    assert attributes("1.1") == {} and attributes("nothing") == {}
    assert set(attributes("SURNAME", "rfc822mailbox", "2.5.4.42")) == {"sn", "mail", "givenName"}
    assert set(attributes("name")) == {"cn", "sn", "givenName", "title", "ou", "o", "l"}
    assert set(attributes("cn;lang-en")) == set()
    types = tlv(0x63, octets(f"uid=alice,{PEOPLE}") + integer(0, 10) + integer(0, 10) + integer(0) + integer(0) +
                boolean(True) + present("cn") + tlv(0x30, octets("mail")))
    assert ldap.ask(types)[0].attributes == {"mail": []}
    group = ldap.ask(search(f"cn=sales,ou=groups,{BASE}", 0))[0].attributes
    assert sorted(group["member"]) == [f"uid={n},{PEOPLE}" for n in ("alice", "bob")]


def test_a_change_is_seen_everywhere(cluster, domain):
    sessions = [session(cluster, frontend=n) for n in (0, 1)]
    for s in sessions:
        assert s.names(BASE, filter=equal("title", "Chief")) == []
    cluster.tool("user", "set", "bob@ldap.test", "title=Chief")
    for s in sessions:
        wait_for(lambda: s.names(BASE, filter=equal("title", "Chief")) == [f"uid=bob,{PEOPLE}"], 2, what="the new title")
    cluster.tool("user", "set", "bob@ldap.test", "title=")
    for s in sessions:
        wait_for(lambda: s.names(BASE, filter=equal("title", "Chief")) == [], 2, what="no title")


# ---- Filters: the same answers as slapd's ----
# But for two things that people expect of an address book: "ss" finds "ß", and a letter without an accent
# finds the one with it within a substring (test_folding).

FILTERS = r"""
(objectClass=*) (objectClass=person) (objectClass=INETORGPERSON) (objectClass=2.5.6.6) (objectClass=groupOfNames)
(objectClass=nothing) (!(objectClass=nothing)) (cn=alice smith) (CN=ALICE  SMITH) (cn= Alice Smith ) (commonName=bob)
(2.5.4.3=bob) (cn=alice) (cn=*) (sn=*) (title=*) (!(title=*)) (nosuch=*) (!(nosuch=*)) (!(nosuch=x)) (cn=a*) (cn=*smith)
(cn=*lice*mit*) (cn=*e s*) (cn=a*c*h) (cn=*SMITH*) (sn=*o'h*) (mail=alice@ldap.test) (mail=ALICE@*) (mail=*@ldap.test)
(mail=*ldap*) (mail=nobody@ldap.test) (uid=alice) (uid=ALICE) (uid=carol*) (uid=a\2bb) (uid=a+b) (uid=nobody)
(&(objectClass=person)(uid=alice)) (&(uid=alice)(sn=nobody)) (|(uid=alice)(uid=bob)) (|(uid=alice)(mail=bob@ldap.test))
(|(uid=alice)(cn=*olga*)) (!(uid=alice)) (&(!(uid=alice))(objectClass=person)) (&) (|) (!(&)) (&(objectClass=person)(!(title=*)))
(!(|(title=*)(nosuch=x))) (|(nosuch=x)(uid=bob)) (&(nosuch=x)(uid=bob)) (!(&(nosuch=x)(uid=alice))) (!(&(nosuch=x)(uid=*)))
(telephoneNumber=+49301234-56) (telephoneNumber=+49 30 123456) (telephoneNumber=*1234*) (telephoneNumber=*1 2 3*)
(telephoneNumber=030) (mobile=+49-30-999) (pager=123456) (homePhone=030777) (facsimileTelephoneNumber=030 778)
(!(facsimileTelephoneNumber=030 778)) (facsimileTelephoneNumber=*) (l=berlin) (l=k*) (l=köln) (l=KÖLN) (givenName=jürgen)
(sn=groß) (cn=ольга иванова) (cn=ОЛЬГА*) (cn=*иван*) (description=likes \28tea\29\2a) (description=*\2a)
(labeledURI=http://example.test/Alice) (labeledURI=http://example.test/alice) (labeledURI=http*)
(title=head of sales) (title=head*sales) (title=Head of  Sales) (ou=sales) (ou=people) (o=example ltd) (o=ldap.test)
(dc=ldap) (postalCode=10115) (co=germany) (street=main st. 5, 2nd floor) (street=*5,*) (departmentNumber=sales)
(member=uid=alice,ou=people,dc=ldap,dc=test) (member=UID=Alice, OU=people, dc=ldap,dc=TEST) (member=uid=carol,ou=people,dc=ldap,dc=test)
(member=nonsense) (!(member=nonsense)) (member=*) (entryDN=uid=alice,ou=people,dc=ldap,dc=test) (entryDN=ou=people,dc=ldap,dc=test)
(displayName=alice smith) (displayName=*sm*) (displayName=Plus, Person; #1) (cn=plus, person*) (name=alice) (name=*o'hara*) (name=berlin)
(cn>=b) (cn<=b) (!(cn>=b)) (&(objectClass=person)(createTimestamp>=20000101000000Z)) (createTimestamp<=20000101000000Z) (createTimestamp>=garbage)
(cn=) (!(cn=)) (mail=) (title~=engineer) (cn~=bob) (cn:caseExactMatch:=Alice Smith) (cn:caseExactMatch:=alice smith)
(cn:2.5.13.5:=Alice Smith) (cn:=alice smith) (:caseExactMatch:=Alice) (:caseIgnoreMatch:=alice) (cn:nosuchrule:=x)
(!(cn:nosuchrule:=x)) (ou:dn:=people) (ou:dn:=sales) (uid:dn:=alice) (dc:dn:=ldap) (:dn:caseIgnoreMatch:=people)
(uid:dn:caseExactMatch:=alice) (telephoneNumber:caseIgnoreMatch:=x) (objectClass=pers*) (mail=ü@ldap.test) (!(mail=ü@ldap.test))
(cn=\ff) (!(cn=\ff)) (hasSubordinates=maybe) (structuralObjectClass=inetOrgPerson) (cn;lang-en=alice) (sn=*mit*smith) (cn=*a*a*a*)
(uid=alice*alice) (uid=ali*ice) (member=uid=alice*) (uid>=a) (&(uid=alice)(!(uid=alice))) (|(cn=*zzz*)(mail=*zzz*)(sn=zzz*))
(givenName=*\C3\BC*) (cn=*ice *) (cn=* sm*) (cn=*sm*)
"""


def each_filter():
    """Filters have spaces, and escape the parentheses of values: they end where all parentheses are closed."""
    text = ""
    for part in re.split(r"(?<=\)) ", " ".join(FILTERS.split("\n"))):
        text = f"{text} {part}" if text else part
        if text.count("(") == text.count(")"):
            yield text.strip()
            text = ""
    assert not text.strip(), text


def ldif(cluster):
    """What the server itself shows, with the operational attributes that slapd takes over."""
    run = ldapsearch(cluster.port("ldap"), "alice@ldap.test", BASE, "(objectClass=*)", "*", "createTimestamp",
                     "structuralObjectClass", "entryUUID", args=["-s", "sub"])
    assert run[0] == 0, run[2].stderr
    return run[2].stdout


def answers_to(port, name, base, scope, path):
    """{filter: its answer}, all filters of a file by one process; there without their first parenthesis."""
    _, _, run = ldapsearch(port, name, base, "(%s", "1.1", args=["-s", scope, "-c", "-f", path], brief=False)
    found = {}
    for part in run.stdout.split("# filter: ")[1:]:
        names = [dn.replace(r"\2B", r"\+") for dn in re.findall(r"^dn: (.*)$", part, re.M)]
        found[part.split("\n", 1)[0]] = (re.findall(r"^result: (\d+)", part, re.M), sorted(names))
    return found


@pytest.mark.skipif(not Slapd.is_there(), reason="slapd is not installed")
def test_filters_as_slapd(cluster, domain, tmp_path):
    slapd, path = Slapd(tmp_path, BASE, ldif(cluster)), tmp_path / "filters"
    path.write_text("".join(f"{text[1:]}\n" for text in each_filter()))
    different = []
    try:
        for base, scope in [(BASE, "sub"), (PEOPLE, "one"), (f"uid=alice,{PEOPLE}", "base")]:
            theirs = answers_to(slapd.port, f"cn=admin,{BASE}", base, scope, path)
            ours = answers_to(cluster.port("ldap"), "alice@ldap.test", base, scope, path)
            assert len(ours) > 130 and list(ours) == list(theirs)
            different += [f"{scope} {text}: slapd {theirs[text]}, ours {ours[text]}" for text in ours if ours[text] != theirs[text]]
    finally:
        slapd.stop()
    assert not different, "\n".join(different)


def test_folding(cluster, domain):
    for text in ("(sn=GROSS)", "(sn=*gross*)", "(cn=*jurgen*)", "(l=*koln*)"):
        assert ldapsearch(cluster.port("ldap"), "alice@ldap.test", BASE, text, "1.1")[1] == [f"uid=jurgen,{PEOPLE}"], text


@pytest.mark.parametrize("text,base,found", [
    # Thunderbird's autocompletion and quick search
    ("(|(cn=*ali*smi*-*)(mail=*ali*)(givenName=*ali*)(sn=*ali*))", BASE, ["alice"]),
    ("(|(cn=*car*o*)(mail=*car*)(givenName=*car*)(sn=*car*))", BASE, ["carol.o-hara"]),
    ("(|(displayName=*smith*)(mozillaNickname=*smith*)(cn=*smith*)(mail=*smith*)(mozillaSecondEmail=*smith*)(givenName=*smith*)"
     "(sn=*smith*)(telephoneNumber=*smith*)(homePhone=*smith*)(mobile=*smith*)(o=*smith*)(ou=*smith*)(title=*smith*)"
     "(mozillaCustom1=*smith*)(description=*smith*)(l=*smith*)(st=*smith*)(street=*smith*)(postalCode=*smith*)(c=*smith*))",
     BASE, ["alice"]),
    # macOS Contacts: no base
    ("(|(givenname=jürgen)(sn=jürgen)(cn=jürgen)(mail=jürgen))", "", ["jurgen"]),
    # Outlook and others: prefixes
    ("(&(mail=*)(|(mail=bob*)(cn=bob*)(sn=bob*)(givenName=bob*)(displayName=bob*)))", BASE, ["bob"]),
    ("(&(objectClass=posixAccount)(uid=alice))", BASE, []),
])
def test_queries_of_clients(cluster, domain, text, base, found):
    code, names, _ = ldapsearch(cluster.port("ldap"), "alice@ldap.test", base, text, "1.1", args=["-z", "100", "-l", "30"])
    assert code == 0 and names == [f"uid={n},{PEOPLE}" for n in found]


def test_thunderbird_takes_all(cluster, domain):
    code, names, _ = ldapsearch(cluster.port("ldap"), "alice@ldap.test", BASE, "(objectclass=*)", "cn", "mail")
    assert code == 0 and len(names) >= 3 + len(ACCOUNTS) + len(GROUPS)


# ---- Compare, writes, controls ----

@pytest.mark.parametrize("dn,attribute,value,code", [
    (f"uid=alice,{PEOPLE}", "title", "HEAD OF SALES", 6), (f"uid=alice,{PEOPLE}", "title", "x", 5),
    (f"uid=alice,{PEOPLE}", "mobile", "x", 16), (f"uid=alice,{PEOPLE}", "nosuch", "x", 17),
    (f"uid=alice,{PEOPLE}", "facsimileTelephoneNumber", "x", 18), (f"uid=x,{PEOPLE}", "cn", "x", 32),
    (f"cn=sales,ou=groups,{BASE}", "member", f"UID=bob,{PEOPLE}", 6), (BASE, "dc", "ldap", 6), ("x", "cn", "x", 34),
    ("", "supportedLDAPVersion", "3", 18), ("", "objectClass", "top", 6),
])
def test_compare(cluster, domain, dn, attribute, value, code):
    answer = result(session(cluster), tlv(0x6e, octets(dn) + tlv(0x30, octets(attribute) + octets(value))))
    assert answer.tag == 0x6f and answer.code == code


def test_writes_are_refused(cluster, domain):
    ldap = session(cluster)
    dn = f"uid=alice,{PEOPLE}"
    for tag, answer_tag, content in [(0x66, 0x67, octets(dn) + tlv(0x30, b"")), (0x68, 0x69, octets(dn) + tlv(0x30, b"")),
                                     (0x6c, 0x6d, octets(dn) + octets("uid=x") + boolean(True))]:
        answer = result(ldap, tlv(tag, content))
        assert (answer.tag, answer.code) == (answer_tag, 53) and "read-only" in answer.text
    answer = result(ldap, octets(dn, 0x4a))
    assert (answer.tag, answer.code) == (0x6b, 53)
    assert result(ldap, extended("1.3.6.1.4.1.4203.1.11.1", tlv(0x30, octets("new", 0x82)))).code == 53
    assert result(ldap, extended("1.2.3.4")).code == 2
    assert len(ldap.names(dn, 0)) == 1


def test_controls(cluster, domain):
    ldap = session(cluster)

    def control(oid, critical=None, value=None):
        return tlv(0x30, octets(oid) + (b"" if critical is None else boolean(critical)) + (b"" if value is None else octets(value)))

    one = search(f"uid=alice,{PEOPLE}", 0)
    assert result(ldap, one, controls=controls(control("1.2.3", True))).code == 12
    assert result(ldap, one, controls=controls(control("1.2.3", False))).code == 0
    assert result(ldap, one, controls=controls(control("1.2.3"))).code == 0
    assert result(ldap, one, controls=controls(control("2.16.840.1.113730.3.4.2", True))).code == 0
    assert result(ldap, one, controls=controls(paged(5), paged(5))).code == 2
    assert result(ldap, one, controls=controls(control("1.2.840.113556.1.4.319", True, b"junk"))).code == 2
    assert result(ldap, bind("alice@ldap.test"), controls=controls(paged(5))).code == 12
    assert result(ldap, search(BASE), controls=tlv(0xa0, b"\x30")).code == 2


def walk_pages(cluster, size, filter=present("objectClass"), extra=(), frontends=(0, 1)):
    """All entries, each page from another connection and frontend."""
    names, cookie, pages = [], b"", 0
    while True:
        ldap = session(cluster, frontend=frontends[pages % len(frontends)])
        answers = ldap.ask(search(BASE, filter=filter, attributes=["uid"]), controls=controls(paged(size, cookie), *extra))
        assert answers[-1].code == 0, answers[-1].text
        names += [a.dn for a in answers[:-1]]
        assert len(answers) - 1 <= size
        cookie, pages = cookie_of(answers[-1]), pages + 1
        ldap.close()
        if not cookie:
            return names, pages


def sort_by(*keys, critical=True):
    value = tlv(0x30, b"".join(tlv(0x30, octets(k.lstrip("-")) + (boolean(True, 0x81) if k[0] == "-" else b"")) for k in keys))
    return tlv(0x30, octets("1.2.840.113556.1.4.473") + boolean(critical) + octets(value))


def test_pages(cluster, domain):
    ldap = session(cluster)
    everything = ldap.names(BASE)
    for size in (1, 2, 3, 100):
        names, pages = walk_pages(cluster, size)
        assert sorted(names) == everything and len(set(names)) == len(names)
        assert pages == -(-len(everything) // size)
    # A page that is full to the last entry has no successor.
    assert walk_pages(cluster, len(everything))[1] == 1
    names, _ = walk_pages(cluster, 1, filter=tlv(TESTS["or"], equal("uid", "bob") + equal("mail", "alice@ldap.test")))
    assert names == [f"uid={n},{PEOPLE}" for n in ("alice", "bob")]


def test_cookies_are_checked(cluster, domain):
    ldap = session(cluster)
    cookie = cookie_of(result(ldap, search(BASE), controls=controls(paged(2))))
    bad = [cookie[:-1] + bytes([cookie[-1] ^ 1]), cookie[:10] + b"\x07" + cookie[11:], b"x", b"x" * 300]
    for wrong in bad:
        assert result(ldap, search(BASE), controls=controls(paged(2, wrong))).code == 53
    assert result(ldap, search(PEOPLE), controls=controls(paged(2, cookie))).code == 53
    assert result(ldap, search(BASE, filter=present("cn")), controls=controls(paged(2, cookie))).code == 53
    assert result(session(cluster, "bob@ldap.test"), search(BASE), controls=controls(paged(2, cookie))).code == 53
    # Given up.
    answers = ldap.ask(search(BASE), controls=controls(paged(0, cookie)))
    assert answers[-1].code == 0 and len(answers) == 1 and cookie_of(answers[-1]) == b""


def test_pages_while_entries_change(cluster):
    domain, base = fresh_domain(cluster, ("a", "c", "e"))
    ldap = session(cluster, f"a@{domain}")
    first = ldap.ask(search(base, filter=present("uid")), controls=controls(paged(2)))
    cluster.tool("user", "delete", f"c@{domain}", "--force", check=False)
    cluster.add_user(f"b@{domain}")
    cluster.add_user(f"d@{domain}")
    ldap = session(cluster, f"a@{domain}", frontend=1)
    wait_for(lambda: len(ldap.names(base, filter=equal("uid", "d"))) == 1, 3)
    rest = ldap.ask(search(base, filter=present("uid")), controls=controls(paged(9, cookie_of(first[-1]))))
    assert [a.dn.split(",")[0] for a in first[:-1]] == ["uid=a", "uid=c"]
    assert [a.dn.split(",")[0] for a in rest[:-1]] == ["uid=d", "uid=e"]


def test_sorting(cluster, domain):
    ldap = session(cluster)
    answers = ldap.ask(search(BASE, filter=present("uid"), attributes=["uid", "l", "cn"]), controls=controls(sort_by("-uid")))
    uids = [a.attributes["uid"][0] for a in answers[:-1]]
    assert uids == sorted(uids, reverse=True) and len(uids) >= len(ACCOUNTS)
    names, pages = walk_pages(cluster, 2, filter=present("uid"), extra=[sort_by("l", "-uid")])
    order = {f"uid={n},{PEOPLE}": f.get("city", "\uffff").upper() for n, f in ACCOUNTS}
    cities = [order[n] for n in names if n in order]
    assert cities == sorted(cities) and len(set(names)) == len(names) and set(uids) == {n[4:n.index(",")].replace("\\", "") for n in names}
    # Keys that cannot be used.
    assert result(ldap, search(BASE), controls=controls(sort_by("nosuch"))).code == 12
    answers = ldap.ask(search(BASE, filter=present("uid")), controls=controls(sort_by("nosuch", critical=False)))
    assert answers[-1].code == 0 and len(answers) == len(uids) + 1
    assert b"\x0a\x01\x10" in answers[-1].controls["1.2.840.113556.1.4.474"]
    assert result(ldap, search(BASE), controls=controls(sort_by("facsimileTelephoneNumber"))).code == 12


def unread(ldap, *requests):
    """Sends requests that the server reads in one go; what it answers to them, by id."""
    ldap.sock.sendall(b"".join(requests))
    answers = []
    while len([a for a in answers if a.tag != 0x64]) < len(requests):
        answers.append(ldap.read())
        assert answers[-1] is not None
    return {a.id: a for a in answers if a.tag != 0x64}


def test_a_wrong_key_outlives_its_message(large):
    """The result of a search that took several turns names the key; other messages have come since."""
    every = tlv(0xa1, tlv(0xa9, octets("caseIgnoreMatch", 0x81) + octets("zz", 0x83)) * 60)
    for size in (500, 2000, 200000):
        ldap, key = session(large, "alice@large.test"), "Q" * size
        later = [request(100 + n, search(scope=0, attributes=["1.1"])) for n in range(3)]
        answers = unread(ldap, request(7, search("dc=large,dc=test", filter=every), controls(sort_by(key, critical=False))), *later)
        assert answers[7].code == 0
        assert answers[7].controls["1.2.840.113556.1.4.474"].endswith(octets(key, 0x80)[-size:])


def test_too_many_keys_and_names(cluster, domain):
    ldap = session(cluster)
    assert result(ldap, search(BASE), controls=controls(sort_by(*["uid"] * 16))).code == 12
    assert result(ldap, search(BASE), controls=controls(sort_by(*["x"] * 17, critical=False))).code == 2
    assert result(ldap, search(BASE, attributes=["uid"] * 256)).code == 0
    assert result(ldap, search(BASE, attributes=["uid"] * 257)).code == 2
    assert result(ldap, search(BASE, attributes=[""] * 100000)).code == 2
    # Who may not search is told so before the rest is read.
    assert result(connect(cluster), search(BASE, filter=tlv(0xa2, b""))).code == 50


def test_the_root_has_no_pages(cluster, domain):
    for ldap in (connect(cluster), session(cluster)):
        answers = ldap.ask(search(scope=0), controls=controls(paged(1, b"\1" + bytes(30))))
        assert [a.code for a in answers] == [None, 0] and cookie_of(answers[-1]) == b""


def test_size_limit(cluster, domain):
    ldap = session(cluster)
    answers = ldap.ask(search(BASE, size=3))
    assert answers[-1].code == 4 and len(answers) == 4
    assert ldap.ask(search(BASE, filter=equal("uid", "bob"), size=1))[-1].code == 0
    cluster.settings("ldap", size_limit=2)
    assert ldap.ask(search(BASE))[-1].code == 4 and ldap.ask(search(BASE, size=100))[-1].code == 4
    assert sorted(walk_pages(cluster, 100)[0]) == sorted(set(walk_pages(cluster, 1)[0]))
    cluster.settings("ldap", size_limit=0, book_max=1)
    answer = ldap.ask(search(BASE, filter=present("cn")))[-1]
    assert answer.code == 11 and "too large" in answer.text
    assert ldap.names(BASE, filter=equal("mail", "bob@ldap.test")) == [f"uid=bob,{PEOPLE}"]


# ---- Who may be seen ----

def test_visibility(cluster, domain):
    other, base = fresh_domain(cluster)
    ldap = session(cluster)
    assert result(ldap, search(base)).code == 32
    cluster.settings("ldap", visibility="all_domains")
    assert f"uid=one,ou=people,{base}" in ldap.names(base)
    assert result(ldap, search("dc=nowhere,dc=test")).code == 32
    cluster.settings(f"ldap:{domain}", visibility="self")
    assert ldap.names(BASE, filter=present("uid")) == [f"uid=alice,{PEOPLE}"]
    assert result(ldap, search(f"uid=bob,{PEOPLE}", 0)).code == 32
    assert result(ldap, search(base)).code == 32
    assert len(session(cluster, f"one@{other}").names(BASE)) > 3


def test_hidden_entries(cluster):
    domain, base = fresh_domain(cluster, ("user", "shy", "admin"))
    cluster.tool("user", "set", f"shy@{domain}", "book=off")
    cluster.tool("domain", "set", domain, f"admins=admin@{domain}")
    shy = f"uid=shy,ou=people,{base}"

    def sees(name, **kwargs):
        return shy in session(cluster, f"{name}@{domain}").names(base, **kwargs)

    wait_for(lambda: not sees("user"), 2)
    assert not sees("user", filter=equal("uid", "shy")) and sees("admin") and sees("admin", filter=equal("uid", "shy"))
    assert sees("shy", filter=equal("mail", f"shy@{domain}"))
    assert result(session(cluster, f"user@{domain}"), search(shy, 0)).code == 32


def test_hidden_members(cluster):
    """A list does not show whom the address book hides."""
    domain, base = fresh_domain(cluster, ("user", "shy", "gone", "admin"))
    cluster.tool("alias", "add", f"list@{domain}", *[f"{n}@{domain}" for n in ("user", "shy", "gone")], "far@elsewhere.test")
    cluster.tool("user", "set", f"shy@{domain}", "book=off")
    cluster.tool("user", "set", f"gone@{domain}", "enabled=off")
    cluster.tool("domain", "set", domain, f"admins=admin@{domain}")

    def members(name, filter=present("cn")):
        answers = session(cluster, f"{name}@{domain}").ask(search(f"ou=groups,{base}", 1, filter))
        return {dn.split(",")[0] for a in answers[:-1] for dn in a.attributes["member"]}

    wait_for(lambda: members("user") == {"uid=user", "uid=far"}, 3, what="hidden members")
    assert members("shy") == {"uid=user", "uid=shy", "uid=far"}
    assert members("admin") == {"uid=user", "uid=shy", "uid=gone", "uid=far"}
    for name, found in [("shy", 0), ("gone", 0), ("user", 2)]:
        assert len(members("user", equal("member", f"uid={name},ou=people,{base}"))) == found


# ---- Limits ----

def notice(ldap):
    answer = ldap.read()
    assert answer.id == 0 and answer.tag == 0x78 and answer.name == NOTICE
    assert ldap.read() is None
    return answer.code


@pytest.mark.parametrize("data", [
    b"GET / HTTP/1.1\r\n\r\n", b"\x30\x80\x02\x01\x01\x00\x00", b"\x30\x85\x01\x00\x00\x00\x00", b"\x30\x84\xff\xff\xff\xff",
    b"\x30\x84\x00\x10\x00\x00", b"\x30\x00", b"\x30\x03\x02\x01\x01", b"\x30\x05\x02\x01\x01\x63\x7f", b"\x30\x05\x02\x01\x01\x5f\x00",
    b"\x30\x05\x02\x01\x00\x63\x00", b"\x30\x05\x02\x01\xff\x63\x00", b"\x30\x08\x02\x05\x01\x01\x01\x01\x01\x42",
    b"\x30\x05\x02\x01\x01\x61\x00", b"\x30\x07\x02\x01\x01\x9f\x83\x7f\x00",
])
def test_garbage(cluster, domain, data):
    ldap = connect(cluster)
    ldap.sock.sendall(data)
    assert notice(ldap) == 2
    session(cluster)


@pytest.mark.parametrize("operation,code", [
    (tlv(0x60, b""), 2), (tlv(0x60, integer(3)), 2), (tlv(0x60, integer(3) + octets("x") + octets("y", 0x81)), 7), (tlv(0x63, b""), 2),
    (tlv(0x63, octets(BASE)), 2), (search(BASE, 4), 2), (search(BASE, -1), 2), (search(BASE, size=-1), 2),
    (search(BASE, filter=tlv(0xaf, b"")), 2), (search(BASE, filter=tlv(0xa2, b"")), 2), (search(BASE, filter=tlv(0xa3, octets("cn"))), 2),
    (search(BASE, filter=tlv(0xa4, octets("cn") + tlv(0x30, b""))), 2),
    (search(BASE, filter=tlv(0xa4, octets("cn") + tlv(0x30, octets("a", 0x82) + octets("b", 0x81)))), 2),
    (search(BASE, filter=tlv(0xa9, octets("x", 0x83))), 2), (tlv(0x6e, b""), 2), (tlv(0x77, b""), 2),
    (search(BASE, filter=equal("cn", "x"))[:-2] + b"\x04\x00", 2),
])
def test_malformed_requests(cluster, domain, operation, code):
    ldap = session(cluster)
    assert result(ldap, operation).code == code


def nested(depth, tag=0xa2):
    filter = present("cn")
    for _ in range(depth):
        filter = tlv(tag, filter)
    return filter


def test_complex_filters(cluster, domain):
    ldap = session(cluster)
    assert result(ldap, search(BASE, filter=nested(31))).code == 0
    for filter in (nested(33), nested(5000), tlv(0xa1, equal("cn", "x") * 10000), tlv(0xa1, equal("cn", "x") * 300),
                   tlv(0xa4, octets("cn") + tlv(0x30, octets("a", 0x81) * 1000))):
        assert result(ldap, search(BASE, filter=filter)).code == 11
    assert result(ldap, search(BASE, filter=tlv(0xa1, equal("cn", "x") * 250))).code == 0
    # Almost as large as a message may be, in pieces; then a little more.
    long = "x" * 200000
    message = request(77, search(BASE, filter=equal("cn", long)))
    for at in range(0, len(message), 7000):
        ldap.sock.sendall(message[at:at + 7000])
    assert ldap.read().id == 77
    assert len(ldap.names(BASE)) > 3
    ldap.sock.sendall(request(78, search(BASE, filter=equal("cn", long * 2)))[:20])
    assert notice(ldap) == 2


def test_byte_by_byte(cluster, domain):
    ldap = connect(cluster)
    for byte in request(1, bind("alice@ldap.test")) + request(2, search(f"uid=alice,{PEOPLE}", 0)):
        ldap.sock.sendall(bytes([byte]))
        time.sleep(0.001)
    assert [ldap.read().tag for _ in range(3)] == [0x61, 0x64, 0x65]


def test_large_before_login(cluster, domain):
    ldap = connect(cluster)
    ldap.sock.sendall(request(1, bind("x" * 9000)))
    assert notice(ldap) == 2


def test_timeouts(cluster, domain):
    cluster.settings("ldap", session_timeout="1s", command_timeout="2s")
    idle, half, bound = connect(cluster), connect(cluster), session(cluster)
    half.sock.sendall(request(1, search(BASE))[:20])
    begin = time.monotonic()
    assert notice(idle) == 52 and notice(bound) == 52
    assert 0.8 < time.monotonic() - begin < 2
    assert notice(half) == 52
    assert 1.8 < time.monotonic() - begin < 4


def test_connection_limits(cluster, domain):
    cluster.settings("ldap", max_connections=2, max_bad_commands=3)
    kept = [connect(cluster) for _ in range(2)]
    for k in kept:
        assert result(k, search(scope=0)).code == 0
    assert notice(connect(cluster)) == 51
    for _ in range(3):
        assert result(kept[0], extended("1.2.3")).code == 2
    assert notice(kept[0]) == 2


def test_disabled_account(cluster):
    domain, base = fresh_domain(cluster)
    ldap = session(cluster, f"one@{domain}")
    cluster.tool("user", "set", f"one@{domain}", "enabled=off")
    assert notice(ldap) == 52
    assert result(connect(cluster), bind(f"one@{domain}")).code == 49


# ---- Searches that take long ----

@contextlib.contextmanager
def no_worker(cluster):
    """Nobody compares address books with accounts, which the entries of fill_book() do not have."""
    os.kill(cluster.pid("delivery-worker-0"), signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(cluster.pid("delivery-worker-0"), signal.SIGCONT)


@pytest.fixture(scope="module")
def large():
    """A cluster with a domain of 6,000 entries."""
    cluster = Cluster(frontends=1).start()
    with no_worker(cluster):
        cluster.add_user("alice@large.test")
        fill_book(cluster, "large.test", 6000)
        cluster.settings("ldap", size_limit=0)
        yield cluster
    cluster.remove()


def open_connections(cluster):
    text = urllib.request.urlopen(f"http://127.0.0.1:{cluster.metrics_port('frontend-0')}/metrics").read().decode()
    return int(re.search(r'^stagepost_connections\{protocol="ldap"\} (\d+)', text, re.M).group(1))


def test_a_client_that_does_not_read(large):
    slow = session(large, "alice@large.test")
    slow.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 17)
    for _ in range(4):
        slow.send(search("dc=large,dc=test"))
    time.sleep(1)
    # Others are served meanwhile, and the server has not written more than it may.
    assert len(session(large, "alice@large.test").names("dc=large,dc=test", filter=equal("uid", "user000005"))) == 1
    counts, codes = {}, set()
    while len([1 for v in counts.values() if v[1]]) < 4:
        answer = slow.read()
        entries, done = counts.get(answer.id, (0, False))
        counts[answer.id] = (entries + (answer.tag == 0x64), answer.tag == 0x65)
        codes.add(answer.code)
    assert {v for v in counts.values()} == {(6004, True)} and codes == {None, 0}


def test_a_client_that_never_reads(large):
    """Though its searches end by their own limit, the connection does not stay."""
    large.settings("ldap", command_timeout="2s")
    try:
        slow = connect(large)
        slow.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 13)
        slow.login("alice@large.test")
        for _ in range(4):
            slow.send(search("dc=large,dc=test", attributes=["*", "+"]))
        wait_for(lambda: open_connections(large) == 1, 5, what="the searches")
        wait_for(lambda: open_connections(large) == 0, 8, what="the end of the connection")
    finally:
        large.unset("ldap")
        large.settings("ldap", size_limit=0)


def part(attribute, text):
    return tlv(0xa4, octets(attribute) + tlv(0x30, octets(text, 0x81)))


def test_the_index_looks_at_few_entries(large):
    """A search that has to look at more than book_max is refused: the index leaves few for a rare text."""
    ldap = session(large, "alice@large.test")
    large.settings("ldap", book_max=500)

    def found(filter):
        answers = ldap.ask(search("dc=large,dc=test", filter=filter, attributes=["1.1"]))
        return answers[-1].code, len(answers) - 1

    try:
        assert found(part("mail", "ser004321@")) == (0, 1)
        assert found(tlv(0xa1, part("cn", "amily4321") + part("sn", "amily4321"))) == (0, 1)
        assert found(tlv(0xa1, part("cn", "amily4321") + part("mail", "er001234"))) == (0, 2)
        assert found(tlv(0xa0, present("cn") + part("givenName", "ven5999"))) == (0, 1)
        assert found(part("cn", "nobody of this name")) == (0, 0)
        for refused in (present("cn"), part("mail", "user"), part("cn", "12"), tlv(0xa2, part("mail", "ser004321@")),
                        tlv(0xa1, part("mail", "ser004321@") + present("mobile"))):
            assert found(refused) == (11, 0)
        large.unset("ldap", "book_max")
        assert found(part("cn", "12"))[1] > 100 and found(tlv(0xa2, part("mail", "ser004321@")))[1] == 6003
    finally:
        large.unset("ldap", "book_max")


def test_abandon_and_cancel(large):
    ldap = session(large, "alice@large.test")
    ldap.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 17)
    for _ in range(2):
        ldap.send(search("dc=large,dc=test", attributes=["*", "+"]))
    time.sleep(0.5)
    first, second = ldap.last - 1, ldap.last
    ldap.sock.sendall(request(100, tlv(0x50, first.to_bytes(1, "big"))))
    ldap.sock.sendall(request(101, extended("1.3.6.1.1.8", tlv(0x30, integer(second)))))
    ldap.sock.sendall(request(102, extended("1.3.6.1.1.8", tlv(0x30, integer(second)))))
    results = {}
    while 102 not in results:
        answer = ldap.read()
        if answer.tag != 0x64:
            results[answer.id] = answer.code
    assert first not in results and results[101] in (0, 119) and results[102] == 119
    assert results[second] == (118 if results[101] == 0 else 0)
    assert len(ldap.names("dc=large,dc=test", filter=equal("uid", "user000005"))) == 1


def test_sorted_answers_are_limited(large):
    ldap = session(large, "alice@large.test")
    answers = ldap.ask(search("dc=large,dc=test", attributes=["uid"]), controls=controls(sort_by("-uid")))
    assert answers[-1].code == 4 and len(answers) == 2001
    # Those that come unsorted are not.
    answers = ldap.ask(search("dc=large,dc=test", attributes=["1.1"]), controls=controls(sort_by("nosuch", critical=False)))
    assert answers[-1].code == 0 and len(answers) == 6005


def test_one_client_does_not_hold_the_loop(large):
    """Filters that are much work for every entry, sent by one client again and again, beside a client that asks for little."""
    terms = tlv(0xa9, octets("caseIgnoreMatch", 0x81) + octets("zz", 0x83)) * 250
    busy, other = session(large, "alice@large.test"), session(large, "alice@large.test")
    for _ in range(4):
        busy.send(search("dc=large,dc=test", filter=tlv(0xa1, terms)))
    waits = []
    for _ in range(100):
        begin = time.monotonic()
        assert len(other.names("dc=large,dc=test", filter=equal("uid", "user000005"))) == 1
        waits.append(time.monotonic() - begin)
    print("waited", sum(waits), max(waits))
    assert sum(waits) < 2


@pytest.mark.parametrize("last", ["bind", "unbind", "garbage"])
def test_the_end_of_one_search_drops_the_others(large, last):
    """What waits behind four searches is read when one of them ends, as the client reads."""
    ldap = connect(large)
    ldap.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    ldap.login("alice@large.test")
    data = b"".join(request(10 + n, search("dc=large,dc=test", size=2500 + n, attributes=["*", "+"])) for n in range(4))
    data += {"bind": request(20, bind()), "unbind": request(20, tlv(0x42, b"")), "garbage": b"\x30\x03\x02\x01\x01"}[last]
    ldap.sock.sendall(data)
    time.sleep(0.5)
    answers = []
    while (answer := ldap.read()) is not None:
        answers.append(answer)
        if answer.id == 20:
            break
    done = [a for a in answers if a.tag == 0x65]
    assert 1 <= len(done) <= 4 and {a.code for a in done} == {4}
    if last == "bind":
        assert answers[-1].tag == 0x61
    elif last == "garbage":
        assert (answers[-1].id, answers[-1].code) == (0, 2)
    assert len(session(large, "alice@large.test").names("dc=large,dc=test", filter=equal("uid", "user000005"))) == 1


def test_bind_ends_searches(large):
    ldap = session(large, "alice@large.test")
    ldap.send(search("dc=large,dc=test"))
    ldap.last += 1
    ldap.sock.sendall(request(ldap.last, bind()))
    while (answer := ldap.read()).id != ldap.last:
        pass
    assert answer.tag == 0x61


def test_terminated_during_a_search(own_cluster):
    cluster = own_cluster(frontends=1)
    with no_worker(cluster):
        cluster.add_user("alice@end.test")
        fill_book(cluster, "end.test", 3000)
        cluster.settings("ldap", size_limit=0)
        busy, idle = session(cluster, "alice@end.test"), session(cluster, "alice@end.test")
        busy.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 17)
        busy.send(search("dc=end,dc=test"))
        time.sleep(0.3)
        cluster.kill("frontend-0", signal.SIGTERM)
        assert notice(idle) == 52
        answers = []
        while (answer := busy.read()) is not None:
            answers.append(answer)
    assert [a.tag for a in answers].count(0x64) == 3004 and [a.code for a in answers[-2:]] == [0, 52]


# ---- The store ----

def test_without_the_store(own_cluster):
    cluster = own_cluster(frontends=1)
    for name in ("alice@store.test", "bob@store.test", "eve@unread.test"):
        cluster.add_user(name)
    cluster.settings("ldap", visibility="all_domains", command_timeout="60s")
    ldap = session(cluster, "alice@store.test")
    names = ldap.names("dc=store,dc=test")
    redis = cluster.pid("redis")
    os.kill(redis, signal.SIGSTOP)
    try:
        assert ldap.names("dc=store,dc=test") == names  # the book is in memory
        assert result(connect(cluster, timeout=60), bind("bob@store.test", "secret")).code == 52
        assert result(ldap, search("dc=unread,dc=test")).code == 52
        assert result(connect(cluster, timeout=60), bind("nobody@store.test", "wrong")).code == 52
        assert result(ldap, search("dc=unread,dc=test", time_limit=1)).code in (3, 52)
        assert ldap.names("dc=store,dc=test") == names
    finally:
        os.kill(redis, signal.SIGCONT)
    wait_for(lambda: result(connect(cluster), bind("bob@store.test", "secret")).code == 0, 20, what="logins again")
    assert "uid=eve,ou=people,dc=unread,dc=test" in ldap.names("dc=unread,dc=test")


def test_a_frontend_that_is_killed(own_cluster):
    """Its cookie goes on at another one."""
    cluster = own_cluster(frontends=2)
    for n in range(4):
        cluster.add_user(f"user{n}@kill.test")
    ldap = session(cluster, "user0@kill.test")
    first = ldap.ask(search("dc=kill,dc=test", filter=present("uid")), controls=controls(paged(2)))
    cluster.kill("frontend-0")
    assert ldap.read() is None
    rest = session(cluster, "user0@kill.test", frontend=1).ask(
        search("dc=kill,dc=test", filter=present("uid")), controls=controls(paged(9, cookie_of(first[-1]))))
    assert [a.dn.split(",")[0] for a in first[:-1] + rest[:-1]] == [f"uid=user{n}" for n in range(4)]


def test_metrics(cluster, domain):
    ldap = session(cluster)
    ldap.names(BASE)
    text = urllib.request.urlopen(f"http://127.0.0.1:{cluster.metrics_port('frontend-0')}/metrics").read().decode()
    assert 'stagepost_connections{protocol="ldap"}' in text
    assert int(re.search(r"^stagepost_ldap_searches_total (\d+)", text, re.M).group(1)) >= 1
    process = next(p for p in cluster.json("status")["processes"] if p["kind"] == "frontend")
    assert "ldap" in process["connections"]
    time.sleep(SETTLE)
