/* Entries whose bodies are not confirmed. */
#include "spool-broker/spool/unconfirmed.h"

#include <string.h>
#include <uthash.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/crashpoint.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/bus/frame.h"
#include "spool-broker/queue/message.h"
#include "spool-broker/queue/work.h"
#include "spool-broker/spool/shards.h"
#include "spool-broker/spool/take_over.h"
#include "spool-broker/spool/writer.h"

enum {
	WORD_MS = 1000,	       /* how long to wait for the frontend's word */
	LOOK_MOST_MS = 60000,  /* between two looks; twice as long each time until then */
	KEEP_MS = 3600 * 1000, /* see the header */
	SAVE_MS = 1000,	       /* most messages have been delivered by then */
};

enum unconfirmed_state { UNCONFIRMED_WRITING, UNCONFIRMED_WRITTEN, UNCONFIRMED_CONFIRMED };

struct unconfirmed {
	UT_hash_handle hh; /* by id, in its shard */
	char id[SPOOL_ID_MAX];
	enum unconfirmed_state state;
	bool synced, lost;    /* said so while it was being written */
	bool known;	      /* read from the store: the former owner may have handed it out */
	bool looking;	      /* a look is in progress */
	int64_t since_ms;     /* monotonic: in this state */
	int64_t look_ms;      /* monotonic: the next look */
	int64_t look_wait_ms; /* after that one */
	struct blob_id body;
	char *envelope; /* owner: packed; NULL while it is being written, and once it is confirmed */
	size_t envelope_len;
};

/* ---- The table ---- */
static struct unconfirmed *
unconfirmed_find(struct shard *s, struct str id)
{
	struct unconfirmed *u = NULL;

	if (id.len == SPOOL_ID_LEN)
		HASH_FIND(hh, s->unconfirmed, id.p, SPOOL_ID_LEN, u);
	return u;
}

static struct unconfirmed *
unconfirmed_new(struct shard *s, struct str id)
{
	struct unconfirmed *u = mem_new(struct unconfirmed);

	CHECK(str_copy(id, u->id, sizeof(u->id)));
	u->since_ms = clock_monotonic_ms();
	HASH_ADD(hh, s->unconfirmed, id, SPOOL_ID_LEN, u);
	return u;
}

static void
unconfirmed_drop_envelope(struct unconfirmed *u)
{
	mem_free(u->envelope);
	u->envelope = NULL;
}

static void
unconfirmed_free(struct shard *s, struct unconfirmed *u)
{
	HASH_DEL(s->unconfirmed, u);
	unconfirmed_drop_envelope(u);
	mem_free(u);
}

void
unconfirmed_forget(struct shard *s)
{
	struct unconfirmed *u, *next;

	HASH_ITER (hh, s->unconfirmed, u, next)
		unconfirmed_free(s, u);
}

static void
unconfirmed_set_state(struct unconfirmed *u, enum unconfirmed_state state)
{
	u->state = state;
	u->since_ms = clock_monotonic_ms();
}

/* ---- The end of the wait ---- */
static void
unconfirmed_end_well(struct shard *s, struct unconfirmed *u)
{
	char *envelope = u->envelope;
	bool known = u->known;

	CHECKF(u->state == UNCONFIRMED_WRITTEN, "%s", u->id);
	unconfirmed_set_state(u, UNCONFIRMED_CONFIRMED);
	u->envelope = NULL;
	CRASHPOINT("body-confirmed");
	s->broker->spool_events->on_confirmed(s, str_c(u->id), str_of(envelope, u->envelope_len), known);
	mem_free(envelope);
	broker_wake(s->broker);
}

static void
unconfirmed_take_back(struct shard *s, struct unconfirmed *u)
{
	writer_withdraw(s, str_c(u->id));
	unconfirmed_free(s, u);
}

