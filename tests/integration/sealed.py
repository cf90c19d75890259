"""Sealed texts (lib/secret/seal.h): made and opened here, and the places that lib/admin/secrets_table.h has for them."""

import base64
import collections
import json
import os
import re
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import keys

TABLE = Path(__file__).resolve().parents[2] / "lib/admin/secrets_table.h"
Place = collections.namedtuple("Place", "key form member context what sealers")
SEALED = re.compile(r"v1\.[A-Za-z0-9_-]{1,32}\.[A-Za-z0-9+/]{38,}={0,2}")


def places():
    text = re.sub(r"/\*.*?\*/", "", TABLE.read_text(), flags=re.S).replace("\\\n", " ")
    found = re.findall(r'P\((\w+), (\w+), "(\w*)", (\w+),\s+"([^"]*)",\s+"([^"]*)"\)', text)
    assert len(found) == len(re.findall(r"\bP\(\w+, \w+, \"", text))
    return [Place(*row) for row in found]


def seal(id, key, context, plain):
    head, nonce = f"v1.{id}.", os.urandom(12)
    data = AESGCM(base64.b64decode(key)).encrypt(nonce, plain.encode(), (head + context).encode())
    return head + base64.b64encode(nonce + data).decode()


def unseal(key, context, text):
    """None: another key, another context, or damaged."""
    head, raw = text[:text.rindex(".") + 1], base64.b64decode(text[text.rindex(".") + 1:])
    try:
        return AESGCM(base64.b64decode(key)).decrypt(raw[:12], raw[12:], (head + context).encode()).decode()
    except InvalidTag:
        return None


def text_of(value):
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def has_place(place, field, value):
    if place.form == "JSON":
        try:
            return SEALED.fullmatch(str(json.loads(value).get(place.member))) is not None
        except (ValueError, AttributeError):
            return False
    if place.form == "ACCOUNT":
        return 0 < len(SEALED.findall(value)) <= sum(p.key == place.key and p.form == "ACCOUNT" for p in places())
    return SEALED.fullmatch(value) is not None and (place.form == "VALUE" or field == place.member)


def faults(redis):
    """Sealed texts where `stagepost secret rotate` would not find them: one line each."""
    redis = type(redis)(**{**redis.connection_pool.connection_kwargs, "decode_responses": False})
    patterns = {row.ident: keys.regex(row.pattern) for row in keys.rows()}
    for raw in redis.scan_iter(count=1000):
        name, kind = text_of(raw), text_of(redis.type(raw))
        values = {"": redis.get(raw)} if kind == "string" else redis.hgetall(raw) if kind == "hash" else {}
        for field, value in values.items():
            field, value = text_of(field), text_of(value) if value is not None else ""
            if SEALED.search(value) and not any(patterns[p.key].fullmatch(name) and has_place(p, field, value) for p in places()):
                yield f"{name} {field}: is sealed, and has no row in {TABLE.name}"
