/* What each step of the dialogue with a milter sends, with its macros as Postfix names them. */
#include <string.h>

#include "frontend/milter/private.h"
#include "lib/base/version.h"

/* ---- Pieces of packets ---- */

static void
steps_add_text(struct buf *b, struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.p[i] != '\0')
			buf_add_byte(b, text.p[i]);
	buf_add_byte(b, '\0');
}

static void
steps_add_macro(struct buf *b, const char *name, struct str value)
{
	if (value.len == 0)
		return;
	steps_add_text(b, str_c(name));
	steps_add_text(b, value);
}

static void
steps_add_u32(struct buf *b, uint32_t v)
{
	for (int shift = 24; shift >= 0; shift -= 8)
		buf_add_byte(b, (char)(v >> shift));
}

static void
steps_write(struct milter_session *s, char kind, struct buf *b)
{
	milter_wire_write(bufferevent_get_output(s->bev), kind, buf_str(b));
	buf_fini(b);
}

/* b: the macros for the command. */
static void
steps_write_macros(struct milter_session *s, char command, struct buf *b)
{
	struct buf all = BUF_EMPTY;

	buf_add_byte(&all, command);
	buf_add_str(&all, buf_str(b));
	buf_fini(b);
	steps_write(s, 'D', &all);
}

static enum milter_sent
steps_sent(const struct milter_session *s, uint32_t mute)
{
	return (s->dialogue & mute) != 0 ? MILTER_SENT_MUTE : MILTER_SENT_ASKED;
}

/* ---- The client's session ---- */

static enum milter_sent
steps_options(struct milter_session *s)
{
	struct buf b = BUF_EMPTY;

	steps_add_u32(&b, MILTER_VERSION);
	steps_add_u32(&b, MILTER_MAY_ALL);
	steps_add_u32(&b, MILTER_DIALOGUE_ALL);
	steps_write(s, 'O', &b);
	return MILTER_SENT_ASKED;
}

static enum milter_sent
steps_connect(struct milter_session *s)
{
	const struct milter_asked *a = &s->asked;
	char ip[IP_TEXT_MAX], literal[IP_TEXT_MAX + 2] = "[", port[8];
	struct buf m = BUF_EMPTY, b = BUF_EMPTY;

	ip_text(&a->client, ip);
	strcat(strcat(literal, ip), "]");
	snprintf(port, sizeof(port), "%u", (unsigned)a->client_port);
	steps_add_macro(&m, "j", str_c(a->hostname));
	steps_add_macro(&m, "{daemon_name}", a->is_submission ? STR("submission") : STR("smtp"));
	steps_add_macro(&m, "v", STR("Stagepost"));
	steps_add_macro(&m, "{client_addr}", str_c(ip));
	steps_add_macro(&m, "{client_name}", str_c(literal));
	steps_add_macro(&m, "{client_ptr}", STR("unknown"));
	steps_add_macro(&m, "{client_port}", str_c(port));
	steps_add_macro(&m, "_", str_c(literal));
	steps_write_macros(s, 'C', &m);
	steps_add_text(&b, str_c(literal));
	buf_add_byte(&b, a->client.family == 6 ? '6' : '4');
	buf_add_byte(&b, (char)(a->client_port >> 8));
	buf_add_byte(&b, (char)a->client_port);
	steps_add_text(&b, str_c(ip));
	steps_write(s, 'C', &b);
	return steps_sent(s, MILTER_MUTE_CONNECT);
}

static enum milter_sent
steps_helo(struct milter_session *s)
{
	struct str version, cipher;
	struct buf m = BUF_EMPTY, b = BUF_EMPTY;

	str_cut(str_c(s->asked.tls), ' ', &version, &cipher);
	steps_add_macro(&m, "{tls_version}", version);
	steps_add_macro(&m, "{cipher}", cipher);
	steps_write_macros(s, 'H', &m);
	steps_add_text(&b, str_c(s->asked.helo));
	steps_write(s, 'H', &b);
	return steps_sent(s, MILTER_MUTE_HELO);
}

/* ---- The envelope ---- */

static void
steps_add_address_macros(struct buf *m, const char *host, const char *address, struct str value)
{
	ptrdiff_t at = str_rindex(value, '@');

	steps_add_macro(m, address, value);
	if (at >= 0)
		steps_add_macro(m, host, str_from(value, (size_t)at + 1));
}

static void
steps_add_path(struct buf *b, struct str address)
{
	buf_add_byte(b, '<');
	buf_add_str(b, address);
	buf_add_c(b, ">");
	buf_add_byte(b, '\0');
}

static enum milter_sent
steps_mail(struct milter_session *s)
{
	const struct milter_asked *a = &s->asked;
	struct buf m = BUF_EMPTY, b = BUF_EMPTY;

	steps_add_macro(&m, "i", str_c(a->id));
	if (a->account[0] != '\0') {
		steps_add_macro(&m, "{auth_type}", STR("PLAIN"));
		steps_add_macro(&m, "{auth_authen}", str_c(a->account));
	}
	steps_add_address_macros(&m, "{mail_host}", "{mail_addr}", a->sender);
	steps_write_macros(s, 'M', &m);
	steps_add_path(&b, a->sender);
	steps_write(s, 'M', &b);
	return steps_sent(s, MILTER_MUTE_MAIL);
}

