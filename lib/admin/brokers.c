#include "lib/admin/brokers.h"

#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "lib/admin/round.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/bus/client.h"
#include "lib/bus/frame.h"
#include "lib/spool/id.h"
#include "lib/spool/spool.h"

enum { OWNERS_MS = 5000, ANSWER_MS = 30000, LOOK_MS = 10, BROKER_ID_MAX = 128 };

struct admin_brokers {
	struct op op;		/* for the request of the shard count */
	struct admin *admin;	/* borrowed */
	struct bus_client *bus; /* owner */
	struct event *look;	/* owner: runs while rounds wait */
	int64_t owners_ms, answer_ms;
	unsigned shards;		   /* 0: not known yet */
	struct err trouble;		   /* of the last attempt to find out */
	int64_t looked_ms;		   /* monotonic: the last look at the owners */
	int64_t open_since;		   /* monotonic ms, since when some shard has had no owner; 0: all have one */
	char (*last_owner)[BROKER_ID_MAX]; /* owner: by shard, the last known owner; empty: none was known */
	struct admin_round *rounds;	   /* in progress */
	uint64_t next_number;		   /* of the next round */
};

/* A question to one broker. */
struct round_question {
	struct bus_peer *peer;	  /* borrowed; NULL: lost */
	bool due;		  /* waiting for the answer */
	const char *broker;	  /* its id, in the arena */
	Stagepost__Frame *answer; /* in the arena; NULL: none */
	const char *problem;	  /* static; NULL: none */
};

struct admin_round {
	struct admin_brokers *brokers; /* borrowed */
	struct admin_call *call;       /* holds the call */
	struct arena arena;	       /* for the questions and answers */
	admin_on_round *next;	       /* ready, then done */
	struct buf questions;	       /* struct round_question */
	uint64_t number;	       /* of the frames: combined with the question's index */
	unsigned due;		       /* answers */
	cJSON *ownerless;	       /* owner: brokers missing since `ready`, because their shards have no owner */
	bool gathering;		       /* waiting for owners */
	int64_t until_ms;	       /* monotonic: deadline for answers */
	struct admin_round *prev, *list_next;
};

static unsigned
brokers_ownerless(const struct admin_brokers *b)
{
	unsigned count = 0;

	for (unsigned i = 0; i < b->shards; i++) {
		struct bus_peer *owner = bus_client_owner(b->bus, i);
		if (owner == NULL)
			count++;
		else
			str_copy(str_c(bus_peer_id(owner)), b->last_owner[i], BROKER_ID_MAX);
	}
	return count;
}

/* ---- What is missing ---- */
static bool
missing_has(const cJSON *missing, const char *broker)
{
	const cJSON *known;

	cJSON_ArrayForEach (known, missing) {
		const char *name = cJSON_GetStringValue(cJSON_GetObjectItem(known, "broker"));
		if (name == NULL ? broker == NULL : broker != NULL && strcmp(name, broker) == 0)
			return true;
	}
	return false;
}

/* broker NULL: unknown which. Only the first problem of a broker is listed. */
static void
missing_add(cJSON *missing, const char *broker, const char *problem)
{
	cJSON *o;

	if (missing_has(missing, broker))
		return;
	o = cJSON_CreateObject();
	admin_add_text(o, "broker", broker);
	cJSON_AddStringToObject(o, "problem", problem);
	cJSON_AddItemToArray(missing, o);
}

/* Shards without an owner: names the broker that had them last. */
static cJSON *
brokers_missing(const struct admin_brokers *b)
{
	cJSON *missing = cJSON_CreateArray();
	unsigned unknown = 0;
	char text[100];

	for (unsigned i = 0; i < b->shards; i++) {
		if (bus_client_owner(b->bus, i) != NULL)
			continue;
		if (b->last_owner[i][0] != '\0')
			missing_add(missing, b->last_owner[i], "a broker was lost: its messages are not listed");
		else
			unknown++;
	}
	snprintf(text, sizeof(text), "%u of %u shards have no broker: their messages are not listed", unknown,
		 b->shards);
	if (unknown != 0)
		missing_add(missing, NULL, text);
	return missing;
}

