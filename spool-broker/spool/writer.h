/* Writes to one shard of the spool: gathered while one batch is on its way, so
 * that a busy shard makes one script call for many messages.
 *
 * A finish alone is not urgent: if it is lost, the message is only found to be
 * delivered once more. It waits a little for a batch to join, and so usually
 * costs the store no call and no sync of its own.
 *
 * Writes keep their order. Saves and finishes are tried again until they are
 * answered or the shard is lost; the failure of a hand-over is reported at
 * once. */
#ifndef SP_BROKER_WRITER_H
#define SP_BROKER_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/log.h"
#include "lib/base/str.h"

struct shard;
struct write;

struct writer {
	struct write *first, *last; /* owner: not yet sent */
	size_t count;
	size_t urgent;	   /* of them: all but finishes */
	int64_t finish_ms; /* monotonic: waiting finishes are sent then; 0: none waits */
	bool sending;	   /* a batch is on its way */
	int64_t retry_ms;  /* monotonic: not before, after a failure */
	int64_t since_ms;  /* monotonic: since when writes wait, or the last batch succeeded; 0: nothing waits */
	struct log_trouble trouble;
};

/* Of all shards. */
struct writes {
	struct write *adds; /* borrowed: hash by id of the hand-overs that Redis has not answered, */
	size_t waiting;	    /* their number */
	size_t waiting_bytes;
	int64_t due_ms; /* monotonic: writes that may wait are sent by then; 0: none */
};

struct writes *writes_new(void);
/* Nothing is on its way any more. */
void writes_end(struct writes **writes);

/* peer and request: whom to answer. events: lines (events.h), may be empty. */
void writer_add(struct shard *s, struct str id, struct str envelope, struct str events, struct str peer,
		uint64_t request);
/* Does such an add wait, or is it on its way? Its answer serves for both. */
bool writer_has_add(const struct shard *s, struct str id, struct str peer, uint64_t request);
void writer_save(struct shard *s, struct str id, struct str state, struct str events);
/* wait_ms: how long it may wait for others. */
void writer_finish(struct shard *s, struct str id, struct str trace, struct str events, int64_t retention_ms,
		   int64_t wait_ms);
/* A waiting finish is needed now: it is sent with the next flush. */
void writer_hurry(struct shard *s);
/* Sends what has been gathered, unless a batch is on its way. */
void writer_flush(struct shard *s);
/* The shard is lost: hand-overs are answered NOT_MINE, the rest is dropped. */
void writer_drop(struct shard *s);
bool writer_is_idle(const struct writer *w);

#endif
