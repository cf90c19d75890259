"""Photos of users: given by the tool, kept beside the record, answered by LDAP as jpegPhoto."""

import base64
import itertools
import os
import signal
import struct
import subprocess

import ldap3
import pytest
import redis

import book
from cluster import BUILD, Cluster, wait_for
from ldap_client import Ldap, equal, present, search, tlv, octets
from test_tool import fails

_numbers = itertools.count(1)
LARGEST = 100 * 1024


def segment(marker, content):
    return bytes([0xff, marker]) + struct.pack(">H", len(content) + 2) + content


def jpeg(mark=b"", size=0, width=96, height=96):
    """The segments of one; as large as that."""
    frame = segment(0xc0, struct.pack(">BHHB", 8, height, width, 1) + b"\1\x11\0")
    whole = b"\xff\xd8" + segment(0xe0, b"JFIF\0\1\1\0\0\1\0\1\0\0") + segment(0xfe, mark) + frame + segment(0xda, b"\1\1\0\0\x3f\0")
    return whole + b"\x55" * max(1, size - len(whole) - 2) + b"\xff\xd9"


@pytest.fixture
def domain(cluster):
    name = f"photo{next(_numbers)}-{os.getpid()}.test"
    for user in ("alice", "bob"):
        cluster.add_user(f"{user}@{name}")
    yield name
    cluster.tool("domain", "delete", name, "--force")


def base(domain):
    return ",".join(f"dc={label}" for label in domain.split("."))


def give(cluster, tmp_path, address, photo):
    path = tmp_path / "photo.jpg"
    path.write_bytes(photo)
    cluster.tool("user", "set", address, "--photo", path)


def connect(cluster, domain, name="bob"):
    server = ldap3.Server("127.0.0.1", cluster.port("ldap"), get_info=ldap3.SCHEMA)
    return ldap3.Connection(server, f"{name}@{domain}", "secret", auto_bind=ldap3.AUTO_BIND_TLS_BEFORE_BIND,
                            return_empty_attributes=False)


def photos(ldap, domain, filter="(objectClass=person)", attributes=("jpegPhoto",)):
    """{name: photo}; None: the entry is there, without one"""
    ldap.search(base(domain), filter, attributes=list(attributes))
    return {entry["dn"].split(",")[0][4:]: (entry["raw_attributes"].get("jpegPhoto") or [None])[0] for entry in ldap.response
            if entry["type"] == "searchResEntry"}


def shown(ldap, domain, wanted, **kwargs):
    return wait_for(lambda: photos(ldap, domain, **kwargs) == wanted, what="the photos in the directory")


def test_given_changed_and_taken_away(cluster, domain, tmp_path):
    ldap, alice = connect(cluster, domain), f"alice@{domain}"
    assert photos(ldap, domain) == {"alice": None, "bob": None}
    first, second = jpeg(b"first"), jpeg(b"second", LARGEST)
    assert len(second) == LARGEST
    give(cluster, tmp_path, alice, first)
    shown(ldap, domain, {"alice": first, "bob": None})
    shown(ldap, domain, {"alice": first, "bob": None}, attributes=["*"])
    assert photos(ldap, domain, attributes=["mail"]) == {"alice": None, "bob": None}
    assert photos(ldap, domain, "(jpegPhoto=*)") == {"alice": first}
    assert photos(ldap, domain, "(&(uid=*)(!(jpegPhoto=*)))") == {"bob": None}
    assert photos(ldap, domain, "(jpegPhoto=x)") == {} == photos(ldap, domain, "(&(uid=*)(!(jpegPhoto=x)))")  # there is no rule for it
    ldap.search(base(domain), "(uid=*)", attributes=["jpegPhoto"], types_only=True)
    assert [list(entry["raw_attributes"]) for entry in ldap.response] == [["jpegPhoto"], []]
    told = cluster.json("user", "show", alice)["photo"]
    assert book.read(cluster, domain) == book.expected(cluster, domain)
    assert told.startswith(f"{len(first)} ")

    # Another one, with a field in the same order.
    (tmp_path / "second").write_bytes(second)
    cluster.tool("user", "set", alice, "title=Boss", "--photo", tmp_path / "second")
    shown(ldap, domain, {"alice": second, "bob": None})
    assert cluster.json("user", "show", alice)["photo"] != told and cluster.json("user", "show", alice)["title"] == "Boss"
    cluster.tool("user", "set", alice, "--no-photo")
    shown(ldap, domain, {"alice": None, "bob": None})
    assert "photo" not in cluster.json("user", "show", alice) and not cluster.redis.exists(f"photo:{{{alice}}}")
    assert book.read(cluster, domain) == book.expected(cluster, domain)

    # It goes with the account, and is not that of who gets the address later.
    give(cluster, tmp_path, alice, first)
    cluster.tool("user", "delete", alice)
    assert not cluster.redis.exists(f"photo:{{{alice}}}")
    cluster.add_user(alice)
    shown(ldap, domain, {"alice": None, "bob": None})


