/* Which shards belong to this broker. */
#include "spool-broker/spool/shards.h"

#include <string.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "spool-broker/broker.h"
#include "spool-broker/queue/message.h"
#include "spool-broker/spool/announce.h"
#include "spool-broker/spool/take_over.h"
#include "spool-broker/spool/writer.h"

enum { LEAVE_MS = 5000 /* for jobs in progress in a shard that is given up for balance */ };

struct shards *
shards_new(void)
{
	return mem_new(struct shards);
}

static void
shards_stay_end(struct op *op)
{
	mem_free(OP_OWNER(op, struct stay, op));
}

static struct stay *
shards_stay_new(struct shard *s)
{
	struct stay *stay = mem_new(struct stay);

	op_init(&stay->op, shards_stay_end);
	stay->shard = s;
	return stay;
}

void
shards_init(struct broker *b, unsigned count)
{
	CHECK(b->shards->list == NULL && count != 0 && count <= SPOOL_SHARDS_MAX);
	b->shards->list = mem_zalloc(count * sizeof(*b->shards->list));
	b->shards->count = count;
	for (unsigned i = 0; i < count; i++) {
		b->shards->list[i] = (struct shard){.broker = b, .number = i, .state = SHARD_FREE};
		b->shards->list[i].stay = shards_stay_new(&b->shards->list[i]);
	}
}

struct shard *
shards_owned(struct broker *b, unsigned number)
{
	struct shard *s = number < b->shards->count ? &b->shards->list[number] : NULL;

	/* While a lease is in doubt, writing under it is still safe. */
	return s != NULL && (s->state == SHARD_OWNED || s->state == SHARD_SUSPENDED || s->state == SHARD_LEAVING)
		       ? s
		       : NULL;
}

/* Asked at the very moment: a process that was asleep must not act on what was true before. */
bool
shard_may_work(const struct shard *s)
{
	return s->state == SHARD_OWNED && clock_monotonic_ms() < s->valid_until_ms;
}

unsigned
shards_count(const struct broker *b, enum shard_state state)
{
	unsigned count = 0;

	for (unsigned i = 0; i < b->shards->count; i++)
		count += b->shards->list[i].state == state;
	return count;
}

/* ---- Forgetting ---- */
static void
shards_become_free(struct shard *s)
{
	if (s->state == SHARD_LEAVING || s->state == SHARD_CLOSING)
		s->broker->shards->leaving--;
	op_cancel(&s->stay->op);
	s->stay = shards_stay_new(s);
	s->state = SHARD_FREE;
	s->reading = s->read_again = s->renewing = s->awaits_jobs = false;
	writer_drop(s);
	s->broker->spool_events->on_forgotten(s);
}

void
shard_drop(struct shard *s, const char *why)
{
	if (!shard_is_held(s))
		return;
	log_warning(NULL, "shard lost", F_I64("shard", s->number), F_C("reason", why));
	shards_become_free(s);
}

void
shards_forget(struct broker *b)
{
	for (unsigned i = 0; i < b->shards->count; i++) {
		writer_drop(&b->shards->list[i]);
		b->spool_events->on_forgotten(&b->shards->list[i]);
		op_cancel(&b->shards->list[i].stay->op);
	}
}

void
shards_free(struct shards **shards)
{
	mem_free((*shards)->list);
	mem_free(*shards);
	*shards = NULL;
}

void
shard_read_again(struct shard *s)
{
	s->read_again = true;
}

/* ---- Leases ---- */
struct asking {
	struct stay *stay; /* borrowed */
	int64_t sent_ms;   /* monotonic: a lease counts from when it was asked for */
};

static struct asking *
shards_ask(struct shard *s)
{
	struct asking *a = mem_new(struct asking);

	*a = (struct asking){.stay = s->stay, .sent_ms = clock_monotonic_ms()};
	op_hold(&s->stay->op);
	return a;
}