static enum milter_sent
steps_rcpt(struct milter_session *s)
{
	struct buf m = BUF_EMPTY, b = BUF_EMPTY;
	struct str address;

	if (s->at >= s->asked.recipient_count)
		return MILTER_SENT_NOTHING;
	address = s->asked.recipients[s->at++];
	steps_add_address_macros(&m, "{rcpt_host}", "{rcpt_addr}", address);
	steps_add_macro(&m, "{rcpt_mailer}", STR("smtp"));
	steps_write_macros(s, 'R', &m);
	steps_add_path(&b, address);
	steps_write(s, 'R', &b);
	return steps_sent(s, MILTER_MUTE_RCPT);
}

static void
steps_write_id(struct milter_session *s, char command)
{
	struct buf m = BUF_EMPTY;

	steps_add_macro(&m, "i", str_c(s->asked.id));
	steps_write_macros(s, command, &m);
}

static enum milter_sent
steps_data(struct milter_session *s)
{
	/* Milters of older versions do not know it. */
	if (s->version < 4)
		return MILTER_SENT_NOTHING;
	steps_write_id(s, 'T');
	milter_wire_write(bufferevent_get_output(s->bev), 'T', STR_NONE);
	return steps_sent(s, MILTER_MUTE_DATA);
}

/* ---- The message ---- */

static enum milter_sent
steps_header(struct milter_session *s)
{
	const struct milter_message *m = s->asked.message;
	const struct milter_field *f;
	struct buf b = BUF_EMPTY, value = BUF_EMPTY;

	while (s->at < m->count && m->fields[s->at].is_hidden)
		s->at++;
	if (s->at >= m->count)
		return MILTER_SENT_NOTHING;
	f = &m->fields[s->at++];
	steps_add_text(&b, str_first(f->raw, f->name_length));
	milter_field_value(f, (s->dialogue & MILTER_LEADING_BLANKS) != 0, &value);
	steps_add_text(&b, buf_str(&value));
	buf_fini(&value);
	steps_write(s, 'L', &b);
	return steps_sent(s, MILTER_MUTE_HEADER);
}

static enum milter_sent
steps_eoh(struct milter_session *s)
{
	steps_write_id(s, 'N');
	milter_wire_write(bufferevent_get_output(s->bev), 'N', STR_NONE);
	return steps_sent(s, MILTER_MUTE_EOH);
}

static void
steps_write_body(struct milter_session *s, struct str piece)
{
	milter_wire_write(bufferevent_get_output(s->bev), 'B', piece);
	s->body_sent += piece.len;
}

static void
steps_on_body(void *arg, const char *data, size_t len, const struct err *err)
{
	struct milter_session *s = arg;

	s->read = NULL;
	if (s->is_ended)
		return;
	if (err != NULL || len == 0) {
		milter_session_end(s, MILTER_STORE_FAILED, str_c(err != NULL ? err->text : "the message is cut"));
		return;
	}
	steps_write_body(s, str_of(data, len));
	s->awaits_answer = (s->dialogue & MILTER_MUTE_BODY) == 0;
	s->awaits_drain = !s->awaits_answer;
	milter_session_set_timer(s, s->asked.command_timeout_ms);
}

static enum milter_sent
steps_body(struct milter_session *s)
{
	const struct milter_message *m = s->asked.message;
	uint64_t total = m->is_body_replaced ? m->body.len : m->stored_bytes - m->body_at;
	uint64_t left = total - s->body_sent;
	size_t piece = left < MILTER_CHUNK_MAX ? (size_t)left : MILTER_CHUNK_MAX;

	if (left == 0)
		return MILTER_SENT_NOTHING;
	if (m->is_body_replaced) {
		steps_write_body(s, str_of(m->body.data + s->body_sent, piece));
		return steps_sent(s, MILTER_MUTE_BODY);
	}
	s->read = blob_read(s->asked.blobs, &s->asked.blob, m->body_at + s->body_sent, piece, steps_on_body, s);
	return MILTER_SENT_LATER;
}

static enum milter_sent
steps_eom(struct milter_session *s)
{
	steps_write_id(s, 'E');
	milter_wire_write(bufferevent_get_output(s->bev), 'E', STR_NONE);
	return MILTER_SENT_ASKED;
}

static const struct {
	uint32_t left_out; /* if the milter wants that */
	enum milter_sent (*send)(struct milter_session *s);
} steps[MILTER_STEP_COUNT] = {
	[MILTER_STEP_OPTIONS] = {0, steps_options},
	[MILTER_STEP_CONNECT] = {MILTER_NO_CONNECT, steps_connect},
	[MILTER_STEP_HELO] = {MILTER_NO_HELO, steps_helo},
	[MILTER_STEP_MAIL] = {MILTER_NO_MAIL, steps_mail},
	[MILTER_STEP_RCPT] = {MILTER_NO_RCPT, steps_rcpt},
	[MILTER_STEP_DATA] = {MILTER_NO_DATA, steps_data},
	[MILTER_STEP_HEADER] = {MILTER_NO_HEADERS, steps_header},
	[MILTER_STEP_EOH] = {MILTER_NO_EOH, steps_eoh},
	[MILTER_STEP_BODY] = {MILTER_NO_BODY, steps_body},
	[MILTER_STEP_EOM] = {0, steps_eom},
};

enum milter_sent
milter_step_send(struct milter_session *s)
{
	if ((s->dialogue & steps[s->step].left_out) != 0)
		return MILTER_SENT_NOTHING;
	return steps[s->step].send(s);
}
