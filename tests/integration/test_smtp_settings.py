"""SMTP in: every row of settings:smtp-in, on both frontends."""

import os
import time

from cluster import wait_for
from smtp_client import Smtp
from smtp_in import MESSAGE, both, cluster, connect, proxied  # noqa: F401 (fixtures)


# ---- Settings, row by row, on both frontends ----

def test_proxy_protocol(cluster, address):
    cluster.settings("smtp-in", proxy_protocol_from="127.0.0.1", banner="#ConnectedIP#")
    for frontend in (0, 1):
        with proxied(cluster, frontend=frontend) as c:
            assert c.greeting[1] == "192.0.2.7"
            c.mail(address, MESSAGE)
    assert b"([192.0.2.7])" in cluster.wait_mail(address, 2)[0]


def relays(c, sender="a@b.example"):
    c.expect(250, f"MAIL FROM:<{sender}>")
    code = c.cmd("RCPT TO:<someone@remote.example>")[0]
    c.expect(250, "RSET")
    assert code in (250, 550)
    return code == 250


def test_allow_relay(cluster, address):
    sessions = both(cluster)
    wanted = {"nobody": (False, False, False), "local_users": (False, False, True),
              "local_domains": (False, True, True), "anyone": (True, True, True)}
    senders = ("a@b.example", "nobody@example.test", address)
    for mode, expected in wanted.items():
        cluster.settings("smtp-in", allow_relay=mode)
        for c in sessions:
            assert tuple(relays(c, s) for s in senders) == expected, mode
            assert relays(c, "") == (mode == "anyone")


def test_relay_whitelist(cluster):
    sessions = both(cluster)
    cluster.settings("smtp-in", relay_whitelist="192.0.2.0/24")
    assert not any(relays(c) for c in sessions)
    cluster.settings("smtp-in", relay_whitelist="192.0.2.0/24, 127.0.0.0/8 2001:db8::/32")
    assert all(relays(c) for c in sessions)


def test_allow_relay_for_authenticated(cluster, address):
    sessions = [connect(cluster, "submission", i) for i in (0, 1)]
    assert all(c.plain(address)[0] == 235 for c in sessions)
    assert all(relays(c, address) for c in sessions)
    cluster.settings("smtp-in", allow_relay_for_authenticated="off")
    assert not any(relays(c, address) for c in sessions)


def test_require_auth_match(cluster, address):
    other = cluster.add_user(f"other-{address}")
    tagged = address.replace("@", "+tag@")
    sessions = [connect(cluster, "submission", i) for i in (0, 1)]
    assert all(c.plain(address)[0] == 235 for c in sessions)

    def sends(c, sender, header):
        code, text = c.cmd(f"MAIL FROM:<{sender}>")
        if code != 250:
            assert code == 550 and text.startswith("5.7.1"), text
            return False
        c.expect(250, f"RCPT TO:<{address}>")
        c.expect(354, "DATA")
        c.send(f"From: {header}\r\nSubject: x\r\n\r\nx\r\n.\r\n")
        code, text = c.reply()
        assert code == 250 or text.startswith("5.7.1"), text
        return code == 250

    cases = [  # sender, From:, none, domain, email
        (address, f"Me <{address}>", 1, 1, 1), (tagged, f"Me\r\n <{tagged}>", 1, 1, 1), ("", address, 1, 1, 1),
        (other, address, 1, 1, 0), (address, f"{address}, {other}", 1, 1, 0), (address, other.upper(), 1, 1, 0),
        ("a@b.example", address, 1, 0, 0), (address, "Boss <boss@b.example>", 1, 0, 0),
        (address, f"{address}\r\nFrom: boss@b.example", 1, 0, 0), (address, "no address", 1, 0, 0),
    ]
    for column, mode in enumerate(("none", "domain", "email")):
        cluster.settings("smtp-in", require_auth_match=mode)
        for c in sessions:
            for case in cases:
                assert sends(c, case[0], case[1]) == bool(case[2 + column]), (mode, case)


