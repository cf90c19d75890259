"""The API's accounts: its description, the rights of every endpoint by role and domain, domains, users, aliases, keys."""

import base64
import itertools
import json
import os
import signal
import socket
import time
from urllib.parse import quote

import jsonschema
import pytest

from cluster import SETTLE, wait_for
from test_photos import jpeg
from test_web import EVIL, Session, ask
from web_site import Site

ROLES = ("anybody", "user", "domain_admin", "system_admin")
METHODS = ("get", "post", "put", "patch", "delete")
_numbers = itertools.count(1)


@pytest.fixture
def site(cluster):
    return Site(cluster)


# ---- The description ----

def description(cluster):
    status, _, answer = ask(cluster, "GET", "openapi.json")
    assert status == 200
    return answer


def operations(cluster):
    for path, item in description(cluster)["paths"].items():
        for method, operation in item.items():
            assert method in METHODS
            yield path, method, operation


def test_description(cluster):
    told = description(cluster)
    assert told["openapi"] == "3.1.0" and told["info"]["title"] and told["servers"] == [{"url": "/api/v1"}]
    ids = set()
    for path, method, operation in operations(cluster):
        assert operation["operationId"] not in ids
        ids.add(operation["operationId"])
        assert operation["summary"] and operation["x-role"] in ROLES
        assert operation["x-reach"] in ("role", "own", "domain", "account")
        names = [p["name"] for p in operation["parameters"] if p["in"] == "path"]
        assert names == [piece[1:-1] for piece in path.split("/") if piece.startswith("{")]
        for parameter in operation["parameters"]:
            assert parameter["description"] and parameter["in"] in ("path", "query", "header")
            assert parameter["required"] == (parameter["in"] == "path")
            jsonschema.Draft202012Validator.check_schema(parameter["schema"])
        assert any(status.startswith("2") for status in operation["responses"])
        bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
        for place in bodies:
            for content in place.get("content", {}).values():
                jsonschema.Draft202012Validator.check_schema(content["schema"])
                assert "$ref" not in content["schema"] or content["schema"]["$ref"] == "#/components/schemas/Error"
        # What names a domain or an account says whose it must be; only who logs in and who reads this is nobody yet.
        if operation["x-role"] != "system_admin" and {"domain", "address"} & set(names):
            assert operation["x-reach"] in ("domain", "account"), path
        for security in operation.get("security", []):
            assert set(security) <= set(told["components"]["securitySchemes"])
        if operation["x-role"] == "anybody":
            assert operation["security"] == []
            assert (method, path) in (("post", "/session"), ("get", "/openapi.json"))
    for security in told["security"]:
        assert set(security) <= set(told["components"]["securitySchemes"])


def test_description_is_kept(site):
    """What the API answers is what it says that it answers."""
    site.cluster.tool("alias", "add", f"info@{site.domain}", site.victim)
    site.cluster.tool("domain", "dkim", site.domain, "--algorithm", "ed25519")
    assert site.ask("PUT", f"domains/{site.domain}/users/{site.victim}/photo", {"photo": base64.b64encode(jpeg()).decode()})[0] == 204
    seen = 0
    for path, method, operation in operations(site.cluster):
        schema = operation["responses"].get("200", {}).get("content", {}).get("application/json", {}).get("schema", {})
        if method != "get" or "{id}" in path or "{remote}" in path or path == "/live":
            continue
        filled = path[1:].format(domain=site.domain, group="smtp-in", address=site.victim)
        if "/aliases/" in path:
            filled = f"domains/{site.domain}/aliases/info@{site.domain}"
        status, fields, answer = site.ask("GET", filled)
        assert status == 200, (filled, answer)
        jsonschema.validate(answer, schema)
        if any("ETag" in r.get("headers", {}) for r in operation["responses"].values()):
            assert fields["etag"] == f'"{answer["version"]}"'
        seen += 1
    assert seen >= 15


# ---- Rights ----

BODIES = {"disabled": False, "name": "-", "address": "-", "password": "x" * 2000, "targets": ["-"], "selector": "-",
          "admins": "-"}


def body_of(operation):
    """A body that is refused for what it says, if it gets that far."""
    schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    if schema is None:
        return None
    return {name: BODIES.get(name, "-") for name in schema.get("required", [])} or {"nothing": "1"}