/* ---- Rounds ---- */
static struct round_question *
round_question(const struct admin_round *r, unsigned i)
{
	CHECK(i < admin_round_count(r));
	return &((struct round_question *)(void *)r->questions.data)[i];
}

static void
round_free(struct admin_round *r)
{
	DL_DELETE2(r->brokers->rounds, r, prev, list_next);
	cJSON_Delete(r->ownerless);
	arena_fini(&r->arena);
	buf_fini(&r->questions);
	mem_free(r);
}

/* A step is over: runs the next one of the call. */
static void
round_go_on(struct admin_round *r)
{
	struct admin_call *call = r->call;
	admin_on_round *next = r->next;

	r->next = NULL;
	if (op_back(&call->op))
		next(call, r);
	/* Was it sent meanwhile? Then its answers are awaited. */
	if (r->next == NULL)
		round_free(r);
}

/* The store did not return the number of shards. */
static void
round_fail(struct admin_round *r, const struct err *err)
{
	struct admin_call *call = r->call;

	round_free(r);
	if (op_back(&call->op))
		admin_call_end(call, err);
}

/* problem NULL: the question was answered. */
static void
round_settle(struct admin_round *r, struct round_question *q, const char *problem)
{
	q->problem = problem;
	if (q->due)
		r->due--;
	q->due = false;
}

static void
round_give_up(struct admin_round *r)
{
	for (unsigned i = 0; i < admin_round_count(r); i++)
		if (round_question(r, i)->due)
			round_settle(r, round_question(r, i), "a broker did not answer");
}

static void
brokers_look_soon(struct admin_brokers *b)
{
	struct timeval tv = clock_timeval(LOOK_MS);

	if (!event_pending(b->look, EV_TIMEOUT, NULL))
		event_add(b->look, &tv);
}

/* Which rounds can continue? Rounds that begin meanwhile are handled at the next look. */
static void
brokers_on_look(evutil_socket_t fd, short what, void *arg)
{
	struct admin_brokers *b = arg;
	struct admin_round *r, *following;
	int64_t now_ms = clock_monotonic_ms();
	bool is_whole = brokers_ownerless(b) == 0 && b->shards != 0;

	(void)fd, (void)what;
	/* It is not known whether this was so all the time since the last look. */
	if (is_whole || now_ms - b->looked_ms > b->owners_ms)
		b->open_since = 0;
	if (!is_whole && b->open_since == 0)
		b->open_since = now_ms;
	b->looked_ms = now_ms;
	DL_FOREACH_SAFE2(b->rounds, r, following, list_next)
	{
		if (r->gathering) {
			if (b->shards == 0 && !op_waits(&b->op)) {
				round_fail(r, &b->trouble);
			} else if (b->shards != 0 && (is_whole || now_ms >= b->open_since + b->owners_ms)) {
				r->gathering = false;
				r->ownerless = brokers_missing(b);
				round_go_on(r);
			}
			continue;
		}
		if (r->due != 0 && now_ms >= r->until_ms)
			round_give_up(r);
		if (r->due == 0)
			round_go_on(r);
	}
	if (b->rounds != NULL)
		brokers_look_soon(b);
}

static void
brokers_on_shards(void *arg, int64_t count, const struct err *err)
{
	struct admin_brokers *b = arg;

	if (!op_back(&b->op))
		return;
	if (err != NULL) {
		b->trouble = *err;
		return;
	}
	b->shards = (unsigned)count;
	b->last_owner = mem_zalloc(b->shards * sizeof(*b->last_owner));
}

struct admin *
admin_brokers_admin(const struct admin_brokers *b)
{
	return b->admin;
}

