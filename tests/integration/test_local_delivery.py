"""From recipients to mailboxes: aliases, plus-addressing, catch-all, quotas,
disabled accounts, and the reports to senders."""

import email
import itertools
import smtplib

import pytest

from cluster import wait_for
from imap_client import Imap
from sink import Sink

_numbers = itertools.count(1)


def fresh(cluster, name="u", **fields):
    return cluster.add_user(f"{name}{next(_numbers)}@local.test", **fields)


def report(cluster, address):
    message = email.message_from_bytes(cluster.wait_mail(address)[0])
    assert message.get_content_type() == "multipart/report"
    return [fields for fields in message.get_payload()[1].get_payload()[1:]]


def test_body_is_kept_byte_for_byte(cluster):
    alice = fresh(cluster)
    body = "Subject: x\r\n\r\n..dots\r\n" + "\x01\x7f odd\r\n" + "y" * 900 + "\r\n\r\n\r\n"
    cluster.deliver("someone@else.test", alice, body)
    message, = cluster.wait_mail(alice)
    # POP3's client library has undone the dots that SMTP's had stuffed
    assert message.startswith(b"Return-Path: <someone@else.test>\r\nAuthentication-Results: ")
    assert message.endswith(body.encode())


def test_recipients_of_one_message_share_the_body(cluster):
    users = [fresh(cluster) for _ in range(5)]
    cluster.deliver("s@else.test", users, "Subject: x\r\n\r\nshared\r\n")
    for user in users:
        assert cluster.wait_mail(user)[0].endswith(b"shared\r\n")


def test_alias_to_several(cluster):
    one, two = fresh(cluster), fresh(cluster)
    alias = f"team{next(_numbers)}@local.test"
    cluster.tool("alias", "add", alias, one, two)
    cluster.deliver("s@else.test", alias, "Subject: x\r\n\r\nx\r\n")
    for user in (one, two):
        assert len(cluster.wait_mail(user)) == 1


def test_two_ways_to_one_mailbox_file_once(cluster):
    one, two = fresh(cluster), fresh(cluster)
    alias = f"team{next(_numbers)}@local.test"
    cluster.tool("alias", "add", alias, one, two)
    cluster.deliver("s@else.test", [one, alias, two], "Subject: x\r\n\r\nx\r\n")
    cluster.deliver("s@else.test", [two], "Subject: second\r\n\r\nx\r\n")
    assert len(cluster.wait_mail(two, 2)) == 2
    assert len(cluster.mailbox(one)) == 1


def test_plus_addressing(cluster):
    alice = fresh(cluster)
    cluster.deliver("s@else.test", alice.replace("@", "+detail@"), "Subject: x\r\n\r\nx\r\n")
    assert len(cluster.wait_mail(alice)) == 1


def utf8_deliver(cluster, recipient):
    with smtplib.SMTP("127.0.0.1", cluster.port("smtp"), timeout=30) as smtp:
        smtp.command_encoding = "utf-8"
        smtp.ehlo("client.example.net")
        assert smtp.docmd("MAIL FROM:<s@else.test> SMTPUTF8")[0] == 250
        code, text = smtp.docmd(f"RCPT TO:<{recipient}>")
        assert code == 250, text
        assert smtp.data("Subject: x\r\n\r\nx\r\n")[0] == 250


@pytest.mark.parametrize("folders,detail,wanted", [
    (["News", "news"], "news", "news"), (["News", "news"], "News", "News"), (["news", "News"], "News", "News"),
    (["News"], "nEWS", "News"), (["News"], "Nothing", "INBOX"), (["Some Folder"], '"Some Folder"', "Some Folder"),
    (["Some Folder"], '"SOME folder"', "Some Folder"), (["&ANw-ber"], "über", "&ANw-ber"),
    (["&ANw-ber"], "U\u0308BER", "&ANw-ber"), (["&ANw-ber", "&APw-ber"], "über", "&APw-ber"),
    (["a", "a/B"], "A/b", "a/B")])
@pytest.mark.parametrize("through", ["account", "alias"])
def test_plus_addressing_into_a_folder(cluster, folders, detail, wanted, through):
    address = fresh(cluster)
    with Imap(cluster.port("imap")) as c:
        c.login(address)
        for folder in folders:
            c.ok(f'CREATE "{folder}"')
        if through == "alias":
            alias = f"list{next(_numbers)}@local.test"
            cluster.tool("alias", "add", alias, address)
        local, domain = (alias if through == "alias" else address).split("@")
        quoted = detail.startswith('"')
        text = f'"{local}+{detail[1:]}@{domain}' if quoted else f"{local}+{detail}@{domain}"
        utf8_deliver(cluster, text)
        wait_for(lambda: "MESSAGES 1" in str(c.ok(f'STATUS "{wanted}" (MESSAGES)')))


def test_catch_all(cluster):
    alice = cluster.add_user(f"all@catch{next(_numbers)}.test")
    domain = alice.split("@")[1]
    cluster.tool("domain", "set", domain, f"catch_all={alice}")
    cluster.deliver("s@else.test", f"whoever@{domain}", "Subject: x\r\n\r\nx\r\n")
    assert len(cluster.wait_mail(alice)) == 1


def test_alias_to_a_remote_address(cluster):
    alice = fresh(cluster)
    alias = f"both{next(_numbers)}@local.test"
    with Sink("127.0.0.2") as sink:
        cluster.settings("smtp-out", relay_host=f"[127.0.0.2]:{sink.port}")
        cluster.tool("alias", "add", alias, alice, "far@remote.test")
        cluster.deliver("s@else.test", alias, "Subject: x\r\n\r\nx\r\n")
        message, = sink.wait()
        assert message.rcpts[0].startswith("<far@remote.test>")
        assert len(cluster.wait_mail(alice)) == 1


@pytest.mark.parametrize("trouble,code", [("quota", "5.2.2"), ("gone", "5.1.1"), ("disabled", "5.2.1")])
def test_refused_after_acceptance(cluster, trouble, code):
    """Mail that can no longer be filed because of a change after the 250 is
    returned to the sender; the other recipient gets the message."""
    sender, good, bad = fresh(cluster, "sender"), fresh(cluster), fresh(cluster)
    cluster.settings("smtp-out", max_local_threads="1")
    alias = f"group{next(_numbers)}@local.test"
    cluster.tool("alias", "add", alias, good, bad)
    if trouble == "quota":
        cluster.tool("user", "set", bad, "quota=10")
    elif trouble == "gone":
        cluster.tool("user", "delete", bad)
    else:
        cluster.tool("user", "set", bad, "enabled=off")
    cluster.deliver(sender, alias, "Subject: x\r\n\r\n" + "x" * 100 + "\r\n")
    fields, = report(cluster, sender)
    assert fields["Status"] == code
    assert fields["Final-Recipient"] == f"rfc822; {bad}"
    assert len(cluster.wait_mail(good)) == 1


def test_worker_killed_is_no_loss_and_no_duplicate(own_cluster):
    cluster = own_cluster(frontends=1)
    alice = cluster.add_user("alice@local.test")
    cluster.settings("spool", job_lease="1s")
    for i in range(60):
        cluster.deliver("s@else.test", alice, f"Subject: {i}\r\n\r\nx\r\n")
        if i % 15 == 7:
            pid = cluster.kill("delivery-worker-0")
            cluster.wait_restarted("delivery-worker-0", pid)
    wait_for(lambda: len(cluster.mailbox(alice)) >= 60, timeout=30, what="60 messages")
    subjects = sorted(int(email.message_from_bytes(m)["Subject"]) for m in cluster.mailbox(alice))
    assert subjects == list(range(60))
