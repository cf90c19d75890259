"""The tests' own name server, with signed zones: Debian's nsd and ldns, on loopback.

    dns = SignedDns({"dane.test": [...lines of a zone file...]}, unsigned={"plain.test": [...]})
    ... STAGEPOST_RESOLVER=dns.resolver, STAGEPOST_TRUST_ANCHOR=dns.anchor ...

tamper(text) -> text changes a zone after it was signed."""

import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from ports import free_port

HEAD = "$ORIGIN {0}.\n$TTL 60\n@ IN SOA ns.{0}. hostmaster.{0}. 1 3600 600 86400 60\n@ IN NS ns.{0}.\nns IN A 127.0.0.1\n"


def run(*command, **kwargs):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=60, **kwargs)
    assert done.returncode == 0, f"{command[0]}: {done.stdout}\n{done.stderr}"
    return done.stdout.strip()


class SignedDns:
    def __init__(self, signed, unsigned=None, tamper=None):
        self.dir = Path(tempfile.mkdtemp(prefix="stagepost-dns-"))
        self.port = free_port()
        self.resolver = f"127.0.0.1@{self.port}"
        self.anchor = self.dir / "anchor"
        files = {}
        for zone, lines in {**signed, **(unsigned or {})}.items():
            files[zone] = self.dir / zone
            files[zone].write_text(HEAD.format(zone) + "\n".join(lines) + "\n")
        for zone in signed:
            key = run("ldns-keygen", "-k", "-a", "ECDSAP256SHA256", zone, cwd=self.dir)
            run("ldns-signzone", files[zone], key, cwd=self.dir)
            files[zone] = files[zone].with_name(zone + ".signed")
            with open(self.anchor, "a") as anchor:
                anchor.write((self.dir / f"{key}.key").read_text())
            if tamper is not None:
                before = files[zone].read_text()
                files[zone].write_text(tamper(before))
                assert files[zone].read_text() != before
        config = self.dir / "nsd.conf"
        config.write_text(
            f"server:\n  ip-address: 127.0.0.1@{self.port}\n  zonesdir: \"{self.dir}\"\n  username: \"\"\n  chroot: \"\"\n"
            f"  pidfile: \"{self.dir}/pid\"\n  xfrdfile: \"{self.dir}/xfrd\"\n  zonelistfile: \"{self.dir}/zonelist\"\n"
            f"  database: \"\"\n  server-count: 1\nremote-control:\n  control-enable: no\n" +
            "".join(f"zone:\n  name: \"{z}\"\n  zonefile: \"{f}\"\n" for z, f in files.items()))
        self.process = subprocess.Popen(["nsd", "-d", "-c", str(config)], stdout=subprocess.DEVNULL,
                                        stderr=open(self.dir / "log", "w"))
        self._wait()

    def _wait(self):
        query = b"\0\1\1\0\0\1\0\0\0\0\0\0\2ns\4test\0\0\1\0\1"
        for _ in range(200):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.settimeout(0.1)
                try:
                    s.connect(("127.0.0.1", self.port))
                    s.send(query)
                    s.recv(500)
                    return
                except OSError:
                    assert self.process.poll() is None, (self.dir / "log").read_text()
                    time.sleep(0.05)
        raise AssertionError("nsd does not answer: " + (self.dir / "log").read_text())

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
        shutil.rmtree(self.dir, ignore_errors=True)
