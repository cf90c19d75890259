/* Tables as text: RFC 4180. Pure.
 *
 * Read leniently: lines may end with LF alone, a byte order mark is skipped, and the separator
 * is whichever of comma, semicolon and tab comes first in the first line. */
#ifndef SP_ADMIN_CSV_H
#define SP_ADMIN_CSV_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

enum { CSV_COLUMNS_MAX = 64 };

struct csv {
	struct str rest;    /* borrowed: what has not been read */
	uint64_t next_line; /* from 1 */
	char separator;
};

struct csv_row {
	uint64_t line; /* on which it begins */
	struct str values[CSV_COLUMNS_MAX];
	unsigned count;
};

void csv_open(struct csv *c, struct str text);
/* The next row, without empty lines; values are in the text, or in the arena. 1: a row, 0: the end,
 * -1: it is malformed (row->line is set; the next call goes on behind that line). */
int csv_next(struct csv *c, struct csv_row *row, struct arena *arena, struct err *err);

/* Appends one value, quoted if needed; `first`: it begins a row. */
void csv_add(struct buf *out, struct str value, bool first);
void csv_end_row(struct buf *out);

#endif
