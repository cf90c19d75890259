/* The administration page's inside.
 *
 *	web.c        what all requests share
 *	api_table.c  the table of endpoints
 *	api_account.c, api_remote.c what it takes and tells of one's own account, of remote accounts
 *	api.c        a request's way to its handler
 *	body.c       its body, checked against the table
 *	answer.c     answers in JSON, errors, the log of changes
 *	session.c    who asks: by cookie, by Basic login or by a token
 *	login.c      log in, log out
 *	openapi.c    the description of it all, made from the table
 *	change.c     what changes of accounts have in common
 *	settings.c, cluster.c, domains.c, users.c, aliases.c, keys.c, live_begin.c    handlers
 *	account.c    what every user may do with his own account
 *	photo.c      the photo of a user
 *	remote_accounts.c  remote accounts from which mail is retrieved
 *	second_factor.c    and with its second factor
 *	removal.c    removals of whole domains, which go on behind the answer
 *	live.c       what happens in the cluster, for those who watch
 *	page.c       the files of the page */
#ifndef SP_FRONTEND_WEB_PRIVATE_H
#define SP_FRONTEND_WEB_PRIVATE_H

#include <cjson/cJSON.h>

#include "frontend/web/api_table.h"
#include "frontend/web/web.h"
#include "lib/admin/admin.h"
#include "lib/admin/brokers.h"
#include "lib/admin/credentials.h"
#include "lib/admin/sessions.h"
#include "lib/base/buf.h"
#include "lib/directory/directory.h"

struct web {
	struct frontend *frontend; /* borrowed */
	struct admin admin;
	struct admin_brokers *brokers; /* owner; NULL until somebody asks for the queue */
	struct dns *dns;	       /* owner; NULL until somebody asks for a check; admin.dns */
	char *openapi;		       /* owner; NULL until somebody asks for it */
	struct web_removal *removals;  /* owner: see removal.c */
	struct live *live;	       /* owner */
};

#define WEB_TOKEN_MAX SESSION_HASH_MAX

/* Who asks. */
struct web_identity {
	char address[AUTH_ADDRESS_MAX];
	enum web_role role;
	bool by_cookie;
	char session[WEB_TOKEN_MAX];	 /* by cookie: the hash of its token */
	char csrf[WEB_TOKEN_MAX];	 /* by cookie: what X-Stagepost-Token must say */
	char token[CREDENTIAL_NAME_MAX]; /* by a token of the API: its name */
	char token_id[CREDENTIAL_ID_MAX];
};

#define WEB_ARGS_MAX 4

/* A request of the API; in the request's arena. */
struct web_request {
	struct http_request *r;
	struct web *web;
	const struct web_endpoint *endpoint;
	struct str args[WEB_ARGS_MAX];	     /* what stands for the pattern's {...}, decoded */
	char domain[DIRECTORY_DOMAIN_MAX];   /* that of {domain}, canonical; empty: there is none */
	char address[DIRECTORY_ADDRESS_MAX]; /* that of {address}, of that domain if there is one */
	struct web_identity who;
	struct buf bytes;    /* owner: the body so far */
	cJSON *body;	     /* owner: an object; NULL: the endpoint takes none */
	cJSON *with_session; /* owner: further members of the answer of web_begin_session(); NULL: none */
	struct admin_call *call;
	struct auth_request *login;
	void (*on_identity)(struct web_request *w);
	/* Of a request that stays open (http_park()): what it is told from then on; NULL: none. */
	const struct http_handler *stays;
	void (*on_user)(struct web_request *w, const struct directory_user *user); /* of web_find_user() */
	const char *allow;		      /* with 405: the methods that the endpoint has */
	const char *challenge;		      /* with 401: WWW-Authenticate; NULL: the page's */
	const char *location;		      /* with 201: where it is */
	void *state;			      /* the handler's, in the arena */
	const char *action, *target, *detail; /* a change, for web_on_changed(); in the arena */
};

