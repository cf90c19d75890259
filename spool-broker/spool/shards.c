/* Which shards are this broker's. */
#include "spool-broker/spool/shards.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/bus/names.h"
#include "spool-broker/broker.h"
#include "spool-broker/jobs/jobs.h"
#include "spool-broker/queue/message.h"
#include "spool-broker/queue/part.h"
#include "spool-broker/schedule/schedule.h"
#include "spool-broker/spool/writer.h"

enum {
	LEAVE_MS = 5000, /* jobs under way in a shard that is given up for balance */
	PAGE_ENTRIES = 500,
	HINTS_EVERY_MS = 5000,
	ADOPT_MS = 1000,      /* workers say within this what they have in hand */
	ACQUAINTED_MS = 5000, /* after the start: all workers are known */
};

struct shards *
shards_new(void)
{
	return mem_new(struct shards);
}

static void
stay_end(struct op *op)
{
	mem_free(OP_OWNER(op, struct stay, op));
}

static struct stay *
stay_new(struct shard *s)
{
	struct stay *stay = mem_new(struct stay);

	op_init(&stay->op, stay_end);
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
		b->shards->list[i].stay = stay_new(&b->shards->list[i]);
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

/* Asked at the moment itself: a process that slept must not act on what was
 * true before. */
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

static bool
is_held(const struct shard *s)
{
	return s->state != SHARD_FREE && s->state != SHARD_ACQUIRING;
}

/* ---- Forgetting ---- */
static void
become_free(struct shard *s)
{
	if (s->state == SHARD_LEAVING || s->state == SHARD_CLOSING)
		s->broker->shards->leaving--;
	op_cancel(&s->stay->op);
	s->stay = stay_new(s);
	s->state = SHARD_FREE;
	s->reading = s->read_again = s->renewing = s->awaits_jobs = false;
	writer_drop(s);
	s->broker->spool_events->on_forgotten(s);
}

void
shard_drop(struct shard *s, const char *why)
{
	if (!is_held(s))
		return;
	log_warning(NULL, "shard lost", F_I64("shard", s->number), F_C("reason", why));
	become_free(s);
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

/* ---- Telling the others ---- */
static void
publish(struct broker *b)
{
	redis_callf(b->config.redis, NULL, NULL, "PUBLISH " BUS_BROKERS_CHANNEL " %s", b->config.id);
}

static void
announce(struct broker *b)
{
	struct redis *r = b->config.redis;

	redis_callf(r, NULL, NULL, "HSET " BUS_BROKER_KEY "%s endpoint %s curve %s boot %s draining %d", b->config.id,
		    bus_server_endpoint(b->bus), bus_server_public_key(b->bus), b->boot, b->draining ? 1 : 0);
	redis_callf(r, NULL, NULL, "PEXPIRE " BUS_BROKER_KEY "%s %d", b->config.id, BUS_BROKER_EXPIRE_MS);
	redis_callf(r, NULL, NULL, "SADD " BUS_BROKERS_KEY " %s", b->config.id);
	if (!b->shards->announced && redis_is_connected(r)) {
		b->shards->announced = true;
		publish(b);
	}
}

void
shards_unannounce(struct broker *b)
{
	redis_callf(b->config.redis, NULL, NULL, "DEL " BUS_BROKER_KEY "%s", b->config.id);
	redis_callf(b->config.redis, NULL, NULL, "SREM " BUS_BROKERS_KEY " %s", b->config.id);
	publish(b);
}

/* The map, from time to time whole: a lost hint mends itself. */
static void
write_hints(struct broker *b, int64_t now_ms)
{
	struct str *args;
	char(*numbers)[12];
	size_t used = 2;

	if (now_ms < b->shards->hints_due_ms || b->shards->count == 0)
		return;
	b->shards->hints_due_ms = now_ms + HINTS_EVERY_MS;
	args = mem_alloc((2 + 2 * (size_t)b->shards->count) * sizeof(*args));
	numbers = mem_alloc(b->shards->count * sizeof(*numbers));
	args[0] = STR("HSET");
	args[1] = STR(BUS_SHARDS_KEY);
	for (unsigned i = 0; i < b->shards->count; i++) {
		if (!is_held(&b->shards->list[i]))
			continue;
		snprintf(numbers[i], sizeof(numbers[i]), "%u", i);
		args[used++] = str_c(numbers[i]);
		args[used++] = str_c(b->config.id);
	}
	if (used > 2)
		redis_call(b->config.redis, NULL, NULL, used, args);
	mem_free(args);
	mem_free(numbers);
}

/* ---- Taking over: what workers have in hand ---- */
/* Until then nothing is given out that must not be done twice: part_place(). */
static void
end_wait(struct shard *s)
{
	struct message *m, *next;

	s->awaits_jobs = false;
	HASH_ITER (hh, s->messages, m, next)
		for (struct part *p = m->parts; p != NULL; p = p->next)
			if (p->kind == STAGEPOST__JOB_KIND__REMOTE && p->state == PART_IDLE)
				part_place(s->broker, p, p->retry.time_ms);
}

int64_t
shards_look_at_waiting(struct broker *b)
{
	int64_t now_ms = clock_monotonic_ms(), next_ms = INT64_MAX;

	for (unsigned i = 0; i < b->shards->count; i++) {
		struct shard *s = &b->shards->list[i];
		if (!s->awaits_jobs || s->awaits_until_ms == 0)
			continue;
		if (s->awaits_until_ms <= now_ms)
			end_wait(s);
		else if (s->awaits_until_ms < next_ms)
			next_ms = s->awaits_until_ms;
	}
	return next_ms;
}

static void
ask_worker(struct broker *b, struct str peer, uint32_t *shards, size_t count)
{
	Stagepost__Frame frame = STAGEPOST__FRAME__INIT;
	Stagepost__ShardsTaken taken = STAGEPOST__SHARDS_TAKEN__INIT;

	taken.shards = shards;
	taken.n_shards = count;
	frame.body_case = STAGEPOST__FRAME__BODY_SHARDS_TAKEN;
	frame.shards_taken = &taken;
	if (b->bus == NULL || count == 0)
		return;
	bus_server_send(b->bus, peer, &frame, NULL);
	for (size_t i = 0; i < count; i++)
		b->shards->list[shards[i]].asked++;
}

/* The last answer ends the wait, unless a worker may not have come yet. */
void
shards_on_answer(struct broker *b, const uint32_t *shards, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct shard *s = shards[i] < b->shards->count ? &b->shards->list[shards[i]] : NULL;
		if (s == NULL || !s->awaits_jobs || s->asked == 0 || --s->asked != 0)
			continue;
		if (clock_monotonic_ms() - b->started_ms > ACQUAINTED_MS)
			s->awaits_until_ms = 1; /* by the next look */
	}
	broker_wake(b);
}

void
shards_ask_worker(struct broker *b, struct str peer)
{
	uint32_t *numbers = mem_alloc((b->shards->count + 1) * sizeof(*numbers));
	size_t count = 0;

	for (unsigned i = 0; i < b->shards->count; i++)
		if (b->shards->list[i].awaits_jobs && b->shards->list[i].awaits_until_ms != 0)
			numbers[count++] = i;
	ask_worker(b, peer, numbers, count);
	mem_free(numbers);
}

/* The spool is read: what can be adopted is known. */
static void
ask_workers(struct shard *s)
{
	struct worker *w, *next;

	if (!s->awaits_jobs || s->awaits_until_ms != 0)
		return;
	s->awaits_until_ms = clock_monotonic_ms() + ADOPT_MS;
	s->asked = 0;
	HASH_ITER (hh, s->broker->jobs->workers, w, next)
		ask_worker(s->broker, str_of(w->peer, w->peer_len), &s->number, 1);
}

/* ---- Taking over: what the spool has ---- */
static void read_page(struct shard *s, uint64_t cursor);

static void
on_page(void *arg, const struct spool_entry *entries, size_t count, uint64_t next_cursor, const struct err *err)
{
	struct stay *stay = arg;
	struct shard *s = stay->shard;
	struct broker *b;

	if (!op_back(&stay->op))
		return;
	b = s->broker;
	for (size_t i = 0; i < count; i++)
		b->spool_events->on_entry(s, &entries[i]);
	broker_wake(b);
	if (err != NULL) {
		log_warning(NULL, "reading a shard's spool failed", F_I64("shard", s->number), F_ERR(err));
		s->reading = false;
		s->read_again = true; /* by the tick */
	} else if (next_cursor != 0)
		read_page(s, next_cursor);
	else {
		s->reading = false;
		ask_workers(s);
		if (s->messages != NULL)
			log_info(NULL, "shard read", F_I64("shard", s->number),
				 F_I64("messages", HASH_COUNT(s->messages)));
	}
}

static void
read_page(struct shard *s, uint64_t cursor)
{
	s->reading = true;
	op_hold(&s->stay->op);
	spool_read_page(s->broker->config.redis, s->number, cursor, PAGE_ENTRIES, on_page, s->stay);
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
ask(struct shard *s)
{
	struct asking *a = mem_new(struct asking);

	*a = (struct asking){.stay = s->stay, .sent_ms = clock_monotonic_ms()};
	op_hold(&s->stay->op);
	return a;
}

static void acquire_some(struct broker *b);

static void
start_leaving(struct shard *s, enum shard_state state, int64_t by_ms)
{
	s->state = state;
	s->leave_by_ms = by_ms;
	s->broker->shards->leaving++;
	broker_wake(s->broker);
}

/* Nobody had the shard before. */
static bool
is_first_lease(const struct spool_lease *lease)
{
	const char *fence = strrchr(lease->value, ' ');

	return fence != NULL && strcmp(fence, " 1") == 0;
}

static void
on_acquired(void *arg, const struct spool_lease *lease, const struct err *err)
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
			acquire_some(b); /* another one instead */
		return;
	}
	s->lease = *lease;
	s->valid_until_ms = a.sent_ms + LEASE_TTL_MS;
	s->renewed_ms = a.sent_ms;
	s->taken_ms = clock_unix_ms();
	s->state = SHARD_OWNED;
	s->awaits_jobs = !is_first_lease(lease);
	s->awaits_until_ms = 0;
	log_info(NULL, "shard taken", F_I64("shard", s->number), F_C("lease", lease->value));
	redis_callf(b->config.redis, NULL, NULL, "HSET " BUS_SHARDS_KEY " %u %s", s->number, b->config.id);
	publish(b);
	if (b->draining)
		start_leaving(s, SHARD_CLOSING, b->drain_until_ms);
	else
		read_page(s, 0);
}

