#!/bin/sh
# Runs each fuzz target for some seconds, from its corpus, which is not changed.
# usage: fuzz/run.sh SECONDS TARGET...
seconds=$1
shift
passed=0
failed=0
for target in "$@"; do
	name=$(basename "$target" _fuzz)
	found=$(mktemp -d)
	corpus=fuzz/corpus/$name
	[ -d "$corpus" ] || corpus=""
	if "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=0 \
		-artifact_prefix="$found/" "$found" $corpus >"$found.log" 2>&1; then
		echo "  ok    fuzz $name ($(sed -n 's/^#\([0-9]*\).*DONE.*/\1/p' "$found.log") runs)"
		passed=$((passed + 1))
		rm -rf "$found"
	else
		echo "  FAIL  fuzz $name; the input is in $found"
		tail -40 "$found.log"
		failed=$((failed + 1))
	fi
	rm -f "$found.log"
done
echo "fuzz: $passed passed, $failed failed"
[ $failed -eq 0 ]
