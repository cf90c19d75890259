"""What verifies senders for Postfix: opendkim and opendmarc, as its documentation shows them."""

import os
import socket
import subprocess
from pathlib import Path

from cluster import wait_for
from ports import free_port
from senders import ADDRESS

OPENDKIM_CONF = """\
Background no
Mode v
UserID root
Socket inet:{port}@127.0.0.1
Nameservers {address}
InternalHosts {dir}/others
AlwaysAddARHeader yes
AuthservID mx.bench.test
Syslog no
"""

OPENDMARC_CONF = """\
Background false
UserID root
Socket inet:{port}@127.0.0.1
IgnoreHosts {dir}/others
AuthservID mx.bench.test
TrustedAuthservIDs mx.bench.test
SPFSelfValidate true
SPFIgnoreResults true
RejectFailures false
PublicSuffixList /usr/share/publicsuffix/public_suffix_list.dat
PidFile {dir}/opendmarc.pid
Syslog false
"""


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        return True
    except OSError:
        return False


class Milters:
    def __init__(self, folder):
        self.dir = Path(folder)
        self.ports = [free_port(), free_port()]
        self.processes = []

    def start(self):
        (self.dir / "others").write_text("192.0.2.1\n")
        (self.dir / "resolv.conf").write_text(f"nameserver {ADDRESS}\n")
        for name, option, conf, port in (("opendkim", "-x", OPENDKIM_CONF, self.ports[0]),
                                         ("opendmarc", "-c", OPENDMARC_CONF, self.ports[1])):
            (self.dir / f"{name}.conf").write_text(conf.format(port=port, address=ADDRESS, dir=self.dir))
            # opendmarc asks the name server of the system, and no other.
            own = f'mount --bind "{self.dir}/resolv.conf" "$(readlink -f /etc/resolv.conf)" && exec "$@"'
            with open(self.dir / f"{name}.log", "w") as log:
                self.processes.append(subprocess.Popen(
                    ["unshare", "--mount", "sh", "-c", own, "sh", f"/usr/sbin/{name}", "-f", option,
                     self.dir / f"{name}.conf"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    env={**os.environ, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}))
        for port in self.ports:
            wait_for(lambda: listens(port) or self._ended(), what="the milters listen")
        if self._ended():
            raise RuntimeError("a milter does not start: " + self.logs())
        return self

    def _ended(self):
        return any(p.poll() is not None for p in self.processes)

    def stop(self):
        for process in self.processes:
            process.terminate()
            process.wait(30)

    def pids(self):
        return [p.pid for p in self.processes]

    def addresses(self):
        return ",".join(f"inet:127.0.0.1:{port}" for port in self.ports)

    def logs(self):
        return "\n".join(path.read_text(errors="replace")[-2000:] for path in self.dir.glob("*.log"))
