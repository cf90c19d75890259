"""Delivery status notifications, as a sender and its programs read them (RFC
3461 to 3464, RFC 6533)."""

import email.utils
import smtplib
import time

import pytest

from cluster import SETTLE, wait_for
from world import World, _numbers, cluster, the_world, world  # noqa: F401

NO = "550 5.1.1 no such person"


def send(world, *recipients, mail="", body="Subject: asked\r\n\r\nbody text\r\n", sender=None):
    """Recipients as addresses, or (address, parameters); the spool id."""
    with smtplib.SMTP("127.0.0.1", world.cluster.port("smtp"), timeout=30) as smtp:
        smtp.ehlo("client.example.net")
        smtp.command_encoding = "utf-8"
        assert smtp.docmd(f"MAIL FROM:<{sender or world.sender}> {mail}")[0] == 250
        for recipient in recipients:
            address, rcpt = recipient if isinstance(recipient, tuple) else (recipient, "")
            code, text = smtp.docmd(f"RCPT TO:<{address}> {rcpt}")
            assert code == 250, text
        code, text = smtp.data(body.encode())
        assert code == 250, text
        return text.decode().split()[-1]


def reports(world, count=1, of=None):
    """The reports that the sender got: (fields of the message, [fields of a recipient], third part), oldest first."""
    messages = [email.message_from_bytes(m) for m in world.cluster.wait_mail(of or world.sender, count)]
    assert len(messages) == count
    found = []
    for message in messages:
        assert message.get_content_type() == "multipart/report"
        assert message.get_param("report-type") == "delivery-status"
        assert message["Return-Path"] == "<>" and message["Auto-Submitted"] == "auto-replied"
        words, status, original = message.get_payload()
        assert words.get_content_type() == "text/plain"
        assert not message.defects and not status.defects
        found.append((status.get_payload()[0], status.get_payload()[1:], original))
    return found


def stays_alone(world, id, seconds=0.7):
    """The message has left the queue, and no report was sent."""
    wait_for(lambda: world.cluster.trace(id)["state"] == "finished", what="its end")
    time.sleep(seconds)
    assert not world.cluster.mailbox(world.sender)


def close_to(date, unix, within=30):
    return abs(email.utils.parsedate_to_datetime(date).timestamp() - unix) < within


# ---- the fields ----

def test_all_fields_of_a_failure(world):
    domain = world.domain()
    world.sink.reply["RCPT"] = NO
    now = time.time()
    id = send(world, (f"bob@{domain}", f"ORCPT=rfc822;b+2Bob@{domain}"), mail="RET=HDRS ENVID=QQ+3D7")
    (head, (fields,), original), = reports(world)
    assert list(head.keys()) == ["Original-Envelope-Id", "Reporting-MTA", "Received-From-MTA", "Arrival-Date"]
    assert head["Original-Envelope-Id"] == "QQ=7"
    assert head["Reporting-MTA"] == "dns; mx.example.test"
    assert head["Received-From-MTA"] == "dns; client.example.net"
    assert close_to(head["Arrival-Date"], now)
    assert fields["Original-Recipient"] == f"rfc822; b+ob@{domain}"
    assert fields["Final-Recipient"] == f"rfc822; bob@{domain}"
    assert (fields["Action"], fields["Status"]) == ("failed", "5.1.1")
    assert fields["Remote-MTA"].startswith("dns; mx0-")
    assert fields["Diagnostic-Code"] == f"smtp; {NO}"
    assert close_to(fields["Last-Attempt-Date"], now)
    assert fields["Final-Log-ID"] == id and "Will-Retry-Until" not in fields
    assert original.get_content_type() == "text/rfc822-headers" and "Subject: asked" in original.get_payload()


def test_what_no_server_said_is_no_smtp_reply(world):
    send(world, f"bob@missing{next(_numbers)}.remote.test")
    (_, (fields,), _), = reports(world)
    assert fields["Status"] == "5.1.2"
    assert fields["Diagnostic-Code"].startswith("X-Stagepost; ") and "Remote-MTA" not in fields


def test_one_report_for_all_of_one_transaction(world):
    domain = world.domain()
    world.sink.reply["RCPT"] = NO
    send(world, *[f"r{i}@{domain}" for i in range(5)])
    (_, recipients, _), = reports(world)
    assert [f["Final-Recipient"] for f in recipients] == [f"rfc822; r{i}@{domain}" for i in range(5)]


# ---- NOTIFY ----

@pytest.mark.parametrize("notify,told", [
    ("", True), ("NOTIFY=FAILURE", True), ("NOTIFY=FAILURE,DELAY,SUCCESS", True), ("NOTIFY=NEVER", False),
    ("NOTIFY=SUCCESS", False), ("NOTIFY=DELAY,SUCCESS", False)])
