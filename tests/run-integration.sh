#!/bin/sh
# Runs the integration tests, several side by side: they wait more than they
# compute. Each process of tests has a network of its own where the system
# lets it (tests/integration/network.py), so that nothing meets another's ports.
# usage: tests/run-integration.sh [FLAGS OF PYTEST]; -n 0 for one after the other
cd "$(dirname "$0")/integration" || exit 1

# Whoever is not root gets the right to make networks in a user namespace.
before=""
processes=$(($(nproc) * 7 / 2))
if ! unshare --net true 2>/dev/null; then
	before="unshare --map-current-user --keep-caps"
	# Where that is refused too, ports are shared out; there are three parts.
	$before --net true 2>/dev/null || before="" processes=3
fi
[ "$processes" -ge 3 ] || processes=3
[ "$processes" -le 12 ] || processes=12
exec $before "${PYTHON:-/usr/bin/python3}" -m pytest -q --durations=5 -p no:cacheprovider -n "$processes" "$@"
