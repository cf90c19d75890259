/* Remote accounts in the store, and what is known of their state.
 *
 *	retrieve:{a}           hash: id -> packed account
 *	retrieve:{a}:<id>:st   hash: its status (below)
 *	retrieve:due           zset: "<address> <id>" -> when it is due (unix ms). Every account
 *	                       is in it; one that waits for nothing is given RETRIEVE_NEVER_MS
 *	                       as its score by the worker that claims it.
 * A worker that has claimed an account moves its score to the end of its lease. It may
 * write the next due time only while the score is the one that it wrote: so `now`,
 * `enable` and `delete` are never lost. A member without an account (deleted, or not yet
 * added) is removed by the worker that claims it.
 *
 * Each function calls back exactly once, never from within. cb may be NULL where nobody
 * waits. What is passed to a callback is borrowed for the call. */
#ifndef SP_RETRIEVE_STORE_H
#define SP_RETRIEVE_STORE_H

#include "lib/redis/redis.h"
#include "lib/retrieve/account.h"

/* A score far away, exact as a double: the account is not due. */
#define RETRIEVE_NEVER_MS   INT64_C(8000000000000000)
#define RETRIEVE_MEMBER_MAX 350
#define RETRIEVE_SOON	    INT64_C(-2) /* of retrieve_change() */
#define RETRIEVE_PAUSE_MS   INT64_C(30000)

/* The fields of the status, by their names in the store. Times are unix ms; a field that
 * is missing is 0.
 *	last_ok         end of the last round without trouble
 *	last_try        end of the last round
 *	failures        rounds with trouble since last_ok
 *	next_ms         when the next round is due
 *	fence           number of the last claim
 *	messages, bytes taken over since the account was added
 *	total_messages, total_bytes   those and what is still to come, as of the last look;
 *	                of a trial: what there is at the remote
 *	stuck           messages that the remote does not give, and that are tried once a day only
 *	wanted          when `now` was last ordered: if that was during a round, the next one
 *	                is due at its end
 *	access_until    end of the access token */
#define RETRIEVE_STATUS_NUMBERS(N) \
	N(last_ok) \
	N(last_try) \
	N(failures) \
	N(next_ms) \
	N(fence) \
	N(messages) \
	N(bytes) \
	N(total_messages) \
	N(total_bytes) \
	N(stuck) \
	N(wanted) \
	N(access_until)

/*	state        idle, running, waiting (after trouble), done (of `once`); empty: new
 *	last_error   the remote's own words, or ours; empty: the last round went well
 *	access       sealed access token */
#define RETRIEVE_STATUS_TEXTS(T) \
	T(state) \
	T(last_error) \
	T(access)

#define RETRIEVE_STATUS_NUMBER(name) int64_t name;
#define RETRIEVE_STATUS_TEXT(name)   struct str name;
struct retrieve_status {
	RETRIEVE_STATUS_NUMBERS(RETRIEVE_STATUS_NUMBER)
	RETRIEVE_STATUS_TEXTS(RETRIEVE_STATUS_TEXT)
};
#undef RETRIEVE_STATUS_NUMBER
#undef RETRIEVE_STATUS_TEXT

/* From HGETALL's reply, of which it borrows; NULL: all empty. */
void retrieve_status_read(const redisReply *hash, struct retrieve_status *out);

struct retrieve_entry {
	struct retrieve_account account;
	struct retrieve_status status;
};

typedef void retrieve_on_done(void *arg, const struct err *err);
typedef void retrieve_on_entries(void *arg, const struct retrieve_entry *entries, unsigned count,
				 const struct err *err);

/* May one more be added to these, which are all of the address? Called with the arg of
 * retrieve_add(), perhaps again if there are others when it is added. -1: err. */
typedef int retrieve_may_add(void *arg, const struct retrieve_entry *entries, unsigned count, struct err *err);
/* The account is due at once, if it is enabled. may_add may be NULL. ERR_NOT_FOUND: there is
 * no such user here; ERR_DENIED: the user is disabled; ERR_EXISTS: the id; ERR_LIMIT:
 * RETRIEVE_ACCOUNTS_MAX; or what may_add says. */
void retrieve_add(struct redis *r, const struct retrieve_account *a, retrieve_may_add *may_add, retrieve_on_done *cb,
		  void *arg);
/* All of an address, oldest first; or the one with the id (ERR_NOT_FOUND). */
void retrieve_list(struct redis *r, struct str address, retrieve_on_entries *cb, void *arg);
void retrieve_get(struct redis *r, struct str address, struct str id, retrieve_on_entries *cb, void *arg);

/* Changes the account as it is in the store now; may be called again if somebody else
 * changed it meanwhile. -1: err, and nothing is changed. */
typedef int retrieve_edit(void *arg, struct retrieve_account *a, struct arena *arena, struct err *err);
/* due_ms: when it is due then, if it is enabled; -1: as before;
 * RETRIEVE_SOON: at once, but for the pause of an order by a user (below). edit_arg must live until
 * the callback. ERR_NOT_FOUND. */
void retrieve_change(struct redis *r, struct str address, struct str id, retrieve_edit *edit, void *edit_arg,
		     int64_t due_ms, retrieve_on_done *cb, void *arg);
/* why: becomes last_error; empty: it is cleared. */
void retrieve_enable(struct redis *r, struct str address, struct str id, bool enabled, struct str why,
		     retrieve_on_done *cb, void *arg);
/* Sets fields of the status without a fence: name, value, name, value; at most 10 texts. ERR_NOT_FOUND. */
void retrieve_note(struct redis *r, struct str address, struct str id, unsigned count, const struct str *fields,
		   retrieve_on_done *cb, void *arg);
/* Due now, or again at the end of its current round. is_paced: by a user, who must not make
 * us a burden to the remote: not sooner than RETRIEVE_PAUSE_MS after its last try, and once
 * in that time during a round. ERR_NOT_FOUND; ERR_DENIED: disabled. */
void retrieve_now(struct redis *r, struct str address, struct str id, bool is_paced, retrieve_on_done *cb, void *arg);
/* With its ledger and status; a worker that has it is fenced. ERR_NOT_FOUND. */
void retrieve_delete(struct redis *r, struct str address, struct str id, retrieve_on_done *cb, void *arg);
/* All of an address, which is being removed. */
void retrieve_forget(struct redis *r, struct str address, retrieve_on_done *cb, void *arg);

/* A page of all accounts, of about `limit`, in no order; one may come twice. cursor "0": from the start;
 * next_cursor "0": this was the last page. */
typedef void retrieve_on_page(void *arg, const struct str *members, unsigned count, struct str next_cursor,
			      const struct err *err);
void retrieve_page(struct redis *r, struct str cursor, unsigned limit, retrieve_on_page *cb, void *arg);
/* "<address> <id>"; false: it is not one. */
bool retrieve_member_parse(struct str member, struct str *address_out, struct str *id_out);
struct str retrieve_member_print(char out[RETRIEVE_MEMBER_MAX], const char *address, const char *id);

#endif
