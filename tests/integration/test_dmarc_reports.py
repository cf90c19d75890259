"""DMARC reports of others, as people have them: XML, gzip, zip, or messages; in files, and in a mailbox."""

import gzip
import imaplib
import io
import json
import subprocess
import time
import zipfile
from email.message import EmailMessage

import pytest

from cluster import BUILD, Cluster

BEGIN = 1795478400  # 2026-11-24


def row(source="192.0.2.7", count=1, disposition="none", dkim="pass", spf="pass"):
    return (f"<record><row><source_ip>{source}</source_ip><count>{count}</count><policy_evaluated><disposition>"
            f"{disposition}</disposition><dkim>{dkim}</dkim><spf>{spf}</spf></policy_evaluated></row><identifiers>"
            "<header_from>example.test</header_from></identifiers><auth_results><spf><domain>example.test</domain>"
            "<result>pass</result></spf></auth_results></record>")


def xml(*rows, org="google.com", id="1", domain="example.test", begin=BEGIN, attributes=""):
    return ('<?xml version="1.0" encoding="UTF-8" ?>\n'
            f"<feedback{attributes}><report_metadata><org_name>{org}</org_name><email>a@b.test</email>"
            f"<report_id>{id}</report_id><date_range><begin>{begin}</begin><end>{begin + 86399}</end></date_range>"
            f"</report_metadata><policy_published><domain>{domain}</domain><p>none</p></policy_published>"
            f"{''.join(rows)}</feedback>").encode()


def zipped(data, method=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as z:
        z.writestr("google.com!example.test!1!2.xml", data)
    return out.getvalue()


def streamed(data):
    """A zip file whose writer did not know the size when it began."""
    class Pipe(io.RawIOBase):
        def __init__(self):
            self.data = b""

        def writable(self):
            return True

        def write(self, piece):
            self.data += bytes(piece)
            return len(piece)
    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("a.xml", data)
    assert pipe.data[6] & 8
    return pipe.data


def mailed(data, subtype="gzip"):
    m = EmailMessage()
    m["Subject"] = "Report Domain: example.test"
    m.set_content("A report.")
    m.add_attachment(data, maintype="application", subtype=subtype, filename="a")
    return m.as_bytes()


def run(*args, input=None):
    return subprocess.run([BUILD / "stagepost", "dmarc-report", "read", *map(str, args)], input=input,
                          capture_output=True, timeout=60)


@pytest.fixture
def read(tmp_path):
    """What the files with these contents add up to."""
    def read(*contents, options=()):
        files = []
        for i, data in enumerate(contents):
            files.append(tmp_path / str(i))
            files[-1].write_bytes(data)
        done = run("--json", *options, *files)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)
    return read


