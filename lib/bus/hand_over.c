/* Messages on their way to a broker: each is sent to the owner of its shard, and
 * resent under the same id until a broker answers that it is durable. */
#include <stdlib.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/bus/client_private.h"
#include "lib/bus/frame.h"

enum {
	TICK_MS = 100,
	ANSWER_MS = 2000,	  /* without an answer: resend */
	NOT_MINE_RETRY_MS = 50,	  /* the map is being reread */
	FAILED_RETRY_MS = 300,	  /* the broker's store did not answer */
	FAILED_LONGEST_MS = 2000, /* then the client is told; a take-over may last longer */
	HAND_OVERS_MAX = 100000,
	BYTES_MAX = 128 * 1024 * 1024, /* of envelopes waiting for an answer */
};

static void
hand_over_free(struct bus_client *b, struct hand_over *h)
{
	HASH_DEL(b->hand_overs, h);
	b->hand_over_bytes -= h->envelope.len;
	buf_fini(&h->envelope);
	mem_free(h);
}

static void
hand_over_end(struct bus_client *b, struct hand_over *h, const struct err *err)
{
	bus_on_handed_over *cb = h->cb;
	void *arg = h->arg;

	hand_over_free(b, h);
	cb(arg, err);
}

static void
send_to_owner(struct bus_client *b, struct hand_over *h, int64_t now_ms)
{
	Stagepost__HandOver body = STAGEPOST__HAND_OVER__INIT;
	struct bus_peer *owner = bus_client_open_owner(b, h->shard);

	/* A process that has slept must not send a message again that the brokers may have
	 * delivered and forgotten meanwhile. */
	if (now_ms >= h->deadline_ms)
		return;
	if (owner == NULL)
		return;
	buf_clear(&b->out);
	bus_frame_pack_around(h->request, STAGEPOST__FRAME__BODY_HAND_OVER, &body.base, 1, buf_str(&h->envelope),
			      &b->out);
	if (bus_socket_send(owner->socket, STR_NONE, buf_str(&b->out), NULL) != 0)
		return; /* its queue is full: the tick tries again */
	h->sent_to = owner;
	h->sent_ms = now_ms;
	h->sends++;
}

void
bus_hand_over(struct bus_client *b, const Stagepost__Envelope *envelope, int64_t timeout_ms, bus_on_handed_over *cb,
	      void *arg)
{
	struct hand_over *h = mem_new(struct hand_over);
	int64_t now_ms = clock_monotonic_ms();

	CHECKF(spool_id_parse(str_c(envelope->id), &h->shard, NULL), "id %s", envelope->id);
	h->request = b->next_request++;
	bus_message_pack(&envelope->base, &h->envelope);
	h->deadline_ms = now_ms + timeout_ms;
	h->cb = cb;
	h->arg = arg;
	/* Too many are waiting already: ended by the tick, never from within this call. */
	if (HASH_COUNT(b->hand_overs) >= HAND_OVERS_MAX || b->hand_over_bytes >= BYTES_MAX)
		h->deadline_ms = now_ms;
	b->hand_over_bytes += h->envelope.len;
	HASH_ADD(hh, b->hand_overs, request, sizeof(h->request), h);
	if (h->deadline_ms > now_ms)
		send_to_owner(b, h, now_ms);
	if (h->sent_to == NULL)
		bus_client_refresh(b);
	if (!evtimer_pending(b->hand_over_tick, NULL)) {
		struct timeval tv = clock_timeval(TICK_MS);
		event_add(b->hand_over_tick, &tv);
	}
}

/* The brokers can be reached but report that their store cannot: do not use up
 * all of the client's patience. */
static void
on_store_failed(struct hand_over *h)
{
	int64_t now_ms = clock_monotonic_ms();

	if (h->failed_ms == 0)
		h->failed_ms = now_ms;
	if (h->deadline_ms > h->failed_ms + FAILED_LONGEST_MS)
		h->deadline_ms = h->failed_ms + FAILED_LONGEST_MS;
}

