"""The results as a table for people, or as JSON."""


def number(value):
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def ratio(part, ours, theirs):
    """How many times better Stagepost is; None without another side."""
    if part.alone or ours is None or theirs is None:
        return None
    if part.higher_is_better:
        return ours.value / theirs.value if theirs.value > 0 else None
    return theirs.value / ours.value if ours.value > 0 else None


def cpu_ratio(part, ours, theirs):
    """The same for the processor time of each item; other load on the machine hardly changes it."""
    if ours is None or theirs is None or not ours.more.get("cpu_us_each") or "cpu_us_each" not in theirs.more:
        return None
    return theirs.more["cpu_us_each"] / ours.more["cpu_us_each"]


def verdict(part, ours, ratio_value):
    """True, False, or None if there is no goal (or nothing to judge by)."""
    if not part.goal or ours is None:
        return None
    kind, bound = part.goal[0], float(part.goal[1:].rstrip("%"))
    if kind == "x":
        return None if ratio_value is None else ratio_value >= bound
    if kind == "<":
        return ours.value <= bound
    return 100 * ours.value / ours.more["reference_per_s"] >= bound  # ">60%": of the reference


def goal_text(part):
    if not part.goal:
        return ""
    if part.goal[0] == "x":
        return f">= {part.goal[1:]}x"
    if part.goal[0] == "<":
        return f"<= {part.goal[1:]} KiB"
    return f">= {part.goal[1:]} of raw"


def print_tables(rows, names):
    """rows: (part, {system name: Figures}); names: of the other system of each part.against. A table for each of them."""
    for against, other in names.items():
        if chosen := [row for row in rows if row[0].against == against]:
            print()
            _print_table(chosen, ["Stagepost", other])


def _print_table(rows, names):
    heads = ["", *names, "ratio", "CPU", "goal", ""]
    lines = []
    for part, figures in rows:
        ours, theirs = figures.get(names[0]), figures.get(names[1])
        times, cpu = ratio(part, ours, theirs), cpu_ratio(part, ours, theirs)
        met = verdict(part, ours, times)
        cells = [f"{number(f.value)} {f.unit}" if f else "-" for f in (ours, theirs)]
        if ours is not None and "files_per_s" in ours.more:
            cells[1] = f"raw: {number(ours.more['reference_per_s'])}; file each: {number(ours.more['files_per_s'])}"
        lines.append([part.title, *cells, f"{times:.1f}x" if times else "",
                      f"{cpu:.1f}x" if cpu else "", goal_text(part),
                      {True: "met", False: "MISSED", None: ""}[met]])
    widths = [max(len(line[i]) for line in [heads, *lines]) for i in range(len(heads))]
    for line in [heads, *lines]:
        print("  ".join(cell.ljust(w) if i in (0, 6) else cell.rjust(w)
                        for i, (cell, w) in enumerate(zip(line, widths))).rstrip())


def cpu_text(share):
    programs = " ".join(f"{n} {p}%" for n, p in list(share["programs"].items())[:6])
    return f"load {share['load']}%, {programs}, idle {share['idle']}%, others {share['others']}%"


def print_details(rows):
    """Latencies, and which processes used the processors."""
    for part, figures in rows:
        for name, f in figures.items():
            more = {k: v for k, v in f.more.items() if k not in ("cpu", "all")}
            text = ", ".join(f"{k} {number(v) if isinstance(v, float) else v}" for k, v in more.items())
            print(f"  {part.name:16} {name:18} {text}")
            if "cpu" in f.more:
                print(f"  {'':16} {'':18} of all cores: {cpu_text(f.more['cpu'])}")


def as_json(rows, names, about):
    parts = []
    for part, figures in rows:
        ours, theirs = figures.get("Stagepost"), figures.get(names[part.against])
        times = ratio(part, ours, theirs)
        parts.append({"part": part.name, "title": part.title, "goal": goal_text(part), "ratio": times,
                      "cpu_ratio": cpu_ratio(part, ours, theirs),
                      "met": verdict(part, ours, times),
                      "systems": {n: {"value": f.value, "unit": f.unit, **f.more} for n, f in figures.items()}})
    return {"about": about, "parts": parts}
