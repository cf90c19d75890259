/* Case folding. */
#include "frontend/imap/parse/fold.h"

#include <string.h>

#include <unicode/unorm2.h>
#include <unicode/ustring.h>

static bool
is_ascii(struct str s)
{
	unsigned char all = 0;

	for (size_t i = 0; i < s.len; i++)
		all |= (unsigned char)s.p[i];
	return all < 0x80;
}

static char
capital(char c)
{
	return (char)(c - (c >= 'a' && c <= 'z' ? 'a' - 'A' : 0));
}

/* NULL: it failed, e.g. for want of room in 31 bits. */
static const UNormalizer2 *
decomposer(void)
{
	static const UNormalizer2 *nfkd;
	UErrorCode status = U_ZERO_ERROR;

	if (nfkd == NULL)
		nfkd = unorm2_getNFKDInstance(&status);
	return U_SUCCESS(status) ? nfkd : NULL;
}

/* A case fold makes at most 3 units of one, a decomposition at most 18. */
static UChar *
decompose(struct str utf8, struct arena *arena, int32_t *len_out)
{
	UErrorCode status = U_ZERO_ERROR;
	int32_t len, room = (int32_t)utf8.len;
	UChar *text = arena_array(arena, UChar, utf8.len + 1), *folded, *out;

	u_strFromUTF8WithSub(text, room + 1, &len, utf8.p, (int32_t)utf8.len, 0xfffd, NULL, &status);
	folded = arena_array(arena, UChar, (size_t)len * 3 + 1);
	len = u_strFoldCase(folded, len * 3 + 1, text, len, U_FOLD_CASE_DEFAULT, &status);
	if (U_FAILURE(status) || decomposer() == NULL)
		return NULL;
	room = unorm2_normalize(decomposer(), folded, len, NULL, 0, &status);
	status = U_ZERO_ERROR; /* it only counted */
	out = arena_array(arena, UChar, (size_t)room + 1);
	*len_out = unorm2_normalize(decomposer(), folded, len, out, room + 1, &status);
	return U_SUCCESS(status) ? out : NULL;
}

struct str
imap_fold(struct str utf8, struct arena *arena)
{
	UErrorCode status = U_ZERO_ERROR;
	int32_t units = 0, len = 0;
	UChar *text;
	char *out;

	if (is_ascii(utf8)) {
		out = arena_dup(arena, utf8.p, utf8.len);
		len = (int32_t)utf8.len;
	} else {
		text = utf8.len < INT32_MAX / 8 ? decompose(utf8, arena, &units) : NULL;
		if (text == NULL)
			return utf8;
		out = arena_alloc(arena, (size_t)units * 3 + 1);
		u_strToUTF8(out, units * 3 + 1, &len, text, units, &status);
	}
	for (int32_t i = 0; i < len; i++)
		out[i] = capital(out[i]);
	return str_of(out, (size_t)len);
}

/* The needle's first letter is looked for, then the rest compared in place. */
static bool
ascii_contains(struct str text, struct str needle)
{
	const char first = needle.p[0];

	for (size_t i = 0; i + needle.len <= text.len; i++) {
		size_t k = 1;
		if (capital(text.p[i]) != first)
			continue;
		while (k < needle.len && capital(text.p[i + k]) == needle.p[k])
			k++;
		if (k == needle.len)
			return true;
	}
	return false;
}

bool
imap_fold_contains(struct str utf8, struct str needle, struct arena *scratch)
{
	struct str folded;

	if (needle.len == 0)
		return true;
	if (is_ascii(utf8) && utf8.len < 4096)
		return ascii_contains(utf8, needle);
	folded = imap_fold(utf8, scratch);
	return memmem(folded.p, folded.len, needle.p, needle.len) != NULL;
}
