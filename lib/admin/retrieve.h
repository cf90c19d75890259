/* Remote accounts from which mail is retrieved (lib/retrieve): for the tool, and for the
 * users themselves. Their secrets are never in a result.
 *
 * An account in a result: {"id", "address", "protocol", "host", "port", "tls",
 * "certificate", "user", "auth", "folders", "mirror", "keep", "into", "interval",
 * "enabled", "once", "state", "messages", "bytes", "total_messages", "total_bytes",
 * "stuck", "failures", "last_ok", "last_try", "last_error", "next"}; what does not apply is left
 * out. The words are those of retrieve_account_set(). state: new, trying, idle, running,
 * waiting (after trouble), done (a move), disabled. */
#ifndef SP_ADMIN_RETRIEVE_H
#define SP_ADMIN_RETRIEVE_H

#include "lib/admin/admin.h"
#include "lib/base/str.h"
#include "lib/directory/directory.h"

/* Copied. */
struct admin_retrieve {
	struct str address;		      /* the account here */
	const struct directory_field *fields; /* of retrieve_account_set() */
	unsigned count;
	struct str secret;	  /* the password or the refresh token */
	struct str client_secret; /* of OAuth2; empty: none */
	/* Not by the operator: a trial is given less time, what was changed shows after a pause
	 * (RETRIEVE_PAUSE_MS), and what would send the secret elsewhere needs the secret. */
	bool by_user;
};

/* Could the field have this value? ERR_INVALID with the reason, without the field's name. */
int admin_retrieve_check(const struct directory_field *field, struct err *err);

/* How far a trial is, in words; borrowed. */
typedef void admin_retrieve_on_step(void *arg, const char *words);

/* A new account; needs a->seals. With tried, a worker logs in first; on failure nothing
 * stays, and the error has the remote's words (ERR_DENIED), or says that no worker took it
 * up or that it took too long (ERR_TIMEOUT, after a minute). on_step may be NULL.
 * ERR_EXISTS: the address has an account of this mailbox and one of the folders;
 * ERR_INVALID: a field; ERR_NOT_FOUND: there is no such user; ERR_DENIED: the user is
 * disabled, or there is no key for secrets; ERR_LIMIT: it has too many, or too many are
 * being tried. */
struct admin_call *admin_retrieve_add(struct admin *a, const struct admin_retrieve *wanted, bool tried,
				      admin_retrieve_on_step *on_step, admin_on_result *cb, void *arg);
/* A move: what is there is retrieved once. If the address has one of the same protocol,
 * host and user, it goes on with this secret; ERR_EXISTS if that has other folders, or puts
 * them or keeps them otherwise. Else a new one is added, as above. */
struct admin_call *admin_retrieve_once(struct admin *a, const struct admin_retrieve *wanted, bool tried,
				       admin_retrieve_on_step *on_step, admin_on_result *cb, void *arg);
/* {"remote_accounts": [...], "next"}: of the users of a domain (empty: of all), about `limit`
 * of them, or fewer. next is the next page's `after`, and missing with the last one; one may
 * come in two pages. ERR_INVALID: `after`, the domain. */
struct admin_call *admin_retrieve_page(struct admin *a, struct str domain, struct str after, unsigned limit,
				       admin_on_result *cb, void *arg);
/* An array. of: an address; a domain: of all its users; empty: of all. */
struct admin_call *admin_retrieve_list(struct admin *a, struct str of, admin_on_result *cb, void *arg);
struct admin_call *admin_retrieve_show(struct admin *a, struct str address, struct str id, admin_on_result *cb,
				       void *arg);
/* Changes fields, and the secrets that are not empty. What says which mailbox it is
 * (protocol, host, user, folders, mirror, once) cannot be changed: ERR_INVALID. */
struct admin_call *admin_retrieve_set(struct admin *a, struct str id, const struct admin_retrieve *wanted,
				      admin_on_done *cb, void *arg);
/* All may give ERR_NOT_FOUND; now: ERR_DENIED, if it is disabled. */
struct admin_call *admin_retrieve_now(struct admin *a, struct str address, struct str id, admin_on_done *cb, void *arg);
/* By a user: after a pause, as above. */
struct admin_call *admin_retrieve_soon(struct admin *a, struct str address, struct str id, admin_on_done *cb,
				       void *arg);
struct admin_call *admin_retrieve_enable(struct admin *a, struct str address, struct str id, admin_on_done *cb,
					 void *arg);
struct admin_call *admin_retrieve_disable(struct admin *a, struct str address, struct str id, admin_on_done *cb,
					  void *arg);
struct admin_call *admin_retrieve_delete(struct admin *a, struct str address, struct str id, admin_on_done *cb,
					 void *arg);
#endif
