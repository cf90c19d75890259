#!/usr/bin/python3
"""Is every row of every table used? A row that nothing reads or writes is a
promise that the programs do not keep: a setting without effect, a metric that
stays 0, a reply that nobody gets. Reads the sources; prints a line for each row
at fault and, at the end, "N passed, N failed" (of rows)."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/integration"))

import keys  # noqa: E402
import sealed  # noqa: E402

NO_KEYS = {"settings:smtp-in", "user:password"}
# Channels of an account's mailbox.
NO_MADE_KEYS = {"mail:{%.*s}"}
PROGRAMS = ("lib", "frontend", "spool-broker", "delivery-worker", "ctl")


def read_tree(folders, suffixes):
    return {str(p.relative_to(ROOT)): p.read_text()
            for folder in folders for p in sorted((ROOT / folder).rglob("*")) if p.suffix in suffixes}


def without_comments(text):
    return re.sub(r"/\*.*?\*/", " ", text, flags=re.S)


SOURCES = {path: without_comments(text) for path, text in read_tree(PROGRAMS, (".c", ".h")).items()}
SCRIPTS = read_tree(PROGRAMS, (".lua",))
TESTS = read_tree(("tests",), (".c", ".h", ".py"))
ALL = "\n".join(SOURCES.values())

passed, failed = 0, []


def check(what, is_right, why):
    global passed
    if is_right:
        passed += 1
    else:
        failed.append(f"{what}: {why}")


# ---- settings ----

def settings_rows():
    """(group, field, planned)"""
    table = SOURCES["lib/settings/table.h"]
    rows = re.findall(r"\bS\((\w+), (\w+),(.*?)(?=\bS\(|#define|\Z)", table, re.S)
    shared = [(field, rest) for group, field, rest in rows if group == "group"]
    for group, field, rest in rows:
        if group != "group":
            yield group, field, "PLANNED" in rest.split("SETTINGS_")[0]
    for group in re.findall(r"SETTINGS_AUTODISCOVER\(S, (?!group)(\w+)", table):
        for field, rest in shared:
            yield group, field, "PLANNED" in rest


def check_settings():
    """A file reads group.field if it has ->field or .field, and names the group or
    a function that returns its struct. What is PLANNED must not be read: the
    flag is to go with the first reader."""
    readers = {path: text for path, text in SOURCES.items() if path != "lib/settings/table.h"}
    for group, field, planned in settings_rows():
        ways = [f"settings_{group}", *re.findall(rf"struct settings_{group} \*\s*(\w+)\(", ALL)]
        way = re.compile(rf"\b({'|'.join(ways)})\b")
        used = any(re.search(rf"(->|\.){field}\b", text) and way.search(text) for text in readers.values())
        name = f"setting {group}.{field}"
        if planned:
            check(name, not used, "is read, and yet marked PLANNED")
        else:
            check(name, used, "is read nowhere; if its protocol is to come, mark it PLANNED")


# ---- tables of names that stand in code with a prefix ----

NAME_TABLES = [
    # what, header, macro, letter, prefix in code
    ("metric", "lib/service/metrics_table.h", "METRICS_TABLE", "M", "M_"),
    ("SMTP reply", "frontend/smtp/replies.h", "SMTP_REPLIES", "R", "REPLY_"),
    ("LDAP reply", "frontend/ldap/replies.h", "LDAP_REPLIES", "R", "LDAP_"),
    ("POP3 reply", "frontend/pop3/replies.h", "POP3_REPLIES", "R", "POP3_"),
]


def check_names():
    for what, path, macro, letter, prefix in NAME_TABLES:
        body = SOURCES[path].split(f"#define {macro}(", 1)[1]
        names = re.findall(rf"^\s*{letter}\((\w+),", body, re.M)
        assert names, path
        others = "\n".join(text for p, text in SOURCES.items() if p != path)
        for name in names:
            check(f"{what} {name}", re.search(rf"\b{prefix}{name}\b", others), "is used nowhere")


# ---- commands: every handler that a header declares stands in a table ----

def check_commands():
    tables = {"frontend/smtp": r"smtp_cmd_\w+", "frontend/imap": r"cmd_\w+|imap_cmd_\w+", "frontend/pop3": r"pop3_cmd_\w+",
              "frontend/ldap": r"ldap_cmd_\w+"}
    for folder, pattern in tables.items():
        sources = {p: t for p, t in SOURCES.items() if p.startswith(folder)}
        rows = "\n".join(re.findall(r"^\s*\{.*?\},?$", "\n".join(t for p, t in sources.items() if p.endswith(".c")),
                                    re.M | re.S))
        for header in (t for p, t in sources.items() if p.endswith(".h")):
            for name in re.findall(rf"^enum cmd_status ({pattern})\(", header, re.M):
                check(f"command {name}", re.search(rf"\b{name}\b", rows), "stands in no table of commands")
    for name, handler in re.findall(r'\{"([a-z -]+)",.*?(command_\w+)\}', SOURCES["ctl/commands.c"], re.S):
        words = ", ".join(f'"{w}"' for w in name.split())
        is_tested = any(words in t or f"stagepost {name}" in t for t in TESTS.values())
        check(f"tool's command '{name}'", is_tested or name == "settings reference", "is run by no test")


# ---- sealed texts: who seals one has a row that finds it again ----

def check_sealed():
    places = sealed.places()
    known = {path for place in places for path in place.sealers.split()}
    sealing = {path for path, text in SOURCES.items()
               if re.search(r"\bsecret_seal\(", text) and not path.startswith("lib/secret/") and path != "lib/admin/secrets.c"}
    for path in sorted(known | sealing):
        check(f"sealed by {path}", path in known, "stands in no row of lib/admin/secrets_table.h")
        check(f"sealed by {path}", path in sealing, "seals nothing; lib/admin/secrets_table.h names it")


# ---- messages between the programs ----

def check_bus():
    proto = (ROOT / "proto/stagepost.proto").read_text()
    frame = re.search(r"message Frame \{(.*?)\n\}", proto, re.S).group(1)
    bodies = re.findall(r"^\s*\w+ (\w+) = \d+;", re.search(r"oneof \w+ \{(.*?)\}", frame, re.S).group(1), re.M)
    assert bodies
    for body in bodies:
        case = f"STAGEPOST__FRAME__BODY_{body.upper()}"
        check(f"frame {body}", re.search(rf"\bbody_case = {case}\b", ALL) or
              re.search(rf"bus_frame_pack_around\([^;]*stagepost__frame__\w*|[(,] *{case}\b", ALL), "is sent by nobody")
        handled = re.search(rf"\{{ *{case},|case {case}\b|body_case [!=]= {case}\b", ALL)
        check(f"frame {body}", handled, "is handled by nobody")
    for message in re.findall(r"^message (\w+)", proto, re.M):
        uses = len(re.findall(rf"\b{message}\b", proto)) - 1
        check(f"message {message}", uses > 0 or f"Stagepost__{message}" in ALL, "stands in no frame and no program")


# ---- Redis: keys are those of lib/redis/keys_table.h; the documentation shows that table ----

def wildcards(text):
    """A pattern's <parts>, a format's %s and a glob's * alike."""
    return re.sub(r"<\w+>|%[-0-9.*]*(?:ll|l|z)?[a-zA-Z]|\*", "\0", text)


