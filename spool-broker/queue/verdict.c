#include "spool-broker/queue/verdict.h"

#include "lib/bus/frame.h"

/* "spam, score 15.00 of 15.00, reject: GTUBE(15.00) A(0.50)" */
static const char *
verdict_describe(struct arena *arena, const Stagepost__SpamVerdict *v)
{
	struct buf out = BUF_EMPTY;
	const char *text;

	if (v->virus[0] != '\0')
		buf_add_c(&out, "spam");
	else
		buf_printf(&out, "%s, score %.2f of %.2f", v->is_spam ? "spam" : "not spam", v->score, v->required);
	if (v->action[0] != '\0')
		buf_printf(&out, ", %s", v->action);
	for (size_t i = 0; i < v->n_symbols; i++)
		buf_printf(&out, "%s %s", i == 0 ? ":" : "", v->symbols[i]);
	text = arena_strdup(arena, out.data);
	buf_fini(&out);
	return text;
}

void
work_set_verdict(struct work *w, const Stagepost__SpamVerdict *given, const char *host)
{
	struct buf packed = BUF_EMPTY;
	Stagepost__SpamVerdict *v;
	Stagepost__TraceEvent *event;

	bus_message_pack(&given->base, &packed);
	v = bus_message_unpack(&stagepost__spam_verdict__descriptor, buf_str(&packed), &w->arena);
	buf_fini(&packed);
	w->state->spam = v;
	event = work_add_event(w, "checked", 0, host, verdict_describe(&w->arena, v));
	event->remote = v->engine;
	event->duration_ms = v->duration_ms;
}
