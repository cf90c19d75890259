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

# What failed beside the other tests may have met a slow machine: it gets one
# more try, alone, and is named. Not so what watches over loss.
second_try() {
	sed -n 's/^FAILED //p' "$out" | sed 's/ - .*//' >"$out.again"
	if [ ! -s "$out.again" ] || [ "$(wc -l <"$out.again")" -gt 5 ] || grep -q '^ERROR ' "$out" ||
		grep -qE '^test_(loss|chaos|imap_consistency)' "$out.again"; then
		rm -f "$out.again"
		return
	fi
	echo "== once more, alone:"
	cat "$out.again"
	failed=$((failed - $(wc -l <"$out.again")))
	stage "second try" env "$@" sh -c 'cd tests/integration && tr "\n" "\0" <"$0" |
		STAGEPOST_BUILD="$BUILD" xargs -0 /usr/bin/python3 -m pytest -q -n 0 -p no:cacheprovider' "$out.again"
	rm -f "$out.again"
}

jobs=$(nproc)
stage build make --no-print-directory -j"$jobs" "$@" all
if [ $failed -eq 0 ]; then
	stage unit make --no-print-directory -j"$jobs" "$@" unit
	[ -n "$*" ] || stage fuzz make --no-print-directory -j"$jobs" fuzz
	stage integration make --no-print-directory "$@" integration
	second_try BUILD="$PWD/build${*:+/san}"
fi
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
