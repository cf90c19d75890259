/* ENVELOPE, BODY and BODYSTRUCTURE as IMAP sends them. */
#include "lib/mime/structure.h"

#include <string.h>

#include "lib/mime/address.h"

static void
write_string(struct str s, struct buf *out)
{
	bool quotable = s.len <= 1000;

	for (size_t i = 0; i < s.len && quotable; i++)
		quotable = s.p[i] >= ' ' && s.p[i] < 0x7f;
	if (!quotable) {
		buf_printf(out, "{%zu}\r\n", s.len);
		buf_add_str(out, s);
		return;
	}
	buf_add_byte(out, '"');
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			buf_add_byte(out, '\\');
		buf_add_byte(out, s.p[i]);
	}
	buf_add_byte(out, '"');
}

void
mime_write_nstring(struct str s, struct buf *out)
{
	if (s.p == NULL)
		buf_add_str(out, STR("NIL"));
	else
		write_string(s, out);
}

static void
write_or_nil_if_empty(struct str s, struct buf *out)
{
	mime_write_nstring(s.len != 0 ? s : STR_NONE, out);
}

/* ---- ENVELOPE ---- */

enum { DATE, SUBJECT, FROM, SENDER, REPLY_TO, TO, CC, BCC, IN_REPLY_TO, MESSAGE_ID, FIELDS };

static const char *const envelope_fields[FIELDS] = {"Date", "Subject", "From", "Sender",      "Reply-To",
						    "To",   "Cc",      "Bcc",  "In-Reply-To", "Message-ID"};

/* One pass over the header; of repeated fields the first counts, but address
 * fields are joined. */
static void
collect_fields(struct str header, struct str values[FIELDS], struct arena *arena)
{
	struct mime_field field;
	struct buf joined[FIELDS] = {{0}};

	for (unsigned i = 0; i < FIELDS; i++)
		values[i] = STR_NONE;
	while (mime_next_field(&header, &field))
		for (unsigned i = 0; i < FIELDS; i++) {
			if (!str_eq_ci(field.name, str_c(envelope_fields[i])))
				continue;
			if (values[i].p == NULL) {
				values[i] = field.value;
			} else if (i == TO || i == CC || i == BCC) {
				if (joined[i].len == 0)
					buf_add_str(&joined[i], values[i]);
				buf_add_byte(&joined[i], ',');
				buf_add_str(&joined[i], field.value);
			}
		}
	for (unsigned i = 0; i < FIELDS; i++)
		if (joined[i].len != 0) {
			values[i] = arena_str(arena, buf_str(&joined[i]));
			buf_fini(&joined[i]);
		}
}

static void
write_addresses(const struct mime_address *list, struct buf *out)
{
	if (list == NULL) {
		buf_add_str(out, STR("NIL"));
		return;
	}
	buf_add_byte(out, '(');
	for (const struct mime_address *a = list; a != NULL; a = a->next) {
		buf_add_byte(out, '(');
		/* A group starts with its name and no host, and ends with neither. */
		write_or_nil_if_empty(a->kind == MIME_GROUP_START ? STR_NONE : a->name, out);
		buf_add_byte(out, ' ');
		write_or_nil_if_empty(a->route, out);
		buf_add_byte(out, ' ');
		if (a->kind == MIME_GROUP_END)
			buf_add_str(out, STR("NIL NIL"));
		else if (a->kind == MIME_GROUP_START) {
			write_string(a->name, out);
			buf_add_str(out, STR(" NIL"));
		} else {
			write_string(a->mailbox, out);
			buf_add_byte(out, ' ');
			/* A mailbox without a host would be read as the start of a group. */
			write_string(a->host, out);
		}
		buf_add_byte(out, ')');
	}
	buf_add_byte(out, ')');
}

void
mime_write_envelope(struct str header, struct arena *arena, struct buf *out)
{
	struct str values[FIELDS];
	const struct mime_address *from = NULL;

	collect_fields(header, values, arena);
	buf_add_byte(out, '(');
	for (unsigned i = 0; i < FIELDS; i++) {
		if (i != 0)
			buf_add_byte(out, ' ');
		if (i >= FROM && i <= BCC) {
			const struct mime_address *list =
				values[i].p != NULL ? mime_parse_addresses(values[i], arena) : NULL;
			if (i == FROM)
				from = list;
			/* RFC 9051: without a Sender or Reply-To the From is used. */
			else if ((i == SENDER || i == REPLY_TO) && list == NULL)
				list = from;
			write_addresses(list, out);
		} else {
			mime_write_nstring(values[i].p != NULL ? mime_unfold(values[i], arena) : STR_NONE, out);
		}
	}
	buf_add_byte(out, ')');
}

/* ---- BODY and BODYSTRUCTURE ---- */

static bool
structure_is_ascii(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] >= 0x80)
			return false;
	return true;
}

/* A parameter that arrived in RFC 2231's form is sent in it again, in one piece and
 * in UTF-8: 8-bit text without a known charset is interpreted in many ways (RFC
 * 3501, 4.3.1). */