def test_failure_is_told_to_who_wants_it(world, notify, told):
    world.sink.reply["RCPT"] = NO
    id = send(world, (f"a@{world.domain()}", notify))
    if told:
        (_, (fields,), _), = reports(world)
        assert fields["Action"] == "failed"
    else:
        stays_alone(world, id)


@pytest.mark.parametrize("notify,told", [("", False), ("NOTIFY=FAILURE,DELAY", False), ("NOTIFY=NEVER", False),
                                         ("NOTIFY=SUCCESS", True), ("NOTIFY=FAILURE,SUCCESS", True)])
def test_local_success(world, notify, told):
    user = world.cluster.add_user(f"there{next(_numbers)}@example.test")
    id = send(world, (user, notify), mail="ENVID=x RET=FULL")
    world.cluster.wait_mail(user)
    if not told:
        stays_alone(world, id)
        return
    (head, (fields,), original), = reports(world)
    assert (fields["Action"], fields["Status"]) == ("delivered", "2.0.0")
    assert fields["Final-Recipient"] == f"rfc822; {user}" and head["Original-Envelope-Id"] == "x"
    # RET is for failures: delivered mail need not be returned.
    assert original.get_content_type() == "text/rfc822-headers" and "body text" not in original.get_payload()


@pytest.mark.parametrize("notify,told", [("NOTIFY=SUCCESS", True), ("NOTIFY=FAILURE", False), ("", False)])
def test_relayed_only_where_the_next_server_does_no_reports(world, notify, told):
    world.sink.extensions.remove("DSN")
    domain = world.domain()
    id = send(world, (f"a@{domain}", notify))
    world.sink.wait()
    if told:
        (_, (fields,), _), = reports(world)
        assert fields["Action"] == "relayed" and fields["Status"].startswith("2.")
        assert fields["Remote-MTA"].startswith("dns; mx0-") and fields["Diagnostic-Code"].startswith("smtp; 250")
    else:
        stays_alone(world, id)
    message, = world.sink.messages
    assert "NOTIFY" not in message.rcpts[0]


def test_mixed_wishes(world):
    """In one message, each recipient by its own NOTIFY."""
    domain = world.domain()
    user = world.cluster.add_user(f"here{next(_numbers)}@example.test")
    world.sink.reply["RCPT"] = lambda s, line: NO if "bad" in line else None
    send(world, (f"bad1@{domain}", "NOTIFY=NEVER"), (f"bad2@{domain}", "NOTIFY=FAILURE"), f"good@{domain}",
         (user, "NOTIFY=SUCCESS"))
    told = sorted((f["Action"], f["Final-Recipient"]) for _, fields, _ in reports(world, 2) for f in fields)
    assert told == [("delivered", f"rfc822; {user}"), ("failed", f"rfc822; bad2@{domain}")]


# ---- RET ----

@pytest.mark.parametrize("ret,whole", [("", False), ("RET=HDRS", False), ("RET=FULL", True)])
def test_ret(world, ret, whole):
    world.sink.reply["RCPT"] = NO
    send(world, f"a@{world.domain()}", mail=ret)
    (_, _, original), = reports(world)
    assert original.get_content_type() == ("message/rfc822" if whole else "text/rfc822-headers")
    assert ("body text" in original.as_string()) == whole


def test_whole_message_that_is_too_large_comes_back_as_header(world):
    world.sink.reply["RCPT"] = NO
    send(world, f"a@{world.domain()}", mail="RET=FULL", body="Subject: large\r\n\r\n" + "line of text\r\n" * 100000)
    (_, _, original), = reports(world)
    assert original.get_content_type() == "text/rfc822-headers" and "Subject: large" in original.get_payload()


# ---- mail relayed to servers that support reports ----

def test_parameters_are_passed_on(world):
    domain = world.domain()
    id = send(world, (f"a@{domain}", f"NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x+2B@{domain}"), (f"b@{domain}", "NOTIFY=NEVER"),
              f"c@{domain}", mail="RET=FULL ENVID=a+2Bb")
    message, = world.sink.wait()
    a, b, c = message.rcpts
    assert "RET=FULL" in message.mail and "ENVID=a+2Bb" in message.mail
    assert "NOTIFY=SUCCESS,DELAY" in a and f"ORCPT=rfc822;x+2B@{domain}" in a
    assert "NOTIFY=NEVER" in b and "ORCPT" not in b and c == f"<c@{domain}>"
    stays_alone(world, id)


# ---- aliases ----

