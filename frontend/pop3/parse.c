/* Command lines, message numbers, TOP. */
#include "frontend/pop3/parse.h"

bool
pop3_parse_line(struct str line, struct str *verb_out, struct cmd_args *args)
{
	struct str rest, word;

	*args = (struct cmd_args){.count = 0};
	for (size_t i = 0; i < line.len; i++)
		if (line.p[i] == '\0' || line.p[i] == '\r' || line.p[i] == '\n')
			return false;
	str_cut(line, ' ', verb_out, &args->rest);
	rest = args->rest;
	while (str_next_word(&rest, " ", &word)) {
		if (args->count < POP3_ARGS_MAX)
			args->v[args->count] = word;
		args->count++;
	}
	return verb_out->len != 0;
}

bool
pop3_banner_has_ok(struct str banner)
{
	return str_starts(banner, STR("+OK")) && (banner.len == 3 || banner.p[3] == ' ');
}

bool
pop3_is_our_language(struct str range)
{
	return str_eq(range, STR("*")) || str_eq_ci(range, STR("i-default")) || str_eq_ci(range, STR("en")) ||
	       str_starts_ci(range, STR("en-"));
}

/* State of the current line. */
enum { AT_START, ONLY_CR, HAS_TEXT };

void
pop3_top_init(struct pop3_top *t, uint64_t lines)
{
	*t = (struct pop3_top){.lines_left = lines, .state = AT_START};
}

static void
parse_end_line(struct pop3_top *t)
{
	if (t->in_body) {
		t->lines_left--;
		t->done = t->lines_left == 0;
	} else if (t->state != HAS_TEXT) {
		t->in_body = true;
		t->done = t->lines_left == 0;
	}
	t->state = AT_START;
}

size_t
pop3_top_feed(struct pop3_top *t, struct str piece)
{
	size_t i = 0;

	while (i < piece.len && !t->done) {
		char c = piece.p[i++];
		if (c == '\n')
			parse_end_line(t);
		else
			t->state = c == '\r' && t->state == AT_START ? ONLY_CR : HAS_TEXT;
	}
	return i;
}
