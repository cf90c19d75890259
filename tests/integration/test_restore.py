"""`stagepost restore`: clients see what they saw, byte for byte; what it refuses; a restore that dies."""

import os
import re
import shutil
import signal
import subprocess

import pytest
import redis

import book
from backup_copy import (  # noqa: F401 (fixtures)
    append, backups, imap_of, restored, state, stopped_behind_its_snapshot, text_of)
from certificates import Authority
from cluster import BUILD, Cluster, wait_for
from imap_client import Imap
from ports import free_port
from test_store_link import PASSWORD, QUOTED, client_files, redis_server


def test_restored_as_it_was(own_cluster, backups, tmp_path):
    """Accounts, settings, the secret, flags, UIDs, and mail that was accepted but not delivered."""
    cluster = own_cluster(frontends=1)
    for user in ("alice@one.test", "bob@two.test"):
        cluster.add_user(user)
    cluster.tool("alias", "add", "info@one.test", "bob@two.test")
    cluster.tool("user", "set", "alice@one.test", "title=Boss", "city=Wien")
    people = book.read(cluster, "one.test")
    assert len(people) == 2
    cluster.settings("pop", banner="as it was")
    append(cluster, "alice@one.test", range(30))
    append(cluster, "alice@one.test", [100], size=3_000_000)
    imap = imap_of(cluster, "alice@one.test")
    imap.create("Archive")
    imap.select()
    imap.store("2:9", "+FLAGS", "(\\Seen $Label)")
    imap.copy("3:5", "Archive")
    imap.store("4,7", "+FLAGS", "\\Deleted")
    imap.expunge()
    imap.logout()
    cluster.deliver("s@else.test", ["bob@two.test", "alice@one.test"], text_of(200, 1000).decode())
    cluster.wait_mail("bob@two.test")
    state(cluster, "alice@one.test")  # digests are computed
    os.kill(cluster.pid("delivery-worker-0"), signal.SIGSTOP)
    waiting = cluster.deliver("s@else.test", "info@one.test", text_of(201, 1000).decode())
    before = {user: state(cluster, user) for user in ("alice@one.test", "bob@two.test")}
    secret = redis.Redis(port=cluster.port("redis")).get("cluster:secret")
    key = (cluster.dir / "tls/key.pem").read_bytes()
    copy = backups(cluster)
    made = copy.make()
    assert made["missing"] == made["damaged"] == 0 and made["new_bodies"] == made["bodies"] > 32
    assert copy.check().stdout.startswith(f"Backup {made['name']} is intact")
    assert (copy.path.stat().st_mode & 0o777, (copy.path / made["name"] / "redis.rdb").stat().st_mode & 0o777,
            (copy.path / made["name"] / "tls/key.pem").stat().st_mode & 0o777) == (0o700, 0o600, 0o600)
    os.kill(cluster.pid("delivery-worker-0"), signal.SIGCONT)  # only to end in time
    cluster.stop()
    shutil.rmtree(cluster.dir)

    again = restored(copy, tmp_path)
    text = again.tool("restore", copy.path, check=False)
    assert text.returncode == 1 and "has a store already" in text.stderr
    assert (again.dir / "tls/key.pem").read_bytes() == key
    with again:
        # The waiting mail is delivered, once, and under its id.
        again.wait_mail("bob@two.test", 2)
        assert b"Subject: 201" in again.mailbox("bob@two.test")[1]
        wait_for(lambda: "filed" in again.tool("trace", waiting).stdout, what="the delivery to be told")
        assert state(again, "alice@one.test") == before["alice@one.test"]
        had, has = before["bob@two.test"]["INBOX"], state(again, "bob@two.test")["INBOX"]
        assert has[1][:len(had[1])] == had[1]
        assert redis.Redis(port=again.port("redis")).get("cluster:secret") == secret
        assert again.tool("settings", "get", "pop.banner").stdout == "as it was\n"
        # Whoever had loaded a later state of the address book loads it anew.
        assert book.read(again, "one.test") == people and not again.redis.exists("book:{one.test}:v")
        assert again.tool("book", "rebuild", "one.test").stdout == "one.test: 2 examined, 0 mended\n"
        assert "0 leaked" in again.tool("sweep", "--older-than", "0s").stdout
        assert state(again, "alice@one.test") == before["alice@one.test"]
        assert "stagepost backup" not in again.logs()
        append(again, "alice@one.test", [300])


