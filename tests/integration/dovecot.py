"""Dovecot as another server: accounts from which mail is retrieved, in maildirs that a test fills."""

import imaplib
import itertools
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from cluster import wait_for

CONF = """\
base_dir = {dir}/run
state_dir = {dir}/state
instance_name = stagepost-test
log_path = {dir}/dovecot.log
protocols = imap pop3
listen = {hosts}
mail_location = maildir:{dir}/mail/%n
first_valid_uid = 1
auth_mechanisms = plain login
disable_plaintext_auth = no
{tls}
default_process_limit = 200
default_client_limit = 2000
mail_max_userip_connections = 100
pop3_uidl_format = {uidl}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {dir}/passwd
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home={dir}/mail/%n
}}
service anvil {{
  client_limit = 2000
}}
service auth {{
  client_limit = 2000
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
namespace inbox {{
  inbox = yes
  separator = /
  mailbox Sent {{
    special_use = \\Sent
  }}
}}
"""


def can_run():
    return os.geteuid() == 0 and shutil.which("dovecot") is not None


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Dovecot:
    """certificate: files (chain, key); with it there are STARTTLS, STLS and the ports imaps and pop3s."""

    def __init__(self, users, uidl="%08Xu%08Xv", password="secret", certificate=None,
                 hosts=("127.0.0.1",)):
        self.dir = Path(tempfile.mkdtemp(prefix="stagepost-dovecot-"))
        self.dir.chmod(0o755)
        self.users = users
        self.ports = {"imap": free_port(), "pop3": free_port(), "imaps": 0, "pop3s": 0}
        self.tls = "ssl = no"
        if certificate is not None:
            self.ports.update(imaps=free_port(), pop3s=free_port())
            self.tls = "ssl = yes\nssl_cert = <{}\nssl_key = <{}".format(*certificate)
        self.uidl = uidl
        self.hosts = " ".join(hosts)
        self.process = None
        self.numbers = itertools.count(1)
        for name in ("run", "state", "mail"):
            (self.dir / name).mkdir()
        shutil.chown(self.dir / "mail", "mail", "mail")
        (self.dir / "passwd").write_text("".join(f"{u}:{{PLAIN}}{password}::::::\n" for u in users))
        for user in users:
            self.make_maildir(self.dir / "mail" / user)

    @staticmethod
    def make_maildir(path):
        for name in ("", "cur", "new", "tmp"):
            (path / name).mkdir(exist_ok=True)
            shutil.chown(path / name, "mail", "mail")

    def start(self):
        (self.dir / "dovecot.conf").write_text(CONF.format(dir=self.dir, uidl=self.uidl, tls=self.tls,
                                                             hosts=self.hosts, **self.ports))
        self.process = subprocess.Popen(["dovecot", "-F", "-c", self.dir / "dovecot.conf"], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self._answers, 30, what="Dovecot answers")
        return self

    def _answers(self):
        try:
            socket.create_connection(("127.0.0.1", self.ports["imap"]), timeout=2).close()
            return True
        except OSError:
            return False

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)
        self.process = None

    def remove(self):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc):
        self.remove()

    def deliver(self, user, text):
        """A message in the INBOX, as its server would deliver it."""
        maildir = self.dir / "mail" / user
        name = f"{time.time():.6f}.{next(self.numbers)}.test"
        (maildir / "tmp" / name).write_bytes(text)
        shutil.chown(maildir / "tmp" / name, "mail", "mail")
        (maildir / "tmp" / name).rename(maildir / "new" / name)

    def imap(self, user):
        client = imaplib.IMAP4("127.0.0.1", self.ports["imap"], timeout=60)
        client.login(user, "secret")
        return client

    def count(self, user, folder="INBOX"):
        client = self.imap(user)
        count = int(client.select(folder, readonly=True)[1][0])
        client.logout()
        return count

    def log(self):
        return (self.dir / "dovecot.log").read_text(errors="replace")
