/* Sorts rows by several columns, in slices. Pure.
 *
 * Values are compared eight bytes at a time: rows are sorted by the first eight by
 * radix, and those with equal bytes continue with the next eight, then with the next
 * column. So a common prefix is not compared again and again, and the work can be
 * interrupted and resumed anywhere. */
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

/* Borrows the columns. rows: numbers of the rows; this order is kept among rows with
 * the same values (copied). All in the arena. */
struct sort_order *sort_order_new(struct arena *arena, const struct sort_column *columns, unsigned column_count,
				  const uint32_t *rows, uint32_t count);
/* Does part of the work; adds the amount, in units of lib/base/slice.h, to *work.
 * True: the work is done. */
bool sort_order_step(struct sort_order *o, uint32_t *work);
/* The same, until the slice is over. */
bool sort_order_run(struct sort_order *o, struct slice *slice);
/* The row at a position. */
uint32_t sort_order_row(const struct sort_order *o, uint32_t at);

#endif
