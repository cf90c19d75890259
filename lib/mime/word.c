/* Text of headers in UTF-8. */
#include "lib/mime/word.h"

#include <unicode/ucnv.h>

#include "lib/base/base64.h"
#include "lib/base/buf.h"

/* ---- Charsets ---- */

static bool
is_utf8_name(struct str charset)
{
	return str_eq_ci(charset, STR("utf-8")) || str_eq_ci(charset, STR("us-ascii")) ||
	       str_eq_ci(charset, STR("utf8")) || str_eq_ci(charset, STR("ascii"));
}

/* False: ICU does not know the charset. */
static bool
word_convert(const char *charset, struct str data, struct arena *arena, struct str *out)
{
	UErrorCode status = U_ZERO_ERROR;
	/* A byte of a charset becomes at most one UTF-16 surrogate pair, that is four bytes of UTF-8. */
	int32_t room = (int32_t)data.len * 4 + 8;
	char *text = arena_alloc(arena, (size_t)room);
	int32_t len = ucnv_convert("UTF-8", charset, text, room, data.p, (int32_t)data.len, &status);

	if (U_FAILURE(status))
		return false;
	*out = str_of(text, (size_t)len);
	return true;
}

struct str
mime_to_utf8(struct str charset, struct str data, struct arena *arena)
{
	char name[64];
	struct str out;

	if (data.len > 8 * 1024 * 1024)
		data.len = 8 * 1024 * 1024;
	if ((charset.len == 0 || is_utf8_name(charset)) && str_is_utf8(data))
		return data;
	if (charset.len != 0 && !is_utf8_name(charset) && str_copy(charset, name, sizeof(name)) &&
	    word_convert(name, data, arena, &out))
		return out;
	if (str_is_utf8(data))
		return data;
	return word_convert("windows-1252", data, arena, &out) ? out : STR_NONE;
}

/* ---- Encoded-words ---- */

struct encoded_word {
	struct str charset;
	char encoding; /* 'B' or 'Q' */
	struct str text;
	size_t length; /* of the whole, from "=?" to "?=" */
};

/* Is there an encoded-word at the start of s? */
static bool
match_word(struct str s, struct encoded_word *w)
{
	struct str rest, encoding, language;
	ptrdiff_t end;

	if (!str_starts(s, STR("=?")))
		return false;
	if (!str_cut(str_from(s, 2), '?', &w->charset, &rest) || w->charset.len == 0)
		return false;
	if (!str_cut(rest, '?', &encoding, &rest) || encoding.len != 1)
		return false;
	w->encoding = (char)(encoding.p[0] & ~32);
	if (w->encoding != 'B' && w->encoding != 'Q')
		return false;
	end = str_index(rest, '?');
	if (end < 0 || (size_t)end + 1 >= rest.len || rest.p[end + 1] != '=')
		return false;
	w->text = str_first(rest, (size_t)end);
	w->length = (size_t)(rest.p + end + 2 - s.p);
	str_cut(w->charset, '*', &w->charset, &language); /* RFC 2231, 5 */
	return true;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 32);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void
decode_q(struct str text, struct buf *out)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.p[i];
		if (c == '_') {
			c = ' ';
		} else if (c == '=' && i + 2 < text.len && hex_digit(text.p[i + 1]) >= 0 &&
			   hex_digit(text.p[i + 2]) >= 0) {
			c = (char)(hex_digit(text.p[i + 1]) << 4 | hex_digit(text.p[i + 2]));
			i += 2;
		}
		buf_add_byte(out, c);
	}
}

static void
decode_b(struct str text, struct buf *out)
{
	struct buf padded = BUF_EMPTY;

	/* Padding is often missing. */
	buf_add_str(&padded, text);
	while (padded.len % 4 != 0)
		buf_add_byte(&padded, '=');
	base64_decode(buf_str(&padded), out);
	buf_fini(&padded);
}

/* Decodes one word and those that follow it in the same charset and encoding,
 * so that a character split by the sender is decoded correctly. Returns the
 * number of bytes of s used. */
static size_t
decode_run(struct str s, struct encoded_word first, struct arena *arena, struct buf *out)
{
	struct buf bytes = BUF_EMPTY;
	struct encoded_word word = first;
	size_t used = 0;

	for (;;) {
		struct str rest;
		size_t blank = 0;

		if (word.encoding == 'Q')
			decode_q(word.text, &bytes);
		else
			decode_b(word.text, &bytes);
		used += word.length;
		rest = str_from(s, used);
		while (blank < rest.len && (rest.p[blank] == ' ' || rest.p[blank] == '\t'))
			blank++;
		if (blank == 0 || !match_word(str_from(rest, blank), &word))
			break;
		used += blank; /* white space between two words is not shown */
		if (!str_eq_ci(word.charset, first.charset))
			break;
	}
	buf_add_str(out, mime_to_utf8(first.charset, buf_str(&bytes), arena));
	buf_fini(&bytes);
	return used;
}

static struct str
without_controls(struct str s, struct arena *arena)
{
	char *copy = NULL;

	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f) {
			if (copy == NULL)
				copy = arena_dup(arena, s.p, s.len);
			copy[i] = ' ';
		}
	return copy != NULL ? str_of(copy, s.len) : s;
}

struct str
mime_decode_words(struct str text, struct arena *arena)
{
	struct buf out = BUF_EMPTY;
	struct str result;
	size_t plain = 0, i = 0;

	if (str_index(text, '=') < 0)
		return without_controls(mime_to_utf8(STR_NONE, text, arena), arena);
	while (i < text.len) {
		struct encoded_word word;
		if (text.p[i] != '=' || !match_word(str_from(text, i), &word)) {
			i++;
			continue;
		}
		buf_add_str(&out, mime_to_utf8(STR_NONE, str_of(text.p + plain, i - plain), arena));
		i += decode_run(str_from(text, i), word, arena, &out);
		plain = i;
	}
	buf_add_str(&out, mime_to_utf8(STR_NONE, str_from(text, plain), arena));
	result = arena_str(arena, buf_str(&out));
	buf_fini(&out);
	return without_controls(result, arena);
}
