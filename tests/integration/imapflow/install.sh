#!/bin/sh
# Installs imapflow, as locked, into the folder given; nothing to do if it is there.
set -e
here=$(cd "$(dirname "$0")" && pwd)
if cmp -s "$here/package-lock.json" "$1/package-lock.json" && [ -e "$1/node_modules/imapflow/package.json" ]; then
	exit 0
fi
mkdir -p "$1"
cp "$here/package.json" "$here/package-lock.json" "$1"
timeout 180 npm ci --prefix "$1" --no-audit --no-fund --ignore-scripts --loglevel=error --fetch-retries=2 >/dev/null ||
	echo "imapflow cannot be installed from npm's registry: its test is skipped" >&2