def as_regex(text):
    return re.compile("[^:]+".join(re.escape(piece) for piece in text.split("\0")))


def check_key_literals(rows):
    """Each literal of the programs that looks like a key is a row's, or the beginning of one."""
    patterns = [wildcards(row.pattern) for row in rows]
    first = "|".join(sorted({re.match(r"[a-z0-9]+", p).group(0) for p in patterns}))
    others = "\n".join(text for path, text in SOURCES.items() if path != "lib/redis/keys_table.h")
    literals = "\n".join(re.findall(r'"(?:[^"\\\n]|\\.)*"', others))
    for literal in sorted(set(re.findall(rf'(?:"|[A-Z]+ )((?:{first}):(?=[{{%a-z*"])[^ "]*)', literals))):
        text = wildcards(literal)
        fits = any(p.startswith(text) or as_regex(p).fullmatch(text) or as_regex(text).fullmatch(p) for p in patterns)
        check(f"key {literal}", fits or literal in NO_KEYS, "is used and has no row in lib/redis/keys_table.h")


def check_keys_made(rows):
    """No source makes a key from a format, or sends one within the text of a command."""
    heads = "|".join(sorted({re.escape(re.match(r"[^<]+", row.pattern).group(0)) for row in rows}))
    for path, text in SOURCES.items():
        joined = re.sub(r'"\s+"', "", text)
        for literal in re.findall(r'"((?:[^"\\\n]|\\.)*)"', joined):
            is_made = re.match(rf"(?:[A-Z]+ )?(?:{heads})\S*%", literal) and " " not in re.sub(r"^[A-Z]+ ", "", literal)
            is_sent = re.match(rf"[A-Z]{{3,}} (?:{heads})", literal)
            if literal not in NO_MADE_KEYS and (is_made or is_sent):
                check(f'"{literal}" of {path}', False, "is a key made by hand: redis_key() makes it from its row")
        if path != "lib/redis/link.c":
            check(f"commands of {path}", not re.search(r"\bredisv?(?:Format|Append)?Command\(", text),
                  "are made from a format, in which a key hides: redis_call_key() has it apart")
        for macro in re.findall(rf'#define \w+\s+"(?:{heads})"', text):
            check(f"{macro} of {path}", path.startswith(("lib/settings/", "lib/admin/settings")) or
                  "<" not in next((row.pattern for row in rows if row.pattern.startswith(macro.split('"')[1])), ""),
                  "is the beginning of a key: redis_key() makes it from its row")


