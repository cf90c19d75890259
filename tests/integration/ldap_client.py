"""LDAP as bytes, for what real clients do not send; slapd, to compare answers with; large address books."""

import re
import shutil
import socket
import ssl
import struct
import subprocess
import time

import redis

from ports import free_port

NOTICE = "1.3.6.1.4.1.1466.20036"
TESTS = {"and": 0xa0, "or": 0xa1, "not": 0xa2}


def tlv(tag, content):
    if len(content) < 128:
        return bytes([tag, len(content)]) + content
    return bytes([tag, 0x84]) + struct.pack(">I", len(content)) + content


def octets(text, tag=4):
    return tlv(tag, text if isinstance(text, bytes) else text.encode())


def integer(value, tag=2):
    return tlv(tag, value.to_bytes(4, "big", signed=True))


def boolean(value, tag=1):
    return tlv(tag, b"\xff" if value else b"\0")


def equal(attribute, value):
    return tlv(0xa3, octets(attribute) + octets(value))


def present(attribute):
    return octets(attribute, 0x87)


def request(id, operation, controls=b""):
    return tlv(0x30, integer(id) + operation + controls)


def search(base="", scope=2, filter=present("objectClass"), attributes=(), size=0, time_limit=0):
    return tlv(0x63, octets(base) + integer(scope, 0x0a) + integer(0, 0x0a) + integer(size) + integer(time_limit) +
               boolean(False) + filter + tlv(0x30, b"".join(octets(a) for a in attributes)))


def bind(name="", password="secret", version=3):
    return tlv(0x60, integer(version) + octets(name) + octets(password, 0x80))


def extended(oid, value=None):
    return tlv(0x77, octets(oid, 0x80) + (b"" if value is None else octets(value, 0x81)))


def elements(data):
    """[(tag, content)]"""
    found, at = [], 0
    while at < len(data):
        tag, length, at = data[at], data[at + 1], at + 2
        if length & 0x80:
            count = length & 0x7f
            length, at = int.from_bytes(data[at:at + count], "big"), at + count
        found.append((tag, data[at:at + length]))
        at += length
    return found


class Answer:
    def __init__(self, content):
        parts = elements(content)
        self.id = int.from_bytes(parts[0][1], "big")
        self.tag, body = parts[1]
        fields = elements(body)
        if self.tag == 0x64:
            self.dn, self.code = fields[0][1].decode(), None
            self.attributes = {elements(a)[0][1].decode(): [v.decode() for _, v in elements(elements(a)[1][1])]
                               for _, a in elements(fields[1][1])}
        else:
            self.code, self.matched, self.text = fields[0][1][0], fields[1][1].decode(), fields[2][1].decode()
            self.name = next((v.decode() for t, v in fields[3:] if t == 0x8a), None)
            self.value = next((v for t, v in fields[3:] if t == 0x8b), None)
        self.controls = {}
        for _, control in elements(parts[2][1]) if len(parts) > 2 else []:
            oid, value = [v for t, v in elements(control) if t == 4]
            self.controls[oid.decode()] = value


class Ldap:
    def __init__(self, port, tls=False, timeout=20, before=b""):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        if before:
            self.sock.sendall(before)
        if tls:
            self.start_tls()
        self.buffer, self.last = b"", 0

    def start_tls(self):
        context = ssl._create_unverified_context()
        self.sock = context.wrap_socket(self.sock)

    def close(self):
        self.sock.close()

    def send(self, operation, controls=b""):
        self.last += 1
        self.sock.sendall(request(self.last, operation, controls))
        return self.last

    def read(self):
        """The next answer; None: the server has closed."""
        while True:
            if len(self.buffer) >= 2:
                count = self.buffer[1] & 0x7f if self.buffer[1] & 0x80 else 0
                if len(self.buffer) >= 2 + count:
                    length = int.from_bytes(self.buffer[2:2 + count], "big") if count else self.buffer[1]
                    end = 2 + count + length
                    if len(self.buffer) >= end:
                        message, self.buffer = self.buffer[:end], self.buffer[end:]
                        return Answer(message[2 + count:])
            try:
                more = self.sock.recv(1 << 16)
            except ConnectionResetError:
                more = b""
            if not more:
                return None
            self.buffer += more

    def ask(self, operation, controls=b""):
        """The answers to one request; the last one is the result."""
        id, answers = self.send(operation, controls), []
        while not answers or answers[-1].tag == 0x64:
            answers.append(self.read())
            assert answers[-1] is not None and answers[-1].id == id
        return answers

    def login(self, name, password="secret"):
        answer = self.ask(bind(name, password))[-1]
        assert answer.code == 0, answer.text
        return self

    def names(self, *args, **kwargs):
        answers = self.ask(search(*args, attributes=["1.1"], **kwargs))
        assert answers[-1].code == 0, answers[-1].text
        return sorted(a.dn for a in answers[:-1])


