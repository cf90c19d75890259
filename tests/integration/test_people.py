"""Import and export of accounts: CSV and LDIF, round trips, kills, and what is wrong in a file."""

import base64
import csv
import hashlib
import imaplib
import json
import os
import signal
import stat
import subprocess
import time

import pytest

import book
from cluster import BUILD, SETTLE, wait_for
from test_tool import fails
from test_web import Session

DOMAIN = "people.test"
FIELDS = ["display_name", "given_name", "surname", "title", "department", "company", "phone", "mobile", "home_phone",
          "fax", "pager", "street", "city", "state", "postal_code", "country", "url", "notes"]


@pytest.fixture
def domain(cluster):
    cluster.tool("domain", "add", DOMAIN)
    yield cluster
    cluster.tool("domain", "delete", DOMAIN, "--force", check=False)


def ssha512(password, salt=b"pepper"):
    return "{SSHA512}" + base64.b64encode(hashlib.sha512(password.encode() + salt).digest() + salt).decode()


def records(cluster):
    """The accounts as they are stored, but for what differs each time they are made."""
    users = cluster.redis.smembers(f"domain:{{{DOMAIN}}}:users")
    found = {a: cluster.redis.hgetall(f"user:{{{a}}}") for a in users}
    for record in found.values():
        del record["created_ms"]
        record.pop("password_id", None)
    return found