/* From the packed envelope; none: it cannot be read. */
static struct blob_id
unconfirmed_body(struct str envelope)
{
	struct arena arena;
	Stagepost__Envelope *e;
	struct blob_id id = {.pack = 0};

	arena_init(&arena);
	e = bus_stored_unpack(&stagepost__envelope__descriptor, envelope, &arena);
	if (e != NULL && e->body != NULL)
		id = (struct blob_id){e->body->pack, e->body->offset, e->body->length};
	arena_fini(&arena);
	return id;
}

static void
unconfirmed_await(struct unconfirmed *u, struct str envelope, int64_t wait_ms)
{
	unconfirmed_set_state(u, UNCONFIRMED_WRITTEN);
	u->envelope = mem_strndup(envelope.p, envelope.len);
	u->envelope_len = envelope.len;
	u->body = unconfirmed_body(envelope);
	u->look_ms = u->since_ms + wait_ms;
	u->look_wait_ms = WORD_MS;
}

/* ---- Incoming events ---- */
void
unconfirmed_begin(struct shard *s, struct str id)
{
	if (unconfirmed_find(s, id) == NULL)
		unconfirmed_new(s, id);
}

void
unconfirmed_on_written(struct shard *s, struct str id, struct str envelope)
{
	struct unconfirmed *u = unconfirmed_find(s, id);

	if (u == NULL)
		u = unconfirmed_new(s, id);
	if (u->state != UNCONFIRMED_WRITING)
		return;
	unconfirmed_await(u, envelope, WORD_MS);
	if (u->lost)
		unconfirmed_take_back(s, u);
	else if (u->synced)
		unconfirmed_end_well(s, u);
}

void
unconfirmed_on_refused(struct broker *b, const char *id)
{
	struct unconfirmed *u;
	unsigned number;

	/* If it was written after all, it is read from the store. */
	if (!spool_id_parse(str_c(id), &number, NULL) || number >= b->shards->count)
		return;
	u = unconfirmed_find(&b->shards->list[number], str_c(id));
	if (u != NULL && u->state == UNCONFIRMED_WRITING)
		unconfirmed_free(&b->shards->list[number], u);
}

bool
unconfirmed_confirm(struct shard *s, struct str id)
{
	struct unconfirmed *u = unconfirmed_find(s, id);

	if (u == NULL)
		return false;
	u->synced = true;
	if (u->state != UNCONFIRMED_WRITTEN)
		return false;
	unconfirmed_end_well(s, u);
	return true;
}

bool
unconfirmed_waits(struct shard *s, struct str id)
{
	const struct unconfirmed *u = unconfirmed_find(s, id);

	return u != NULL && u->state != UNCONFIRMED_CONFIRMED;
}

/* ---- Looking ---- */
struct unconfirmed_look {
	struct stay *stay; /* borrowed: its op is held */
	char id[SPOOL_ID_MAX];
};

static void
unconfirmed_judge(struct shard *s, struct unconfirmed *u, enum blob_look look, const struct err *err)
{
	int64_t now_ms = clock_monotonic_ms(), keep_ms = s->broker->config.unconfirmed_keep_ms;

	u->looking = false;
	u->look_ms = now_ms + u->look_wait_ms;
	u->look_wait_ms = u->look_wait_ms * 2 < LOOK_MOST_MS ? u->look_wait_ms * 2 : LOOK_MOST_MS;
	if (look == BLOB_LOOK_WHOLE) {
		unconfirmed_end_well(s, u);
	} else if (now_ms - u->since_ms < (keep_ms != 0 ? keep_ms : KEEP_MS)) {
		return;
	} else if (look == BLOB_LOOK_TORN) {
		log_warning(NULL, "spool entry taken back: its body was never synced, its client was never answered 250",
			    F_C("id", u->id));
		unconfirmed_take_back(s, u);
	} else {
		log_warning(NULL, "spool entry taken for confirmed: its body cannot be looked at", F_C("id", u->id),
			    F_ERR(err));
		u->known = true;
		unconfirmed_end_well(s, u);
	}
}

