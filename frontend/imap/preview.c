/* The first words of a text. */
#include "frontend/imap/preview.h"

#include <string.h>

#include "frontend/imap/entity.h"
#include "lib/base/buf.h"

struct preview {
	struct buf out;
	unsigned chars;
	bool space; /* one is due before the next character */
	/* HTML: what was looked for in vain, so that it is not looked for again. */
	bool no_quote[2]; /* of ' and of " */
	bool no_head_end;
};

/* ---- Characters ---- */

static size_t
encode_utf8(uint32_t c, char out[4])
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
decode_utf8(struct str c)
{
	uint32_t code = (unsigned char)c.p[0];

	if (c.len > 1)
		code &= 0x3fu >> (c.len - 1);
	for (size_t i = 1; i < c.len; i++)
		code = code << 6 | ((unsigned char)c.p[i] & 0x3f);
	return code;
}

/* Control characters too. */
static bool
is_space(uint32_t c)
{
	return c <= ' ' || (c >= 0x7f && c <= 0xa0) || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
	       c == 0x202f || c == 0x205f || c == 0x3000;
}

/* Joiners, soft hyphens and the like; newsletters fill their first lines with
 * them. */
static bool
is_invisible(uint32_t c)
{
	return c == 0xad || c == 0x34f || (c >= 0x200b && c <= 0x200f) || c == 0x2060 || c == 0xfeff;
}

static void
put(struct preview *p, uint32_t c)
{
	char bytes[4];

	if (is_invisible(c) && (p->space || p->chars == 0))
		return;
	if (is_space(c) || p->chars >= IMAP_PREVIEW_CHARS) {
		p->space = true;
		return;
	}
	if (p->space && p->chars != 0) {
		buf_add_byte(&p->out, ' ');
		if (++p->chars >= IMAP_PREVIEW_CHARS)
			return;
	}
	p->space = false;
	buf_add(&p->out, bytes, encode_utf8(c, bytes));
	p->chars++;
}

static struct str
put_first(struct preview *p, struct str s)
{
	size_t len = (unsigned char)s.p[0] < 0x80 ? 1 : str_utf8_sequence(s);

	if (len != 0)
		put(p, decode_utf8(str_first(s, len)));
	return str_from(s, len != 0 ? len : 1);
}

/* ---- Tags ---- */

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The element's name at the beginning of s. */
static struct str
tag_name(struct str s)
{
	size_t len = 0;

	while (len < s.len && (is_letter(s.p[len]) || is_digit(s.p[len]) || s.p[len] == ':'))
		len++;
	return str_first(s, len);
}

static struct str
skip_past(struct str s, struct str mark)
{
	const char *at = s.len != 0 ? memmem(s.p, s.len, mark.p, mark.len) : NULL;

	return at != NULL ? str_from(s, (size_t)(at - s.p) + mark.len) : STR_NONE;
}

/* Behind a quoted value; one without an end is none. */
static size_t
quoted_end(struct preview *p, struct str s, size_t at)
{
	bool *none = &p->no_quote[s.p[at] == '"'];
	const char *end = *none ? NULL : memchr(s.p + at + 1, s.p[at], s.len - at - 1);

	*none |= end == NULL;
	return end != NULL ? (size_t)(end - s.p) + 1 : at + 1;
}

/* Behind the '>' of a tag: one within the quotes of a value does not count. */
static struct str
skip_tag(struct preview *p, struct str s)
{
	size_t i = 1;
	bool behind_equals = false;

	while (i < s.len && s.p[i] != '>') {
		char c = s.p[i];
		if (behind_equals && (c == '"' || c == '\'')) {
			i = quoted_end(p, s, i);
			behind_equals = false;
			continue;
		}
		if (c != ' ' && c != '\t' && c != '\r' && c != '\n')
			behind_equals = c == '=';
		i++;
	}
	return str_from(s, i < s.len ? i + 1 : i);
}

