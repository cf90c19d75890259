"""A Linux machine whose people are those of an LDAP directory: SSSD with its modules for NSS and PAM, in a mount
namespace where its packages are laid over /usr. Nothing of the real machine changes."""

import shutil
import subprocess

from cluster import ROOT, wait_for

DEBIAN = ROOT / "build" / "sssd"  # made by deb-unpack.sh
MISSING = "sssd is not unpacked: make deps-test needs Debian's mirror"

# $0: its folder; $1: the packages. sssd keeps its database below /var/lib/sss and its sockets in /var/lib/sss/pipes.
START = """
mount --make-rprivate / &&
mount -t overlay overlay -o "lowerdir=$1/usr:/usr" /usr && mount -t overlay overlay -o "lowerdir=$1/lib:/usr/lib" /usr/lib &&
for part in run etc var/lib var/log; do mount --bind "$0/$part" "/$part" || exit 1; done
exec sssd --interactive --logger=stderr --debug-level=2
"""


def is_there():
    return (DEBIAN / "complete").exists()


def may_lay_over():
    """Whether this system allows what START does."""
    script = 'mount -t overlay overlay -o "lowerdir=$0/usr:/usr" /usr'
    return subprocess.run(["unshare", "--mount", "sh", "-c", script, DEBIAN], capture_output=True).returncode == 0


class SssdMachine:
    def __init__(self, dir, port, base, reader, password="secret"):
        root = dir / "machine"
        etc = root / "etc"
        for name in ("run", "var/lib", "var/log/sssd", "etc/pam.d", "etc/sssd"):
            (root / name).mkdir(parents=True)
        for name in ("db", "mc", "pipes/private", "pubconf/krb5.include.d", "gpo_cache", "keytabs", "secrets", "deskprofile"):
            (root / "var/lib/sss" / name).mkdir(parents=True)
        for name in ("passwd", "group", "hosts", "services", "protocols", "ld.so.cache"):
            shutil.copy(f"/etc/{name}", etc / name)
        (etc / "nsswitch.conf").write_text("passwd: files sss\ngroup: files sss\nhosts: files\n")
        (etc / "pam.d" / "login").write_text("".join(f"{kind} required pam_sss.so\n" for kind in ("auth", "account")))
        conf = etc / "sssd" / "sssd.conf"
        conf.write_text(f"""[sssd]
services = nss, pam
domains = directory
[nss]
enum_cache_timeout = 1
entry_negative_timeout = 1
memcache_timeout = 0
[domain/directory]
id_provider = ldap
auth_provider = ldap
ldap_uri = ldap://127.0.0.1:{port}
ldap_search_base = {base}
ldap_default_bind_dn = {reader}
ldap_default_authtok = {password}
ldap_id_use_start_tls = true
ldap_tls_reqcert = never
enumerate = true
entry_cache_timeout = 1
ldap_enumeration_refresh_timeout = 2
ldap_enumeration_refresh_offset = 0
ldap_purge_cache_timeout = 0
offline_timeout = 1
offline_timeout_max = 2
offline_timeout_random_offset = 0
""")
        conf.chmod(0o600)
        self.log = dir / "sssd.log"
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(["unshare", "--mount", "sh", "-c", START, root, DEBIAN], stdout=log,
                                            stderr=subprocess.STDOUT)
        wait_for(lambda: (root / "var/lib/sss/pipes/nss").exists() and (root / "var/lib/sss/pipes/pam").exists(), 30,
                 what="sssd")

    def run(self, *command, input=None):
        return subprocess.run(["nsenter", "--mount", f"--target={self.process.pid}", *map(str, command)], input=input,
                              capture_output=True, text=True, timeout=60)

    def getent(self, *args):
        """The lines; [] for what does not exist."""
        result = self.run("getent", *args)
        assert result.returncode in (0, 2), result.stderr
        return result.stdout.splitlines()

    def may_log_in(self, name, password):
        """By PAM: the password, and the account's state."""
        result = self.run("pamtester", "login", name, "authenticate", "acct_mgmt", input=password + "\n")
        return result.returncode == 0

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
