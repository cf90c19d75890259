/* A call under way, as the files of lib/admin share it; nobody else includes it. */
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
	void *arg;		/* of the caller */
	cJSON *result;		/* owner, until the caller is told */
	void *state;		/* of the function, in the arena */
	/* admin_cancel() was called: takes back what can be, op_back() for each. NULL: nothing. */
	void (*on_cancel)(struct admin_call *call);
	struct arena answers; /* of a round (round.h), kept */
	struct err failure;   /* the first that came; for those who go on in spite of it */
};

struct admin_call *admin_call_new(struct admin *a, admin_on_result *cb, void *arg);
struct admin_call *admin_call_new_order(struct admin *a, admin_on_done *cb, void *arg);
/* Tells the caller, and ends the call: err, or the result, which there must be. */
void admin_call_end(struct admin_call *call, const struct err *err);
/* The same at the loop's next turn, for what is refused before anything is asked. */
__attribute__((format(printf, 3, 4))) void admin_call_refuse(struct admin_call *call, enum err_code code,
							     const char *format, ...);
/* Keeps the first failure; err may be NULL. */
void admin_call_note(struct admin_call *call, const struct err *err);

/* ---- Asking the store ---- */
/* reply and err as of redis_on_reply. Not called once the call is cancelled. */
typedef void admin_on_reply(struct admin_call *call, const redisReply *reply, const struct err *err);
/* A command on a key. Answers come in the order of the questions. */
void admin_ask(struct admin_call *call, admin_on_reply *cb, const char *verb, struct str key, size_t count,
	       const struct str *args);
/* A command that has no key: SCAN, CONFIG. */
void admin_ask_plain(struct admin_call *call, admin_on_reply *cb, size_t argc, const struct str *argv);

/* ---- Members of results ---- */
void admin_add_str(cJSON *object, const char *name, struct str value);
/* Unless it is NULL or empty. */
void admin_add_text(cJSON *object, const char *name, const char *value);
/* As ISO 8601; 0: nothing. */
void admin_add_time(cJSON *object, const char *name, uint64_t unix_ms);

#endif
