/* Accounts and lists as those of Linux machines (RFC 2307): what SSSD, nslcd and the like
 * ask for. Only those with a number are (lib/directory/numbers.c). */
#include <inttypes.h>

#include "frontend/ldap/entry.h"
#include "lib/base/buf.h"

#define POSIX_NO_VALUES ((struct ldap_values){NULL, 0})

static bool
posix_is_group(const struct ldap_entry *e)
{
	for (unsigned i = 0; i < e->posix->group_count; i++)
		if (str_eq_ci(e->posix->groups[i], ldap_entry_local_part(e)))
			return true;
	return false;
}

bool
ldap_posix_is(const struct ldap_entry *e)
{
	if (e->posix == NULL || book_entry_get(e->person, BOOK_NUMBER).len == 0)
		return false;
	return e->kind == LDAP_USER || posix_is_group(e);
}

static struct ldap_values
posix_one(struct str value, struct arena *arena)
{
	struct str *items = arena_new(arena, struct str);

	*items = value;
	return (struct ldap_values){items, 1};
}

static struct str
posix_home(const struct ldap_entry *e, struct arena *arena)
{
	const struct {
		struct str name, value;
	} variables[] = {{STR("#User#"), ldap_entry_local_part(e)}, {STR("#Domain#"), e->domain}};
	struct str rest = e->posix->home, kept;
	struct buf text = BUF_EMPTY;

	while (rest.len != 0) {
		size_t taken = 0;

		for (unsigned i = 0; i < 2 && taken == 0; i++)
			if (str_starts(rest, variables[i].name)) {
				buf_add_str(&text, variables[i].value);
				taken = variables[i].name.len;
			}
		if (taken == 0)
			buf_add_byte(&text, rest.p[0]);
		rest = str_from(rest, taken != 0 ? taken : 1);
	}
	kept = arena_str(arena, buf_str(&text));
	buf_fini(&text);
	return kept;
}

/* Members that are accounts on Linux machines themselves. */
static struct ldap_values
posix_members(const struct ldap_entry *e, struct arena *arena)
{
	struct ldap_values values = POSIX_NO_VALUES;
	struct book_entry found;
	enum book_field field;
	struct str value, *items;
	size_t at = 0, count = 0;
	bool is_there;

	while (book_entry_next(e->person, &at, &field, &value))
		count += field == BOOK_MEMBER;
	items = arena_array(arena, struct str, count + 1);
	at = 0;
	while (book_entry_next(e->person, &at, &field, &value))
		if (field == BOOK_MEMBER && ldap_entry_shows_member(e, value, &found, &is_there) && is_there &&
		    !found.is_group && book_entry_get(&found, BOOK_NUMBER).len != 0)
			items[values.count++] = str_first(value, (size_t)str_rindex(value, '@'));
	values.items = items;
	return values;
}

static struct ldap_values
posix_account_values(const struct ldap_entry *e, enum ldap_attribute a, struct arena *arena)
{
	switch (a) {
	case LDAP_AT_UID_NUMBER: return posix_one(book_entry_get(e->person, BOOK_NUMBER), arena);
	case LDAP_AT_GID_NUMBER:
		return posix_one(str_c(arena_printf(arena, "%" PRId64, e->posix->primary_group)), arena);
	case LDAP_AT_HOME_DIRECTORY: return posix_one(posix_home(e, arena), arena);
	case LDAP_AT_LOGIN_SHELL: return posix_one(e->posix->shell, arena);
	default: return POSIX_NO_VALUES;
	}
}

static struct ldap_values
posix_group_values(const struct ldap_entry *e, enum ldap_attribute a, struct arena *arena)
{
	switch (a) {
	case LDAP_AT_GID_NUMBER: return posix_one(book_entry_get(e->person, BOOK_NUMBER), arena);
	case LDAP_AT_MEMBER_UID: return posix_members(e, arena);
	default: return POSIX_NO_VALUES;
	}
}

struct ldap_values
ldap_posix_values(const struct ldap_entry *e, enum ldap_attribute a, struct arena *arena)
{
	if (e->posix == NULL || a < LDAP_AT_UID_NUMBER || a > LDAP_AT_MEMBER_UID || !ldap_posix_is(e))
		return POSIX_NO_VALUES;
	return e->kind == LDAP_USER ? posix_account_values(e, a, arena) : posix_group_values(e, a, arena);
}
