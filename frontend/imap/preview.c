/* The first words of a text. */
#include "frontend/imap/preview.h"

#include <string.h>

#include "lib/base/buf.h"

struct preview {
	struct buf out;
	unsigned chars;
	bool space; /* one is due before the next character */
};

/* One character's bytes. */
static void
put(struct preview *p, struct str c)
{
	bool space = c.len == 1 && (unsigned char)c.p[0] <= ' ';

	space |= str_eq(c, STR("\xc2\xa0")); /* no-break space */
	if (space || p->chars >= IMAP_PREVIEW_CHARS) {
		p->space = true;
		return;
	}
	if (p->space && p->chars != 0) {
		buf_add_byte(&p->out, ' ');
		if (++p->chars >= IMAP_PREVIEW_CHARS)
			return;
	}
	p->space = false;
	buf_add_str(&p->out, c);
	p->chars++;
}

static struct str
first_char(struct str s)
{
	size_t len = str_utf8_sequence(s);

	return str_first(s, len != 0 ? len : 1);
}

/* ---- HTML ---- */

/* Behind the end of an element whose content is not text. */
static struct str
skip_element(struct str s, struct str name)
{
	while (s.len != 0) {
		if (s.p[0] == '<' && s.len > name.len + 1 && s.p[1] == '/' && str_starts_ci(str_from(s, 2), name))
			return s;
		s = str_from(s, 1);
	}
	return s;
}

static struct str
skip_past(struct str s, struct str mark)
{
	const char *at = s.len != 0 ? memmem(s.p, s.len, mark.p, mark.len) : NULL;

	return at != NULL ? str_from(s, (size_t)(at - s.p) + mark.len) : STR_NONE;
}

/* s begins with "<". */
static struct str
skip_tag(struct str s)
{
	static const struct str elements[] = {STR("style"), STR("script"), STR("title")};

	if (str_starts(s, STR("<!--")))
		return skip_past(s, STR("-->"));
	for (unsigned i = 0; i < sizeof(elements) / sizeof(elements[0]); i++)
		if (str_starts_ci(str_from(s, 1), elements[i]))
			return skip_past(skip_element(s, elements[i]), STR(">"));
	return skip_past(s, STR(">"));
}

static size_t
encode_utf8(uint64_t c, char out[4])
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

/* "#8217" or "#x2019" as its character; false: none that may stand in a text. */
static bool
numeric_entity(struct str name, char out[4], size_t *len_out)
{
	uint64_t c = 0;
	unsigned base = 10;

	name = str_from(name, 1);
	if (name.len != 0 && (name.p[0] | 0x20) == 'x') {
		base = 16;
		name = str_from(name, 1);
	}
	if (name.len == 0 || name.len > 7)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		char lower = (char)(name.p[i] | 0x20);
		unsigned digit = name.p[i] >= '0' && name.p[i] <= '9' ? (unsigned)(name.p[i] - '0')
				 : lower >= 'a' && lower <= 'f'	      ? (unsigned)(lower - 'a') + 10
								      : 99;
		if (digit >= base)
			return false;
		c = c * base + digit;
	}
	if (c < ' ' || c == 0x7f || (c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff)
		return false;
	*len_out = encode_utf8(c, out);
	return true;
}

/* s begins with "&". */
static struct str
put_entity(struct preview *p, struct str s)
{
	static const struct {
		struct str name, text;
	} entities[] = {{STR("nbsp"), STR(" ")}, {STR("amp"), STR("&")},   {STR("lt"), STR("<")},
			{STR("gt"), STR(">")},	 {STR("quot"), STR("\"")}, {STR("apos"), STR("'")}};
	ptrdiff_t end = str_index(str_first(s, 12), ';');
	struct str name = end > 1 ? str_of(s.p + 1, (size_t)end - 1) : STR_NONE;
	char bytes[4];
	size_t len;

	for (unsigned i = 0; i < sizeof(entities) / sizeof(entities[0]); i++)
		if (str_eq(name, entities[i].name)) {
			put(p, entities[i].text);
			return str_from(s, (size_t)end + 1);
		}
	if (name.len > 1 && name.p[0] == '#' && numeric_entity(name, bytes, &len)) {
		put(p, str_of(bytes, len));
		return str_from(s, (size_t)end + 1);
	}
	put(p, str_first(s, 1));
	return str_from(s, 1);
}

struct str
imap_preview(struct str s, bool html, struct arena *arena)
{
	struct preview p = {.out = BUF_EMPTY};
	struct str result;

	while (s.len != 0 && p.chars < IMAP_PREVIEW_CHARS) {
		if (html && s.p[0] == '<') {
			s = skip_tag(s);
			p.space = true;
		} else if (html && s.p[0] == '&') {
			s = put_entity(&p, s);
		} else {
			struct str c = first_char(s);
			put(&p, c);
			s = str_from(s, c.len);
		}
	}
	result = arena_str(arena, buf_str(&p.out));
	buf_fini(&p.out);
	return str_trim(result);
}