static void
shards_start_leaving(struct shard *s, enum shard_state state, int64_t by_ms)
{
	s->state = state;
	s->leave_by_ms = by_ms;
	s->broker->shards->leaving++;
	broker_wake(s->broker);
}

/* Nobody owned the shard before. */
static bool
shards_is_first_lease(const struct spool_lease *lease)
{
	const char *fence = strrchr(lease->value, ' ');

	return fence != NULL && strcmp(fence, " 1") == 0;
}

static void
shards_on_acquired(void *arg, const struct spool_lease *lease, const struct err *err)
{
	struct asking a = *(struct asking *)arg;
	struct shard *s = a.stay->shard;
	struct broker *b;

	mem_free(arg);
	if (!op_back(&a.stay->op))
		return;
	b = s->broker;
	if (err != NULL) {
		s->state = SHARD_FREE;
		if (err->code == ERR_EXISTS)
			shards_acquire(b); /* another one instead */
		return;
	}
	s->lease = *lease;
	s->valid_until_ms = a.sent_ms + LEASE_TTL_MS;
	s->renewed_ms = a.sent_ms;
	s->taken_ms = clock_unix_ms();
	s->state = SHARD_OWNED;
	s->awaits_jobs = !shards_is_first_lease(lease);
	s->awaits_until_ms = 0;
	log_info(NULL, "shard taken", F_I64("shard", s->number), F_C("lease", lease->value));
	announce_shard(s);
	if (b->draining)
		shards_start_leaving(s, SHARD_CLOSING, b->drain_until_ms);
	else
		take_over_read(s);
}

static void
shards_on_renewed(void *arg, const struct err *err)
{
	struct asking a = *(struct asking *)arg;
	struct shard *s = a.stay->shard;
	struct broker *b;

	mem_free(arg);
	if (!op_back(&a.stay->op) || !shard_is_held(s))
		return;
	b = s->broker;
	s->renewing = false;
	if (err != NULL && err->code == ERR_FENCED) {
		shard_drop(s, err->text);
		return;
	}
	if (err != NULL)
		return; /* it is tried again; the lease keeps running out */
	s->valid_until_ms = a.sent_ms + LEASE_TTL_MS;
	if (s->state == SHARD_SUSPENDED) {
		log_info(NULL, "shard resumed", F_I64("shard", s->number));
		s->state = SHARD_OWNED;
		broker_wake(b);
	}
}

static void
shards_tend_lease(struct shard *s, int64_t now_ms)
{
	if (s->state == SHARD_OWNED && now_ms >= s->valid_until_ms) {
		log_warning(NULL, "shard suspended: the lease could not be renewed", F_I64("shard", s->number));
		s->state = SHARD_SUSPENDED;
	}
	if (s->state != SHARD_RELEASING && !s->renewing && now_ms - s->renewed_ms >= LEASE_RENEW_MS - 50) {
		s->renewing = true;
		s->renewed_ms = now_ms;
		spool_lease_renew(s->broker->config.redis, &s->lease, LEASE_TTL_MS, shards_on_renewed, shards_ask(s));
	}
	if (s->read_again && !s->reading && shard_may_work(s)) {
		s->read_again = false;
		take_over_read(s);
	}
}

/* ---- Giving up ---- */
static void
shards_on_released(void *arg, const struct err *err)
{
	struct asking a = *(struct asking *)arg;
	struct shard *s = a.stay->shard;
	struct broker *b;

	mem_free(arg);
	if (!op_back(&a.stay->op))
		return;
	b = s->broker;
	log_info(NULL, "shard given up", F_I64("shard", s->number), F_C("error", err != NULL ? err->text : "none"));
	shards_become_free(s);
	announce_change(b);
	broker_wake(b);
}

static void
shards_release(struct shard *s)
{
	struct broker *b = s->broker;

	s->state = SHARD_RELEASING;
	announce_no_shard(s);
	spool_lease_release(b->config.redis, &s->lease, shards_on_released, shards_ask(s));
}

