/* The grammar of fetch-att (RFC 9051, section 9). */
#include "frontend/imap/parse/fetch_items.h"

#include <string.h>

#include <utlist.h>

#include "lib/base/buf.h"

static const struct {
	const char *name;
	unsigned items;
} plain_items[] = {
	{"UID", FETCH_UID},
	{"FLAGS", FETCH_FLAGS},
	{"RFC822.SIZE", FETCH_SIZE},
	{"MODSEQ", FETCH_MODSEQ},
	{"EMAILID", FETCH_EMAILID},
	{"THREADID", FETCH_THREADID},
	{"INTERNALDATE", FETCH_INTERNALDATE},
	{"SAVEDATE", FETCH_SAVEDATE},
	{"ENVELOPE", FETCH_ENVELOPE},
	{"BODYSTRUCTURE", FETCH_BODYSTRUCTURE},
};

static const struct {
	const char *name;
	unsigned items;
} macros[] = {
	{"ALL", FETCH_FLAGS | FETCH_INTERNALDATE | FETCH_SIZE | FETCH_ENVELOPE},
	{"FAST", FETCH_FLAGS | FETCH_INTERNALDATE | FETCH_SIZE},
	{"FULL", FETCH_FLAGS | FETCH_INTERNALDATE | FETCH_SIZE | FETCH_ENVELOPE | FETCH_BODY},
};

/* RFC 3501's names for sections. */
static const struct {
	const char *name;
	enum imap_section_part part;
	bool peek;
} old_sections[] = {
	{"RFC822", SECTION_WHOLE, false},
	{"RFC822.HEADER", SECTION_HEADER, true},
	{"RFC822.TEXT", SECTION_TEXT, false},
};

static struct imap_section *
items_add_section(struct imap_lexer *l, struct imap_fetch_items *out)
{
	struct imap_section *s = arena_new(l->arena, struct imap_section);

	if (++out->section_count > IMAP_SECTIONS_MAX) {
		imap_lex_fail(l, "too many sections");
		return NULL;
	}
	LL_APPEND(out->sections, s);
	return s;
}

static bool
items_parse_fields(struct imap_lexer *l, struct imap_section *s)
{
	struct str *fields = NULL;
	unsigned room = 0;

	if (!imap_lex_sp(l) || !imap_lex_open(l))
		return false;
	do {
		if (s->field_count == room) {
			struct str *more = arena_array(l->arena, struct str, room == 0 ? 16 : room * 2);
			if (room != 0)
				memcpy(more, fields, sizeof(*fields) * room);
			fields = more;
			room = room == 0 ? 16 : room * 2;
		}
		if (!imap_lex_astring(l, &fields[s->field_count]))
			return false;
		s->field_count++;
	} while (imap_lex_more(l));
	s->fields = fields;
	return l->error == NULL;
}

static bool
items_parse_section_text(struct imap_lexer *l, struct imap_section *s)
{
	struct str name;

	if (!imap_lex_name(l, &name))
		return false;
	if (str_eq_ci(name, STR("HEADER")))
		s->part = SECTION_HEADER;
	else if (str_eq_ci(name, STR("TEXT")))
		s->part = SECTION_TEXT;
	else if (str_eq_ci(name, STR("MIME")) && s->number_count != 0)
		s->part = SECTION_MIME;
	else if (str_eq_ci(name, STR("HEADER.FIELDS")))
		s->part = SECTION_FIELDS;
	else if (str_eq_ci(name, STR("HEADER.FIELDS.NOT")))
		s->part = SECTION_FIELDS_NOT;
	else
		return imap_lex_fail(l, "unknown section");
	return (s->part != SECTION_FIELDS && s->part != SECTION_FIELDS_NOT) || items_parse_fields(l, s);
}

