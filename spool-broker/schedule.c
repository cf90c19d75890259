/* The fair schedule; schedule.h says how it decides. */
#include "spool-broker/schedule.h"

#include <stdint.h>
#include <utlist.h>

#include "lib/base/check.h"
#include "lib/base/mem.h"
#include "spool-broker/backoff.h"

/* A new destination's window, and the one that a revived one starts from. */
#define WINDOW_START 5.0
/* Troubles in a row that make a destination dead which had worked. */
enum { TROUBLES_MAX = 3 };
/* High priority goes first, but every so often a normal one that waits. */
enum { NORMAL_TURN = 8 };

enum lane_state { LANE_EMPTY, LANE_READY, LANE_PARKED };

struct lane_key {
	struct destination *destination; /* borrowed */
	struct sender *sender;		 /* borrowed */
	uint64_t priority;
};

struct lane {
	UT_hash_handle hh;
	struct lane_key key;
	enum lane_state state;
	unsigned parts;		  /* that refer to it */
	struct part *queue;	  /* READY parts, oldest first */
	struct part *newest;	  /* borrowed: enlisted last; NULL once it is gone */
	struct lane *prev, *next; /* in the sender's turn, or among the destination's parked */
};

/* A sender's place in the rotation of one priority. */
struct turn {
	struct sender *sender; /* borrowed */
	struct lane *lanes;    /* READY ones; in the rotation exactly when there are any */
	struct turn *prev, *next;
};

struct sender {
	UT_hash_handle hh; /* by name */
	unsigned lanes;
	struct turn turns[PRIORITIES];
	char name[];
};

struct schedule {
	struct destination *destinations; /* owner: hash */
	struct sender *senders;		  /* owner: hash */
	struct lane *lanes;		  /* owner: hash */
	struct turn *rotation[PRIORITIES];
	unsigned high_in_a_row;
	struct heap retries; /* parts that are deferred */
	struct heap wakes;   /* destinations that are dead, until their probe */
	struct schedule_limits limits;
	struct schedule_counts totals;
};

const char *
part_destination(const struct part *p)
{
	return p->lane->key.destination->name;
}

const struct destination *
part_destination_of(const struct part *p)
{
	return p->lane->key.destination;
}

static struct schedule *
fair_create(void)
{
	return mem_new(struct schedule);
}

static void
fair_destroy(struct schedule **s)
{
	if (*s == NULL)
		return;
	CHECK((*s)->lanes == NULL && (*s)->senders == NULL && (*s)->destinations == NULL);
	heap_fini(&(*s)->retries);
	heap_fini(&(*s)->wakes);
	mem_free(*s);
	*s = NULL;
}

static void
fair_set_limits(struct schedule *s, const struct schedule_limits *limits)
{
	s->limits = *limits;
}

/* ---- Lanes in the rotation ---- */
static void
lane_join(struct schedule *s, struct lane *l, bool at_front)
{
	struct turn *turn = &l->key.sender->turns[l->key.priority];

	if (turn->lanes == NULL)
		DL_APPEND(s->rotation[l->key.priority], turn);
	if (at_front)
		DL_PREPEND(turn->lanes, l);
	else
		DL_APPEND(turn->lanes, l);
	l->state = LANE_READY;
}

/* Out of wherever it waits. */
static void
lane_leave(struct schedule *s, struct lane *l)
{
	struct turn *turn = &l->key.sender->turns[l->key.priority];

	if (l->state == LANE_READY) {
		DL_DELETE(turn->lanes, l);
		if (turn->lanes == NULL)
			/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): lost in utlist */
			DL_DELETE(s->rotation[l->key.priority], turn);
	} else if (l->state == LANE_PARKED)
		DL_DELETE(l->key.destination->parked, l);
	l->state = LANE_EMPTY;
}

static void
lane_park(struct schedule *s, struct lane *l)
{
	lane_leave(s, l);
	DL_APPEND(l->key.destination->parked, l);
	l->state = LANE_PARKED;
}