static void
unconfirmed_on_looked(void *arg, enum blob_look look, const struct err *err)
{
	struct unconfirmed_look *l = arg;
	struct shard *s = l->stay->shard;
	struct unconfirmed *u;

	if (op_back(&l->stay->op)) {
		s->looks--;
		u = unconfirmed_find(s, str_c(l->id));
		if (u != NULL && u->state == UNCONFIRMED_WRITTEN)
			unconfirmed_judge(s, u, look, err);
		take_over_on_looked(s);
	}
	mem_free(l);
}

static void
unconfirmed_start_look(struct shard *s, struct unconfirmed *u)
{
	struct unconfirmed_look *l;

	if (s->broker->config.blobs == NULL)
		return;
	l = mem_new(struct unconfirmed_look);
	l->stay = s->stay;
	memcpy(l->id, u->id, sizeof(l->id));
	u->looking = true;
	s->looks++;
	op_hold(&s->stay->op);
	blob_look_at(s->broker->config.blobs, &u->body, unconfirmed_on_looked, l);
}

void
unconfirmed_take(struct shard *s, const struct spool_entry *entry)
{
	struct unconfirmed *u;

	if (unconfirmed_find(s, entry->id) != NULL)
		return;
	u = unconfirmed_new(s, entry->id);
	u->known = true;
	unconfirmed_await(u, entry->envelope, 0);
	log_info(NULL, "spool entry waits for its body", F_C("id", u->id));
	unconfirmed_start_look(s, u);
}

static void
unconfirmed_on_lost(struct shard *s, struct str id)
{
	struct unconfirmed *u = unconfirmed_find(s, id);

	if (u == NULL || u->state == UNCONFIRMED_CONFIRMED)
		return;
	u->lost = true;
	if (u->state == UNCONFIRMED_WRITTEN)
		unconfirmed_take_back(s, u);
}

static struct shard *
unconfirmed_shard(struct broker *b, const char *id)
{
	unsigned number;

	return spool_id_parse(str_c(id), &number, NULL) ? shards_owned(b, number) : NULL;
}

void
unconfirmed_on_news(struct broker *b, struct str peer, const Stagepost__Frame *frame)
{
	const Stagepost__BodySynced *news = frame->body_synced;
	struct shard *s;

	(void)peer;
	for (size_t i = 0; i < news->n_ids; i++)
		if ((s = unconfirmed_shard(b, news->ids[i])) != NULL)
			unconfirmed_confirm(s, str_c(news->ids[i]));
	for (size_t i = 0; i < news->n_lost; i++)
		if ((s = unconfirmed_shard(b, news->lost[i])) != NULL)
			unconfirmed_on_lost(s, str_c(news->lost[i]));
}

/* ---- Time ---- */
static void
unconfirmed_save(struct broker *b, struct message *m, const struct err *err)
{
	if (err != NULL)
		return;
	m->work->dirty = true;
	message_settle(b, m);
}

static void
unconfirmed_tick_one(struct shard *s, struct unconfirmed *u, int64_t now_ms)
{
	struct message *m;

	if (u->state == UNCONFIRMED_WRITTEN && !u->looking && u->look_ms <= now_ms)
		unconfirmed_start_look(s, u);
	if (u->state != UNCONFIRMED_CONFIRMED || now_ms - u->since_ms < SAVE_MS)
		return;
	m = message_find(s, str_c(u->id));
	unconfirmed_free(s, u);
	if (m != NULL && (m->flags & MESSAGE_UNSYNCED) != 0)
		message_with_work(s->broker, m, unconfirmed_save);
}

void
unconfirmed_tick(struct broker *b)
{
	int64_t now_ms = clock_monotonic_ms();

	for (unsigned i = 0; i < b->shards->count; i++) {
		struct shard *s = &b->shards->list[i];
		struct unconfirmed *u, *next;
		if (shard_may_work(s))
			HASH_ITER (hh, s->unconfirmed, u, next)
				unconfirmed_tick_one(s, u, now_ms);
	}
}
