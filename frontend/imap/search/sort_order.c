#include "frontend/imap/search/sort_order.h"

#include <string.h>

enum {
	SMALL = 32,	 /* up to this many rows are sorted by comparison */
	SMALL_WORK = 64, /* which costs as much as this many rows of a step */
	STEP = 512,	 /* rows between two checks of the slice */
	WINDOW = 8,	 /* bytes of a value */
	DIGITS = 256,	 /* values of a byte */
};

struct item {
	uint64_t key; /* the window */
	uint32_t row;
	bool ended; /* the value ends within the window */
};

/* Rows whose values have been equal so far. */
struct sort_range {
	uint32_t first, count;
	uint32_t column, depth; /* next to be examined; depth: bytes of the value already compared */
};

enum step { STEP_NEXT, STEP_LOAD, STEP_COUNT, STEP_SCATTER, STEP_GROUP };

struct sort_order {
	struct arena *arena;
	const struct sort_column *columns;
	unsigned column_count;
	struct item *items, *spare; /* arena; spare has the same size */
	struct sort_range *stack;   /* arena; ranges larger than SMALL, of which there are at most count / SMALL */
	uint32_t stacked;

	/* The current range. */
	struct sort_range range;
	enum step step;
	uint32_t at;	  /* position in its rows */
	uint64_t differs; /* bits in which the keys differ */
	unsigned byte;	  /* of the key, counted from its end */
	bool in_spare;	  /* the rows are currently in spare */
	uint32_t begin[DIGITS];
	uint32_t group; /* where the rows with the current key begin */
};

struct sort_order *
sort_order_new(struct arena *arena, const struct sort_column *columns, unsigned column_count, const uint32_t *rows,
	       uint32_t count)
{
	struct sort_order *o = arena_new(arena, struct sort_order);

	o->arena = arena;
	o->columns = columns;
	o->column_count = column_count;
	o->items = arena_array(arena, struct item, count + 1);
	o->spare = arena_array(arena, struct item, count + 1);
	o->stack = arena_array(arena, struct sort_range, count / SMALL + 2);
	for (uint32_t i = 0; i < count; i++)
		o->items[i].row = rows[i];
	o->stack[o->stacked++] = (struct sort_range){.count = count};
	return o;
}

uint32_t
sort_order_row(const struct sort_order *o, uint32_t at)
{
	return o->items[at].row;
}

/* ---- Values ---- */

/* The window at depth as a number; *ended_out: nothing follows it. */
static uint64_t
order_window(const struct sort_column *c, uint32_t row, uint32_t depth, bool *ended_out)
{
	const union sort_value *v = &c->values[row];
	unsigned char bytes[WINDOW] = {0};
	uint64_t key = 0;
	uint32_t left;

	*ended_out = true;
	if (!c->is_text)
		return c->reverse ? ~v->number : v->number;
	left = v->text->len > depth ? v->text->len - depth : 0;
	*ended_out = left <= WINDOW;
	memcpy(bytes, v->text->bytes + (left != 0 ? depth : 0), left < WINDOW ? left : WINDOW);
	for (unsigned i = 0; i < WINDOW; i++)
		key = key << 8 | bytes[i];
	return c->reverse ? ~key : key;
}

/* Compares two rows, from the range's position on. */
static int
order_compare(const struct sort_order *o, const struct sort_range *r, uint32_t a, uint32_t b)
{
	uint32_t depth = r->depth;

	for (uint32_t i = r->column; i < o->column_count; i++, depth = 0)
		for (bool a_ended = false, b_ended = false; !a_ended || !b_ended; depth += WINDOW) {
			uint64_t x = order_window(&o->columns[i], a, depth, &a_ended);
			uint64_t y = order_window(&o->columns[i], b, depth, &b_ended);
			if (x != y)
				return x < y ? -1 : 1;
		}
	return 0;
}

static void
order_small(struct sort_order *o, const struct sort_range *r)
{
	struct item *items = o->items + r->first;

	if (r->column == o->column_count)
		return;
	for (uint32_t i = 1; i < r->count; i++) {
		struct item moved = items[i];
		uint32_t k = i;
		for (; k != 0 && order_compare(o, r, items[k - 1].row, moved.row) > 0; k--)
			items[k] = items[k - 1];
		items[k] = moved;
	}
}

/* ---- A range, step by step; each step handles some rows ---- */

static struct item *
order_rows(struct sort_order *o)
{
	return (o->in_spare ? o->spare : o->items) + o->range.first;
}