def test_single_target_elsewhere_keeps_the_wishes(world):
    """The remote server reports the success; ORCPT says which address it was sent to."""
    domain = world.domain()
    alias = f"moved{next(_numbers)}@example.test"
    world.cluster.tool("alias", "add", alias, f"a@{domain}")
    id = send(world, (alias, "NOTIFY=SUCCESS,FAILURE"))
    message, = world.sink.wait()
    assert f"ORCPT=rfc822;{alias}" in message.rcpts[0] and "NOTIFY=SUCCESS,FAILURE" in message.rcpts[0]
    stays_alone(world, id)


def test_several_targets_are_expanded(world):
    domain = world.domain()
    alias, user = f"team{next(_numbers)}@example.test", world.cluster.add_user(f"member{next(_numbers)}@example.test")
    world.cluster.tool("alias", "add", alias, user, f"a@{domain}", f"b@{domain}")
    send(world, (alias, f"NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;The+2BTeam@example.test"), mail="ENVID=e")
    message, = world.sink.wait()
    for rcpt in message.rcpts:  # their success is not reported any more, but their failure is
        assert "NOTIFY=FAILURE" in rcpt and "ORCPT=rfc822;The+2BTeam@example.test" in rcpt
    assert "ENVID=e" in message.mail
    (_, (fields,), _), = reports(world)
    assert fields["Action"] == "expanded" and fields["Final-Recipient"] == f"rfc822; {alias}"
    assert fields["Original-Recipient"] == "rfc822; The+Team@example.test"
    assert len(world.cluster.wait_mail(user)) == 1


def test_several_targets_when_only_success_was_asked_for(world):
    domain = world.domain()
    alias = f"team{next(_numbers)}@example.test"
    world.cluster.tool("alias", "add", alias, f"a@{domain}", f"b@{domain}")
    send(world, (alias, "NOTIFY=SUCCESS"))
    message, = world.sink.wait()
    assert all("NOTIFY=NEVER" in rcpt for rcpt in message.rcpts)
    assert reports(world)[0][1][0]["Action"] == "expanded"


def test_several_targets_fail_by_themselves(world):
    domain = world.domain()
    alias = f"team{next(_numbers)}@example.test"
    world.cluster.tool("alias", "add", alias, f"good@{domain}", f"bad@{domain}")
    world.sink.reply["RCPT"] = lambda s, line: NO if "bad" in line else None
    send(world, alias)
    (_, (fields,), _), = reports(world)
    assert fields["Action"] == "failed" and fields["Final-Recipient"] == f"rfc822; bad@{domain}"
    assert fields["Original-Recipient"] == f"rfc822; {alias}"


def test_several_mailboxes_here_are_one_delivery(world):
    users = [world.cluster.add_user(f"m{next(_numbers)}@example.test") for _ in range(3)]
    alias = f"list{next(_numbers)}@example.test"
    world.cluster.tool("alias", "add", alias, *users)
    send(world, (alias, "NOTIFY=SUCCESS"))
    (_, (fields,), _), = reports(world)
    assert fields["Action"] == "delivered" and fields["Final-Recipient"] == f"rfc822; {alias}"


# ---- late ----

@pytest.mark.parametrize("notify,told", [("", True), ("NOTIFY=DELAY", True), ("NOTIFY=FAILURE", False)])
def test_delay_is_told_once(world, notify, told):
    world.cluster.settings("spool", delay_warning_after="1s", expire_after="1h")
    world.sink.reply["RCPT"] = "450 4.2.1 later"
    now = time.time()
    id = send(world, (f"a@{world.domain()}", notify))
    attempts = lambda: world.cluster.trace(id)["recipients"][0].get("attempts", 0)  # noqa: E731
    wait_for(lambda: attempts() >= 4, 30, what="further tries")
    if told:
        (head, (fields,), original), = reports(world)
        assert (fields["Action"], fields["Status"]) == ("delayed", "4.2.1")
        assert fields["Diagnostic-Code"] == "smtp; 450 4.2.1 later"
        assert close_to(fields["Will-Retry-Until"], now + 3600)
        assert close_to(fields["Last-Attempt-Date"], now)
        assert original.get_content_type() == "text/rfc822-headers"
    else:
        assert not world.cluster.mailbox(world.sender)
    world.sink.reply.clear()
    world.sink.wait(timeout=30)
    stays = world.cluster.mailbox(world.sender)
    assert len(stays) == (1 if told else 0)


def test_delay_is_not_told_again_by_another_broker(world):
    world.cluster.settings("spool", delay_warning_after="1s")
    world.sink.reply["RCPT"] = "450 4.2.1 later"
    id = send(world, f"a@{world.domain()}")
    reports(world)
    pid = world.cluster.kill("spool-broker-0")
    world.cluster.wait_restarted("spool-broker-0", pid)
    wait_for(lambda: "taken-over" in [e["kind"] for e in world.cluster.trace(id)["events"]], 30, what="taken over")
    time.sleep(2)
    assert len(world.cluster.mailbox(world.sender)) == 1
    world.cluster.tool("queue", "delete", id)