def is_allowed(operation, role, own_domain, own_account):
    least, reach = operation["x-role"], operation["x-reach"]
    if ROLES.index(role) < ROLES.index(least):
        return False
    if role == "system_admin" or reach in ("role", "own"):
        return True
    if role == "domain_admin":
        return own_domain
    return reach == "account" and own_account


class Names(dict):
    """What stands for the names in a path: something that there is not, unless it is given."""

    def __missing__(self, name):
        return "none"


def cases(site, path):
    """Who asks, what the path becomes, and whether its domain and its account are his own."""
    for role in ROLES:
        for domain in (site.domain, site.other) if "{domain}" in path else (site.domain,):
            accounts = [(site.addresses["domain_admin" if role == "user" else "user", domain], False)]
            if role != "anybody" and domain == site.domain:
                accounts.append((site.addresses[role, domain], True))
            for address, own in accounts if "{address}" in path else accounts[:1]:
                yield role, domain, address, own


def test_rights(site):
    """Every endpoint by every role, in its own domain and in another, from what the server says of itself."""
    sessions = {role: Session(site.cluster, site.login(role)) for role in ROLES[1:]}
    tried = 0
    for path, method, operation in operations(site.cluster):
        if path == "/session":
            continue  # its rights are tested with the sessions; logging out would end this test
        for role, domain, address, own in cases(site, path):
            allowed = is_allowed(operation, role, domain == site.domain, own)
            # What may be done is asked for, but cannot be: what it is about does not exist, or it says nonsense.
            if method == "delete" and allowed and not own:
                address = f"none@{domain}"
            filled = path[1:].format_map(Names(domain=domain, address=address, target="-"))
            query = "?topics=none" if path == "/live" else ""
            if path == "/domains/{domain}" and method == "delete":
                query = "?force=perhaps"
            body, headers = body_of(operation), sessions[role].headers() if role != "anybody" else []
            status, _, answer = ask(site.cluster, method.upper(), quote(filled, safe="/@") + query, body, headers=headers)
            case = (method, filled, role, status, answer)
            tried += 1
            if operation["x-role"] == "anybody":
                assert status == 200, case
            elif role == "anybody":
                assert status == 401, case
            elif allowed:
                assert status not in (401, 403) and status < 500, case
            else:
                assert status == 403, case
            # Nothing of another domain is told to who may not see it.
            if role in ("user", "domain_admin") and operation["x-reach"] == "own":
                assert site.other not in json.dumps(answer)
    assert tried >= 200
    for (role, domain), address in site.addresses.items():
        assert site.cluster.json("user", "show", address)["roles"] == ("" if role == "user" else role)


def test_no_role_above_ones_own(site):
    """A domain's administrator makes no system_admin, and changes none."""
    users, chief = f"domains/{site.domain}/users", site.addresses["system_admin", site.domain]
    refused = [
        ("POST", users, {"address": f"new@{site.domain}", "roles": "system_admin"}),
        ("POST", users, {"address": f"new@{site.domain}", "roles": "domain_admin, System_Admin"}),
        ("PATCH", f"{users}/{site.victim}", {"roles": "system_admin"}),
        ("PATCH", f"{users}/{chief}", {"roles": ""}),
        ("PATCH", f"{users}/{chief}", {"enabled": False}),
        ("PATCH", f"{users}/{chief.upper()}", {"display_name": "x"}),
        ("PUT", f"{users}/{chief}/password", {"password": "taken"}),
        ("DELETE", f"{users}/{chief}", None),
        ("PATCH", f"domains/{site.domain}", {"disabled": True}),
        ("PATCH", f"domains/{site.domain}", {"max_users": 0}),
        ("PATCH", f"domains/{site.domain}", {"catch_all": site.victim, "admins": site.victim}),
        ("PUT", "settings/pop", {"max_bad_commands": "9"}),
        ("PUT", f"settings/smtp-in:{site.domain}", {"priority": "high"}),
        ("GET", "queue", None),
        ("GET", "status", None),
    ]
    for method, path, body in refused:
        status, _, answer = site.ask(method, path, body, role="domain_admin")
        assert status == 403 and answer["error"], (method, path, status)
    assert site.cluster.json("user", "show", chief)["roles"] == "system_admin"
    assert site.ask("GET", "session", role="system_admin")[0] == 200
    # Nor does anybody lock himself out.
    for role in ("domain_admin", "system_admin"):
        own = f"{users}/{site.addresses[role, site.domain]}"
        for method, body in (("PATCH", {"enabled": False}), ("PATCH", {"roles": ""}), ("DELETE", None)):
            assert site.ask(method, own, body, role=role)[0] == 409
        assert site.ask("PATCH", own, {"display_name": "Me", "roles": role}, role=role)[0] == 204
    assert site.ask("DELETE", f"domains/{site.domain}?force=true")[0] == 409
    # An address is looked for in the domain that the path names.
    other = site.addresses["user", site.other]
    assert site.ask("PATCH", f"{users}/{other}", {"display_name": "x"}, role="domain_admin")[0] == 404
    assert site.ask("POST", users, {"address": f"new@{site.other}"}, role="domain_admin")[0] == 422
    alias = {"address": f"new@{site.other}", "targets": [site.victim]}
    assert site.ask("POST", f"domains/{site.domain}/aliases", alias, role="domain_admin")[0] == 422