static void
on_renewed(void *arg, const struct err *err)
{
	struct asking a = *(struct asking *)arg;
	struct shard *s = a.stay->shard;
	struct broker *b;

	mem_free(arg);
	if (!op_back(&a.stay->op) || !is_held(s))
		return;
	b = s->broker;
	s->renewing = false;
	if (err != NULL && err->code == ERR_FENCED) {
		shard_drop(s, err->text);
		return;
	}
	if (err != NULL)
		return; /* tried again; the time it is good for goes on running out */
	s->valid_until_ms = a.sent_ms + LEASE_TTL_MS;
	if (s->state == SHARD_SUSPENDED) {
		log_info(NULL, "shard resumed", F_I64("shard", s->number));
		s->state = SHARD_OWNED;
		broker_wake(b);
	}
}

static void
tend_lease(struct shard *s, int64_t now_ms)
{
	if (s->state == SHARD_OWNED && now_ms >= s->valid_until_ms) {
		log_warning(NULL, "shard suspended: the lease could not be renewed", F_I64("shard", s->number));
		s->state = SHARD_SUSPENDED;
	}
	if (s->state != SHARD_RELEASING && !s->renewing && now_ms - s->renewed_ms >= LEASE_RENEW_MS - 50) {
		s->renewing = true;
		s->renewed_ms = now_ms;
		spool_lease_renew(s->broker->config.redis, &s->lease, LEASE_TTL_MS, on_renewed, ask(s));
	}
	if (s->read_again && !s->reading && shard_may_work(s)) {
		s->read_again = false;
		read_page(s, 0);
	}
}

