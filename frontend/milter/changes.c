/* A milter's changes. They are made when its verdict is known: of a milter that fails in the
 * midst of them, none is. */
#include "frontend/milter/private.h"
#include "lib/base/mem.h"

bool
milter_changes_is_one(char kind)
{
	return kind != '\0' && strchr("+-ehimb", kind) != NULL;
}

bool
milter_changes_keep(struct milter_session *s, const struct milter_packet *packet)
{
	if (packet->kind == 'b') {
		if (packet->data.len > MILTER_BODY_MAX - s->body.len)
			return false;
		s->replaces_body = true;
		buf_add_str(&s->body, packet->data);
		return true;
	}
	if (packet->data.len + 16 > MILTER_PACKET_MAX + MILTER_HEADER_MAX - s->changes.len)
		return false;
	buf_add_byte(&s->changes, packet->kind);
	buf_add_u32(&s->changes, (uint32_t)packet->data.len);
	buf_add_str(&s->changes, packet->data);
	return true;
}

/* "name NUL value NUL" */
static bool
changes_take_field(struct str *data, struct str *name_out, struct str *value_out)
{
	return milter_wire_take_text(data, name_out) && milter_wire_take_text(data, value_out);
}

static bool
changes_make(struct milter_session *s, char kind, struct str data)
{
	struct milter_message *m = s->asked.message;
	bool has_blanks = (s->dialogue & MILTER_LEADING_BLANKS) != 0;
	struct str name, value;
	uint32_t index = 0;

	switch (kind) {
	case 'h': return changes_take_field(&data, &name, &value) && milter_message_add(m, name, value, has_blanks);
	case 'i':
		return milter_wire_take_number(&data, &index) && changes_take_field(&data, &name, &value) &&
		       milter_message_insert(m, index, name, value, has_blanks);
	case 'm':
		return milter_wire_take_number(&data, &index) && changes_take_field(&data, &name, &value) &&
		       milter_message_change(m, index, name, value, has_blanks);
	default: break;
	}
	if (!milter_wire_take_text(&data, &name))
		return false;
	/* Parameters that follow the sender are ignored, as Postfix does. */
	return kind == 'e' ? milter_message_change_sender(m, name)
			   : milter_message_change_recipient(m, name, kind == '+');
}

static uint32_t
changes_length(const unsigned char *p)
{
	return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static bool
changes_make_all(struct milter_session *s)
{
	struct str rest = buf_str(&s->changes);

	while (rest.len > 0) {
		char kind = rest.p[0];
		size_t length = changes_length((const unsigned char *)rest.p + 1);

		if (!changes_make(s, kind, str_first(str_from(rest, 5), length)))
			return false;
		rest = str_from(rest, 5 + length);
	}
	return true;
}

bool
milter_changes_apply(struct milter_session *s)
{
	struct milter_message before;

	milter_message_keep(s->asked.message, &before);
	if (!changes_make_all(s)) {
		milter_message_go_back(s->asked.message, &before);
		return false;
	}
	mem_free(before.fields);
	if (s->replaces_body)
		milter_message_replace_body(s->asked.message, &s->body);
	return true;
}