# ---- Domains ----

def test_domains(site):
    name = f"new{next(_numbers)}-{os.getpid()}.test"
    status, fields, answer = site.ask("POST", "domains", {"name": name.upper(), "max_users": 2})
    assert status == 201 and fields["location"] == answer["location"] == f"/api/v1/domains/{name}"
    assert site.log()["action"] == "domain added" and site.log()["target"] == name
    before = site.cluster.redis.xlen("admin:log")
    assert site.ask("POST", "domains", {"name": name})[0] == 409
    for body, member in (({"name": "not a name"}, "name"), ({}, "name"), ({"name": "a.test", "max_users": -1}, "max_users"),
                         ({"name": "a.test", "catch_all": "x"}, "catch_all"), ({"name": "a.test", "quota": "1"}, "quota"),
                         ({"name": 5}, "name"), ({"name": "a.test", "disabled": "no"}, "disabled")):
        status, _, answer = site.ask("POST", "domains", body)
        assert status == 422 and list(answer["fields"]) == [member] and answer["fields"][member], body
    assert site.cluster.redis.xlen("admin:log") == before  # nothing was done
    status, fields, shown = site.ask("GET", f"domains/{name}")
    assert status == 200 and shown["max_users"] == 2 and shown["users"] == 0 and not shown["deleting"]
    tag = [f"If-Match: {fields['etag']}"]
    assert site.ask("PATCH", f"domains/{name}", {"max_users": 1}, headers=tag)[0] == 204
    assert site.ask("PATCH", f"domains/{name}", {"max_users": 9}, headers=tag)[0] == 412
    assert site.ask("GET", f"domains/{name}")[2]["max_users"] == 1
    assert json.loads(site.log()["detail"]) == {"max_users": 1}
    assert site.ask("POST", f"domains/{name}/users", {"address": f"a@{name}"})[0] == 201
    assert site.ask("POST", f"domains/{name}/users", {"address": f"b@{name}"})[0] == 409
    assert site.ask("PATCH", f"domains/{name}", {"admins": f"a@{name}", "catch_all": f"a@{name}"})[0] == 204
    assert site.ask("GET", f"domains/{name}/users/a@{name}")[2]["roles"] == "domain_admin"
    assert site.ask("PATCH", f"domains/{name}", {"catch_all": None})[0] == 204
    status, _, answer = site.ask("DELETE", f"domains/{name}")
    assert status == 409 and "force=true" in answer["error"]
    assert site.ask("DELETE", f"domains/{name}/users/a@{name}")[0] == 204
    assert site.ask("DELETE", f"domains/{name}")[0] == 204
    assert site.ask("GET", f"domains/{name}")[0] == site.ask("DELETE", f"domains/{name}")[0] == 404
    assert site.ask("GET", "domains/not%20a%20name")[0] == 404


def test_domain_list_by_pages(site):
    names = [f"page{i}-{next(_numbers)}-{os.getpid()}.test" for i in range(5)]
    for name in names:
        site.cluster.tool("domain", "add", name)
    listed, after = [], ""
    while after is not None:
        status, _, answer = site.ask("GET", f"domains?limit=2&query=page&after={after}")
        assert status == 200 and len(answer["domains"]) <= 2
        listed += [d["name"] for d in answer["domains"] if d["name"] in names]
        after = answer.get("next")
    assert listed == sorted(names)
    for limit in ("0", "501", "x"):
        assert site.ask("GET", f"domains?limit={limit}")[0] == 422
    assert [d["name"] for d in site.ask("GET", "domains", role="domain_admin")[2]["domains"]] == [site.domain]


