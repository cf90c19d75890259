/* The lines added on top of a message: Return-Path, Received, and fields that a
 * submission lacks (RFC 5321, 4.4; RFC 6409, section 8). */
#include <stdio.h>

#include "frontend/submit/private.h"
#include "lib/base/clock.h"

/* The client's own name for itself, without any character that has a meaning here. */
static void
trace_add_helo(struct buf *out, const char *helo)
{
	for (; *helo != '\0'; helo++) {
		char c = *helo;
		bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			     strchr("-._:[]", c) != NULL;
		buf_add_byte(out, plain ? c : '?');
	}
}

static bool
trace_wants_received(const struct submit *s)
{
	switch (submit_settings(s)->append_received_line) {
	case RECEIVED_LINE_NONE: return false;
	case RECEIVED_LINE_AUTHENTICATED: return s->options.account != NULL;
	default: return true;
	}
}

static void
trace_add_received(struct submit *s, struct buf *out)
{
	const struct submit_options *o = &s->options;
	char client[IP_LITERAL_MAX], date[CLOCK_RFC5322_MAX];

	ip_literal(&o->peer, client);
	clock_rfc5322(s->begun_ms, date, sizeof(date));
	buf_add_c(out, "Received: from ");
	trace_add_helo(out, o->helo);
	buf_printf(out, " (%s)\r\n\tby %s (Stagepost) with %s", client, s->frontend->service->hostname, o->protocol);
	if (o->tls[0] != '\0')
		buf_printf(out, "\r\n\t(%s)", o->tls);
	buf_printf(out, "\r\n\tid %s", s->id);
	/* If there are several, none is named: they need not know of each other. */
	if (s->recipient_count == 1)
		buf_printf(out, "\r\n\tfor <%s>", s->recipients->record.address);
	if (o->has_priority)
		buf_printf(out, "\r\n\tPRIORITY %d", s->priority);
	buf_printf(out, "; %s\r\n", date);
}

/* Above Received (RFC 8601, 5). Its blanks make what stands in front of the message as long
 * as the store wants it: a multiple of BLOB_FRONT_ALIGN. */
static void
trace_add_results(struct submit *s, struct buf *out, size_t others)
{
	static const char name[] = "Authentication-Results:";
	size_t bytes = out->len + sizeof(name) - 1 + s->results.len + 2 + others;
	size_t blanks = BLOB_FRONT_ALIGN - bytes % BLOB_FRONT_ALIGN;

	buf_add_c(out, name);
	while (blanks-- > 0)
		buf_add_byte(out, ' ');
	buf_add_str(out, s->results);
	buf_add_c(out, "\r\n");
}

void
submit_trace_lines(struct submit *s, struct buf *out)
{
	struct buf received = BUF_EMPTY;

	buf_add_c(out, "Return-Path: <");
	buf_add_str(out, s->options.reverse_path);
	buf_add_c(out, ">\r\n");
	s->return_path_length = (uint32_t)out->len;
	if (trace_wants_received(s))
		trace_add_received(s, &received);
	if (s->options.verifies)
		trace_add_results(s, out, received.len + (s->watch.no_header ? 2 : 0));
	buf_add_str(out, buf_str(&received));
	buf_fini(&received);
}

void
submit_missing_lines(struct submit *s, struct buf *out)
{
	char date[CLOCK_RFC5322_MAX];

	if (!s->watch.has_date) {
		clock_rfc5322(s->begun_ms, date, sizeof(date));
		buf_printf(out, "Date: %s\r\n", date);
	}
	if (!s->watch.has_message_id)
		buf_printf(out, "Message-ID: <%s@%s>\r\n", s->id, s->frontend->service->hostname);
}
