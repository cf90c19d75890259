"""A Linux machine whose people are those of an LDAP directory: nslcd with its modules for NSS and PAM, in
a mount namespace with a folder /etc of its own. Nothing of the real machine changes."""

import os
import shutil
import signal
import subprocess

from cluster import ROOT, wait_for

DEBIAN = ROOT / "build" / "debian"  # made by deb-unpack.sh
MISSING = "nslcd is not unpacked: make deps-test needs Debian's mirror"


def library(name):
    return next(DEBIAN.glob(f"lib/*/{name}"))


def is_there():
    return (DEBIAN / "complete").exists()


def check_without_the_store(cluster, machine):
    """A loaded book goes on answering; a password that cannot be checked is no login, and no wrong one; logins come
    back by themselves."""
    wait_for(lambda: machine.getent("passwd", "alice"), what="alice")
    redis = cluster.pid("redis")
    os.kill(redis, signal.SIGSTOP)
    try:
        assert machine.getent("passwd", "alice") != []
        assert not machine.may_log_in("alice", "alice's own")
    finally:
        os.kill(redis, signal.SIGCONT)
    wait_for(lambda: machine.may_log_in("alice", "alice's own"), 60, what="logins again")
    assert cluster.redis.keys("auth:fail:*") == []


class LinuxMachine:
    def __init__(self, dir, port, base, reader, password="secret"):
        self.etc = dir / "etc"
        (self.etc / "pam.d").mkdir(parents=True)
        for name in ("passwd", "group", "hosts", "services", "protocols"):
            shutil.copy(f"/etc/{name}", self.etc / name)
        (self.etc / "nsswitch.conf").write_text("passwd: files ldap\ngroup: files ldap\nhosts: files\n")
        module = library("security/pam_ldap.so")
        (self.etc / "pam.d" / "login").write_text(
            "".join(f"{kind} required {module} minimum_uid=1000\n" for kind in ("auth", "account")))
        (self.etc / "nslcd.conf").write_text(
            f"uri ldap://127.0.0.1:{port}/\nbase {base}\nbinddn {reader}\nbindpw {password}\n"
            "ssl start_tls\ntls_reqcert never\nreconnect_retrytime 1\nreconnect_sleeptime 1\n")
        (self.etc / "nslcd.conf").chmod(0o600)
        self.log = dir / "nslcd.log"
        self.env = dict(os.environ, LD_LIBRARY_PATH=str(library("libnss_ldap.so.2").parent))
        script = ('mount --make-rprivate / && mount -t tmpfs none /run && mkdir /run/nslcd && mount --bind "$0" /etc && '
                  'exec "$1" --debug --nofork')
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(["unshare", "--mount", "sh", "-c", script, self.etc, DEBIAN / "usr/sbin/nslcd"],
                                            stdout=log, stderr=subprocess.STDOUT)
        wait_for(lambda: "accepting connections" in self.log.read_text(), what="nslcd")

    def run(self, *command, input=None):
        return subprocess.run(["nsenter", "--mount", f"--target={self.process.pid}", *map(str, command)], env=self.env,
                              input=input, capture_output=True, text=True, timeout=60)

    def getent(self, *args):
        """The lines; [] for what does not exist."""
        result = self.run("getent", *args)
        assert result.returncode in (0, 2), result.stderr
        return result.stdout.splitlines()

    def may_log_in(self, name, password):
        """By PAM: the password, and the account's state."""
        result = self.run(DEBIAN / "usr/bin/pamtester", "login", name, "authenticate", "acct_mgmt", input=password + "\n")
        return result.returncode == 0

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
