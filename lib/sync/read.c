/* Reading from a sync point: the window of days, then changes, new messages, and
 * older ones.
 *
 * Each step reads one consistent state of the folder. Between two steps others
 * may write; the order of the steps makes that harmless: the cursor is taken from
 * the state of the changes, so anything written after it is reported by the next
 * read, and new messages are counted into low..high only as they were in their
 * own step. */
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/check.h"
#include "lib/base/mem.h"
#include "lib/sync/sync.h"

/* UIDs requested at once above high and below low; more if they are sparse. */
enum { SPAN_FIRST = 512, SPAN_MAX = 65536 };

struct sync_found { /* a change, before the list is cut to the limit */
	uint64_t modseq;
	bool told; /* false: it is outside the window of days */
	struct sync_entry entry;
};

struct sync_reading {
	struct mailbox_store *store; /* borrowed */
	struct arena arena;
	struct str address;
	struct sync_point point;
	uint16_t since_day;
	uint32_t limit;
	struct sync_entry *entries; /* owner */
	uint32_t count, capacity;
	bool is_cut;   /* changes are left after the cursor */
	uint32_t top;  /* the highest UID assigned */
	uint32_t span; /* for the next step */
	uint32_t dates_due;
	struct sync_found *found; /* in the arena: changes in order */
	uint32_t found_count;
	uint64_t cursor; /* modseq of the state that the changes were read from */
	struct err err;	 /* for a date that could not be read */
	sync_on_read *cb;
	void *arg;
};

/* ---- Entries ---- */

static void
sync_add(struct sync_reading *r, enum sync_what what, uint32_t uid, const char *hot)
{
	struct sync_entry *e;

	if (r->count == r->capacity) {
		r->capacity = r->capacity == 0 ? 64 : r->capacity * 2;
		r->entries = mem_realloc(r->entries, sizeof(*r->entries) * r->capacity);
	}
	e = &r->entries[r->count++];
	*e = (struct sync_entry){.what = what, .uid = uid};
	if (hot != NULL)
		mailbox_hot_unpack(hot, &e->hot);
}

static uint32_t
sync_room(const struct sync_reading *r)
{
	return r->count < r->limit ? r->limit - r->count : 0;
}

static void
sync_finish(struct sync_reading *r, const struct err *err)
{
	const struct sync_point *p = &r->point;
	struct sync_answer answer = {
		.entries = r->entries,
		.count = r->count,
		.point = *p,
		.more = r->is_cut || p->high < r->top || p->low > 1 || p->since_day != r->since_day,
	};

	r->cb(r->arg, err == NULL ? &answer : NULL, err);
	mem_free(r->entries);
	arena_fini(&r->arena);
	mem_free(r);
}

/* ---- Days ---- */

static uint16_t
sync_day_of(const char *cold)
{
	struct mailbox_cold c;
	int64_t day;

	mailbox_cold_unpack(cold, &c);
	day = c.internal_date / 86400;
	return day < 0 ? 0 : day > UINT16_MAX ? UINT16_MAX : (uint16_t)day;
}

static bool
sync_is_in_window(const struct sync_reading *r, const char *cold)
{
	return r->point.since_day == 0 || sync_day_of(cold) >= r->point.since_day;
}

static unsigned
sync_parts(const struct sync_reading *r)
{
	return r->point.since_day == 0 ? MAILBOX_HOT : MAILBOX_HOT | MAILBOX_COLD;
}

/* ---- Older messages ---- */
static void sync_read_older(struct sync_reading *r);

static void
sync_widen(struct sync_reading *r, uint32_t records)
{
	if (records < SPAN_FIRST / 4 && r->span < SPAN_MAX)
		r->span *= 2;
}