def test_clients_that_saw_more(own_cluster, backups, tmp_path):
    """A client has cached what arrived, was flagged and was deleted after the backup: it learns that none of this
    holds, and no new message gets a UID that it knows."""
    cluster = own_cluster(frontends=1)
    user = cluster.add_user("alice@one.test")
    append(cluster, user, range(4))
    imap = imap_of(cluster, user)
    imap.select()
    imap.store("2", "+FLAGS", "\\Deleted")
    imap.expunge()
    imap.create("Old")
    copy = backups(cluster)
    copy.make()
    append(cluster, user, range(10, 12))
    imap.store("1", "+FLAGS", "\\Flagged")
    imap.store("2", "+FLAGS", "\\Deleted")
    imap.expunge()
    imap.create("New")
    imap.logout()
    with Imap(cluster.port("imap")) as client:
        client.login(user)
        client.ok("ENABLE QRESYNC")
        opened = "\n".join(client.ok("SELECT INBOX").untagged)
        validity, modseq, uid_next = (int(re.search(rf"\[{name} (\d+)", opened).group(1))
                                      for name in ("UIDVALIDITY", "HIGHESTMODSEQ", "UIDNEXT"))
        email_ids = client.ok("FETCH 1:* (EMAILID)").find("EMAILID")
        mailbox_id = client.ok("STATUS New (MAILBOXID)").find("MAILBOXID")[0].split("MAILBOXID ")[1]
    cluster.stop()
    with restored(copy, tmp_path) as again, Imap(again.port("imap")) as client:
        client.login(user)
        client.ok("ENABLE QRESYNC")
        answer = client.ok(f"SELECT INBOX (QRESYNC ({validity} {modseq}))")
        text = "\n".join(answer.untagged)
        assert f"[UIDVALIDITY {validity}]" in text
        # It knows 1 (flagged), 4, 5 and 6; now there are 1, 3 and 4, and none after them.
        gone = re.search(r"VANISHED \(EARLIER\) (\S+)", text).group(1)
        assert re.fullmatch(r"2,5:\d+", gone) and int(gone[4:]) >= uid_next - 1
        assert {int(uid): flags for uid, flags in re.findall(r"FETCH \(UID (\d+) FLAGS \(([^)]*)\)", text)} == \
            {1: "", 3: "", 4: ""}
        assert int(re.search(r"\[UIDNEXT (\d+)", text).group(1)) > uid_next
        append(again, user, [20])
        client.ok("NOOP")
        new = client.ok("FETCH 4 (UID EMAILID)").find("EMAILID")[0]
        assert int(re.search(r"UID (\d+)", new).group(1)) > uid_next
        assert new.split("EMAILID")[1] not in [line.split("EMAILID")[1] for line in email_ids]
        client.ok("CREATE New")
        assert client.ok("STATUS New (MAILBOXID)").find("MAILBOXID")[0].split("MAILBOXID ")[1] != mailbox_id
        assert "0 leaked" in again.tool("sweep", "--older-than", "0s").stdout


def test_another_secret_key(own_cluster, backups, tmp_path):
    """A key that is there and cannot open what is restored is neither kept in silence nor replaced."""
    cluster = own_cluster(frontends=1)
    copy = backups(cluster)
    copy.make()
    cluster.stop()
    again = Cluster(frontends=1, dir=tmp_path / "restored")
    theirs, ours = (cluster.dir / "tls/secret.key").read_text().strip(), again.dir / "tls/secret.key"
    ours.parent.mkdir(parents=True, exist_ok=True)
    other = f"k2:{'Q' * 43}="
    # Neither another key, nor the same one under another id, nor what only contains it.
    for lacking in (other, "k3" + theirs, theirs.partition(":")[0] + ":" + "Q" * 43 + "="):
        ours.write_text(lacking + "\n")
        refused = again.tool("restore", copy.path, check=False)
        assert refused.returncode == 1 and "tls/secret.key lacks a key of the backup" in refused.stderr
        assert ours.read_text() == lacking + "\n" and not (again.dir / "redis/appendonlydir").exists()
    ours.write_text(f"{other}, {theirs}\n")
    again.tool("restore", copy.path)
    assert ours.read_text() == f"{other}, {theirs}\n"
    ours.write_text(other + "\n")
    again.tool("restore", copy.path, "--replace")
    assert ours.read_text().strip() == theirs
    again.remove()


def test_a_restore_that_dies(own_cluster, backups, tmp_path):
    cluster = own_cluster(frontends=1)
    user = cluster.add_user("alice@one.test")
    append(cluster, user, range(5))
    copy, before = backups(cluster), state(cluster, user)
    copy.make()
    cluster.stop()
    marker = tmp_path / "marker"
    marker.touch()
    again = Cluster(frontends=1, dir=tmp_path / "restored")
    died = subprocess.run([BUILD / "stagepost", "restore", copy.path, "--dir", again.dir],
                          env={**cluster.env, "STAGEPOST_CRASH_AT": f"restore-body:{marker}"})
    assert died.returncode == -signal.SIGKILL
    refused = subprocess.run([BUILD / "stagepost", "up", "--dir", again.dir, "--detach"], capture_output=True,
                             text=True, timeout=60)
    assert refused.returncode == 1 and "was not finished" in refused.stderr
    again.tool("restore", copy.path)
    with again:
        assert state(again, user) == before