@pytest.mark.parametrize("photo", [
    b"", b"GIF89a" + bytes(50), b"\x89PNG\r\n\x1a\n" + bytes(50), jpeg()[:-2], jpeg()[:40], jpeg(size=LARGEST + 1), jpeg(width=0),
    jpeg(height=5000), b"\xff\xd8\xff\xd9", b"\xff\xd8" + b"\xff" * 100, b"\xff\xd8\xff\xe0\xff\xff", jpeg().replace(b"\xff\xc0", b"\xff\xc4"),
], ids=range(12))
def test_what_is_no_photo(cluster, tmp_path, photo):
    """Nothing is changed, the fields beside it neither."""
    (tmp_path / "bad").write_bytes(photo)
    fails(cluster, "user", "set", "alice@example.test", "title=Never", "--photo", str(tmp_path / "bad"), words="a photo m")


def test_orders_that_are_refused(cluster, tmp_path):
    (tmp_path / "good").write_bytes(jpeg())
    fails(cluster, "user", "set", "alice@example.test", "--photo", str(tmp_path / "nowhere"), words="No such file")
    fails(cluster, "user", "set", "alice@example.test", "--photo", str(tmp_path / "good"), "--no-photo", words="either")
    fails(cluster, "user", "set", "nobody-here@example.test", "--photo", str(tmp_path / "good"), words="there is no user")
    assert not cluster.redis.exists("photo:{nobody-here@example.test}", "user:{nobody-here@example.test}")


def test_hidden_with_its_account(cluster, domain, tmp_path):
    give(cluster, tmp_path, f"alice@{domain}", jpeg())
    cluster.tool("user", "set", f"alice@{domain}", "book=off")
    shown(connect(cluster, domain), domain, {"bob": None})
    assert photos(connect(cluster, domain, "alice"), domain, "(uid=alice)") == {"alice": jpeg()}


def test_killed_before_the_book(cluster, domain, tmp_path):
    (tmp_path / "photo").write_bytes(jpeg())
    marker = tmp_path / "marker"
    marker.touch()
    died = subprocess.run([BUILD / "stagepost", "user", "set", f"alice@{domain}", "--photo", tmp_path / "photo", "--dir", str(cluster.dir)],
                          env={**cluster.env, "STAGEPOST_CRASH_AT": f"directory-book:{marker}"}, timeout=60)
    stored = redis.Redis(port=cluster.port("redis")).get(f"photo:{{alice@{domain}}}")
    assert died.returncode == -signal.SIGKILL and stored == jpeg()
    cluster.tool("book", "rebuild", domain)
    shown(connect(cluster, domain), domain, {"alice": jpeg(), "bob": None})


def test_many_and_a_client_that_is_slow(cluster, domain, tmp_path):
    """One is read after the other; a client that does not read holds none back from others."""
    wanted = {name: jpeg(name.encode(), LARGEST) for name in ["alice", "bob"] + [f"user{n:02}" for n in range(18)]}
    for name, photo in wanted.items():
        if name.startswith("user"):
            cluster.add_user(f"{name}@{domain}")
        give(cluster, tmp_path, f"{name}@{domain}", photo)
    ldap = connect(cluster, domain)
    shown(ldap, domain, wanted)
    slow = Ldap(cluster.port("ldap")).login(f"bob@{domain}")
    slow.send(search(base(domain), filter=present("uid"), attributes=["jpegPhoto"]))
    assert photos(ldap, domain) == wanted
    # By pages, each once.
    found = ldap.extend.standard.paged_search(base(domain), "(uid=*)", attributes=["jpegPhoto"], paged_size=7, generator=False)
    assert {e["dn"].split(",")[0][4:]: e["raw_attributes"]["jpegPhoto"][0] for e in found} == wanted
    slow.sock.settimeout(20)
    taken = b""
    while taken.count(b"\xff\xd9") < len(wanted):
        taken += slow.sock.recv(1 << 20)
    slow.close()


def test_compared(cluster, domain):
    ldap = Ldap(cluster.port("ldap")).login(f"bob@{domain}")
    compare = tlv(0x6e, octets(f"uid=bob,ou=people,{base(domain)}") + tlv(0x30, octets("jpegPhoto") + octets("x")))
    assert ldap.ask(compare)[-1].code == 18


def test_without_the_store(cluster, domain, tmp_path):
    """Who wants a photo is told that it cannot be read; who wants all that there is gets the rest."""
    give(cluster, tmp_path, f"alice@{domain}", jpeg())
    shown(connect(cluster, domain), domain, {"alice": jpeg(), "bob": None})
    ldap = Ldap(cluster.port("ldap"), timeout=60).login(f"bob@{domain}")
    assert ldap.ask(search(base(domain), filter=equal("uid", "alice"), attributes=["mail"]))[-1].code == 0
    store = cluster.pid("redis")
    os.kill(store, signal.SIGSTOP)
    try:
        rest = ldap.ask(search(base(domain), filter=equal("uid", "alice"), attributes=["*"]))
        assert rest[-1].code == 0 and rest[0].attributes["mail"] == [f"alice@{domain}"] and "jpegPhoto" not in rest[0].attributes
        assert [a.code for a in ldap.ask(search(base(domain), filter=equal("uid", "alice"), attributes=["*", "jpegPhoto"]))] == [52]
    finally:
        os.kill(store, signal.SIGCONT)
    shown(connect(cluster, domain), domain, {"alice": jpeg(), "bob": None})


