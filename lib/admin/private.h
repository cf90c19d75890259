/* A call in progress. Shared by the files of lib/admin; nobody else includes it. */
#ifndef SP_ADMIN_PRIVATE_H
#define SP_ADMIN_PRIVATE_H

#include "lib/admin/admin.h"
#include "lib/base/buf.h"
#include "lib/base/op.h"
#include "lib/redis/keys.h"

struct admin_call {
	struct op op;	     /* its arena is the call's; holds: answers due */
	struct admin *admin; /* borrowed */
	admin_on_result *on_result;
	admin_on_done *on_done; /* instead of on_result */
	void *arg;		/* the caller's */
	cJSON *result;		/* owner, until it is passed to the caller */
	void *state;		/* the function's own, in the arena */
	/* admin_cancel() was called: withdraws what it can, op_back() for each. NULL: nothing. */
	void (*on_cancel)(struct admin_call *call);
	struct arena answers; /* of a round (round.h); kept */
	struct err failure;   /* the first failure; for functions that continue in spite of it */
};

struct admin_call *admin_call_new(struct admin *a, admin_on_result *cb, void *arg);
struct admin_call *admin_call_new_order(struct admin *a, admin_on_done *cb, void *arg);
/* Calls back with err, or with the result, which must exist then, and ends the call. */
void admin_call_end(struct admin_call *call, const struct err *err);
/* The same at the loop's next turn, for a refusal before anything was sent. */
__attribute__((format(printf, 3, 4))) void admin_call_refuse(struct admin_call *call, enum err_code code,
							     const char *format, ...);
/* Keeps the first failure; err may be NULL. */
void admin_call_note(struct admin_call *call, const struct err *err);

/* ---- Querying the store ---- */
/* reply and err are as for redis_on_reply. Not called after the call was cancelled. */
typedef void admin_on_reply(struct admin_call *call, const redisReply *reply, const struct err *err);
/* A command on a key. Answers come in the order of the commands. */
void admin_ask(struct admin_call *call, admin_on_reply *cb, const char *verb, struct str key, size_t count,
	       const struct str *args);
/* A command without a key: SCAN, CONFIG. */
void admin_ask_plain(struct admin_call *call, admin_on_reply *cb, size_t argc, const struct str *argv);
/* Runs a script with one key. */
void admin_ask_script(struct admin_call *call, admin_on_reply *cb, struct redis_script *script, struct str key,
		      size_t count, const struct str *args);

/* ---- Accounts ---- */
struct directory_domain;
struct directory_user;
/* As admin_domain_show() and admin_user_show() tell them, without what a user's mailbox holds. */
cJSON *accounts_tell_domain(const struct directory_domain *d);
cJSON *accounts_tell_user(const struct directory_user *u);

/* ---- Members of results ---- */
void admin_add_str(cJSON *object, const char *name, struct str value);
/* Adds nothing if it is NULL or empty. */
void admin_add_text(cJSON *object, const char *name, const char *value);
/* In ISO 8601 format; 0: adds nothing. */
void admin_add_time(cJSON *object, const char *name, uint64_t unix_ms);

#endif
