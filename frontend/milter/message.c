/* A message as milters see and change it. */
#include "frontend/milter/message.h"

#include <string.h>

#include "lib/base/mem.h"
#include "lib/smtp/address.h"
#include "lib/smtp/data.h"

void
milter_message_init(struct milter_message *m)
{
	memset(m, 0, sizeof(*m));
	arena_init(&m->arena);
	m->recipients_end = &m->recipients;
}

void
milter_message_fini(struct milter_message *m)
{
	mem_free(m->fields);
	m->fields = NULL;
	buf_fini(&m->body);
	arena_fini(&m->arena);
}

static struct milter_field *
message_open_slot(struct milter_message *m, unsigned at)
{
	if (m->count == m->room) {
		m->room = m->room == 0 ? 64 : m->room * 2;
		m->fields = mem_realloc(m->fields, m->room * sizeof(*m->fields));
	}
	memmove(&m->fields[at + 1], &m->fields[at], (m->count - at) * sizeof(*m->fields));
	m->count++;
	memset(&m->fields[at], 0, sizeof(m->fields[at]));
	return &m->fields[at];
}

/* ---- Reading ---- */

/* The length of a name in front of a colon; 0: there is none. */
static size_t
message_name_length(struct str line)
{
	size_t n = 0;

	while (n < line.len && line.p[n] > ' ' && line.p[n] < 127 && line.p[n] != ':')
		n++;
	return n < line.len && line.p[n] == ':' ? n : 0;
}

/* The length of the next line, with its CRLF; 0: it is incomplete. */
static size_t
message_line_length(struct str text, bool is_all)
{
	const char *end = text.len > 0 ? memchr(text.p, '\n', text.len) : NULL;

	if (end != NULL)
		return (size_t)(end - text.p) + 1;
	return is_all ? text.len : 0;
}

static bool
message_is_ours(const struct milter_message *m, const struct milter_field *f, struct str own_id)
{
	struct str name = str_first(f->raw, f->name_length);
	unsigned at = (unsigned)(f - m->fields);

	if (at == 0)
		return str_eq(name, STR("Return-Path"));
	if (!f[-1].is_ours || str_eq(str_first(f[-1].raw, f[-1].name_length), STR("Received")))
		return false;
	if (at == 1 && str_eq(name, STR("Authentication-Results")))
		return m->has_results;
	/* Nobody else can know the id. */
	return str_eq(name, STR("Received")) && memmem(f->raw.p, f->raw.len, own_id.p, own_id.len) != NULL;
}

static void
message_mark_ours(struct milter_message *m, struct str own_id)
{
	for (unsigned i = 0; i < m->count && i < 3; i++) {
		struct milter_field *f = &m->fields[i];

		f->is_ours = message_is_ours(m, f, own_id);
		f->is_hidden = f->is_ours && !str_eq(str_first(f->raw, f->name_length), STR("Authentication-Results"));
	}
}

static void
message_take_field(struct milter_message *m, struct str raw, size_t name_length)
{
	struct milter_field *f = message_open_slot(m, m->count);

	f->raw = raw;
	f->name_length = name_length;
}

bool
milter_message_parse(struct milter_message *m, struct str text, bool is_all, struct str own_id)
{
	struct str rest = text;
	size_t used = 0, line;

	m->count = 0;
	while (rest.len > 0) {
		line = message_line_length(rest, is_all);
		if (line == 0)
			return false;
		if (rest.p[0] == ' ' || rest.p[0] == '\t') {
			if (m->count == 0)
				break;
			m->fields[m->count - 1].raw.len += line;
		} else {
			size_t name = message_name_length(str_first(rest, line));

			if (name == 0)
				break;
			if (m->count == MILTER_FIELDS_MAX) {
				m->is_too_large = true;
				return false;
			}
			message_take_field(m, str_first(rest, line), name);
		}
		used += line;
		rest = str_from(rest, line);
	}
	if (rest.len == 0 && !is_all)
		return false;
	m->separator = str_starts(rest, STR("\r\n")) ? STR("\r\n") : STR_NONE;
	m->body_at = used + m->separator.len;
	for (unsigned i = 0; i < m->count; i++)
		m->fields[i].raw = arena_str(&m->arena, m->fields[i].raw);
	message_mark_ours(m, own_id);
	return true;
}

void
milter_field_value(const struct milter_field *f, bool keep_blanks, struct buf *out)
{
	struct str value = str_from(f->raw, f->name_length + 1);

	if (str_ends_ci(value, STR("\n")))
		value = str_first(value, value.len - 1);
	if (str_ends_ci(value, STR("\r")))
		value = str_first(value, value.len - 1);
	while (!keep_blanks && value.len > 0 && (value.p[0] == ' ' || value.p[0] == '\t'))
		value = str_from(value, 1);
	for (size_t i = 0; i < value.len; i++)
		if (value.p[i] != '\r' && value.p[i] != '\0')
			buf_add_byte(out, value.p[i]);
}

/* ---- Changing ---- */

void
milter_message_keep(const struct milter_message *m, struct milter_message *kept_out)
{
	*kept_out = *m;
	kept_out->fields = mem_alloc(m->room * sizeof(*m->fields) + 1);
	if (m->count > 0)
		memcpy(kept_out->fields, m->fields, m->count * sizeof(*m->fields));
}

/* Texts of fields stay in the arena as they were. */
void
milter_message_go_back(struct milter_message *m, const struct milter_message *kept)
{
	struct arena arena = m->arena;

	mem_free(m->fields);
	*m = *kept;
	m->arena = arena;
	*m->recipients_end = NULL;
}

