/* The spool's state in Redis: what was accepted and where it stands.
 *
 * For shard N, all under one hash tag:
 *   spool:{N}:lease        string "<broker> <fence>", expires unless renewed
 *   spool:{N}:fence        string, counts the leases ever given
 *   spool:{N}:env          hash id -> packed Envelope
 *   spool:{N}:state        hash id -> packed MessageState, once it differs from fresh
 *   spool:{N}:events       stream of what happened: field e, a JSON object; the
 *                          newest are kept
 *   spool:{N}:done:<hour>  hash id -> packed Trace of a message that has left;
 *                          hour is the id's own, so that it is found from the id
 *
 * Every write names the lease that it is made under; a script refuses it with
 * ERR_FENCED when another broker holds the shard. Reading needs no lease. */
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
/* Sets it unless it is set, and reads it. */
void spool_init_shard_count(struct redis *r, unsigned wanted, spool_on_count *cb, void *arg);
/* ERR_NOT_FOUND: no broker was ever started here. */
void spool_read_shard_count(struct redis *r, spool_on_count *cb, void *arg);

/* ---- Leases ---- */
struct spool_lease {
	unsigned shard;
	char value[SPOOL_LEASE_MAX]; /* "<broker> <fence>" */
};

typedef void spool_on_lease(void *arg, const struct spool_lease *lease, const struct err *err);
/* ERR_EXISTS: held by another. broker is a word without spaces. take_own: a
 * lease that an earlier run of this broker left behind is no hindrance. */
void spool_lease_acquire(struct redis *r, unsigned shard, const char *broker, int64_t ttl_ms, bool take_own,
			 spool_on_lease *cb, void *arg);
/* A lease that ran out is taken up again as long as nobody else had the shard
 * in between (the fence tells). ERR_FENCED: lost for good. */
void spool_lease_renew(struct redis *r, const struct spool_lease *lease, int64_t ttl_ms, spool_on_done *cb, void *arg);
/* cb may be NULL. */
void spool_lease_release(struct redis *r, const struct spool_lease *lease, spool_on_done *cb, void *arg);

/* ---- Writing: several changes of one shard, in order, in one call ---- */
enum spool_result {
	SPOOL_WRITTEN = 0,
	SPOOL_KNOWN = 1,	  /* an add: the id is in the spool already */
	SPOOL_KNOWN_FINISHED = 2, /* an add: it was, and has left */
};

struct spool_batch;

struct spool_batch *spool_batch_new(void);
void spool_batch_free(struct spool_batch **b);
/* All copy what they are given. */
void spool_batch_add(struct spool_batch *b, struct str id, struct str envelope);
/* An entry whose body is still being synced: marked so until its first save. */
void spool_batch_add_unsynced(struct spool_batch *b, struct str id, struct str envelope);
/* Removes an entry that is still marked so, as if it had never been; any other stays. */
void spool_batch_withdraw(struct spool_batch *b, struct str id);
void spool_batch_save(struct spool_batch *b, struct str id, struct str state);
/* Removes envelope and state. The id is remembered for at least ten minutes,
 * so that a hand-over which comes late is not taken for a new one. */
void spool_batch_finish(struct spool_batch *b, struct str id, struct str trace, int64_t retention_ms);
/* Changes nothing: for events alone. */
void spool_batch_pass(struct spool_batch *b, struct str id);
/* Lines of JSON, one an event, that are published if the change appended last is
 * made (an add of what is known is none). kept: of all in this shard, about. A
 * batch that is sent again publishes again. */
void spool_batch_publish(struct spool_batch *b, struct str events, unsigned kept);
size_t spool_batch_count(const struct spool_batch *b);
size_t spool_batch_bytes(const struct spool_batch *b);

/* results, in the order of the changes, is borrowed; NULL exactly when err is
 * not: then either all was written (and the answer lost) or nothing. */
typedef void spool_on_written(void *arg, const enum spool_result *results, size_t count, const struct err *err);
void spool_batch_send(struct redis *r, const struct spool_lease *lease, const struct spool_batch *b,
		      spool_on_written *cb, void *arg);

/* ---- Reading ---- */
/* What the store has as the state of an entry that is marked as unsynced: a packed
 * MessageState with that member alone. */
#define SPOOL_UNSYNCED STR("h\1")

struct spool_entry {
	struct str id;
	struct str envelope; /* packed; empty: not in the spool */
	struct str state;    /* packed; empty: fresh */
	bool unsynced;	     /* fresh, and the body may not be there */
	struct str trace;    /* packed; only of a message that has left */
};

/* ERR_NOT_FOUND: neither here nor known any more. Borrowed for the call. */
typedef void spool_on_entry(void *arg, const struct spool_entry *entry, const struct err *err);
void spool_find(struct redis *r, struct str id, spool_on_entry *cb, void *arg);

/* A page of a shard's entries; cursor 0 starts, next_cursor 0 ends. An entry
 * may come twice; what is there from the start to the end comes. */
typedef void spool_on_page(void *arg, const struct spool_entry *entries, size_t count, uint64_t next_cursor,
			   const struct err *err);
void spool_read_page(struct redis *r, unsigned shard, uint64_t cursor, unsigned count, spool_on_page *cb, void *arg);
/* A page of a shard's events behind the one with this id ("0": from the first).
 * Borrowed for the call. */
struct spool_event {
	struct str id;	 /* "<unix ms>-<number>" */
	struct str json; /* an object */
};
typedef void spool_on_events(void *arg, const struct spool_event *events, size_t count, const struct err *err);
void spool_read_events(struct redis *r, unsigned shard, const char *after, unsigned count, spool_on_events *cb,
		       void *arg);

/* Entries in a shard. */
void spool_count(struct redis *r, unsigned shard, spool_on_count *cb, void *arg);

#endif