static void
write_extended_param(const struct mime_param *param, struct buf *out)
{
	static const char kept[] = "-._~!#$&+^`{}|";
	struct buf text = BUF_EMPTY;

	buf_printf(&text, "%.*s*", STR_ARG(param->name));
	write_string(buf_str(&text), out);
	buf_add_byte(out, ' ');
	buf_clear(&text);
	buf_add_c(&text, "utf-8''");
	for (size_t i = 0; i < param->value.len; i++) {
		char c = param->value.p[i];
		if ((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
		    (c != '\0' && strchr(kept, c) != NULL))
			buf_add_byte(&text, c);
		else
			buf_printf(&text, "%%%02X", (unsigned char)c);
	}
	write_string(buf_str(&text), out);
	buf_fini(&text);
}

static void
write_params(const struct mime_value *v, struct buf *out)
{
	if (v->param_count == 0) {
		buf_add_str(out, STR("NIL"));
		return;
	}
	for (unsigned i = 0; i < v->param_count; i++) {
		buf_add_byte(out, i == 0 ? '(' : ' ');
		if (v->params[i].extended && !structure_is_ascii(v->params[i].value)) {
			write_extended_param(&v->params[i], out);
			continue;
		}
		write_string(v->params[i].name, out);
		buf_add_byte(out, ' ');
		write_string(v->params[i].value, out);
	}
	buf_add_byte(out, ')');
}

static struct str
field_text(const struct mime_part *part, const char *name, struct arena *arena)
{
	struct str raw;

	if (!mime_find_field(part->header, name, &raw))
		return STR_NONE;
	raw = mime_unfold(raw, arena);
	return raw.len != 0 ? raw : STR_NONE;
}

/* SP body-fld-dsp SP body-fld-lang SP body-fld-loc */
static void
write_tail(const struct mime_part *part, struct arena *arena, struct buf *out)
{
	struct str raw, word, languages;
	unsigned count = 0;

	buf_add_byte(out, ' ');
	if (mime_find_field(part->header, "Content-Disposition", &raw)) {
		struct mime_value disposition;
		mime_parse_value(raw, arena, &disposition);
		buf_add_byte(out, '(');
		write_string(disposition.main.len != 0 ? disposition.main : STR("attachment"), out);
		buf_add_byte(out, ' ');
		write_params(&disposition, out);
		buf_add_byte(out, ')');
	} else {
		buf_add_str(out, STR("NIL"));
	}
	buf_add_byte(out, ' ');
	languages = field_text(part, "Content-Language", arena);
	while (str_next_word(&languages, " \t,", &word)) {
		buf_add_byte(out, count++ == 0 ? '(' : ' ');
		write_string(word, out);
	}
	buf_add_str(out, count != 0 ? STR(")") : STR("NIL"));
	buf_add_byte(out, ' ');
	mime_write_nstring(field_text(part, "Content-Location", arena), out);
}

static void write_part(const struct mime_part *part, bool extended, struct arena *arena, struct buf *out);

static void
write_multipart(const struct mime_part *part, bool extended, struct arena *arena, struct buf *out)
{
	buf_add_byte(out, '(');
	for (const struct mime_part *child = part->first_child; child != NULL; child = child->next)
		write_part(child, extended, arena, out);
	/* The grammar requires at least one body. */
	if (part->first_child == NULL) {
		buf_add_str(out, STR("(\"text\" \"plain\" NIL NIL NIL \"7bit\" 0 0"));
		buf_add_str(out, extended ? STR(" NIL NIL NIL NIL)") : STR(")"));
	}
	buf_add_byte(out, ' ');
	write_string(part->type.sub, out);
	if (extended) {
		buf_add_byte(out, ' ');
		write_params(&part->type, out);
		write_tail(part, arena, out);
	}
	buf_add_byte(out, ')');
}

/* The value of Content-Transfer-Encoding, without comments and anything else. */
static struct str
encoding_text(const struct mime_part *part, struct arena *arena)
{
	struct mime_value value = {0};
	struct str text = field_text(part, "Content-Transfer-Encoding", arena);

	mime_parse_value(text, arena, &value);
	if (value.main.len == 0)
		return STR("7bit");
	return str_eq_ci(text, value.main) ? text : value.main;
}

static void
write_leaf(const struct mime_part *part, bool extended, struct arena *arena, struct buf *out)
{
	bool is_text = str_eq(part->type.main, STR("text"));

	buf_add_byte(out, '(');
	write_string(part->type.main, out);
	buf_add_byte(out, ' ');
	write_string(part->type.sub, out);
	buf_add_byte(out, ' ');
	if (is_text && mime_param_find(&part->type, "charset").p == NULL && part->type.param_count == 0)
		buf_add_str(out, STR("(\"charset\" \"us-ascii\")"));
	else
		write_params(&part->type, out);
	buf_add_byte(out, ' ');
	mime_write_nstring(field_text(part, "Content-ID", arena), out);
	buf_add_byte(out, ' ');
	mime_write_nstring(field_text(part, "Content-Description", arena), out);
	buf_add_byte(out, ' ');
	write_string(encoding_text(part, arena), out);
	buf_printf(out, " %llu", (unsigned long long)(part->body_end - part->body_start));
	if (part->kind == MIME_MESSAGE) {
		buf_add_byte(out, ' ');
		mime_write_envelope(part->first_child->header, arena, out);
		buf_add_byte(out, ' ');
		write_part(part->first_child, extended, arena, out);
	}
	if (is_text || part->kind == MIME_MESSAGE)
		buf_printf(out, " %llu", (unsigned long long)part->lines);
	if (extended) {
		buf_add_byte(out, ' ');
		mime_write_nstring(field_text(part, "Content-MD5", arena), out);
		write_tail(part, arena, out);
	}
	buf_add_byte(out, ')');
}

static void
write_part(const struct mime_part *part, bool extended, struct arena *arena, struct buf *out)
{
	if (part->kind == MIME_MULTIPART)
		write_multipart(part, extended, arena, out);
	else
		write_leaf(part, extended, arena, out);
}

void
mime_write_structure(const struct mime_part *root, bool extended, struct arena *arena, struct buf *out)
{
	write_part(root, extended, arena, out);
}
