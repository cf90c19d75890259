/* Writes to one shard of the spool. */
#include "spool-broker/spool/writer.h"

#include <string.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "spool-broker/admin/events.h"
#include "spool-broker/broker.h"
#include "spool-broker/spool/shards.h"

enum { BATCH_MAX = 256, BATCH_BYTES_MAX = 1024 * 1024, RETRY_MS = 200 };
/* Events of one call, so that its script blocks the store for only about 5 ms: about 800. */
enum { EVENTS_BYTES_MAX = 256 * 1024 };

enum verb { VERB_ADD, VERB_SAVE, VERB_FINISH, VERB_PUBLISH };

struct write {
	UT_hash_handle hh;  /* an add: by id, among all of the broker's */
	struct write *next; /* owner */
	enum verb verb;
	char id[SPOOL_ID_MAX];
	int64_t retention_ms; /* of a finish */
	uint64_t request;     /* of an add */
	uint16_t peer_len;    /* of an add */
	size_t data_len, events_len;
	char bytes[]; /* peer, data, events */
};

/* A batch on its way. */
struct sent {
	struct broker *broker; /* borrowed: its op is held */
	struct stay *stay;     /* borrowed: its op is held */
	struct write *writes;  /* owner */
	bool never;	       /* the store was away: it does not get the events */
};

struct writes *
writes_new(void)
{
	return mem_new(struct writes);
}

void
writes_end(struct writes **writes)
{
	mem_free(*writes);
	*writes = NULL;
}

static struct str
write_peer(const struct write *w)
{
	return str_of(w->bytes, w->peer_len);
}

static struct str
write_data(const struct write *w)
{
	return str_of(w->bytes + w->peer_len, w->data_len);
}

static struct str
write_events(const struct write *w)
{
	return str_of(w->bytes + w->peer_len + w->data_len, w->events_len);
}

static struct write *
writer_append(struct shard *s, enum verb verb, struct str id, struct str peer, struct str data, struct str events)
{
	struct write *w = mem_zalloc(sizeof(*w) + peer.len + data.len + events.len);
	struct writer *writer = &s->writer;

	w->verb = verb;
	CHECK(str_copy(id, w->id, sizeof(w->id)) && peer.len < UINT16_MAX);
	w->peer_len = (uint16_t)peer.len;
	w->data_len = data.len;
	if (peer.len != 0)
		memcpy(w->bytes, peer.p, peer.len);
	if (data.len != 0)
		memcpy(w->bytes + peer.len, data.p, data.len);
	w->events_len = events.len;
	if (events.len != 0)
		memcpy(w->bytes + peer.len + data.len, events.p, events.len);
	if (writer->last != NULL)
		writer->last->next = w;
	else
		writer->first = w;
	writer->last = w;
	writer->count++;
	if (writer->since_ms == 0)
		writer->since_ms = clock_monotonic_ms();
	if (verb != VERB_FINISH)
		writer->urgent++;
	return w;
}

/* The first of this id. */
static struct write *
writer_find_add(const struct broker *b, struct str id)
{
	struct write *w = NULL;

	HASH_FIND(hh, b->writes->adds, id.p, id.len, w);
	return w;
}

bool
writer_has_add(const struct shard *s, struct str id, struct str peer, uint64_t request)
{
	const struct write *w = writer_find_add(s->broker, id);

	return w != NULL && w->request == request && str_eq(write_peer(w), peer);
}

static void
writer_free_write(struct broker *b, struct write *w)
{
	if (w->verb == VERB_ADD) {
		b->writes->waiting--;
		b->writes->waiting_bytes -= w->data_len;
		if (writer_find_add(b, str_c(w->id)) == w)
			HASH_DEL(b->writes->adds, w);
	}
	mem_free(w);
}

void
writer_add(struct shard *s, struct str id, struct str envelope, struct str events, struct str peer, uint64_t request)
{
	struct write *w = writer_append(s, VERB_ADD, id, peer, envelope, events);

	w->request = request;
	if (writer_find_add(s->broker, id) == NULL)
		HASH_ADD_KEYPTR(hh, s->broker->writes->adds, w->id, strlen(w->id), w);
	s->broker->writes->waiting++;
	s->broker->writes->waiting_bytes += envelope.len;
	broker_wake(s->broker);
}

/* A change of very many recipients has more events than one call may publish: the
 * surplus is sent ahead of it. Returns the rest. If the change itself is then lost,
 * the events are published once more with the next one, like those of any batch
 * that is sent again. */