/* From the closing tag of an element on; STR_NONE: there is none. */
static struct str
find_end_tag(struct str s, struct str name)
{
	const char *at;

	while (s.len != 0 && (at = memmem(s.p, s.len, "</", 2)) != NULL) {
		s = str_from(s, (size_t)(at - s.p));
		if (str_eq_ci(tag_name(str_from(s, 2)), name))
			return s;
		s = str_from(s, 2);
	}
	return STR_NONE;
}

enum { TAG_INLINE = 1, TAG_HEAD = 2, TAG_HIDDEN = 4 };

/* TAG_INLINE: words run on across it. TAG_HIDDEN: its content is not shown. */
static unsigned
tag_kind(struct str name)
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

/* Behind the opening tag of an element that is not shown. Without its end a
 * head is passed over tag by tag. */
static struct str
skip_content(struct preview *p, struct str name, unsigned kind, struct str s)
{
	struct str end;

	if ((kind & TAG_HIDDEN) != 0)
		return find_end_tag(s, name);
	if ((kind & TAG_HEAD) == 0 || p->no_head_end)
		return s;
	end = find_end_tag(s, name);
	p->no_head_end = end.len == 0;
	return p->no_head_end ? s : end;
}

/* s begins with "<". */
static struct str
take_tag(struct preview *p, struct str s)
{
	struct str name, rest;
	unsigned kind;

	if (str_starts(s, STR("<!--")))
		return skip_past(str_from(s, 2), STR("-->")); /* "<!-->" is one too */
	if (s.len < 2 || !(is_letter(s.p[1]) || s.p[1] == '/' || s.p[1] == '!' || s.p[1] == '?'))
		return put_first(p, s);
	name = tag_name(str_from(s, s.p[1] == '/' ? 2 : 1));
	kind = tag_kind(name);
	p->space |= (kind & TAG_INLINE) == 0;
	rest = skip_tag(p, s);
	return s.p[1] != '/' ? skip_content(p, name, kind, rest) : rest;
}

/* ---- Character references ---- */

/* "#8217" or "#x2019". */
static uint32_t
numeric_reference(struct str name)
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
		uint32_t digit =
			is_digit(name.p[i]) ? (uint32_t)(name.p[i] - '0') : (uint32_t)(name.p[i] | 0x20) - 'a' + 10;
		if (digit >= base || c > 0x10ffff)
			return 0;
		c = c * base + digit;
	}
	return html_entity_character(c);
}

/* Behind the "&": what may be a name or a number. */
static struct str
reference_name(struct str s)
{
	size_t len = s.len != 0 && s.p[0] == '#';

	while (len < s.len && len < HTML_ENTITY_MAX && (is_letter(s.p[len]) || is_digit(s.p[len])))
		len++;
	return str_first(s, len);
}

/* s begins with "&". */
static struct str
take_reference(struct preview *p, struct str s)
{
	struct str name = reference_name(str_from(s, 1));
	bool ends = 1 + name.len < s.len && s.p[1 + name.len] == ';';
	uint32_t c = 0;

	if (name.len > 1 && name.p[0] == '#')
		c = numeric_reference(name);
	else if (name.len != 0)
		c = html_entity_find(name);
	/* Without its ';' only those of Latin 1 are meant so. */
	if (c == 0 || (!ends && name.p[0] != '#' && c > 0xff))
		return put_first(p, s);
	put(p, c);
	return str_from(s, 1 + name.len + ends);
}

struct str
imap_preview(struct str s, bool html, struct arena *arena, bool *full_out)
{
	struct preview p = {.out = BUF_EMPTY};
	struct str result;

	while (s.len != 0 && p.chars < IMAP_PREVIEW_CHARS) {
		if (html && s.p[0] == '<')
			s = take_tag(&p, s);
		else if (html && s.p[0] == '&')
			s = take_reference(&p, s);
		else
			s = put_first(&p, s);
	}
	*full_out = p.chars >= IMAP_PREVIEW_CHARS;
	result = arena_str(arena, buf_str(&p.out));
	buf_fini(&p.out);
	return str_trim(result);
}
