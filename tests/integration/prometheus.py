"""A Prometheus that scrapes a cluster of the tests, and the rules and the board of k8s/components/monitoring."""

import json
import re
import shutil
import subprocess
import tempfile
import urllib.parse
import urllib.request
from pathlib import Path

import yaml

from cluster import ROOT, wait_for
from ports import free_port

MONITORING = ROOT / "k8s" / "components" / "monitoring"
# A name and its selector, as they appear in an expression.
SELECTOR = re.compile(r'\b((?:stagepost|process|kube)_\w+|up(?=[{ ]))(\{[^}]*\})?')


def rule_groups():
    return yaml.safe_load((MONITORING / "rules.yaml").read_text())["spec"]


def rules():
    return {rule["alert"]: rule for group in rule_groups()["groups"] for rule in group["rules"]}


def panels():
    board = json.loads((MONITORING / "board.json").read_text())
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def board_expressions():
    """(title of the panel, expression), with the board's variables filled in."""
    return [(panel["title"], target["expr"].replace("$__rate_interval", "1m")) for panel in panels() for target in panel["targets"]]


def selectors(expressions):
    return sorted({name + (labels or "") for text in expressions for name, labels in SELECTOR.findall(text)})


class Prometheus:
    """targets: {app: [port, ...]}. Scrapes five times a second, so that a test need not be slow."""

    def __init__(self, targets):
        self.dir = Path(tempfile.mkdtemp(prefix="stagepost-prometheus-"))
        self.port = free_port()
        self.process = None
        self.processes = sum(len(ports) for ports in targets.values())
        (self.dir / "rules.yaml").write_text(yaml.safe_dump(rule_groups()))
        (self.dir / "prometheus.yaml").write_text(yaml.safe_dump({
            "global": {"scrape_interval": "200ms", "scrape_timeout": "200ms", "evaluation_interval": "1s"},
            "rule_files": ["rules.yaml"],
            "scrape_configs": [{"job_name": "stagepost", "static_configs": [
                {"targets": [f"127.0.0.1:{port}" for port in ports], "labels": {"app": app}} for app, ports in targets.items()]}]}))

    def start(self):
        with open(self.dir / "log", "w") as log:
            self.process = subprocess.Popen(
                ["prometheus", f"--config.file={self.dir}/prometheus.yaml", f"--storage.tsdb.path={self.dir}/data",
                 f"--web.listen-address=127.0.0.1:{self.port}"],
                stdout=log, stderr=subprocess.STDOUT, cwd=self.dir)
        wait_for(lambda: self.process.poll() is not None or self.scraped(), 60, step=0.2, what="the first scrapes")
        assert self.process.poll() is None, (self.dir / "log").read_text()
        return self

    def scraped(self):
        try:
            return len(self.query("up == 1")) == self.processes
        except OSError:
            return False

    def get(self, path, **parameters):
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            body = json.load(answer)
        assert body["status"] == "success", body
        return body["data"]

    def query(self, expression):
        """[(labels, value)] now."""
        return [(r["metric"], float(r["value"][1])) for r in self.get("query", query=expression)["result"]]

    def moved(self, selector):
        """Has any of the series changed since the start? One that appeared later has."""
        return bool(self.query(f"max_over_time({selector}[1h]) != min_over_time({selector}[1h])"))

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)
        shutil.rmtree(self.dir, ignore_errors=True)