def test_what_is_refused(own_cluster, backups, tmp_path):
    cluster = own_cluster(frontends=1)
    cluster.add_user("alice@one.test")
    other = tmp_path / "other"
    other.mkdir()
    (other / "file").write_text("of somebody else")

    def fails(words, *args):
        result = cluster.tool(*args, check=False)
        assert result.returncode == 1 and words in result.stderr and len(result.stderr.splitlines()) == 1
    fails("not a backup folder", "backup", other)
    fails("not a backup folder", "restore", other)
    fails("not a backup folder", "backup", "--check", other)
    fails("--keep", "backup", tmp_path / "new", "--keep", "0")
    fails("usage", "backup")
    fails("usage", "restore")
    copy = backups(cluster)
    copy.make()
    fails("stop it first", "restore", copy.path)
    fails("no backup", "restore", copy.path, "--at", "yesterday")
    # One at a time: to the same folder, and of the same cluster.
    process = stopped_behind_its_snapshot(copy, tmp_path)
    try:
        fails("in use", "backup", copy.path)
        fails("another backup", "backup", tmp_path / "second")
    finally:
        process.send_signal(signal.SIGCONT)
        process.communicate(timeout=60)
    assert process.returncode == 0


@pytest.fixture(scope="module")
def authority():
    with Authority() as ca:
        yield ca


@pytest.fixture
def secure(authority, tmp_path):
    """Two servers: TLS with certificates asked of clients, one user of the ACL."""
    started, cert_key = [], authority.issue("localhost")
    for i in range(2):
        (tmp_path / f"redis{i}").mkdir()
        port, plain = free_port(), free_port()
        process = redis_server(tmp_path / f"redis{i}", "--port", plain, "--tls-port", port, "--tls-cert-file", cert_key[0],
                               "--tls-key-file", cert_key[1], "--tls-ca-cert-file", authority.file,
                               "--tls-auth-clients", "yes", "--repl-diskless-sync-delay", 0, "--user", "stagepost", "on",
                               f">{PASSWORD}", "~*", "&*", "+@all", "--user", "default", "off")
        store = redis.Redis(port=plain, username="stagepost", password=PASSWORD, db=3)
        started.append((process, f"rediss://stagepost:{QUOTED}@localhost:{port}/3", store))

        def answers():
            try:
                return store.ping()
            except redis.ConnectionError:
                return False
        wait_for(answers, 10, what="redis-server")
    yield started
    for process, _, store in started:
        store.close()
        process.terminate()
        process.wait()


def test_into_a_redis_that_runs(secure, authority, tmp_path):
    """Over TLS, as a user of its ACL, from one database to that of another server."""
    (_, url, store), (_, other_url, other) = secure
    store.hset("settings:pop", "banner", "x" * 5000)
    store.hset("settings:imap", mapping={f"field{i}": i for i in range(600)})
    store.set("cluster:secret", bytes(range(32)))
    store.set("mail:{a@b.test}:lock", "x", px=3_600_000)
    store.zadd("cluster:procs", {"frontend-1": 1})
    store.hset("cluster:proc:frontend-1", "pid", "1")
    store.set("spool:{3}:lease", "gone", px=100_000)
    store.xadd("spool:{3}:events", {"a": "b"})
    redis.Redis(connection_pool=redis.ConnectionPool(**{**store.connection_pool.connection_kwargs, "db": 0})).set("a", 1)

    def tool(command, *args, url, check=True):
        blobs = tmp_path / ("blobs" if url != other_url else "blobs-restored")
        result = subprocess.run([BUILD / "stagepost", command, tmp_path / "backups", *args], capture_output=True,
                                text=True, timeout=60, cwd=tmp_path,
                                env={**os.environ, "STAGEPOST_REDIS": url, "STAGEPOST_BLOBS": f"file:{blobs}",
                                     **client_files(authority)})
        assert PASSWORD not in result.stderr and QUOTED not in result.stderr
        if check:
            assert result.returncode == 0, result.stderr
        return result
    tool("backup", url=url)
    tool("restore", url=other_url)
    gone = {b"cluster:procs", b"cluster:proc:frontend-1", b"spool:{3}:lease"}

    def content(server):
        return {key: server.hgetall(key) if server.type(key) == b"hash" else server.dump(key)
                for key in server.keys() if key not in gone and not key.startswith(b"backup:")}
    assert content(other) == content(store) and len(content(other)) == other.dbsize() == 5
    assert other.pexpiretime("mail:{a@b.test}:lock") == store.pexpiretime("mail:{a@b.test}:lock")
    assert "not empty" in tool("restore", url=other_url, check=False).stderr
    other.zadd("cluster:procs", {"frontend-1": 1})
    other.hset("cluster:proc:frontend-1", "pid", "1")
    assert "stop the cluster" in tool("restore", "--replace", url=other_url, check=False).stderr
    other.delete("cluster:proc:frontend-1")
    other.set("new", "x")
    tool("restore", "--replace", url=other_url)
    assert content(other) == content(store) and other.dbsize() == 5
    # A user without the permission: this is reported, in Redis's words.
    store.execute_command("ACL", "SETUSER", "stagepost", "-sync")
    refused = tool("backup", url=url, check=False)
    assert refused.returncode == 1 and "NOPERM" in refused.stderr
