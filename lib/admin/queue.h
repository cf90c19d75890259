/* The queue: listing it and giving orders. All brokers are asked in parallel;
 * each result says what is "missing" in it (brokers.h). */
#ifndef SP_ADMIN_QUEUE_H
#define SP_ADMIN_QUEUE_H

#include "lib/admin/brokers.h"
#include "lib/admin/filter.h"

#define ADMIN_PAGE_MAX 5000

/* A page of messages in order of arrival: those after the id `after` ("": from the
 * first), up to `limit`, at most ADMIN_PAGE_MAX from each broker. {"messages":
 * [...], "next": id, "missing": [...]}; next is the `after` of the next page, and
 * empty if there is none. A page may be short and still have a next one. Work that
 * does not fit in a turn of the loop is done in slices. */
struct admin_call *admin_queue_list(struct admin_brokers *b, const Stagepost__QueueFilter *filter, const char *after,
				    uint64_t limit, admin_on_result *cb, void *arg);

/* Up to `limit` destinations, those with most mail first; they are all sorted in one
 * turn of the loop. {"destinations": [...], "count": of all, "missing": [...]}. For
 * each destination: queued, active, deferred and held parts. next_try_ms is the time of
 * the next attempt, and absent if nothing is scheduled. */
struct admin_call *admin_queue_summary(struct admin_brokers *b, const Stagepost__QueueFilter *filter, uint64_t limit,
				       admin_on_result *cb, void *arg);

/* verb: retry, hold, release, delete. For messages by id: {"messages": [{"id",
 * "done", "text"}, ...], "missing": [...]}. */
struct admin_call *admin_queue_order(struct admin_brokers *b, const char *verb, const char *const *ids, size_t count,
				     admin_on_result *cb, void *arg);
/* For all messages that match the filter: {"order": verb, "count": of messages, "missing": [...]}. */
struct admin_call *admin_queue_order_all(struct admin_brokers *b, const char *verb,
					 const Stagepost__QueueFilter *filter, admin_on_result *cb, void *arg);

/* One message as the store has it, with its whole history; also one that has
 * left the queue, while it is still known. ERR_INVALID: not an id;
 * ERR_NOT_FOUND; ERR_CORRUPT. */
struct admin_call *admin_trace(struct admin *a, const char *id, admin_on_result *cb, void *arg);
/* The same, plus "parts" for a message in the queue: what its broker is doing
 * with it now. Left out if no broker answers. */
struct admin_call *admin_queue_show(struct admin_brokers *b, const char *id, admin_on_result *cb, void *arg);

#endif
