#!/bin/sh
# Runs the unit test programs given, one after the other; prints a line each
# and, at the end, "N passed, N failed" (of test cases). A failing program's
# output is shown whole.
passed=0
failed=0
out=$(mktemp)
trap 'rm -f "$out"' EXIT
for program in "$@"; do
	start=$(date +%s)
	timeout 300 "$program" >"$out" 2>&1
	status=$?
	ok=$(grep -c '^\[       OK \]' "$out")
	bad=$(grep -c '^\[  FAILED  \] [a-zA-Z]' "$out")
	if [ $status -eq 0 ]; then
		echo "  ok    ${program#build/} ($ok cases, $(($(date +%s) - start)) s)"
	else
		[ "$bad" -gt 0 ] || bad=1
		echo "  FAIL  $program (status $status)"
		cat "$out"
	fi
	passed=$((passed + ok))
	[ $status -eq 0 ] || failed=$((failed + bad))
done
echo "unit: $passed passed, $failed failed"
[ $failed -eq 0 ]
