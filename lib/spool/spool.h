/* The spool's state in Redis: accepted messages and their state.
 *
 * For shard N, all under one hash tag:
 *   spool:{N}:lease        string "<broker> <fence>", expires unless renewed
 *   spool:{N}:fence        string, counts the leases ever given
 *   spool:{N}:env          hash id -> packed Envelope
 *   spool:{N}:state        hash id -> packed MessageState, once it differs from fresh
 *   spool:{N}:events       stream of events: field e, a JSON object; the
 *                          newest are kept
 *   spool:{N}:done:<hour>  hash id -> packed Trace of a message that has left;
 *                          hour is the id's own, so that it is found from the id
 *
 * Every write names its lease; the script refuses it with ERR_FENCED if another
 * broker holds the shard. Reading needs no lease. */
#ifndef SP_SPOOL_SPOOL_H
#define SP_SPOOL_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/redis/redis.h"

#define SPOOL_LEASE_MAX 200

typedef void spool_on_done(void *arg, const struct err *err);

/* ---- The number of shards ---- */
typedef void spool_on_count(void *arg, int64_t count, const struct err *err);
/* Sets it if it is not set yet, and reads it. */
void spool_init_shard_count(struct redis *r, unsigned wanted, spool_on_count *cb, void *arg);
/* ERR_NOT_FOUND: no broker has ever been started here. */
void spool_read_shard_count(struct redis *r, spool_on_count *cb, void *arg);

/* ---- Leases ---- */
struct spool_lease {
	unsigned shard;
	char value[SPOOL_LEASE_MAX]; /* "<broker> <fence>" */
};

typedef void spool_on_lease(void *arg, const struct spool_lease *lease, const struct err *err);
/* ERR_EXISTS: held by another. broker is a word without spaces. take_own: a
 * lease left behind by an earlier run of this broker is taken over. */
void spool_lease_acquire(struct redis *r, unsigned shard, const char *broker, int64_t ttl_ms, bool take_own,
			 spool_on_lease *cb, void *arg);
/* An expired lease is taken again if nobody else had the shard in between (as
 * shown by the fence). ERR_FENCED: lost for good. */
void spool_lease_renew(struct redis *r, const struct spool_lease *lease, int64_t ttl_ms, spool_on_done *cb, void *arg);
/* cb may be NULL. */
void spool_lease_release(struct redis *r, const struct spool_lease *lease, spool_on_done *cb, void *arg);

/* ---- Writing: several changes of one shard, in order, in one call ---- */
enum spool_result {
	SPOOL_WRITTEN = 0,
	SPOOL_KNOWN = 1,	  /* for an add: the id is already in the spool */
	SPOOL_KNOWN_FINISHED = 2, /* for an add: it was in the spool, and has left */
};

struct spool_batch;

struct spool_batch *spool_batch_new(void);
void spool_batch_free(struct spool_batch **b);
/* All copy their arguments. */
void spool_batch_add(struct spool_batch *b, struct str id, struct str envelope);
void spool_batch_save(struct spool_batch *b, struct str id, struct str state);
/* Removes envelope and state. The id is remembered for at least ten minutes, so
 * that a late hand-over is not taken for a new message. */
void spool_batch_finish(struct spool_batch *b, struct str id, struct str trace, int64_t retention_ms);
/* Changes nothing: for events only. */
void spool_batch_pass(struct spool_batch *b, struct str id);
/* Lines of JSON, one per event, which are published if the last appended change
 * is made (adding a known id is not a change). kept: about how many events the
 * shard keeps. A batch that is sent again publishes again. */
void spool_batch_publish(struct spool_batch *b, struct str events, unsigned kept);
size_t spool_batch_count(const struct spool_batch *b);
size_t spool_batch_bytes(const struct spool_batch *b);

/* results, in the order of the changes, is borrowed; NULL exactly when err is
 * not: then either everything was written (and the answer lost) or nothing. */
typedef void spool_on_written(void *arg, const enum spool_result *results, size_t count, const struct err *err);
void spool_batch_send(struct redis *r, const struct spool_lease *lease, const struct spool_batch *b,
		      spool_on_written *cb, void *arg);

/* ---- Reading ---- */
struct spool_entry {
	struct str id;
	struct str envelope; /* packed; empty: not in the spool */
	struct str state;    /* packed; empty: fresh */
	struct str trace;    /* packed; only for a message that has left */
};

/* ERR_NOT_FOUND: not in the spool and no longer known. Borrowed for the call. */
typedef void spool_on_entry(void *arg, const struct spool_entry *entry, const struct err *err);
void spool_find(struct redis *r, struct str id, spool_on_entry *cb, void *arg);

/* A page of a shard's entries; cursor 0 starts, next_cursor 0 ends. An entry
 * may be returned twice; every entry that exists throughout the walk is
 * returned. */
typedef void spool_on_page(void *arg, const struct spool_entry *entries, size_t count, uint64_t next_cursor,
			   const struct err *err);
void spool_read_page(struct redis *r, unsigned shard, uint64_t cursor, unsigned count, spool_on_page *cb, void *arg);
/* A page of a shard's events after the one with this id ("0": from the first).
 * Borrowed for the call. */
struct spool_event {
	struct str id;	 /* "<unix ms>-<number>" */
	struct str json; /* an object */
};
typedef void spool_on_events(void *arg, const struct spool_event *events, size_t count, const struct err *err);
void spool_read_events(struct redis *r, unsigned shard, const char *after, unsigned count, spool_on_events *cb,
		       void *arg);

#endif
