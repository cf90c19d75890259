"""Real IMAP clients against two frontends at once."""

import mailbox
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from cluster import ROOT
from imap_client import Imap

TEXT = "From: Sender <sender@remote.example>\r\nTo: you@example.test\r\nMessage-ID: <{n}@x>\r\nSubject: {n}\r\n\r\nbody {n}\r\n"


def needs(program):
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


@pytest.fixture
def address(cluster, request):
    return cluster.add_user(f"real-{abs(hash(request.node.name)) % 10**8}-{os.getpid()}@example.test")


@pytest.fixture
def c(cluster, address):
    with Imap(cluster.port("imap", 1)) as s:
        s.login(address)
        yield s


def fill(c, count, mailbox="INBOX", first=1):
    for n in range(first, first + count):
        assert c.append(mailbox, TEXT.format(n=n), plus=True).status == "OK"


def run(*args, **kwargs):
    result = subprocess.run([str(a) for a in args], capture_output=True, text=True, timeout=120, **kwargs)
    assert result.returncode == 0, f"{args[0]}: {result.stdout}\n{result.stderr}"
    return result.stdout


def subjects(folder):
    """{subject: flags} of a Maildir."""
    box = mailbox.Maildir(folder, create=False)
    return {m["Subject"]: m.get_flags() for m in box}


def answers(c, select, command):
    c.ok(f"SELECT {select}")
    return str(c.ok(command))


