#include "delivery-worker/retrieve/wire/imap_values.h"

#include <string.h>

bool
imap_take_char(struct str *rest, char c)
{
	if (rest->len == 0 || rest->p[0] != c)
		return false;
	*rest = str_from(*rest, 1);
	return true;
}

void
imap_take_spaces(struct str *rest)
{
	while (imap_take_char(rest, ' '))
		;
}

bool
imap_take_atom(struct str *rest, bool brackets, struct str *atom_out)
{
	bool inside = false;
	size_t len = 0;

	for (; len < rest->len; len++) {
		char c = rest->p[len];

		if (brackets && (c == '[' || c == ']'))
			inside = c == '[';
		else if (!inside && strchr(" ()\"{", c) != NULL && c != '\0')
			break;
	}
	*atom_out = str_first(*rest, len);
	*rest = str_from(*rest, len);
	return len > 0 && !inside;
}

bool
imap_take_number(struct str *rest, uint64_t *number_out)
{
	struct str atom;

	return imap_take_atom(rest, false, &atom) && str_to_u64(atom, number_out);
}

/* Up to the closing quote; false: there is none. */
static bool
values_skip_quoted(struct str *rest)
{
	for (size_t i = 0; i < rest->len; i++) {
		if (rest->p[i] == '"') {
			*rest = str_from(*rest, i + 1);
			return true;
		}
		if (rest->p[i] == '\\')
			i++;
	}
	return false;
}

static bool
values_take_quoted(struct str *rest, struct arena *arena, struct str *out)
{
	struct str raw = *rest;
	size_t used = 0;
	char *copy;

	if (!values_skip_quoted(rest))
		return false;
	raw.len -= rest->len + 1;
	*out = raw;
	if (str_index(raw, '\\') < 0)
		return true;
	copy = arena_alloc(arena, raw.len + 1);
	for (size_t i = 0; i < raw.len; i++) {
		if (raw.p[i] == '\\' && i + 1 < raw.len)
			i++;
		copy[used++] = raw.p[i];
	}
	*out = str_of(copy, used);
	return true;
}

/* "{n}" and its bytes, as the reader leaves them. */
static bool
values_take_literal(struct str *rest, struct str *out)
{
	struct str digits, after;
	uint64_t bytes;

	if (!str_cut(*rest, '}', &digits, &after))
		return false;
	if (digits.len > 0 && digits.p[digits.len - 1] == '+')
		digits.len--;
	if (!str_to_u64(digits, &bytes) || bytes > after.len)
		return false;
	*out = str_first(after, (size_t)bytes);
	*rest = str_from(after, (size_t)bytes);
	return true;
}

bool
imap_take_string(struct str *rest, struct arena *arena, struct str *string_out, bool *is_nil_out)
{
	if (is_nil_out != NULL)
		*is_nil_out = false;
	if (imap_take_char(rest, '"'))
		return values_take_quoted(rest, arena, string_out);
	if (str_starts(*rest, STR("~{")))
		imap_take_char(rest, '~');
	if (imap_take_char(rest, '{'))
		return values_take_literal(rest, string_out);
	if (!imap_take_atom(rest, false, string_out))
		return false;
	if (is_nil_out != NULL && str_eq_ci(*string_out, STR("NIL"))) {
		*is_nil_out = true;
		*string_out = STR_NONE;
	}
	return true;
}

static bool
values_skip_plain(struct str *rest)
{
	struct str ignored;

	if (imap_take_char(rest, '"'))
		return values_skip_quoted(rest);
	if (str_starts(*rest, STR("~{")))
		imap_take_char(rest, '~');
	if (imap_take_char(rest, '{'))
		return values_take_literal(rest, &ignored);
	return imap_take_atom(rest, true, &ignored);
}

bool
imap_skip_value(struct str *rest)
{
	size_t depth = 0;

	do {
		imap_take_spaces(rest);
		if (imap_take_char(rest, '('))
			depth++;
		else if (depth > 0 && imap_take_char(rest, ')'))
			depth--;
		else if (!values_skip_plain(rest))
			return false;
	} while (depth > 0);
	return true;
}