/* ---- web.c ---- */
/* NULL: err. */
struct admin_brokers *web_brokers(struct web *web, struct err *err);

/* ---- api.c ---- */
/* What stands for {name}, decoded; STR_NONE: the pattern has no such name. */
struct str web_arg(const struct web_request *w, const char *name);

/* ---- body.c ---- */
bool web_body_is_json(const struct http_request *r);
bool web_body_is_form(const struct http_request *r);
/* w->bytes becomes w->body, in which no name comes twice. False: refused, 400 for what is
 * not JSON, 422 for what the table does not know. */
bool web_body_take(struct web_request *w);

/* ---- answer.c ---- */
/* All end the request. result is consumed. */
void web_answer(struct web_request *w, int status, cJSON *result);
/* {"error": text} */
__attribute__((format(printf, 3, 4))) void web_refuse(struct web_request *w, int status, const char *format, ...);
/* The same with 422 and what is wrong with each member: {"error", "fields": faults}.
 * faults is consumed. */
void web_refuse_fields(struct web_request *w, cJSON *faults);
/* The status by the code. */
void web_fail(struct web_request *w, const struct err *err);
/* 200 with an entity tag. */
void web_answer_version(struct web_request *w, cJSON *result, const char *version);
/* Ends a call of lib/admin: {member: list}, or web_fail(). */
void web_answer_list(struct web_request *w, const char *member, cJSON *list, const struct err *err);
/* 204, or 201 with w->location. */
void web_answer_done(struct web_request *w);
/* As web_on_result(), with the result's "version" as ETag. */
void web_on_versioned(void *arg, cJSON *result, const struct err *err);
/* Callbacks of lib/admin with the request as their arg: the result with 200, or the
 * error. w->call is the call. */
void web_on_result(void *arg, cJSON *result, const struct err *err);
/* If-Match: "version"; STR_NONE: * or none. */
struct str web_expected(const struct web_request *w);
/* Into the log and admin:log; what a user without a role does to his own account into the
 * log alone, as he could push the changes of others out of admin:log. detail may be NULL. */
void web_audit(struct web_request *w, const char *action, const char *target, const char *detail);
/* The same for what ends behind its answer. */
void web_audit_as(struct web *web, const struct web_identity *who, const char *from, const char *action,
		  const char *target, const char *detail);
/* The text of a member; STR_NONE: there is none, or it is no text. */
struct str web_member(const struct web_request *w, const char *name);

/* ---- session.c ---- */
/* w->on_identity comes, perhaps from within, or the request is answered (503).
 * Without a login that is good the role is WEB_ANYBODY. */
void web_identify(struct web_request *w);
/* The account and its role; false: it may not log in. */
bool web_read_user(const struct directory_user *user, struct web_identity *who);
/* Reads w->who's account. on_user comes, perhaps from within, with NULL if there is none;
 * or the request is answered (503). */
void web_find_user(struct web_request *w, void (*on_user)(struct web_request *w, const struct directory_user *user));
/* A result of lib/auth: counts it, and takes the account into w->who. False: the request
 * is answered (503). */
bool web_take_login(struct web_request *w, enum auth_result result, const struct auth_identity *identity);
const char *web_role_name(enum web_role role);
const char *web_cookie_name(const struct http_request *r);

/* ---- login.c ---- */
/* Begins a new session of w->who's account as it is now, and ends the request with it:
 * after a login, and after a change that ended the session of the one who made it. */
void web_begin_session(struct web_request *w);

/* ---- change.c ---- */
/* A change begins: http_hold(), and what the log will say of it. It goes on if the client
 * leaves: what was done is in the log in any case. detail may be NULL. */
void web_change_begin(struct web_request *w, const char *action, const char *target, const char *detail);
/* For a change with a result, or with an answer of its own: it begins with http_hold(), and
 * w->call is not set. Its end writes the log first and asks this then. False: the client
 * has left, and result, which may be NULL, is freed. */