def test_restored(own_cluster, tmp_path):
    cluster = own_cluster(frontends=1)
    cluster.add_user("alice@photo.test")
    give(cluster, tmp_path, "alice@photo.test", jpeg(b"kept", LARGEST))
    cluster.tool("backup", tmp_path / "backups")
    cluster.stop()
    again = Cluster(frontends=1, dir=tmp_path / "restored")
    again.tool("restore", tmp_path / "backups")
    with again:
        shown(connect(again, "photo.test", "alice"), "photo.test", {"alice": jpeg(b"kept", LARGEST)})


def ldif(path, domain, **photos):
    """Lines: 1 to 3 the first entry and an empty line, and so on; base64 unfolded."""
    path.write_text("".join(f"dn: uid={name}\nmail: {name}@{domain}\njpegPhoto:: {base64.b64encode(photo).decode()}\n\n"
                            for name, photo in photos.items()))
    return path


def stored(cluster, domain, name):
    with redis.Redis(port=cluster.port("redis")) as store:
        return store.get(f"photo:{{{name}@{domain}}}")


def test_ldif(cluster, domain, tmp_path):
    """What is exported is imported again: to an account that has another, none, or is not there."""
    largest, small, out = jpeg(b"the largest", LARGEST), jpeg(b"small"), tmp_path / "out.ldif"
    give(cluster, tmp_path, f"alice@{domain}", largest)
    give(cluster, tmp_path, f"bob@{domain}", small)
    cluster.add_user(f"none@{domain}")
    assert cluster.json("user", "export", domain, "--format", "ldif", "--output", out) == {"accounts": 3, "photos": 2}
    text = out.read_text()
    assert text.count("jpegPhoto::") == 2 and max(map(len, text.splitlines())) <= 76
    cluster.tool("user", "set", f"alice@{domain}", "--no-photo")
    give(cluster, tmp_path, f"bob@{domain}", jpeg(b"another"))
    give(cluster, tmp_path, f"none@{domain}", small)
    cluster.tool("user", "delete", f"bob@{domain}")
    assert cluster.tool("user", "import", out).stdout == "1 accounts added, 2 changed\n"
    assert (stored(cluster, domain, "alice"), stored(cluster, domain, "bob")) == (largest, small)
    # An entry that does not mention it keeps it; an empty one removes it.
    assert stored(cluster, domain, "none") == small
    ldif(out, domain, none=b"", alice=small)
    cluster.tool("user", "import", out)
    assert stored(cluster, domain, "none") is None and stored(cluster, domain, "alice") == small
    assert "photo" not in cluster.redis.hgetall(f"user:{{none@{domain}}}")
    with connect(cluster, domain) as ldap:
        assert photos(ldap, domain) == {"alice": small, "bob": small, "none": None}
    assert book.read(cluster, domain) == book.expected(cluster, domain)


def test_ldif_with_what_is_no_photo(cluster, domain, tmp_path):
    """The line is named, and nothing of the file is done."""
    for bad, words in ((b"GIF89a" + bytes(40), "whole JPEG"), (jpeg(size=LARGEST + 1), "at most 100 KiB"), (jpeg()[:-2], "whole JPEG")):
        path = ldif(tmp_path / "bad.ldif", domain, alice=jpeg(), new=jpeg(), bob=bad)
        result = cluster.tool("user", "import", path, check=False)
        assert result.returncode == 1 and f"{path}:11: jpegPhoto: a photo m" in result.stderr and words in result.stderr
        assert "nothing was imported" in result.stderr
    path.write_text(path.read_text().replace("jpegPhoto:: ", "jpegPhoto:: !", 1))
    assert f"{path}:3: not base64" in cluster.tool("user", "import", path, check=False).stderr
    assert not cluster.redis.exists(*(f"photo:{{{name}@{domain}}}" for name in ("alice", "new", "bob")))
    assert not cluster.redis.exists(f"user:{{new@{domain}}}")


def test_csv_has_none(cluster, domain, tmp_path):
    give(cluster, tmp_path, f"alice@{domain}", jpeg())
    result = cluster.tool("user", "export", domain)
    assert "CSV has no photos: those of 1 accounts are not in it" in result.stderr
    header = result.stdout.splitlines()[0].split(",")
    assert "photo" not in header and "jpegPhoto" not in header
    path = tmp_path / "in.csv"
    path.write_text(result.stdout)
    assert "0 accounts added, 2 changed" in cluster.tool("user", "import", path).stdout
    assert stored(cluster, domain, "alice") == jpeg()
    path.write_text(f"address,jpegPhoto\nalice@{domain},x\n")
    assert f"{path}:1: CSV has no photos" in cluster.tool("user", "import", path, check=False).stderr