struct admin_call *
admin_round_call_new(struct admin_brokers *b, admin_on_result *cb, void *arg)
{
	struct admin_call *call = admin_call_new(b->admin, cb, arg);

	call->result = cJSON_CreateObject();
	cJSON_AddArrayToObject(call->result, "missing");
	return call;
}

void
admin_round_begin(struct admin_brokers *b, struct admin_call *call, admin_on_round *ready)
{
	struct admin_round *r = mem_new(struct admin_round);

	r->brokers = b;
	r->call = call;
	r->next = ready;
	r->gathering = true;
	r->number = ++b->next_number;
	arena_init(&r->arena);
	op_hold(&call->op);
	DL_APPEND2(b->rounds, r, prev, list_next);
	if (b->shards == 0 && !op_waits(&b->op)) {
		op_hold(&b->op);
		spool_read_shard_count(b->admin->redis, brokers_on_shards, b);
	}
	event_active(b->look, EV_TIMEOUT, 0); /* at the loop's next turn */
}

/* ---- Questions ---- */
static void
round_ask(struct admin_round *r, struct bus_peer *peer, const char *broker, Stagepost__Frame *frame)
{
	struct round_question q = {.peer = peer, .broker = broker};

	frame->request = r->number << 32 | admin_round_count(r);
	if (peer == NULL)
		q.problem = "a broker was lost";
	else if (bus_send(r->brokers->bus, peer, frame, NULL) != 0)
		q.problem = "a broker does not answer";
	else
		q.due = true;
	r->due += q.due;
	buf_add(&r->questions, &q, sizeof(q));
}

static void
round_ask_peer(struct admin_round *r, struct bus_peer *peer, Stagepost__Frame *frame)
{
	round_ask(r, peer, arena_strdup(&r->arena, bus_peer_id(peer)), frame);
}

void
admin_round_ask_again(struct admin_round *r, unsigned i, Stagepost__Frame *frame)
{
	round_ask(r, round_question(r, i)->peer, round_question(r, i)->broker, frame);
}

void
admin_round_ask_all(struct admin_round *r, Stagepost__Frame *frame)
{
	const struct admin_brokers *b = r->brokers;
	unsigned first = admin_round_count(r);

	for (unsigned i = 0; i < b->shards; i++) {
		struct bus_peer *owner = bus_client_owner(b->bus, i);
		bool asked = owner == NULL;
		for (unsigned k = first; k < admin_round_count(r) && !asked; k++)
			asked = strcmp(round_question(r, k)->broker, bus_peer_id(owner)) == 0;
		if (!asked)
			round_ask_peer(r, owner, frame);
	}
}

bool
admin_round_ask_owner(struct admin_round *r, struct str id, Stagepost__Frame *frame)
{
	struct bus_peer *owner;
	unsigned shard;

	if (!spool_id_parse(id, &shard, NULL) || (owner = bus_client_owner(r->brokers->bus, shard)) == NULL)
		return false;
	round_ask_peer(r, owner, frame);
	return true;
}

void
admin_round_send(struct admin_round *r, admin_on_round *done)
{
	r->next = done;
	r->until_ms = clock_monotonic_ms() + r->brokers->answer_ms;
	op_hold(&r->call->op);
	brokers_look_soon(r->brokers);
}

static struct round_question *
round_find(struct admin_round *r, const struct bus_peer *p, uint64_t request)
{
	uint32_t i = (uint32_t)request;
	struct round_question *q;

	if (request >> 32 != r->number || i >= admin_round_count(r))
		return NULL;
	q = round_question(r, i);
	return q->due && q->peer == p ? q : NULL;
}

