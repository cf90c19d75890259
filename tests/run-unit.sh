#!/bin/sh
# Runs the unit test programs given, several at once (UNIT_JOBS, else one more
# than there are processors: some wait); prints a line each as it ends and, at
# last, "N passed, N failed" (of test cases). A failing program's output is
# shown whole. The longest go first: each build keeps how long they took.
case "$1" in
--one)
	# One program; its counts go to a file of its own in $2.
	results=$2 program=$3
	out=$(mktemp)
	trap 'rm -f "$out"' EXIT
	start=$(date +%s%N)
	timeout 300 "$program" >"$out" 2>&1
	status=$?
	ms=$((($(date +%s%N) - start) / 1000000))
	ok=$(grep -c '^\[       OK \]' "$out")
	bad=$(grep '^\[  FAILED  \] [a-zA-Z]' "$out" | sort -u | wc -l)
	name=${program##*tests/unit/}
	if [ $status -eq 0 ]; then
		bad=0
		text="  ok    $name ($ok cases, $((ms / 1000)).$((ms % 1000 / 100)) s)"
	else
		[ "$bad" -gt 0 ] || bad=1
		text="  FAIL  $name (status $status)
$(cat "$out")"
	fi
	printf "%s\n" "$text"
	echo "$ok $bad $ms $program" >"$results/$(echo "$name" | tr / _)"
	exit 0
	;;
esac

[ $# -gt 0 ] || { echo "usage: tests/run-unit.sh PROGRAM..." >&2; exit 2; }
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
times=${1%/tests/unit/*}/tests/unit/times
touch "$times"
# "ms program" of the last run; what is not known yet comes first.
for program in "$@"; do
	echo "$(sed -n "s,^\([0-9]*\) $program\$,\1,p" "$times" | tail -1 | grep . || echo 999999) $program"
done | sort -rn | cut -d' ' -f2 |
	xargs -n 1 -P "${UNIT_JOBS:-$(($(nproc) + 1))}" "$0" --one "$results"
cat "$results"/* | cut -d' ' -f3- | cat "$times" - | tail -2000 >"$results.times" && mv "$results.times" "$times"
cat "$results"/* | awk -v started=$# '
	{ ok += $1; bad += $2 }
	END { bad += started - NR; print "unit: " ok + 0 " passed, " bad + 0 " failed"; exit bad > 0 }'
