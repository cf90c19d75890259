"""The DNS records of a domain: what the tool prints, and what it says of what is published."""

import json
import subprocess

import dns.rdatatype
import dns.zone
import pytest

from cluster import BUILD
from dnsserver import DnsServer

HOST = "mx.example.test"
ADDRESS = "192.0.2.25"


@pytest.fixture
def domain(cluster):
    name = "dns.test"
    cluster.tool("domain", "add", name)
    cluster.tool("domain", "dkim", name, "--selector", "s1")
    cluster.settings(f"smtp-in:{name}", mta_sts="enforce")
    yield name
    cluster.tool("domain", "delete", name, "--force")


@pytest.fixture
def server():
    with DnsServer() as s:
        s.ttl = 0
        yield s


def records(cluster, domain):
    return cluster.json("domain", "dns", domain)["records"]


def publish(server, rows):
    for r in rows:
        if r["kind"] == "address":
            server.set(r["name"], "A", ADDRESS)
            continue
        value = r["zone_line"].split(f" IN {r['type']} ")[1]
        server.add(r["name"], r["type"], value)


def check(cluster, server, domain, *options):
    return subprocess.run([BUILD / "stagepost", "domain", "dns", domain, "--check", *options, "--dir", str(cluster.dir)],
                          env=dict(cluster.env, STAGEPOST_RESOLVER=server.resolver), capture_output=True, text=True,
                          timeout=120)


def states(cluster, server, domain, status):
    result = check(cluster, server, domain, "--json")
    assert result.returncode == status, (result.stdout, result.stderr)
    answer = json.loads(result.stdout)
    assert answer["good"] == (status == 0)
    return {(r["name"], r["type"], r["kind"]): r for r in answer["records"]}


def test_what_is_to_be_published(cluster, domain):
    """A zone file that others can read, with all that is served and nothing else."""
    text = cluster.tool("domain", "dns", domain).stdout
    zone = dns.zone.from_text("$TTL 300\n" + text, origin="test.", relativize=False, check_origin=False)
    found = {(str(name).rstrip("."), dns.rdatatype.to_text(rr.rdtype)): rr[0].to_text()
             for name, node in zone.nodes.items() for rr in node.rdatasets}
    kinds = {(r["name"], r["type"]) for r in records(cluster, domain) if r["kind"] != "address"}
    assert set(found) == kinds | {(domain, "TXT")}
    assert found[domain, "MX"] == f"10 {HOST}."
    assert found[domain, "TXT"] == '"v=spf1 mx ~all"'
    assert found[f"_dmarc.{domain}", "TXT"].startswith('"v=DMARC1; p=none;')
    assert found[f"_smtp._tls.{domain}", "TXT"] == f'"v=TLSRPTv1; rua=mailto:postmaster@{domain}"'
    assert found[f"s1._domainkey.{domain}", "TXT"].startswith('"v=DKIM1;')
    for prefix in ("autoconfig", "autodiscover", "mta-sts"):
        assert found[f"{prefix}.{domain}", "CNAME"] == f"{HOST}."
    for service, port in (("imaps", 993), ("pop3s", 995), ("submissions", 465), ("autodiscover", 443), ("ldap", 389)):
        assert found[f"_{service}._tcp.{domain}", "SRV"] == f"0 1 {port} {HOST}."
    assert f"; {HOST}. needs A and AAAA" in text and "; a safe start" in text


def test_records_follow_the_settings(cluster, domain):
    cluster.settings(f"smtp-in:{domain}", mta_sts="off", autodiscover_port="587", autodiscover_ssl="off")
    cluster.settings(f"imap:{domain}", autodiscover_host="imap.elsewhere.test", autodiscover_port="1143",
                     autodiscover_ssl="off")
    cluster.settings(f"smtp-out:{domain}", outbound_ipv4="192.0.2.9")
    rows = {(r["name"], r["type"]): r for r in records(cluster, domain)}
    assert not any("mta-sts" in name for name, _ in rows)
    assert rows[f"_submission._tcp.{domain}", "SRV"]["value"] == f"0 1 587 {HOST}."
    assert rows[f"_imap._tcp.{domain}", "SRV"]["value"] == "0 1 1143 imap.elsewhere.test."
    assert ("imap.elsewhere.test", "A") in rows
    assert f"_imaps._tcp.{domain}" not in {name for name, _ in rows}
    assert rows[domain, "TXT"]["value"] == "v=spf1 mx ip4:192.0.2.9 ~all"
    cluster.settings(f"smtp-in:{domain}", mta_sts="testing", mta_sts_mx="mx1.out.test, *.out.test, mx2.out.test")
    assert {r["value"] for r in records(cluster, domain) if r["kind"] == "mx"} == {"10 mx1.out.test.", "10 mx2.out.test."}


def test_policy_id_is_that_of_what_is_served(cluster, domain):
    before = [r["value"] for r in records(cluster, domain) if r["kind"] == "mta-sts"]
    assert before == [r["value"] for r in records(cluster, domain) if r["kind"] == "mta-sts"]
    cluster.settings(f"smtp-in:{domain}", mta_sts="testing")
    assert before != [r["value"] for r in records(cluster, domain) if r["kind"] == "mta-sts"]