def paged(size, cookie=b"", critical=True):
    value = tlv(0x30, integer(size) + octets(cookie))
    return tlv(0x30, octets("1.2.840.113556.1.4.319") + boolean(critical) + octets(value))


def controls(*items):
    return tlv(0xa0, b"".join(items))


def cookie_of(answer):
    return elements(elements(answer.controls["1.2.840.113556.1.4.319"])[0][1])[1][1]


def fill_book(cluster, domain, count):
    """Puts entries into the book alone, before anybody has read it: user00000 and so on."""
    raw = redis.Redis(port=cluster.port("redis"))
    pipe = raw.pipeline(transaction=False)
    for n in range(count):
        fields = {3: f"Given{n} Family{n}", 4: f"Given{n}", 5: f"Family{n}", 6: "Engineer", 7: f"Team {n % 100}",
                  8: "Example Ltd", 9: f"+49 30 {n:06d}", 15: "Berlin"}
        entry = struct.pack("<BBq", 1, 0, 1700000000000) + b"".join(
            struct.pack("<BH", number, len(text)) + text.encode() for number, text in fields.items())
        pipe.hset(f"book:{{{domain}}}", f"user{n:06d}@{domain}", entry)
        if n % 5000 == 4999:
            pipe.execute()
    pipe.execute()


class Slapd:
    """OpenLDAP's server with the entries of an LDIF: what it answers is what is right."""

    def __init__(self, dir, base, ldif, domain_admin="cn=admin"):
        self.dir, self.port, self.base = dir, free_port(), base
        schema = "\n".join(f"include /etc/ldap/schema/{name}.schema" for name in ("core", "cosine", "nis", "inetorgperson"))
        (dir / "slapd.conf").write_text(f"""{schema}
pidfile {dir}/slapd.pid
modulepath /usr/lib/ldap
moduleload back_mdb
database mdb
maxsize 1073741824
suffix "{base}"
directory {dir}/db
rootdn "{domain_admin},{base}"
rootpw secret
sizelimit unlimited
index objectClass eq
index cn,sn,givenName,mail,uid eq,sub
""")
        (dir / "db").mkdir()
        (dir / "entries.ldif").write_text(ldif)
        # -s: our entries have attributes beyond their classes.
        subprocess.run(["/usr/sbin/slapadd", "-q", "-s", "-f", dir / "slapd.conf", "-l", dir / "entries.ldif"], check=True,
                       capture_output=True)
        self.process = subprocess.Popen(["/usr/sbin/slapd", "-d", "0", "-h", f"ldap://127.0.0.1:{self.port}", "-f",
                                         dir / "slapd.conf"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError("slapd does not listen")

    def stop(self):
        self.process.terminate()
        self.process.wait(20)

    @staticmethod
    def is_there():
        return shutil.which("slapadd", path="/usr/sbin") is not None


def ldapsearch(port, name, base, filter, *attributes, password="secret", args=(), brief=True):
    """(result code, sorted DNs), by OpenLDAP's client."""
    run = subprocess.run(["ldapsearch", "-x", "-H", f"ldap://127.0.0.1:{port}", "-D", name, "-w", password, "-b", base,
                          *(["-LLL"] if brief else []), "-o", "ldif-wrap=no", *args, filter, *attributes], capture_output=True, text=True,
                         timeout=60)
    return run.returncode, sorted(re.findall(r"^dn: (.*)$", run.stdout, re.M)), run
