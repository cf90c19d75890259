/* A set of places in the blob store that needs little memory: a few bytes per
 * place.
 *
 * It may wrongly report a place as included, about once in some hundred thousand
 * queries, and for different places with each set. It never denies a place that
 * is included. So one sweep may miss an unreferenced body, but a referenced body
 * is never taken for leaked. */
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
	uint64_t room;	  /* further places that the last level can hold */
	uint64_t seed[2]; /* so that no two sets have the same false positives */
};

void places_init(struct places *p);
void places_fini(struct places *p);
/* False: it was already included. */
bool places_add(struct places *p, uint64_t pack, uint64_t offset);
bool places_have(const struct places *p, uint64_t pack, uint64_t offset);

#endif
