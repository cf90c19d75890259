/* Names of mailboxes. */
#include "lib/mailbox/name.h"

static int
check_level(struct str level, struct err *err)
{
	if (level.len == 0)
		return err_set(err, ERR_INVALID, "a mailbox name has an empty level");
	if (level.len > MAILBOX_LEVEL_MAX)
		return err_set(err, ERR_INVALID, "a level of a mailbox name has at most %d bytes", MAILBOX_LEVEL_MAX);
	return 0;
}

int
mailbox_name_check(struct str name, struct arena *arena, struct str *name_out, struct err *err)
{
	struct str rest = name, level;
	unsigned depth = 0;
	char *stored;
	bool more;

	if (name.len > MAILBOX_NAME_MAX)
		return err_set(err, ERR_INVALID, "a mailbox name has at most %d bytes", MAILBOX_NAME_MAX);
	if (!str_is_utf8(name))
		return err_set(err, ERR_INVALID, "a mailbox name must be UTF-8 (in IMAP: modified UTF-7)");
	for (size_t i = 0; i < name.len; i++)
		if ((unsigned char)name.p[i] < ' ' || name.p[i] == 0x7f)
			return err_set(err, ERR_INVALID, "a mailbox name has no control characters");
	do {
		more = str_cut(rest, '/', &level, &rest);
		if (check_level(level, err) != 0)
			return -1;
		if (++depth > MAILBOX_DEPTH_MAX)
			return err_set(err, ERR_INVALID, "mailboxes are at most %d levels deep", MAILBOX_DEPTH_MAX);
	} while (more);
	stored = arena_dup(arena, name.p, name.len);
	if (name.len >= 5 && str_starts_ci(name, STR("INBOX")) && (name.len == 5 || name.p[5] == '/'))
		memcpy(stored, "INBOX", 5);
	*name_out = str_of(stored, name.len);
	return 0;
}
