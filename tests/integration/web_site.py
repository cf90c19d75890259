"""Accounts to try the API with."""

import itertools
import os

from test_web import ask

_numbers = itertools.count(1)


class Site:
    """A domain of its own, a neighbour, and an account of every role in it."""

    def __init__(self, cluster):
        self.cluster, number = cluster, f"{next(_numbers)}-{os.getpid()}"
        self.domain, self.other = f"own{number}.test", f"other{number}.test"
        self.addresses = {}
        for domain in (self.domain, self.other):
            for role in ("user", "domain_admin", "system_admin"):
                self.addresses[role, domain] = cluster.add_user(f"{role.replace('_', '-')}@{domain}")
                if role != "user":
                    cluster.tool("user", "set", self.addresses[role, domain], f"roles={role}")
        self.victim = cluster.add_user(f"victim@{self.domain}")

    def login(self, role):
        return None if role == "anybody" else self.addresses[role, self.domain] + ":secret"

    def ask(self, method, path, body=None, role="system_admin", **more):
        return ask(self.cluster, method, path, body, login=self.login(role), **more)

    def log(self):
        return self.cluster.redis.xrevrange("admin:log", count=1)[0][1]
