"""Photos on the page, in a real browser: My account and Accounts; what is no picture; too large ones."""

import base64
import random
import struct
import zlib

import redis

from cluster import wait_for
from test_photos import jpeg
from test_web import ask, browser  # noqa: F401 (fixtures)
from test_web_accounts_page import Accounts, site  # noqa: F401 (a fixture)


def png(width, height, pixel=lambda x, y: b"\x20\x40\xc0"):
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    rows = b"".join(b"\0" + b"".join(pixel(x, y) for x in range(width)) for y in range(height))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) \
        + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def choose(page, tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    page.find("#photo-file").send_keys(str(path))


def kept(cluster, address):
    with redis.Redis(port=cluster.port("redis")) as r:
        return r.get(f"photo:{{{address}}}")


def shown(page):
    """Width and height of the preview, and what it is called."""
    canvas = page.find("#photo-now canvas")
    return page.browser.execute_script("return [arguments[0].width, arguments[0].height]", canvas), canvas.get_attribute("aria-label")


def remove(page):
    page.click("#photo-remove")
    page.browser.switch_to.alert.accept()
    page.done()
    assert page.find("#photo-now").text == "None." and not page.browser.find_elements("css selector", "#photo-remove")


def test_my_own(cluster, site, browser, tmp_path):  # noqa: F811
    page, name = Accounts(browser, cluster), f"plain@{site}"
    page.login(f"{name}:secret")
    assert page.find("#photo-now").text == "None."
    # Twice as wide as high, and larger than what is kept; another form of file.
    choose(page, tmp_path, "me.png", png(960, 480))
    page.done()
    assert shown(page) == ([160, 80], f"Photo of {name}")
    photo = kept(cluster, name)
    assert photo[:3] == b"\xff\xd8\xff" and struct.pack(">HH", 240, 480) in photo
    page.is_clean()
    # A file that is no picture, and one that only looks so: told at the input, and all is as before.
    for file, content in (("not.jpg", b"not a picture"), ("half.jpg", photo[:40]), ("empty.jpg", b"")):
        choose(page, tmp_path, file, content)
        wait_for(lambda: "no picture" in page.find("#photo-fault").text, timeout=15, what=file)
        assert kept(cluster, name) == photo
        assert page.find("#photo-file").get_attribute("value") == ""
        browser.execute_script("document.getElementById('photo-fault').textContent = ''")
    remove(page)
    assert kept(cluster, name) is None


def test_noise_becomes_small_enough(cluster, site, browser, tmp_path):  # noqa: F811
    noise = random.Random(7)
    page, name = Accounts(browser, cluster), f"plain@{site}"
    page.login(f"{name}:secret")
    picture = png(500, 500, lambda x, y: noise.randbytes(3))
    assert len(picture) > 700_000
    choose(page, tmp_path, "noise.png", picture)
    page.done()
    assert 1000 < len(kept(cluster, name)) <= 100 * 1024


def test_of_others(cluster, site, browser, tmp_path):  # noqa: F811
    """A domain's administrator; saving the form afterwards meets no change by somebody else."""
    page, name = Accounts(browser, cluster), f"plain@{site}"
    page.open(f"chief@{site}:secret")
    page.click("#main tbody tr:nth-child(2) td:first-child button")  # chief, plain, root
    choose(page, tmp_path, "tall.png", png(30, 90))
    page.done()
    assert shown(page) == ([30, 90], f"Photo of {name}")
    page.is_clean()
    page.send("edit", display_name="Plain")
    page.done()
    assert cluster.json("user", "show", name)["display_name"] == "Plain" and kept(cluster, name)[:2] == b"\xff\xd8"
    remove(page)
    assert kept(cluster, name) is None
    # The server refuses: it is told beside the input.
    cluster.tool("user", "delete", name)
    choose(page, tmp_path, "other.png", png(50, 50))
    wait_for(lambda: page.find("#photo-fault").text != "", timeout=15, what="a refusal")
    assert kept(cluster, name) is None


def test_what_the_browser_cannot_show(cluster, site, browser):  # noqa: F811
    """The segments are right, the picture is none: it says so, and it can be removed."""
    page, name = Accounts(browser, cluster), f"plain@{site}"
    body = {"photo": base64.b64encode(jpeg()).decode()}
    assert ask(cluster, "PUT", f"domains/{site}/users/{name}/photo", body, login=f"{name}:secret")[0] == 204
    page.login(f"{name}:secret")
    wait_for(lambda: "cannot show" in page.find("#photo-now").text, timeout=15, what="it is told")
    remove(page)
    assert kept(cluster, name) is None
