"""An OAuth2 server that is played: a device endpoint and a token endpoint, with TLS by the tests' authority."""

import http.server
import json
import ssl
import threading
import urllib.parse


class TokenEndpoint:
    """answers: a list of (status, object) for the token endpoint, used one after the other; the last one stays."""

    def __init__(self, authority):
        self.answers = [(400, {"error": "invalid_grant"})]
        self.device = (200, {"device_code": "DEV", "user_code": "WDJB-MJHT", "verification_uri": "https://login.test/device",
                             "verification_uri_complete": "https://login.test/device?code=WDJB-MJHT", "expires_in": 600,
                             "interval": 1})
        self.asked = []  # (path, form)
        endpoint = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                assert self.headers["Content-Type"] == "application/x-www-form-urlencoded"
                endpoint.asked.append((self.path, dict(urllib.parse.parse_qsl(body, strict_parsing=True))))
                if self.path == "/device":
                    status, answer = endpoint.device
                else:
                    status, answer = endpoint.answers[0]
                    if len(endpoint.answers) > 1:
                        endpoint.answers.pop(0)
                text = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*authority.issue("localhost", "127.0.0.1"))
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"https://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def forms(self, path="/token"):
        return [form for asked, form in self.asked if asked == path]

    def close(self):
        self.server.shutdown()
        self.server.server_close()
