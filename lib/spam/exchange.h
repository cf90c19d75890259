/* One message passed to one engine: connects, sends the head and the body,
 * which is read from the blob store only as fast as the engine accepts it, and
 * waits for the answer. Memory: a piece of the body, and the answer. */
#ifndef SP_SPAM_EXCHANGE_H
#define SP_SPAM_EXCHANGE_H

#include <event2/event.h>

#include "lib/spam/engine.h"
#include "lib/base/ip.h"
#include "lib/blob/blob.h"

struct spam_exchange_options {
	struct event_base *base; /* borrowed, like the next one */
	struct blob_store *blobs;
	struct ip ip;
	uint16_t port;
	struct str head;     /* copied */
	struct blob_id body; /* sent from offset on */
	uint64_t offset;
	bool in_chunks;	    /* as of struct spam_engine */
	int64_t timeout_ms; /* for the whole exchange */
};

struct spam_exchange;

enum spam_end {
	SPAM_ANSWERED,
	SPAM_NOT_REACHED, /* no connection could be made */
	SPAM_NO_ANSWER,
	SPAM_NO_BODY /* the store did not return it: no engine is at fault */
};

/* answer: borrowed; what arrived up to its length, or to the end of the
 * connection. err: why there is none; NULL only with SPAM_ANSWERED. Called
 * once, later; the exchange is then freed. */
typedef void spam_on_answer(void *arg, enum spam_end how, struct str answer, const struct err *err);

struct spam_exchange *spam_exchange_new(const struct spam_exchange_options *options, spam_on_answer *cb, void *arg);
/* Gives up: the callback is not called. Sets *x to NULL. */
void spam_exchange_cancel(struct spam_exchange **x);

#endif
