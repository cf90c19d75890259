/* The words of a text. */
#include "lib/message/text.h"

#include <string.h>

#include "lib/base/buf.h"
#include "lib/message/entity.h"

struct text_words {
	struct buf out;
	unsigned chars, max_chars;
	bool space; /* a space is due before the next character */
	/* HTML: unsuccessful searches, so that they are not repeated. */
	bool no_quote[2]; /* for ' and for " */
	bool no_head_end;
};

/* ---- Characters ---- */

static size_t
text_encode_utf8(uint32_t c, char out[4])
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* c: the bytes of one character. */
static uint32_t
text_decode_utf8(struct str c)
{
	uint32_t code = (unsigned char)c.p[0];

	if (c.len > 1)
		code &= 0x3fu >> (c.len - 1);
	for (size_t i = 1; i < c.len; i++)
		code = code << 6 | ((unsigned char)c.p[i] & 0x3f);
	return code;
}

/* Includes control characters. */
static bool
text_is_space(uint32_t c)
{
	return c <= ' ' || (c >= 0x7f && c <= 0xa0) || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
	       c == 0x202f || c == 0x205f || c == 0x3000;
}

/* Joiners, soft hyphens and the like; newsletters fill their first lines with
 * them. */
static bool
text_is_invisible(uint32_t c)
{
	return c == 0xad || c == 0x34f || (c >= 0x200b && c <= 0x200f) || c == 0x2060 || c == 0xfeff;
}

static void
text_put(struct text_words *w, uint32_t c)
{
	char bytes[4];

	if (text_is_invisible(c) && (w->space || w->chars == 0))
		return;
	if (text_is_space(c) || w->chars >= w->max_chars) {
		w->space = true;
		return;
	}
	if (w->space && w->chars != 0) {
		buf_add_byte(&w->out, ' ');
		if (++w->chars >= w->max_chars)
			return;
	}
	w->space = false;
	buf_add(&w->out, bytes, text_encode_utf8(c, bytes));
	w->chars++;
}

static struct str
text_put_first(struct text_words *w, struct str s)
{
	size_t len = (unsigned char)s.p[0] < 0x80 ? 1 : str_utf8_sequence(s);

	if (len != 0)
		text_put(w, text_decode_utf8(str_first(s, len)));
	return str_from(s, len != 0 ? len : 1);
}

/* ---- Tags ---- */

static bool
text_is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
text_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The element name at the beginning of s. */
static struct str
text_tag_name(struct str s)
{
	size_t len = 0;

	while (len < s.len && (text_is_letter(s.p[len]) || text_is_digit(s.p[len]) || s.p[len] == ':'))
		len++;
	return str_first(s, len);
}

static struct str
text_skip_past(struct str s, struct str mark)
{
	const char *at = s.len != 0 ? memmem(s.p, s.len, mark.p, mark.len) : NULL;

	return at != NULL ? str_from(s, (size_t)(at - s.p) + mark.len) : STR_NONE;
}

/* The end of a quoted value; a quote without an end does not count as one. */
static size_t
text_quoted_end(struct text_words *w, struct str s, size_t at)
{
	bool *none = &w->no_quote[s.p[at] == '"'];
	const char *end = *none ? NULL : memchr(s.p + at + 1, s.p[at], s.len - at - 1);

	*none |= end == NULL;
	return end != NULL ? (size_t)(end - s.p) + 1 : at + 1;
}

/* The position after the '>' of a tag; one within a quoted value does not count. */
static struct str
text_skip_tag(struct text_words *w, struct str s)
{
	size_t i = 1;
	bool behind_equals = false;

	while (i < s.len && s.p[i] != '>') {
		char c = s.p[i];
		if (behind_equals && (c == '"' || c == '\'')) {
			i = text_quoted_end(w, s, i);
			behind_equals = false;
			continue;
		}
		if (c != ' ' && c != '\t' && c != '\r' && c != '\n')
			behind_equals = c == '=';
		i++;
	}
	return str_from(s, i < s.len ? i + 1 : i);
}

/* The text from the closing tag of an element on; STR_NONE: there is none. */
static struct str
text_find_end_tag(struct str s, struct str name)
{
	const char *at;

	while (s.len != 0 && (at = memmem(s.p, s.len, "</", 2)) != NULL) {
		s = str_from(s, (size_t)(at - s.p));
		if (str_eq_ci(text_tag_name(str_from(s, 2)), name))
			return s;
		s = str_from(s, 2);
	}
	return STR_NONE;
}

enum { TAG_INLINE = 1, TAG_HEAD = 2, TAG_HIDDEN = 4 };