/* ---- Destinations ---- */
static unsigned
room(const struct schedule *s, const struct destination *d)
{
	double window = d->window;

	if (heap_has(&d->wake))
		return 0;
	if (d->deaths != 0)
		return d->active == 0 ? 1 : 0;
	if (s->limits.per_destination == 0)
		return UINT32_MAX;
	if (window > s->limits.per_destination)
		window = s->limits.per_destination;
	return d->active < (unsigned)window ? (unsigned)window - d->active : 0;
}

/* Calls parked lanes back, as many as there is room for. */
static void
call_back(struct schedule *s, struct destination *d)
{
	for (unsigned free = room(s, d); free > 0 && d->parked != NULL; free--) {
		struct lane *l = d->parked;
		lane_leave(s, l);
		lane_join(s, l, true);
	}
}

static void
on_answered(struct schedule *s, struct destination *d)
{
	double most = s->limits.per_destination;

	if (d->deaths != 0)
		d->window = WINDOW_START < most ? WINDOW_START : most;
	else if (d->window < most)
		d->window += d->window < d->threshold ? 1 : 1 / d->window;
	d->deaths = d->troubles = 0;
	d->proven = true;
	mem_free(d->trouble);
	d->trouble = NULL;
}

static void
on_trouble(struct schedule *s, struct destination *d, const char *words, int64_t retry_after_ms, int64_t now_ms)
{
	mem_free(d->trouble);
	d->trouble = mem_strdup(words != NULL ? words : "");
	d->window = d->window / 2 > 1 ? d->window / 2 : 1;
	d->threshold = d->window;
	d->troubles++;
	/* The others of a salvo that all met the same trouble count once. */
	if (heap_has(&d->wake) || (d->proven && d->troubles < TROUBLES_MAX))
		return;
	d->deaths++;
	d->proven = false;
	if (retry_after_ms <= 0)
		retry_after_ms =
			backoff_ms(s->limits.dead_first_ms, s->limits.dead_longest_ms, d->deaths, backoff_random());
	heap_set(&s->wakes, &d->wake, now_ms + retry_after_ms);
}

/* ---- Making and ending lanes ---- */
static struct destination *
get_destination(struct schedule *s, struct str name)
{
	struct destination *d = NULL;

	HASH_FIND(hh, s->destinations, name.p, name.len, d);
	if (d != NULL)
		return d;
	d = mem_zalloc(sizeof(*d) + name.len + 1);
	memcpy(d->name, name.p, name.len);
	d->window = WINDOW_START;
	d->threshold = UINT32_MAX;
	HASH_ADD_KEYPTR(hh, s->destinations, d->name, name.len, d);
	s->totals.destinations++;
	return d;
}

static struct sender *
get_sender(struct schedule *s, struct str name)
{
	struct sender *sender = NULL;

	HASH_FIND(hh, s->senders, name.p, name.len, sender);
	if (sender != NULL)
		return sender;
	sender = mem_zalloc(sizeof(*sender) + name.len + 1);
	memcpy(sender->name, name.p, name.len);
	for (unsigned i = 0; i < PRIORITIES; i++)
		sender->turns[i].sender = sender;
	HASH_ADD_KEYPTR(hh, s->senders, sender->name, name.len, sender);
	return sender;
}

static struct lane *
get_lane(struct schedule *s, struct str destination, struct str sender, unsigned priority)
{
	struct lane_key key = {
		.destination = get_destination(s, destination), .sender = get_sender(s, sender), .priority = priority};
	struct lane *l = NULL;

	/* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): lost in uthash */
	HASH_FIND(hh, s->lanes, &key, sizeof(key), l);
	if (l != NULL)
		return l;
	l = mem_new(struct lane);
	l->key = key;
	key.destination->lanes++;
	key.sender->lanes++;
	HASH_ADD(hh, s->lanes, key, sizeof(l->key), l);
	return l;
}

