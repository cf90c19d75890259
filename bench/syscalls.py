#!/usr/bin/python3
"""System calls that a message costs each program, counted by strace: from one
session, each message on its own connection unless --keep is given, so that
nothing is shared. strace slows everything down, so no speed is reported."""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from parts import LOAD
from systems import DOMAIN, Stagepost, free_port, wait_for

PROGRAMS = {"frontend": "frontend-0", "broker": "spool-broker-0", "worker": "delivery-worker-0"}
LINE = re.compile(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$")


def options():
    o = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    o.add_argument("--messages", type=int, default=500, metavar="N")
    o.add_argument("--keep", action="store_true", help="all messages on one connection")
    o.add_argument("--sessions", type=int, default=1, metavar="N")
    o.add_argument("--build", default=None, metavar="DIR", help="another build of Stagepost")
    o.add_argument("--least", type=float, default=0.2, metavar="N", help="calls rarer than that are only summed up (0.2)")
    return o.parse_args()


def send(system, count, sessions, keep):
    before = system.delivered()
    command = [LOAD, "smtp", "--port", str(system.port("smtp")), "--domain", DOMAIN, "--count", str(count),
               "--sessions", str(sessions), "--users", "50", "--size", "4096"]
    subprocess.run(command + ([] if keep else ["--reconnect"]), check=True, capture_output=True, timeout=300)
    wait_for(lambda: system.delivered() >= before + count, 60, what="all delivered")


def watch(pid, path):
    tracer = subprocess.Popen(["strace", "-f", "-c", "-o", path, "-p", str(pid)], stderr=subprocess.PIPE, text=True)
    tracer.stderr.readline()  # attached
    return tracer


def counted(path):
    found = (LINE.match(line) for line in Path(path).read_text().splitlines())
    return Counter({m[2]: int(m[1]) for m in found if m and m[2] != "total"})


def traced(system, work):
    """Calls of each program while work() runs."""
    with tempfile.TemporaryDirectory() as folder:
        tracers = {name: watch(system.cluster.pid(child), f"{folder}/{name}") for name, child in PROGRAMS.items()}
        time.sleep(0.3)
        work()
        time.sleep(0.3)
        for tracer in tracers.values():
            tracer.send_signal(signal.SIGINT)
        for tracer in tracers.values():
            tracer.wait(30)
        return {name: counted(f"{folder}/{name}") for name in PROGRAMS}


def measure(system, o):
    """Calls made without any message are subtracted; the rest is divided by the number of messages."""
    send(system, 100, o.sessions, o.keep)
    begun = time.monotonic()
    busy = traced(system, lambda: send(system, o.messages, o.sessions, o.keep))
    seconds = time.monotonic() - begun
    idle = traced(system, lambda: time.sleep(seconds))
    return {name: {call: max(0, n - idle[name][call]) / o.messages for call, n in busy[name].items()}
            for name in PROGRAMS}


def show(result, least):
    for name, calls in result.items():
        told = sorted(((n, call) for call, n in calls.items() if n >= least), reverse=True)
        print(f"{name:9} {sum(calls.values()):6.1f}   " + ", ".join(f"{call} {n:.1f}" for n, call in told))


def main():
    o = options()
    if shutil.which("strace") is None:
        sys.exit("strace is not installed")
    folder = Path(tempfile.mkdtemp(prefix="stagepost-bench-", dir="/var/tmp"))
    system = Stagepost(o.build) if o.build else Stagepost()
    try:
        system.start(folder, free_port())
        show(measure(system, o), o.least)
    finally:
        system.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
