#include "delivery-worker/remote/reply.h"

#include <stdio.h>
#include <string.h>

#include "delivery-worker/net/login.h"

void
smtp_reply_init(struct smtp_reply_parser *p)
{
	memset(p, 0, sizeof(*p));
	p->fresh = true;
}

void
smtp_reply_fini(struct smtp_reply_parser *p)
{
	buf_fini(&p->reply.text);
	buf_fini(&p->line);
}

static bool
reply_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* One line without its end. */
static enum smtp_reply_state
reply_take_line(struct smtp_reply_parser *p, struct str line)
{
	struct smtp_reply *r = &p->reply;
	int code;

	if (line.len > 0 && line.p[line.len - 1] == '\r')
		line.len--;
	if (line.len < 3 || line.p[0] < '2' || line.p[0] > '5' || !reply_is_digit(line.p[1]) ||
	    !reply_is_digit(line.p[2]))
		return SMTP_REPLY_BAD;
	if (line.len > 3 && line.p[3] != ' ' && line.p[3] != '-')
		return SMTP_REPLY_BAD;
	code = (line.p[0] - '0') * 100 + (line.p[1] - '0') * 10 + (line.p[2] - '0');
	if (p->fresh) {
		buf_clear(&r->text);
		r->lines = 0;
		r->code = code;
		p->fresh = false;
	} else if (code != r->code) {
		return SMTP_REPLY_BAD;
	}
	if (++r->lines > SMTP_REPLY_LINES_MAX)
		return SMTP_REPLY_BAD;
	if (r->text.len + line.len <= SMTP_REPLY_TEXT_MAX) {
		buf_add_str(&r->text, str_from(line, 4));
		buf_add_byte(&r->text, '\n');
	}
	if (line.len > 3 && line.p[3] == '-')
		return SMTP_REPLY_MORE;
	p->fresh = true;
	return SMTP_REPLY_DONE;
}

size_t
smtp_reply_parse(struct smtp_reply_parser *p, struct str input, enum smtp_reply_state *state_out)
{
	size_t used = 0;

	while (used < input.len) {
		struct str rest = str_from(input, used);
		ptrdiff_t end = str_index(rest, '\n');
		size_t take = end >= 0 ? (size_t)end : rest.len;

		if (p->line.len + take > SMTP_REPLY_LINE_MAX) {
			*state_out = SMTP_REPLY_BAD;
			return used;
		}
		buf_add(&p->line, rest.p, take);
		if (end < 0) {
			used = input.len;
			break;
		}
		used += take + 1;
		*state_out = reply_take_line(p, buf_str(&p->line));
		buf_clear(&p->line);
		if (*state_out != SMTP_REPLY_MORE)
			return used;
	}
	*state_out = SMTP_REPLY_MORE;
	return used;
}

/* "d.d{1,3}.d{1,3}" at the start of s: its length, else 0. */
static size_t
reply_enhanced_length(struct str s)
{
	size_t at = 0;

	for (unsigned part = 0; part < 3; part++) {
		size_t digits = 0;

		while (at < s.len && reply_is_digit(s.p[at]) && digits < 4) {
			at++;
			digits++;
		}
		if (digits == 0 || digits > (part == 0 ? 1u : 3u))
			return 0;
		if (part < 2 && (at >= s.len || s.p[at++] != '.'))
			return 0;
	}
	return at == s.len || s.p[at] == ' ' || s.p[at] == '\n' ? at : 0;
}

void
smtp_reply_enhanced(const struct smtp_reply *reply, char out[ENHANCED_CODE_MAX])
{
	struct str text = buf_str(&reply->text);
	size_t len = reply_enhanced_length(text);

	if (len > 0 && text.p[0] - '0' == reply->code / 100)
		str_copy(str_first(text, len), out, ENHANCED_CODE_MAX);
	else
		snprintf(out, ENHANCED_CODE_MAX, "%d.0.0", reply->code / 100);
}

struct str
smtp_reply_words(const struct smtp_reply *reply, struct arena *arena)
{
	struct str rest = buf_str(&reply->text), line;
	char *out = arena_alloc(arena, rest.len + 8);
	size_t used = (size_t)snprintf(out, 5, "%d", reply->code);

	/* Every line repeats the enhanced code; it is kept once. */
	for (unsigned i = 0; rest.len > 0; i++) {
		size_t code;

		str_cut(rest, '\n', &line, &rest);
		code = i > 0 ? reply_enhanced_length(line) : 0;
		line = str_trim(str_from(line, code));
		if (line.len == 0)
			continue;
		out[used++] = ' ';
		memcpy(out + used, line.p, line.len);
		used += line.len;
	}
	return str_of(out, used);
}

struct keyword {
	struct str name;
	size_t offset; /* of the bool in struct smtp_caps */
};

static const struct keyword keywords[] = {
	{STR("PIPELINING"), offsetof(struct smtp_caps, pipelining)},
	{STR("SIZE"), offsetof(struct smtp_caps, size)},
	{STR("8BITMIME"), offsetof(struct smtp_caps, eight_bit)},
	{STR("SMTPUTF8"), offsetof(struct smtp_caps, smtputf8)},
	{STR("STARTTLS"), offsetof(struct smtp_caps, starttls)},
	{STR("DSN"), offsetof(struct smtp_caps, dsn)},
	{STR("REQUIRETLS"), offsetof(struct smtp_caps, requiretls)},
	{STR("CHUNKING"), offsetof(struct smtp_caps, chunking)},
	{STR("MT-PRIORITY"), offsetof(struct smtp_caps, mt_priority)},
};

void
smtp_caps_read(const struct smtp_reply *reply, struct smtp_caps *caps_out)
{
	struct str rest = buf_str(&reply->text), line, name, value;

	memset(caps_out, 0, sizeof(*caps_out));
	caps_out->esmtp = true;
	str_cut(rest, '\n', &line, &rest); /* the greeting */
	while (rest.len > 0) {
		str_cut(rest, '\n', &line, &rest);
		str_cut(str_trim(line), ' ', &name, &value);
		for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++) {
			if (str_eq_ci(name, keywords[i].name))
				*(bool *)((char *)caps_out + keywords[i].offset) = true;
		}
		if (str_eq_ci(name, STR("SIZE")) && !str_to_u64(str_trim(value), &caps_out->max_size))
			caps_out->max_size = 0;
		if (str_eq_ci(name, STR("AUTH")))
			caps_out->auth |= login_read_offered(value);
	}
}