# ---- Users ----

def test_users(site):
    users, address = f"domains/{site.domain}/users", f"alice.new@{site.domain}"
    body = {"address": address.upper(), "password": "geheim-1", "display_name": EVIL, "quota": "2G"}
    status, fields, _ = site.ask("POST", users, body, role="domain_admin")
    assert status == 201 and fields["location"] == f"/api/v1/{users}/{address}"
    entry = site.log()
    assert entry["by"] == site.addresses["domain_admin", site.domain] and "geheim" not in str(entry)
    assert site.ask("POST", users, body)[0] == 409
    status, fields, shown = site.ask("GET", f"{users}/{address}", role="domain_admin", frontend=1)
    assert status == 200 and shown["display_name"] == EVIL and shown["quota"] == 2 << 30 and shown["own_quota"]
    assert shown["has_password"] and "argon2" not in json.dumps(shown) and "SCRAM" not in json.dumps(shown)
    site.cluster.deliver("somebody@remote.test", [address], b"Subject: x\r\n\r\nx\r\n")
    wait_for(lambda: site.ask("GET", f"{users}/{address}")[2]["messages"] == 1)
    assert site.ask("GET", f"{users}/{address}")[2]["used_bytes"] > 0
    # He sees himself, and nobody else.
    assert ask(site.cluster, "GET", f"{users}/{address}", login=f"{address}:geheim-1")[0] == 200
    assert ask(site.cluster, "GET", f"{users}/{site.victim}", login=f"{address}:geheim-1")[0] == 403
    for change, member in (({"quota": "much"}, "quota"), ({"display_name": "a\nb"}, "display_name"), ({"roles": "king"}, "roles"),
                           ({"enabled": "off"}, "enabled"), ({"password": "x"}, "password")):
        status, _, answer = site.ask("PATCH", f"{users}/{address}", {"display_name": "y", **change})
        assert status == 422 and list(answer["fields"]) == [member] and answer["fields"][member], change
    assert site.ask("GET", f"{users}/{address}")[2]["display_name"] == EVIL
    tag = [f"If-Match: {fields['etag']}"]
    assert site.ask("PATCH", f"{users}/{address}", {"display_name": "Alice", "quota": None}, headers=tag)[0] == 204
    assert site.ask("PATCH", f"{users}/{address}", {"display_name": "Eve"}, headers=tag, frontend=1)[0] == 412
    shown = site.ask("GET", f"{users}/{address}")[2]
    assert shown["display_name"] == "Alice" and not shown["own_quota"]
    assert site.ask("PATCH", f"{users}/nobody@{site.domain}", {"display_name": "x"})[0] == 404
    assert site.ask("DELETE", f"{users}/{address}", role="domain_admin")[0] == 204
    assert site.ask("GET", f"{users}/{address}")[0] == site.ask("DELETE", f"{users}/{address}")[0] == 404
    assert not [k for k in site.cluster.redis.scan_iter(match="*{" + address + "}*", count=1000) if ":filed:" not in k]


def test_user_password(site):
    """The new one works everywhere, the old one and what was logged in by it no longer."""
    session = Session(site.cluster, f"{site.victim}:secret")
    path = f"domains/{site.domain}/users/{site.victim}/password"
    for body in ({"password": ""}, {"password": "x" * 1024}, {}, {"password": 5}):
        status, _, answer = site.ask("PUT", path, body, role="domain_admin")
        assert status == 422 and "password" in answer["fields"], body
    assert site.ask("PUT", path, {"password": "n\u00e4u"}, role="domain_admin")[0] == 204
    entry = site.log()
    assert entry["action"] == "password changed" and entry["target"] == site.victim and "n\u00e4u" not in str(entry)
    for frontend in (0, 1):
        wait_for(lambda: session.ask("GET", "session", frontend=frontend)[0] == 401, timeout=SETTLE + 10)
    assert ask(site.cluster, "GET", "session", login=f"{site.victim}:n\u00e4u")[0] == 200
    assert site.ask("PUT", path.replace(site.victim, f"nobody@{site.domain}"), {"password": "x"})[0] == 404