static struct str
writer_publish_ahead(struct shard *s, struct str id, struct str events)
{
	while (events.len > EVENTS_BYTES_MAX) {
		ptrdiff_t end = str_rindex(str_first(events, EVENTS_BYTES_MAX), '\n');
		if (end < 0)
			break;
		writer_append(s, VERB_PUBLISH, id, STR_NONE, STR_NONE, str_first(events, (size_t)end + 1));
		events = str_from(events, (size_t)end + 1);
	}
	return events;
}

void
writer_save(struct shard *s, struct str id, struct str state, struct str events)
{
	events = writer_publish_ahead(s, id, events);
	writer_append(s, VERB_SAVE, id, STR_NONE, state, events);
	broker_wake(s->broker);
}

void
writer_finish(struct shard *s, struct str id, struct str trace, struct str events, int64_t retention_ms,
	      int64_t wait_ms)
{
	int64_t until_ms = clock_monotonic_ms() + wait_ms;

	events = writer_publish_ahead(s, id, events);
	writer_append(s, VERB_FINISH, id, STR_NONE, trace, events)->retention_ms = retention_ms;
	if (s->writer.finish_ms == 0 || until_ms < s->writer.finish_ms)
		s->writer.finish_ms = until_ms;
	broker_wake(s->broker);
}

void
writer_hurry(struct shard *s)
{
	if (s->writer.finish_ms != 0)
		s->writer.finish_ms = clock_monotonic_ms();
	broker_wake(s->broker);
}

bool
writer_is_idle(const struct writer *w)
{
	return w->first == NULL && !w->sending;
}

/* ---- Answers ---- */
static void
writer_on_done(struct shard *s, const struct write *w, enum spool_result result)
{
	const struct spool_events *events = s->broker->spool_events;

	if (w->verb == VERB_ADD) {
		events->on_added(s, str_c(w->id), write_data(w), result, write_peer(w), w->request);
		return;
	}
	if (w->verb == VERB_PUBLISH)
		return;
	if (w->verb == VERB_SAVE)
		events->on_saved(s, str_c(w->id));
	else
		events->on_finished(s, str_c(w->id));
}

static void
writer_refuse(struct broker *b, const struct write *w, const struct refusal *why)
{
	if (w->verb == VERB_ADD)
		b->spool_events->on_refused(b, write_peer(w), w->request, w->id, why);
}

/* The adds are refused; the writes that must be done go back to the head, in
 * order. never: the store was not even asked. */
static void
writer_on_failed(struct shard *s, struct write *writes, bool never, const struct err *err)
{
	const struct refusal why = {STAGEPOST__HAND_OVER_REPLY__STATUS__FAILED, never, err->text};
	struct write *keep = NULL, **tail = &keep, *next, *last = NULL;

	if (log_trouble_note(&s->writer.trouble))
		log_warning(NULL, "spool write failed", F_I64("shard", s->number), F_ERR(err));
	for (struct write *w = writes; w != NULL; w = next) {
		next = w->next;
		if (w->verb == VERB_ADD) {
			writer_refuse(s->broker, w, &why);
			writer_free_write(s->broker, w);
			continue;
		}
		w->next = NULL;
		*tail = last = w;
		tail = &w->next;
		s->writer.count++;
		s->writer.urgent++; /* has waited enough */
	}
	if (last != NULL) {
		last->next = s->writer.first;
		s->writer.first = keep;
		if (s->writer.last == NULL)
			s->writer.last = last;
	}
	s->writer.retry_ms = clock_monotonic_ms() + RETRY_MS;
	/* The adds may have been made nevertheless. */
	s->broker->spool_events->on_doubt(s);
}

/* For a shard that was lost meanwhile: what was written before counts. untaken:
 * the store has refused all of it, or was not asked. */
static void
writer_on_late(struct broker *b, struct write *writes, bool written, bool untaken)
{
	const struct refusal why = {written ? STAGEPOST__HAND_OVER_REPLY__STATUS__OK
					    : STAGEPOST__HAND_OVER_REPLY__STATUS__NOT_MINE,
				    untaken, ""};
	struct write *next;

	for (struct write *w = writes; w != NULL; w = next) {
		next = w->next;
		writer_refuse(b, w, &why);
		writer_free_write(b, w);
	}
}