static void
brokers_on_frame(void *arg, struct bus_peer *p, const Stagepost__Frame *frame)
{
	struct admin_brokers *b = arg;
	struct round_question *q = NULL;
	struct buf packed = BUF_EMPTY;
	struct admin_round *r;

	DL_FOREACH2(b->rounds, r, list_next)
	if ((q = round_find(r, p, frame->request)) != NULL)
		break;
	if (q == NULL)
		return; /* to a question that is no longer waiting */
	bus_frame_pack(frame, &packed);
	q->answer = bus_frame_unpack(buf_str(&packed), &r->arena, NULL);
	round_settle(r, q, q->answer == NULL ? "a broker's answer is malformed" : NULL);
	buf_fini(&packed);
	if (r->due == 0)
		event_active(b->look, EV_TIMEOUT, 0);
}

static void
brokers_on_peer_lost(void *arg, struct bus_peer *p)
{
	struct admin_brokers *b = arg;
	struct admin_round *r;

	DL_FOREACH2(b->rounds, r, list_next)
	for (unsigned i = 0; i < admin_round_count(r); i++) {
		struct round_question *q = round_question(r, i);
		if (q->peer != p)
			continue;
		q->peer = NULL;
		if (q->due)
			round_settle(r, q, "a broker was lost");
	}
}

/* ---- Answers ---- */
unsigned
admin_round_count(const struct admin_round *r)
{
	return (unsigned)(r->questions.len / sizeof(struct round_question));
}

const Stagepost__Frame *
admin_round_answer(const struct admin_round *r, unsigned i)
{
	return round_question(r, i)->answer;
}

void
admin_round_keep_answers(struct admin_round *r)
{
	arena_fini(&r->call->answers);
	r->call->answers = r->arena;
	arena_init(&r->arena);
}

void
admin_round_tell_missing(const struct admin_round *r)
{
	cJSON *missing = cJSON_GetObjectItem(r->call->result, "missing");
	const cJSON *item;
	char text[100];

	cJSON_ArrayForEach (item, r->ownerless)
		missing_add(missing, cJSON_GetStringValue(cJSON_GetObjectItem(item, "broker")),
			    cJSON_GetStringValue(cJSON_GetObjectItem(item, "problem")));
	for (unsigned i = 0; i < admin_round_count(r); i++) {
		const struct round_question *q = round_question(r, i);
		if (q->problem == NULL)
			continue;
		snprintf(text, sizeof(text), "%s: its messages are not listed", q->problem);
		missing_add(missing, q->broker, text);
	}
}

/* ---- Life ---- */
static void
brokers_on_end(struct op *op)
{
	struct admin_brokers *b = OP_OWNER(op, struct admin_brokers, op);

	mem_free(b->last_owner);
	mem_free(b);
}

struct admin_brokers *
admin_brokers_new(struct admin *a, const char *name, struct err *err)
{
	static const struct bus_events events = {.on_peer_lost = brokers_on_peer_lost, .on_frame = brokers_on_frame};
	struct bus_client *bus = bus_client_new(a->base, a->redis, a->tracking, name, err);
	struct admin_brokers *b;

	if (bus == NULL)
		return NULL;
	b = mem_new(struct admin_brokers);
	op_init(&b->op, brokers_on_end);
	b->admin = a;
	b->bus = bus;
	b->owners_ms = OWNERS_MS;
	b->answer_ms = ANSWER_MS;
	b->look = evtimer_new(a->base, brokers_on_look, b);
	bus_client_watch(bus, &events, b);
	return b;
}

void
admin_brokers_set_limits(struct admin_brokers *b, int64_t owners_ms, int64_t answer_ms)
{
	b->owners_ms = owners_ms;
	b->answer_ms = answer_ms;
}

void
admin_brokers_free(struct admin_brokers **brokers)
{
	struct admin_brokers *b = *brokers;

	*brokers = NULL;
	if (b == NULL)
		return;
	while (b->rounds != NULL) {
		struct admin_call *call = b->rounds->call;
		round_free(b->rounds);
		if (op_back(&call->op))
			op_cancel(&call->op);
	}
	event_free(b->look);
	bus_client_free(&b->bus);
	op_cancel(&b->op);
}
