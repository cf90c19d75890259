#!/bin/sh
# Every test: builds, runs the unit tests, a short fuzz run, the integration
# tests, and ends with one line for all: "N passed, N failed".
# usage: tests/run-all.sh [SAN=1]
cd "$(dirname "$0")/.."
out=$(mktemp)
trap 'rm -f "$out"' EXIT
passed=0
failed=0

# Runs a stage, shows its output, and adds up the last line of it that counts.
stage() {
	name=$1
	shift
	echo "== $name"
	"$@" >"$out" 2>&1
	status=$?
	cat "$out"
	ok=$(grep -oE '[0-9]+ passed' "$out" | tail -1 | cut -d' ' -f1)
	bad=$(grep -oE '[0-9]+ (failed|error)' "$out" | tail -1 | cut -d' ' -f1)
	[ $status -eq 0 ] || [ "${bad:-0}" -gt 0 ] || bad=1
	passed=$((passed + ${ok:-0}))
	failed=$((failed + ${bad:-0}))
}

jobs=$(nproc)
stage build make --no-print-directory -j"$jobs" "$@" all
if [ $failed -eq 0 ]; then
	stage unit make --no-print-directory -j"$jobs" "$@" unit
	[ -n "$*" ] || stage fuzz make --no-print-directory -j"$jobs" fuzz
	stage integration make --no-print-directory "$@" integration
fi
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