static void
drop_lane(struct schedule *s, struct lane *l)
{
	struct destination *d = l->key.destination;
	struct sender *sender = l->key.sender;

	CHECK(l->state == LANE_EMPTY && l->queue == NULL);
	HASH_DEL(s->lanes, l);
	mem_free(l);
	if (--sender->lanes == 0) {
		HASH_DEL(s->senders, sender);
		mem_free(sender);
	}
	/* What is known of a dead one is kept only as long as mail waits for it. */
	if (--d->lanes == 0) {
		CHECKF(d->active == 0 && d->ready == 0 && d->deferred == 0, "destination %s", d->name);
		heap_remove(&s->wakes, &d->wake);
		HASH_DEL(s->destinations, d);
		s->totals.destinations--;
		mem_free(d->trouble);
		mem_free(d->answer);
		mem_free(d);
	}
}

static struct part *
fair_enlist(struct schedule *s, struct part *p, struct str destination, struct str sender, unsigned priority)
{
	struct lane *l = get_lane(s, destination, sender, priority < PRIORITIES ? priority : PRIORITIES - 1);

	/* Parts of one message come one after another, so looking at the newest
	 * is enough to find the message's own. */
	if (l->newest != NULL && l->newest->message == p->message && l->newest != p)
		return l->newest;
	p->lane = l;
	p->state = PART_IDLE;
	l->parts++;
	l->newest = p;
	return p;
}

static void
fair_withdraw(struct schedule *s, struct part *p)
{
	struct lane *l = p->lane;
	struct destination *d = l->key.destination;

	CHECKF(p->state != PART_ACTIVE, "destination %s", d->name);
	if (p->state == PART_READY) {
		DL_DELETE2(l->queue, p, queue_prev, queue_next);
		d->ready--;
		s->totals.ready--;
		if (l->queue == NULL)
			lane_leave(s, l);
	} else if (p->state == PART_DEFERRED) {
		heap_remove(&s->retries, &p->retry);
		d->deferred--;
		s->totals.deferred--;
	}
	p->state = PART_IDLE;
}

static void
fair_dismiss(struct schedule *s, struct part *p)
{
	struct lane *l = p->lane;

	if (l == NULL)
		return;
	fair_withdraw(s, p);
	p->lane = NULL;
	if (l->newest == p)
		l->newest = NULL;
	if (--l->parts == 0)
		drop_lane(s, l);
}

/* ---- Queues ---- */
static void
fair_ready(struct schedule *s, struct part *p)
{
	struct lane *l = p->lane;

	fair_withdraw(s, p);
	DL_APPEND2(l->queue, p, queue_prev, queue_next);
	p->state = PART_READY;
	l->key.destination->ready++;
	s->totals.ready++;
	if (l->state == LANE_EMPTY)
		lane_join(s, l, false);
}

static void
fair_defer(struct schedule *s, struct part *p, int64_t until_ms)
{
	fair_withdraw(s, p);
	heap_set(&s->retries, &p->retry, until_ms);
	p->state = PART_DEFERRED;
	p->lane->key.destination->deferred++;
	s->totals.deferred++;
}

static void
make_active(struct schedule *s, struct part *p)
{
	fair_withdraw(s, p);
	p->state = PART_ACTIVE;
	p->lane->key.destination->active++;
	s->totals.active++;
}

/* What time alone makes ready: retries, and probes of dead destinations. */
static void
pass_time(struct schedule *s, int64_t now_ms)
{
	struct heap_node *node;

	while ((node = heap_first(&s->wakes)) != NULL && node->time_ms <= now_ms) {
		heap_remove(&s->wakes, node);
		call_back(s, heap_owner(node, struct destination, wake));
	}
	while ((node = heap_first(&s->retries)) != NULL && node->time_ms <= now_ms)
		fair_ready(s, heap_owner(node, struct part, retry));
}

/* The next part of one priority. Lanes that find no room are parked on the
 * way; each is parked at most once for each time that it was called. */
