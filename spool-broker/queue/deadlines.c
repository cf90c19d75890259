/* Deadlines of queued messages, after a change of the settings that they depend
 * on.
 *
 * Other changes cost nothing. A change of these settings takes a walk through all
 * messages, in slices of the loop; a change during a walk starts a walk of its
 * own. Until a message is reached it keeps its old deadline. When that is due, the
 * current settings decide (deadlines_run), so only an earlier deadline can take
 * effect late. */
#include "spool-broker/queue/deadlines.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "spool-broker/broker.h"
#include "spool-broker/jobs/check.h"
#include "spool-broker/jobs/postponed.h"
#include "spool-broker/queue/message.h"
#include "spool-broker/queue/part.h"
#include "spool-broker/schedule/heap.h"
#include "spool-broker/spool/scan.h"
#include "spool-broker/spool/shards.h"

static struct deadline_terms
deadlines_terms_now(const struct broker *b)
{
	const struct settings_spool *spool = settings_spool(broker_settings(b), STR_NONE);
	const struct settings_spam *spam = settings_spam(broker_settings(b), STR_NONE);

	return (struct deadline_terms){
		.expire_ms = spool->expire_after,
		.bounce_expire_ms = spool->bounce_expire_after,
		.delay_ms = spool->delay_warning_after,
		.check_ms = spam->unavailable == SPAM_UNAVAILABLE_ACCEPT ? spam->unavailable_after : -1,
		.check_off = check_is_off(b)};
}

static bool
deadlines_are_same(const struct deadline_terms *x, const struct deadline_terms *y)
{
	return x->expire_ms == y->expire_ms && x->bounce_expire_ms == y->bounce_expire_ms &&
	       x->delay_ms == y->delay_ms && x->check_ms == y->check_ms && x->check_off == y->check_off;
}

static void
deadlines_visit(void *arg, struct message *m)
{
	deadline_set(arg, m);
}

static void
deadlines_on_walked(void *arg, bool whole)
{
	struct broker *b = arg;

	b->deadlines->walked = false;
	if (whole)
		deadlines_look(b);
}

void
deadlines_look(struct broker *b)
{
	static const struct scan_ops ops = {.visit = deadlines_visit, .end = deadlines_on_walked};
	struct deadline_terms now = deadlines_terms_now(b);

	/* A change during a walk is handled after it. */
	if (b->deadlines->walked || b->shards->list == NULL || deadlines_are_same(&now, &b->deadlines->terms))
		return;
	if (!scan_start(b, &ops, b))
		return; /* too many walks: the next tick tries again */
	b->deadlines->walked = true;
	b->deadlines->terms = now;
	log_info(NULL, "deadlines are set again", F_I64("messages", b->messages->count));
}

struct deadlines *
deadlines_new(const struct broker *b)
{
	struct deadlines *d = mem_new(struct deadlines);

	d->terms = deadlines_terms_now(b);
	return d;
}

void
deadlines_free(struct deadlines **deadlines)
{
	heap_fini(&(*deadlines)->heap);
	mem_free(*deadlines);
	*deadlines = NULL;
}

/* ---- Due messages ---- */
enum { EXPIRED_LOOK_MS = 10 * 60 * 1000 };

static int64_t
deadlines_expiry_ms(const struct broker *b, const struct message *m)
{
	const struct settings_spool *s = settings_spool(broker_settings(b), STR_NONE);
	return m->received_ms + ((m->flags & MESSAGE_NULL_SENDER) != 0 ? s->bounce_expire_after : s->expire_after);
}

bool
deadline_is_expired(const struct broker *b, const struct message *m, int64_t now_ms)
{
	return now_ms >= deadlines_expiry_ms(b, m);
}

/* When to tell the sender that the message is late or has expired. */
static int64_t
deadlines_notice_ms(const struct broker *b, const struct message *m)
{
	const struct settings_spool *s = settings_spool(broker_settings(b), STR_NONE);
	int64_t time_ms = deadlines_expiry_ms(b, m), delay_ms = m->received_ms + s->delay_warning_after;

	if (s->delay_warning_after > 0 && (m->flags & (MESSAGE_NULL_SENDER | MESSAGE_DELAY_TOLD)) == 0 &&
	    delay_ms < time_ms)
		time_ms = delay_ms;
	return time_ms;
}

void
deadline_set(struct broker *b, struct message *m)
{
	int64_t time_ms = deadlines_notice_ms(b, m), check_ms = check_deadline_ms(b, m),
		soonest_ms = clock_unix_ms() + 1000;

	if (check_ms < time_ms)
		time_ms = check_ms;
	/* A deadline that has passed already is handled by the result of the job in progress. */
	heap_set(&b->deadlines->heap, &m->deadline, time_ms > soonest_ms ? time_ms : soonest_ms);
}

static void
deadlines_on_deadline(struct broker *b, struct message *m, const struct err *err)
{
	if (err != NULL) {
		log_warning(NULL, "an old message cannot be read", F_C("id", m->id), F_ERR(err));
		heap_set(&b->deadlines->heap, &m->deadline, clock_unix_ms() + 5000);
		return;
	}
	if (deadline_is_expired(b, m, clock_unix_ms()) && postponed_holds(m)) {
		message_give_back(b, m); /* the deadline is some seconds away already */
		return;
	}
	if (deadline_is_expired(b, m, clock_unix_ms())) {
		parts_give_up(b, m, STR_NONE, "expired", "5.4.7", "delivery time expired", true);
		/* A kept message stays; it need not be read for this every second. */
		heap_set(&b->deadlines->heap, &m->deadline, clock_unix_ms() + EXPIRED_LOOK_MS);
	} else {
		check_look(b, m);
		deadline_set(b, m);
	}
	message_settle(b, m);
}

void
deadlines_run(struct broker *b, int64_t now_ms)
{
	struct heap_node *node;

	/* A few at a time: each may need a read from the store. */
	for (unsigned i = 0; i < 256 && (node = heap_first(&b->deadlines->heap)) != NULL && node->time_ms <= now_ms;
	     i++) {
		struct message *m = heap_owner(node, struct message, deadline);
		bool waits = (m->flags & (MESSAGE_HELD | MESSAGE_FINISHING)) != 0 || !shard_may_work(m->shard);
		heap_set(&b->deadlines->heap, &m->deadline, now_ms + 10000);
		/* A healthy engine will get to it: no need to read it. */
		if (now_ms < deadlines_notice_ms(b, m) && check_waits(b, m, now_ms))
			continue;
		if (!waits)
			message_with_work(b, m, deadlines_on_deadline);
	}
}