FORMS = {
    "xml": lambda d: d, "gzip": gzip.compress, "zip": zipped, "stored": lambda d: zipped(d, zipfile.ZIP_STORED),
    "streamed": streamed, "mark": lambda d: b"\xef\xbb\xbf" + d,
    "mail-gzip": lambda d: mailed(gzip.compress(d)), "mail-zip": lambda d: mailed(zipped(d), "zip"),
    "mail-octets": lambda d: mailed(zipped(d), "octet-stream"), "mail-xml": lambda d: mailed(d, "xml"),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms(read, form):
    sums = read(FORMS[form](xml(row(count=3), row("2001:DB8:0::1", 2, "reject", "fail", "fail"))))
    assert sums["unreadable"] == [] and sums["reports"] == 1
    a, b = sums["sources"]
    assert a == {"domain": "example.test", "source": "192.0.2.7", "messages": 3, "spf": 3, "dkim": 3, "failed": 0,
                 "none": 3, "quarantine": 0, "reject": 0, "reporters": ["google.com"]}
    assert b["source"] == "2001:db8::1" and (b["failed"], b["reject"], b["spf"]) == (2, 2, 0)


def test_sums(read):
    """By source, over reports; the same report counts once, however it came."""
    first = xml(row(count=3), row("198.51.100.9", 40, "quarantine", "fail", "pass"))
    sums = read(first, gzip.compress(first), xml(row(count=4, spf="fail"), org="yahoo.com"),
                xml(row(), id="2", domain="Other.test"))
    assert (sums["reports"], sums["repeated"]) == (3, 1)
    assert [(s["domain"], s["source"], s["messages"], s["spf"], s["dkim"], s["reporters"]) for s in sums["sources"]] == [
        ("example.test", "198.51.100.9", 40, 40, 0, ["google.com"]),
        ("example.test", "192.0.2.7", 7, 3, 7, ["google.com", "yahoo.com"]),
        ("other.test", "192.0.2.7", 1, 1, 1, ["google.com"])]
    assert {s["domain"] for s in read(first, xml(row(), domain="other.test"), options=("--domain", "OTHER.test"))
            ["sources"]} == {"other.test"}


def test_since(read):
    old, new = xml(row(count=5)), xml(row(count=7), id="2", begin=BEGIN + 2 * 86400)
    assert read(old, new, options=("--since", "2026-11-25"))["sources"][0]["messages"] == 7
    assert read(old, new, options=("--since", "2026-11-24"))["sources"][0]["messages"] == 12


def test_wild_reports(read):
    """A namespace (RFC 9990), fields that are missing, rows that say nothing, control characters."""
    ns = ' xmlns="urn:ietf:params:xml:ns:dmarc-2.0"'
    assert read(xml(row(disposition="pass"), attributes=ns))["sources"][0]["none"] == 1
    bare = (b"<feedback><policy_published><domain>example.test</domain></policy_published>"
            b"<record><row><source_ip>192.0.2.7</source_ip><count>2</count></row></record></feedback>")
    line, = read(bare)["sources"]
    assert (line["messages"], line["failed"], line["none"], line["reporters"]) == (2, 2, 2, [""])
    sums = read(xml(row(), row("nowhere"), row(count=0), row(count=-1), row(count=10**18), "<record/>",
                    org="evil&#x85;&#x9;.test"))
    assert sums["skipped_rows"] == 5 and sums["sources"][0]["messages"] == 1
    assert sums["sources"][0]["reporters"][0].isprintable() and sums["sources"][0]["reporters"][0].isascii()


def test_many_rows(read):
    sums = read(gzip.compress(xml(*(row(f"10.0.{i >> 8}.{i & 255}") for i in range(20000)))))
    assert len(sums["sources"]) == 20000 and sums["unreadable"] == []


LAUGHS = (b'<?xml version="1.0"?><!DOCTYPE f [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'
          b"<feedback><policy_published><domain>&b;</domain></policy_published></feedback>")
GOOD = xml(row())
BAD = {
    "gzip-bomb": (lambda: gzip.compress(bytes(300 << 20)), "more than 32 MiB"),
    "zip-bomb": (lambda: zipped(bytes(300 << 20)), "more than 32 MiB"),
    "mail-bomb": (lambda: mailed(gzip.compress(bytes(300 << 20))), "more than 32 MiB"),
    "large": (lambda: bytes(40 << 20), "more than 32 MiB"),
    "laughs": (lambda: LAUGHS, "document type"),
    "cut-gzip": (lambda: gzip.compress(GOOD)[:-20], "cut off"),
    "cut-zip": (lambda: zipped(GOOD)[:100], "cut off"),
    "cut-stored": (lambda: zipped(GOOD, zipfile.ZIP_STORED)[:100], "cut off"),
    "cut-header": (lambda: b"PK\3\4\0\0", "cut off"),
    "cut-xml": (lambda: GOOD[:-30], "line 2"),
    "encrypted": (lambda: b"PK\3\4\x14\0\1" + zipped(GOOD)[7:], "encrypted"),
    "broken-gzip": (lambda: b"\x1f\x8b" + bytes(100), "broken"),
    "html": (lambda: b'<?xml version="1.0"?><html/>', "feedback"),
    "nobody": (lambda: b"<feedback/>", "whose policy"),
    "text": (lambda: b"Hello.\r\n", "no report"),
    "empty": (lambda: b"", "no report"),
    "deep": (lambda: b"<feedback>" + b"<a>" * 1000, "elements"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files(read, tmp_path, name):
    """Alone it is an error; among others it is named, and they count."""
    make, words = BAD[name]
    data = make()
    (tmp_path / "bad").write_bytes(data)
    done = run(tmp_path / "bad")
    assert done.returncode == 1 and done.stdout == b"" and len(done.stderr.splitlines()) == 1
    assert words in done.stderr.decode() and "bad: " in done.stderr.decode()
    sums = read(data, GOOD)
    assert sums["reports"] == 1 and words in sums["unreadable"][0]["why"]


def test_for_people(tmp_path):
    done = run("-", tmp_path / "missing", input=GOOD)
    assert done.returncode == 0
    first, second, third = done.stdout.decode().splitlines()
    assert first.split() == ["example.test", "192.0.2.7", "1", "messages", "1", "spf", "1", "dkim", "0", "failed", "0",
                             "quarantined", "0", "rejected", "google.com"]
    assert second == "; 1 reports, 0 of them repeated, 0 rows skipped" and "missing: it cannot be opened" in third


@pytest.mark.parametrize("args", [(), ("--since", "tomorrow", "-"), ("--domain", "a b", "-"), ("--since",), ("--no", "-")])
def test_wrong_arguments(args):
    done = run(*args, input=GOOD)
    assert done.returncode == 1 and done.stdout == b"" and len(done.stderr.splitlines()) == 1


# ---- a mailbox ----

@pytest.fixture(scope="module")
def cluster():
    with Cluster() as cluster:
        cluster.add_user("two@example.test")
        yield cluster


def inbox(cluster, domain, user, *options):
    return cluster.json("dmarc-report", "inbox", domain, "--mailbox", user, *options)


def test_mailbox(cluster):
    """Reports beside other mail, a bomb among it; of the domain's reports only."""
    user = cluster.add_user("reports@example.test")
    assert inbox(cluster, "example.test", user)["sources"] == []
    imap = imaplib.IMAP4("127.0.0.1", cluster.port("imap"))
    imap.login(user, "secret")
    imap.create("Reports")
    messages = [mailed(gzip.compress(xml(row(count=3)))), mailed(zipped(xml(row(count=4), id="2", org="b.test")), "zip"),
                mailed(gzip.compress(xml(row(count=3)))), mailed(zipped(xml(row(), domain="other.test")), "zip"),
                b"Subject: lunch\r\n\r\nNoon?\r\n", mailed(gzip.compress(bytes(300 << 20)))]
    for m in messages:
        assert imap.append("INBOX", None, None, m.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))[0] == "OK"
    assert imap.append("Reports", None, None, messages[1].replace(b"\n", b"\r\n"))[0] == "OK"
    imap.logout()
    sums = inbox(cluster, "EXAMPLE.test", user.upper())
    line, = sums["sources"]
    assert (line["source"], line["messages"], line["reporters"]) == ("192.0.2.7", 7, ["google.com", "b.test"])
    assert (sums["reports"], sums["repeated"]) == (2, 1)
    bomb, = sums["unreadable"]
    assert bomb["file"] == "message 6" and "32 MiB" in bomb["why"]
    assert inbox(cluster, "example.test", user, "--folder", "Reports")["sources"][0]["messages"] == 4
    tomorrow = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 86400))
    assert inbox(cluster, "example.test", user, "--since", tomorrow)["sources"] == []


@pytest.mark.parametrize("args, words", [
    (("example.test",), "usage"), (("example.test", "--mailbox", "nobody@example.test"), "no user"),
    (("a b", "--mailbox", "reports@example.test"), "not a domain"), (("example.test", "--mailbox", "x"), "not an address"),
    (("example.test", "--mailbox", "two@example.test", "--folder", "None"), "None")])
def test_wrong_mailbox(cluster, args, words):
    done = cluster.tool("dmarc-report", "inbox", *args, check=False)
    assert done.returncode == 1 and done.stdout == "" and len(done.stderr.splitlines()) == 1 and words in done.stderr
    assert not cluster.redis.keys("mail:{nobody@*")
