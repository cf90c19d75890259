"""The API's photos: who may see and change whose, and what is no photo."""

import base64
import os
import signal

import pytest

from test_photos import LARGEST, jpeg
from test_web_accounts import site  # noqa: F401 (a fixture)


def place(site, address=None):  # noqa: F811
    return f"domains/{site.domain}/users/{address or site.victim}/photo"


def text(photo):
    return {"photo": base64.b64encode(photo).decode()}


def test_photo(site):  # noqa: F811
    photo = jpeg(b"by the API", LARGEST)
    assert site.ask("GET", place(site), role="domain_admin")[0] == 404
    assert site.ask("PUT", place(site), text(photo), role="domain_admin")[0] == 204
    assert site.log()["action"] == "photo changed" and site.log()["target"] == site.victim and site.log()["detail"] == ""
    status, _, told = site.ask("GET", place(site), role="domain_admin")
    assert status == 200 and base64.b64decode(told["photo"]) == photo
    user = site.ask("GET", place(site)[:-len("/photo")])[2]
    assert user["photo"].startswith(f"{LARGEST} ")
    # A change of something else leaves it.
    assert site.ask("PATCH", place(site)[:-len("/photo")], {"title": "Boss"})[0] == 204
    assert base64.b64decode(site.ask("GET", place(site))[2]["photo"]) == photo
    assert site.ask("DELETE", place(site), role="domain_admin")[0] == 204
    assert site.ask("GET", place(site))[0] == 404 and "photo" not in site.ask("GET", place(site)[:-len("/photo")])[2]


def test_whose(site):  # noqa: F811
    """A user his own; nobody that of one who may do more, or of another domain."""
    own = place(site, site.addresses["user", site.domain])
    assert site.ask("PUT", own, text(jpeg()), role="user")[0] == 204
    assert base64.b64decode(site.ask("GET", own, role="user")[2]["photo"]) == jpeg()
    for role, address, statuses in [("user", site.victim, (403, 404)), ("anybody", site.victim, (401,)),
                                    ("domain_admin", site.addresses["system_admin", site.domain], (403,))]:
        assert site.ask("PUT", place(site, address), text(jpeg()), role=role)[0] in statuses, role
        assert site.ask("DELETE", place(site, address), role=role)[0] in statuses, role
    other = f"domains/{site.other}/users/{site.addresses['user', site.other]}/photo"
    assert site.ask("PUT", other, text(jpeg()), role="domain_admin")[0] in (403, 404)
    assert not site.cluster.redis.exists(f"photo:{{{site.victim}}}", f"photo:{{{site.addresses['user', site.other]}}}")
    assert site.ask("DELETE", own, role="user")[0] == 204
    assert site.ask("PUT", place(site, f"nobody-here@{site.domain}"), text(jpeg()))[0] == 404


@pytest.mark.parametrize("body", [{"photo": "no base64!"}, {"photo": ""}, text(b"GIF89a" + bytes(40)), text(jpeg()[:-2]),
                                  text(jpeg(size=LARGEST + 1)), {"photo": 5}, {}], ids=range(7))
def test_what_is_no_photo(site, body):  # noqa: F811
    status, _, answer = site.ask("PUT", place(site), body)
    assert status == 422 and "photo" in answer["fields"]
    assert not site.cluster.redis.exists(f"photo:{{{site.victim}}}")


def test_without_the_store(site):  # noqa: F811
    assert site.ask("PUT", place(site), text(jpeg()))[0] == 204
    store = site.cluster.pid("redis")
    os.kill(store, signal.SIGSTOP)
    try:
        assert site.ask("GET", place(site))[0] == 503
    finally:
        os.kill(store, signal.SIGCONT)