def test_all_published(cluster, domain, server):
    publish(server, records(cluster, domain))
    assert {r["state"] for r in states(cluster, server, domain, 0).values()} == {"right"}
    lines = check(cluster, server, domain).stdout.splitlines()
    assert lines and all(line.startswith("right    ") for line in lines)


def test_optional_record_may_be_missing(cluster, domain, server):
    publish(server, [r for r in records(cluster, domain) if not r.get("optional")])
    rows = states(cluster, server, domain, 0)
    assert {r["kind"] for r in rows.values() if r["state"] == "missing"} == {"service"}
    server.set(f"_ldap._tcp.{domain}", "SRV", f"0 1 390 {HOST}.")
    assert states(cluster, server, domain, 1)[f"_ldap._tcp.{domain}", "SRV", "service"]["state"] == "wrong"


def test_nothing_published(cluster, domain, server):
    rows = states(cluster, server, domain, 1)
    assert {r["state"] for r in rows.values()} == {"missing"}
    result = check(cluster, server, domain)
    assert result.returncode == 1
    assert f"missing  {domain}. MX\n         publish: {domain}. IN MX 10 {HOST}.\n" in result.stdout


# (kind, start of the name, type, what stands there instead, words of the problem)
WRONG = [
    ("mx", "", "MX", ["10 mx.other.test."], "other servers"),
    ("spf", "", "TXT", ['"v=spf1 a -all"'], "mx"),
    ("spf", "", "TXT", ['"v=spf1 mx -all"', '"v=spf1 mx ~all"'], "several"),
    ("dkim", "s1._domainkey.", "TXT", ['"v=DKIM1; p=AAAA"'], "another key"),
    ("dmarc", "_dmarc.", "TXT", ['"v=DMARC1; rua=mailto:a@b.test"'], "p="),
    ("mta-sts", "_mta-sts.", "TXT", ['"v=STSv1; id=2020;"'], "has changed"),
    ("mta-sts", "_mta-sts.", "TXT", ['"v=STSv1;"'], "not valid"),
    ("tls-rpt", "_smtp._tls.", "TXT", ['"v=TLSRPTv1;"'], "rua="),
    ("alias", "autoconfig.", "CNAME", ["www.other.test."], "another name"),
    ("service", "_imaps._tcp.", "SRV", [f"0 1 994 {HOST}."], "another host or port"),
    ("service", "_pop3s._tcp.", "SRV", ["0 0 0 ."], "another host or port"),
]


def test_wrong_records(cluster, domain, server):
    rows = records(cluster, domain)
    for kind, prefix, rrtype, texts, words in WRONG:
        server.records.clear()
        publish(server, rows)
        server.set(prefix + domain, rrtype, *texts)
        found = states(cluster, server, domain, 1)
        bad = [r for r in found.values() if r["state"] != "right"]
        assert [(r["name"], r["kind"], r["state"]) for r in bad] == [(prefix + domain, kind, "wrong")], (texts, bad)
        assert words in bad[0]["problem"], bad[0]
        assert len(bad[0]["found"]) == len(texts)


def test_other_ways_that_are_right(cluster, domain, server):
    """A backup server, an SPF record of one's own, a key in pieces, addresses instead of aliases."""
    rows = records(cluster, domain)
    publish(server, rows)
    server.add(domain, "MX", "20 backup.other.test.")
    server.set(domain, "TXT", '"some-verification=1"', '"v=spf1 include:_spf.other.test -all"')
    key = next(r["value"] for r in rows if r["kind"] == "dkim").split("p=")[1]
    server.set(f"s1._domainkey.{domain}", "TXT", f'"k=rsa; p={key[:100]} " "{key[100:250]}" "{key[250:]}"')
    server.set(f"_dmarc.{domain}", "TXT", '"v=DMARC1; p=reject"')
    for prefix in ("autoconfig.", "mta-sts."):
        del server.records[prefix + domain, "CNAME"]
        server.set(prefix + domain, "A", ADDRESS)
    assert {r["state"] for r in states(cluster, server, domain, 0).values()} == {"right"}
    server.set(f"autoconfig.{domain}", "A", "192.0.2.99")
    found = states(cluster, server, domain, 1)
    assert "another address" in found[f"autoconfig.{domain}", "CNAME", "alias"]["problem"]


def test_dns_gives_no_answer(cluster, domain, server):
    publish(server, records(cluster, domain))
    server.broken.add(f"_dmarc.{domain}")
    found = states(cluster, server, domain, 1)
    assert found[f"_dmarc.{domain}", "TXT", "dmarc"]["state"] == "unknown"
    assert [r["state"] for r in found.values()].count("right") == len(found) - 1


def test_refusals(cluster):
    for args, words in ((["nowhere.test"], "no domain nowhere.test"), (["no domain"], "not a domain"),
                        ([], "usage: stagepost domain dns"), (["a.test", "--nosuch"], "unknown option")):
        result = cluster.tool("domain", "dns", *args, check=False)
        assert result.returncode == 1 and result.stdout == "" and words in result.stderr
