/* One message shown to one engine: connects, sends the head and the body, which
 * is read from the blob store only as fast as the engine takes it, and waits
 * for the answer. Memory: a piece of the body, and the answer. */
#ifndef SP_WORKER_SPAM_EXCHANGE_H
#define SP_WORKER_SPAM_EXCHANGE_H

#include <event2/event.h>

#include "delivery-worker/spam/engine.h"
#include "lib/base/ip.h"
#include "lib/blob/blob.h"

struct spam_exchange_options {
	struct event_base *base; /* borrowed, as the next */
	struct blob_store *blobs;
	struct ip ip;
	uint16_t port;
	struct str head;     /* copied */
	struct blob_id body; /* sent from offset on */
	uint64_t offset;
	int64_t timeout_ms; /* for all of it */
};

struct spam_exchange;

enum spam_end {
	SPAM_ANSWERED,
	SPAM_NOT_REACHED, /* it could not be connected to */
	SPAM_NO_ANSWER,
	SPAM_NO_BODY /* the store did not give it: no engine is at fault */
};

/* answer: borrowed; as much as came until its length, or the end of the
 * connection. err: why there is none; NULL with SPAM_ANSWERED alone. Comes
 * once, later; the exchange is then gone. */
typedef void spam_on_answer(void *arg, enum spam_end how, struct str answer, const struct err *err);

struct spam_exchange *spam_exchange_new(const struct spam_exchange_options *options, spam_on_answer *cb, void *arg);
/* Gives up: the callback will not come. NULLs *x. */
void spam_exchange_cancel(struct spam_exchange **x);

#endif