/* "1.2.HEADER" */
static bool
items_parse_section(struct imap_lexer *l, struct imap_section *s)
{
	uint32_t numbers[IMAP_SECTION_NUMBERS_MAX];
	bool ended = true;

	while (imap_lex_peek(l) >= '0' && imap_lex_peek(l) <= '9') {
		if (s->number_count == IMAP_SECTION_NUMBERS_MAX)
			return imap_lex_fail(l, "the section is nested too deeply");
		if (!imap_lex_nz_number(l, &numbers[s->number_count++]))
			return false;
		ended = !imap_lex_try(l, '.');
		if (ended)
			break;
	}
	if (s->number_count != 0)
		s->numbers = (const uint32_t *)(const void *)arena_dup(l->arena, numbers,
								       sizeof(numbers[0]) * s->number_count);
	if (imap_lex_peek(l) == ']')
		return ended || imap_lex_fail(l, "the section ends in a dot");
	if (ended && s->number_count != 0)
		return imap_lex_fail(l, "malformed section");
	return items_parse_section_text(l, s);
}

static bool
items_parse_partial(struct imap_lexer *l, struct imap_section *s)
{
	if (!imap_lex_try(l, '<'))
		return true;
	s->partial = true;
	if (!imap_lex_number64(l, &s->offset) || !imap_lex_char(l, '.') || !imap_lex_number64(l, &s->length) ||
	    !imap_lex_char(l, '>'))
		return false;
	return s->length != 0 || imap_lex_fail(l, "the partial range is empty");
}

/* An astring in a form that any client reads: an atom where possible. */
static void
items_label_field(struct str field, struct buf *out)
{
	bool atom = field.len != 0, quoted = true;

	for (size_t i = 0; i < field.len; i++) {
		unsigned char c = (unsigned char)field.p[i];
		atom = atom && c > ' ' && c < 0x7f && strchr("(){%*\"\\]", c) == NULL;
		quoted = quoted && c >= ' ' && c < 0x7f && c != '"' && c != '\\';
	}
	if (atom)
		buf_add_str(out, field);
	else if (quoted)
		buf_printf(out, "\"%.*s\"", STR_ARG(field));
	else {
		buf_printf(out, "{%zu}\r\n", field.len);
		buf_add_str(out, field);
	}
}

/* The section as the answer names it, however the client wrote it. */
static struct str
items_label_of(const struct imap_section *s, const char *name, struct arena *arena)
{
	static const char *const parts[] = {"", "HEADER", "HEADER.FIELDS (", "HEADER.FIELDS.NOT (", "TEXT", "MIME"};
	struct buf out = BUF_EMPTY;
	struct str label;

	buf_printf(&out, "%s[", name);
	for (unsigned i = 0; i < s->number_count; i++)
		buf_printf(&out, "%s%u", i != 0 ? "." : "", s->numbers[i]);
	if (s->number_count != 0 && s->part != SECTION_WHOLE)
		buf_add_byte(&out, '.');
	buf_add_c(&out, parts[s->part]);
	for (unsigned i = 0; i < s->field_count; i++) {
		if (i != 0)
			buf_add_byte(&out, ' ');
		items_label_field(s->fields[i], &out);
	}
	buf_add_c(&out, s->field_count != 0 ? ")]" : "]");
	label = arena_str(arena, buf_str(&out));
	buf_fini(&out);
	return label;
}

static bool
items_parse_bracket(struct imap_lexer *l, struct imap_section *s, const char *name)
{
	if (!imap_lex_char(l, '[') || !items_parse_section(l, s) || !imap_lex_char(l, ']'))
		return false;
	if (s->kind != SECTION_BODY && s->part != SECTION_WHOLE)
		return imap_lex_fail(l, "BINARY needs a part number");
	s->label = items_label_of(s, name, l->arena);
	return s->kind == SECTION_BINARY_SIZE || items_parse_partial(l, s);
}

static bool
items_parse_body(struct imap_lexer *l, bool peek, struct imap_fetch_items *out)
{
	struct imap_section *s;

	if (imap_lex_peek(l) != '[') {
		out->items |= FETCH_BODY;
		return !peek || imap_lex_fail(l, "BODY.PEEK needs a section");
	}
	s = items_add_section(l, out);
	if (s == NULL)
		return false;
	s->peek = peek;
	return items_parse_bracket(l, s, "BODY");
}

static bool
items_parse_binary(struct imap_lexer *l, enum imap_section_kind kind, bool peek, struct imap_fetch_items *out)
{
	struct imap_section *s = items_add_section(l, out);

	if (s == NULL)
		return false;
	s->kind = kind;
	s->peek = peek;
	return items_parse_bracket(l, s, kind == SECTION_BINARY ? "BINARY" : "BINARY.SIZE");
}

