"""Thunderbird without a screen, driven from within: Marionette, the protocol of its makers' own tests, runs
JavaScript with all rights of the program. So a test uses what people use (address books, the discovery of
accounts, folders) without a mouse.

    with Thunderbird(dir, {"ldap_2.servers.x.uri": "ldap://..."}) as tb:
        names = tb.run("return MailServices.ab.directories.map(d => d.dirName)")

A script is the body of an async function; MailServices, Services and `args` are there, and what it returns
comes back as JSON."""

import json
import shutil
import socket
import subprocess
import time

from cluster import wait_for
from ports import free_port

PROGRAM = shutil.which("thunderbird")
MISSING = "thunderbird is not installed (Debian's package thunderbird)"

# Nothing that a first start shows or asks, and nothing that leaves the machine.
PREFS = {
    "app.donation.eoy.version.viewed": 999,
    "app.normandy.enabled": False,
    "app.update.enabled": False,
    "browser.safebrowsing.provider.mozilla.updateURL": "",
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.autoDisableScopes": 15,
    "extensions.update.enabled": False,
    "mail.inappnotifications.enabled": False,
    "mail.provider.suppress_dialog_on_startup": True,
    "mail.rights.version": 1,
    "mail.shell.checkDefaultClient": False,
    "mail.spotlight.firstRunDone": True,
    "mail.winsearch.firstRunDone": True,
    "mailnews.start_page.enabled": False,
    "mailnews.start_page_override.mstone": "ignore",
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.manage-offline-status": False,
    "offline.autoDetect": False,
    "services.settings.server": "data:,",
    "toolkit.telemetry.enabled": False,
}

SCRIPT = """
const [args, done] = arguments;
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
(async () => { %s })().then(value => done({ value: value === undefined ? null : value }),
                            error => done({ error: `${error} ${error.stack}` }));
"""


class ScriptError(Exception):
    pass


class Thunderbird:
    def __init__(self, dir, prefs=None, env=None):
        self.profile = dir / "profile"
        self.profile.mkdir()
        self.port, self.count, self.socket, self.buffer = free_port(), 0, None, b""
        all = {**PREFS, **(prefs or {}), "marionette.port": self.port}
        (self.profile / "user.js").write_text("".join(f"user_pref({json.dumps(k)}, {json.dumps(v)});\n" for k, v in all.items()))
        self.log = dir / "thunderbird.log"
        command = [PROGRAM, "--headless", "--no-remote", "--marionette", "--remote-allow-system-access", "--profile", self.profile]
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT,
                                            env={**self.environment(dir), **(env or {})})
        try:
            self.connect()
        except BaseException:
            self.stop()
            raise

    @staticmethod
    def environment(dir):
        home = dir / "home"
        home.mkdir()
        return {"HOME": str(home), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "MOZ_HEADLESS": "1", "MOZ_CRASHREPORTER_DISABLE": "1"}

    def connect(self):
        def connected():
            assert self.process.poll() is None, self.log.read_text()
            try:
                self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=120)
                return True
            except OSError:
                return False

        wait_for(connected, 60, 0.1, "thunderbird's port")
        assert self.read()["marionetteProtocol"] == 3
        self.ask("WebDriver:NewSession", {"capabilities": {"alwaysMatch": {"timeouts": {"script": 60000}}}})
        self.ask("Marionette:SetContext", {"value": "chrome"})
        self.run("await new Promise(resolve => { const look = () => Services.wm.getMostRecentWindow('mail:3pane') ? resolve() : "
                 "setTimeout(look, 50); look(); });")

    def read(self):
        """A message is its length in decimal, a colon, and JSON."""
        while True:
            head, colon, rest = self.buffer.partition(b":")
            if colon and len(rest) >= int(head):
                self.buffer = rest[int(head):]
                return json.loads(rest[:int(head)])
            more = self.socket.recv(1 << 16)
            assert more, "thunderbird has gone: " + self.log.read_text()[-2000:]
            self.buffer += more

    def ask(self, command, parameters):
        self.count += 1
        text = json.dumps([0, self.count, command, parameters]).encode()
        self.socket.sendall(b"%d:%s" % (len(text), text))
        kind, id, error, result = self.read()
        assert (kind, id) == (1, self.count)
        if error is not None:
            raise ScriptError(f"{command}: {error['error']}: {error['message']}")
        return result

    def run(self, script, *args):
        answer = self.ask("WebDriver:ExecuteAsyncScript", {"script": SCRIPT % script, "args": [list(args)], "sandbox": "system",
                                                           "newSandbox": True})["value"]
        if "error" in answer:
            raise ScriptError(answer["error"])
        return answer["value"]

    def prompt(self):
        """The text of the question that it asks people, as soon as it does."""
        def text():
            try:
                return self.ask("WebDriver:GetAlertText", {})["value"]
            except ScriptError:
                return None

        return wait_for(text, what="a prompt")

    def dismiss(self):
        self.ask("WebDriver:DismissAlert", {})

    def save_password(self, origin, realm, user, password):
        """As if people had typed it, and had it kept."""
        self.run("""
            const login = Cc["@mozilla.org/login-manager/loginInfo;1"].createInstance(Ci.nsILoginInfo);
            login.init(args[0], null, args[1], args[2], args[3], "", "");
            await Services.logins.addLoginAsync(login);
        """, origin, realm, user, password)

    def trust(self, host, port):
        """As if people had confirmed the certificate of the host."""
        self.run("""
            const [host, port] = args;
            const certificate = await new Promise((resolve, reject) => {
                const request = new XMLHttpRequest({ mozAnon: true });
                request.open("GET", `https://${host}:${port}/`);
                request.onerror = request.onload = () => {
                    const info = request.channel.securityInfo;
                    info && info.serverCert ? resolve(info.serverCert) : reject(new Error("no certificate"));
                };
                request.send();
            });
            Cc["@mozilla.org/security/certoverride;1"].getService(Ci.nsICertOverrideService)
                .rememberValidityOverride(host, port, {}, certificate, false);
        """, host, port)

    def stop(self):
        if self.socket is not None:
            self.socket.close()
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        time.sleep(0.1)  # its children end

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()
