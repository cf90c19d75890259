"""A small authoritative name server on loopback (UDP and TCP), for tests.

    with DnsServer() as dns:
        dns.add("remote.test", "MX", "10 mx.remote.test.")
        dns.add("mx.remote.test", "A", "127.0.0.2")
        dns.broken.add("ill.test")          # answered with SERVFAIL
        ... STAGEPOST_RESOLVER=dns.resolver ...

An unknown name gets NXDOMAIN. `asked` lists the questions received, as (name,
type)."""

import socket
import socketserver
import threading

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset


class DnsServer:
    def __init__(self, host="127.0.0.1"):
        self.records = {}  # (name, type) -> list of texts
        self.broken = set()
        self.silent = set()
        self.ttl = 300
        self.asked = []
        self.lock = threading.Lock()
        self.udp, self.tcp = self._bind(host)
        self.port = self.udp.server_address[1]
        self.resolver = f"{host}@{self.port}"
        self.threads = [threading.Thread(target=s.serve_forever, args=(0.05,), daemon=True)
                        for s in (self.udp, self.tcp)]

    def _bind(self, host):
        """Uses one port number for both."""
        server = self

        class Udp(socketserver.BaseRequestHandler):
            def handle(self):
                answer = server.answer(self.request[0])
                if answer is not None:
                    self.request[1].sendto(answer.to_wire(max_size=4096), self.client_address)

        class Tcp(socketserver.StreamRequestHandler):
            timeout = 5

            def handle(self):
                head = self.rfile.read(2)
                if len(head) < 2:
                    return
                answer = server.answer(self.rfile.read(int.from_bytes(head, "big")))
                if answer is not None:
                    wire = answer.to_wire()
                    self.wfile.write(len(wire).to_bytes(2, "big") + wire)

        class UdpServer(socketserver.ThreadingUDPServer):
            daemon_threads = True

        class TcpServer(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True

        for _ in range(20):
            udp = UdpServer((host, 0), Udp)
            try:
                return udp, TcpServer((host, udp.server_address[1]), Tcp)
            except OSError:
                udp.server_close()
        raise RuntimeError("no free port for DNS")

    # ---- what it knows ----

    def add(self, name, kind, *texts):
        with self.lock:
            self.records.setdefault((name.lower().rstrip("."), kind), []).extend(texts)

    def set(self, name, kind, *texts):
        with self.lock:
            self.records[(name.lower().rstrip("."), kind)] = list(texts)

    def mail_domain(self, domain, *hosts):
        """Hosts as (preference, name, address)."""
        for preference, name, address in hosts:
            self.add(domain, "MX", f"{preference} {name}.")
            self.set(name, "AAAA" if ":" in address else "A", address)

    def count(self, name, kind):
        return self.asked.count((name, kind))

    # ---- answering ----

    def answer(self, wire):
        try:
            query = dns.message.from_wire(wire)
        except Exception:
            return None
        question = query.question[0]
        name = question.name.to_text().lower().rstrip(".")
        kind = dns.rdatatype.to_text(question.rdtype)
        response = dns.message.make_response(query, recursion_available=True)
        response.flags |= dns.flags.AA
        with self.lock:
            self.asked.append((name, kind))
            if name in self.silent:
                return None
            if name in self.broken:
                response.set_rcode(dns.rcode.SERVFAIL)
                return response
            self._fill(response, name, kind, 0)
        return response

    def _fill(self, response, name, kind, depth):
        known = any(n == name or n.endswith("." + name) for n, _ in self.records)
        if not known:
            response.set_rcode(dns.rcode.NXDOMAIN)
            return
        owner = dns.name.from_text(name)
        alias = self.records.get((name, "CNAME"))
        if alias and kind != "CNAME" and depth < 8:
            response.answer.append(dns.rrset.from_text(owner, self.ttl, "IN", "CNAME", alias[0]))
            self._fill(response, alias[0].rstrip("."), kind, depth + 1)
            return
        texts = self.records.get((name, kind))
        if texts:
            response.answer.append(dns.rrset.from_text(owner, self.ttl, "IN", kind, *texts))

    # ---- its life ----

    def start(self):
        for thread in self.threads:
            thread.start()
        return self

    def stop(self):
        for server in (self.udp, self.tcp):
            server.shutdown()
            server.server_close()

    __enter__ = start

    def __exit__(self, *exc):
        self.stop()
