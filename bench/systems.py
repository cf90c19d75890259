"""The systems that are compared, each private: in its own folder, on its own
ports, stopped through the processes that were started here.

All listen on loopback only. Stagepost and Postfix with Dovecot log to a file, both have the same accounts
(bench0@bench.test and up, password "secret"), and both send remote mail to the
same relay host, the sink of the load generator."""

import base64
import hashlib
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "integration"))

from cluster import BUILD, Cluster, wait_for  # noqa: E402
from milters import Milters, listens  # noqa: E402
from ports import free_port  # noqa: E402

DOMAIN = "bench.test"
USERS = 100  # that receive mail by SMTP
POP3_USERS = range(100, 110)  # whose maildrops only the POP3 parts fill and read
IMAP_USERS = range(110, 160)
BODY_USERS = range(160, 170)
ACCOUNTS = 170
BOOK_DOMAIN = "book.test"  # only the LDAP parts read it
BOOK_BASE = "dc=book,dc=test"
BOOK_ENTRIES = 100000  # user000000 and up
MANY = 20000  # connections: high enough that neither system reaches a limit


def process_tree(roots):
    """pids of these processes and of all their descendants."""
    children = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                stat = Path(entry.path, "stat").read_text()
            except OSError:
                continue
            parent = int(stat.rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(entry.name))
    found, todo = [], list(roots)
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo += children.get(pid, [])
    return found


