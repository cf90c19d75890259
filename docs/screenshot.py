#!/usr/bin/python3
"""Makes docs/page.png, the picture of the administration page in the README: starts a
cluster, logs in as its first administrator, opens a tab.

usage: docs/screenshot.py [--out FILE] [--tab ID] [--dark]    (after `make`; needs what the tests need)"""

import argparse
import re
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/integration"))

from cluster import Cluster, wait_for  # noqa: E402
from selenium import webdriver  # noqa: E402

WIDTH, HEIGHT = 1100, 720


def open_browser(dark):
    options = webdriver.ChromeOptions()
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", f"--window-size={WIDTH},{HEIGHT}"):
        options.add_argument(flag)
    browser = webdriver.Chrome(options=options)
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                            {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia",
                            {"features": [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]})
    return browser


def find(browser, css):
    return wait_for(lambda: browser.find_elements("css selector", css), timeout=30, what=css)[0]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", default=ROOT / "docs/page.png")
    parser.add_argument("--tab", default="smtp-in")
    parser.add_argument("--dark", action="store_true")
    options = parser.parse_args()
    with Cluster(frontends=2, workers=2, demo=True) as cluster:
        password = re.search(r"admin@example\.test with the password (\S+)", cluster.output).group(1)
        browser = open_browser(options.dark)
        try:
            browser.get(f"http://127.0.0.1:{cluster.port('http')}/admin/")
            find(browser, "[name=address]").send_keys("admin@example.test")
            find(browser, "[name=password]").send_keys(password)
            find(browser, "#login").click()
            find(browser, f"nav button[data-tab='{options.tab}']").click()
            time.sleep(2)
            browser.execute_script("document.activeElement.blur()")
            browser.save_screenshot(str(options.out))
        finally:
            browser.quit()


if __name__ == "__main__":
    main()
