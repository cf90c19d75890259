#!/usr/bin/python3
"""Figures of the sources' structure, to see whether a change makes it better:

- cycles of calls: files that call each other, straight or by way of others;
- names of static functions that several files have;
- lengths of functions and files, and how much of them is comment.

usage: tests/structure.py [--all] [FOLDER...]    (--all: long lists whole)"""

import re
import statistics
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("lib", "frontend", "spool-broker", "delivery-worker", "ctl")
LONG_FUNCTION, LONG_FILE, SHOWN = 50, 500, 15

# A definition begins in the first column with its name, its type stands on the
# line above, its body from "{" to "}" in the first column (the tree's style).
DEFINITION = re.compile(r"^((?:static |inline |_Noreturn )*)[A-Za-z_][\w \t*]*\n([a-z_]\w*)\(([^;{}]*?)\)\n\{\n(.*?)^\}", re.M | re.S)
WORD = re.compile(r"(?<![\w.>])([a-z_]\w*)\b")


class Function:
    def __init__(self, path, match):
        self.path, self.name = path, match.group(2)
        self.is_static = "static" in match.group(1)
        self.body = match.group(4)
        self.lines = self.body.count("\n")


def read(folders):
    """{path: (text, [functions])}"""
    files = {}
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.[ch]")):
            text = path.read_text()
            name = str(path.relative_to(ROOT))
            files[name] = text, [Function(name, m) for m in DEFINITION.finditer(text)]
    return files


def call_graph(files):
    """{file: {file it calls: {functions}}}: a name that a body has and another
    file of the program, or of lib, defines. Passing a function on counts as a
    call of it."""
    owner = {(path.split("/")[0], f.name): path
             for path, (_, functions) in files.items() for f in functions if not f.is_static}
    graph = defaultdict(lambda: defaultdict(set))
    for path, (_, functions) in files.items():
        program = path.split("/")[0]
        own = {f.name for f in functions}
        for function in functions:
            for name in set(WORD.findall(function.body)) - own:
                called = owner.get((program, name)) or owner.get(("lib", name))
                if called not in (None, path):
                    graph[path][called].add(name)
    return graph


def components(graph):
    """Strongly connected ones of more than one file (Tarjan), the largest first."""
    index, low, stack, on_stack, found = {}, {}, [], set(), []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        on_stack.add(node)
        for other in graph.get(node, ()):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in on_stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            component = []
            while True:
                component.append(stack.pop())
                on_stack.discard(component[-1])
                if component[-1] == node:
                    break
            if len(component) > 1:
                found.append(sorted(component))

    sys.setrecursionlimit(10000)
    for node in list(graph):
        if node not in index:
            visit(node)
    return sorted(found, key=len, reverse=True)


def print_list(lines, whole):
    for line in lines if whole else lines[:SHOWN]:
        print(f"    {line}")
    if len(lines) > SHOWN and not whole:
        print(f"    ... and {len(lines) - SHOWN} more (--all)")


def report_cycles(files, whole):
    graph = call_graph(files)
    cycles = components(graph)
    pairs = sorted((a, b) for a in graph for b in graph[a] if a < b and a in graph.get(b, ()))
    print(f"cycles of calls: {len(cycles)}, with {sum(map(len, cycles))} of {len(files)} files; "
          f"{len(pairs)} pairs of files call each other")
    print_list([f"{len(c)} files: {' '.join(c)}" for c in cycles], whole)
    print_list([f"{a} <-> {b}: {', '.join(sorted(graph[a][b])[:3])} / {', '.join(sorted(graph[b][a])[:3])}"
                for a, b in pairs], whole)


def report_names(files, whole):
    places = defaultdict(set)
    count = 0
    for path, (_, functions) in files.items():
        for f in functions:
            if f.is_static:
                places[f.name].add(path)
                count += 1
    clashing = {name: paths for name, paths in places.items() if len(paths) > 1}
    share = sum(map(len, clashing.values()))
    print(f"static functions: {count}; {share} ({100 * share / max(count, 1):.0f} %) share their name with another file's")
    print_list([f"{len(paths):3} {name}" for name, paths in sorted(clashing.items(), key=lambda i: (-len(i[1]), i[0]))], whole)


def report_lengths(files, whole):
    functions = [f for _, (_, found) in files.items() for f in found]
    lengths = sorted(f.lines for f in functions)
    long = sorted((f for f in functions if f.lines > LONG_FUNCTION), key=lambda f: -f.lines)
    print(f"functions: {len(functions)}; lines: median {statistics.median(lengths):.0f}, "
          f"90 % within {lengths[len(lengths) * 9 // 10]}, longest {lengths[-1]}; {len(long)} over {LONG_FUNCTION}")
    print_list([f"{f.lines:4} {f.path}: {f.name}" for f in long], whole)
    sizes = {path: text.count("\n") for path, (text, _) in files.items()}
    large = sorted((p for p in sizes if sizes[p] > LONG_FILE), key=lambda p: -sizes[p])
    comments = sum(c.count("\n") + 1 for text, _ in files.values() for c in re.findall(r"/\*.*?\*/", text, re.S))
    print(f"files: {len(sizes)}, {sum(sizes.values())} lines, {100 * comments / sum(sizes.values()):.1f} % with comment; "
          f"{len(large)} over {LONG_FILE}")
    print_list([f"{sizes[p]:5} {p}" for p in large], whole)


def main(arguments):
    whole = "--all" in arguments
    files = read([a for a in arguments if a != "--all"] or FOLDERS)
    for report in (report_cycles, report_names, report_lengths):
        report(files, whole)


main(sys.argv[1:])
