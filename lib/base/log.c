/* Log lines to standard error, each with one write(). */
#include "lib/base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/clock.h"

enum { LOG_AGAIN_MS = 60000 };

static struct {
	const char *program;
	enum log_level least;
	bool json;
} config = {.program = "stagepost", .least = LOG_INFO, .json = false};

static const char *const level_names[] = {"debug", "info", "warning", "error"};

void
log_init(const char *program)
{
	const char *format = getenv("STAGEPOST_LOG");
	const char *level = getenv("STAGEPOST_LOG_LEVEL");

	config.program = program;
	config.json = format != NULL && strcmp(format, "json") == 0;
	for (int i = LOG_DEBUG; level != NULL && i <= LOG_ERROR; i++)
		if (strcmp(level, level_names[i]) == 0)
			config.least = (enum log_level)i;
}

void
log_set_least(enum log_level least)
{
	config.least = least;
}

bool
log_enabled(enum log_level level)
{
	return level >= config.least;
}

/* The first character of s, so that a line stays one line of valid UTF-8 (and
 * JSON) whatever a client sent: control characters (C1 too) and bytes that are
 * not UTF-8 become \u00xx. Returns how many bytes it consumed. */
static size_t
log_add_escaped(struct buf *line, struct str s)
{
	unsigned char c = (unsigned char)s.p[0];
	size_t len = str_utf8_sequence(s);

	if (c == '"' || c == '\\') {
		buf_printf(line, "\\%c", c);
	} else if (len == 2 && c == 0xc2 && (unsigned char)s.p[1] < 0xa0) {
		buf_printf(line, "\\u%04x", (unsigned char)s.p[1]);
	} else if (len == 0 || c < 0x20 || c == 0x7f) {
		buf_printf(line, "\\u%04x", c);
		return 1;
	} else {
		buf_add_str(line, str_first(s, len));
	}
	return len;
}

/* Quotes the text if it would break the format of the line. */
static void
log_add_text(struct buf *line, struct str s, bool always_quote)
{
	bool quote = always_quote || s.len == 0;

	for (size_t i = 0; i < s.len && !quote; i++)
		quote = (unsigned char)s.p[i] <= ' ' || s.p[i] == '"' || s.p[i] == '=' || s.p[i] == '\\' ||
			(unsigned char)s.p[i] >= 0x7f;
	if (!quote) {
		buf_add_str(line, s);
		return;
	}
	buf_add_byte(line, '"');
	while (s.len != 0) {
		size_t len = log_add_escaped(line, s);
		s = str_from(s, len);
	}
	buf_add_byte(line, '"');
}

static void
log_add_name(struct buf *line, const char *name)
{
	if (config.json)
		buf_printf(line, "%s\"%s\":", line->len > 1 ? "," : "", name);
	else
		buf_printf(line, "%s%s=", line->len != 0 ? " " : "", name);
}

static void
log_add_text_field(struct buf *line, const char *name, struct str text)
{
	log_add_name(line, name);
	log_add_text(line, text, config.json);
}

static void
log_add_field(struct buf *line, const struct log_field *f)
{
	char id[24];

	switch (f->type) {
	case LOG_FIELD_STR: log_add_text_field(line, f->name, f->text); break;
	case LOG_FIELD_ID:
		snprintf(id, sizeof(id), "%llu", (unsigned long long)f->number);
		log_add_text_field(line, f->name, str_c(id));
		break;
	case LOG_FIELD_I64:
		log_add_name(line, f->name);
		buf_printf(line, "%lld", (long long)f->number);
		break;
	}
}

static void
log_add_fields(struct buf *line, const struct log_field *fields, unsigned most)
{
	for (unsigned i = 0; i < most && fields[i].name != NULL; i++)
		log_add_field(line, &fields[i]);
}

static void
log_add_context(struct buf *line, const struct log_context *context)
{
	if (context == NULL)
		return;
	log_add_context(line, context->parent);
	log_add_fields(line, context->fields, sizeof(context->fields) / sizeof(context->fields[0]));
}

void
log_write(enum log_level level, const struct log_context *context, const char *text, const struct log_field *fields)
{
	struct buf line = BUF_EMPTY;
	char now[CLOCK_ISO8601_MAX];

	if (level < config.least)
		return;
	clock_iso8601(clock_unix_ms(), now, sizeof(now));
	if (config.json)
		buf_add_byte(&line, '{');
	log_add_text_field(&line, "time", str_c(now));
	log_add_text_field(&line, "level", str_c(level_names[level]));
	log_add_text_field(&line, "prog", str_c(config.program));
	log_add_text_field(&line, "msg", str_c(text));
	log_add_context(&line, context);
	log_add_fields(&line, fields, 64);
	buf_add_c(&line, config.json ? "}\n" : "\n");
	/* If the log cannot be written, there is nowhere to report it. */
	if (write(STDERR_FILENO, line.data, line.len) < 0)
		(void)0;
	buf_fini(&line);
}

bool
log_is_due(int64_t *again_ms)
{
	int64_t now_ms = clock_monotonic_ms();

	if (now_ms < *again_ms)
		return false;
	*again_ms = now_ms + LOG_AGAIN_MS;
	return true;
}

/* ---- Lasting trouble ---- */
bool
log_trouble_note(struct log_trouble *t)
{
	if (t->times++ > 0)
		return false;
	t->since_ms = clock_monotonic_ms();
	return true;
}

void
log_trouble_over(struct log_trouble *t, const struct log_context *context, const char *text, struct log_field field)
{
	if (t->times == 0)
		return;
	log_info(context, text, field, F_I64("times", t->times), F_I64("ms", clock_monotonic_ms() - t->since_ms));
	*t = (struct log_trouble){0};
}