@needs("mbsync")
def test_mbsync_two_way(cluster, address, c, tmp_path):
    config = tmp_path / "mbsyncrc"
    config.write_text(f"""
IMAPAccount here
Host 127.0.0.1
Port {cluster.port('imap')}
User {address}
Pass secret
SSLType None
AuthMechs PLAIN

IMAPStore remote
Account here

MaildirStore local
Path {tmp_path}/mail/
Inbox {tmp_path}/mail/INBOX
SubFolders Verbatim

Channel all
Far :remote:
Near :local:
Patterns *
Create Both
Remove Both
Expunge Both
SyncState *
""")
    (tmp_path / "mail").mkdir()

    def sync():
        run("mbsync", "-c", config, "-a")

    fill(c, 3)
    c.ok("CREATE Work/deep")
    fill(c, 2, "Work/deep", 10)
    sync()
    assert set(subjects(tmp_path / "mail" / "INBOX")) == {"1", "2", "3"}
    assert set(subjects(tmp_path / "mail" / "Work" / "deep")) == {"10", "11"}
    # Changes on both sides: a flag and a new message there, a deletion and a new message here.
    c.ok("SELECT INBOX")
    c.ok("STORE 1 +FLAGS (\\Seen \\Flagged)")
    fill(c, 1, first=4)
    here = mailbox.Maildir(tmp_path / "mail" / "INBOX", create=False)
    for key, message in here.items():
        if message["Subject"] == "2":
            here.remove(key)
        if message["Subject"] == "3":
            message.set_flags("R")
            here[key] = message
    here.add(mailbox.MaildirMessage(TEXT.format(n=5).replace("\r\n", "\n")))
    sync()
    assert subjects(tmp_path / "mail" / "INBOX").keys() == {"1", "3", "4", "5"}
    assert subjects(tmp_path / "mail" / "INBOX")["1"] == "FS"
    c.ok("NOOP")
    told = answers(c, "INBOX", "FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    assert re.findall(r"Subject: (\d+)", told) == ["1", "3", "4", "5"]
    assert "\\Answered" in told
    sync()
    assert "* 4 EXISTS" in c.ok("SELECT INBOX").untagged


@needs("offlineimap")
def test_offlineimap(cluster, address, c, tmp_path):
    fill(c, 3)
    config = tmp_path / "offlineimaprc"
    config.write_text(f"""
[general]
accounts = a
metadata = {tmp_path}/meta
ui = basic
[Account a]
localrepository = local
remoterepository = remote
[Repository local]
type = Maildir
localfolders = {tmp_path}/mail
[Repository remote]
type = IMAP
remotehost = 127.0.0.1
remoteport = {cluster.port('imap')}
remoteuser = {address}
remotepass = secret
ssl = no
starttls = no
""")
    run("offlineimap", "-o", "-c", config, env={**os.environ, "HOME": str(tmp_path)})
    assert set(subjects(tmp_path / "mail" / "INBOX")) == {"1", "2", "3"}
    box = mailbox.Maildir(tmp_path / "mail" / "INBOX", create=False)
    box.add(mailbox.MaildirMessage(TEXT.format(n=9).replace("\r\n", "\n")))
    c.ok("SELECT INBOX")
    c.ok("STORE 2 +FLAGS (\\Seen)")
    run("offlineimap", "-o", "-c", config, env={**os.environ, "HOME": str(tmp_path)})
    assert subjects(tmp_path / "mail" / "INBOX")["2"] == "S"
    assert "* 4 EXISTS" in c.ok("SELECT INBOX").untagged


@needs("getmail")
def test_getmail(cluster, address, c, tmp_path):
    fill(c, 2)
    (tmp_path / "getmailrc").write_text(f"""
[retriever]
type = SimpleIMAPRetriever
server = 127.0.0.1
port = {cluster.port('imap')}
username = {address}
password = secret
[destination]
type = MDA_external
path = /bin/sh
arguments = ("-c", "cat >> {tmp_path}/mail")
allow_root_commands = true
[options]
delete = true
read_all = false
""")
    run("getmail", "--getmaildir", tmp_path, "--rcfile", "getmailrc")
    assert re.findall(r"Subject: (\d)", (tmp_path / "mail").read_text()) == ["1", "2"]
    assert "* 0 EXISTS" in c.ok("SELECT INBOX").untagged


@needs("neomutt")
def test_neomutt(cluster, address, c, tmp_path):
    """Opens INBOX, copies matching messages to a file and moves them away."""
    fill(c, 3)
    (tmp_path / "muttrc").write_text(f"""
set folder="imap://127.0.0.1:{cluster.port('imap')}/"
set spoolfile="imap://127.0.0.1:{cluster.port('imap')}/INBOX"
set imap_user="{address}" imap_pass="secret" ssl_starttls=no ssl_force_tls=no
set confirmappend=no confirmcreate=no quit=yes delete=yes move=no mbox_type=mbox copy=no wait_key=no
set header_cache="" tmpdir="{tmp_path}"
push "<tag-pattern>~s2<enter><tag-prefix><copy-message>{tmp_path}/out<enter><tag-prefix><save-message>=Archive<enter><quit>"
""")
    subprocess.run(["script", "-qec", f"neomutt -n -F {tmp_path}/muttrc", "/dev/null"], stdin=subprocess.DEVNULL,
                   capture_output=True, timeout=60, env={**os.environ, "TERM": "xterm", "HOME": str(tmp_path)})
    assert "Subject: 2" in (tmp_path / "out").read_text()
    assert "* 1 EXISTS" in c.ok("SELECT Archive").untagged
    assert "* 2 EXISTS" in c.ok("SELECT INBOX").untagged


def test_curl(cluster, address, c, tmp_path):
    url = f"imap://127.0.0.1:{cluster.port('imap')}"
    message = tmp_path / "message"
    message.write_text(TEXT.format(n=1))
    run("curl", "-sS", "-u", f"{address}:secret", "-T", message, f"{url}/INBOX")
    assert "body 1" in run("curl", "-sS", "-u", f"{address}:secret", f"{url}/INBOX;UID=1")
    assert "SEARCH 1" in run("curl", "-sS", "-u", f"{address}:secret", f"{url}/INBOX?SUBJECT%201")
    assert "Sent" in run("curl", "-sS", "-u", f"{address}:secret", f"{url}/")


IMAPFLOW = ROOT / "build" / "npm" / "node_modules"


@pytest.mark.skipif(not (IMAPFLOW / "imapflow").exists(), reason="imapflow is not installed: make deps-test needs npm's registry")
def test_imapflow(cluster, address):
    """imapflow (npm): folders, events while idle, reading, searching, moving."""
    run("node", Path(__file__).parent / "imapflow" / "session.js", cluster.port("imap"), cluster.port("imap", 1), address,
        env=dict(os.environ, NODE_PATH=str(IMAPFLOW)))
