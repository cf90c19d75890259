"""IMAP: greeting, login, capabilities, compression, bad input."""

import imaplib
import re
import ssl
import subprocess
import zlib

import pytest

from imap_boxes import TEXT, address, c, connect, fill, fresh, patient, session  # noqa: F401 (fixtures)
from imap_client import Closed, Imap, b64


# ---- Greeting, login ----

def test_greeting_and_capability(cluster):
    with connect(cluster) as c:
        assert re.match(r"\* OK \[CAPABILITY IMAP4rev1 .*\] mx.example.test IMAP4 server ready$", c.greeting)
        told = re.search(r"\[CAPABILITY (.*?)\]", c.greeting).group(1)
        assert c.ok("CAPABILITY").untagged == ["* CAPABILITY " + told]
        assert "STARTTLS" in told and "AUTH=PLAIN" in told and "LOGINDISABLED" not in told


def test_banner(cluster):
    cluster.settings("imap", banner="hello from #HostName#")
    with connect(cluster) as c:
        assert c.greeting.endswith("] hello from mx.example.test")


@pytest.mark.parametrize("name", ["imap", "imaps"])
def test_login(cluster, address, name):
    with connect(cluster, name) as c:
        assert c.cmd(f"LOGIN {address} wrong").code == "AUTHENTICATIONFAILED"
        assert c.cmd("SELECT INBOX").status == "BAD"
        answer = c.login(address)
        assert answer.code.startswith("CAPABILITY IMAP4rev1") and "AUTH=" not in answer.code
        assert c.cmd(f"LOGIN {address} secret").status == "BAD"
        assert c.ok("LOGOUT").untagged[-1].startswith("* BYE")
        assert c.at_end()


def test_login_with_literals(cluster, address):
    with connect(cluster) as c:
        assert c.literals("LOGIN ", address.encode(), " ", b"secret").status == "OK"
    with connect(cluster) as c:
        assert c.literals("LOGIN ", address.encode(), " ", b"secret", plus=True).status == "OK"


def test_authenticate_plain(cluster, address):
    token = b64(f"\0{address}\0secret")
    with connect(cluster) as c:
        assert c.ok(f"AUTHENTICATE PLAIN {token}").code.startswith("CAPABILITY")
    with connect(cluster) as c:
        tag = c.start("AUTHENTICATE PLAIN")
        assert c.read_line().startswith("+")
        c.send(token + "\r\n")
        assert c.finish(tag).status == "OK"
    with connect(cluster) as c:
        tag = c.start("AUTHENTICATE PLAIN")
        c.read_line()
        c.send("*\r\n")
        assert c.finish(tag).status == "BAD"
        assert c.cmd("AUTHENTICATE NONSENSE").status == "NO"
        assert c.cmd("AUTHENTICATE PLAIN !!!").status == "BAD"
        token = b64(f"\0{address}\0wrong")
        assert c.cmd(f"AUTHENTICATE PLAIN {token}").code == "AUTHENTICATIONFAILED"
        c.login(address)


def test_authenticate_login(cluster, address):
    with connect(cluster) as c:
        tag = c.start("AUTHENTICATE LOGIN")
        assert c.read_line() == "+ " + b64("Username:")
        c.send(b64(address) + "\r\n")
        assert c.read_line() == "+ " + b64("Password:")
        c.send(b64("secret") + "\r\n")
        assert c.finish(tag).status == "OK"


def test_curl_and_scram(cluster, address):
    """curl speaks SCRAM-SHA-256 where its SASL library does; PLAIN and LOGIN in any case."""
    for auth in ("AUTH=PLAIN", "AUTH=LOGIN"):
        out = subprocess.run(["curl", "-sS", "--url", f"imap://127.0.0.1:{cluster.port('imap')}/", "-u", f"{address}:secret",
                              "--login-options", auth], capture_output=True, text=True, timeout=60)
        assert "INBOX" in out.stdout, out.stderr
    out = subprocess.run(["curl", "-sSk", "--url", f"imaps://127.0.0.1:{cluster.port('imaps')}/", "-u", f"{address}:secret"],
                         capture_output=True, text=True, timeout=60)
    assert "INBOX" in out.stdout, out.stderr


def test_imaplib(cluster, address):
    m = imaplib.IMAP4("127.0.0.1", cluster.port("imap"))
    context = ssl._create_unverified_context()
    m.starttls(context)
    m.login(address, "secret")
    assert m.select("INBOX") == ("OK", [b"0"])
    assert m.append("INBOX", "\\Seen", None, b"Subject: x\n\nbody\n")[0] == "OK"
    assert m.noop()[0] == "OK"
    assert m.status("INBOX", "(MESSAGES UNSEEN)")[1] == [b"INBOX (MESSAGES 1 UNSEEN 0)"]
    assert m.store("1", "+FLAGS", "\\Deleted")[0] == "OK"
    assert m.expunge() == ("OK", [b"1"])
    assert m.create("Work")[0] == "OK" and m.delete("Work")[0] == "OK"
    m.close()
    m.logout()


