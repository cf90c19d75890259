#!/bin/sh
# Installs the Debian 12 packages that are missing: for the build, and with
# "test" for the tests too, with "lint" for `make lint`, with "bench" for the
# comparison with Postfix, Dovecot and slapd. Does nothing, and needs no privileges, if
# all are installed.
set -e
build="build-essential pkg-config libevent-dev libssl-dev libzmq3-dev libprotobuf-c-dev protobuf-c-compiler
	libhiredis-dev libunbound-dev libargon2-dev libcrypt-dev libidn2-dev zlib1g-dev libicu-dev libcurl4-openssl-dev
	libcjson-dev libexpat1-dev libldap-dev libqrencode-dev libpsl-dev publicsuffix
	uthash-dev redis-server"
test="libcmocka-dev clang libclang-rt-14-dev python3-pytest python3-pytest-xdist python3-redis python3-dnspython
	python3-cryptography python3-dkim python3-yaml python3-jsonschema python3-ldap3 python3-selenium python3-exchangelib python3-websockets
	swaks msmtp fetchmail mpop curl openssl redis-tools isync offlineimap3 neomutt getmail6 nodejs npm
	chromium chromium-driver thunderbird pebble slapd ldap-utils nginx-light haproxy
	dovecot-core dovecot-imapd dovecot-pop3d
	prometheus dns-root-data nsd ldnsutils spamassassin spamd rspamd opendkim"
lint="clang-format clang-tidy"
bench="postfix dovecot-core dovecot-imapd dovecot-pop3d dovecot-lmtpd slapd ldap-utils openssl python3-redis"

wanted=""
for set in "$@"; do
	case "$set" in
	build | test | lint | bench) ;;
	*) echo "$0: unknown set of packages: $set (build, test, lint, bench)" >&2; exit 2 ;;
	esac
	eval "wanted=\"\$wanted \$$set\""
done
is_there() {
	case "$1" in nodejs | npm) command -v npm >/dev/null && return ;; esac # keep one from elsewhere
	dpkg-query -W -f='${Status}' "$1" 2>/dev/null | grep -q 'install ok installed'
}
missing=""
for package in $wanted; do
	is_there "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
echo "Installing:$missing"
sudo=""
[ "$(id -u)" -eq 0 ] || sudo="sudo"
# A package's own server must not start on the standard ports of this machine.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null
	$sudo chmod +x "$policy"
	trap '$sudo rm -f "$policy"' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -q >/dev/null
$sudo apt-get install -y -q --no-install-recommends $missing >/dev/null