/* ---- Giving up ---- */
static void
on_released(void *arg, const struct err *err)
{
	struct asking a = *(struct asking *)arg;
	struct shard *s = a.stay->shard;
	struct broker *b;

	mem_free(arg);
	if (!op_back(&a.stay->op))
		return;
	b = s->broker;
	log_info(NULL, "shard given up", F_I64("shard", s->number), F_C("error", err != NULL ? err->text : "none"));
	become_free(s);
	publish(b);
	broker_wake(b);
}

static void
release(struct shard *s)
{
	struct broker *b = s->broker;

	s->state = SHARD_RELEASING;
	redis_callf(b->config.redis, NULL, NULL, "HDEL " BUS_SHARDS_KEY " %u", s->number);
	spool_lease_release(b->config.redis, &s->lease, on_released, ask(s));
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
		/* Writes are waited for a little longer than jobs. */
		if (s->state == SHARD_CLOSING &&
		    ((s->active == 0 && writer_is_idle(&s->writer)) || (!in_time && now_ms >= s->leave_by_ms + 500))) {
			b->shards->leaving--;
			release(s);
		}
	}
}

void
shards_leave_all(struct broker *b, int64_t by_ms)
{
	for (unsigned i = 0; i < b->shards->count; i++) {
		struct shard *s = &b->shards->list[i];
		if (s->state == SHARD_OWNED || s->state == SHARD_SUSPENDED)
			start_leaving(s, SHARD_CLOSING, by_ms);
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
/* The first ones have the shards that cannot be divided evenly, so that the
 * last is not left without any. */
static unsigned
quota(const struct broker *b)
{
	return b->shards->count / b->brokers + (b->shards->rank < b->shards->count % b->brokers ? 1 : 0);
}

static unsigned
staying(const struct broker *b)
{
	unsigned count = 0;

	for (unsigned i = 0; i < b->shards->count; i++) {
		enum shard_state state = b->shards->list[i].state;
		count += state == SHARD_OWNED || state == SHARD_SUSPENDED || state == SHARD_ACQUIRING;
	}
	return count;
}

/* Asks for shards, as many at once as there is need of, each at most once a
 * round. */
static void
acquire_some(struct broker *b)
{
	unsigned have = staying(b), want = quota(b);

	for (; have < want && b->shards->round_left != 0 && !b->draining; b->shards->round_left--) {
		struct shard *s = &b->shards->list[b->shards->round_next++ % b->shards->count];
		if (s->state != SHARD_FREE)
			continue;
		s->state = SHARD_ACQUIRING;
		have++;
		spool_lease_acquire(b->config.redis, s->number, b->config.id, LEASE_TTL_MS, !s->took_own, on_acquired,
				    ask(s));
		s->took_own = true;
	}
}

/* Gives up what is more than its share, the idlest first. */
static void
give_surplus_up(struct broker *b)
{
	unsigned have = staying(b), most = quota(b);

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
		start_leaving(idlest, SHARD_LEAVING, clock_monotonic_ms() + LEAVE_MS);
		have--;
	}
}

/* ---- Who else is there ---- */
struct look {
	struct broker *broker; /* borrowed */
	unsigned due;	       /* answers */
	unsigned live, before; /* the others; those of them before this one */
	bool failed;
};

static void
end_look(struct look *l)
{
	struct broker *b = l->broker;

	if (!l->failed) {
		b->brokers = l->live + (b->draining ? 0 : 1);
		if (b->brokers == 0)
			b->brokers = 1;
		b->shards->rank = l->before;
		give_surplus_up(b);
		b->shards->round_left = b->shards->count;
		acquire_some(b);
		broker_wake(b);
	}
	b->shards->looking = false;
	mem_free(l);
}

struct looked_at {
	struct look *look; /* borrowed */
	char id[SPOOL_LEASE_MAX];
};

static void
on_looked_at(void *arg, const redisReply *reply, const struct err *err)
{
	struct looked_at *at = arg;
	struct look *l = at->look;
	struct broker *b = l->broker;

	if (!op_back(&b->op)) {
		if (--l->due == 0)
			mem_free(l);
		mem_free(at);
		return;
	}
	if (err != NULL)
		l->failed = true;
	else if (reply->type == REDIS_REPLY_NIL)
		redis_callf(b->config.redis, NULL, NULL, "SREM " BUS_BROKERS_KEY " %s", at->id);
	else if (str_eq(redis_str(reply), STR("0"))) {
		l->live++;
		l->before += strcmp(at->id, b->config.id) < 0;
	}
	mem_free(at);
	if (--l->due == 0)
		end_look(l);
}

static void
on_names(void *arg, const redisReply *reply, const struct err *err)
{
	struct look *l = arg;
	struct broker *b = l->broker;

	if (!op_back(&b->op)) {
		mem_free(l);
		return;
	}
	l->failed = err != NULL || reply->type != REDIS_REPLY_ARRAY;
	for (size_t i = 0; !l->failed && i < reply->elements; i++) {
		struct str id = redis_str(reply->element[i]);
		struct looked_at *at;
		if (id.len == 0 || id.len >= SPOOL_LEASE_MAX || str_eq(id, str_c(b->config.id)))
			continue;
		at = mem_new(struct looked_at);
		at->look = l;
		str_copy(id, at->id, sizeof(at->id));
		l->due++;
		op_hold(&b->op);
		redis_callf(b->config.redis, on_looked_at, at, "HGET " BUS_BROKER_KEY "%s draining", at->id);
	}
	if (l->due == 0)
		end_look(l);
}

void
shards_tick(struct broker *b)
{
	int64_t now_ms = clock_monotonic_ms();

	announce(b);
	for (unsigned i = 0; i < b->shards->count; i++)
		if (is_held(&b->shards->list[i]))
			tend_lease(&b->shards->list[i], now_ms);
	write_hints(b, now_ms);
	shards_look_at_leaving(b);
	if (!b->shards->looking && b->shards->count != 0) {
		struct look *l = mem_new(struct look);
		l->broker = b;
		b->shards->looking = true;
		op_hold(&b->op);
		redis_callf(b->config.redis, on_names, l, "SMEMBERS " BUS_BROKERS_KEY);
	}
}
