/* Is there room in the mailbox here? Local delivery keeps what was retrieved in the queue, however full the mailbox is.
 * So a round takes only what fits, and nothing for an account that may not receive mail: else a remote without end
 * would fill the queue. What others deliver meanwhile is seen by the next round. */
#include "delivery-worker/retrieve/private.h"

static void
space_on_used(void *arg, const struct mailbox_quota *used, const struct err *err)
{
	struct round *r = arg;

	if (!op_back(&r->op) || r->is_ending)
		return;
	if (err != NULL) {
		round_fail(r, err_is_of_host(err), err->text);
		return;
	}
	r->space_used = used->bytes;
	r->on_space(r);
}

static void
space_judge(struct round *r, const struct directory_user *user)
{
	if (user == NULL || !user->enabled) {
		round_fail(r, false, "the account here is disabled: nothing is retrieved");
		return;
	}
	r->space_total = user->quota_bytes;
	if (r->space_total == 0) {
		r->on_space(r);
		return;
	}
	op_hold(&r->op);
	mailbox_quota_used(r->retriever->worker->mailboxes, r->address, space_on_used, r);
}

static void
space_on_user(void *arg, const struct directory_user *user, const struct err *err)
{
	struct round *r = arg;

	if (!op_back(&r->op) || r->is_ending)
		return;
	if (err != NULL && err->code != ERR_NOT_FOUND)
		round_fail(r, err_is_of_host(err), err->text);
	else
		space_judge(r, err == NULL ? user : NULL);
}

void
space_ask(struct round *r, void (*next)(struct round *r))
{
	struct directory_user user;
	bool found;

	r->is_full = false;
	r->space_total = r->space_used = 0;
	if (r->account.trial) {
		next(r);
		return;
	}
	r->on_space = next;
	op_hold(&r->op);
	if (!directory_get_user(r->retriever->worker->directory, r->address, &user, &found, space_on_user, r))
		return;
	if (op_back(&r->op))
		space_judge(r, found ? &user : NULL);
}

bool
space_has(struct round *r, uint64_t bytes)
{
	bool fits = r->space_total == 0 || (r->space_used <= r->space_total && bytes <= r->space_total - r->space_used);

	r->is_full |= !fits;
	return fits;
}