static void
order_load(struct sort_order *o)
{
	const struct sort_column *c = &o->columns[o->range.column];
	struct item *items = order_rows(o);

	for (unsigned n = 0; n < STEP && o->at < o->range.count; n++, o->at++) {
		items[o->at].key = order_window(c, items[o->at].row, o->range.depth, &items[o->at].ended);
		o->differs |= items[o->at].key ^ items[0].key;
	}
	if (o->at < o->range.count)
		return;
	o->at = o->byte = 0;
	o->step = STEP_COUNT;
}

/* Finds the next byte in which keys differ, and counts each of its values. */
static void
order_count(struct sort_order *o)
{
	struct item *items = order_rows(o);
	uint32_t sum = 0;

	if (o->at == 0) {
		while (o->byte < WINDOW && (o->differs >> o->byte * 8 & 0xff) == 0)
			o->byte++;
		memset(o->begin, 0, sizeof(o->begin));
		o->group = 0;
		if (o->byte == WINDOW) {
			o->step = STEP_GROUP;
			return;
		}
	}
	for (unsigned n = 0; n < STEP && o->at < o->range.count; n++, o->at++)
		o->begin[items[o->at].key >> o->byte * 8 & 0xff]++;
	if (o->at < o->range.count)
		return;
	for (unsigned digit = 0; digit < DIGITS; digit++) {
		uint32_t count = o->begin[digit];
		o->begin[digit] = sum;
		sum += count;
	}
	o->at = 0;
	o->step = STEP_SCATTER;
}

static void
order_scatter(struct sort_order *o)
{
	struct item *from = order_rows(o), *to = (o->in_spare ? o->items : o->spare) + o->range.first;

	for (unsigned n = 0; n < STEP && o->at < o->range.count; n++, o->at++)
		to[o->begin[from[o->at].key >> o->byte * 8 & 0xff]++] = from[o->at];
	if (o->at < o->range.count)
		return;
	o->in_spare = !o->in_spare;
	o->at = 0;
	o->byte++;
	o->step = STEP_COUNT;
}

/* Rows with equal keys continue with the bytes after it. */
static void
order_go_deeper(struct sort_order *o, uint32_t first, uint32_t count)
{
	struct sort_range r = {o->range.first + first, count, o->range.column, o->range.depth + WINDOW};
	bool ended = true;

	for (uint32_t i = 0; i < count; i++)
		ended = ended && o->items[r.first + i].ended;
	if (ended) {
		r.column++;
		r.depth = 0;
	}
	if (count > SMALL)
		o->stack[o->stacked++] = r;
	else if (count > 1)
		order_small(o, &r);
}

static void
order_group(struct sort_order *o)
{
	struct item *items = order_rows(o);

	for (unsigned n = 0; n < STEP && o->at < o->range.count; n++, o->at++) {
		o->items[o->range.first + o->at] = items[o->at]; /* they may be in spare */
		if (items[o->at].key == items[o->group].key)
			continue;
		n += o->at - o->group > 1 ? SMALL_WORK : 0;
		order_go_deeper(o, o->group, o->at - o->group);
		o->group = o->at;
	}
	if (o->at < o->range.count)
		return;
	order_go_deeper(o, o->group, o->at - o->group);
	o->step = STEP_NEXT;
}

static void
order_next(struct sort_order *o)
{
	o->range = o->stack[--o->stacked];
	o->at = 0;
	o->differs = 0;
	o->in_spare = false;
	if (o->range.count > SMALL && o->range.column < o->column_count)
		o->step = STEP_LOAD;
	else if (o->range.count <= SMALL)
		order_small(o, &o->range);
}

bool
sort_order_step(struct sort_order *o, uint32_t *work)
{
	switch (o->step) {
	case STEP_NEXT:
		if (o->stacked != 0)
			order_next(o);
		break;
	case STEP_LOAD: order_load(o); break;
	case STEP_COUNT: order_count(o); break;
	case STEP_SCATTER: order_scatter(o); break;
	case STEP_GROUP: order_group(o); break;
	}
	*work += STEP / 2;
	return o->step == STEP_NEXT && o->stacked == 0;
}

bool
sort_order_run(struct sort_order *o, struct slice *slice)
{
	for (;;) {
		uint32_t work = 0;
		bool done = sort_order_step(o, &work);
		if (slice_spend(slice, work) || done)
			return done;
	}
}