def test_user_list(site):
    users = f"domains/{site.domain}/users"
    everybody = sorted([site.victim] + [a for (_, d), a in site.addresses.items() if d == site.domain])
    listed, after = [], ""
    while after is not None:
        answer = site.ask("GET", f"{users}?limit=1&after={after}", role="domain_admin")[2]
        listed += answer["users"]
        after = answer.get("next")
    assert [u["address"] for u in listed] == everybody and all("used_bytes" in u for u in listed)
    assert [u["address"] for u in site.ask("GET", f"{users}?query=VICT")[2]["users"]] == [site.victim]
    # The set may name one who has no record (yet).
    site.cluster.redis.sadd(f"domain:{{{site.domain}}}:users", f"aaa@{site.domain}")
    assert [u["address"] for u in site.ask("GET", f"{users}?query=a")[2]["users"]] == [a for a in everybody if "a" in a]
    assert site.ask("GET", "domains/none.test/users")[0] == 404


# ---- Aliases, keys, records, settings ----

def test_aliases(site):
    aliases, alias = f"domains/{site.domain}/aliases", f"info@{site.domain}"
    status, fields, _ = site.ask("POST", aliases, {"address": alias, "targets": [site.victim, "x@Remote.TEST"]},
                                 role="domain_admin")
    assert status == 201 and fields["location"] == f"/api/v1/{aliases}/{alias}"
    assert site.ask("GET", f"{aliases}/{alias}")[2] == {"address": alias, "targets": sorted([site.victim, "x@remote.test"])}
    assert site.ask("POST", aliases, {"address": alias, "targets": [site.victim]})[0] == 409
    assert site.ask("POST", aliases, {"address": site.victim, "targets": ["x@remote.test"]})[0] == 409
    for body, member in (({"address": "x@elsewhere.test", "targets": ["x@remote.test"]}, "address"), ({"address": alias}, "targets"),
                         ({"address": alias, "targets": []}, "targets"), ({"address": alias, "targets": ["-"]}, "targets"),
                         ({"address": alias, "targets": [5]}, "targets"), ({"address": alias, "targets": "x@remote.test"}, "targets")):
        status, _, answer = site.ask("POST", aliases, body)
        assert status == 422 and list(answer["fields"]) == [member], body
    assert site.ask("POST", aliases, {"address": f"a@{site.domain}", "targets": [f"a@{site.domain}"]})[0] == 422  # a loop
    target = f"{aliases}/{alias}/targets/y@remote.test"
    assert site.ask("PUT", target, role="domain_admin")[0] == 204 and site.ask("PUT", target)[0] == 409
    assert site.log()["action"] == "alias target added" and site.log()["detail"] == "y@remote.test"
    assert site.ask("DELETE", target)[0] == 204 and site.ask("DELETE", target)[0] == 404
    assert site.ask("PUT", f"{aliases}/{alias}/targets/-")[0] == 422
    listed = site.ask("GET", aliases)[2]
    assert [a["address"] for a in listed["aliases"]] == [alias] and "next" not in listed
    assert site.ask("DELETE", f"{aliases}/{alias}", role="domain_admin")[0] == 204
    assert site.ask("GET", f"{aliases}/{alias}")[0] == site.ask("DELETE", f"{aliases}/{alias}")[0] == 404


def test_dkim_keys(site):
    keys = f"domains/{site.domain}/dkim"
    assert site.ask("GET", keys)[2] == {"keys": []}
    assert site.ask("POST", keys, {"selector": "s1", "algorithm": "ed25519"}, role="domain_admin")[0] == 201
    assert site.ask("POST", keys, {"selector": "s1", "algorithm": "ed25519"})[0] == 409
    assert site.ask("POST", keys, {"selector": "s2", "algorithm": "ed25519", "active": False})[0] == 201
    for body, member in (({"selector": "a b"}, "selector"), ({"algorithm": "dsa"}, "algorithm"), ({"active": 1}, "active")):
        status, _, answer = site.ask("POST", keys, body)
        assert status == 422 and list(answer["fields"]) == [member] and answer["fields"][member]
    listed = {k["selector"]: k for k in site.ask("GET", keys, role="domain_admin")[2]["keys"]}
    assert listed["s1"]["state"] == "active" and listed["s2"]["state"] == "waiting"
    assert listed["s1"]["record"].startswith("v=DKIM1") and listed["s1"]["name"] == f"s1._domainkey.{site.domain}"
    secret = site.cluster.redis.hget(f"domain:{{{site.domain}}}:dkim", "s1").split()[-1]
    assert secret not in json.dumps(listed)
    assert site.ask("POST", f"{keys}/s2/activate", role="domain_admin")[0] == 204
    assert {k["selector"]: k["state"] for k in site.ask("GET", keys)[2]["keys"]} == {"s1": "retired", "s2": "active"}
    assert site.ask("DELETE", f"{keys}/s1")[0] == 204 and site.ask("DELETE", f"{keys}/s1")[0] == 404
    assert site.ask("POST", f"{keys}/none/activate")[0] == 404
    assert site.ask("POST", "domains/none.test/dkim", {"algorithm": "ed25519"})[0] == 404


