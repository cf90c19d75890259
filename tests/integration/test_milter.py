"""Milters: what they are told, what they change, and what happens when they fail."""

import email
import itertools
import smtplib
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import scripted_milter as sm
from cluster import SETTLE, wait_for
from scripted_milter import Milter, packet

_numbers = itertools.count(1)
HEADER = "From: ann@elsewhere.example\r\nTo: b@example.test\r\nSubject: one\r\nX-Twice: a\r\nX-Twice: b\r\n"
MESSAGE = HEADER + "\r\nHello.\r\n.dot\r\n"


@pytest.fixture
def milters(cluster):
    """Makes milters, and sets them."""
    made = []

    def make(*args, setting="milters", settings=None, **kwargs):
        made.append(Milter(*args, **kwargs))
        cluster.settings("smtp-in", **{setting: ",".join(m.place for m in made)}, **(settings or {}))
        time.sleep(SETTLE)
        return made[-1]

    yield make
    for milter in made:
        milter.close()


@pytest.fixture
def user(cluster):
    return cluster.add_user(f"milted{next(_numbers)}@example.test")


def send(cluster, to, text=MESSAGE, mail_from="ann@elsewhere.example"):
    """The reply to the data."""
    with smtplib.SMTP("127.0.0.1", cluster.port("smtp"), timeout=60) as smtp:
        smtp.ehlo("client.example")
        code, words = smtp.docmd(f"MAIL FROM:<{mail_from}>")
        if code == 451:
            return code, words.decode()
        for address in [to] if isinstance(to, str) else to:
            assert smtp.docmd(f"RCPT TO:<{address}>")[0] == 250
        code, words = smtp.data(text)
        return code, words.decode()


def take(cluster, user, text=MESSAGE):
    assert send(cluster, user, text)[0] == 250
    return cluster.wait_mail(user)[-1]


def at_end(*changes):
    return {b"E": b"".join(changes) + packet(sm.ACCEPT)}


# ---- What they are told ----

def test_dialogue(cluster, milters, user):
    milter = milters()
    assert b"Hello.\r\n.dot\r\n" in take(cluster, user)
    wait_for(lambda: milter.commands().endswith("Q"), what="QUIT")
    assert milter.commands() == "CHMRT" + "L" * 6 + "NBEQ"
    assert milter.offered == (6, 0x5f, 0x1ff7ff)
    told = dict(milter.told)
    host, rest = told[b"C"].split(b"\0", 1)
    assert host == b"[127.0.0.1]" and rest[:1] == b"4" and rest[3:] == b"127.0.0.1\0"
    assert told[b"H"] == b"client.example\0" and told[b"M"] == b"<ann@elsewhere.example>\0"
    assert told[b"R"] == f"<{user}>\0".encode() and milter.body() == b"Hello.\r\n.dot\r\n"
    names = [name for name, _ in milter.fields()]
    assert names == ["Authentication-Results", "From", "To", "Subject", "X-Twice", "X-Twice"]
    assert milter.fields()[3] == ("Subject", "one")
    assert milter.macros[b"M"][b"{mail_addr}"] == b"ann@elsewhere.example"
    assert milter.macros[b"R"][b"{rcpt_addr}"] == user.encode()
    assert milter.macros[b"C"][b"{client_addr}"] == b"127.0.0.1" and milter.macros[b"E"][b"i"]


@pytest.mark.parametrize("dialogue, commands", [
    (0x3ff & ~0x80, "EQ"), (0x80 | 0x1000 | 0x2000 | 0x4000 | 0x8000 | 0x10000 | 0x40000 | 0x80000, "CHMRTLLLLLLNBEQ"),
    (0x3f & ~0x10, "TNBEQ")])
def test_negotiated(cluster, milters, user, dialogue, commands):
    milter = milters(dialogue=dialogue)
    take(cluster, user)
    wait_for(lambda: milter.commands() == commands, what="the dialogue")


def test_old_version(cluster, milters, user):
    milter = milters(version=2)
    take(cluster, user)
    assert "T" not in milter.commands() and "E" in milter.commands()


def test_leading_blanks(cluster, milters, user):
    milter = milters(dialogue=0x100000, answers=at_end(sm.add("X-New", "\tvalue")))
    assert b"X-New:\tvalue\r\n" in take(cluster, user, "Subject:   far\r\n folded\r\n\r\nx\r\n")
    assert ("Subject", "   far\n folded") in milter.fields()


