"""A domain's address book as it is stored: lib/directory/entry.h."""

import re
import struct

import redis

from cluster import ROOT

TABLE = (ROOT / "lib/directory/fields_table.h").read_text()
FIELDS = {int(number): name for number, name in re.findall(r'F\([A-Z_]+, (\d+), "([a-z_]+)"', TABLE)}
FIELDS[28] = "photo"


def parse(stored):
    version, flags, created_ms = struct.unpack_from("<BBq", stored)
    assert version == 1
    entry, at = {"group": flags & 1 != 0, "hidden": flags & 2 != 0, "disabled": flags & 4 != 0}, 10
    while at < len(stored):
        number, length = struct.unpack_from("<BH", stored, at)
        value = stored[at + 3:at + 3 + length].decode()
        at += 3 + length
        if number == 2:
            entry.setdefault("members", []).append(value)
        else:
            entry[FIELDS[number]] = value
    return entry


def read(cluster, domain):
    """{address: entry}"""
    raw = redis.Redis(port=cluster.port("redis"))
    return {address.decode(): parse(stored) for address, stored in raw.hgetall(f"book:{{{domain}}}").items()}


def expected(cluster, domain):
    """What the records say the book should be."""
    entries = {}
    for address in cluster.redis.smembers(f"domain:{{{domain}}}:aliases"):
        if targets := cluster.redis.smembers(f"alias:{{{address}}}"):
            entries[address] = {"group": True, "hidden": False, "disabled": False, "members": sorted(targets)}
    for address in cluster.redis.smembers(f"domain:{{{domain}}}:users"):
        if record := cluster.redis.hgetall(f"user:{{{address}}}"):
            entries[address] = {"group": False, "hidden": record.get("book", "1") == "0",
                                "disabled": record["enabled"] == "0"}
            entries[address].update({k: v for k, v in record.items() if k in FIELDS.values()})
    return entries