static void
sync_on_older(void *arg, const struct mailbox_records *records, const struct err *err)
{
	struct sync_reading *r = arg;
	uint32_t first = r->point.low > r->span ? r->point.low - r->span : 1;

	if (err != NULL) {
		sync_finish(r, err);
		return;
	}
	for (uint32_t i = records->count; i-- > 0 && sync_room(r) > 0;) {
		const char *hot = records->hot + (size_t)i * MAILBOX_HOT_BYTES;
		struct mailbox_hot h;

		mailbox_hot_unpack(hot, &h);
		r->point.low = h.uid;
		if (records->cold == NULL || sync_is_in_window(r, records->cold + (size_t)i * MAILBOX_COLD_BYTES))
			sync_add(r, SYNC_NEW, h.uid, hot);
		if (i == 0)
			r->point.low = first;
	}
	if (records->count == 0)
		r->point.low = first;
	sync_widen(r, records->count);
	sync_read_older(r);
}

static void
sync_read_older(struct sync_reading *r)
{
	uint32_t low = r->point.low;

	if (sync_room(r) == 0 || low <= 1) {
		sync_finish(r, NULL);
		return;
	}
	mailbox_read(r->store, r->address, r->point.folder_id, low > r->span ? low - r->span : 1, low - 1,
		     sync_parts(r), 0, sync_on_older, r);
}

/* ---- New messages ---- */
static void sync_read_new(struct sync_reading *r);

static void
sync_on_new(void *arg, const struct mailbox_records *records, const struct err *err)
{
	struct sync_reading *r = arg;
	uint32_t last = UINT32_MAX - r->point.high > r->span ? r->point.high + r->span : UINT32_MAX;
	uint32_t i;

	if (err != NULL) {
		sync_finish(r, err);
		return;
	}
	r->top = records->uid_next - 1;
	for (i = 0; i < records->count && sync_room(r) > 0; i++) {
		const char *hot = records->hot + (size_t)i * MAILBOX_HOT_BYTES;
		struct mailbox_hot h;

		mailbox_hot_unpack(hot, &h);
		r->point.high = h.uid;
		if (records->cold == NULL || sync_is_in_window(r, records->cold + (size_t)i * MAILBOX_COLD_BYTES))
			sync_add(r, SYNC_NEW, h.uid, hot);
	}
	if (i == records->count)
		r->point.high = last < r->top ? last : r->top;
	sync_widen(r, records->count);
	sync_read_new(r);
}

static void
sync_read_new(struct sync_reading *r)
{
	uint32_t high = r->point.high;

	if (sync_room(r) == 0 || high >= r->top) {
		r->span = SPAN_FIRST;
		sync_read_older(r);
		return;
	}
	mailbox_read(r->store, r->address, r->point.folder_id, high + 1,
		     UINT32_MAX - high > r->span ? high + r->span : UINT32_MAX, sync_parts(r), 0, sync_on_new, r);
}

/* ---- Changes ---- */

static int
sync_by_change(const void *a, const void *b)
{
	const struct sync_found *x = a, *y = b;

	if (x->modseq != y->modseq)
		return x->modseq < y->modseq ? -1 : 1;
	return x->entry.uid < y->entry.uid ? -1 : x->entry.uid > y->entry.uid;
}

static bool
sync_is_behind(const struct sync_reading *r, uint64_t modseq, uint32_t uid)
{
	const struct sync_point *p = &r->point;

	return uid >= p->low && uid <= p->high && (modseq > p->modseq || (modseq == p->modseq && uid > p->at));
}

static void
sync_tell_changes(struct sync_reading *r)
{
	for (uint32_t i = 0; i < r->found_count; i++) {
		const struct sync_found *f = &r->found[i];

		r->point.modseq = f->modseq;
		r->point.at = f->entry.uid;
		if (!f->told)
			continue;
		sync_add(r, f->entry.what, f->entry.uid, NULL);
		r->entries[r->count - 1].hot = f->entry.hot;
	}
	if (r->is_cut) {
		sync_finish(r, NULL);
		return;
	}
	r->point.modseq = r->cursor;
	r->point.at = UINT32_MAX;
	r->span = SPAN_FIRST;
	sync_read_new(r);
}

/* Changes of messages outside the window of days do not concern the client. */
struct sync_date {
	struct sync_reading *reading;
	uint32_t at; /* in found */
};