def test_skip_and_progress(cluster, milters, user):
    milter = milters(answers={b"B": packet(sm.SKIP), b"E": packet(sm.PROGRESS) + packet(sm.ACCEPT)})
    text = "x" * 70 + "\r\n"
    take(cluster, user, HEADER + "\r\n" + text * 5000)
    assert milter.commands().count("B") == 1


def test_socket_of_unix(cluster, milters, user, tmp_path):
    milter = milters(str(tmp_path / "m.sock"))
    take(cluster, user)
    assert "E" in milter.commands()


@pytest.mark.parametrize("mute", [0, 0x80000])
def test_large_message(cluster, milters, user, mute):
    """Changed and stored anew, with its body as it was."""
    milter = milters(dialogue=mute, answers=at_end(sm.add("X-New", "1")))
    text = "0123456789" * 7 + "\r\n"
    body = text * (10_000_000 // len(text))
    data = take(cluster, user, HEADER + "\r\n" + body)
    assert milter.body() == body.encode()
    assert data.endswith(b"X-New: 1\r\n\r\n" + body.encode())


# ---- Changes ----

def lines(data):
    return data.split(b"\r\n\r\n", 1)[0].decode().split("\r\n")


def test_header_changes(cluster, milters, user):
    milters(answers=at_end(
        sm.add("X-Last", "1\n2"), sm.change(2, "x-twice", "B"), sm.change(1, "Subject", ""),
        sm.change(9, "X-None", ""), sm.change(1, "X-Made", "made"), sm.insert(0, "X-Top", "t"),
        sm.insert(4, "X-Fourth", "4"), sm.insert(99, "X-End", "e")))
    data = take(cluster, user)
    found = [line.split(":")[0] for line in lines(data) if line[0] not in " \t"]
    # X-Top counts too, once it is there.
    assert found == ["Return-Path", "X-Top", "Authentication-Results", "Received", "From", "X-Fourth", "To", "X-Twice",
                     "x-twice", "X-Last", "X-Made", "X-End"]
    mail = email.message_from_bytes(data)
    assert mail["X-Last"].split() == ["1", "2"] and mail.get_all("X-Twice") == ["a", "B"]
    assert data.endswith(b"\r\n\r\nHello.\r\n.dot\r\n")


def test_own_lines_stay(cluster, milters, user):
    milters(answers=at_end(sm.change(1, "Authentication-Results", "forged"), sm.change(1, "Received", "forged"),
                           sm.change(1, "Return-Path", "forged")))
    data = take(cluster, user)
    own = lines(data)
    assert own[0] == "Return-Path: <ann@elsewhere.example>"
    assert "spf=" in data.decode().split("Received:")[0] and "Stagepost" in data.decode()
    assert own[-1] == "Return-Path: forged" and own[-2] == "Received: forged"  # as new fields


def test_body_is_replaced(cluster, milters, user):
    milters(answers=at_end(sm.body(b"new "), sm.body(b"body\r\n")))
    data = take(cluster, user)
    assert data.endswith(b"X-Twice: b\r\n\r\nnew body\r\n")


def test_second_milter_sees_changes(cluster, milters, user):
    milters(answers=at_end(sm.add("X-First", "1"), sm.body(b"new\r\n")))
    second = milters(answers=at_end(sm.change(1, "X-First", "2")))
    data = take(cluster, user)
    assert ("X-First", "1") in second.fields() and second.body() == b"new\r\n"
    assert b"X-First: 2\r\n\r\nnew\r\n" in data


def test_envelope_changes(cluster, milters, user):
    other = cluster.add_user(f"milted{next(_numbers)}@example.test")
    milters(answers=at_end(sm.add_recipient(f"<{other}>"), sm.remove_recipient(f"<{user}>"),
                           sm.sender("<new@elsewhere.example>")))
    assert send(cluster, user)[0] == 250
    data = cluster.wait_mail(other)[-1]
    assert data.startswith(b"Return-Path: <new@elsewhere.example>\r\n") and b"Hello." in data
    assert not cluster.mailbox(user)


def test_many_recipients_are_changed(cluster, milters, user):
    users = [cluster.add_user(f"milted{next(_numbers)}@example.test") for _ in range(20)]
    milters(answers=at_end(*[sm.remove_recipient(u) for u in users[:10]], sm.add_recipient(user),
                           sm.add_recipient(users[15])))
    assert send(cluster, users)[0] == 250
    for u in [user, *users[10:]]:
        assert len(cluster.wait_mail(u)) == 1
    assert not any(cluster.mailbox(u) for u in users[:10])


# ---- Verdicts ----

VERDICTS = {
    "reject": (packet(sm.REJECT), (550, "5.7.1 Message refused")),
    "tempfail": (packet(sm.TEMPFAIL), (451, "4.7.1 Service unavailable, try again later")),
    "shutdown": (packet(b"4"), (451, "4.7.1 Service unavailable, try again later")),
    "reply": (sm.reply("554 5.7.1 go %% away"), (554, "5.7.1 go %% away")),
    "lines": (sm.reply("450-4.7.1 one\r\n450 4.7.1 two"), (450, "4.7.1 one\n4.7.1 two")),
}


@pytest.mark.parametrize("command", "CHMRTLNBE")
@pytest.mark.parametrize("verdict", ["reject", "lines"])
def test_refused_at_each_command(cluster, milters, user, command, verdict):
    answer, expected = VERDICTS[verdict]
    milters(answers={command.encode(): answer})
    assert send(cluster, user) == expected
    assert not cluster.mailbox(user)


@pytest.mark.parametrize("verdict", VERDICTS)
def test_verdicts(cluster, milters, user, verdict):
    answer, expected = VERDICTS[verdict]
    milters(answers={b"E": answer})
    assert send(cluster, user) == expected
    assert not cluster.mailbox(user)


def test_discarded(cluster, milters, user):
    milter = milters(answers={b"M": packet(sm.DISCARD)})
    assert send(cluster, user)[0] == 250
    milter.answers.clear()
    take(cluster, user, "Subject: second\r\n\r\n")
    assert len(cluster.mailbox(user)) == 1


def test_accepted_early(cluster, milters, user):
    first = milters(answers={b"M": packet(sm.ACCEPT)})
    second = milters()
    take(cluster, user)
    assert first.commands().startswith("CHM") and "E" not in first.commands() and "E" in second.commands()


# ---- Failures ----

def hang_up(milter, connection, data):
    connection.shutdown(socket.SHUT_RDWR)


BROKEN = {
    "hangs": {b"E": None},
    "dies": {b"E": hang_up},
    "dies at once": {b"C": hang_up},
    "dies in the midst of changes": {b"E": lambda m, c, d: (c.sendall(sm.add("X-Half", "1")), hang_up(m, c, d))[1]},
    "rubbish": {b"E": b"HTTP/1.1 200 OK\r\n\r\n"},
    "empty packet": {b"M": b"\0\0\0\0"},
    "huge packet": {b"M": b"\x7f\xff\xff\xffc"},
    "unknown answer": {b"M": packet(b"Z")},
    "change before the end": {b"M": sm.add("X-Half", "1") + packet(sm.CONTINUE)},
    "no text": {b"E": packet(b"h", b"name without end") + packet(sm.ACCEPT)},
    "sender of two lines": {b"E": packet(b"e", b"<a@b.example>\r\nDATA\0") + packet(sm.ACCEPT)},
    "quarantine": {b"E": packet(b"q", b"why\0") + packet(sm.ACCEPT)},
    "bad reply": {b"E": sm.reply("250 ok")},
    "two answers": {b"C": packet(sm.CONTINUE) * 2},
    "no negotiation": {b"O": packet(sm.CONTINUE)},
    "too new": {b"O": packet(b"O", b"\0\0\0\x09\0\0\0\0\0\0\0\0")},
}


def test_none_of_the_changes_if_one_is_bad(cluster, milters, user):
    """... or else a recipient would be removed, and nobody would have the message."""
    milters(answers={b"E": sm.remove_recipient(user) + sm.add("X-Half", "1") + packet(b"+", b"<two words@example.test>\0") +
                     packet(sm.ACCEPT)}, settings={"milter_default_action": "accept"})
    assert b"X-Half" not in take(cluster, user)


def test_redirected_to_nobody(cluster, milters, user):
    milters(answers={b"E": sm.remove_recipient(user) + sm.add_recipient("nobody@example.test") + packet(sm.ACCEPT)})
    assert send(cluster, user)[0] == 451


def test_too_many_fields(cluster, milters, user):
    """The client must not get past a milter by them."""
    milters(answers={}, settings={"milter_default_action": "accept"})
    assert send(cluster, user, b"X-Spam: Yes\r\n" * 2100 + b"\r\nx\r\n")[0] == 552
    assert send(cluster, user, b"X-Spam: Yes\r\n" * 1500 + b"\r\nx\r\n")[0] == 250


@pytest.mark.parametrize("kind", BROKEN)
def test_broken(cluster, milters, user, kind):
    milters(answers=BROKEN[kind], settings={"milter_content_timeout": "300ms", "milter_default_action": "accept"})
    assert b"X-Half" not in take(cluster, user)
    cluster.settings("smtp-in", milter_default_action="tempfail")
    time.sleep(SETTLE)
    assert send(cluster, user) == (451, "4.7.1 Service unavailable, try again later")
    assert len(cluster.mailbox(user)) == 1


def test_nobody_listens(cluster, milters, user):
    milter = milters(settings={"milter_default_action": "reject"})
    milter.close()
    assert send(cluster, user)[0] == 550
    assert any("milter failed" in line and milter.place in line for line in cluster.logs().splitlines())
    cluster.unset("smtp-in", "milters")
    time.sleep(SETTLE)
    take(cluster, user)


def test_size_limit_holds(cluster, milters, user):
    milters(answers=at_end(sm.body(b"x" * 60000)), settings={"max_message_size": "50000"})
    assert send(cluster, user)[0] == 552
    assert not cluster.mailbox(user)


def test_malformed_place_is_not_set(cluster):
    for place in ["inet:localhost", "unix:relative", "inet:127.0.0.1", "inet6:127.0.0.1:1", "tcp:127.0.0.1:1"]:
        assert cluster.tool("settings", "set", "smtp-in", f"milters={place}", check=False).returncode != 0


def test_client_gone_while_asked(cluster, milters, user):
    milter = milters(answers={b"E": None}, settings={"milter_content_timeout": "2s"})
    with socket.create_connection(("127.0.0.1", cluster.port("smtp"))) as s:
        s.sendall(f"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<{user}>\r\nDATA\r\n".encode())
        wait_for(lambda: b"354" in s.recv(4096), what="354")
        s.sendall(b"Subject: x\r\n\r\nx\r\n.\r\n")
        wait_for(lambda: "E" in milter.commands(), what="the end of the message")
    milter.answers.clear()
    take(cluster, user, "Subject: second\r\n\r\n")
    assert len(cluster.mailbox(user)) == 1


def test_many_at_once(cluster, milters, user):
    milter = milters(answers=at_end(sm.add("X-New", "1")))
    with ThreadPoolExecutor(20) as pool:
        codes = list(pool.map(lambda _: send(cluster, user)[0], range(60)))
    assert codes == [250] * 60 and milter.sessions == 60
    assert all(b"X-New: 1\r\n" in data for data in cluster.wait_mail(user, 60))


def take_again(cluster, user, old):
    """As a client does it, once the frontend is back and has found the broker."""
    cluster.wait_restarted("frontend-0", old)
    wait_for(lambda: send(cluster, user)[0] == 250, what="the frontend")
    assert b"X-New: 1\r\n" in cluster.wait_mail(user)[0]
    assert len(cluster.mailbox(user)) == 1


def test_frontend_is_killed_while_asked(own_cluster):
    """The client gets no answer, and sends it again: there is one message."""
    cluster, milter = own_cluster(frontends=1), Milter(answers={b"E": None})
    user = cluster.add_user("killed@example.test")
    cluster.settings("smtp-in", milters=milter.place)
    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(send, cluster, user)
        wait_for(lambda: "E" in milter.commands(), what="the end of the message")
        old = cluster.pid("frontend-0")
        cluster.kill("frontend-0")
        with pytest.raises((smtplib.SMTPException, OSError)):
            sent.result()
    milter.answers = at_end(sm.add("X-New", "1"))
    take_again(cluster, user, old)
    milter.close()


def test_killed_before_it_is_stored_anew(own_cluster, tmp_path):
    marker = tmp_path / "marker"
    cluster = own_cluster(frontends=1, env={"STAGEPOST_CRASH_AT": f"milters-asked:{marker}"})
    milter = Milter(answers=at_end(sm.add("X-New", "1")))
    user = cluster.add_user("killed@example.test")
    cluster.settings("smtp-in", milters=milter.place)
    old = cluster.pid("frontend-0")
    marker.write_text("")
    with pytest.raises((smtplib.SMTPException, OSError)):
        send(cluster, user)
    assert not marker.exists()
    take_again(cluster, user, old)
    milter.close()
