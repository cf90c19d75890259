"""The Redis keys, as listed in lib/redis/keys_table.h. Run by itself, it prints them in the form of the docs."""

import collections
import re
from pathlib import Path

TABLE = Path(__file__).resolve().parents[2] / "lib/redis/keys_table.h"
Row = collections.namedtuple("Row", "ident pattern type lifetime dies writer what")
DIES = {"ACCOUNT": "with the account", "DOMAIN": "with the domain", "FOLDER": "with the folder",
        "CHUNK": "with its last record", "PROCESS": "when its process ends", "TIME": "by time", "PURPOSE": ""}


def rows():
    """In the order of the file."""
    text = re.sub(r"/\*.*?\*/", "", TABLE.read_text(), flags=re.S).replace("\\\n", " ")
    text = re.sub(r'(?<!, )"\s+"', "", text)  # one text in two pieces
    found = re.findall(r'K\((\w+),\s*"([^"]*)",\s*(\w+),\s*(\w+),\s*(\w+),\s*"([^"]*)",\s*"((?:[^"\\]|\\.)*)"\)', text)
    assert len(found) == len(re.findall(r"\bK\(\w+, *\"", text))
    return [Row(*(cell.replace("\\\\", "\\") for cell in row)) for row in found]


def page():
    lines = ["| key | what | written by | ends |", "|---|---|---|---|"]
    for row in rows():
        ends = " ".join(filter(None, ["expires;" if row.lifetime == "EXPIRES" and row.dies != "TIME" else "", DIES[row.dies]]))
        lines.append(f"| `{row.pattern}` ({row.type.lower()}) | {row.what} | {row.writer} | {ends.rstrip(';')} |")
    return "\n".join(lines)


def regex(pattern):
    """The part in braces may be any text; other parts end at a colon."""
    pieces = re.split(r"(\{[^{}]*\}|<\w+>)", pattern)
    return re.compile("".join(
        re.escape(re.sub(r"<\w+>", "\0", p)).replace(re.escape("\0"), ".+") if p.startswith("{")
        else "[^:{}]+" if p.startswith("<") else re.escape(p) for p in pieces))


def faults(redis):
    """Keys that do not match the table: one line each."""
    # The most particular pattern first: settings:errors is no settings:<group>.
    patterns = [(regex(row.pattern), row) for row in sorted(rows(), key=lambda row: row.pattern.count("<"))]
    for raw in redis.scan_iter(count=1000):
        name = raw.decode("utf-8", "backslashreplace") if isinstance(raw, bytes) else raw
        row = next((row for fits, row in patterns if fits.fullmatch(name)), None)
        kind, ttl = redis.type(raw), redis.pttl(raw)
        kind = kind.decode() if isinstance(kind, bytes) else kind
        if ttl == -2:
            continue  # gone meanwhile
        if row is None:
            yield f"{name}: has no row in {TABLE.name}"
        elif kind != row.type.lower():
            yield f"{name}: is a {kind}, not a {row.type.lower()}"
        elif (ttl == -1) != (row.lifetime == "STAYS"):
            yield f"{name}: " + ("never expires" if ttl == -1 else f"expires in {ttl} ms")


if __name__ == "__main__":
    print(page())
