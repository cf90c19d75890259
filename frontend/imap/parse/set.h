/* Sequence sets and UID sets (RFC 9051, section 9, sequence-set): "1:3,5,7:*", and
 * "$", the saved search result (RFC 5182). Pure.
 *
 * A set that was just parsed has its ranges as the client wrote them, with 0 for "*".
 * imap_set_resolve() turns them into sorted ranges that neither overlap nor touch,
 * which the other functions need. */
#ifndef SP_FRONTEND_IMAP_PARSE_SET_H
#define SP_FRONTEND_IMAP_PARSE_SET_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/range.h"
#include "lib/base/str.h"

#define IMAP_STAR 0u

struct imap_set {
	struct range *ranges; /* in the arena */
	uint32_t count;
	bool saved; /* "$": has no ranges */
};

/* Parses as much of text from *at on as forms a set; false: malformed, or it has a
 * number that is zero or too large. */
bool imap_set_read(struct str text, size_t *at, struct arena *arena, struct imap_set *set_out);
/* A copy with its own ranges. */
struct imap_set imap_set_copy(const struct imap_set *set, struct arena *arena);
/* star: the value of "*", which is the largest number in use; 0: there is none, and
 * ranges of "*" alone are dropped. */
void imap_set_resolve(struct imap_set *set, uint32_t star);
bool imap_set_has(const struct imap_set *set, uint32_t number);
/* How many numbers it contains. */
uint64_t imap_set_size(const struct imap_set *set);
/* The largest number that it contains; 0: none. */
uint32_t imap_set_max(const struct imap_set *set);
/* Makes a set of sorted numbers without duplicates. */
struct imap_set imap_set_of(struct arena *arena, const uint32_t *numbers, uint32_t count);
/* Appends "7:9,3": numbers in any order; consecutive ones are joined, and the order is
 * kept (COPYUID needs it). */
void imap_set_print_numbers(const uint32_t *numbers, uint32_t count, struct buf *out);

#endif
