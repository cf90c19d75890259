/* Replies, and printing flags, names and strings. */
#include <stdio.h>
#include <string.h>

#include "lib/mailbox/mutf7.h"
#include "frontend/imap/private.h"

enum { QUOTED_MAX = 1000, WRITE_BYTES = 32 * 1024 };

void
imap_write(struct imap_session *s, const struct buf *b)
{
	if (b->len != 0)
		conn_write(s->conn, b->data, b->len);
}

bool
imap_may_go_on(struct imap_session *s, struct buf *out, uint32_t work, void (*go_on)(struct imap_session *s))
{
	bool over = session_spend(&s->base, work);

	if (!over && out->len <= WRITE_BYTES)
		return true;
	imap_write(s, out);
	buf_clear(out);
	if (!imap_may_write(s, go_on))
		return false;
	if (over)
		imap_later(s, go_on);
	return !over;
}

void
imap_untagged(struct imap_session *s, const char *format, ...)
{
	va_list ap;

	if (conn_is_closing(s->conn))
		return;
	conn_write(s->conn, "* ", 2);
	va_start(ap, format);
	evbuffer_add_vprintf(conn_output(s->conn), format, ap);
	va_end(ap);
	conn_write(s->conn, "\r\n", 2);
}

void
imap_print_u64(uint64_t value, struct buf *out)
{
	buf_add_decimal(out, value);
}

void
imap_print_flags(const struct folder_index *ix, uint16_t flags, uint64_t keywords, struct buf *out)
{
	static const struct str names[] = {STR("\\Seen"), STR("\\Answered"), STR("\\Flagged"), STR("\\Deleted"),
					   STR("\\Draft")};
	bool first = true;

	buf_add_byte(out, '(');
	for (unsigned i = 0; i < 5; i++) {
		if ((flags & 1u << i) == 0)
			continue;
		if (!first)
			buf_add_byte(out, ' ');
		buf_add_str(out, names[i]);
		first = false;
	}
	for (unsigned i = 0; keywords != 0; i++, keywords >>= 1) {
		if ((keywords & 1) == 0 || i >= ix->keyword_count || ix->keywords[i] == NULL)
			continue;
		if (!first)
			buf_add_byte(out, ' ');
		buf_add_c(out, ix->keywords[i]);
		first = false;
	}
	buf_add_byte(out, ')');
}

void
imap_print_message_flags(const struct imap_view *v, const struct mailbox_hot *hot, struct buf *out)
{
	size_t from = out->len + 1;

	imap_print_flags(v->index, hot->flags, hot->keywords, out);
	if ((v->session->enabled & IMAP_REV2) != 0 || !imap_view_is_recent(v, hot->uid))
		return;
	out->len--; /* the parenthesis */
	buf_add_str(out, out->len == from ? STR("\\Recent)") : STR(" \\Recent)"));
}

void
imap_print_folder_flags(const struct imap_view *v, struct buf *out)
{
	uint64_t all = 0;

	for (unsigned i = 0; i < v->index->keyword_count; i++)
		all |= v->index->keywords[i] != NULL ? UINT64_C(1) << i : 0;
	buf_add_c(out, "* FLAGS ");
	imap_print_flags(v->index, 31, all, out);
	buf_add_c(out, "\r\n* OK [PERMANENTFLAGS ");
	if (v->read_only) {
		buf_add_c(out, "()");
	} else {
		imap_print_flags(v->index, 31, all, out);
		out->len--; /* the parenthesis */
		buf_add_c(out, " \\*)");
	}
	buf_add_c(out, "] flags that can be changed permanently\r\n");
}

static bool
output_is_utf8_on(const struct imap_session *s)
{
	return (s->enabled & (IMAP_UTF8_ACCEPT | IMAP_REV2)) != 0;
}

static bool
output_may_be_quoted(const struct imap_session *s, struct str text)
{
	if (text.len > QUOTED_MAX)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.p[i];
		if (c == '\0' || c == '\r' || c == '\n' || (c >= 0x80 && !output_is_utf8_on(s)))
			return false;
	}
	return !output_is_utf8_on(s) || str_is_utf8(text);
}

void
imap_print_string(const struct imap_session *s, struct str text, struct buf *out)
{
	if (!output_may_be_quoted(s, text)) {
		buf_printf(out, "{%zu}\r\n", text.len);
		buf_add_str(out, text);
		return;
	}
	buf_add_byte(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		if (text.p[i] == '"' || text.p[i] == '\\')
			buf_add_byte(out, '\\');
		buf_add_byte(out, text.p[i]);
	}
	buf_add_byte(out, '"');
}

static bool
output_is_plain(struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.p[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' ||
		      c == '.' || c == '-' || c == '_'))
			return false;
	}
	return text.len != 0 && !str_eq_ci(text, STR("NIL"));
}

void
imap_print_mailbox(const struct imap_session *s, struct str name, struct buf *out)
{
	struct buf wire = BUF_EMPTY;

	if (output_is_plain(name)) {
		buf_add_str(out, name);
		return;
	}
	if (output_is_utf8_on(s))
		buf_add_str(&wire, name);
	else
		mailbox_mutf7_encode(name, &wire);
	imap_print_string(s, buf_str(&wire), out);
	buf_fini(&wire);
}

void
imap_print_email_id(uint64_t email_id, struct buf *out)
{
	buf_add_byte(out, 'M');
	imap_print_u64(email_id, out);
}

void
imap_print_mailbox_id(uint32_t folder_id, struct buf *out)
{
	buf_add_byte(out, 'F');
	imap_print_u64(folder_id, out);
}
