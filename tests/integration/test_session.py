"""What the sessions of all protocols have in common."""

import base64

import pytest

from pop3_client import Pop
from smtp_client import Smtp


def disable(cluster, address, how):
    if how == "disabled":
        cluster.tool("user", "set", address, "enabled=off")
    else:
        cluster.tool("user", "delete", address)


@pytest.mark.parametrize("how", ["disabled", "deleted"])
def test_a_disabled_account_is_logged_out_of_pop3(cluster, address, how):
    with Pop(cluster.port("pop3", 0)) as c:
        c.login(address)
        disable(cluster, address, how)
        assert c.line().startswith("-ERR [AUTH] ")
        assert c.is_closed()


@pytest.mark.parametrize("how", ["disabled", "deleted"])
def test_a_disabled_account_is_logged_out_of_submission(cluster, address, how):
    with Smtp(cluster.port("submission", 0), ehlo=True) as c:
        assert c.plain(address)[0] == 235
        c.expect(250, f"MAIL FROM:<{address}>")
        disable(cluster, address, how)
        assert c.reply()[0] == 421
        assert c.is_closed()


def test_a_message_on_its_way_comes_to_its_end_before_the_account_is_logged_out(cluster, address):
    with Smtp(cluster.port("submission", 0), ehlo=True) as c:
        assert c.plain(address)[0] == 235
        c.expect(250, f"MAIL FROM:<{address}>")
        c.expect(250, f"RCPT TO:<{address}>")
        c.expect(354, "DATA")
        c.send(b"Subject: on its way\r\n\r\n")
        disable(cluster, address, "disabled")
        with Pop(cluster.port("pop3", 0)) as other:  # every frontend knows by then
            other.ok(f"USER {address}")
            other.err("PASS secret")
        c.send(b"text\r\n.\r\n")
        assert c.reply()[0] == 250
        assert c.reply()[0] == 421
        assert c.is_closed()


def test_others_stay_logged_in(cluster, address):
    other = cluster.add_user(f"other-{address}")
    with Pop(cluster.port("pop3", 0)) as c:
        c.login(other)
        disable(cluster, address, "disabled")
        cluster.tool("user", "set", other, "display_name=Still there")
        c.ok("NOOP")


@pytest.mark.parametrize("line", [b"*", b"not base64!", base64.b64encode(b"no mechanism's form")])
def test_a_login_that_is_given_up_may_be_tried_again(cluster, address, line):
    with Pop(cluster.port("pop3", 0)) as c:
        c.send(b"AUTH PLAIN\r\n")
        assert c.line().startswith("+ ")
        c.send(line + b"\r\n")
        assert c.line().startswith("-ERR ")
        assert c.plain(address).startswith("+OK ")
