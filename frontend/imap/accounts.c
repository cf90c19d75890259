/* Sessions by their accounts. */
#include "frontend/imap/accounts.h"

#include <utlist.h>

static struct imap_session *logged_in; /* list; borrowed */

void
imap_accounts_enter(struct imap_session *s)
{
	DL_APPEND(logged_in, s);
}

void
imap_accounts_leave(struct imap_session *s)
{
	DL_DELETE(logged_in, s);
}

static void
judge(struct imap_session *s, const struct directory_user *user)
{
	if ((user != NULL && user->enabled) || s->address == NULL)
		return;
	log_info(conn_log(s->conn), "logged out: the account is disabled or gone", F_C("account", s->address));
	imap_bye(s, "the account is disabled");
}

static void
on_user(void *arg, const struct directory_user *user, const struct err *err)
{
	struct imap_session *s = arg;

	/* While the store is away nobody is put out. */
	if (imap_back(s) && err == NULL)
		judge(s, user);
}

static void
look_at(struct imap_session *s)
{
	struct directory_user user;
	bool found;

	imap_hold(s);
	if (directory_get_user(conn_frontend(s->conn)->directory, imap_address(s), &user, &found, on_user, s) &&
	    imap_back(s))
		judge(s, found ? &user : NULL);
}

static void
on_user_changed(void *arg, struct str address)
{
	struct imap_session *s;

	(void)arg;
	/* STR_NONE, any of them may have, is for caches: we would ask for all at once. */
	DL_FOREACH (logged_in, s)
		if (str_eq(address, imap_address(s)))
			look_at(s);
}

int
imap_accounts_init(struct frontend *f, struct err *err)
{
	(void)err;
	directory_watch_users(f->directory, on_user_changed, NULL);
	return 0;
}