static bool
message_name_is_valid(struct str name)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.p[i] <= ' ' || name.p[i] >= 127 || name.p[i] == ':')
			return false;
	return name.len > 0 && name.len < 900;
}

/* Whatever the value is, it stays one field: each further line begins with a blank. */
static bool
message_write_field(struct milter_message *m, struct milter_field *f, struct str name, struct str value,
		    bool has_blanks)
{
	struct buf raw = BUF_EMPTY;

	buf_add_str(&raw, name);
	buf_add_c(&raw, has_blanks ? ":" : ": ");
	for (size_t i = 0; i < value.len; i++) {
		char c = value.p[i];

		if (c == '\r' || c == '\0')
			continue;
		if (c != '\n') {
			buf_add_byte(&raw, c);
			continue;
		}
		if (i + 1 == value.len)
			break;
		buf_add_c(&raw, "\r\n");
		if (value.p[i + 1] != ' ' && value.p[i + 1] != '\t')
			buf_add_byte(&raw, '\t');
	}
	buf_add_c(&raw, "\r\n");
	f->raw = arena_str(&m->arena, buf_str(&raw));
	f->name_length = name.len;
	m->has_eight_bit |= str_has_eight_bit(f->raw);
	m->is_changed = true;
	buf_fini(&raw);
	return true;
}

/* Room for one more field within the limit? */
static bool
message_may_add(struct milter_message *m, struct str name, struct str value)
{
	m->added_bytes += name.len + value.len + 4;
	return message_name_is_valid(name) && m->added_bytes <= MILTER_HEADER_MAX && m->count < 2 * MILTER_FIELDS_MAX;
}

bool
milter_message_insert(struct milter_message *m, uint32_t before, struct str name, struct str value, bool has_blanks)
{
	unsigned at = 0;
	uint32_t seen = 0;

	if (!message_may_add(m, name, value))
		return false;
	/* Return-Path stays on top. */
	if (before == 0 && m->count > 0 && m->fields[0].is_ours)
		at = 1;
	for (; before > 0 && at < m->count; at++)
		if (!m->fields[at].is_hidden && ++seen == before)
			break;
	return message_write_field(m, message_open_slot(m, at), name, value, has_blanks);
}

bool
milter_message_add(struct milter_message *m, struct str name, struct str value, bool has_blanks)
{
	if (!message_may_add(m, name, value))
		return false;
	return message_write_field(m, message_open_slot(m, m->count), name, value, has_blanks);
}

static struct milter_field *
message_find(struct milter_message *m, uint32_t nth, struct str name)
{
	for (unsigned i = 0; i < m->count; i++) {
		struct milter_field *f = &m->fields[i];

		if (!f->is_hidden && str_eq_ci(str_first(f->raw, f->name_length), name) && --nth == 0)
			return f;
	}
	return NULL;
}

bool
milter_message_change(struct milter_message *m, uint32_t nth, struct str name, struct str value, bool has_blanks)
{
	struct milter_field *f = message_find(m, nth == 0 ? 1 : nth, name);

	if (f == NULL)
		return value.len == 0 || milter_message_add(m, name, value, has_blanks);
	if (f->is_ours)
		return true;
	if (value.len > 0)
		return message_may_add(m, name, value) && message_write_field(m, f, name, value, has_blanks);
	m->count--;
	memmove(f, f + 1, (m->count - (size_t)(f - m->fields)) * sizeof(*f));
	m->is_changed = true;
	return true;
}

/* As if it had come by SMTP: its lines end with CRLF. */
void
milter_message_replace_body(struct milter_message *m, struct buf *body)
{
	struct smtp_data_reader reader;
	bool ended;

	buf_clear(&m->body);
	smtp_data_reader_init(&reader, false);
	smtp_data_read(&reader, buf_str(body), &m->body, &ended);
	smtp_data_read_end(&reader, &m->body);
	buf_fini(body);
	m->has_eight_bit |= reader.saw_eight_bit;
	m->is_body_replaced = m->is_changed = true;
	/* Without it, the text would be read as part of the header. */
	m->separator = STR("\r\n");
}

/* "<a@example.com>", perhaps without brackets: normalised, in the arena, as one that a client names. */
static bool
message_read_address(struct milter_message *m, struct str text, struct smtp_path *path_out)
{
	struct str rest;

	text = str_trim(text);
	if (!str_starts(text, STR("<")))
		return smtp_address_parse(text, true, &m->arena, path_out) == SMTP_PATH_OK;
	return smtp_path_parse(text, true, &m->arena, path_out, &rest) == SMTP_PATH_OK && rest.len == 0;
}

bool
milter_message_change_recipient(struct milter_message *m, struct str address, bool is_added)
{
	struct milter_recipient *r = arena_new(&m->arena, struct milter_recipient);
	struct smtp_path path;

	if (!message_read_address(m, address, &path) || path.address.len == 0)
		return false;
	r->address = path.address;
	r->is_added = is_added;
	*m->recipients_end = r;
	m->recipients_end = &r->next;
	return true;
}

bool
milter_message_change_sender(struct milter_message *m, struct str address)
{
	struct smtp_path path;

	if (!message_read_address(m, address, &path) || path.kind == SMTP_PATH_POSTMASTER)
		return false;
	m->sender = path.address;
	m->is_sender_changed = m->is_changed = true;
	return true;
}
