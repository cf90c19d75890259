"""Mail is retrieved from Dovecot, by POP3 and IMAP: all of it, once, with what belongs to it."""

import re
import subprocess
import time

import pytest

import dovecot
from cluster import wait_for
from remote_cut import Cutter
from retrieval import World, text_of

pytestmark = pytest.mark.skipif(not dovecot.can_run(), reason="needs root and Dovecot")
A = "a@example.test"


@pytest.fixture
def world(own_cluster):
    worlds = []

    def start(users=("ann", "ben"), **options):
        worlds.append(World(own_cluster, users, **options))
        return worlds[-1]
    yield start
    for w in worlds:
        w.stop()


@pytest.mark.parametrize("protocol", ["pop3", "imap"])
def test_all_comes_once_and_more_comes_later(world, protocol):
    w = world(frontends=1)
    texts = [text_of(f"m{i}", 300000 if i == 7 else 0) for i in range(40)]
    for text in texts:
        w.dovecot.deliver("ann", text)
    id = w.add(A, "ann", protocol)
    w.wait_bodies(A, texts)
    texts.append(text_of("later"))
    w.dovecot.deliver("ann", texts[-1])
    w.wait_bodies(A, texts)
    wait_for(lambda: w.is_quiet(A, id), what="the round ends")
    status = w.status(A, id)
    assert int(status["messages"]) == len(texts) and int(status["total_messages"]) == len(texts)
    assert status["last_error"] == "" and int(status["last_ok"]) > 0
    assert w.dovecot.count("ann") == len(texts), "kept at the remote"


@pytest.mark.parametrize("protocol", ["pop3", "imap"])
def test_nothing_speaks_for_us(world, protocol):
    """A field that claims that we have verified the message is left out, and nothing else."""
    w = world(frontends=1)
    forged = b"Authentication-Results: mx.example.test; spf=pass;\r\n\tdmarc=pass\r\n"
    other = b"Authentication-Results: mx.elsewhere.example; spf=fail\r\n"
    texts = [other + text_of(f"m{i}", 100000 * i) for i in range(3)]
    for text in texts:
        w.dovecot.deliver("ann", forged + text)
    w.add(A, "ann", protocol)
    w.wait_bodies(A, texts)


@pytest.mark.parametrize("protocol", ["pop3", "imap"])
def test_deleted_at_the_remote_when_it_is_here(world, protocol):
    w = world(frontends=1)
    texts = [text_of(f"m{i}") for i in range(20)]
    for text in texts:
        w.dovecot.deliver("ann", text)
    w.add(A, "ann", protocol, "--delete")
    w.wait_bodies(A, texts)
    wait_for(lambda: w.dovecot.count("ann") == 0, 30, what="nothing is left there")
    texts.append(text_of("later"))
    w.dovecot.deliver("ann", texts[-1])
    w.wait_bodies(A, texts)
    wait_for(lambda: w.dovecot.count("ann") == 0, 30, what="nothing is left there")


def imap_of(w, address):
    import imaplib
    client = imaplib.IMAP4("127.0.0.1", w.cluster.port("imap"), timeout=30)
    client.login(address, "secret")
    return client


def test_mirror_keeps_flags_keywords_dates_and_folders(world):
    w = world(frontends=1)
    there = w.dovecot.imap("ann")
    for folder in ("Sent", "Work", "Work/Über".encode("utf-7").decode().replace("+", "&")):
        there.create(f'"{folder}"')
    there.append("Sent", r"(\Seen)", '"17-Jul-2019 02:44:25 +0200"', text_of("sent"))
    there.append("Work", r"(\Flagged \Answered $Important)", '"18-Jul-2020 10:00:00 +0000"', text_of("work"))
    there.append("INBOX", None, '"19-Jul-2021 10:00:00 -0500"', text_of("inbox"))
    there.logout()
    id = w.add(A, "ann", "imap", "--mirror")
    wait_for(lambda: w.status(A, id).get("messages") == "3", 30, what="three messages")
    wait_for(lambda: w.cluster.queued() == 0, 30, what="all are filed")
    here = imap_of(w, A)
    for folder, flags, date in (("Sent", [rb"\Seen"], b"17-Jul-2019 02:44:25 +0200"),
                                ("Work", [rb"\Flagged", rb"\Answered", b"$Important"], b"18-Jul-2020 10:00:00"),
                                ("INBOX", [], b"19-Jul-2021")):
        assert here.select(folder, readonly=True)[1][0] == b"1", folder
        answer = here.fetch("1", "(FLAGS INTERNALDATE)")[1][0]
        for flag in flags:
            assert flag in answer, answer
        assert (rb"\Seen" in answer) == (rb"\Seen" in flags)
    listed = b"\n".join(here.list()[1])
    assert b'"Work/&ANw-ber"' in listed, listed
    assert rb"\Sent" in next(line for line in listed.splitlines() if b"Sent" in line)
    here.logout()


