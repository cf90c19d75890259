/* Sequence sets and UID sets (RFC 9051, section 9, sequence-set): "1:3,5,7:*",
 * and "$", the saved search result (RFC 5182). Pure.
 *
 * As read, a set has its ranges as the client wrote them, with 0 for "*";
 * imap_set_resolve() makes of them sorted ranges that neither overlap nor
 * touch, which the other functions want. */
#ifndef SP_FRONTEND_IMAP_PARSE_SET_H
#define SP_FRONTEND_IMAP_PARSE_SET_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/str.h"

#define IMAP_STAR 0u

struct imap_range {
	uint32_t first, last; /* inclusive */
};

struct imap_set {
	struct imap_range *ranges; /* in the arena */
	uint32_t count;
	bool saved; /* "$": has no ranges */
};

/* Reads as much of text from *at on as is a set; false: malformed, or with a
 * number that is zero or too large. */
bool imap_set_read(struct str text, size_t *at, struct arena *arena, struct imap_set *set_out);
/* Its ranges are its own. */
struct imap_set imap_set_copy(const struct imap_set *set, struct arena *arena);
/* star: what "*" stands for: the largest number in use; 0: there is none, and
 * ranges of "*" alone go. */
void imap_set_resolve(struct imap_set *set, uint32_t star);
bool imap_set_has(const struct imap_set *set, uint32_t number);
/* How many numbers it names. */
uint64_t imap_set_size(const struct imap_set *set);
/* The largest that it names; 0: none. */
uint32_t imap_set_max(const struct imap_set *set);
/* Of sorted numbers, each once. */
struct imap_set imap_set_of(struct arena *arena, const uint32_t *numbers, uint32_t count);
/* Appends "1:3,5". */
void imap_set_print(const struct imap_set *set, struct buf *out);
/* The same of numbers in any order: those that follow each other are joined,
 * the order stays (COPYUID wants it). */
void imap_set_print_numbers(const uint32_t *numbers, uint32_t count, struct buf *out);

#endif
