/* Pages of the queue's messages, in the order of their ids.
 *
 * A walk through memory finds the ids of the page. Only these are read from the
 * spool, a few at a time, and those that could not be decided from memory are
 * checked again. So a page may have fewer entries than asked for and still not
 * be the last. */
#include "spool-broker/admin/query.h"

#include <stdlib.h>
#include <utlist.h>

#include "lib/base/check.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/bus/frame.h"
#include "spool-broker/admin/match.h"
#include "spool-broker/broker.h"
#include "spool-broker/jobs/jobs.h"
#include "spool-broker/queue/message.h"
#include "spool-broker/queue/part.h"
#include "spool-broker/queue/work.h"
#include "spool-broker/schedule/heap.h"
#include "spool-broker/schedule/schedule.h"
#include "spool-broker/spool/scan.h"
#include "spool-broker/spool/shards.h"

enum {
	LIMIT_MAX = 10000,
	READ_AT_ONCE = 100,
	PAGE_BYTES = 4 * 1024 * 1024, /* exceeded only by a single large message; less than a frame may have */
	PARTS_MAX = 100,
};

struct candidate {
	char id[SPOOL_ID_MAX];
	bool sure;
};

struct query {
	struct broker *broker; /* borrowed; NULL: it has ended */
	struct query *prev, *next;
	char *peer; /* owner */
	size_t peer_len;
	uint64_t request;
	struct match match;
	char after[SPOOL_ID_MAX];
	unsigned limit;
	bool ids_only;
	struct candidate *found; /* owner; twice the limit has room */
	size_t found_count;
	bool full; /* there are more than the limit */

	size_t at;	    /* in found: checked so far */
	unsigned reading;   /* answers due */
	struct arena arena; /* of the entries */
	Stagepost__QueueEntry **entries;
	size_t entry_count, entry_bytes;
};

static void
query_free(struct query *q)
{
	if (q->broker != NULL)
		DL_DELETE(q->broker->queries, q);
	match_fini(&q->match);
	arena_fini(&q->arena);
	mem_free(q->found);
	mem_free(q->entries);
	mem_free(q->peer);
	mem_free(q);
}

/* ---- The answer ---- */
static int
query_by_id(const void *a, const void *b)
{
	return strcmp(((const struct candidate *)a)->id, ((const struct candidate *)b)->id);
}

static int
query_entries_by_id(const void *a, const void *b)
{
	return strcmp((*(Stagepost__QueueEntry *const *)a)->id, (*(Stagepost__QueueEntry *const *)b)->id);
}

static size_t
query_bytes_of(const Stagepost__QueueEntry *entry)
{
	return protobuf_c_message_get_packed_size(&entry->base);
}

/* A round of reads may return more than a page holds; at least one entry always goes in. */
static size_t
query_count_fitting(const struct query *q)
{
	size_t bytes = 0;

	for (size_t i = 0; i < q->entry_count; i++) {
		bytes += query_bytes_of(q->entries[i]);
		if (i != 0 && bytes > PAGE_BYTES)
			return i;
	}
	return q->entry_count;
}

static void
query_answer(struct query *q)
{
	Stagepost__Frame frame = STAGEPOST__FRAME__INIT;
	Stagepost__QueuePage page = STAGEPOST__QUEUE_PAGE__INIT;
	struct err err;

	if (q->entry_count > 1)
		qsort(q->entries, q->entry_count, sizeof(struct Stagepost__QueueEntry *), query_entries_by_id);
	page.entries = q->entries;
	page.n_entries = query_count_fitting(q);
	if (page.n_entries < q->entry_count)
		page.next_after = q->entries[page.n_entries - 1]->id;
	else if (q->at < q->found_count || q->full)
		page.next_after = q->found[q->at - 1].id;
	frame.request = q->request;
	frame.body_case = STAGEPOST__FRAME__BODY_QUEUE_PAGE;
	frame.queue_page = &page;
	if (bus_server_send(q->broker->bus, str_of(q->peer, q->peer_len), &frame, &err) != 0)
		log_info(NULL, "queue page not sent", F_ERR(&err));
	query_free(q);
}