static void
sync_on_date(void *arg, const struct mailbox_records *records, const struct err *err)
{
	struct sync_date *d = arg;
	struct sync_reading *r = d->reading;

	if (err != NULL)
		r->err = *err;
	else if (records->count == 1) /* else it has gone meanwhile: the next read reports that */
		r->found[d->at].told = sync_is_in_window(r, records->cold);
	CHECK(r->dates_due != 0);
	if (--r->dates_due != 0)
		return;
	if (r->err.code != ERR_NONE)
		sync_finish(r, &r->err);
	else
		sync_tell_changes(r);
}

static void
sync_ask_dates(struct sync_reading *r)
{
	r->dates_due = 1;
	for (uint32_t i = 0; i < r->found_count; i++) {
		struct sync_found *f = &r->found[i];
		struct sync_date *d;

		if (f->entry.what != SYNC_CHANGED || r->point.since_day == 0)
			continue;
		d = arena_new(&r->arena, struct sync_date);
		*d = (struct sync_date){r, i};
		r->dates_due++;
		mailbox_read(r->store, r->address, r->point.folder_id, f->entry.uid, f->entry.uid, MAILBOX_COLD, 0,
			     sync_on_date, d);
	}
	/* Answers never come from within a call. */
	if (--r->dates_due == 0)
		sync_tell_changes(r);
}

static void
sync_collect(struct sync_reading *r, const struct mailbox_changes *c)
{
	uint32_t room = c->records.count + c->gone_count;

	r->found = arena_array(&r->arena, struct sync_found, room + 1);
	r->found_count = 0;
	for (uint32_t i = 0; i < c->records.count; i++) {
		struct mailbox_hot h;

		mailbox_hot_unpack(c->records.hot + (size_t)i * MAILBOX_HOT_BYTES, &h);
		if (sync_is_behind(r, h.modseq, h.uid))
			r->found[r->found_count++] = (struct sync_found){h.modseq, true, {SYNC_CHANGED, h.uid, h}};
	}
	for (uint32_t i = 0; c->complete && i < c->gone_count; i++)
		if (sync_is_behind(r, c->gone[i].modseq, c->gone[i].uid))
			r->found[r->found_count++] = (struct sync_found){
				c->gone[i].modseq, true, {.what = SYNC_GONE, .uid = c->gone[i].uid}};
	qsort(r->found, r->found_count, sizeof(*r->found), sync_by_change);
}

/* The log does not reach back: whatever is missing in low..high is gone.
 * Everything is reported at once, so that the cursor is after it. */
static void
sync_on_compared(void *arg, const struct mailbox_records *records, const struct err *err)
{
	struct sync_reading *r = arg;
	uint32_t uid = r->point.low, i = 0;

	if (err != NULL) {
		sync_finish(r, err);
		return;
	}
	for (; uid <= r->point.high && uid >= r->point.low; uid++) {
		struct mailbox_hot h = {.uid = UINT32_MAX};

		if (i < records->count)
			mailbox_hot_unpack(records->hot + (size_t)i * MAILBOX_HOT_BYTES, &h);
		if (h.uid == uid)
			i++;
		else
			sync_add(r, SYNC_GONE, uid, NULL);
	}
	sync_ask_dates(r);
}

static void
sync_compare(struct sync_reading *r)
{
	static const struct err stale = {ERR_NOT_FOUND, "the change log does not go back that far"};

	if (r->point.high - r->point.low >= SYNC_COMPARE_MAX) {
		sync_finish(r, &stale);
		return;
	}
	mailbox_read(r->store, r->address, r->point.folder_id, r->point.low, r->point.high, MAILBOX_HOT, 0,
		     sync_on_compared, r);
}

