/* The form in which texts are compared. */
#include "lib/book/private.h"
#include "lib/message/fold.h"

/* A combining mark, U+0300 to U+036F, in UTF-8: of the accents that folding took apart
 * from their letters. */
static bool
fold_is_accent(const char *p, const char *end)
{
	unsigned char lead = (unsigned char)p[0], next = end - p > 1 ? (unsigned char)p[1] : 0;

	return (lead == 0xcc && next >= 0x80) || (lead == 0xcd && next >= 0x80 && next <= 0xaf);
}

/* Accents are left out. Control characters count as spaces: they would end the text of
 * the field. A run of spaces is one, and none in a telephone number. */
void
fold_add(struct buf *out, enum book_field field, struct str value, struct arena *scratch)
{
	struct str folded = message_fold(value, scratch);
	bool is_phone = (FOLD_PHONE_FIELDS & BOOK_FIELD_BIT(field)) != 0, after_space = false;
	char *to = buf_reserve(out, folded.len);

	for (size_t i = 0; i < folded.len; i++) {
		char c = folded.p[i];
		bool is_space = (unsigned char)c <= ' ' || c == 0x7f;

		if (is_phone && (is_space || c == '-'))
			continue;
		if (fold_is_accent(folded.p + i, folded.p + folded.len)) {
			i++;
			continue;
		}
		if (!is_space || !after_space)
			*to++ = is_space ? ' ' : c;
		after_space = is_space;
	}
	out->len = (size_t)(to - out->data);
	buf_add(out, "", 0);
}