static void
writer_on_sent(void *arg, const enum spool_result *results, size_t count, const struct err *err)
{
	struct sent *sent = arg;
	struct shard *s = sent->stay->shard;
	struct broker *b = sent->broker;
	struct write *writes = sent->writes, *next;
	bool wanted = op_back(&sent->stay->op), never = sent->never;
	bool fenced = err != NULL && err->code == ERR_FENCED;

	mem_free(sent);
	(void)count;
	if (!wanted) {
		writer_on_late(b, writes, results != NULL && !b->op.cancelled, fenced || never);
		op_back(&b->op);
		return;
	}
	s->writer.sending = false;
	if (fenced) {
		writer_on_late(b, writes, false, true);
		b->spool_events->on_fenced(s, err->text);
	} else if (err != NULL) {
		writer_on_failed(s, writes, never, err);
	} else {
		size_t i = 0;

		log_trouble_over(&s->writer.trouble, NULL, "spool writes succeed again", F_I64("shard", s->number));
		for (struct write *w = writes; w != NULL; w = next) {
			next = w->next;
			writer_on_done(s, w, results[i++]);
			writer_free_write(b, w);
		}
		s->writer.since_ms = s->writer.first != NULL ? clock_monotonic_ms() : 0;
	}
	broker_wake(b);
	op_back(&b->op);
}

/* ---- Sending ---- */
/* Only finishes wait, and may go on waiting. */
static bool
writer_may_wait(struct broker *b, const struct writer *writer, int64_t now_ms)
{
	if (writer->urgent != 0 || b->draining || now_ms >= writer->finish_ms || writer->count >= BATCH_MAX)
		return false;
	if (b->writes->due_ms == 0 || writer->finish_ms < b->writes->due_ms)
		b->writes->due_ms = writer->finish_ms;
	return true;
}

static void
writer_put(struct spool_batch *batch, const struct write *w)
{
	struct str id = str_c(w->id);

	switch (w->verb) {
	case VERB_ADD: spool_batch_add(batch, id, write_data(w)); break;
	case VERB_SAVE: spool_batch_save(batch, id, write_data(w)); break;
	case VERB_PUBLISH: spool_batch_pass(batch, id); break;
	case VERB_FINISH: spool_batch_finish(batch, id, write_data(w), w->retention_ms); break;
	}
}

/* As much as one call may hold goes from the head of the queue into the batch;
 * returns the list. There is one at least. */
static struct write *
writer_take(struct writer *writer, struct spool_batch *batch, unsigned kept)
{
	struct write *first = writer->first, *last = NULL;
	size_t events_bytes = 0;

	while (writer->first != NULL && spool_batch_count(batch) < BATCH_MAX &&
	       spool_batch_bytes(batch) < BATCH_BYTES_MAX &&
	       (last == NULL || events_bytes + writer->first->events_len <= EVENTS_BYTES_MAX)) {
		struct write *w = writer->first;
		events_bytes += w->events_len;
		writer_put(batch, w);
		if (w->events_len != 0)
			spool_batch_publish(batch, write_events(w), kept);
		writer->first = w->next;
		writer->count--;
		last = w;
	}
	CHECK(last != NULL);
	last->next = NULL;
	if (writer->first == NULL)
		writer->last = NULL;
	return first;
}

void
writer_flush(struct shard *s)
{
	struct writer *writer = &s->writer;
	int64_t now_ms;
	struct spool_batch *batch;
	struct sent *sent;

	if (writer->sending || writer->first == NULL)
		return;
	now_ms = clock_monotonic_ms();
	if (writer->retry_ms > now_ms || (s->state == SHARD_OWNED && writer_may_wait(s->broker, writer, now_ms)))
		return;
	batch = spool_batch_new();
	sent = mem_new(struct sent);
	*sent = (struct sent){.broker = s->broker,
			      .stay = s->stay,
			      .writes = writer_take(writer, batch, events_kept(s->broker)),
			      .never = !redis_is_connected(s->broker->config.redis)};
	/* What is left, after a full batch, follows at once. */
	writer->urgent = writer->count;
	writer->finish_ms = 0;
	writer->sending = true;
	writer->retry_ms = 0;
	op_hold(&s->broker->op);
	op_hold(&s->stay->op);
	spool_batch_send(s->broker->config.redis, &s->lease, batch, writer_on_sent, sent);
	spool_batch_free(&batch);
}

void
writer_drop(struct shard *s)
{
	const struct refusal why = {STAGEPOST__HAND_OVER_REPLY__STATUS__NOT_MINE, true, ""};
	struct write *next;

	for (struct write *w = s->writer.first; w != NULL; w = next) {
		next = w->next;
		writer_refuse(s->broker, w, &why);
		writer_free_write(s->broker, w);
	}
	s->writer = (struct writer){.first = NULL};
}
