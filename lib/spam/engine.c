#include "lib/spam/engine.h"

#include "lib/base/utf8.h"

static const struct spam_engine *const engines[] = {&spam_engine_rspamd, &spam_engine_spamd, &spam_engine_clamd};

const struct spam_engine *
spam_engine_find(struct str scheme)
{
	for (size_t i = 0; i < sizeof(engines) / sizeof(engines[0]); i++)
		if (str_eq_ci(str_c(engines[i]->scheme), scheme))
			return engines[i];
	return NULL;
}

/* ---- Requests ---- */
void
spam_add_field(struct buf *out, const char *name, const char *value)
{
	if (value == NULL || value[0] == '\0')
		return;
	buf_add_c(out, name);
	buf_add_c(out, ": ");
	for (const unsigned char *p = (const unsigned char *)value; *p != '\0'; p++)
		if (*p >= ' ' && *p != 0x7f)
			buf_add_byte(out, (char)*p);
	buf_add_c(out, "\r\n");
}

/* ---- Answers ---- */
/* The next line, without its line end; false: it is not complete. */
static bool
engine_take_line(struct str *rest, struct str *line_out)
{
	ptrdiff_t end = str_index(*rest, '\n');

	if (end < 0)
		return false;
	*line_out = str_first(*rest, (size_t)end);
	*rest = str_from(*rest, (size_t)end + 1);
	if (line_out->len > 0 && line_out->p[line_out->len - 1] == '\r')
		line_out->len--;
	return true;
}

struct str
spam_reply_field(const struct spam_reply *reply, struct str name)
{
	struct str rest = reply->fields, line, key, value;

	while (engine_take_line(&rest, &line))
		if (str_cut(line, ':', &key, &value) && str_eq_ci(str_trim(key), name))
			return str_trim(value);
	return STR_NONE;
}

bool
spam_reply_split(struct str text, struct spam_reply *reply_out)
{
	struct spam_reply r = {.has_length = false};
	struct str rest = text, line;
	const char *fields;

	if (!engine_take_line(&rest, &r.first))
		return false;
	fields = rest.p;
	do {
		if (!engine_take_line(&rest, &line))
			return false;
	} while (line.len != 0);
	r.fields = str_of(fields, (size_t)(rest.p - fields));
	r.body = rest;
	r.has_length = str_to_u64(spam_reply_field(&r, STR("Content-Length")), &r.body_bytes);
	if (r.has_length && r.body.len > r.body_bytes)
		r.body.len = (size_t)r.body_bytes;
	*reply_out = r;
	return true;
}

bool
spam_add_symbol(struct arena *arena, Stagepost__SpamVerdict *verdict, struct str symbol)
{
	if (verdict->n_symbols >= SPAM_SYMBOLS_MAX)
		return false;
	symbol = utf8_clean_text(arena, str_trim(symbol), SPAM_SYMBOL_BYTES_MAX);
	if (symbol.len == 0)
		return true;
	if (verdict->symbols == NULL)
		verdict->symbols = arena_array(arena, char *, SPAM_SYMBOLS_MAX);
	verdict->symbols[verdict->n_symbols++] = arena_dup(arena, symbol.p, symbol.len);
	return true;
}