void
shards_look_at_leaving(struct broker *b)
{
	int64_t now_ms = clock_monotonic_ms();

	for (unsigned i = 0; b->shards->leaving != 0 && i < b->shards->count; i++) {
		struct shard *s = &b->shards->list[i];
		bool in_time = now_ms < s->leave_by_ms;
		if (s->state == SHARD_LEAVING && (s->active == 0 || !in_time))
			s->state = SHARD_CLOSING;
		/* Waits a little longer for writes than for jobs. */
		if (s->state == SHARD_CLOSING &&
		    ((s->active == 0 && writer_is_idle(&s->writer)) || (!in_time && now_ms >= s->leave_by_ms + 500))) {
			b->shards->leaving--;
			shards_release(s);
		}
	}
}

void
shards_leave_all(struct broker *b, int64_t by_ms)
{
	for (unsigned i = 0; i < b->shards->count; i++) {
		struct shard *s = &b->shards->list[i];
		if (s->state == SHARD_OWNED || s->state == SHARD_SUSPENDED)
			shards_start_leaving(s, SHARD_CLOSING, by_ms);
		else if (s->state == SHARD_LEAVING)
			s->state = SHARD_CLOSING;
	}
}

bool
shards_all_left(const struct broker *b)
{
	for (unsigned i = 0; i < b->shards->count; i++)
		if (b->shards->list[i].state != SHARD_FREE)
			return false;
	return true;
}

/* ---- An even spread ---- */
/* When shards cannot be divided evenly, the first brokers get the extra ones,
 * so that the last is not left without any. */
static unsigned
shards_quota(const struct broker *b)
{
	return b->shards->count / b->brokers + (b->shards->rank < b->shards->count % b->brokers ? 1 : 0);
}

static unsigned
shards_staying(const struct broker *b)
{
	unsigned count = 0;

	for (unsigned i = 0; i < b->shards->count; i++) {
		enum shard_state state = b->shards->list[i].state;
		count += state == SHARD_OWNED || state == SHARD_SUSPENDED || state == SHARD_ACQUIRING;
	}
	return count;
}

void
shards_acquire(struct broker *b)
{
	unsigned have = shards_staying(b), want = shards_quota(b);

	for (; have < want && b->shards->round_left != 0 && !b->draining; b->shards->round_left--) {
		struct shard *s = &b->shards->list[b->shards->round_next++ % b->shards->count];
		if (s->state != SHARD_FREE)
			continue;
		s->state = SHARD_ACQUIRING;
		have++;
		spool_lease_acquire(b->config.redis, s->number, b->config.id, LEASE_TTL_MS, !s->took_own,
				    shards_on_acquired, shards_ask(s));
		s->took_own = true;
	}
}

void
shards_give_surplus_up(struct broker *b)
{
	unsigned have = shards_staying(b), most = shards_quota(b);

	while (have > most) {
		struct shard *idlest = NULL;
		for (unsigned i = 0; i < b->shards->count; i++) {
			struct shard *s = &b->shards->list[i];
			if (s->state == SHARD_OWNED && !s->reading &&
			    (idlest == NULL || s->active < idlest->active ||
			     (s->active == idlest->active && HASH_COUNT(s->messages) < HASH_COUNT(idlest->messages))))
				idlest = s;
		}
		if (idlest == NULL)
			return;
		shards_start_leaving(idlest, SHARD_LEAVING, clock_monotonic_ms() + LEAVE_MS);
		have--;
	}
}

/* ---- Time ---- */
void
shards_tick(struct broker *b)
{
	int64_t now_ms = clock_monotonic_ms();

	announce_tick(b);
	for (unsigned i = 0; i < b->shards->count; i++)
		if (shard_is_held(&b->shards->list[i]))
			shards_tend_lease(&b->shards->list[i], now_ms);
	announce_hints(b, now_ms);
	shards_look_at_leaving(b);
}