def test_expiry(world):
    world.cluster.settings("spool", delay_warning_after="0s", expire_after="1m")
    world.sink.reply["RCPT"] = "450 4.2.1 later"
    domain = world.domain()
    id = send(world, f"a@{domain}")
    wait_for(lambda: world.cluster.trace(id)["recipients"][0].get("attempts"), what="a try")
    messages = world.cluster.wait_mail(world.sender, timeout=90)
    assert len(messages) == 1
    (_, (fields,), _), = reports(world)
    assert (fields["Action"], fields["Status"]) == ("failed", "5.4.7")
    assert fields["Diagnostic-Code"] == "smtp; 450 4.2.1 later" and "Will-Retry-Until" not in fields


# ---- nobody to tell ----

def test_none_for_reports(world):
    """A report goes out with the null reverse-path, and is lost without another
    when its own delivery fails."""
    domain = world.domain()
    world.sink.reply["RCPT"] = lambda s, line: NO if "nobody" in line else None
    send(world, f"nobody@{domain}", sender=f"writer@{domain}")
    message, = world.sink.wait()
    assert message.mail.split()[0] == "<>" and message.rcpts[0].split()[0] == f"<writer@{domain}>"
    assert "NOTIFY=NEVER" in message.rcpts[0]
    world.sink.reply["RCPT"] = NO
    count = len(world.sink.sessions[0].lines)
    send(world, f"nobody@{domain}", sender=f"writer@{domain}")
    wait_for(lambda: sum(f"writer@{domain}" in line for s in world.sink.sessions for line in s.lines
                         if line.startswith("RCPT")) == 2, what="the report's own try")
    time.sleep(1)
    wait_for(lambda: world.cluster.json("status")["queue"]["messages"] == 0, what="an empty queue")
    assert len(world.sink.messages) == 1 and count


def test_none_for_the_null_reverse_path(world):
    world.sink.reply["RCPT"] = NO
    id = world.send(f"a@{world.domain()}", sender="")
    stays_alone(world, id)


# ---- internationalised ----

def test_utf8_addresses(world):
    """A sender that has requested SMTPUTF8 gets the fields in UTF-8."""
    domain = world.domain()
    world.sink.reply["RCPT"] = "550 5.1.1 kein Empfänger"
    send(world, (f"jörg@{domain}", "ORCPT=utf-8;\\x{F6}+2B@x.test".replace("+2B", "\\x{2B}")), mail="SMTPUTF8 RET=FULL",
         body="Subject: Grüße\r\n\r\nbody text\r\n")
    raw, = world.cluster.wait_mail(world.sender)
    text = raw.decode()
    message = email.message_from_bytes(raw)
    words, status, original = message.get_payload()
    assert status.get_content_type() == "message/global-delivery-status"
    assert original.get_content_type() == "message/global"
    assert f"\r\nFinal-Recipient: utf-8; jörg@{domain}\r\n" in text
    assert "\r\nOriginal-Recipient: utf-8; ö+@x.test\r\n" in text
    assert "\r\nDiagnostic-Code: smtp; 550 5.1.1 kein Empfänger\r\n" in text
    assert "Subject: Grüße" in text and message["Content-Transfer-Encoding"] == "8bit"


def test_utf8_orcpt_goes_on_in_ascii(world):
    """To a server that does not accept UTF-8, and for a message without any."""
    domain = world.domain()
    world.sink.extensions.remove("SMTPUTF8")
    send(world, (f"a@{domain}", "ORCPT=utf-8;jörg@x.test"), mail="SMTPUTF8")
    message, = world.sink.wait()
    assert "ORCPT=utf-8;j\\x{F6}rg@x.test" in message.rcpts[0]


def test_report_about_utf8_to_a_sender_who_knows_none(world):
    """Through an alias whose target the sender has never seen: ASCII, in the encoded form."""
    domain = world.domain()
    alias = f"old{next(_numbers)}@example.test"
    world.cluster.tool("alias", "add", alias, f"jörg@{domain}")
    time.sleep(SETTLE)
    world.sink.reply["RCPT"] = NO
    send(world, alias)
    (_, (fields,), original), = reports(world)
    assert fields["Final-Recipient"] == f"utf-8; j\\x{{F6}}rg@{domain}"
    assert fields["Original-Recipient"] == f"rfc822; {alias}"
    assert original.get_content_type() == "text/rfc822-headers"