/* ---- Entries ---- */
static Stagepost__QueuePart *
query_describe_part(struct query *q, const struct part *p)
{
	Stagepost__QueuePart *part = arena_new(&q->arena, Stagepost__QueuePart);
	const struct site *site = part_site(p);

	stagepost__queue_part__init(part);
	part->destination = arena_strdup(&q->arena, part_destination(p));
	part->kind = part_kind(p);
	part->state = (char *)(uintptr_t)queue_state_names[part_queue_state(p)];
	if (p->state == PART_DEFERRED)
		part->next_try_ms = (uint64_t)p->retry.time_ms;
	if (p->job != NULL) {
		part->worker = arena_strdup(&q->arena, p->job->worker->name);
		part->started_ms = (uint64_t)p->job->started_ms;
	}
	if (site == NULL)
		return part;
	part->site = arena_strdup(&q->arena, site->name);
	if (site->trouble != NULL)
		part->trouble = arena_strdup(&q->arena, site->trouble);
	if (heap_has(&site->wake))
		part->probe_ms = (uint64_t)site->wake.time_ms;
	return part;
}

/* state and envelope: empty for ids alone. */
static void
query_add_entry(struct query *q, const struct message *m, struct str envelope, struct str state)
{
	Stagepost__QueueEntry *entry = arena_new(&q->arena, Stagepost__QueueEntry);

	stagepost__queue_entry__init(entry);
	entry->id = arena_strdup(&q->arena, m->id);
	entry->status = (char *)(uintptr_t)queue_state_names[message_queue_state(m)];
	entry->envelope =
		(ProtobufCBinaryData){envelope.len, (uint8_t *)arena_dup(&q->arena, envelope.p, envelope.len)};
	entry->state = (ProtobufCBinaryData){state.len, (uint8_t *)arena_dup(&q->arena, state.p, state.len)};
	entry->parts = arena_array(&q->arena, Stagepost__QueuePart *, PARTS_MAX);
	for (const struct part *p = m->parts; p != NULL && entry->n_parts < PARTS_MAX && !q->ids_only; p = p->next)
		entry->parts[entry->n_parts++] = query_describe_part(q, p);
	q->entries[q->entry_count++] = entry;
	q->entry_bytes += query_bytes_of(entry);
}

static bool
query_fits_entry(const struct query *q, struct str envelope, struct str state)
{
	struct arena arena;
	Stagepost__Envelope *e;
	Stagepost__MessageState *s = NULL;
	bool fit;

	arena_init(&arena);
	e = bus_stored_unpack(&stagepost__envelope__descriptor, envelope, &arena);
	if (state.len != 0)
		s = bus_stored_unpack(&stagepost__message_state__descriptor, state, &arena);
	fit = e != NULL && (s != NULL || state.len == 0) && match_entry(&q->match, e, s);
	arena_fini(&arena);
	return fit;
}

static void
query_look_at(struct query *q, const struct message *m, bool sure, struct str envelope, struct str state)
{
	if (!sure && !query_fits_entry(q, envelope, state))
		return;
	if (q->ids_only)
		query_add_entry(q, m, STR_NONE, STR_NONE);
	else
		query_add_entry(q, m, envelope, state);
}

/* ---- Reading ---- */
static void query_go_on(struct query *q);

struct read {
	struct query *query;   /* borrowed; valid until its reads are answered */
	struct broker *broker; /* borrowed */
	struct candidate candidate;
};

static struct message *
query_find(struct broker *b, const char *id)
{
	unsigned number;
	struct shard *s = spool_id_parse(str_c(id), &number, NULL) ? shards_owned(b, number) : NULL;
	struct message *m = s != NULL ? message_find(s, str_c(id)) : NULL;

	return m != NULL && (m->flags & MESSAGE_FINISHING) == 0 ? m : NULL;
}

static void
query_on_read(void *arg, const struct spool_entry *entry, const struct err *err)
{
	struct read r = *(struct read *)arg;
	struct query *q = r.query;
	struct message *m;

	mem_free(arg);
	q->reading--;
	if (!op_back(&r.broker->op) || q->broker == NULL) {
		q->broker = NULL;
		if (q->reading == 0)
			query_free(q);
		return;
	}
	m = query_find(q->broker, r.candidate.id);
	if (m != NULL && err == NULL && entry->envelope.len != 0)
		query_look_at(q, m, r.candidate.sure, entry->envelope, entry->state);
	if (q->reading == 0)
		query_go_on(q);
}

