/* Case folding. */
#include "lib/message/fold.h"

#include <string.h>

#include <unicode/unorm2.h>
#include <unicode/ustring.h>

static bool
fold_is_ascii(struct str s)
{
	unsigned char all = 0;

	for (size_t i = 0; i < s.len; i++)
		all |= (unsigned char)s.p[i];
	return all < 0x80;
}

static char
fold_capital(char c)
{
	return (char)(c - (c >= 'a' && c <= 'z' ? 'a' - 'A' : 0));
}

/* NULL: it failed, e.g. because the length does not fit in 31 bits. */
static const UNormalizer2 *
fold_decomposer(void)
{
	static const UNormalizer2 *nfkd;
	UErrorCode status = U_ZERO_ERROR;

	if (nfkd == NULL)
		nfkd = unorm2_getNFKDInstance(&status);
	return U_SUCCESS(status) ? nfkd : NULL;
}

/* Case folding turns one unit into at most 3, decomposition into at most 18. */
static UChar *
fold_decompose(struct str utf8, struct arena *arena, int32_t *len_out)
{
	UErrorCode status = U_ZERO_ERROR;
	int32_t len, room = (int32_t)utf8.len;
	UChar *text = arena_array(arena, UChar, utf8.len + 1), *folded, *out;

	u_strFromUTF8WithSub(text, room + 1, &len, utf8.p, (int32_t)utf8.len, 0xfffd, NULL, &status);
	folded = arena_array(arena, UChar, (size_t)len * 3 + 1);
	len = u_strFoldCase(folded, len * 3 + 1, text, len, U_FOLD_CASE_DEFAULT, &status);
	if (U_FAILURE(status) || fold_decomposer() == NULL)
		return NULL;
	room = unorm2_normalize(fold_decomposer(), folded, len, NULL, 0, &status);
	status = U_ZERO_ERROR; /* it only computed the length */
	out = arena_array(arena, UChar, (size_t)room + 1);
	*len_out = unorm2_normalize(fold_decomposer(), folded, len, out, room + 1, &status);
	return U_SUCCESS(status) ? out : NULL;
}

struct str
message_fold(struct str utf8, struct arena *arena)
{
	UErrorCode status = U_ZERO_ERROR;
	int32_t units = 0, len = 0;
	UChar *text;
	char *out;

	if (fold_is_ascii(utf8)) {
		out = arena_dup(arena, utf8.p, utf8.len);
		len = (int32_t)utf8.len;
	} else {
		text = utf8.len < INT32_MAX / 8 ? fold_decompose(utf8, arena, &units) : NULL;
		if (text == NULL)
			return utf8;
		out = arena_alloc(arena, (size_t)units * 3 + 1);
		u_strToUTF8(out, units * 3 + 1, &len, text, units, &status);
	}
	for (int32_t i = 0; i < len; i++)
		out[i] = fold_capital(out[i]);
	return str_of(out, (size_t)len);
}

/* Searches for the needle's first letter, then compares the rest in place. */
static bool
fold_ascii_contains(struct str text, struct str needle)
{
	const char first = needle.p[0];

	for (size_t i = 0; i + needle.len <= text.len; i++) {
		size_t k = 1;
		if (fold_capital(text.p[i]) != first)
			continue;
		while (k < needle.len && fold_capital(text.p[i + k]) == needle.p[k])
			k++;
		if (k == needle.len)
			return true;
	}
	return false;
}

bool
message_fold_contains(struct str utf8, struct str needle, struct arena *scratch)
{
	struct str folded;

	if (needle.len == 0)
		return true;
	if (fold_is_ascii(utf8) && utf8.len < 4096)
		return fold_ascii_contains(utf8, needle);
	folded = message_fold(utf8, scratch);
	return memmem(folded.p, folded.len, needle.p, needle.len) != NULL;
}
