#!/usr/bin/python3
"""How long the administration page takes to show something, in Chromium on loopback.

    bench/page.py [COUNT]     needs `make`, chromium-driver, python3-selenium; starts a cluster of its own

Prints the bytes of the page and the medians of COUNT (15) views, each in a browser without a cache: until something is
painted, until the login can be typed into, and, with a session, until the first tab is there."""

import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from selenium import webdriver

ROOT = Path(__file__).resolve().parents[1]
TOOL = ROOT / "build/stagepost"
BASE = 20000
PAGE = f"http://127.0.0.1:{BASE + 80}/admin/"

# Notes when an element appears first, in ms from the beginning of the navigation.
WATCH = """
window.seen = {};
new MutationObserver(() => {
  for (const [name, css] of [['login', '#address'], ['tab', '#main .row, #main table']])
    if (!(name in seen) && document.querySelector(css)) seen[name] = performance.now();
}).observe(document, { childList: true, subtree: true });
"""


def view(browser, name):
    browser.execute_cdp_cmd("Network.clearBrowserCache", {})
    browser.get("about:blank")
    browser.get(PAGE)
    return browser.execute_async_script("""
        const [name, done] = arguments, wait = () => {
          const paint = performance.getEntriesByName('first-contentful-paint')[0];
          if (name in seen && paint) done([paint.startTime, seen[name]]); else setTimeout(wait, 10);
        };
        wait();""", name)


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    folder = tempfile.mkdtemp(prefix="stagepost-page-")
    up = subprocess.Popen([TOOL, "up", "--dir", folder, "--port-base", str(BASE), "--frontends", "1"],
                          stdout=subprocess.PIPE, text=True)
    options = webdriver.ChromeOptions()
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(flag)
    try:
        next(line for line in up.stdout if "Running" in line)
        subprocess.run([TOOL, "user", "set", "alice@example.test", "roles=system_admin", "--dir", folder], check=True,
                       stdout=subprocess.DEVNULL)
        browser = webdriver.Chrome(options=options)
        browser.set_script_timeout(30)
        browser.execute_cdp_cmd("Page.enable", {})
        browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH})
        view(browser, "login")
        login = [view(browser, "login") for _ in range(count)]
        size = browser.execute_script("return performance.getEntries().reduce((sum, e) => sum + (e.encodedBodySize || 0), 0)")
        browser.execute_async_script("""fetch('/api/v1/session', { method: 'POST', headers: { 'Content-Type': 'application/json' },
            body: JSON.stringify({ address: 'alice@example.test', password: 'secret' }) }).then(arguments[0])""")
        tab = [view(browser, "tab") for _ in range(count)]
        browser.quit()
        print(f"{size / 1024:.0f} KiB; first paint {statistics.median(v[0] for v in login):.0f} ms, "
              f"login {statistics.median(v[1] for v in login):.0f} ms, first tab {statistics.median(v[1] for v in tab):.0f} ms")
    finally:
        up.terminate()
        up.wait()
        shutil.rmtree(folder, ignore_errors=True)


main()