/* Can a copy that was sent be in the spool? Each copy gets at most one answer. */
static bool
hand_over_is_in_doubt(const struct hand_over *h)
{
	return h->sends > h->untaken;
}

static void
try_again(struct bus_client *b, struct hand_over *h, int64_t wait_ms)
{
	h->sent_to = NULL;
	h->retry_ms = clock_monotonic_ms() + wait_ms;
	bus_client_refresh(b);
}

void
hand_over_on_reply(struct bus_client *b, const Stagepost__Frame *frame)
{
	const Stagepost__HandOverReply *reply = frame->hand_over_reply;
	struct hand_over *h = NULL;
	uint64_t request = frame->request;
	struct err err;

	HASH_FIND(hh, b->hand_overs, &request, sizeof(request), h);
	if (h == NULL)
		return; /* already answered by another broker, or abandoned */
	/* A broker that answers "busy" has never stored the message. */
	h->untaken += reply->untaken || reply->status == STAGEPOST__HAND_OVER_REPLY__STATUS__BUSY;
	switch (reply->status) {
	case STAGEPOST__HAND_OVER_REPLY__STATUS__OK: hand_over_end(b, h, NULL); break;
	case STAGEPOST__HAND_OVER_REPLY__STATUS__BUSY:
		/* A copy sent before may be waiting to be written. */
		err_set(&err, hand_over_is_in_doubt(h) ? ERR_TIMEOUT : ERR_LIMIT, "the broker is busy: %s",
			reply->text);
		hand_over_end(b, h, &err);
		break;
	case STAGEPOST__HAND_OVER_REPLY__STATUS__NOT_MINE: try_again(b, h, NOT_MINE_RETRY_MS); break;
	default:
		on_store_failed(h);
		try_again(b, h, FAILED_RETRY_MS);
		break;
	}
}

void
hand_over_peer_lost(struct bus_client *b, const struct bus_peer *p)
{
	struct hand_over *h, *next;

	HASH_ITER (hh, b->hand_overs, h, next)
		if (h->sent_to == p)
			h->sent_to = NULL;
}

void
hand_over_retry(struct bus_client *b)
{
	struct hand_over *h, *next;
	int64_t now_ms = clock_monotonic_ms();

	HASH_ITER (hh, b->hand_overs, h, next)
		if (h->sent_to == NULL && h->retry_ms <= now_ms)
			send_to_owner(b, h, now_ms);
}

static void
give_up(struct bus_client *b, struct hand_over *h)
{
	struct err err;

	if (hand_over_is_in_doubt(h))
		err_set(&err, ERR_TIMEOUT, "no broker confirmed the message");
	else if (h->sends != 0)
		err_set(&err, ERR_UNAVAILABLE, "no broker could write the message");
	else
		err_set(&err, ERR_UNAVAILABLE, "no broker owns shard %u", h->shard);
	hand_over_end(b, h, &err);
}

void
hand_over_on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct bus_client *b = arg;
	struct hand_over *h, *next;
	int64_t now_ms = clock_monotonic_ms();
	bool waits = false;

	(void)fd, (void)what;
	HASH_ITER (hh, b->hand_overs, h, next) {
		if (h->deadline_ms <= now_ms) {
			give_up(b, h);
			continue;
		}
		if (h->sent_to != NULL && now_ms - h->sent_ms >= ANSWER_MS)
			h->sent_to = NULL;
		if (h->sent_to == NULL && h->retry_ms <= now_ms)
			send_to_owner(b, h, now_ms);
		waits |= h->sent_to == NULL;
	}
	if (waits)
		bus_client_refresh(b);
	if (b->hand_overs != NULL) {
		struct timeval tv = clock_timeval(TICK_MS);
		event_add(b->hand_over_tick, &tv);
	}
}

void
hand_over_end_all(struct bus_client *b)
{
	struct hand_over *h, *next;

	HASH_ITER (hh, b->hand_overs, h, next)
		give_up(b, h);
}
