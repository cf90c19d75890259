"""How many messages and recipients a client may send, over two frontends together."""

import base64
import signal
import time

import pytest

from cluster import wait_for
from smtp_in import connect, proxied

MESSAGE = b"Subject: hello\r\n\r\nThe body.\r\n.\r\n"


@pytest.fixture
def cluster(own_cluster):
    made = own_cluster(frontends=2)
    made.settings("smtp-in", proxy_protocol_from="127.0.0.0/8", relay_whitelist="")
    return made


def logged_in(cluster, account, frontend=0):
    smtp = connect(cluster, "submissions", frontend, first=b"PROXY TCP4 192.0.2.50 192.0.2.1 4000 465\r\n")
    smtp.expect(235, "AUTH PLAIN " + base64.b64encode(f"\0{account}\0secret".encode()).decode())
    return smtp


def send(smtp, sender, *recipients):
    """The last reply."""
    code, text = smtp.cmd(f"MAIL FROM:<{sender}>")
    for recipient in recipients:
        if code == 250:
            code, text = smtp.cmd(f"RCPT TO:<{recipient}>")
    if code != 250:
        smtp.expect(250, "RSET")
        return code, text
    smtp.expect(354, "DATA")
    smtp.send(MESSAGE)
    return smtp.reply()


def test_messages_of_an_account(cluster):
    """Of a user whose password was stolen. Others are not concerned, nor another domain with another limit."""
    ann, bob, eve = (cluster.add_user(a) for a in ("ann@example.test", "bob@example.test", "eve@other.test"))
    cluster.settings("smtp-in", account_messages_per_hour=3)
    cluster.settings("smtp-in:other.test", account_messages_per_hour=5)
    two = [logged_in(cluster, ann, i) for i in (0, 1)]
    assert [send(two[i % 2], ann, bob)[0] for i in range(5)] == [250, 250, 250, 450, 450]
    code, text = send(two[0], ann, bob)
    seconds = int(text.split()[-2])
    assert code == 450 and text.startswith("4.7.1 Too many messages, try again in ") and 1100 < seconds <= 1200
    other, third = logged_in(cluster, bob), logged_in(cluster, eve)
    assert send(other, bob, ann)[0] == 250
    assert [send(third, eve, bob)[0] for _ in range(6)] == [250] * 5 + [450]
    assert len(cluster.wait_mail(bob, 8)) == 8
    # Live: a higher limit, and none.
    cluster.settings("smtp-in", account_messages_per_hour=1000)
    assert send(two[0], ann, bob)[0] == 250
    cluster.unset("smtp-in", "account_messages_per_hour")
    assert [send(two[0], ann, bob)[0] for _ in range(20)] == [250] * 20
    assert 0 < cluster.redis.pttl(f"limit:{{account:{ann}}}:messages") <= 3600 * 1000


def test_recipients_of_an_account(cluster):
    ann = cluster.add_user("ann@example.test")
    others = [cluster.add_user(f"r{i}@example.test") for i in range(6)]
    cluster.settings("smtp-in", account_recipients_per_hour=4)
    smtp = logged_in(cluster, ann)
    smtp.expect(250, f"MAIL FROM:<{ann}>")
    # Pipelined: the answers come in order.
    smtp.send("".join(f"RCPT TO:<{a}>\r\n" for a in others) + "RCPT TO:<nobody@example.test>\r\n")
    assert [smtp.reply()[0] for _ in range(7)] == [250] * 4 + [450] * 2 + [550]
    smtp.expect(354, "DATA")
    smtp.send(MESSAGE)
    assert smtp.reply()[0] == 250
    for address in others[:4]:
        cluster.wait_mail(address)
    assert not any(cluster.mailbox(a) for a in others[4:])


def test_an_address(cluster):
    """Over both frontends; an IPv6 network is one client; whoever may relay has no limit."""
    to = cluster.add_user("to@example.test")
    cluster.settings("smtp-in", address_messages_per_minute=4)

    def codes(address, count, frontend=0):
        with proxied(cluster, address, frontend=frontend) as smtp:
            return [send(smtp, "x@remote.example", to)[0] for _ in range(count)]
    assert codes("192.0.2.7", 3) == [250] * 3
    assert codes("192.0.2.7", 2, 1) == [250, 450]
    assert codes("192.0.2.8", 1) == [250]
    first = b"PROXY TCP6 2001:db8::%d 2001:db8::ff 4000 25\r\n"
    six = []
    for host in range(1, 7):
        with connect(cluster, first=first % host) as smtp:
            six.append(send(smtp, "x@remote.example", to)[0])
    assert six == [250] * 4 + [450] * 2
    cluster.settings("smtp-in", relay_whitelist="192.0.2.7")
    assert codes("192.0.2.7", 6) == [250] * 6
    cluster.settings("smtp-in", address_recipients_per_minute=2, address_messages_per_minute=0)
    with proxied(cluster, "192.0.2.9") as smtp:
        smtp.expect(250, "MAIL FROM:<x@remote.example>")
        smtp.expect(250, f"RCPT TO:<{to}>")
        smtp.expect(250, "RCPT TO:<postmaster@example.test>")
        assert smtp.expect(450, f"RCPT TO:<{to}>").startswith("4.7.1 Too many recipients, try again in ")


def test_it_fills_again(cluster):
    to = cluster.add_user("to@example.test")
    cluster.settings("smtp-in", address_messages_per_minute=60)
    with proxied(cluster, "192.0.2.7") as smtp:
        codes = [send(smtp, "x@remote.example", to)[0] for _ in range(70)]
        assert codes.count(450) >= 1 and codes[:60] == [250] * 60
        wait_for(lambda: send(smtp, "x@remote.example", to)[0] == 250, 5)


def test_connections_of_an_address(cluster):
    cluster.settings("smtp-in", max_per_address=2)
    held = [proxied(cluster, "192.0.2.7") for _ in range(2)]
    with pytest.raises((AssertionError, EOFError, OSError)):
        proxied(cluster, "192.0.2.7")
    proxied(cluster, "192.0.2.8").socket.close()
    held[0].socket.close()

    def again():
        try:
            return proxied(cluster, "192.0.2.7")
        except (AssertionError, EOFError, OSError):
            return None
    wait_for(again, 5).socket.close()


def test_a_client_leaves_while_the_store_is_asked(cluster):
    """... and a store that does not answer limits nobody."""
    to = cluster.add_user("to@example.test")
    cluster.settings("smtp-in", address_messages_per_minute=1000)
    with proxied(cluster, "192.0.2.7") as smtp:
        assert send(smtp, "x@remote.example", to)[0] == 250
        cluster.kill("redis", signal.SIGSTOP)
        for _ in range(20):
            leaving = proxied(cluster, "192.0.2.7")
            leaving.send("MAIL FROM:<x@remote.example>\r\n")
            leaving.socket.close()
        time.sleep(0.3)
        cluster.kill("redis", signal.SIGCONT)
        wait_for(lambda: send(smtp, "x@remote.example", to)[0] == 250, 20)