def test_dns_records(site):
    told = site.cluster.json("domain", "dns", site.domain)
    status, _, answer = site.ask("GET", f"domains/{site.domain}/dns", role="domain_admin")
    assert status == 200 and answer == told
    status, _, answer = site.ask("GET", f"domains/{site.domain}/dns?check=true", role="domain_admin")
    assert status == 200 and answer["good"] is False
    assert all(r["state"] in ("right", "missing", "wrong", "unknown") for r in answer["records"])
    assert site.ask("GET", f"domains/{site.domain}/dns?check=1")[0] == 422
    assert site.ask("GET", "domains/none.test/dns")[0] == 404


def test_settings_of_ones_domain(site):
    base = f"domains/{site.domain}/settings"
    groups = [g["name"] for g in site.ask("GET", base, role="domain_admin")[2]["groups"]]
    assert "smtp-in" in groups and "destination" not in groups and "spool" not in groups and len(groups) == len(set(groups))
    for group in groups:
        status, _, answer = site.ask("GET", f"{base}/{group}", role="domain_admin")
        assert status == 200 and answer["rows"] and all(r["scope"] == "domain" for r in answer["rows"])
    status, fields, _ = site.ask("GET", f"{base}/smtp-in", role="domain_admin")
    tag = [f"If-Match: {fields['etag']}"]
    assert site.ask("PUT", f"{base}/smtp-in", {"mta_sts": "testing"}, role="domain_admin", headers=tag)[0] == 200
    assert site.ask("PUT", f"{base}/smtp-in", {"mta_sts": "enforce"}, role="domain_admin", headers=tag)[0] == 412
    assert site.cluster.redis.hgetall(f"settings:smtp-in:{site.domain}") == {"mta_sts": "testing"}
    assert site.ask("PUT", f"{base}/smtp-in", {"banner": "x"}, role="domain_admin")[0] == 422
    for group in ("destination", "spool", f"smtp-in:{site.other}", "none"):
        assert site.ask("PUT", f"{base}/{quote(group)}", {"mta_sts": "enforce"}, role="domain_admin")[0] in (404, 422), group
    assert site.cluster.redis.hgetall(f"settings:smtp-in:{site.other}") == {}
    assert site.ask("DELETE", f"{base}/smtp-in/mta_sts", role="domain_admin")[0] == 200
    assert site.cluster.redis.hgetall(f"settings:smtp-in:{site.domain}") == {}


# ---- Failures ----

def test_errors_of_the_protocol(site):
    users = f"domains/{site.domain}/users"
    status, fields, _ = site.ask("PUT", users, {})
    assert status == 405 and fields["allow"] == "GET, POST"
    assert site.ask("POST", users, {"address": f"x@{site.domain}"}, type="text/plain")[0] == 415
    assert site.ask("POST", users, "[]")[0] == 400
    assert site.ask("GET", f"{users}/")[0] == 404
    assert site.ask("GET", f"domains/{site.domain}%2fusers")[0] == 404


def test_store_is_away(own_cluster):
    """503 and nothing else; and the log does not tell of what was not done."""
    cluster = own_cluster(frontends=1)
    site = Site(cluster)
    users = f"domains/{site.domain}/users"
    assert site.ask("POST", users, {"address": f"one@{site.domain}"})[0] == 201
    before = cluster.redis.xlen("admin:log")
    cluster.kill("redis", signal.SIGSTOP)
    try:
        answers = [site.ask("POST", users, {"address": f"two@{site.domain}"}), site.ask("GET", users),
                   site.ask("DELETE", f"domains/{site.other}?force=true")]
    finally:
        cluster.kill("redis", signal.SIGCONT)
    for status, fields, answer in answers:
        assert status == 503 and fields["retry-after"] and answer["error"]
    wait_for(lambda: site.ask("GET", users)[0] == 200)
    assert cluster.redis.xlen("admin:log") == before


