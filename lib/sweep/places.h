/* A set of places in the blob store, in little memory: a few bytes a place.
 *
 * It may say that a place is in it which is not, once in some hundred thousand
 * questions, and of other places with each set. It never denies one that is. So a
 * body that nothing refers to may be passed over by one sweep, and none that
 * something refers to is taken for leaked. */
#ifndef SP_SWEEP_PLACES_H
#define SP_SWEEP_PLACES_H

#include <stdbool.h>
#include <stdint.h>

enum { PLACES_LEVELS_MAX = 24 };

/* Bloom filters, each twice as large as the one before, which is full. */
struct places {
	uint64_t *levels[PLACES_LEVELS_MAX]; /* owner; bits */
	unsigned level_count;
	uint64_t count;	  /* of places added */
	uint64_t room;	  /* more that the last level takes */
	uint64_t seed[2]; /* so that no two sets pass over the same places */
};

void places_init(struct places *p);
void places_fini(struct places *p);
/* False: it is there already. */
bool places_add(struct places *p, uint64_t pack, uint64_t offset);
bool places_have(const struct places *p, uint64_t pack, uint64_t offset);

#endif