def _answers(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as s:
            return s.recv(3) == b"220"
    except OSError:
        return False


class System:
    """What a measurement needs from either system."""

    name = ""
    promise = ""  # what a 250 means; empty: it takes no mail
    services = ("smtp", "smtps", "pop3", "pop3s", "imap")  # whose ports --hold prints
    sides = set()  # the parts that it is measured in: "postfix", "slapd"

    def __init__(self):
        self.filled = set()  # ranges of accounts that have their messages

    def start(self, folder, sink_port, sender=None): ...  # sender: needed for verify()
    def stop(self): ...
    def renew(self): ...  # the processes that hold connections, newly started
    def pids(self): ...
    def port(self, name): ...  # "smtp", "smtps", "pop3", "pop3s", "imap", "imaps"; Stagepost: "http", "https"
    def front_pids(self): ...  # the processes that hold a client's connection

    def delivered(self):
        """Messages in all mailboxes."""

    def verify(self, on):
        """Whether the senders of mail to the port "smtp-verified" are verified; to "smtp" they never are."""


def write_book(cluster):
    """Accounts with all that describes them; every password is "secret"."""
    salt = b"bench-book-salt!"
    hashed = "{SSHA512}" + base64.b64encode(hashlib.sha512(b"secret" + salt).digest() + salt).decode()
    path = cluster.dir / "book.csv"
    with path.open("w") as out:
        out.write("address,password_hash,display_name,given_name,surname,title,department,company,phone,city\n")
        for n in range(BOOK_ENTRIES):
            out.write(f"user{n:06d}@{BOOK_DOMAIN},{hashed},Given{n:06d} Family{n:06d},Given{n:06d},Family{n:06d},"
                      f"Engineer,Team {n % 100},Example Ltd,+49 30 {n:06d},Berlin\n")
    cluster.add_domain(BOOK_DOMAIN)
    subprocess.run([cluster.build / "stagepost", "user", "import", path, "--dir", cluster.dir], check=True,
                   env=cluster.env, stdout=subprocess.DEVNULL)


class Stagepost(System):
    services = (*System.services, "ldap")
    sides = {"postfix", "slapd"}
    promise = "body fdatasynced in its pack, envelope fsynced in Redis (appendfsync always)"
    PORTS = {"smtp": "smtp", "smtp-verified": "smtp", "smtps": "submissions", "pop3": "pop3", "pop3s": "pop3s",
             "imap": "imap", "imaps": "imaps", "http": "http", "https": "https", "ldap": "ldap"}

    def __init__(self, build=BUILD, name="Stagepost", with_book=False):
        super().__init__()
        self.build, self.name, self.with_book = build, name, with_book

    def start(self, folder, sink_port, sender=None):
        self.cluster = Cluster(frontends=1, dir=folder, listen="127.0.0.1", build=self.build,
                               env={"STAGEPOST_RESOLVER": sender.address} if sender else None)
        self.cluster.start()
        redis = self.cluster.redis
        for group in ("smtp-in", "pop", "imap", "http", "ldap"):
            redis.hset(f"settings:{group}", "max_connections", MANY)
        redis.hset("settings:http", mapping={"max_per_address": 0, "keep_alive_timeout": "1h"})
        redis.hset("settings:ldap", mapping={"size_limit": 0, "session_timeout": "1h"})
        redis.hset("settings:smtp-in", "relay_whitelist", "127.0.0.0/8")
        redis.hset("settings:smtp-out", mapping={"relay_host": f"[127.0.0.1]:{sink_port}"})
        for i in range(ACCOUNTS):
            self.cluster.add_user(f"bench{i}@{DOMAIN}")
        if self.with_book:
            write_book(self.cluster)

    def verify(self, on):
        """Of clients that may relay nobody is verified."""
        self.cluster.redis.hset("settings:smtp-in", "relay_whitelist", "192.0.2.1" if on else "127.0.0.0/8")
        time.sleep(1)

    def write_ldif(self, path):
        """The book as LDAP shows it."""
        with path.open("w") as out:
            subprocess.run(["ldapsearch", "-x", "-LLL", "-o", "ldif-wrap=no", "-H", f"ldap://127.0.0.1:{self.port('ldap')}",
                            "-D", f"user000000@{BOOK_DOMAIN}", "-w", "secret", "-b", BOOK_BASE, "(objectClass=*)",
                            "*", "createTimestamp", "structuralObjectClass", "entryUUID"], check=True, stdout=out)

    def stop(self):
        self.cluster.stop()

    def renew(self):
        pid = self.cluster.kill("frontend-0", signal.SIGTERM)
        self.cluster.wait_restarted("frontend-0", pid, 60)
        wait_for(lambda: _answers(self.port("smtp")) and self.cluster.tool("status", check=False).returncode == 0,
                 30, what="the frontend is back")

    def pids(self):
        return process_tree([self.cluster.process.pid])

    def front_pids(self):
        return [self.cluster.pid("frontend-0")]

    def port(self, name):
        return self.cluster.port(self.PORTS[name])

    def delivered(self):
        pipe = self.cluster.redis.pipeline(transaction=False)
        for i in range(ACCOUNTS):
            pipe.hget(f"mail:{{bench{i}@{DOMAIN}}}:meta", "messages")
        return sum(int(n or 0) for n in pipe.execute())

    def logs(self):
        return self.cluster.logs()


SLAPD_CONF = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
pidfile {dir}/slapd.pid
modulepath /usr/lib/ldap
moduleload back_mdb
database mdb
maxsize 4294967296
suffix "{base}"
directory {dir}/db
rootdn "uid=user000000,ou=people,{base}"
rootpw secret
sizelimit unlimited
index objectClass eq
index mail eq,sub
index cn,sn,givenName eq,sub
"""


class OpenLdap(System):
    """slapd with the entries that Stagepost shows."""

    name = "slapd"
    services = ("ldap",)
    sides = {"slapd"}

    def __init__(self, stagepost):
        super().__init__()
        self._stagepost = stagepost

    def start(self, folder, sink_port, sender=None):
        self.dir, self._port = Path(folder), free_port()
        (self.dir / "slapd.conf").write_text(SLAPD_CONF.format(dir=self.dir, base=BOOK_BASE))
        (self.dir / "db").mkdir()
        self._stagepost.write_ldif(self.dir / "book.ldif")
        # -s: our entries have attributes beyond their classes.
        subprocess.run(["/usr/sbin/slapadd", "-q", "-s", "-f", self.dir / "slapd.conf", "-l", self.dir / "book.ldif"],
                       check=True, capture_output=True)
        self._start_daemon()

    def _start_daemon(self):
        def raise_limit():
            resource.setrlimit(resource.RLIMIT_NOFILE, (MANY, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))

        self.process = subprocess.Popen(["/usr/sbin/slapd", "-d", "0", "-h", f"ldap://127.0.0.1:{self._port}", "-f",
                                         self.dir / "slapd.conf"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, preexec_fn=raise_limit)
        wait_for(lambda: listens(self._port), what="slapd listens")

    def stop(self):
        self.process.terminate()
        self.process.wait(30)

    def renew(self):
        self.stop()
        self._start_daemon()

    def pids(self):
        return [self.process.pid]

    def front_pids(self):
        return self.pids()

    def port(self, name):
        return self._port

    def logs(self):
        return ""


MAIN_CF = """\
compatibility_level = 3.6
queue_directory = {dir}/spool
data_directory = {dir}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
shlib_directory = /usr/lib/postfix
meta_directory = /etc/postfix
mail_owner = postfix
setgid_group = postdrop
maillog_file = {dir}/postfix.log
maillog_file_prefixes = {dir}
myhostname = mx.bench.test
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtpd_peername_lookup = no
alias_maps =
alias_database =
local_recipient_maps =
virtual_mailbox_domains = {domain}
virtual_mailbox_maps = texthash:{dir}/users
virtual_transport = lmtp:unix:{dir}/run/lmtp
relayhost = [127.0.0.1]:{sink}
message_size_limit = 0
mailbox_size_limit = 0
# Not held back: as many processes as there are sessions, and no pause of the
# clients while the queue grows faster than it is emptied.
default_process_limit = 200
in_flow_delay = 0
# A message deferred once (Dovecot was not ready) would be tried again after five minutes.
queue_run_delay = 5s
minimal_backoff_time = 5s
smtpd_tls_cert_file = {dir}/cert.pem
smtpd_tls_key_file = {dir}/key.pem
smtpd_tls_security_level = may
smtp_tls_security_level = may
"""

MASTER_CF = """\
127.0.0.1:{smtp} inet n - n - - smtpd
127.0.0.1:{smtps} inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes
127.0.0.1:{smtp_verified} inet n - n - - smtpd
  -o smtpd_milters={milters}
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

# Passwords are compared in plain text, so that no hash is measured: Stagepost
# remembers for some minutes that a password was correct.
DOVECOT_CONF = """\
base_dir = {dir}/run
state_dir = {dir}/state
instance_name = stagepost-bench
log_path = {dir}/dovecot.log
protocols = imap pop3 lmtp
listen = 127.0.0.1
mail_location = sdbox:{dir}/mail/%n
first_valid_uid = 1
auth_mechanisms = plain
disable_plaintext_auth = no
ssl = yes
ssl_cert = <{dir}/cert.pem
ssl_key = <{dir}/key.pem
default_process_limit = 1000
default_client_limit = {many}
mail_max_userip_connections = 1000
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {dir}/passwd
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home={dir}/mail/%n
}}
service anvil {{
  client_limit = {many}
}}
service auth {{
  client_limit = {many}
}}
service lmtp {{
  unix_listener lmtp {{
    mode = 0666
  }}
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = {pop3s}
  }}
}}
"""


class PostfixDovecot(System):
    name = "Postfix + Dovecot"
    sides = {"postfix"}
    promise = "queue file fsynced by Postfix; mail file fsynced by Dovecot's LMTP (mail_fsync = optimized)"

    def start(self, folder, sink_port, sender=None):
        if os.geteuid() != 0:
            raise RuntimeError("Postfix and Dovecot must be started by root; use --only stagepost otherwise")
        self.dir = Path(folder)
        self.dovecot = self.milters = None
        self.ports = {name: free_port() for name in ("smtp", "smtp-verified", "smtps", "pop3", "pop3s", "imap", "imaps")}
        self._seen, self._offset = 0, 0
        for name in ("postfix", "spool", "data", "run", "state", "mail", "milters"):
            (self.dir / name).mkdir()
        self.milters = Milters(self.dir / "milters").start() if sender else None
        shutil.chown(self.dir / "data", "postfix")
        shutil.chown(self.dir / "mail", "mail", "mail")
        self._certificate()
        values = dict(self.ports, dir=self.dir, domain=DOMAIN, sink=sink_port, many=MANY,
                      smtp_verified=self.ports["smtp-verified"], milters=self.milters.addresses() if sender else "")
        (self.dir / "postfix" / "main.cf").write_text(MAIN_CF.format(**values))
        (self.dir / "postfix" / "master.cf").write_text(MASTER_CF.format(**values))
        (self.dir / "dovecot.conf").write_text(DOVECOT_CONF.format(**values))
        users = [f"bench{i}@{DOMAIN}" for i in range(ACCOUNTS)]
        (self.dir / "users").write_text("".join(f"{u} {u}\n" for u in users))
        (self.dir / "passwd").write_text("".join(f"{u}:{{PLAIN}}secret::::::\n" for u in users))
        self._start_daemons()

    def _start_daemons(self):
        self.dovecot = subprocess.Popen(["dovecot", "-F", "-c", self.dir / "dovecot.conf"], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._run("postfix", "-c", self.dir / "postfix", "start")
        wait_for((self.dir / "spool/pid/master.pid").exists, what="Postfix started")
        wait_for((self.dir / "run/master.pid").exists, what="Dovecot started")
        wait_for((self.dir / "run/lmtp").exists, what="Dovecot's LMTP socket")
        wait_for(lambda: _answers(self.ports["smtp"]), what="Postfix answers")

    def _run(self, *command):
        # Into a file: a daemon that stays behind would hold a pipe open.
        with open(self.dir / "start.out", "w+") as out:
            done = subprocess.run(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=out, stderr=out)
            if done.returncode != 0:
                out.seek(0)
                raise RuntimeError(f"{' '.join(map(str, command))}: {out.read()}")

    def _certificate(self):
        self._run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                  "-days", "2", "-subj", "/CN=mx.bench.test", "-keyout", self.dir / "key.pem",
                  "-out", self.dir / "cert.pem")

    def _masters(self):
        try:
            postfix = [int((self.dir / "spool/pid/master.pid").read_text())]
        except (OSError, ValueError):
            postfix = []
        return postfix + ([self.dovecot.pid] if self.dovecot.poll() is None else [])

    def stop(self):
        self._stop_daemons()
        if self.milters:
            self.milters.stop()

    def _stop_daemons(self):
        if self.dovecot is None:
            return
        self.dovecot.terminate()
        self.dovecot.wait(30)
        self._run("postfix", "-c", self.dir / "postfix", "stop")

    def renew(self):
        self._stop_daemons()
        self._start_daemons()

    def pids(self):
        return process_tree(self._masters() + (self.milters.pids() if self.milters else []))

    def front_pids(self):
        """All except those that only start others; what grows with a connection counts."""
        return self.pids()

    def port(self, name):
        return self.ports[name]

    def delivered(self):
        """From Dovecot's log, of which only new lines are read."""
        with open(self.dir / "dovecot.log", "rb") as log:
            log.seek(self._offset)
            new = log.read()
        whole = new.rfind(b"\n") + 1
        self._offset += whole
        self._seen += new[:whole].count(b"saved mail to INBOX")
        return self._seen

    def logs(self):
        return "\n".join((self.dir / f).read_text(errors="replace")[-3000:] for f in ("postfix.log", "dovecot.log"))
