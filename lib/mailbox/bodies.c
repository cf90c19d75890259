/* All bodies that an account refers to, though messages move meanwhile.
 *
 * The account is read in passes, each of some calls. A message that moved from
 * what a pass had yet to read to what it had read already is in a chunk that
 * changed since that pass began: the next pass reads just those. A pass in
 * which nothing changed, from its first call to its last, ends it; one that
 * takes a single call always does. */
#include "lib/base/check.h"
#include "lib/mailbox/scripts.h"

MAILBOX_SCRIPT(bodies);

/* Each reads only what the one before, which took milliseconds, has missed. */
enum { PASSES_MAX = 1000 };

struct bodies {
	mailbox_on_cold *on_cold;
	uint64_t since;	 /* modseq: of this pass */
	uint64_t modseq; /* of the account when the pass began; UINT64_MAX: it has yet to */
	uint64_t folder, chunk;
	unsigned passes;
	uint64_t *doomed; /* folders to be reaped; in the arena */
	size_t doomed_count;
};

static void bodies_read_some(struct mailbox_call *call);

static void
bodies_end(struct mailbox_call *call, const struct err *err)
{
	call->on.done(call->arg, err);
	mailbox_call_end(call);
}

/* What others began to remove, or abandoned, goes too: a sweep may be the only one
 * who ever comes by. */
static void
bodies_reap_next(void *arg, const struct err *err)
{
	struct mailbox_call *call = arg;
	struct bodies *b = call->state;

	if (err != NULL || b->doomed_count == 0)
		bodies_end(call, err);
	else
		mailbox_reap(call->store, str_c(call->address), b->doomed[--b->doomed_count], bodies_reap_next, call);
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
	struct err busy;
	uint64_t modseq;

	if (err != NULL) {
		bodies_end(call, err);
		return;
	}
	modseq = (uint64_t)redis_i64(got.modseq, 0);
	if (b->modseq == UINT64_MAX)
		b->modseq = modseq;
	for (size_t i = 0; i < got.cold->elements; i++)
		b->on_cold(call->arg, redis_str(got.cold->element[i]));
	b->folder = (uint64_t)redis_i64(got.folder, 0);
	b->chunk = (uint64_t)redis_i64(got.chunk, 0);
	if (b->folder == 0 && modseq == b->modseq) {
		bodies_reap(call, got.doomed);
	} else if (b->folder == 0 && ++b->passes == PASSES_MAX) {
		err_set(&busy, ERR_UNAVAILABLE, "the mailboxes of %s change too fast to be read", call->address);
		bodies_end(call, &busy);
	} else {
		if (b->folder == 0) {
			b->since = b->modseq;
			b->modseq = UINT64_MAX;
			b->folder = 1;
		}
		bodies_read_some(call);
	}
}

static void
bodies_read_some(struct mailbox_call *call)
{
	const struct bodies *b = call->state;

	mailbox_bodies_ask(call, &(struct mailbox_bodies_args){.since = b->since, .id = b->folder, .chunk = b->chunk},
			   bodies_on_some);
}

void
mailbox_read_bodies(struct mailbox_store *m, struct str address, mailbox_on_cold *on_cold, mailbox_on_done *cb,
		    void *arg)
{
	struct mailbox_call *call = mailbox_call_new(m, address, (union mailbox_on){.done = cb}, arg);
	struct bodies *b = call->state = arena_new(&call->op.arena, struct bodies);

	*b = (struct bodies){.on_cold = on_cold, .modseq = UINT64_MAX, .folder = 1};
	bodies_read_some(call);
}
