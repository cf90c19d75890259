/* Numbers of accounts and aliases on Linux machines (uidNumber and gidNumber of RFC 2307).
 *
 * A number belongs to an address, for ever: it stays when the account is changed, disabled
 * or deleted, when the settings are, and in backups. So a file on some machine never
 * becomes another's. Numbers are given out in ascending order, when an address that is to
 * have one gets its entry in the address book (book.c); that entry tells it to readers. */
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/directory/private.h"

#include <inttypes.h>

REDIS_SCRIPT(directory_number, "lib/directory/number.lua");

enum { NUMBERS_COMPLAIN_MS = 60000, NUMBERS_NAME_MAX = 32 };

/* A name that every program on a Linux machine takes for one: not a number, not an
 * option, no part of a path. And nobody is the superuser by having an address. */
static bool
numbers_fits_name(struct str name)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = name.p[i];
		bool begins = (c >= 'a' && c <= 'z') || c == '_';

		if (!begins && (i == 0 || ((c < '0' || c > '9') && c != '.' && c != '-')))
			return false;
	}
	return name.len != 0 && name.len <= NUMBERS_NAME_MAX && !str_eq(name, STR("root"));
}

static bool
numbers_has_group(const struct settings_ldap *s, struct str name)
{
	for (unsigned i = 0; i < s->posix_groups.count; i++)
		if (str_eq_ci(s->posix_groups.items[i], name))
			return true;
	return false;
}

struct number_rules
numbers_rules(const struct directory *d, struct str address)
{
	const struct settings_ldap *s;
	struct str name = str_first(address, (size_t)str_rindex(address, '@'));

	if (d == NULL || !numbers_fits_name(name))
		return (struct number_rules){.first = 0};
	s = settings_ldap(directory_settings(d), directory_domain_of(address));
	return (struct number_rules){
		.of_user = s->posix_accounts,
		.of_group = s->posix_accounts && numbers_has_group(s, name),
		.first = s->posix_first_number,
		.last = s->posix_last_number,
	};
}

struct str
numbers_fingerprint(const struct directory *d, struct str domain, struct arena *arena)
{
	const struct settings_ldap *s = settings_ldap(directory_settings(d), domain);
	struct buf text = BUF_EMPTY;
	struct str kept;

	if (s->posix_accounts) {
		buf_printf(&text, "%" PRId64 "-%" PRId64, s->posix_first_number, s->posix_last_number);
		for (unsigned i = 0; i < s->posix_groups.count; i++)
			buf_printf(&text, " %.*s", STR_ARG(s->posix_groups.items[i]));
	}
	kept = arena_str(arena, buf_str(&text));
	buf_fini(&text);
	return kept;
}

void
numbers_claim(struct redis *r, struct str address, const struct number_rules *rules, redis_on_reply *cb, void *arg)
{
	const struct str key = str_c(redis_key_pattern(KEY_POSIX_NUMBERS));
	char first[24], last[24];

	snprintf(first, sizeof(first), "%" PRId64, rules->first);
	snprintf(last, sizeof(last), "%" PRId64, rules->last);
	const struct str args[] = {address, str_c(first), str_c(last)};
	redis_eval(r, cb, arg, &directory_number, 1, &key, 3, args);
}

void
numbers_complain(struct str address, const struct err *err)
{
	static _Atomic int64_t again_ms;
	int64_t now_ms = clock_monotonic_ms();

	/* A comparison of a large book would say it for every account. */
	if (now_ms < again_ms)
		return;
	again_ms = now_ms + NUMBERS_COMPLAIN_MS;
	log_warning(NULL, "no number for an account on Linux machines: see ldap.posix_last_number",
		    F_STR("address", address), F_ERR(err));
}
