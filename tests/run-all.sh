#!/bin/sh
# Every test, in two rows side by side, for the integration tests wait more
# than they compute. What computes steps back (nice) for what has clients.
# Builds first; ends with one line for all: "N passed, N failed".
# usage: tests/run-all.sh [SAN=1]
cd "$(dirname "$0")/.." || exit 1
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
jobs=$(nproc)

# Runs a stage and shows its output whole when it ends. The last line of it
# that counts goes into the sum: "N passed", "N failed".
stage() {
	name=$1
	shift
	start=$(date +%s)
	"$@" >"$out/$name" 2>&1
	status=$?
	ok=$(grep -oE '[0-9]+ passed' "$out/$name" | tail -1 | cut -d' ' -f1)
	bad=$(grep -oE '[0-9]+ (failed|error)' "$out/$name" | tail -1 | cut -d' ' -f1)
	[ $status -eq 0 ] || [ "${bad:-0}" -gt 0 ] || bad=1
	echo "${ok:-0} ${bad:-0}" >"$out/$name.count"
	{
		echo "== $name: ${ok:-0} passed, ${bad:-0} failed, $(($(date +%s) - start)) s"
		cat "$out/$name"
	} >"$out/$name.shown"
	cat "$out/$name.shown"
	[ "${bad:-0}" -eq 0 ]
}

make_() {
	make --no-print-directory -j"$jobs" "$@"
}

# Everything that both rows share is built, so that they do not build it twice.
if stage build make_ "$@" all unit-programs; then
	(
		stage tables make_ "$@" tables
		[ -n "$*" ] || stage layout make --no-print-directory layout
		[ -n "$*" ] || stage threads nice make --no-print-directory -j"$jobs" SAN=thread T="$(cat tests/threads.txt)" unit
		[ -n "$*" ] || stage fuzz nice make --no-print-directory -j"$jobs" FUZZ_SECONDS=3 fuzz
	) &
	stage unit make_ "$@" unit
	stage integration make_ "$@" integration
	wait
fi
cat "$out"/*.count | awk '{ ok += $1; bad += $2 } END { print ok + 0 " passed, " bad + 0 " failed"; exit bad > 0 }'
