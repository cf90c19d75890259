#!/usr/bin/python3
"""One message to one recipient at each of many destinations: the time from the
end of its data until all is at a sink, and the processor time of broker and
worker meanwhile."""

import argparse
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import cpu
from parts import LOAD
from systems import Stagepost, free_port


def options():
    o = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    o.add_argument("counts", nargs="*", type=int, default=[500, 1000, 2000, 4000], metavar="DESTINATIONS")
    o.add_argument("--build", default=None, metavar="DIR", help="another build of Stagepost")
    return o.parse_args()


def send(port, count, name):
    """The moment at which the data ends."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as s, s.makefile("rb") as answers:
        def ask(text, expected):
            s.sendall(text)
            while (line := answers.readline())[3:4] == b"-":
                pass
            assert line.startswith(expected), line

        ask(b"", b"220")
        ask(b"EHLO bench.test\r\n", b"250")
        ask(b"MAIL FROM:<sender@bench.test>\r\n", b"250")
        for at in range(0, count, 100):
            names = range(at, min(count, at + 100))
            s.sendall(b"".join(b"RCPT TO:<a@%s%d.test>\r\n" % (name, n) for n in names))
            for _ in names:
                line = answers.readline()
                assert line.startswith(b"250"), line
        ask(b"DATA\r\n", b"354")
        begun = time.monotonic()
        ask(b"Subject: bench\r\n\r\n" + b"x" * 60 + b"\r\n.\r\n", b"250")
        return begun


def processor_seconds(system):
    pids = [system.cluster.pid(child) for child in ("spool-broker-0", "delivery-worker-0")]
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(f[11]) + int(f[12]) for f in fields) / cpu.TICKS


def measure(system, sink_port, count, name):
    sink = subprocess.Popen([LOAD, "sink", "--port", str(system.port("smtp")), "--sink-port", str(sink_port),
                             "--count", str(count)], stdout=subprocess.DEVNULL)
    try:
        time.sleep(0.5)
        before = processor_seconds(system)
        begun = send(system.port("smtp"), count, name)
        assert sink.wait(300) == 0
        return time.monotonic() - begun, processor_seconds(system) - before
    finally:
        sink.kill()


def main():
    o = options()
    folder = Path(tempfile.mkdtemp(prefix="stagepost-bench-", dir="/var/tmp"))
    system = Stagepost(o.build) if o.build else Stagepost()
    sink_port = free_port()
    try:
        system.start(folder, sink_port)
        system.cluster.settings("smtp-in", max_recipients=100000)
        measure(system, sink_port, 100, b"warm")
        for count in o.counts:
            seconds, processor = measure(system, sink_port, count, b"d%d-" % count)
            print(f"{count:6} destinations  {seconds:6.2f} s  {1000 * processor:6.0f} ms", flush=True)
    finally:
        system.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