/* TAG_INLINE: words continue across it. TAG_HIDDEN: its content is not shown. */
static unsigned
text_tag_kind(struct str name)
{
	static const struct {
		struct str name;
		unsigned kind;
	} tags[] = {
		{STR("a"), TAG_INLINE},	    {STR("abbr"), TAG_INLINE},	   {STR("acronym"), TAG_INLINE},
		{STR("b"), TAG_INLINE},	    {STR("bdo"), TAG_INLINE},	   {STR("big"), TAG_INLINE},
		{STR("cite"), TAG_INLINE},  {STR("code"), TAG_INLINE},	   {STR("del"), TAG_INLINE},
		{STR("dfn"), TAG_INLINE},   {STR("em"), TAG_INLINE},	   {STR("font"), TAG_INLINE},
		{STR("i"), TAG_INLINE},	    {STR("ins"), TAG_INLINE},	   {STR("kbd"), TAG_INLINE},
		{STR("label"), TAG_INLINE}, {STR("mark"), TAG_INLINE},	   {STR("q"), TAG_INLINE},
		{STR("s"), TAG_INLINE},	    {STR("samp"), TAG_INLINE},	   {STR("small"), TAG_INLINE},
		{STR("span"), TAG_INLINE},  {STR("strike"), TAG_INLINE},   {STR("strong"), TAG_INLINE},
		{STR("sub"), TAG_INLINE},   {STR("sup"), TAG_INLINE},	   {STR("tt"), TAG_INLINE},
		{STR("u"), TAG_INLINE},	    {STR("var"), TAG_INLINE},	   {STR("wbr"), TAG_INLINE},
		{STR("head"), TAG_HEAD},    {STR("style"), TAG_HIDDEN},	   {STR("script"), TAG_HIDDEN},
		{STR("title"), TAG_HIDDEN}, {STR("template"), TAG_HIDDEN}, {STR("xml"), TAG_HIDDEN},
	};

	for (unsigned i = 0; i < sizeof(tags) / sizeof(tags[0]); i++)
		if (tags[i].name.len == name.len && str_eq_ci(tags[i].name, name))
			return tags[i].kind;
	return 0;
}

/* Skips the content after the opening tag of an element that is not shown. A
 * head without an end is skipped tag by tag. */
static struct str
text_skip_content(struct text_words *w, struct str name, unsigned kind, struct str s)
{
	struct str end;

	if ((kind & TAG_HIDDEN) != 0)
		return text_find_end_tag(s, name);
	if ((kind & TAG_HEAD) == 0 || w->no_head_end)
		return s;
	end = text_find_end_tag(s, name);
	w->no_head_end = end.len == 0;
	return w->no_head_end ? s : end;
}

/* s begins with "<". */
static struct str
text_take_tag(struct text_words *w, struct str s)
{
	struct str name, rest;
	unsigned kind;

	if (str_starts(s, STR("<!--")))
		return text_skip_past(str_from(s, 2), STR("-->")); /* "<!-->" is a comment too */
	if (s.len < 2 || !(text_is_letter(s.p[1]) || s.p[1] == '/' || s.p[1] == '!' || s.p[1] == '?'))
		return text_put_first(w, s);
	name = text_tag_name(str_from(s, s.p[1] == '/' ? 2 : 1));
	kind = text_tag_kind(name);
	w->space |= (kind & TAG_INLINE) == 0;
	rest = text_skip_tag(w, s);
	return s.p[1] != '/' ? text_skip_content(w, name, kind, rest) : rest;
}

/* ---- Character references ---- */

/* "#8217" or "#x2019". */
static uint32_t
text_numeric_reference(struct str name)
{
	uint32_t c = 0, base = 10;

	name = str_from(name, 1);
	if (name.len != 0 && (name.p[0] | 0x20) == 'x') {
		base = 16;
		name = str_from(name, 1);
	}
	if (name.len == 0)
		return 0;
	for (size_t i = 0; i < name.len; i++) {
		uint32_t digit = text_is_digit(name.p[i]) ? (uint32_t)(name.p[i] - '0')
							  : (uint32_t)(name.p[i] | 0x20) - 'a' + 10;
		if (digit >= base || c > 0x10ffff)
			return 0;
		c = c * base + digit;
	}
	return html_entity_character(c);
}

/* The possible name or number after the "&". */
static struct str
text_reference_name(struct str s)
{
	size_t len = s.len != 0 && s.p[0] == '#';

	while (len < s.len && len < HTML_ENTITY_MAX && (text_is_letter(s.p[len]) || text_is_digit(s.p[len])))
		len++;
	return str_first(s, len);
}

/* s begins with "&". */
static struct str
text_take_reference(struct text_words *w, struct str s)
{
	struct str name = text_reference_name(str_from(s, 1));
	bool ends = 1 + name.len < s.len && s.p[1 + name.len] == ';';
	uint32_t c = 0;

	if (name.len > 1 && name.p[0] == '#')
		c = text_numeric_reference(name);
	else if (name.len != 0)
		c = html_entity_find(name);
	/* Without ';' only names from Latin 1 are recognised. */
	if (c == 0 || (!ends && name.p[0] != '#' && c > 0xff))
		return text_put_first(w, s);
	text_put(w, c);
	return str_from(s, 1 + name.len + ends);
}

struct str
message_text_words(struct str s, bool html, unsigned max_chars, struct arena *arena, bool *full_out)
{
	struct text_words w = {.out = BUF_EMPTY, .max_chars = max_chars};
	struct str result;

	while (s.len != 0 && w.chars < max_chars) {
		if (html && s.p[0] == '<')
			s = text_take_tag(&w, s);
		else if (html && s.p[0] == '&')
			s = text_take_reference(&w, s);
		else
			s = text_put_first(&w, s);
	}
	*full_out = w.chars >= max_chars;
	result = arena_str(arena, buf_str(&w.out));
	buf_fini(&w.out);
	return str_trim(result);
}