def fill(cluster, domain, count):
    cluster.tool("domain", "add", domain)
    cluster.redis.eval("""for i = 1, tonumber(ARGV[2]) do local a = string.format('u%06d@%s', i, ARGV[1])
        redis.call('SADD', 'domain:{' .. ARGV[1] .. '}:users', a)
        redis.call('HSET', 'user:{' .. a .. '}', 'address', a, 'enabled', '1', 'created_ms', '1') end""", 0, domain, count)


def test_large_domain(site):
    """Answers at once; another frontend shows how far it is, and the log tells when it is done."""
    domain = f"large{next(_numbers)}-{os.getpid()}.test"
    fill(site.cluster, domain, 3000)
    address = site.cluster.add_user(f"real@{domain}")
    site.cluster.deliver("somebody@remote.test", [address], b"Subject: x\r\n\r\nx\r\n")
    site.cluster.wait_mail(address)
    begun = time.monotonic()
    assert site.ask("DELETE", f"domains/{domain}?force=true")[0] == 202
    assert time.monotonic() - begun < 5
    status, _, shown = site.ask("GET", f"domains/{domain}", frontend=1)
    assert status == 404 or shown["deleting"] and shown["disabled"]
    assert site.ask("POST", f"domains/{domain}/users", {"address": f"late@{domain}"})[0] in (404, 409)
    wait_for(lambda: site.ask("GET", f"domains/{domain}")[0] == 404, timeout=120)
    wait_for(lambda: (site.log()["action"], site.log()["target"]) == ("domain removed", domain))
    left = [k for k in site.cluster.redis.scan_iter(match=f"*{domain}*", count=1000) if ":filed:" not in k]
    assert left == []


def test_removal_goes_on_elsewhere(site):
    """The frontend dies on its way: the domain stays closed, and the same order to another goes on with it."""
    domain = f"torn{next(_numbers)}-{os.getpid()}.test"
    fill(site.cluster, domain, 6000)
    assert site.ask("DELETE", f"domains/{domain}?force=true", frontend=1)[0] == 202
    pids = [p["pid"] for p in site.cluster.json("status")["processes"] if p["kind"] == "frontend" and p["id"].endswith("1")]
    assert len(pids) == 1
    os.kill(pids[0], signal.SIGKILL)
    shown = site.ask("GET", f"domains/{domain}")[2]
    assert shown["deleting"] and 0 < shown["users"] <= 6000
    assert site.ask("POST", f"domains/{domain}/users", {"address": f"late@{domain}"})[0] == 409
    assert site.ask("DELETE", f"domains/{domain}?force=true")[0] == 202
    wait_for(lambda: site.ask("GET", f"domains/{domain}")[0] == 404, timeout=120)
    assert [k for k in site.cluster.redis.scan_iter(match=f"*{domain}*", count=1000)] == []


# ---- Bodies ----

def test_a_member_named_twice(site):
    """The first would be checked, and the last stored."""
    me = site.addresses["domain_admin", site.domain]
    users = f"domains/{site.domain}/users"
    before = site.cluster.redis.xlen("admin:log")
    for method, path, body, role in (
            ("PATCH", f"{users}/{me}", '{"roles":"domain_admin","roles":"system_admin"}', "domain_admin"),
            ("PUT", f"{users}/{site.victim}/password", '{"password":"first1","password":"second2"}', "system_admin"),
            ("POST", users, '{"address":"x@%s","password":"a","password":"b"}' % site.domain, "domain_admin"),
            ("PUT", f"domains/{site.domain}/settings/smtp-in", '{"mta_sts":"none","mta_sts":"off"}', "domain_admin"),
            ("PUT", "settings/pop", '{"max_connections":400,"max_connections":300}', "system_admin"),
            ("POST", "session", '{"address":"%s","password":"x","password":"secret"}' % me, "anybody"),
            ("POST", "account/tokens", '{"name":"a","role":"user","role":"domain_admin"}', "domain_admin")):
        status, _, answer = site.ask(method, path, body, role=role)
        assert status == 400 and "twice" in answer["error"], (path, answer)
    assert site.cluster.redis.xlen("admin:log") == before
    assert site.ask("GET", "session", role="domain_admin")[2]["role"] == "domain_admin"
    # Too many are refused before they are looked at one by one.
    for count, wanted in ((200, "no such member"), (201, "more than 200"), (12000, "more than 200")):
        body = "{" + ",".join(f'"{i:x}":1' for i in range(count)) + "}"
        begun = time.monotonic()
        status, _, answer = site.ask("POST", "account/tokens", body, role="user")
        assert status == 422 and wanted in json.dumps(answer), answer
        assert time.monotonic() - begun < 1
    many = [f"a{i}@x.test" for i in range(4000)]
    status, _, answer = site.ask("POST", f"domains/{site.domain}/aliases",
                                 json.dumps({"address": f"big@{site.domain}", "targets": many}), role="domain_admin")
    assert status == 422 and "1 to" in answer["fields"]["targets"]


