/* The maildrop lock. */
#include "lib/mailbox/private.h"

MAILBOX_SCRIPT(mailbox_script_lock, "lock.lua");

static void
lock_ask(struct mailbox_store *m, struct str address, struct str verb, struct str token, int64_t lease_ms,
	 mailbox_on_done *cb, void *arg)
{
	struct mailbox_call *call = mailbox_call_new(m, address, (union mailbox_on){.done = cb}, arg);
	struct mailbox_args a = mailbox_args_new(call, 3);

	mailbox_args_add(&a, verb);
	mailbox_args_add(&a, token);
	mailbox_args_add_u64(&a, (uint64_t)lease_ms);
	mailbox_call_script(call, &mailbox_script_lock, &a, mailbox_call_done);
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
