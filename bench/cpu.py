"""Which processes used the processors during a measurement."""

import os
import time
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def _process_seconds(pid):
    """(name, parent, own time and that of reaped children)"""
    stat = Path(f"/proc/{pid}/stat").read_text()
    name = stat[stat.index("(") + 1 : stat.rindex(")")]
    fields = stat.rpartition(")")[2].split()
    return name, int(fields[1]), sum(map(int, fields[11:15])) / TICKS


def _machine_seconds():
    fields = [int(x) / TICKS for x in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    idle = fields[3] + fields[4]
    return sum(fields), idle


def wait_quiet(most_s):
    """Waits until hardly anything runs on this machine, but not for ever."""
    until = time.monotonic() + most_s
    while time.monotonic() < until:
        before = _machine_seconds()
        time.sleep(0.5)
        after = _machine_seconds()
        if after[1] - before[1] > 0.85 * (after[0] - before[0]):
            return


class Watch:
    """Around a measurement: .system seconds by program, .busy share of the
    machine, .other share used by neither the system nor the load."""

    def __init__(self, pids):
        self.pids = pids

    def _take(self):
        taken = {}
        for pid in self.pids():
            try:
                taken[pid] = _process_seconds(pid)
            except OSError:
                pass
        return taken

    def __enter__(self):
        self._before, self._machine, self._at = self._take(), _machine_seconds(), time.monotonic()
        return self

    def __exit__(self, *exc):
        after, machine = self._take(), _machine_seconds()
        self.seconds = time.monotonic() - self._at
        # Only the parent knows about children that came and went; but for those
        # that existed before, the time that they had used by then is
        # subtracted.
        self.programs = {}
        for pid, (name, _, used) in after.items():
            before = self._before.get(pid, (name, 0, 0.0))[2]
            self.programs[name] = self.programs.get(name, 0.0) + used - before
        for pid, (_, parent, used) in self._before.items():
            if pid not in after and parent in after:
                self.programs[after[parent][0]] -= used
        self.total = machine[0] - self._machine[0]
        self.idle = machine[1] - self._machine[1]

    def each_us(self, count):
        """Processor time of the system's processes for each of `count` items."""
        return 1e6 * sum(self.programs.values()) / max(count, 1)

    def shares(self, load_cpu_s=0.0):
        """Percent of all cores."""
        total = max(self.total, 0.01)
        ours = sum(self.programs.values())
        percent = {name: round(100 * s / total) for name, s in sorted(self.programs.items(), key=lambda x: -x[1])}
        return {
            "programs": {n: p for n, p in percent.items() if p > 0},
            "load": round(100 * load_cpu_s / total),
            "idle": round(100 * self.idle / total),
            "others": max(0, round(100 * (total - self.idle - ours - load_cpu_s) / total)),
        }


def pss_kib(pids):
    """Proportional set size: what these processes would give back."""
    total = 0
    for pid in pids:
        try:
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
        except OSError:
            pass
    return total
