/* The queue by destination: counts, the oldest message, the next try, the last
 * answer. */
#include "spool-broker/admin/summary.h"

#include <stdlib.h>

#include "lib/base/check.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/bus/frame.h"
#include "spool-broker/admin/match.h"
#include "spool-broker/broker.h"
#include "spool-broker/queue/message.h"
#include "spool-broker/queue/part.h"
#include "spool-broker/schedule/heap.h"
#include "spool-broker/schedule/schedule.h"
#include "spool-broker/spool/scan.h"

enum { LINES_MAX = 20000 };

/* What the walk finds for one destination. */
struct tally {
	UT_hash_handle hh;		       /* by destination */
	const struct destination *destination; /* only its address is used: it may be freed meanwhile */
	unsigned parts[QUEUE_STATES];
	int64_t oldest_ms, next_try_ms;
};

struct summary {
	struct broker *broker; /* borrowed */
	char *peer;	       /* owner */
	size_t peer_len;
	uint64_t request;
	unsigned limit;
	struct match match;
	struct tally *tallies; /* owner: hash */
	struct arena arena;    /* of the lines */
	Stagepost__QueueLine **lines;
	size_t line_count, line_room;
	Stagepost__JobKind kind; /* of the lines being made */
};

static void
summary_visit(void *arg, struct message *m)
{
	struct summary *s = arg;

	if (match_message(&s->match, m) == MATCH_NO)
		return;
	for (const struct part *p = m->parts; p != NULL; p = p->next) {
		const struct destination *d = part_destination_of(p);
		struct tally *t = NULL;
		HASH_FIND_PTR(s->tallies, &d, t);
		if (t == NULL) {
			t = mem_new(struct tally);
			t->destination = d;
			t->oldest_ms = INT64_MAX;
			HASH_ADD_PTR(s->tallies, destination, t);
		}
		if (m->received_ms < t->oldest_ms)
			t->oldest_ms = m->received_ms;
		if (p->state == PART_DEFERRED && (t->next_try_ms == 0 || p->retry.time_ms < t->next_try_ms))
			t->next_try_ms = p->retry.time_ms;
		t->parts[part_queue_state(p)]++;
	}
}

/* ---- Lines: what the walk found, combined with what the schedule knows ---- */
static void
summary_add_line(void *arg, const struct destination *d)
{
	struct summary *s = arg;
	const struct site *site = destination_site(d);
	struct tally *t = NULL;
	Stagepost__QueueLine *line;

	HASH_FIND_PTR(s->tallies, &d, t);
	if (t == NULL)
		return;
	if (s->line_count == s->line_room) {
		s->line_room = s->line_room == 0 ? 64 : s->line_room * 2;
		s->lines = mem_realloc(s->lines, s->line_room * sizeof(*s->lines));
	}
	line = s->lines[s->line_count++] = arena_new(&s->arena, Stagepost__QueueLine);
	stagepost__queue_line__init(line);
	line->destination = arena_strdup(&s->arena, d->name);
	line->kind = s->kind;
	line->queued = t->parts[QUEUE_QUEUED];
	line->active = t->parts[QUEUE_ACTIVE];
	line->deferred = t->parts[QUEUE_DEFERRED];
	line->held = t->parts[QUEUE_HELD];
	line->oldest_ms = (uint64_t)t->oldest_ms;
	line->next_try_ms = (uint64_t)t->next_try_ms;
	line->answer = arena_strdup(&s->arena, d->answer != NULL ? d->answer : "");
	if (site == NULL)
		return;
	line->site = arena_strdup(&s->arena, site->name);
	line->throttled = site_is_throttled(site);
	line->probe_ms = heap_has(&site->wake) ? (uint64_t)site->wake.time_ms : 0;
	if (site->trouble != NULL)
		line->answer = arena_strdup(&s->arena, site->trouble);
}

static uint64_t
summary_size_of(const Stagepost__QueueLine *line)
{
	return (uint64_t)line->queued + line->active + line->deferred + line->held;
}

static int
summary_largest_first(const void *a, const void *b)
{
	uint64_t x = summary_size_of(*(Stagepost__QueueLine *const *)a),
		 y = summary_size_of(*(Stagepost__QueueLine *const *)b);
	return x > y ? -1 : x < y;
}

static void
summary_answer(struct summary *s)
{
	Stagepost__Frame frame = STAGEPOST__FRAME__INIT;
	Stagepost__QueueSummary summary = STAGEPOST__QUEUE_SUMMARY__INIT;
	struct err err;

	if (s->line_count > 1)
		qsort(s->lines, s->line_count, sizeof(*s->lines), summary_largest_first);
	summary.lines = s->lines;
	summary.n_lines = s->line_count < s->limit ? s->line_count : s->limit;
	frame.request = s->request;
	frame.body_case = STAGEPOST__FRAME__BODY_QUEUE_SUMMARY;
	frame.queue_summary = &summary;
	if (bus_server_send(s->broker->bus, str_of(s->peer, s->peer_len), &frame, &err) != 0)
		log_info(NULL, "summary of the queue not sent", F_ERR(&err));
}

static void
summary_free(struct summary *s)
{
	struct tally *t, *next;

	HASH_ITER (hh, s->tallies, t, next) {
		HASH_DEL(s->tallies, t);
		mem_free(t);
	}
	match_fini(&s->match);
	arena_fini(&s->arena);
	mem_free(s->lines);
	mem_free(s->peer);
	mem_free(s);
}

static void
summary_on_walked(void *arg, bool whole)
{
	struct summary *s = arg;
	struct broker *b = s->broker;

	for (unsigned i = 0; whole && i < BROKER_KINDS; i++) {
		s->kind = (Stagepost__JobKind)i;
		b->ops->each(b->schedules[i], summary_add_line, s);
	}
	if (whole)
		summary_answer(s);
	summary_free(s);
}

void
summary_on_query(struct broker *b, struct str peer, const Stagepost__Frame *frame)
{
	static const struct scan_ops ops = {.visit = summary_visit, .end = summary_on_walked};
	unsigned limit = frame->queue_summary_query->limit;
	struct summary *s = mem_new(struct summary);

	s->broker = b;
	s->peer = mem_strndup(peer.p, peer.len);
	s->peer_len = peer.len;
	s->request = frame->request;
	s->limit = limit == 0 || limit > LINES_MAX ? LINES_MAX : limit;
	arena_init(&s->arena);
	/* For a state that does not exist the walk finds no message. */
	if (!match_init(&s->match, frame->queue_summary_query->filter))
		s->match.before_ms = 0;
	if (!scan_start(b, &ops, s))
		summary_free(s);
}
