#!/bin/sh
# Installs the packages of a folder's package.json, as locked, below another
# folder; nothing to do if they are there.
# usage: npm-install.sh FOLDER INTO WHOSE-TESTS-ARE-SKIPPED-WITHOUT
set -e
if cmp -s "$1/package-lock.json" "$2/package-lock.json" && [ -e "$2/complete" ]; then
	exit 0
fi
mkdir -p "$2"
rm -f "$2/complete"
cp "$1/package.json" "$1/package-lock.json" "$2"
# Peers are not wanted: nothing of theirs is used.
if timeout 300 npm ci --prefix "$2" --legacy-peer-deps --no-audit --no-fund --ignore-scripts --loglevel=error --fetch-retries=2 >/dev/null; then
	touch "$2/complete"
else
	echo "$3 cannot be installed from npm's registry: its tests are skipped" >&2
fi
