/* Normal forms of values (RFC 4517, section 4; RFC 4518). Two values match if their
 * forms are the same bytes. */
#include <inttypes.h>

#include "frontend/ldap/dn.h"
#include "frontend/ldap/schema.h"
#include "lib/message/fold.h"

/* Leading and trailing spaces do not count, but for those of a piece from within a
 * value, where one stands for several. */
static struct str
normalize_spaces(char *text, size_t len, enum ldap_part part)
{
	bool keeps_first = part == LDAP_ANY || part == LDAP_FINAL;
	bool keeps_last = part == LDAP_ANY || part == LDAP_INITIAL;
	size_t used = 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] != ' ')
			text[used++] = text[i];
		else if (used != 0 ? text[used - 1] != ' ' : keeps_first)
			text[used++] = ' ';
	}
	if (used != 0 && text[used - 1] == ' ' && !keeps_last)
		used--;
	return str_of(text, used);
}

static bool
normalize_ascii(struct str value)
{
	for (size_t i = 0; i < value.len; i++)
		if ((unsigned char)value.p[i] >= 0x80)
			return false;
	return true;
}

/* As message_fold(), whose letters are capitals; ASCII is most of what comes. */
static bool
normalize_text(bool fold, enum ldap_part part, struct str value, struct arena *arena, struct str *out)
{
	char *text = arena_alloc(arena, value.len + 1);
	size_t len = value.len;

	if (normalize_ascii(value)) {
		for (size_t i = 0; i < len; i++) {
			char c = value.p[i];

			if (fold && c >= 'a' && c <= 'z')
				c = (char)(c - 'a' + 'A');
			text[i] = (unsigned char)c < ' ' || c == 0x7f ? ' ' : c;
		}
	} else {
		if (!str_is_utf8(value))
			return false;
		if (fold) {
			value = message_fold(value, arena);
			len = value.len;
			text = arena_alloc(arena, len + 1);
		}
		memcpy(text, value.p, len);
	}
	*out = normalize_spaces(text, len, part);
	return true;
}

static bool
normalize_digits(struct str value, struct arena *arena, struct str *out)
{
	struct str text;
	char *digits;
	size_t used = 0;

	if (!normalize_text(true, LDAP_WHOLE, value, arena, &text))
		return false;
	digits = arena_alloc(arena, text.len + 1);
	for (size_t i = 0; i < text.len; i++)
		if (text.p[i] != ' ' && text.p[i] != '-')
			digits[used++] = text.p[i];
	*out = str_of(digits, used);
	return used != 0;
}

static bool
normalize_number(struct str text, size_t at, size_t digits, unsigned least, unsigned most, unsigned *out)
{
	uint64_t value;

	if (at + digits > text.len || text.p[at] == '+' || !str_to_u64(str_first(str_from(text, at), digits), &value) ||
	    value < least || value > most)
		return false;
	*out = (unsigned)value;
	return true;
}

/* GeneralizedTime in UTC; fractions and other zones are not what clients ask for, and
 * count as malformed. */
static bool
normalize_time(struct str value, struct arena *arena, struct str *out)
{
	unsigned year, month, day, hour, minute = 0, second = 0;
	size_t digits = value.len != 0 ? value.len - 1 : 0;

	if ((digits != 10 && digits != 12 && digits != 14) || value.p[digits] != 'Z' ||
	    !normalize_number(value, 0, 4, 0, 9999, &year) || !normalize_number(value, 4, 2, 1, 12, &month) ||
	    !normalize_number(value, 6, 2, 1, 31, &day) || !normalize_number(value, 8, 2, 0, 23, &hour) ||
	    (digits >= 12 && !normalize_number(value, 10, 2, 0, 59, &minute)) ||
	    (digits >= 14 && !normalize_number(value, 12, 2, 0, 60, &second)))
		return false;
	*out = str_c(arena_printf(arena, "%04u%02u%02u%02u%02u%02uZ", year, month, day, hour, minute, second));
	return true;
}

static bool
normalize_uuid(struct str value, struct arena *arena, struct str *out)
{
	char *text = arena_dup(arena, value.p, value.len);

	if (value.len != 36)
		return false;
	str_lower(text, value.len);
	for (size_t i = 0; i < value.len; i++) {
		bool is_hyphen = i == 8 || i == 13 || i == 18 || i == 23;
		bool is_hex = (text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f');

		if (is_hyphen ? text[i] != '-' : !is_hex)
			return false;
	}
	*out = str_of(text, value.len);
	return true;
}

/* RFC 4517, section 3.3.16: no zeros in front. Numbers of more than 63 bits count as malformed. */
static bool
normalize_integer(struct str value, struct arena *arena, struct str *out)
{
	int64_t number;

	if (!str_to_i64(value, &number) || !str_eq(value, str_c(arena_printf(arena, "%" PRId64, number))))
		return false;
	*out = str_c(arena_printf(arena, "%020" PRIu64, (uint64_t)number ^ UINT64_C(1) << 63));
	return true;
}

static bool
normalize_class(struct str value, struct str *out)
{
	enum ldap_class found;

	if (!ldap_class_find(value, &found))
		return false;
	*out = str_c(ldap_class_types[found].name);
	return true;
}

static bool
normalize_dn(struct str value, struct arena *arena, struct str *out)
{
	struct ldap_dn dn;

	*out = ldap_dn_normal_plain(value, arena);
	if (out->len != 0)
		return true;
	if (!ldap_dn_parse(value, arena, &dn))
		return false;
	*out = ldap_dn_normal(&dn, arena);
	return true;
}

bool
ldap_normalize(enum ldap_form form, enum ldap_part part, struct str value, struct arena *arena, struct str *out)
{
	switch (form) {
	case LDAP_FOLDED: return value.len != 0 && normalize_text(true, part, value, arena, out);
	case LDAP_EXACT: return value.len != 0 && normalize_text(false, part, value, arena, out);
	case LDAP_IA5_FOLDED: return normalize_ascii(value) && normalize_text(true, part, value, arena, out);
	case LDAP_IA5_EXACT: return normalize_ascii(value) && normalize_text(false, part, value, arena, out);
	case LDAP_DIGITS: return normalize_digits(value, arena, out);
	case LDAP_DN_TEXT: return normalize_dn(value, arena, out);
	case LDAP_OID_NAME: return normalize_class(value, out);
	case LDAP_TIME_TEXT: return normalize_time(value, arena, out);
	case LDAP_UUID_TEXT: return normalize_uuid(value, arena, out);
	case LDAP_INTEGER_TEXT: return normalize_integer(value, arena, out);
	case LDAP_BOOLEAN_TEXT: *out = value; return str_eq(value, STR("TRUE")) || str_eq(value, STR("FALSE"));
	}
	return false;
}
