/* Finds a message or an item by its email id.
 *
 * The account is searched in passes, like in bodies.c and for the same reason: a
 * message that moves meanwhile, from an unread place to one already read, is in
 * a chunk that changed since the pass began. */
#include "lib/mailbox/scripts.h"

MAILBOX_SCRIPT(find);

/* Each pass reads only what the previous one has missed. */
enum { FIND_PASSES_MAX = 100 };

struct find {
	uint64_t email_id;
	uint64_t since;	 /* modseq: of this pass */
	uint64_t modseq; /* of the account when the pass began; UINT64_MAX: it has not begun */
	uint64_t folder, chunk;
	bool is_first;
	unsigned passes;
};

static void find_ask(struct mailbox_call *call);

static void
find_end(struct mailbox_call *call, const struct mailbox_place *place, const struct err *err)
{
	call->on.place(call->arg, place, err);
	mailbox_call_end(call);
}

static void
find_on_some(struct mailbox_call *call, const redisReply *reply, const struct err *err)
{
	static const struct err nowhere = {ERR_NOT_FOUND, "there is no such message"};
	static const struct err busy = {ERR_UNAVAILABLE, "the account changes too fast to find the message"};
	const struct mailbox_find_answer got = mailbox_find_answer(reply);
	struct find *f = call->state;
	struct mailbox_place place = {.folder_id = (uint32_t)redis_i64(got.folder, 0),
				      .uid = (uint32_t)redis_i64(got.uid, 0)};
	uint64_t modseq = (uint64_t)redis_i64(got.modseq, 0);

	if (err != NULL || place.folder_id != 0) {
		find_end(call, err == NULL ? &place : NULL, err);
		return;
	}
	if (f->modseq == UINT64_MAX)
		f->modseq = modseq;
	f->is_first = false;
	f->folder = (uint64_t)redis_i64(got.next_folder, 0);
	f->chunk = (uint64_t)redis_i64(got.next_chunk, 0);
	if (f->folder == 0 && modseq == f->modseq) {
		find_end(call, NULL, &nowhere);
		return;
	}
	if (f->folder == 0 && ++f->passes == FIND_PASSES_MAX) {
		find_end(call, NULL, &busy);
		return;
	}
	if (f->folder == 0) {
		f->since = f->modseq;
		f->modseq = UINT64_MAX;
		f->folder = 1;
	}
	find_ask(call);
}

static void
find_ask(struct mailbox_call *call)
{
	const struct find *f = call->state;

	mailbox_find_ask(call,
			 &(struct mailbox_find_args){.email = f->email_id,
						     .first = f->is_first,
						     .since = f->since,
						     .id = f->folder,
						     .chunk = f->chunk},
			 find_on_some);
}

void
mailbox_find_email(struct mailbox_store *m, struct str address, uint64_t email_id, mailbox_on_place *cb, void *arg)
{
	struct mailbox_call *call = mailbox_call_new(m, address, (union mailbox_on){.place = cb}, arg);
	struct find *f = call->state = arena_new(&call->op.arena, struct find);

	*f = (struct find){.email_id = email_id, .modseq = UINT64_MAX, .folder = 1, .is_first = true};
	find_ask(call);
}