bool web_is_still_there(struct web_request *w, cJSON *result);
/* Its end, for functions of lib/admin and lib/directory with the request as their arg. */
void web_on_changed(void *arg, const struct err *err);
/* The body's members as fields, but for those in `others` (ended by NULL); all are
 * checked. NULL: refused. */
typedef int web_check_field(const struct directory_field *field, struct err *err);
const struct directory_field *web_take_fields(struct web_request *w, const char *const *others, web_check_field *check,
					      unsigned *count_out);
/* The body without secrets: what the log says of a change. */
const char *web_change_detail(struct web_request *w);
/* after, query and limit; false: refused. */
bool web_take_page(struct web_request *w, struct directory_page *page);

/* ---- removal.c ---- */
/* Removes a domain that is closed, with all that is in it; behind the answer. */
void web_removal_start(struct web_request *w);
void web_removals_fini(struct web *web);

/* ---- users.c ---- */
/* go_on, unless the account of the path may do more than the caller, or does not exist;
 * at once if the path names none. */
void web_guard_user(struct web_request *w, void (*go_on)(struct web_request *w));

/* ---- handlers ---- */
void web_openapi(struct web_request *w);
void web_login(struct web_request *w);
void web_logout(struct web_request *w);
void web_whoami(struct web_request *w);
void web_account_show(struct web_request *w);
void web_account_password(struct web_request *w);
void web_account_sessions(struct web_request *w);
void web_account_session_end(struct web_request *w);
void web_account_sessions_end(struct web_request *w);
void web_account_credentials(struct web_request *w);
void web_account_credential_add(struct web_request *w);
void web_account_credential_delete(struct web_request *w);
void web_totp_begin(struct web_request *w);
void web_totp_confirm(struct web_request *w);
void web_totp_disable(struct web_request *w);
void web_settings_list(struct web_request *w);
void web_settings_get(struct web_request *w);
void web_settings_put(struct web_request *w);
void web_settings_unset(struct web_request *w);
void web_domain_settings_list(struct web_request *w);
void web_domain_list(struct web_request *w);
void web_domain_add(struct web_request *w);
void web_domain_show(struct web_request *w);
void web_domain_set(struct web_request *w);
void web_domain_remove(struct web_request *w);
void web_user_list(struct web_request *w);
void web_user_add(struct web_request *w);
void web_user_show(struct web_request *w);
void web_user_set(struct web_request *w);
void web_user_passwd(struct web_request *w);
void web_user_remove(struct web_request *w);
void web_photo_show(struct web_request *w);
void web_photo_put(struct web_request *w);
void web_photo_remove(struct web_request *w);
void web_alias_list(struct web_request *w);
void web_alias_add(struct web_request *w);
void web_alias_show(struct web_request *w);
void web_alias_remove(struct web_request *w);
void web_target_add(struct web_request *w);
void web_target_remove(struct web_request *w);
void web_dkim_list(struct web_request *w);
void web_dkim_make(struct web_request *w);
void web_dkim_activate(struct web_request *w);
void web_dkim_remove(struct web_request *w);
void web_dns_records(struct web_request *w);
void web_remote_list(struct web_request *w);
void web_remote_list_all(struct web_request *w);
void web_remote_list_domain(struct web_request *w);
void web_remote_show(struct web_request *w);
void web_remote_add(struct web_request *w);
void web_remote_set(struct web_request *w);
void web_remote_now(struct web_request *w);
void web_remote_delete(struct web_request *w);
void web_status(struct web_request *w);
void web_queue_summary(struct web_request *w);
void web_queue_list(struct web_request *w);
void web_queue_show(struct web_request *w);
void web_queue_order(struct web_request *w);
void web_live(struct web_request *w);
void web_history(struct web_request *w);
void web_certificates(struct web_request *w);

#endif