def test_require_auth_for_local_delivery(cluster, address):
    sessions = both(cluster)

    def takes(c, sender):
        c.expect(250, f"MAIL FROM:<{sender}>")
        code = c.cmd(f"RCPT TO:<{address}>")[0]
        c.expect(250, "RSET")
        assert code in (250, 530)
        return code == 250

    assert all(takes(c, address) for c in sessions)
    cluster.settings("smtp-in:example.test", require_auth_for_local_delivery="on")
    for c in sessions:
        assert not takes(c, address) and not takes(c, "nobody@example.test")
        assert takes(c, "a@b.example") and takes(c, "")
    assert sessions[0].plain(address)[0] == 235
    assert takes(sessions[0], address)


def test_timeouts(cluster):
    cluster.settings("smtp-in", session_timeout="1s", command_timeout="3s")
    with connect(cluster) as idle, connect(cluster, frontend=1) as half:
        half.send(b"NOO")
        start = time.monotonic()
        assert idle.reply()[0] == 421 and idle.is_closed()
        assert 0.8 < time.monotonic() - start < 2.5
        assert half.reply()[0] == 421 and half.is_closed()
        assert 2.5 < time.monotonic() - start < 5


def test_session_timeout_enabled(cluster):
    cluster.settings("smtp-in", session_timeout="1s", session_timeout_enabled="off")
    with connect(cluster) as c:
        time.sleep(1.6)
        c.expect(250, "NOOP")


def test_command_timeout_in_data(cluster, address):
    cluster.settings("smtp-in", command_timeout="1s")
    with connect(cluster) as c:
        c.expect(250, "MAIL FROM:<a@b.example>")
        c.expect(250, f"RCPT TO:<{address}>")
        c.expect(354, "DATA")
        for _ in range(4):  # slow, but it arrives
            c.send(b"x\r\n")
            time.sleep(0.5)
        code, text = c.reply()
        assert code == 421 and text.startswith("4.4.2") and c.is_closed()


def test_max_bad_commands(cluster):
    cluster.settings("smtp-in", max_bad_commands=3)
    for c in both(cluster):
        c.expect(500, "FOO")
        c.expect(503, "DATA")
        c.expect(500, "BAR")
        assert c.reply()[0] == 421 and c.is_closed()


def test_max_bad_recipients(cluster):
    cluster.settings("smtp-in", max_bad_recipients=2)
    for c in both(cluster):
        c.expect(250, "MAIL FROM:<a@b.example>")
        c.expect(550, "RCPT TO:<nobody@example.test>")
        c.expect(550, "RCPT TO:<x@remote.example>")
        assert c.reply()[0] == 421 and c.is_closed()


def test_max_connections(cluster):
    def try_one(frontend):
        """A session, or None when there is no room."""
        c = Smtp(cluster.port("smtp", frontend), greet=False)
        code, text = c.reply()
        if code == 220:
            return c
        assert code == 421 and text.startswith("4.3.2") and c.is_closed()
        c.socket.close()
        return None

    def take_one(frontend):  # the server may not have noticed yet that another has left
        return wait_for(lambda: try_one(frontend), 10, what="room for a session")

    for frontend in (0, 1):
        cluster.settings("smtp-in", max_connections=1)
        take_one(frontend).socket.close()  # so those of other tests are gone
        cluster.settings("smtp-in", max_connections=3)
        sessions = [take_one(frontend) for _ in range(3)]
        assert try_one(frontend) is None
        sessions[0].expect(250, "NOOP")
        sessions[1].expect(221, "QUIT")
        assert sessions[1].is_closed()
        sessions.append(take_one(frontend))
        assert try_one(frontend) is None
        for c in sessions:
            c.socket.close()


