/* Events as JSON. */
#include "spool-broker/admin/events.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/clock.h"
#include "spool-broker/broker.h"
#include "spool-broker/queue/message.h"
#include "spool-broker/queue/work.h"
#include "spool-broker/spool/shards.h"

unsigned
events_kept(const struct broker *b)
{
	int64_t all = settings_spool(broker_settings(b), STR_NONE)->events_kept;
	int64_t share = b->shards->count != 0 ? (all + b->shards->count - 1) / b->shards->count : all;

	return (unsigned)share;
}

/* ---- JSON ---- */
static void
events_add_escaped(struct buf *out, const char *text)
{
	bool utf8 = str_is_utf8(str_c(text));

	for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
		char escape[8];
		if (*p == '"' || *p == '\\') {
			buf_add_byte(out, '\\');
			buf_add_byte(out, (char)*p);
		} else if (*p < 0x20 || *p == 0x7f) {
			snprintf(escape, sizeof(escape), "\\u%04x", *p);
			buf_add_c(out, escape);
		} else
			buf_add_byte(out, *p >= 0x80 && !utf8 ? '?' : (char)*p);
	}
}

static void
events_add_name(struct buf *out, const char *name)
{
	buf_add_c(out, buf_str(out).p[out->len - 1] == '{' ? "\"" : ",\"");
	buf_add_c(out, name);
	buf_add_c(out, "\":");
}

/* Nothing for an empty text. */
static void
events_add_text(struct buf *out, const char *name, const char *text)
{
	if (text == NULL || text[0] == '\0')
		return;
	events_add_name(out, name);
	buf_add_byte(out, '"');
	events_add_escaped(out, text);
	buf_add_byte(out, '"');
}

static void
events_add_number(struct buf *out, const char *name, uint64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	events_add_name(out, name);
	buf_add_c(out, text);
}

static void
events_add_time(struct buf *out, const char *name, uint64_t unix_ms)
{
	char text[CLOCK_ISO8601_MAX];

	clock_iso8601((int64_t)unix_ms, text, sizeof(text));
	events_add_text(out, name, text);
}

static void
events_begin_line(struct buf *out, const char *kind, uint64_t time_ms, const Stagepost__Envelope *e)
{
	buf_add_byte(out, '{');
	events_add_time(out, "time", time_ms);
	events_add_text(out, "event", kind);
	events_add_text(out, "id", e->id);
	events_add_name(out, "sender"); /* also when it is empty */
	buf_add_byte(out, '"');
	events_add_escaped(out, e->reverse_path);
	buf_add_byte(out, '"');
}

/* ---- Events ---- */
void
events_add_accepted(const struct broker *b, const Stagepost__Envelope *e, struct buf *out)
{
	if (events_kept(b) == 0)
		return;
	events_begin_line(out, "accepted", e->received_ms, e);
	events_add_number(out, "recipients", e->n_recipients);
	events_add_text(out, "recipient", e->recipients[0]->address); /* the first */
	events_add_number(out, "size", e->body->length);
	events_add_text(out, "host", e->frontend);
	events_add_text(out, "client", e->client_ip);
	events_add_text(out, "account", e->authenticated_as);
	events_add_text(out, "protocol", e->protocol);
	events_add_text(out, "tls", e->tls);
	events_add_text(out, "mail_auth", e->mail_auth);
	buf_add_c(out, "}\n");
}

/* What subscribers call a trace event, where the trace uses another word. */
static const struct {
	const char *trace, *event;
} kinds[] = {
	{"filed", "delivered"},
	{"sent", "delivered"},
	{"failed", "bounced"},
};

static const char *
event_kind(const char *trace)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].trace, trace) == 0)
			return kinds[i].event;
	return trace;
}

static void
events_add_recipient(const struct work *w, const Stagepost__TraceEvent *event, struct buf *out)
{
	const Stagepost__Recipient *r = work_recipient(w, event->recipient - 1);

	events_add_text(out, "recipient", r->address);
	events_add_text(out, "original", r->original);
	events_add_text(out, "to", r->local ? "local" : "remote");
	events_add_text(out, "code", event->code);
	if (event->attempt != 0)
		events_add_number(out, "attempt", event->attempt);
	if (event->next_try_ms != 0)
		events_add_time(out, "next_try", event->next_try_ms);
}

static void
events_add_event(const struct message *m, const Stagepost__TraceEvent *event, struct buf *out)
{
	const struct work *w = m->work;

	events_begin_line(out, event_kind(event->kind), event->time_ms, w->envelope);
	if (event->recipient != 0 && event->recipient <= work_recipient_count(w))
		events_add_recipient(w, event, out);
	events_add_text(out, "host", event->host);
	events_add_text(out, "remote", event->remote);
	events_add_text(out, "text", event->detail);
	events_add_text(out, "tls", event->tls);
	if (event->duration_ms != 0)
		events_add_number(out, "duration_ms", event->duration_ms);
	events_add_number(out, "age_ms",
			  event->time_ms > w->envelope->received_ms ? event->time_ms - w->envelope->received_ms : 0);
	buf_add_c(out, "}\n");
}

void
events_add_new(const struct broker *b, struct message *m, struct buf *out)
{
	struct work *w = m->work;
	bool wanted = events_kept(b) != 0;

	for (size_t i = 0; wanted && i < w->news_count; i++)
		events_add_event(m, w->news[i], out);
	w->news_count = 0;
}
