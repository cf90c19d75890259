#!/bin/sh
# Runs imaptest (https://dovecot.github.io/imaptest/) against a cluster of two
# frontends. It is not part of this repository: CHECKOUT is a folder where it was
# built. Without one, nothing is run.
#
# usage: tests/suites/imaptest.sh CHECKOUT scripted [NAME...]   its scripted tests; NAME: only these
#        tests/suites/imaptest.sh CHECKOUT stress [SECONDS]     five users, twenty clients, both frontends
#
# imaptest itself mixes up the checkpoints of several users (2022 to 2026: at the end
# of one, checkpoint_neg() wakes clients of other mailboxes too) and may end with a
# panic of its own in stress mode, with any server, unless that is mended in CHECKOUT.
#
# Environment: PORT_BASE (20000), STAGEPOST_BUILD (build).
# Ends with one line, "N passed, N failed"; status 0: none failed, or skipped.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${STAGEPOST_BUILD:-$root/build}
base=${PORT_BASE:-20000}
checkout=${1:-}
mode=${2:-scripted}
imaptest=$checkout/src/imaptest

if [ -z "$checkout" ] || [ ! -x "$imaptest" ]; then
	echo "skipped: there is no imaptest at '$checkout'"
	exit 0
fi
shift
[ $# -eq 0 ] || shift
checkout=$(cd "$checkout" && pwd)
imaptest=$checkout/src/imaptest
export LD_LIBRARY_PATH="/usr/lib/dovecot${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"

dir=$(mktemp -d)
cleanup() {
	"$build/stagepost" down --dir "$dir" >/dev/null 2>&1
	rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

tool() {
	"$build/stagepost" "$@" --dir "$dir" >>"$dir/tool.out" 2>&1 || {
		echo "stagepost $*:"
		cat "$dir/tool.out"
		exit 1
	}
}

tool up --port-base "$base" --frontends 2 --no-demo --detach
tool domain add example.test
for user in imaptest u1 u2 u3 u4 u5; do
	tool user add "$user@example.test" --password pass
done
imap=$((base + 143))

# A mailbox file of small messages, for the clients to append.
make_mbox() {
	i=0
	while [ $i -lt 200 ]; do
		i=$((i + 1))
		printf 'From sender@example.test Thu Jan  1 00:00:%02d 2026\n' $((i % 60))
		printf 'From: Sender %d <sender%d@example.test>\nTo: receiver@example.test\n' $i $((i % 7))
		printf 'Date: Thu, 01 Jan 2026 00:%02d:00 +0000\nSubject: message %d\nMessage-ID: <%d@example.test>\n' \
			$((i % 60)) $((i % 13)) $i
		[ $((i % 3)) -ne 0 ] || printf 'References: <%d@example.test>\n' $((i - 1))
		printf '\nText of message %d.\n%s\n\n' $i "$(seq $i $((i + i % 50)))"
	done
}

# One file of tests after the other, so that one that stops early hides none.
run_scripted() {
	passed=0
	failed=0
	mkdir "$dir/one"
	[ $# -gt 0 ] || set -- $(cd "$checkout/src/tests" && ls | grep -v -e '\.mbox$' -e '^Makefile' -e '^broken$')
	for name in "$@"; do
		rm -f "$dir/one/"*
		cp "$checkout/src/tests/$name" "$checkout/src/tests/default.mbox" "$dir/one/"
		[ ! -e "$checkout/src/tests/$name.mbox" ] || cp "$checkout/src/tests/$name.mbox" "$dir/one/"
		(cd "$dir/one" && timeout 120 "$imaptest" host=127.0.0.1 port=$imap user=imaptest@example.test pass=pass \
			test="$dir/one") >"$dir/out" 2>&1
		status=$?
		if [ $status -eq 0 ] && ! grep -qE 'Error|Fatal|Panic' "$dir/out"; then
			passed=$((passed + 1))
		else
			failed=$((failed + 1))
			echo "FAILED $name"
			cat "$dir/out"
		fi
	done
}

# One imaptest, which knows what all of its clients have done; its connections go
# to the frontends by turns. An error line is a failure.
run_stress() {
	passed=0
	failed=0
	make_mbox >"$dir/mbox"
	python3 "$root/tests/suites/by_turns.py" $((base + 9000)) $imap $((imap + 1000)) &
	turns=$!
	until python3 -c "import socket; socket.create_connection(('127.0.0.1', $((base + 9000))))" 2>/dev/null; do
		sleep 0.1
	done
	"$imaptest" host=127.0.0.1 port=$((base + 9000)) user=u%d@example.test users=1-5 pass=pass mbox="$dir/mbox" \
		clients=20 secs="${1:-60}" checkpoint=1 logout=0 >"$dir/out" 2>&1
	status=$?
	kill $turns
	tail -8 "$dir/out"
	if [ $status -ne 0 ] || grep -E 'Error|Fatal|Panic|Warning' "$dir/out"; then
		failed=1
	else
		passed=1
	fi
}

case $mode in
scripted) run_scripted "$@" ;;
stress) run_stress "$@" ;;
*)
	echo "usage: $0 CHECKOUT scripted [NAME...] | stress [SECONDS]"
	exit 1
	;;
esac
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
