/* Puts rows in the order of some columns, in slices. Pure.
 *
 * Eight bytes of a value are looked at, at a time: rows are put in order of the
 * first eight by radix, and those that have the same go on with the next eight,
 * then with the next column. So what the values have in common is not compared
 * again and again, and the work can be left and taken up anywhere. */
#ifndef SP_FRONTEND_IMAP_SEARCH_SORT_ORDER_H
#define SP_FRONTEND_IMAP_SEARCH_SORT_ORDER_H

#include "frontend/folder/texts.h"
#include "lib/base/arena.h"
#include "lib/base/slice.h"

union sort_value {
	uint64_t number;
	const struct folder_text *text; /* borrowed; compared byte by byte */
};

struct sort_column {
	const union sort_value *values; /* borrowed; by row */
	bool is_text, reverse;
};

struct sort_order;

/* Borrows the columns. rows: numbers of the rows, which is the order of those with
 * the same values (copied). All in the arena. */
struct sort_order *sort_order_new(struct arena *arena, const struct sort_column *columns, unsigned column_count,
				  const uint32_t *rows, uint32_t count);
/* Some of it; adds what that was, in units of lib/base/slice.h, to *work. True: it is
 * done. */
bool sort_order_step(struct sort_order *o, uint32_t *work);
/* The same, as long as the slice is not over. */
bool sort_order_run(struct sort_order *o, struct slice *slice);
/* The row at a place. */
uint32_t sort_order_row(const struct sort_order *o, uint32_t at);

#endif
