/* The queue: looked at, and given orders. Asked of all brokers side by side; each
 * result says what is "missing" in it (brokers.h). */
#ifndef SP_ADMIN_QUEUE_H
#define SP_ADMIN_QUEUE_H

#include "lib/admin/brokers.h"
#include "lib/admin/filter.h"

#define ADMIN_PAGE_MAX 5000

/* A page of the messages, in the order in which they came: those behind the id
 * `after` ("": from the first), `limit` of them, at most ADMIN_PAGE_MAX from each
 * broker. {"messages": [...], "next": id, "missing": [...]}; next is the `after` of
 * the next page, and empty where there is none. A page may be short and yet
 * have a next one. What does not fit in a turn of the loop is made in slices. */
struct admin_call *admin_queue_list(struct admin_brokers *b, const Stagepost__QueueFilter *filter, const char *after,
				    uint64_t limit, admin_on_result *cb, void *arg);

/* Destinations, those with most mail first, `limit` of them; all of them are put
 * in order in one turn of the loop.
 * {"destinations": [...], "count": of all, "missing": [...]}. Of a destination: queued,
 * active, deferred and held parts; next_try_ms is when something happens there,
 * and missing where nothing waits for time. */
struct admin_call *admin_queue_summary(struct admin_brokers *b, const Stagepost__QueueFilter *filter, uint64_t limit,
				       admin_on_result *cb, void *arg);

/* verb: retry, hold, release, delete. To messages by their ids:
 * {"messages": [{"id", "done", "text"}, ...], "missing": [...]}. */
struct admin_call *admin_queue_order(struct admin_brokers *b, const char *verb, const char *const *ids, size_t count,
				     admin_on_result *cb, void *arg);
/* To all that the filter chooses: {"order": verb, "count": of messages, "missing": [...]}. */
struct admin_call *admin_queue_order_all(struct admin_brokers *b, const char *verb,
					 const Stagepost__QueueFilter *filter, admin_on_result *cb, void *arg);

/* One message as the store has it, and the whole way that it came; also one that
 * has left the queue, as long as it is known. ERR_INVALID: no id; ERR_NOT_FOUND;
 * ERR_CORRUPT. */
struct admin_call *admin_trace(struct admin *a, const char *id, admin_on_result *cb, void *arg);
/* The same, and for one in the queue "parts": what its broker does with it now,
 * unless no broker answers. */
struct admin_call *admin_queue_show(struct admin_brokers *b, const char *id, admin_on_result *cb, void *arg);

#endif