def test_max_hop_count(cluster, address):
    cluster.settings("smtp-in", max_hop_count=5)
    for c in both(cluster):
        for hops, code in ((5, 250), (6, 554)):
            c.expect(250, "MAIL FROM:<a@b.example>")
            c.expect(250, f"RCPT TO:<{address}>")
            c.expect(354, "DATA")
            c.send(b"Received: x\r\n\ty\r\n" * hops + b"\r\nReceived: z\r\n.\r\n")
            got = c.reply()
            assert got[0] == code and (code == 250 or got[1].startswith("5.4.6")), got


def test_max_message_size(cluster, address):
    cluster.settings("smtp-in", max_message_size="2K")
    for c in both(cluster):
        assert c.ehlo()["SIZE"] == "2048"
        c.expect(552, "MAIL FROM:<a@b.example> SIZE=2049")
        for size, code in ((2048, 250), (2049, 552), (200000, 552)):
            c.expect(250, "MAIL FROM:<a@b.example> SIZE=100")
            c.expect(250, f"RCPT TO:<{address}>")
            c.expect(354, "DATA")
            c.send(b"S: x\r\n\r\n" + b"x" * (size - 10) + b"\r\n.\r\n")
            got = c.reply()
            assert got[0] == code and (code == 250 or got[1].startswith("5.3.4")), got


def test_max_recipients(cluster):
    user = cluster.add_user(f"rcpt-{os.getpid()}@example.test")
    cluster.settings("smtp-in", max_recipients=100)
    with connect(cluster) as c:
        assert c.extensions["LIMITS"] == "RCPTMAX=100"
        c.expect(250, "MAIL FROM:<a@b.example>")
        for i in range(100):
            c.expect(250, f"RCPT TO:<{user.replace('@', f'+{i}@')}>")
        assert c.cmd(f"RCPT TO:<{user.replace('@', '+x@')}>")[1].startswith("4.5.3")


def test_append_received_line(cluster, address):
    with connect(cluster) as plain, connect(cluster, "submission", 1) as known:
        assert known.plain(address)[0] == 235
        count = 0
        for mode, expected in (("all", (1, 1)), ("authenticated", (0, 1)), ("none", (0, 0))):
            cluster.settings("smtp-in", append_received_line=mode)
            for c, has in zip((plain, known), expected):
                c.mail(address, MESSAGE, sender=address)
                count += 1
                assert cluster.wait_mail(address, count)[-1].count(b"Received: from ") == has, mode


def test_max_messages_per_session(cluster, address):
    cluster.settings("smtp-in", max_messages_per_session=2)
    for c in both(cluster):
        assert c.ehlo()["LIMITS"] == "RCPTMAX=1000 MAILMAX=2"
        c.mail(address, MESSAGE)
        c.mail(address, MESSAGE)
        c.expect(421, "MAIL FROM:<a@b.example>")
        assert c.is_closed()


def test_vrfy_and_expn(cluster, address):
    alias = f"alias-{address}"
    cluster.tool("alias", "add", alias, address, "x@remote.example")
    sessions = both(cluster)
    for c in sessions:
        c.expect(252, f"VRFY {address}")
        c.expect(502, f"EXPN {alias}")
    cluster.settings("smtp-in", enable_vrfy="on", enable_expn="on")
    for c in sessions:
        assert {"VRFY", "EXPN"} <= set(c.ehlo())
        assert address in c.expect(250, f"VRFY {address}")
        assert address in c.expect(250, f"VRFY <{address}>")
        assert address in c.expect(250, f"VRFY {address.split('@')[0]}")
        c.expect(550, "VRFY nobody@example.test")
        c.expect(252, "VRFY x@remote.example")
        c.expect(501, "VRFY a b c")
        expanded = c.expect(250, f"EXPN {alias}")
        assert address in expanded and "x@remote.example" in expanded


def test_disable_auth_login(cluster, address):
    cluster.settings("smtp-in", disable_auth_login="on")
    for frontend in (0, 1):
        with connect(cluster, "submission", frontend) as c:
            assert c.extensions["AUTH"] == "SCRAM-SHA-256"
            assert c.plain(address)[0] == 504
            assert c.login(address)[0] == 504
            assert c.scram(address)[0] == 235
