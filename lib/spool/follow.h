/* Follows the events of all shards in one order: by time, shard and number. It is the
 * same order for every reader, so that a place in it that one process told a reader
 * is good in every other process.
 *
 * A round asks the store for its time first, then for a page of each shard. Events
 * older than that time are complete, as the store numbers them by its own clock. What
 * is younger waits for the next round. */
#ifndef SP_SPOOL_FOLLOW_H
#define SP_SPOOL_FOLLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/redis/redis.h"

/* All events up to this one, and this one. */
struct spool_place {
	uint64_t ms, number;
	uint32_t shard;
};

#define SPOOL_PLACE_MAX 64
/* "1764510000000-3-0": ms, shard, number. */
void spool_place_text(const struct spool_place *p, char out[SPOOL_PLACE_MAX]);
bool spool_place_parse(struct str text, struct spool_place *out);
/* The place just before that time. */
struct spool_place spool_place_before(uint64_t ms);
bool spool_place_is_after(const struct spool_place *a, const struct spool_place *b);

struct spool_follower;

/* json: an object in one line, valid within the call. Within it the follower may be freed. */
typedef void spool_on_follow(void *arg, const struct spool_place *place, struct str json);
/* A round is over. ERR_NONE or why it brought nothing; it can be tried again.
 * is_whole: nothing older than the store's time is left. May free the follower. */
typedef void spool_on_round(void *arg, bool is_whole, const struct err *err);

/* from NULL, or a place in the future: from the store's time at the first round on. */
struct spool_follower *spool_follower_new(struct redis *r, const struct spool_place *from, spool_on_follow *on_event,
					  spool_on_round *on_round, void *arg);
/* It does not call back any more. NULLs *f, which may be NULL. */
void spool_follower_free(struct spool_follower **f);
/* Begins a round, unless one is in progress. Each shard gives a page of at most this
 * many events. */
#define SPOOL_FOLLOW_PAGE 64
void spool_follower_read(struct spool_follower *f);
/* Everything up to there has been told. */
const struct spool_place *spool_follower_place(const struct spool_follower *f);
/* Known from the first round on: events behind the place where it began may have been
 * removed before they were read. */
bool spool_follower_has_gap(const struct spool_follower *f);

#endif
