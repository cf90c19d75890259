/* A round of questions to brokers, answered in parallel. Calls of lib/admin about
 * the queue are built from rounds.
 *
 *	admin_round_begin(b, call, ready)      waits until each shard has an owner
 *	ready(call, round)
 *		admin_round_ask...(round, frame)
 *		admin_round_send(round, done)  waits for the answers
 *	done(call, round)
 *		admin_round_answer(round, i)
 *
 * A call has one round at a time; the next may begin in done(). */
#ifndef SP_ADMIN_ROUND_H
#define SP_ADMIN_ROUND_H

#include "lib/admin/brokers.h"
#include "lib/admin/private.h"

struct admin_round;
struct admin *admin_brokers_admin(const struct admin_brokers *b);
/* A call about the queue: its result is an object that has "missing". */
struct admin_call *admin_round_call_new(struct admin_brokers *b, admin_on_result *cb, void *arg);
typedef void admin_on_round(struct admin_call *call, struct admin_round *round);

/* ready is called later. If the number of shards cannot be determined, the call
 * ends with the store's error. */
void admin_round_begin(struct admin_brokers *b, struct admin_call *call, admin_on_round *ready);
/* Asks every broker, or the owner of the id's shard. False: there is no owner.
 * The frame is copied; its number is set. */
void admin_round_ask_all(struct admin_round *round, Stagepost__Frame *frame);
bool admin_round_ask_owner(struct admin_round *round, struct str id, Stagepost__Frame *frame);
/* Asks the broker of question i again, if its answer requires it. Allowed in
 * done(), which then sends the round again. */
void admin_round_ask_again(struct admin_round *round, unsigned i, Stagepost__Frame *frame);
/* done is called later, even if nobody was asked. */
void admin_round_send(struct admin_round *round, admin_on_round *done);

unsigned admin_round_count(const struct admin_round *round); /* of questions */
/* The answer to question i; NULL: none. Valid until done() returns or, if
 * admin_round_keep_answers() was called there, as long as the call. */
const Stagepost__Frame *admin_round_answer(const struct admin_round *round, unsigned i);
void admin_round_keep_answers(struct admin_round *round);
/* Adds the brokers that did not answer to "missing" in the call's result. */
void admin_round_tell_missing(const struct admin_round *round);

#endif
