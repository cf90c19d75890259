/* All bodies that an account refers to, though messages move meanwhile.
 *
 * The account is read in passes, each of some calls. A message that moved from
 * what a pass had yet to read to what it had read already is in a chunk that
 * changed since that pass began: the next pass reads just those. A pass in
 * which nothing changed, from its first call to its last, ends it; one that
 * takes a single call always does. */
#include "lib/base/check.h"
#include "lib/mailbox/private.h"

MAILBOX_SCRIPT(mailbox_script_bodies, "bodies.lua");

/* Each reads only what the one before, which took milliseconds, has missed. */
enum { PASSES_MAX = 1000 };

struct bodies {
	mailbox_on_cold *on_cold;
	uint64_t since;	 /* modseq: of this pass */
	uint64_t modseq; /* of the account when the pass began; UINT64_MAX: it has yet to */
	uint64_t folder, chunk;
	unsigned passes;
};

static void bodies_read_some(struct op *op);

static void
bodies_end(struct op *op, const struct err *err)
{
	((mailbox_on_done *)op->cb)(op->arg, err);
	op_free(op);
}

static void
on_bodies(void *arg, const redisReply *reply, const struct err *err)
{
	struct op *op = arg;
	struct bodies *b = op->state;
	struct err busy;
	uint64_t modseq;

	if (err != NULL) {
		bodies_end(op, err);
		return;
	}
	modseq = (uint64_t)redis_i64(element(reply, 0), 0);
	if (b->modseq == UINT64_MAX)
		b->modseq = modseq;
	for (size_t i = 3; i < reply->elements; i++)
		b->on_cold(op->arg, redis_str(reply->element[i]));
	b->folder = (uint64_t)redis_i64(element(reply, 1), 0);
	b->chunk = (uint64_t)redis_i64(element(reply, 2), 0);
	if (b->folder == 0 && modseq == b->modseq) {
		bodies_end(op, NULL);
	} else if (b->folder == 0 && ++b->passes == PASSES_MAX) {
		err_set(&busy, ERR_UNAVAILABLE, "the mailboxes of %s change too fast to be read", op->address);
		bodies_end(op, &busy);
	} else {
		if (b->folder == 0) {
			b->since = b->modseq;
			b->modseq = UINT64_MAX;
			b->folder = 1;
		}
		bodies_read_some(op);
	}
}

static void
bodies_read_some(struct op *op)
{
	const struct bodies *b = op->state;
	struct args a = args_new(op, 3);

	args_add_u64(&a, b->since);
	args_add_u64(&a, b->folder);
	args_add_u64(&a, b->chunk);
	op_call(op, &mailbox_script_bodies, &a, on_bodies);
}

void
mailbox_read_bodies(struct mailbox_store *m, struct str address, mailbox_on_cold *on_cold, mailbox_on_done *cb,
		    void *arg)
{
	struct op *op = op_new(m, address, (void *)cb, arg);
	struct bodies *b = op->state = arena_new(&op->arena, struct bodies);

	*b = (struct bodies){.on_cold = on_cold, .modseq = UINT64_MAX, .folder = 1};
	bodies_read_some(op);
}
