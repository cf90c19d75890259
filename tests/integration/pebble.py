"""Pebble, the ACME server that Let's Encrypt's authors test clients with (Debian's package): it checks requests as
RFC 8555 says, asks the name server for the host, and fetches the answer to its challenge from the cluster."""

import http.client
import http.server
import json
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

from cryptography import x509

from cluster import Cluster, wait_for
from ports import free_port


class Pebble:
    def __init__(self, authority, resolver, http_port, bindings=None, refused_nonces=40):
        self.dir = tempfile.TemporaryDirectory(prefix="stagepost-pebble-")
        self.certificate = authority.issue("localhost", "127.0.0.1")
        for _ in range(3):
            if self._start(resolver, http_port, bindings or {}, refused_nonces):
                return
        raise AssertionError(f"pebble does not start:\n{self.log}")

    def _start(self, resolver, http_port, bindings, refused_nonces):
        """False: it has ended, because another process was faster to use its port."""
        self.port, self.manage_port = free_port(), free_port()
        cert, key = self.certificate
        config = {"listenAddress": f"127.0.0.1:{self.port}", "managementListenAddress": f"127.0.0.1:{self.manage_port}",
                  "certificate": str(cert), "privateKey": str(key), "httpPort": http_port, "tlsPort": 1,
                  "ocspResponderURL": "", "externalAccountBindingRequired": bool(bindings),
                  "externalAccountMACKeys": bindings}
        path = Path(self.dir.name) / "config.json"
        path.write_text(json.dumps({"pebble": config}))
        self.out = open(Path(self.dir.name) / "out", "w")
        self.process = subprocess.Popen(
            ["pebble", "-strict", "-config", path, "-dnsserver", resolver.replace("@", ":")],
            env={"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": str(refused_nonces), "PEBBLE_AUTHZREUSE": "0",
                 "PATH": "/usr/bin"}, stdout=self.out, stderr=subprocess.STDOUT)
        self.directory = f"https://127.0.0.1:{self.port}/dir"
        wait_for(lambda: Cluster.is_open(self.port) or self.process.poll() is not None, 60, what="pebble")
        return self.process.poll() is None

    @property
    def log(self):
        return (Path(self.dir.name) / "out").read_text()

    def root(self):
        """Its root certificate, PEM; a new one with each start."""
        context = ssl._create_unverified_context()
        return urllib.request.urlopen(f"https://127.0.0.1:{self.manage_port}/roots/0", context=context,
                                      timeout=10).read().decode()

    def root_name(self):
        return x509.load_pem_x509_certificate(self.root().encode()).subject.rfc4514_string()

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.out.close()
        self.dir.cleanup()


class Front(http.server.ThreadingHTTPServer):
    """Stands before Pebble at the address that the cluster knows, passes requests on, and fails as it is told:
    faults[path prefix] = (status, headers, body), or None to break the connection. Counts requests by path."""

    daemon_threads = True

    def __init__(self, authority, pebble=None):
        self.pebble, self.faults, self.slow, self.asked = pebble, {}, 0, []
        super().__init__(("127.0.0.1", 0), self.Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*authority.issue("127.0.0.1"))
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.directory = f"https://127.0.0.1:{self.server_address[1]}/dir"
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def count(self, prefix):
        return sum(path.startswith(prefix) for path in self.asked)

    def handle_error(self, request, address):
        pass

    def fault_of(self, path):
        return next((fault for prefix, fault in self.faults.items() if path.startswith(prefix)), False)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.server.asked.append(self.path)
            time.sleep(self.server.slow)
            fault = self.server.fault_of(self.path)
            if callable(fault):
                fault = fault(body)
            if fault is None:
                self.close_connection = True
                return
            status, headers, answer = fault or self.pass_on(body)
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in ("content-length", "date", "transfer-encoding", "connection"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_POST = do_GET

        def pass_on(self, body):
            pebble = http.client.HTTPSConnection("127.0.0.1", self.server.pebble.port,
                                                 context=ssl._create_unverified_context(), timeout=30)
            headers = {n: v for n, v in self.headers.items() if n.lower() not in ("connection", "content-length")}
            pebble.request(self.command, self.path, body or None, headers)
            answer = pebble.getresponse()
            result = answer.status, dict(answer.getheaders()), answer.read()
            pebble.close()
            return result

        def log_message(self, *args):
            pass

    def stop(self):
        self.shutdown()
        self.server_close()


def problem(kind, detail, status=403, **headers):
    """A problem document of ACME, as a fault."""
    return status, {"Content-Type": "application/problem+json", **headers}, json.dumps(
        {"type": f"urn:ietf:params:acme:error:{kind}", "detail": detail, "status": status}).encode()
