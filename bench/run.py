#!/usr/bin/python3
"""Compares Stagepost with Postfix + Dovecot, and for LDAP with slapd, on this machine, in one run.

All run at once, but only one has work at a time; each part is repeated in turn
(Stagepost, Postfix + Dovecot, Stagepost, ...) and the median counts, so that
other load on the machine affects all alike. Same disk, same cores, same
accounts; the promise behind each system's 250 is printed with the result."""

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import cpu
import table
from parts import PARTS, Context
from senders import Sender
from systems import OpenLdap, PostfixDovecot, Stagepost, free_port

CONNECTIONS = [5000, 150]  # idle ones: to Stagepost and slapd, to Postfix and Dovecot


def options():
    names = " ".join(p.name for p in PARTS)
    o = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                epilog=f"parts: {names}")
    o.add_argument("parts", nargs="*", metavar="PART", help="only these; a word that is not a name selects all that begin with it")
    o.add_argument("--json", action="store_true", help="the result as one JSON object; progress on standard error")
    o.add_argument("--repeat", type=int, default=3, metavar="N", help="times each part is measured (3)")
    o.add_argument("--against", metavar="DIR", help="compare with another build of Stagepost instead")
    o.add_argument("--only", choices=("stagepost", "postfix"), help="only one of the two systems")
    o.add_argument("--dir", default="/var/tmp", help="where the folder of both systems is made (/var/tmp)")
    o.add_argument("--connections", type=int, metavar="N", help="idle connections held by Stagepost (5000)")
    o.add_argument("--nice", type=int, default=0, metavar="N", help="priority of all of it, where others use the machine")
    o.add_argument("--quiet", type=float, default=0, metavar="S",
                   help="before each measurement wait up to S seconds until nothing else runs here")
    o.add_argument("--hold", action="store_true", help="start, print the ports and wait: for a profiler")
    return o.parse_args()


def chosen(names):
    unknown = [n for n in names if not any(p.name.startswith(n) for p in PARTS)]
    if unknown:
        sys.exit(f"no part '{unknown[0]}'; there are: {' '.join(p.name for p in PARTS)}")
    exact = {p.name for p in PARTS} & set(names)
    return [p for p in PARTS if not names or p.name in exact or
            any(p.name.startswith(n) for n in names if n not in exact)]


def compared(parts, o):
    """The systems that these parts need; the name of the other one by what a part is against."""
    sides = {p.against for p in parts if not p.alone}
    ours = Stagepost(with_book="slapd" in sides)
    others = [PostfixDovecot(), OpenLdap(ours)]
    if o.against:
        others = [Stagepost(o.against, f"build {o.against}", with_book="slapd" in sides)]
    names = {side: next(s.name for s in others if side in s.sides) for side in ("postfix", "slapd")}
    if o.only == "postfix":
        return others[:1], names
    return [ours] + [s for s in others if o.only is None and sides & s.sides], names


def measure(part, context, systems, repeat, quiet_s, say):
    """Medians of each system's figures."""
    taken = {s.name: [] for s in systems}
    for turn in range(repeat if part.repeat else 1):
        for system in systems:
            if system.name != "Stagepost" and (part.alone or part.against not in system.sides):
                continue
            cpu.wait_quiet(quiet_s)
            figures = part.run(context, system)
            taken[system.name].append(figures)
            say(f"{part.name}: {system.name}: {table.number(figures.value)} {figures.unit}")
    medians = {}
    for name, figures in taken.items():
        if figures:
            middle = statistics.median_low([f.value for f in figures])
            medians[name] = next(f for f in figures if f.value == middle)
            medians[name].more["all"] = [f.value for f in figures]
    return medians


def hold(systems):
    for s in systems:
        ports = ", ".join(f"{n} {s.port(n)}" for n in s.services)
        print(f"{s.name}: {ports}; pids {' '.join(map(str, s.pids()))}", flush=True)
    print("Ctrl-C or the end of standard input stops.", flush=True)
    try:
        sys.stdin.read()
    except KeyboardInterrupt:
        pass


def main():
    o = options()
    parts = chosen(o.parts)
    begun = time.monotonic()
    os.nice(o.nice)  # both systems and the load inherit it

    def say(text):
        print(f"[{time.monotonic() - begun:5.0f} s] {text}", file=sys.stderr, flush=True)

    folder = Path(tempfile.mkdtemp(prefix="stagepost-bench-", dir=o.dir))
    folder.chmod(0o755)  # Postfix and Dovecot give up their rights
    if o.connections:
        CONNECTIONS[0] = o.connections
    sink_port = free_port()
    sender = None
    if any(part.verifies for part in parts):
        (folder / "sender").mkdir()
        sender = Sender(folder / "sender").start()
    context = Context(str(folder), sink_port, CONNECTIONS, sender)
    systems, names = compared(parts, o)
    rows, started = [], []
    try:
        for system in systems:
            say(f"starting {system.name}")
            own = folder / str(len(started))
            own.mkdir()
            started.append(system)
            system.start(own, sink_port, sender)
        if o.hold:
            hold(systems)
            return
        for part in parts:
            rows.append((part, measure(part, context, systems, o.repeat, o.quiet, say)))
    finally:
        for system in started:
            system.stop()
        if sender:
            sender.stop()
        shutil.rmtree(folder, ignore_errors=True)
    about = {"cores": os.cpu_count(), "machine": platform.machine(), "kernel": platform.release(),
             "repeat": o.repeat, "seconds": round(time.monotonic() - begun),
             "promises": {s.name: s.promise for s in systems}}
    if o.json:
        print(json.dumps(table.as_json(rows, names, about), indent=1))
        return
    table.print_tables(rows, names)
    print("\nratio: how much better Stagepost is; CPU: how much less processor time of its processes each thing took.")
    print(f"{about['cores']} cores, Linux {about['kernel']}; median of {o.repeat}; {about['seconds']} s in all.")
    for name, promise in about["promises"].items():
        if promise:
            print(f"A 250 of {name}: {promise}.")
    print("\nDetails of the median runs:")
    table.print_details(rows)


if __name__ == "__main__":
    main()
