/* The maildrop lock. */
#include "lib/mailbox/scripts.h"

MAILBOX_SCRIPT(lock);

static void
lock_ask(struct mailbox_store *m, struct str address, struct str verb, struct str token, int64_t lease_ms,
	 mailbox_on_done *cb, void *arg)
{
	struct mailbox_call *call = mailbox_call_new(m, address, (union mailbox_on){.done = cb}, arg);

	mailbox_lock_ask(call, &(struct mailbox_lock_args){.verb = verb, .token = token, .lease = (uint64_t)lease_ms},
			 mailbox_call_done);
}

void
mailbox_lock(struct mailbox_store *m, struct str address, struct str token, int64_t lease_ms, mailbox_on_done *cb,
	     void *arg)
{
	lock_ask(m, address, STR("take"), token, lease_ms, cb, arg);
}

void
mailbox_lock_renew(struct mailbox_store *m, struct str address, struct str token, int64_t lease_ms, mailbox_on_done *cb,
		   void *arg)
{
	lock_ask(m, address, STR("renew"), token, lease_ms, cb, arg);
}

void
mailbox_unlock(struct mailbox_store *m, struct str address, struct str token, mailbox_on_done *cb, void *arg)
{
	lock_ask(m, address, STR("release"), token, 1, cb, arg);
}