def write_csv(path, rows):
    with open(path, "w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows(rows)
    return path


def can_log_in(cluster, address, password):
    with imaplib.IMAP4("127.0.0.1", cluster.port("imap"), timeout=30) as imap:
        try:
            return imap.login(address, password)[0] == "OK"
        except imaplib.IMAP4.error:
            return False


def fill(cluster, tmp_path):
    """Accounts with everything that may be awkward."""
    strange = ["plain", "comma, \"quotes\"", " space at both ends ", "Straße, naïve, 日本", "semi;colon", "- -", "=1+1",
               "x" * 200, "<tag>", ": colon", "#hash"]
    rows = [["address", "password", "password_hash", "quota", "roles", "book", *FIELDS]]
    for i, text in enumerate(strange):
        rows.append([f"user{i}@{DOMAIN}", "", ssha512(f"pw{i}"), "1G" if i % 2 else "", "domain_admin" if i == 1 else "",
                     "off" if i == 2 else "", *[text if n == 2 or (i + n) % 3 else "" for n in range(len(FIELDS))]])
    rows.append([f"plain@{DOMAIN}", "pässword", "", *[""] * 21])
    rows.append([f"nobody@{DOMAIN}", "", "", *[""] * 21])
    path = write_csv(tmp_path / "in.csv", rows)
    result = cluster.tool("user", "import", path, "--with-roles")
    assert result.stdout == f"{len(rows) - 1} accounts added, 0 changed\n"
    return len(rows) - 1


@pytest.mark.parametrize("form", ["csv", "ldif"])
def test_round_trip(domain, tmp_path, form):
    cluster = domain
    count = fill(cluster, tmp_path)
    assert book.read(cluster, DOMAIN) == book.expected(cluster, DOMAIN)
    cluster.tool("user", "set", f"nobody@{DOMAIN}", "enabled=off")
    before = records(cluster)
    out = tmp_path / f"out.{form}"
    assert cluster.json("user", "export", DOMAIN, "--format", form, "--output", out) == {"accounts": count, "photos": 0}
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    fails(cluster, "user", "export", DOMAIN, "--output", out, words="File exists")
    text = out.read_text(encoding="utf-8")
    assert "pässword" not in text and "pw1" not in text
    assert cluster.tool("user", "export", DOMAIN, "--format", form).stdout == text
    # Nothing changes where nothing differs; and what was deleted comes back as it was.
    assert cluster.tool("user", "import", out, "--with-roles").stdout == f"0 accounts added, {count} changed\n"
    assert records(cluster) == before
    cluster.tool("domain", "delete", DOMAIN, "--force")
    cluster.tool("domain", "add", DOMAIN)
    assert cluster.json("user", "import", out, "--with-roles")["added"] == count
    assert records(cluster) == before
    assert book.read(cluster, DOMAIN) == book.expected(cluster, DOMAIN)
    assert cluster.json("domain", "show", DOMAIN)["admins"] == f"user1@{DOMAIN}"
    assert can_log_in(cluster, f"user3@{DOMAIN}", "pw3") and can_log_in(cluster, f"user4@{DOMAIN}", "pw4")
    assert not can_log_in(cluster, f"user3@{DOMAIN}", "pw4")
    without = cluster.tool("user", "export", DOMAIN, "--format", form, "--no-passwords").stdout
    assert "SSHA512" not in without and "SCRAM" not in without


def test_hashes_of_other_systems(domain, tmp_path):
    """They let their owners in, and nobody else."""
    cluster = domain
    made = {
        "crypt6": "{CRYPT}" + subprocess.run(["openssl", "passwd", "-6", "-salt", "abcdefgh", "secret"],
                                             capture_output=True, text=True, check=True).stdout.strip(),
        "shadow": subprocess.run(["openssl", "passwd", "-5", "-salt", "abcdefgh", "secret"],
                                 capture_output=True, text=True, check=True).stdout.strip(),
        "ssha512": ssha512("secret"),
        "sha": "{SHA}" + base64.b64encode(hashlib.sha1(b"secret").digest()).decode(),
        "clear": "{PLAIN}secret",
    }
    rows = [["address", "password_hash"], *([f"{name}@{DOMAIN}", value] for name, value in made.items())]
    cluster.tool("user", "import", write_csv(tmp_path / "in.csv", rows))

    def stored(name):
        return cluster.redis.hget(f"user:{{{name}@{DOMAIN}}}", "password")

    assert stored("clear").startswith("$argon2id$")
    assert stored("shadow").startswith("{CRYPT}$5$")
    for name in made:
        address = f"{name}@{DOMAIN}"
        assert not can_log_in(cluster, address, "Secret"), name
        before = stored(name)
        assert can_log_in(cluster, address, "secret"), name
        # From then on it is ours: for the same password.
        wait_for(lambda name=name: stored(name).startswith("$argon2id$"), SETTLE + 5, what=f"{name}'s hash")
        assert (stored(name) == before) == (name == "clear")
        assert can_log_in(cluster, address, "secret") and not can_log_in(cluster, address, "Secret"), name
    # A new password takes the place of the hash.
    cluster.tool("user", "passwd", f"ssha512@{DOMAIN}", "--password", "another")
    assert can_log_in(cluster, f"ssha512@{DOMAIN}", "another") and not can_log_in(cluster, f"ssha512@{DOMAIN}", "secret")


@pytest.mark.parametrize("made", [
    "{SSHA}" + base64.b64encode(hashlib.sha1(b"secretpepper").digest() + b"pepper").decode(),
    "$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a",
    "$6$abcdefghijklmnop$J/AWykHqo2Tx5UtavGnFc3ytI33la50JpzLTarSWVhkIXK6wOjNwwZjsrIw2UgmrER2EKrSHCeQyAINEEXAk1/"],
    ids=["ssha", "bcrypt", "sha512-crypt"])
def test_a_better_hash_ends_no_session(domain, tmp_path, made):
    """Logging in at the page replaces the hash; the sessions of before and of now, and mail sessions, go on. A new
    password ends them."""
    cluster = domain
    address = f"page@{DOMAIN}"
    cluster.tool("user", "import", write_csv(tmp_path / "in.csv", [["address", "password_hash"], [address, made]]))
    with imaplib.IMAP4("127.0.0.1", cluster.port("imap"), timeout=30) as imap:
        before = Session(cluster, f"{address}:secret")
        wait_for(lambda: cluster.redis.hget(f"user:{{{address}}}", "password").startswith("$argon2id$"), SETTLE + 5,
                 what="the new hash")
        imap.login(address, "secret")
        now = Session(cluster, f"{address}:secret")
        time.sleep(SETTLE)
        # The same file again is no new password either.
        stored = cluster.redis.hgetall(f"user:{{{address}}}")
        cluster.tool("user", "import", tmp_path / "in.csv")
        assert cluster.redis.hgetall(f"user:{{{address}}}") == stored and stored["password"].startswith("$argon2id$")
        time.sleep(SETTLE)
        for session in (before, now):
            assert [session.ask("GET", "session", frontend=n)[0] for n in (0, 1)] == [200, 200]
        # SCRAM works with it; somebody's new password ends all of that.
        assert imap.noop()[0] == "OK"
        assert cluster.redis.hget(f"user:{{{address}}}", "scram_sha256").startswith("SCRAM-SHA-256$")
    cluster.tool("user", "passwd", address, "--password", "another")
    for session in (before, now):
        wait_for(lambda session=session: session.ask("GET", "session")[0] == 401, SETTLE + 10, what="the session's end")
    # The same hash again is no new password.
    cluster.tool("user", "import", write_csv(tmp_path / "in.csv", [["address", "password_hash"], [address, made]]))
    id = cluster.redis.hget(f"user:{{{address}}}", "password_id")
    cluster.tool("user", "import", write_csv(tmp_path / "in.csv", [["address", "password_hash"], [address, made]]))
    assert cluster.redis.hget(f"user:{{{address}}}", "password_id") == id


def test_what_is_wrong_is_named_and_nothing_written(domain, tmp_path):
    cluster = domain
    cluster.add_user(f"there@{DOMAIN}")
    cluster.tool("alias", "add", f"list@{DOMAIN}", f"there@{DOMAIN}")
    before = records(cluster)
    path = write_csv(tmp_path / "bad.csv", [
        ["address", "city", "quota"],
        [f"good@{DOMAIN}", "Wien", "1G"],
        [f"there@{DOMAIN}", "changed", ""],
        ["no address", "Wien", "1G"],
        [f"long@{DOMAIN}", "x" * 201, "1G"],
        [f"quota@{DOMAIN}", "Wien", "much"],
        [f"list@{DOMAIN}", "Wien", ""],
        ["a@nowhere.test", "Wien", ""],
        [f"good@{DOMAIN}", "twice", ""],
        [f"short@{DOMAIN}"],
        [f"control@{DOMAIN}", "a\x07b", ""],
    ])
    result = cluster.tool("user", "import", path, check=False)
    assert result.returncode == 1 and result.stdout == ""
    assert result.stderr.splitlines() == [f"{path}:{line}" for line in (
        '4: "no address" is not an address that an account can have here',
        "5: city: longer than 200 bytes",
        "6: quota: not a size (bytes, or with K, M, G, T)",
        f"7: list@{DOMAIN} is an alias",
        "8: the domain nowhere.test is not here",
        f"9: good@{DOMAIN} is on line 2 already",
        "10: 1 values, but there are 3 columns",
        "11: city: control characters are not allowed",
    )] + [f"stagepost: 8 errors in {path}; nothing was imported"]
    assert records(cluster) == before
    answer = json.loads(cluster.tool("user", "import", path, "--json", check=False).stdout)
    assert len(answer["complaints"]) == 8 and answer["complaints"][0]["line"] == 4 and answer["added"] == 0

    # No room in the domain is known before, too.
    cluster.tool("domain", "set", DOMAIN, "max_users=2")
    path = write_csv(tmp_path / "many.csv", [["address"], *([f"u{i}@{DOMAIN}"] for i in range(2))])
    result = cluster.tool("user", "import", path, check=False)
    assert "may have no more than 2 users; it has 1, and 2 would be added" in result.stderr
    assert records(cluster) == before
    cluster.tool("domain", "set", DOMAIN, "max_users=3")
    assert cluster.tool("user", "import", path, "--dry-run").stdout == "2 accounts would be added, 0 would be changed\n"
    assert records(cluster) == before
    assert cluster.tool("user", "import", "-", input=path.read_text()).stdout == "2 accounts added, 0 changed\n"
    for arguments, words in ((["nosuch.csv"], "No such file"), ([path, "--format", "xml"], "csv or ldif"), ([], "usage:")):
        fails(cluster, "user", "import", *arguments, words=words)


def test_killed_and_repeated(domain, tmp_path):
    """The tool is killed while it writes: the same command again makes it whole."""
    cluster = domain
    count = 3000
    path = write_csv(tmp_path / "in.csv", [
        ["address", "password_hash", "given_name", "surname", "city"],
        *([f"u{i}@{DOMAIN}", ssha512("secret"), f"Given{i}", f"Family{i}", "Wien"] for i in range(count))])
    tool = subprocess.Popen([BUILD / "stagepost", "user", "import", path, "--dir", cluster.dir], env=cluster.env)
    members = f"domain:{{{DOMAIN}}}:users"
    wait_for(lambda: cluster.redis.scard(members) > count // 4, timeout=60, what="a part of the import")
    tool.send_signal(signal.SIGKILL)
    tool.wait()
    assert count // 4 < cluster.redis.scard(members) < count
    result = cluster.json("user", "import", path)
    assert result["added"] + result["changed"] == count and result["failed"] == []
    stored = records(cluster)
    assert len(stored) == count
    assert all(r["given_name"] == f"Given{a[1:].split('@')[0]}" and r["password"].startswith("{SSHA512}")
               for a, r in stored.items())
    assert book.read(cluster, DOMAIN) == book.expected(cluster, DOMAIN)


def test_store_fails_meanwhile(own_cluster, tmp_path):
    """What is not written is counted, and the same command goes on with it."""
    cluster = own_cluster(frontends=1)
    cluster.tool("domain", "add", DOMAIN)
    count = 5000
    path = write_csv(tmp_path / "in.csv", [["address", "city"], *([f"u{i}@{DOMAIN}", "Wien"] for i in range(count))])
    tool = subprocess.Popen([BUILD / "stagepost", "user", "import", path, "--dir", cluster.dir], env=cluster.env,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    members = f"domain:{{{DOMAIN}}}:users"
    wait_for(lambda: cluster.redis.scard(members) > count // 5, timeout=60, what="a part of the import")
    os.kill(cluster.redis.info("server")["process_id"], signal.SIGKILL)
    out, err = tool.communicate(timeout=60)
    assert tool.returncode == 1, out
    assert "accounts are not imported yet: run the command again" in err.splitlines()[-1], err
    wait_for(lambda: cluster.tool("status", check=False).returncode == 0, timeout=60, what="the store to be back")
    result = cluster.json("user", "import", path)
    assert result["added"] + result["changed"] == count
    assert book.read(cluster, DOMAIN) == book.expected(cluster, DOMAIN)
