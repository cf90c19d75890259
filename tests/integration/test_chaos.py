"""A short run of what `make chaos` does at length."""

import json
import os
import subprocess

from cluster import BUILD, ROOT


def test_chaos():
    result = subprocess.run([ROOT / "tests" / "chaos" / "chaos.py", "--messages", "5000", "--sessions", "8",
                             "--kill-every", "0.5", "--longest", "20", "--json"], capture_output=True,
                            text=True, timeout=400, env=dict(os.environ, STAGEPOST_BUILD=str(BUILD)))
    assert result.stdout, result.stderr
    report = json.loads(result.stdout)
    assert report["lost"] == 0 and report["twice_in_a_mailbox"] == 0, report
    assert report["accepted"] == report["messages"] and sum(report["killed"].values()) > 0, report
    assert result.returncode == 0