def test_each_folder_has_its_own_place(world, tmp_path):
    """Also the one that is read after a folder with new mail: with another's place, it would lose mail."""
    w = world(frontends=1)
    there = w.dovecot.imap("ann")
    there.create("Work")
    for folder, tag in (("INBOX", "a"), ("Work", "b"), ("Work", "c")):
        there.append(folder, None, None, text_of(tag))
    validity = {f: re.search(rb"UIDVALIDITY (\d+)", there.status(f, "(UIDVALIDITY)")[1][0])[1].decode() for f in ("INBOX", "Work")}
    written = tmp_path / "commands"
    with written.open("w") as out, subprocess.Popen(["redis-cli", "-p", str(w.cluster.port("redis")), "monitor"], stdout=out) as monitor:
        wait_for(lambda: "OK" in written.read_text(), what="Redis tells its commands")
        id = w.add(A, "ann", "imap", "--mirror")
        for count, folder in enumerate(("INBOX", "Work", "INBOX", ""), 3):
            wait_for(lambda: w.status(A, id).get("messages") == str(count), 30, what=f"{count} messages")
            if folder:
                there.append(folder, None, None, text_of(f"later {count}"))
                w.now(A, id)
        time.sleep(1)  # what comes after the last folder
        monitor.terminate()
    there.logout()
    places = re.findall(r':f" "(INBOX|Work)" "(\d+) \d+( c)?( v)?"', written.read_text())
    assert {folder for folder, *_ in places} == set(validity)
    assert [(folder, of) for folder, of, *_ in places if of != validity[folder]] == []


def test_a_new_uidvalidity_brings_nothing_again(world):
    w = world(frontends=1)
    texts = [text_of(f"m{i}") for i in range(30)]
    for text in texts:
        w.dovecot.deliver("ann", text)
    id = w.add(A, "ann", "imap")
    w.wait_bodies(A, texts)
    wait_for(lambda: w.is_quiet(A, id), what="the round ends")
    w.dovecot.stop()
    for name in ("dovecot-uidlist", "dovecot.index", "dovecot.index.log", "dovecot.index.cache"):
        (w.dovecot.dir / "mail" / "ann" / name).unlink(missing_ok=True)
    w.dovecot.start()
    texts.append(text_of("new one"))
    w.dovecot.deliver("ann", texts[-1])
    w.now(A, id)
    w.wait_bodies(A, texts)
    wait_for(lambda: "renumbered" in w.status(A, id)["last_error"], 20, what="it is told")


def test_new_uidls_bring_nothing_again(world):
    w = world(frontends=1)
    texts = [text_of(f"m{i}") for i in range(30)]
    for text in texts:
        w.dovecot.deliver("ann", text)
    id = w.add(A, "ann", "pop3")
    w.wait_bodies(A, texts)
    wait_for(lambda: w.is_quiet(A, id), what="the round ends")
    w.dovecot.stop()
    w.dovecot.uidl = "%f-%u"
    w.dovecot.start()
    texts.append(text_of("new one"))
    w.dovecot.deliver("ann", texts[-1])
    w.now(A, id)
    w.wait_bodies(A, texts)
    ledger = w.cluster.redis.strlen(f"retrieve:{{{A}}}:{id}:l")
    wait_for(lambda: w.cluster.redis.strlen(f"retrieve:{{{A}}}:{id}:l") <= 31 * 20 or ledger <= 31 * 20, 20,
             what="the ledger does not grow")


def test_over_quota_mail_waits(world):
    """There was room when the round began; other mail has taken it meanwhile."""
    w = world(frontends=1)
    w.cluster.add_user(A, quota="100K")
    texts = [text_of(f"m{i}", 40000) for i in range(2)]
    for text in texts:
        w.dovecot.deliver("ann", text)
    relay = Cutter(w.dovecot.ports["pop3"])
    relay.step, relay.rest = 1500, 0.1
    id = w.add(A, "ann", "pop3", "--delete", port=relay.port)
    wait_for(lambda: relay.connections > 0, 20, what="the round has begun")
    w.cluster.deliver("other@remote.example", A, "Subject: large\r\n\r\n" + "0123456789abcdef\r\n" * 3800)
    w.cluster.wait_mail(A, 1)
    wait_for(lambda: w.status(A, id).get("messages") == "2", 30, what="both are taken")
    wait_for(lambda: w.cluster.queued() == 2, 20, what="both wait")
    w.cluster.tool("user", "set", A, "quota=1M")
    w.cluster.wait_mail(A, 3)
    relay.close()


def test_trouble_is_told_in_the_remotes_words(world):
    w = world(frontends=1)
    id = w.add(A, "nobody", "imap")
    wait_for(lambda: "uthentication" in w.status(A, id).get("last_error", ""), 20, what="the remote's words")
    assert w.status(A, id)["state"] == "waiting" and int(w.status(A, id)["failures"]) >= 1


def test_once_moves_all_and_rests(world):
    w = world(frontends=1)
    texts = [text_of(f"m{i}") for i in range(2500)]
    for text in texts:
        w.dovecot.deliver("ann", text)
    w.cluster.add_user(A)
    id = w.add(A, "ann", "imap", verb="once")
    wait_for(lambda: w.status(A, id).get("state") == "done", 60, what="it is done")
    w.wait_bodies(A, texts)
    assert int(w.status(A, id)["messages"]) == 2500