def check_keys():
    rows = keys.rows()
    check_keys_made(rows)
    page = (ROOT / "docs/architecture.md").read_text()
    check("table of keys", keys.page() in page,
          "docs/architecture.md does not show lib/redis/keys_table.h as it is (tests/integration/keys.py prints it)")
    scripts = {path: re.sub(r"--.*", "", text) for path, text in SCRIPTS.items() if path.startswith("lib/mailbox/")}
    tails = {row.pattern for row in rows}
    for path, text in scripts.items():
        for tail in re.findall(r"base \.\. '(\w+:?)'", text):
            known = {"f:": "f:<folder>", "filed:": "filed:<day>", "once:": "once:<day>",
                     "rename:": "rename:<token>"}.get(tail, tail)
            check(f"key '{tail}' of {path}", f"mail:{{<address>}}:{known}" in tails, "has no row")
        for tail in re.findall(r"\b[fg] \.\. '(:\w+:?)'", text):
            known = tail + "<chunk>" if tail.endswith(":") else tail
            check(f"key '{tail}' of {path}", f"mail:{{<address>}}:f:<folder>{known}" in tails, "has no row")
    check_key_literals(rows)


# ---- scripts and crash points ----

def check_mailbox_scripts():
    """Scripts of lib/mailbox know arguments and answers by the names of their tables."""
    table = SOURCES["lib/mailbox/scripts.h"]
    for path, text in SCRIPTS.items():
        name = path.rsplit("/", 1)[1][:-4]
        if not path.startswith("lib/mailbox/") or path.startswith("lib/mailbox/prelude/"):
            continue
        takes, answers = (re.search(rf"#define MAILBOX_{kind}_{name}\((.*?[^\\])(?:\n|$)", table, re.S).group(1)
                          for kind in ("TAKES", "ANSWERS"))
        body = re.sub(r"--.*", "", text)
        for argument in re.findall(r"A\(\w+, (\w+)\)", takes):
            check(f"argument {argument} of {path}", re.search(rf"\b{argument}\b", body), "is used nowhere")
        fields = re.findall(r"F\((\w+)\)", answers)
        given = re.findall(r"(\w+) = ", " ".join(re.findall(r"(?:answer|filed =) *\{(.*?)\n?\}", body, re.S)))
        given += re.findall(r"\bfiled\.(\w+) =", body)
        for field in fields:
            check(f"field {field} of {path}", field in given, "is answered never")
        for field in set(given):
            check(f"field {field} of {path}", field in fields, "stands in no table")
        check(f"script {path}", not re.search(r"ARGV\[\d", body), "takes an argument by its number")


def check_scripts():
    for path in SCRIPTS:
        name = path.rsplit("/", 1)[1]
        check(f"script {path}", f'"{path}' in ALL or f'MAILBOX_SCRIPT({name[:-4]})' in ALL,
              "is embedded nowhere")
    tests = "\n".join(TESTS.values())
    for point in sorted(set(re.findall(r'CRASHPOINT\("([^"]+)"\)', ALL))):
        check(f"crash point {point}", f'"{point}' in tests, "no test dies there")


for check_table in (check_settings, check_names, check_commands, check_sealed, check_bus, check_keys, check_scripts, check_mailbox_scripts):
    check_table()
for line in failed:
    print(f"  FAIL  {line}")
print(f"tables: {passed} passed, {len(failed)} failed")
sys.exit(1 if failed else 0)
