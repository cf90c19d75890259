"""Trusted ARC sealers: their word outweighs DMARC, and nobody else's does."""

import dkim
import pytest

from cluster import wait_for
from mail_auth_world import KEY_PEM, STRANGER, AuthWorld, in_junk, message, results

AUTHOR = "ann@reject.example"
PASS = "spf=pass smtp.mailfrom=ann@reject.example; dmarc=pass (p=reject) header.from=reject.example"


@pytest.fixture(scope="module")
def world():
    world = AuthWorld()
    world.domain("list.example")
    world.domain("gate.example")
    world.dns.set("_dmarc.gone.example", "TXT", '"v=DMARC1; p=quarantine"')
    yield world
    world.stop()


@pytest.fixture(autouse=True)
def trusted(world):
    world.reset(dmarc_enforcement="on", arc_trusted="list.example GATE.example")


def sealed(data, by="list.example", said=PASS, selector=b"sel", chain="none"):
    """As its server verified it on the way, and passed it on."""
    verified = f"Authentication-Results: {by}; {said}; arc={chain}\r\n".encode() + data
    fields = dkim.arc_sign(verified, selector, by.encode(), KEY_PEM, by.encode(),
                           include_headers=[b"From", b"To", b"Subject"])
    assert len(fields) == 3
    return b"".join(fields) + data


def is_refused(world, data):
    code, text = world.try_mail(world.user(), data, "x@list.example")
    assert code == 250 or text.startswith("5.7.1"), text
    return code == 550


def test_trusted(world):
    data = world.take(sealed(message(AUTHOR)), "x@list.example")
    assert results(data)["dmarc"] == ["fail"] and results(data)["arc"] == ["pass"]
    assert b"arc=pass (i=1 d=list.example, trusted)" in data
    trace = wait_for(lambda: world.cluster.trace(world.id), what="its trace")
    assert trace["mail_auth"].endswith("dmarc=fail arc=pass (trusted)")


def test_without_a_need(world):
    """What passes by itself owes it to nobody."""
    said = PASS.replace("reject.example", "pass.example")
    data = world.take(sealed(message(), said=said), "ann@pass.example")
    assert results(data)["dmarc"] == ["pass"] and b"(i=1 d=list.example)" in data


@pytest.mark.parametrize("seals,refused", [(True, False), (False, True)])
def test_quarantine(world, seals, refused):
    user = world.user()
    data = message("ann@quarantine.example")
    if seals:
        data = sealed(data, said="dmarc=pass header.from=quarantine.example")
    assert world.try_mail(user, data, "x@list.example")[0] == 250
    assert in_junk(world, user) == refused


def test_broken_zone(world):
    """DNS leaves open whether it passes, and the sealer knows."""
    world.dns.broken.update({"sub.gone.example"})
    data = sealed(message("ann@gone.example"), said="dmarc=pass header.from=gone.example")
    user = world.user()
    assert world.try_mail(user, data, "x@sub.gone.example")[0] == 250
    assert not in_junk(world, user)


@pytest.mark.parametrize("trusts", ["", "other.example", "example", "sub.list.example"])
def test_not_trusted(world, trusts):
    world.reset(dmarc_enforcement="on", arc_trusted=trusts)
    assert is_refused(world, sealed(message(AUTHOR)))


@pytest.mark.parametrize("said", ["dmarc=fail header.from=reject.example", "dmarc=pass", "spf=pass",
                                  "dmarc=pass header.from=pass.example",
                                  'spf=pass smtp.mailfrom="x; dmarc=pass header.from=reject.example"@pass.example'])
def test_not_said(world, said):
    assert is_refused(world, sealed(message(AUTHOR), said=said))


@pytest.mark.parametrize("change", [
    lambda data: data.replace(b"Hello.", b"Hallo."),
    lambda data: data.replace(b"From: Ann <ann@reject", b"From: Bob <bob@reject"),
    lambda data: data.replace(b"dmarc=fail", b"dmarc=pass", 1),
    lambda data: data.replace(b"cv=none", b"cv=pass", 1),
    lambda data: data.replace(b"ARC-Message-Signature", b"X-Message-Signature", 1),
], ids=["body", "author", "results", "state", "a field gone"])
def test_changed(world, change):
    said = "dmarc=fail header.from=reject.example" if b"dmarc=pass" in change(b"dmarc=fail") else PASS
    before = sealed(message(AUTHOR), said=said)
    after = change(before)
    assert before != after and is_refused(world, after)


def test_forged_seal(world):
    """In a trusted name, with a key that is not in its DNS."""
    assert is_refused(world, sealed(message(AUTHOR), selector=b"mine"))


def test_replayed_set(world):
    """A good set on another message, which the forger then seals."""
    good = sealed(message(AUTHOR))
    fields = good[:good.index(b"From: Ann")]
    world.domain("forger.example")
    other = fields + message(AUTHOR, body="Send money.\r\n")
    assert is_refused(world, other)
    assert is_refused(world, sealed(other, "forger.example", chain="pass"))


@pytest.mark.parametrize("trusts,refused", [("list.example gate.example", False), ("list.example", True),
                                            ("gate.example", True)])
def test_two_hops(world, trusts, refused):
    """Only the first has seen it pass; the second has to be trusted with what it passed on."""
    world.reset(dmarc_enforcement="on", arc_trusted=trusts)
    sent = sealed(sealed(message(AUTHOR)), "gate.example", "dmarc=fail header.from=reject.example", chain="pass")
    assert sent.count(b"ARC-Seal:") == 2
    assert is_refused(world, sent) == refused


def test_spf_is_another_matter(world):
    """spf_fail_action refuses who may not send, whatever has been sealed."""
    world.reset(dmarc_enforcement="on", arc_trusted="list.example", spf_fail_action="refuse")
    code, text = world.try_mail(world.user(), sealed(message(AUTHOR)), "x@list.example", client=STRANGER)
    assert code == 550 and text.startswith("5.7.23"), text