def test_starttls(cluster, address):
    with connect(cluster) as c:
        assert c.cmd("STARTTLS x").status == "BAD"
        # Data sent before the handshake is discarded.
        c.send(f"a STARTTLS\r\nb LOGIN {address} secret\r\n")
        assert c.read_line().startswith("a OK")
        c.start_tls()
        told = c.ok("CAPABILITY").untagged[0]
        assert "STARTTLS" not in told and "AUTH=SCRAM-SHA-256-PLUS" in told
        assert c.cmd("STARTTLS").status == "BAD"
        c.login(address)


def test_login_disabled_without_tls(cluster, address):
    cluster.settings("imap", proxy_protocol_from="127.0.0.1")
    far = b"PROXY TCP4 192.0.2.7 192.0.2.1 4000 143\r\n"
    with connect(cluster, send_first=far) as c:
        assert "LOGINDISABLED" in c.greeting and "AUTH=" not in c.greeting
        assert c.cmd(f"LOGIN {address} secret").code == "PRIVACYREQUIRED"
        assert c.cmd("AUTHENTICATE PLAIN").code == "PRIVACYREQUIRED"
    cluster.settings("imap", proxy_protocol_from="127.0.0.1", allow_insecure_auth="on")
    with connect(cluster, send_first=far) as c:
        c.login(address)


def test_max_connections(cluster):
    cluster.settings("imap", max_connections=2)
    with connect(cluster), connect(cluster):
        with connect(cluster) as c:
            assert c.greeting == "* BYE [UNAVAILABLE] too many connections, try later"


def test_max_bad_commands(cluster):
    cluster.settings("imap", max_bad_commands=3)
    with connect(cluster) as c:
        for _ in range(3):
            assert c.cmd("NONSENSE").status == "BAD"
        assert c.read_line().startswith("* BYE")
        assert c.at_end()


def test_command_timeout(cluster):
    cluster.settings("imap", command_timeout="1s")
    with connect(cluster) as c:
        c.send("a LOG")
        assert c.read_line().startswith("* BYE")


def test_unauthenticate(cluster, c):
    other = fresh(cluster)
    c.ok("SELECT INBOX")
    c.ok("UNAUTHENTICATE")
    assert c.cmd("STATUS INBOX (MESSAGES)").status == "BAD"
    c.login(other)
    c.ok("SELECT INBOX")


@pytest.mark.parametrize("how", ["disabled", "deleted"])
def test_account_is_disabled(cluster, address, how):
    other = fresh(cluster)
    with session(cluster, address, 0, "INBOX") as a, session(cluster, address, 1) as b, session(cluster, other) as c:
        a.start("IDLE")
        a.read_line()
        if how == "disabled":
            cluster.tool("user", "set", address, "enabled=off")
        else:
            cluster.tool("user", "delete", address)
        assert a.wait_line(r"\* BYE")
        assert b.wait_line(r"\* BYE")
        c.ok("SELECT INBOX")


def test_id_namespace_enable(c):
    assert c.ok('ID ("name" "x" "version" NIL)').untagged == ['* ID ("name" "Stagepost")']
    assert c.ok("ID NIL").untagged and c.ok("ID ()").untagged
    assert c.cmd("ID x").status == "BAD"
    assert c.ok("NAMESPACE").untagged == ['* NAMESPACE (("" "/")) NIL NIL']
    assert c.ok("ENABLE CONDSTORE X-NONSENSE").untagged == ["* ENABLED CONDSTORE"]
    assert c.cmd("ENABLE").status == "BAD"


# ---- COMPRESS ----

class Deflated(Imap):
    def begin(self):
        self.packer = zlib.compressobj(wbits=-15)
        self.unpacker = zlib.decompressobj(wbits=-15)

    def send(self, data):
        data = data.encode() if isinstance(data, str) else data
        if hasattr(self, "packer"):
            data = self.packer.compress(data) + self.packer.flush(zlib.Z_SYNC_FLUSH)
        self.sock.sendall(data)

    def _more(self):
        data = self.sock.recv(65536)
        if not data:
            raise Closed
        self.buffer += self.unpacker.decompress(data) if hasattr(self, "unpacker") else data


