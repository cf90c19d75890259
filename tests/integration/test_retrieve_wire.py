"""Sessions with a real POP3 and IMAP server (Dovecot), as retrieval makes them: TLS, logins, folders, messages,
deletion, IDLE."""

import hashlib
import shutil
import subprocess
import time

import pytest

import dovecot
from certificates import Authority
from cluster import BUILD

pytestmark = pytest.mark.skipif(not dovecot.can_run(), reason="needs root and Dovecot")
PASSWORD = 's e"c\\ret'


class Remote(dovecot.Dovecot):
    def __init__(self, authority):
        super().__init__(["joe"], password=PASSWORD, certificate=authority.issue("localhost"))
        self.authority = authority
        self.make_maildir(self.dir / "mail/joe/.Sent")

    def put(self, text, name, flags=""):
        path = self.dir / "mail/joe/tmp" / name
        path.write_bytes(text)
        shutil.chown(path, "mail", "mail")
        path.rename(self.dir / "mail/joe" / ("cur" if flags else "new") / (name + flags))

    def session(self, protocol, tls, *steps, host="localhost", password=PASSWORD, ca=None, user="joe"):
        port = self.ports[protocol + ("s" if tls == "implicit" else "")]
        return subprocess.run([BUILD / "tests/integration/remote_session", protocol, host, str(port), tls, user,
                               ca or self.authority.file, *steps], input=password + "\n", text=True,
                              stdout=subprocess.PIPE, timeout=60)

    def lines(self, *args, **kwargs):
        ran = self.session(*args, **kwargs)
        assert ran.returncode == 0 and ran.stdout.endswith("end\n"), ran
        return ran.stdout.splitlines()[:-1]


@pytest.fixture
def remote():
    with Authority() as authority, Remote(authority) as server:
        yield server


def texts(count):
    return [(f"Subject: {i}\r\n\r\n.dot\r\n..\r\n{'x' * i * 977}\r\n").encode() for i in range(count)]


def test_ways_in(remote):
    for protocol in ("imap", "pop3"):
        assert remote.lines(protocol, "none")[0].startswith("open ;")
        for tls in ("starttls", "implicit"):
            assert remote.lines(protocol, tls)[0].startswith("open TLSv1.3 "), (protocol, tls)
            # The certificate is for localhost.
            wrong = remote.lines(protocol, tls, host="127.0.0.1")[0]
            assert wrong.startswith("failed certificate: the certificate of 127.0.0.1 is not accepted"), wrong
            assert remote.lines(protocol, tls, "--any-certificate", host="127.0.0.1")[0].startswith("open TLS")
            # An authority that nobody here trusts.
            assert remote.lines(protocol, tls, ca="-")[0].startswith("failed certificate: ")
        refused = remote.lines(protocol, "implicit", password="wrong")[0]
        assert refused.startswith("failed login: the login of joe is refused: "), refused
        assert "uthentication failed" in refused
        assert remote.lines(protocol, "none", host="nowhere.invalid")[0].startswith("failed dns: ")


def test_pop3(remote):
    sent = texts(40)
    for i, text in enumerate(sent):
        remote.put(text, f"{1000000 + i}.m{i}.x")
    first = remote.lines("pop3", "implicit", "folders", "select=INBOX", "list", "fetch")
    assert first[1] == "folder 0 0 0 INBOX"
    assert first[2].split()[3] == "40"
    messages = [line.split() for line in first if line.startswith("message ")]
    assert len({m[5] for m in messages}) == 40
    bodies = [line.split()[3] for line in first if line.startswith("body ")]
    assert sorted(bodies) == sorted(hashlib.sha256(t).hexdigest() for t in sent)
    # Without QUIT nothing is deleted; with it, all.
    assert remote.lines("pop3", "starttls", "list", "delete")[-1] == "deleted"
    assert remote.lines("pop3", "starttls", "select=INBOX")[1].split()[3] == "40"
    assert remote.lines("pop3", "starttls", "list", "delete", "close")[-1] == "closed"
    assert remote.lines("pop3", "starttls", "select=INBOX")[1].split()[3] == "0"


def test_imap(remote):
    sent = texts(40)
    for i, text in enumerate(sent):
        remote.put(text, f"{1000000 + i}.m{i}.x", ":2,FS" if i == 3 else "")
    lines = remote.lines("imap", "starttls", "folders", "examine=INBOX", "list", "fetch", "close")
    assert "idle" in lines[0] and "uidplus" in lines[0] and "special-use" in lines[0]
    assert {"folder 0 0 / INBOX", "folder 6 0 / Sent"} <= set(lines)
    assert [line.split()[3:] for line in lines if line.startswith("selected ")][0][0] == "40"
    messages = [line.split() for line in lines if line.startswith("message ")]
    assert [m[1] for m in messages] == sorted((m[1] for m in messages), key=int)
    assert [m[3] for m in messages].count("5") == 1 and [m[3] for m in messages].count("0") == 39
    assert all(abs(int(m[4]) / 1000 - time.time()) < 86400 for m in messages)
    bodies = [line.split()[3] for line in lines if line.startswith("body ")]
    assert sorted(bodies) == sorted(hashlib.sha256(t).hexdigest() for t in sent)
    assert lines[-1] == "closed"
    # Nothing was marked as read.
    again = remote.lines("imap", "none", "select=INBOX", "list")
    assert [line.split()[3] for line in again if line.startswith("message ")].count("0") == 39
    state = [line for line in again if line.startswith("selected ")][0].split()
    changes = remote.lines("imap", "none", "select=INBOX", f"changes={int(state[4]) - 1}")
    assert any(line.startswith("message ") for line in changes)
    assert remote.lines("imap", "none", "examine=INBOX", "list", "delete")[-1] == \
        "failed refused: the folder is read-only"
    lines = remote.lines("imap", "none", "select=INBOX", "list", "delete", "fetch", "close")
    assert lines[-2:] == ["fetched", "closed"] and "deleted" in lines
    assert [line for line in lines if line.startswith("no-body ")] == \
        [f"no-body {m[1]} refused: the message is gone" for m in messages]
    assert remote.lines("imap", "none", "select=INBOX")[1].split()[3] == "0"
    assert remote.lines("imap", "none", "select=none/such")[1].startswith("failed refused: SELECT is refused: ")


def test_idle(remote):
    waiting = subprocess.Popen([BUILD / "tests/integration/remote_session", "imap", "localhost",
                                str(remote.ports["imap"]), "starttls", "joe", remote.authority.file, "select=INBOX",
                                "list", "idle", "list", "fetch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    waiting.stdin.write(PASSWORD + "\n")
    waiting.stdin.flush()
    assert waiting.stdout.readline().startswith("open ")
    assert waiting.stdout.readline().startswith("selected ")
    remote.put(b"Subject: news\r\n\r\n", "2000000.news.x")
    out, _ = waiting.communicate(timeout=60)
    assert out.splitlines()[0] == "news", out
    assert hashlib.sha256(b"Subject: news\r\n\r\n").hexdigest() in out
