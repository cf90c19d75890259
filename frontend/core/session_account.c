/* Sessions by their accounts: they end when the account is disabled or removed. */
#include <utlist.h>

#include "frontend/core/session.h"
#include "lib/base/mem.h"

static struct session *logged_in; /* list; borrowed */

void
session_set_account(struct session *s, const struct auth_identity *identity)
{
	session_forget_account(s);
	s->account = mem_strdup(identity->address);
	s->quota_bytes = identity->quota_bytes;
	DL_APPEND(logged_in, s);
}

void
session_forget_account(struct session *s)
{
	if (s->account == NULL)
		return;
	DL_DELETE(logged_in, s);
	mem_free(s->account);
	s->account = NULL;
	s->quota_bytes = 0;
	s->disabled = false;
}

/* A message being received and a command in progress are finished first. */
static void
session_judge_account(struct session *s, const struct directory_user *user)
{
	if ((user != NULL && user->enabled) || s->account == NULL || s->disabled)
		return;
	log_info(conn_log(s->conn), "logged out: the account is disabled or deleted", F_C("account", s->account));
	s->disabled = true;
	session_end_if_free(s);
}

static void
session_on_user(void *arg, const struct directory_user *user, const struct err *err)
{
	struct session *s = arg;

	/* While the store is unavailable, nobody is logged out. */
	if (session_back(s) && err == NULL)
		session_judge_account(s, user);
}

static void
session_look_at_account(struct session *s)
{
	struct directory_user user;
	bool found;

	session_hold(s);
	if (directory_get_user(conn_frontend(s->conn)->directory, str_c(s->account), &user, &found, session_on_user,
			       s) &&
	    session_back(s))
		session_judge_account(s, found ? &user : NULL);
}

static void
session_on_user_changed(void *arg, struct str address)
{
	struct session *s;

	(void)arg;
	/* STR_NONE means that any account may have changed. It is meant for caches: we would
	 * have to query all accounts at once. */
	DL_FOREACH (logged_in, s)
		if (str_eq(address, str_c(s->account)))
			session_look_at_account(s);
}

void
session_accounts_init(struct frontend *f)
{
	directory_watch_users(f->directory, session_on_user_changed, NULL);
}
