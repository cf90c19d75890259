"""The domain that the load's mail comes from, for the parts in which its sender is verified: a name server with its
records, and its signature below a message."""

import base64
import subprocess
from pathlib import Path

import dkim
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from cluster import wait_for

SENDER = "example.net"  # as in load_smtp.c
SELECTOR = "bench"
# Port 53, because opendmarc knows no other: an address of loopback that nobody else uses.
ADDRESS = "127.77.0.53"

NSD_CONF = """\
server:
    ip-address: {address}
    port: 53
    username: ""
    zonesdir: {dir}
    zonelistfile: {dir}/zone.list
    xfrdfile: {dir}/xfrd.state
    pidfile: {dir}/nsd.pid
    logfile: {dir}/nsd.log
    database: ""
    rrl-ratelimit: 0
    server-count: 1
remote-control:
    control-enable: no
zone:
    name: "{sender}"
    zonefile: zone
zone:
    name: "."
    zonefile: root
"""

# The root is here so that any other name is answered with NXDOMAIN, and at once.
ROOT = """\
$TTL 3600
. IN SOA ns.{sender}. hostmaster.{sender}. 1 3600 900 604800 3600
. IN NS ns.{sender}.
"""

ZONE = """\
$TTL 3600
$ORIGIN {sender}.
@ IN SOA ns hostmaster 1 3600 900 604800 3600
@ IN NS ns
ns IN A {address}
@ IN TXT "v=spf1 ip4:127.0.0.0/8 -all"
client IN A 127.0.0.1
client IN TXT "v=spf1 a -all"
_dmarc IN TXT "v=DMARC1; p=reject"
{selector}._domainkey IN TXT {key}
"""


class Sender:
    address = ADDRESS

    def __init__(self, folder):
        self.dir = Path(folder)
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def start(self):
        public = base64.b64encode(self.key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)).decode()
        text = f"v=DKIM1; k=rsa; p={public}"
        values = {"address": ADDRESS, "dir": self.dir, "sender": SENDER, "selector": SELECTOR,
                  "key": " ".join(f'"{text[i:i + 250]}"' for i in range(0, len(text), 250))}
        for name, content in (("zone", ZONE), ("root", ROOT), ("nsd.conf", NSD_CONF)):
            (self.dir / name).write_text(content.format(**values))
        self.process = subprocess.Popen(["/usr/sbin/nsd", "-d", "-c", self.dir / "nsd.conf"], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda: "nsd started" in (self.dir / "nsd.log").read_text() if (self.dir / "nsd.log").exists()
                 else self.process.poll() is not None, what="nsd started")
        if self.process.poll() is not None:
            raise RuntimeError("nsd does not start: " + (self.dir / "nsd.log").read_text())
        return self

    def stop(self):
        self.process.terminate()
        self.process.wait(30)

    def signature(self, message):
        """A file with the DKIM-Signature field of a message of the load. It covers only what is the same in all."""
        pem = self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL,
                                     serialization.NoEncryption())
        field = dkim.sign(message, SELECTOR.encode(), SENDER.encode(), pem, canonicalize=(b"relaxed", b"relaxed"),
                          include_headers=[b"From", b"To", b"Subject", b"Date"])
        path = self.dir / "signature"
        path.write_bytes(field)
        return path
