/* Names of mailboxes. */
#include "lib/mailbox/name.h"

#include <unicode/unorm2.h>
#include <unicode/ustring.h>

static int
check_level(struct str level, struct err *err)
{
	if (level.len == 0)
		return err_set(err, ERR_INVALID, "a mailbox name has an empty level");
	if (level.len > MAILBOX_LEVEL_MAX)
		return err_set(err, ERR_INVALID, "a level of a mailbox name may have at most %d bytes",
			       MAILBOX_LEVEL_MAX);
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
		return err_set(err, ERR_INVALID, "a mailbox name may have at most %d bytes", MAILBOX_NAME_MAX);
	if (!str_is_utf8(name))
		return err_set(err, ERR_INVALID, "a mailbox name must be UTF-8 (in IMAP: modified UTF-7)");
	for (size_t i = 0; i < name.len; i++)
		if ((unsigned char)name.p[i] < ' ' || name.p[i] == 0x7f)
			return err_set(err, ERR_INVALID, "a mailbox name must not contain control characters");
	do {
		more = str_cut(rest, '/', &level, &rest);
		if (check_level(level, err) != 0)
			return -1;
		if (++depth > MAILBOX_DEPTH_MAX)
			return err_set(err, ERR_INVALID, "mailboxes may be at most %d levels deep", MAILBOX_DEPTH_MAX);
	} while (more);
	stored = arena_dup(arena, name.p, name.len);
	if (name.len >= 5 && str_starts_ci(name, STR("INBOX")) && (name.len == 5 || name.p[5] == '/'))
		memcpy(stored, "INBOX", 5);
	*name_out = str_of(stored, name.len);
	return 0;
}

/* NFD, case folding, NFC: what the Unicode standard calls canonical caseless
 * matching (section 3.13, D145). Case folding turns one unit into at most 3,
 * decomposition into at most 4. */
static struct str
name_fold(struct str name, struct arena *arena)
{
	UErrorCode status = U_ZERO_ERROR;
	int32_t len = 0, room = (int32_t)(name.len + 1) * 12;
	const UNormalizer2 *nfd = unorm2_getNFDInstance(&status), *nfc = unorm2_getNFCInstance(&status);
	UChar *one, *two;
	char *out;

	if (name.len > MAILBOX_NAME_MAX || !str_is_utf8(name))
		return name;
	one = arena_array(arena, UChar, (size_t)room);
	two = arena_array(arena, UChar, (size_t)room);
	u_strFromUTF8(one, room, &len, name.p, (int32_t)name.len, &status);
	len = unorm2_normalize(nfd, one, len, two, room, &status);
	len = u_strFoldCase(one, room, two, len, U_FOLD_CASE_DEFAULT, &status);
	len = unorm2_normalize(nfc, one, len, two, room, &status);
	out = arena_alloc(arena, (size_t)room * 3);
	u_strToUTF8(out, room * 3, &len, two, len, &status);
	return U_SUCCESS(status) ? str_of(out, (size_t)len) : name;
}

bool
mailbox_name_eq_any_case(struct str a, struct str b)
{
	struct arena scratch;
	bool same;

	if (!str_has_eight_bit(a) && !str_has_eight_bit(b))
		return str_eq_ci(a, b);
	arena_init(&scratch);
	same = str_eq(name_fold(a, &scratch), name_fold(b, &scratch));
	arena_fini(&scratch);
	return same;
}
