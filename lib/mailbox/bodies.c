/* All bodies that an account refers to, even while messages move.
 *
 * The account is read in passes of several calls. A message that moved from a
 * place that a pass had not read yet to one that it had already read is in a
 * chunk that changed since that pass began: the next pass reads only those. The
 * walk ends with a pass in which nothing changed from its first call to its
 * last; a pass of a single call always ends it. */
#include "lib/base/mem.h"
#include "lib/mailbox/scripts.h"

MAILBOX_SCRIPT(bodies);

/* Each pass reads only what the previous one, which took milliseconds, has missed. */
enum { PASSES_MAX = 1000 };

/* ---- One call ---- */

struct bodies {
	struct mailbox_bodies_at *at; /* borrowed */
	mailbox_on_cold *on_cold;
	uint64_t *doomed; /* folders to reap; in the arena */
	size_t doomed_count;
};

static void
bodies_next_pass(struct mailbox_call *call, struct mailbox_bodies_at *at)
{
	struct err busy;

	if (++at->passes == PASSES_MAX) {
		err_set(&busy, ERR_UNAVAILABLE, "the mailboxes of %s change too fast to be read", call->address);
		call->on.done(call->arg, &busy);
		return;
	}
	at->since = at->modseq;
	at->modseq = UINT64_MAX;
	at->folder = 1;
	call->on.done(call->arg, NULL);
}

/* Whatever others began to remove, or abandoned, is removed too: a sweep may be
 * the only one that ever visits the account. */
static void
bodies_reap_next(void *arg, const struct err *err)
{
	struct mailbox_call *call = arg;
	struct bodies *b = call->state;

	if (err == NULL && b->doomed_count != 0) {
		mailbox_reap(call->store, str_c(call->address), b->doomed[--b->doomed_count], bodies_reap_next, call);
		return;
	}
	call->on.done(call->arg, err);
	mailbox_call_end(call);
}

static void
bodies_reap(struct mailbox_call *call, const redisReply *doomed)
{
	struct bodies *b = call->state;

	b->doomed_count = doomed->elements;
	b->doomed = arena_array(&call->op.arena, uint64_t, b->doomed_count + 1);
	for (size_t i = 0; i < b->doomed_count; i++)
		b->doomed[i] = (uint64_t)redis_i64(doomed->element[i], 0);
	bodies_reap_next(call, NULL);
}

static void
bodies_on_some(struct mailbox_call *call, const redisReply *reply, const struct err *err)
{
	const struct mailbox_bodies_answer got = mailbox_bodies_answer(reply);
	struct bodies *b = call->state;
	struct mailbox_bodies_at *at = b->at;
	uint64_t modseq;

	if (err != NULL) {
		call->on.done(call->arg, err);
		mailbox_call_end(call);
		return;
	}
	modseq = (uint64_t)redis_i64(got.modseq, 0);
	if (at->modseq == UINT64_MAX)
		at->modseq = modseq;
	for (size_t i = 0; i < got.cold->elements; i++)
		b->on_cold(call->arg, redis_str(got.cold->element[i]));
	at->folder = (uint64_t)redis_i64(got.folder, 0);
	at->chunk = (uint64_t)redis_i64(got.chunk, 0);
	at->ended = at->folder == 0 && modseq == at->modseq;
	if (at->ended) {
		bodies_reap(call, got.doomed);
		return;
	}
	if (at->folder == 0)
		bodies_next_pass(call, at);
	else
		call->on.done(call->arg, NULL);
	mailbox_call_end(call);
}

void
mailbox_read_some_bodies(struct mailbox_store *m, struct str address, struct mailbox_bodies_at *at,
			 mailbox_on_cold *on_cold, mailbox_on_done *cb, void *arg)
{
	struct mailbox_call *call = mailbox_call_new(m, address, (union mailbox_on){.done = cb}, arg);
	struct bodies *b = call->state = arena_new(&call->op.arena, struct bodies);

	if (at->folder == 0)
		*at = (struct mailbox_bodies_at){.modseq = UINT64_MAX, .folder = 1};
	*b = (struct bodies){.at = at, .on_cold = on_cold};
	mailbox_bodies_ask(call,
			   &(struct mailbox_bodies_args){.since = at->since, .id = at->folder, .chunk = at->chunk},
			   bodies_on_some);
}

/* ---- All of them ---- */

struct bodies_all {
	struct mailbox_store *store; /* borrowed */
	char *address;		     /* owner */
	struct mailbox_bodies_at at;
	mailbox_on_cold *on_cold;
	mailbox_on_done *done;
	void *arg;
};

static void
bodies_on_cold(void *arg, struct str cold)
{
	struct bodies_all *all = arg;

	all->on_cold(all->arg, cold);
}

static void
bodies_on_call(void *arg, const struct err *err)
{
	struct bodies_all *all = arg;

	if (err == NULL && !all->at.ended) {
		mailbox_read_some_bodies(all->store, str_c(all->address), &all->at, bodies_on_cold, bodies_on_call,
					 all);
		return;
	}
	all->done(all->arg, err);
	mem_free(all->address);
	mem_free(all);
}

void
mailbox_read_bodies(struct mailbox_store *m, struct str address, mailbox_on_cold *on_cold, mailbox_on_done *cb,
		    void *arg)
{
	struct bodies_all *all = mem_new(struct bodies_all);

	*all = (struct bodies_all){.store = m, .address = str_dup(address), .on_cold = on_cold, .done = cb, .arg = arg};
	mailbox_read_some_bodies(m, address, &all->at, bodies_on_cold, bodies_on_call, all);
}