/* RFC 8970: "PREVIEW (LAZY)"; what follows may be the modifiers of FETCH. */
static bool
items_parse_preview(struct imap_lexer *l, struct imap_fetch_items *out)
{
	struct imap_section *s = items_add_section(l, out);
	size_t behind = l->at;

	if (s == NULL)
		return false;
	s->kind = SECTION_PREVIEW;
	s->peek = true;
	s->label = STR("PREVIEW");
	if (!imap_lex_try(l, ' ') || !imap_lex_try(l, '(') || !imap_lex_try_word(l, "LAZY"))
		l->at = behind;
	else if (!imap_lex_char(l, ')'))
		return false;
	return true;
}

static bool
items_parse_item(struct imap_lexer *l, struct imap_fetch_items *out)
{
	struct str name;

	if (!imap_lex_name(l, &name))
		return false;
	if (str_eq_ci(name, STR("BODY")))
		return items_parse_body(l, false, out);
	if (str_eq_ci(name, STR("BODY.PEEK")))
		return items_parse_body(l, true, out);
	if (str_eq_ci(name, STR("BINARY")))
		return items_parse_binary(l, SECTION_BINARY, false, out);
	if (str_eq_ci(name, STR("BINARY.PEEK")))
		return items_parse_binary(l, SECTION_BINARY, true, out);
	if (str_eq_ci(name, STR("BINARY.SIZE")))
		return items_parse_binary(l, SECTION_BINARY_SIZE, true, out);
	if (str_eq_ci(name, STR("PREVIEW")))
		return items_parse_preview(l, out);
	for (unsigned i = 0; i < sizeof(plain_items) / sizeof(plain_items[0]); i++)
		if (str_eq_ci(name, str_c(plain_items[i].name))) {
			out->items |= plain_items[i].items;
			return true;
		}
	for (unsigned i = 0; i < sizeof(old_sections) / sizeof(old_sections[0]); i++)
		if (str_eq_ci(name, str_c(old_sections[i].name))) {
			struct imap_section *s = items_add_section(l, out);
			if (s == NULL)
				return false;
			s->part = old_sections[i].part;
			s->peek = old_sections[i].peek;
			s->label = str_c(old_sections[i].name);
			return true;
		}
	return imap_lex_fail(l, "unknown fetch item");
}

static bool
items_parse(struct imap_lexer *l, struct imap_fetch_items *out)
{
	if (imap_lex_peek(l) == '(') {
		if (!imap_lex_open(l))
			return false;
		do {
			if (!items_parse_item(l, out))
				return false;
		} while (imap_lex_more(l));
		return l->error == NULL;
	}
	for (unsigned i = 0; i < sizeof(macros) / sizeof(macros[0]); i++)
		if (imap_lex_try_word(l, macros[i].name)) {
			out->items |= macros[i].items;
			return true;
		}
	return items_parse_item(l, out);
}

/* RFC 7162: "(CHANGEDSINCE 5 VANISHED)"; RFC 9394: "(PARTIAL 1:100)". */
static bool
items_parse_modifiers(struct imap_lexer *l, struct imap_fetch_items *out)
{
	if (!imap_lex_open(l))
		return false;
	do {
		if (imap_lex_try_word(l, "CHANGEDSINCE")) {
			if (!imap_lex_sp(l) || !imap_lex_number64(l, &out->changed_since))
				return false;
			out->has_changed_since = true;
		} else if (imap_lex_try_word(l, "VANISHED")) {
			out->vanished = true;
		} else if (imap_lex_try_word(l, "PARTIAL")) {
			if (!imap_lex_sp(l) || !imap_lex_partial(l, &out->partial))
				return false;
		} else {
			return imap_lex_fail(l, "unknown fetch modifier");
		}
	} while (imap_lex_more(l));
	return l->error == NULL;
}

bool
imap_parse_fetch(struct imap_lexer *l, struct imap_fetch_items *out)
{
	*out = (struct imap_fetch_items){0};
	if (!items_parse(l, out))
		return false;
	if (imap_lex_try(l, ' ') && !items_parse_modifiers(l, out))
		return false;
	return imap_lex_end(l);
}