static void
sync_on_changes(void *arg, const struct mailbox_changes *c, const struct err *err)
{
	struct sync_reading *r = arg;

	if (err != NULL) {
		sync_finish(r, err);
		return;
	}
	r->cursor = c->records.highest_modseq;
	r->top = c->records.uid_next - 1;
	if (r->point.modseq == 0) {
		r->point.high = r->top;
		r->point.low = c->records.uid_next;
	} else {
		sync_collect(r, c);
	}
	if (r->point.modseq != 0 && !c->complete && r->point.low <= r->point.high) {
		sync_compare(r);
		return;
	}
	r->is_cut = r->found_count > sync_room(r);
	if (r->is_cut)
		r->found_count = sync_room(r);
	sync_ask_dates(r);
}

static void
sync_read_changes(struct sync_reading *r)
{
	const struct sync_point *p = &r->point;
	uint64_t since = p->modseq == 0 ? (1ull << 48) - 1 : p->at == UINT32_MAX ? p->modseq : p->modseq - 1;

	mailbox_read_changes(r->store, r->address, p->folder_id, since, false, sync_on_changes, r);
}

/* ---- The window of days moves ---- */

struct sync_dated {
	uint16_t day;
	uint32_t uid;
	const char *hot;
};

static int
sync_by_day(const void *a, const void *b)
{
	const struct sync_dated *x = a, *y = b;

	if (x->day != y->day)
		return x->day < y->day ? -1 : 1;
	return x->uid < y->uid ? -1 : x->uid > y->uid;
}

/* Messages of one day are reported together: the point only has days. */
static void
sync_move_window(struct sync_reading *r, struct sync_dated *dated, uint32_t count, bool widens)
{
	enum sync_what what = widens ? SYNC_NEW : SYNC_OUT_OF_WINDOW;

	qsort(dated, count, sizeof(*dated), sync_by_day);
	for (uint32_t k = 0; k < count; k++) {
		const struct sync_dated *d = &dated[widens ? count - 1 - k : k];

		if (r->count >= r->limit && (widens ? d->day < r->point.since_day : d->day >= r->point.since_day))
			return;
		r->point.since_day = widens ? d->day : (uint16_t)(d->day + 1);
		sync_add(r, what, d->uid, d->hot);
	}
	r->point.since_day = r->since_day;
}

static void
sync_on_window(void *arg, const struct mailbox_records *records, const struct err *err)
{
	struct sync_reading *r = arg;
	uint16_t from = r->point.since_day, to = r->since_day;
	struct sync_dated *dated;
	uint32_t count = 0;

	if (err != NULL) {
		sync_finish(r, err);
		return;
	}
	dated = arena_array(&r->arena, struct sync_dated, records->count + 1);
	for (uint32_t i = 0; i < records->count; i++) {
		const char *hot = records->hot + (size_t)i * MAILBOX_HOT_BYTES;
		uint16_t day = sync_day_of(records->cold + (size_t)i * MAILBOX_COLD_BYTES);
		struct mailbox_hot h;

		if (day < (from < to ? from : to) || day >= (from < to ? to : from))
			continue;
		mailbox_hot_unpack(hot, &h);
		dated[count++] = (struct sync_dated){day, h.uid, hot};
	}
	sync_move_window(r, dated, count, to < from);
	if (sync_room(r) == 0)
		sync_finish(r, NULL);
	else
		sync_read_changes(r);
}

void
sync_read(struct mailbox_store *m, struct str address, const struct sync_point *from, uint16_t since_day,
	  uint32_t limit, sync_on_read *cb, void *arg)
{
	struct sync_reading *r = mem_new(struct sync_reading);

	CHECK(limit != 0);
	r->store = m;
	arena_init(&r->arena);
	r->address = arena_str(&r->arena, address);
	r->point = *from;
	r->since_day = since_day;
	r->limit = limit;
	r->cb = cb;
	r->arg = arg;
	if (from->modseq == 0 || from->low > from->high)
		r->point.since_day = since_day; /* no reported message could leave the window */
	if (r->point.since_day != since_day)
		mailbox_read(m, r->address, from->folder_id, from->low, from->high, MAILBOX_HOT | MAILBOX_COLD, 0,
			     sync_on_window, r);
	else
		sync_read_changes(r);
}