static struct part *
take_priority(struct schedule *s, unsigned priority)
{
	struct turn *turn;

	while ((turn = s->rotation[priority]) != NULL) {
		struct lane *l = turn->lanes;
		struct part *p = l->queue;
		if (room(s, l->key.destination) == 0) {
			lane_park(s, l);
			continue;
		}
		make_active(s, p);
		/* The lane goes behind the sender's others, the sender behind the
		 * other senders. */
		if (l->state == LANE_READY) {
			lane_leave(s, l);
			lane_join(s, l, false);
		}
		if (turn->lanes != NULL) {
			DL_DELETE(s->rotation[priority], turn);
			DL_APPEND(s->rotation[priority], turn);
		}
		return p;
	}
	return NULL;
}

static struct part *
fair_take(struct schedule *s, int64_t now_ms)
{
	struct part *p = NULL;

	pass_time(s, now_ms);
	if (s->high_in_a_row < NORMAL_TURN)
		p = take_priority(s, PRIORITY_HIGH);
	if (p != NULL) {
		s->high_in_a_row++;
		return p;
	}
	s->high_in_a_row = 0;
	p = take_priority(s, PRIORITY_NORMAL);
	return p != NULL ? p : take_priority(s, PRIORITY_HIGH);
}

static void
fair_end(struct schedule *s, struct part *p, enum try_end end, const char *trouble, int64_t retry_after_ms,
	 int64_t now_ms)
{
	struct destination *d = p->lane->key.destination;

	CHECKF(p->state == PART_ACTIVE && d->active != 0, "state %d", p->state);
	p->state = PART_IDLE;
	d->active--;
	s->totals.active--;
	if (end == TRY_ANSWERED)
		on_answered(s, d);
	else if (end == TRY_TROUBLE)
		on_trouble(s, d, trouble, retry_after_ms, now_ms);
	call_back(s, d);
}

static void
fair_note_answer(struct schedule *s, struct part *p, const char *answer)
{
	struct destination *d = p->lane->key.destination;

	(void)s;
	if (d->answer != NULL && strcmp(d->answer, answer) == 0)
		return;
	mem_free(d->answer);
	d->answer = mem_strdup(answer);
}

static int64_t
fair_next_ms(const struct schedule *s)
{
	const struct heap_node *retry = heap_first(&s->retries), *wake = heap_first(&s->wakes);
	int64_t next = retry != NULL ? retry->time_ms : INT64_MAX;

	return wake != NULL && wake->time_ms < next ? wake->time_ms : next;
}

static struct schedule_counts
fair_counts(const struct schedule *s)
{
	return s->totals;
}

static void
fair_each(struct schedule *s, void (*visit)(void *arg, const struct destination *d), void *arg)
{
	struct destination *d, *next;

	HASH_ITER (hh, s->destinations, d, next)
		visit(arg, d);
}

static void
fair_hasten(struct schedule *s, struct part *p)
{
	struct lane *l = p->lane;

	CHECKF(p->state == PART_READY, "state %d", p->state);
	heap_remove(&s->wakes, &l->key.destination->wake);
	DL_DELETE2(l->queue, p, queue_prev, queue_next);
	DL_PREPEND2(l->queue, p, queue_prev, queue_next);
	lane_leave(s, l);
	lane_join(s, l, true);
}

const struct schedule_ops schedule_fair = {
	.create = fair_create,
	.destroy = fair_destroy,
	.set_limits = fair_set_limits,
	.enlist = fair_enlist,
	.dismiss = fair_dismiss,
	.ready = fair_ready,
	.defer = fair_defer,
	.withdraw = fair_withdraw,
	.take = fair_take,
	.adopt = make_active,
	.end = fair_end,
	.note_answer = fair_note_answer,
	.next_ms = fair_next_ms,
	.counts = fair_counts,
	.each = fair_each,
	.hasten = fair_hasten,
};
