/* Shared by round.c, round_name.c and round_rest.c. */
#ifndef SP_WORKER_ACME_ROUND_H
#define SP_WORKER_ACME_ROUND_H

#include "delivery-worker/acme/private.h"

enum { ACME_REST_LONGEST_MS = 60 * 60 * 1000 };

/* ---- round.c ---- */
/* All names have been looked at, or the rest is left to the next round, which comes in
 * next_ms; negative: when the next name is due. */
void acme_round_end(struct acme_round *r, int64_t next_ms);
/* The name in hand is done with. */
void acme_round_next(struct acme_round *r);

/* ---- round_name.c ---- */
/* Orders a certificate for the name in hand: at once, or if DNS says that it leads here.
 * acme_round_next(), or the round's end, comes afterwards. */
void acme_name_go_for(struct acme_round *r);
void acme_name_compare(struct acme_round *r);
/* It waits until next_ms (unix). */
void acme_name_note_wait(struct acme_round *r, int64_t next_ms);
/* Its state is written: the next one. */
void acme_name_on_saved(void *arg, const redisReply *reply, const struct err *err);

/* ---- round_rest.c ---- */
/* The round ends, and the CA is left alone for as long as its failures in a row and its
 * own words ask. */
void acme_rest(struct acme_round *r, const struct acme_trouble *trouble);
/* The same for ms (at most an hour: whatever it says, it may be well again, and names may
 * have come that it does not speak of). */
void acme_rest_begin(struct acme_round *r, const struct acme_trouble *trouble, int64_t ms);
/* Orders can be made again. */
void acme_rest_over(struct acme_round *r);
/* How long the CA would be left alone now; and the first time, for what may be its fault. */
int64_t acme_rest_ms(const struct acme_round *r, const struct acme_trouble *trouble);
int64_t acme_rest_first_ms(const struct acme_round *r);
/* first_ms, doubled with each failure. */
int64_t acme_doubled_ms(int64_t first_ms, int64_t failures, int64_t longest_ms);

#endif
