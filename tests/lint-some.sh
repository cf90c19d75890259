#!/bin/sh
# Prints the C files to lint in this run: those that differ from a base, then
# others, of which each day has different ones, up to a number.
# usage: tests/lint-some.sh BASE NUMBER FILE...
base=$1 most=$2
shift 2
changed=$(git diff --name-only "$base" -- 2>/dev/null)
day=$(date +%j)
for file in "$@"; do
	rank=1
	for name in $changed; do
		[ "$name" != "$file" ] || rank=0
	done
	echo "$rank $(echo "$day $file" | cksum | cut -d' ' -f1) $file"
done | sort -k1,1n -k2,2n | head -n "$most" | cut -d' ' -f3