def test_compress(cluster, address):
    with Deflated(cluster.port("imap")) as c:
        c.login(address)
        assert c.cmd("COMPRESS NONSENSE").status == "NO"
        c.ok("COMPRESS DEFLATE")
        c.begin()
        assert c.cmd("COMPRESS DEFLATE").code == "COMPRESSIONACTIVE"
        assert "COMPRESS" not in str(c.ok("CAPABILITY"))
        big = TEXT + "a line that packs very well indeed\r\n" * 100000
        assert c.append("INBOX", big).status == "OK"
        c.ok("SELECT INBOX")
        for _ in range(300):
            c.send("x STORE 1 +FLAGS (\\Seen)\r\n")
        for _ in range(300):
            assert c.finish("x").status == "OK"
        # Data that is not DEFLATE ends the connection.
        c.sock.sendall(b"\xff" * 100)
        assert c.at_end()


# ---- Bad input ----

@pytest.mark.parametrize("line,expected", [
    (b" ", "* BAD"), (b"a", "* BAD"), (b"a ", "a BAD"), (b"a NONSENSE", "a BAD"), (b"* NOOP", "* BAD"),
    (b"+ NOOP", "* BAD"), (b"a NOOP x", "a BAD"), (b"a UID", "a BAD"), (b"a UID NOOP", "a BAD"),
    (b"a LOGIN", "a BAD"), (b"a LOGIN x", "a BAD"), (b"a LOGIN \"x", "a BAD"), (b"a LOGIN x y z", "a BAD"),
    (b"a \x00\x01\xff", "a BAD"), (b"\xff\xfe\x00", "* BAD"), (b"a LOGIN \xff \xff", "a BAD"),
    (b"a" * 20000, "* BAD"), (b"a LOGIN " + b"x" * 20000, "a BAD"), (b"a LOGIN {99999999999999999999}", "a BAD"),
    (b"a LOGIN {40000}", "a BAD"), (b"a LOGIN {}", "a BAD"), (b"a LOGIN {x}", "a BAD"), (b"a LOGIN {-1}", "a BAD"),
    (b"a LOGIN {3+}\r\nabc", "a BAD"), (b"a LOGIN {40000+}\r\n" + b"x" * 40000 + b" {2+}\r\nab", "a BAD"),
    (b"GET / HTTP/1.1", "GET BAD"), (b"a FETCH 1 BODY[]", "a BAD"), (b"a STATUS INBOX (MESSAGES)", "a BAD"),
])
def test_bad_input(cluster, line, expected):
    with connect(cluster) as c:
        c.send(line + b"\r\n")
        assert c.read_line().startswith(expected)
        assert c.cmd("NOOP").status == "OK"


def test_bad_input_one_byte_at_a_time(cluster, address):
    with connect(cluster) as c:
        c.sock.setsockopt(6, 1, 1)
        for line in (f"a LOGIN {{{len(address)}+}}\r\n{address} {{6}}\r\n", "secret\r\n"):
            for byte in line:
                c.send(byte)
            if line != "secret\r\n":
                assert c.read_line().startswith("+")
        assert c.read_line().startswith("a OK")


def test_bad_input_logged_in(patient, c):
    assert c.cmd("LIST (" * 100).status == "BAD"
    assert c.cmd("LIST " + "x" * 70000).code == "TOOBIG"
    assert c.literals('LIST "" ', b"x" * 1100000).code == "TOOBIG"
    assert c.literals('LIST "" ', b"x" * 1100000, plus=True).code == "TOOBIG"
    assert c.literals('LIST "" (', *[b"x", " "] * 1001).status == "BAD"
    tag = c.start("SELECT {3+}\r\na\0b")
    assert c.finish(tag).status == "BAD"
    c.ok("NOOP")


def test_pipelining(cluster, address):
    with connect(cluster) as c:
        c.send(f"a LOGIN {address} secret\r\nb SELECT INBOX\r\nc APPEND INBOX {{3+}}\r\nabc\r\nd STORE 1 +FLAGS (\\Seen)\r\n"
               "e NOOP\r\nf LOGOUT\r\n")
        for tag in "abcdef":
            assert c.finish(tag).status == "OK"


def test_idle_on_the_same_frontend(cluster, address):
    """Sessions of one process share what they know about a mailbox."""
    with session(cluster, address, 0, "INBOX") as a, session(cluster, address, 0, "INBOX") as b:
        fill(a, 2)
        b.start("IDLE")
        b.wait_line(r"\* 2 EXISTS")
        a.ok("STORE 1 +FLAGS (\\Flagged)")
        b.wait_line(r"\* 1 FETCH .*Flagged")
        a.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
        b.wait_line(r"\* 1 FETCH .*Deleted")
        a.ok("EXPUNGE")
        b.wait_line(r"\* 1 EXPUNGE")
        a.ok("MOVE 1 Sent")
        b.wait_line(r"\* 1 EXPUNGE")