@pytest.mark.parametrize("framing", [b"Content-Length: 1\r\n\r\nx", b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"])
@pytest.mark.parametrize("path", ["live", "session", "openapi.json"])
def test_a_get_with_a_body(site, framing, path):
    login = base64.b64encode(site.login("system_admin").encode()).decode()
    with socket.create_connection(("127.0.0.1", site.cluster.port("http"))) as c:
        c.settimeout(10)
        c.sendall(f"GET /api/v1/{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {login}\r\n".encode() + framing)
        assert c.recv(1000).startswith(b"HTTP/1.1 400 ")
    assert site.ask("GET", "session")[0] == 200


def test_what_reaches_beyond_the_domain(site):
    own, cluster = f"domains/{site.domain}/settings", site.cluster
    for group, field, value in (("ldap", "visibility", "all_domains"), ("smtp-in", "priority", "high"),
                                ("smtp-out", "relay_host", "evil.example:587"), ("mailbox", "default_quota", "0"),
                                ("spam", "outbound_spam", "send")):
        for method, path, body in (("PUT", f"{own}/{group}", {field: value}), ("DELETE", f"{own}/{group}/{field}", None)):
            status, _, answer = site.ask(method, path, body, role="domain_admin")
            assert status == 403 and field in answer["error"], (path, answer)
        for role, by in (("domain_admin", "system_admin"), ("system_admin", None)):
            row, = [r for r in site.ask("GET", f"{own}/{group}", role=role)[2]["rows"] if r["field"] == field]
            assert row.get("by") == by
        assert site.ask("PUT", f"{own}/{group}", {field: value})[0] == 200
    assert site.ask("PUT", f"{own}/spam", {"spam_action": "tag"}, role="domain_admin")[0] == 200
    # No more disk space than the domain's default, or than the user has.
    assert site.ask("PUT", f"{own}/mailbox", {"default_quota": "1G"})[0] == 200
    user = f"domains/{site.domain}/users/{site.victim}"
    wait_for(lambda: site.ask("GET", user)[2]["quota"] == 1 << 30)
    time.sleep(1)  # on all frontends
    for quota, status in (("2G", 422), ("0", 422), ("1G", 204), ("10M", 204), ("", 204)):
        assert site.ask("PATCH", user, {"quota": quota}, role="domain_admin")[0] == status, quota
    assert site.ask("POST", f"domains/{site.domain}/users", {"address": f"n@{site.domain}", "quota": "2G"},
                    role="domain_admin")[0] == 422
    assert site.ask("PATCH", user, {"quota": "4G"})[0] == 204
    assert site.ask("PATCH", user, {"quota": "3G"}, role="domain_admin")[0] == 204


def test_own_password_by_the_way_of_others(site):
    me = site.addresses["domain_admin", site.domain]
    status, _, answer = site.ask("PUT", f"domains/{site.domain}/users/{me}/password", {"password": "x"}, role="domain_admin")
    assert status == 409 and "account/password" in answer["error"]


def test_an_empty_version_and_cut_texts(site):
    assert site.ask("PUT", "settings/pop", {"max_bad_commands": "9"}, headers=['If-Match: ""'])[0] == 412
    assert site.ask("PATCH", f"domains/{site.domain}", {"max_users": 9}, headers=['If-Match: ""'])[0] == 412
    # A field without a value: curl sends it so.
    assert site.ask("PUT", "settings/pop", {"max_bad_commands": "9"}, headers=["If-Match;"])[0] == 412
    assert site.ask("PUT", "settings/pop", {"max_bad_commands": "9"}, headers=["If-Match: *"])[0] == 200
    assert site.ask("GET", "domains/%ff")[0] == 400
    for n in range(4):
        status, _, answer = site.ask("GET", "domains/" + "x" * n + quote("ä\U0001f600" * 60))
        assert status == 404 and "not a domain" in answer["error"]