static void
query_look_up(struct query *q, const struct candidate *c)
{
	struct message *m = query_find(q->broker, c->id);
	struct buf envelope = BUF_EMPTY, state = BUF_EMPTY;
	struct read *r;

	if (m == NULL)
		return;
	if (q->ids_only && c->sure)
		query_look_at(q, m, true, STR_NONE, STR_NONE);
	else if (m->work != NULL) {
		bus_message_pack(&m->work->envelope->base, &envelope);
		bus_message_pack(&m->work->state->base, &state);
		query_look_at(q, m, c->sure, buf_str(&envelope), buf_str(&state));
	} else {
		r = mem_new(struct read);
		*r = (struct read){.query = q, .broker = q->broker, .candidate = *c};
		q->reading++;
		op_hold(&q->broker->op);
		spool_find(q->broker->config.redis, str_c(c->id), query_on_read, r);
	}
	buf_fini(&envelope);
	buf_fini(&state);
}

static void
query_go_on(struct query *q)
{
	do {
		for (unsigned i = 0; i < READ_AT_ONCE && q->at < q->found_count; i++)
			query_look_up(q, &q->found[q->at++]);
	} while (q->reading == 0 && q->at < q->found_count && q->entry_bytes < PAGE_BYTES);
	if (q->reading == 0)
		query_answer(q);
}

/* ---- The walk ---- */
/* The lowest ids are kept. */
static void
query_cut_found(struct query *q)
{
	if (q->found_count > 1)
		qsort(q->found, q->found_count, sizeof(*q->found), query_by_id);
	if (q->found_count > q->limit) {
		q->found_count = q->limit;
		q->full = true;
	}
}

static void
query_visit(void *arg, struct message *m)
{
	struct query *q = arg;
	enum match_result result;

	if (strcmp(m->id, q->after) <= 0 || (q->full && strcmp(m->id, q->found[q->limit - 1].id) >= 0) ||
	    (result = match_message(&q->match, m)) == MATCH_NO)
		return;
	memcpy(q->found[q->found_count].id, m->id, sizeof(m->id));
	q->found[q->found_count++].sure = result == MATCH_YES;
	if (q->found_count == 2 * (size_t)q->limit)
		query_cut_found(q);
}

static void
query_on_walked(void *arg, bool whole)
{
	struct query *q = arg;

	if (!whole) {
		query_free(q);
		return;
	}
	query_cut_found(q);
	q->entries = mem_alloc((q->found_count + 1) * sizeof(struct Stagepost__QueueEntry *));
	query_go_on(q);
}

static struct query *
query_new(struct broker *b, struct str peer, uint64_t request, const Stagepost__QueueQuery *asked)
{
	struct query *q = mem_new(struct query);

	q->broker = b;
	DL_APPEND(b->queries, q);
	q->peer = mem_strndup(peer.p, peer.len);
	q->peer_len = peer.len;
	q->request = request;
	q->ids_only = asked->ids_only;
	q->limit = asked->limit == 0 || asked->limit > LIMIT_MAX ? LIMIT_MAX : asked->limit;
	str_copy(str_c(asked->after), q->after, sizeof(q->after));
	q->found = mem_alloc(2 * (size_t)q->limit * sizeof(*q->found));
	arena_init(&q->arena);
	return q;
}

void
query_on_query(struct broker *b, struct str peer, const Stagepost__Frame *frame)
{
	static const struct scan_ops ops = {.visit = query_visit, .end = query_on_walked};
	const Stagepost__QueueQuery *asked = frame->queue_query;
	struct query *q = query_new(b, peer, frame->request, asked);
	struct message *m = asked->id[0] != '\0' ? query_find(b, asked->id) : NULL;

	if (!match_init(&q->match, asked->filter))
		query_on_walked(q, true); /* no message is in such a state */
	else if (asked->id[0] == '\0' && !scan_start(b, &ops, q))
		query_free(q); /* too many queries at once: this one times out */
	else if (asked->id[0] != '\0') {
		if (m != NULL) {
			memcpy(q->found[0].id, m->id, sizeof(m->id));
			q->found[q->found_count++].sure = true;
		}
		query_on_walked(q, true);
	}
}

/* After scans_free(): the remaining queries wait for reads. */
void
queries_free(struct broker *b)
{
	struct query *q, *next;

	DL_FOREACH_SAFE (b->queries, q, next) {
		DL_DELETE(b->queries, q);
		q->broker = NULL;
	}
}
