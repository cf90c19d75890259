#include "delivery-worker/retrieve/ledger.h"

#include <inttypes.h>
#include <stdio.h>

#include "lib/base/arena.h"
#include "lib/base/bytes.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/redis/keys.h"

REDIS_SCRIPT(ledger_script, "delivery-worker/retrieve/ledger.lua");

enum { LEDGER_KEYS = 5, LEDGER_BATCH = 256, LEDGER_HEAD = 3, LEDGER_TAIL = 16 };

void
ledger_record_pack(const struct ledger_record *in, char out[LEDGER_RECORD])
{
	bytes_put_u64(out, in->id);
	bytes_put_u64(out + 8, in->fingerprint);
	bytes_put_u32(out + 16, in->day);
}

struct ledger_record
ledger_record_unpack(const char in[LEDGER_RECORD])
{
	return (struct ledger_record){bytes_get_u64(in), bytes_get_u64(in + 8), bytes_get_u32(in + 16)};
}

uint32_t
ledger_today(void)
{
	return (uint32_t)(clock_unix_ms() / (INT64_C(86400) * 1000));
}

/* ---- One call of the script ---- */
struct ledger_args {
	struct arena arena;
	struct str list[LEDGER_HEAD + 4 * LEDGER_BATCH + LEDGER_TAIL];
	size_t count;
};

static void
ledger_add(struct ledger_args *a, struct str text)
{
	CHECK(a->count < sizeof(a->list) / sizeof(a->list[0]));
	a->list[a->count++] = text;
}

static void
ledger_add_number(struct ledger_args *a, uint64_t n)
{
	ledger_add(a, str_c(arena_printf(&a->arena, "%" PRIu64, n)));
}

static struct ledger_args *
ledger_args_new(const struct ledger *l, const char *verb)
{
	struct ledger_args *a = mem_new(struct ledger_args);

	arena_init(&a->arena);
	ledger_add(a, l->id);
	ledger_add_number(a, (uint64_t)l->fence);
	ledger_add(a, str_c(verb));
	return a;
}

/* Frees the arguments. */
static void
ledger_send(struct ledger *l, struct ledger_args *a, redis_on_reply *cb, void *arg)
{
	const struct str keys[LEDGER_KEYS] = {
		redis_key(&a->arena, KEY_RETRIEVE, l->address),
		redis_key(&a->arena, KEY_RETRIEVE_STATUS, l->address, l->id),
		redis_key(&a->arena, KEY_RETRIEVE_FOLDERS, l->address, l->id),
		redis_key(&a->arena, KEY_RETRIEVE_PENDING, l->address, l->id),
		redis_key(&a->arena, KEY_RETRIEVE_LEDGER, l->address, l->id),
	};

	redis_eval(l->redis, cb, arg, &ledger_script, LEDGER_KEYS, keys, a->count, a->list);
	arena_fini(&a->arena);
	mem_free(a);
}

/* ---- Writes of messages ---- */
struct ledger_call {
	struct ledger *ledger;	    /* NULL: nobody waits any more */
	struct ledger_entry *first; /* borrowed */
};

static void ledger_flush(struct ledger *l);

static void
ledger_on_written(void *arg, const redisReply *reply, const struct err *err)
{
	struct ledger_call *call = arg;
	struct ledger *l = call->ledger;

	(void)reply;
	if (l != NULL)
		l->call = NULL;
	/* The first callback that stops the ledger ends the others. */
	while (call->ledger != NULL && call->first != NULL) {
		struct ledger_entry *e = call->first;

		call->first = e->next;
		l->call = call;
		e->on_written(e->arg, err);
		if (call->ledger != NULL)
			l->call = NULL;
	}
	if (call->ledger != NULL && l->call == NULL && (l->first != NULL || l->waiting_place.len > 0))
		ledger_flush(l);
	mem_free(call);
}

static unsigned
ledger_count(const struct ledger_entry *first, bool pends)
{
	unsigned n = 0;

	for (; first != NULL; first = first->next)
		n += pends ? first->pending.len > 0 : first->was_pending;
	return n;
}

static void
ledger_add_records(struct ledger_args *a, const struct ledger_entry *first)
{
	char *records = arena_alloc(&a->arena, (size_t)LEDGER_RECORD * LEDGER_BATCH);
	size_t len = 0;

	for (; first != NULL; first = first->next) {
		if (!first->has_record)
			continue;
		ledger_record_pack(&first->record, records + len);
		len += LEDGER_RECORD;
	}
	ledger_add(a, str_of(records, len));
}

static void
ledger_add_place(struct ledger *l, struct ledger_args *a, struct buf *place)
{
	struct str folder;
	bool waits = l->waiting_place.len > 0, has = l->on_place != NULL && l->on_place(l->arg, &folder, place);

	ledger_add_number(a, (uint64_t)waits + has);
	if (waits) {
		ledger_add(a, buf_str(&l->waiting_folder));
		ledger_add(a, buf_str(&l->waiting_place));
	}
	if (has) { /* the later one */
		ledger_add(a, folder);
		ledger_add(a, buf_str(place));
	}
}

static void
ledger_write_batch(struct ledger *l, struct ledger_call *call)
{
	struct ledger_args *a = ledger_args_new(l, "write");
	struct buf place = BUF_EMPTY;
	uint64_t messages = 0, bytes = 0;

	ledger_add_number(a, ledger_count(call->first, true));
	for (const struct ledger_entry *e = call->first; e != NULL; e = e->next) {
		if (e->pending.len > 0) {
			ledger_add(a, e->remote_id);
			ledger_add(a, e->pending);
		}
		messages += e->counts;
		bytes += e->counts ? e->bytes : 0;
	}
	ledger_add_number(a, ledger_count(call->first, false));
	for (const struct ledger_entry *e = call->first; e != NULL; e = e->next) {
		if (e->was_pending)
			ledger_add(a, e->remote_id);
	}
	ledger_add_records(a, call->first);
	ledger_add_place(l, a, &place);
	ledger_add_number(a, messages);
	ledger_add_number(a, bytes);
	ledger_send(l, a, ledger_on_written, call);
	buf_fini(&place);
	buf_clear(&l->waiting_place);
}

static void
ledger_flush(struct ledger *l)
{
	struct ledger_call *call = mem_new(struct ledger_call);
	struct ledger_entry *last = l->first;

	call->ledger = l;
	call->first = l->first;
	for (unsigned n = 1; last != NULL; n++) {
		last->is_sent = true;
		if (n == LEDGER_BATCH || last->next == NULL)
			break;
		last = last->next;
	}
	l->first = last != NULL ? last->next : NULL;
	if (last != NULL)
		last->next = NULL;
	if (l->first == NULL)
		l->last = NULL;
	l->call = call;
	ledger_write_batch(l, call);
}

void
ledger_write(struct ledger *l, struct ledger_entry *e)
{
	e->next = NULL;
	e->is_sent = false;
	if (l->last != NULL)
		l->last->next = e;
	else
		l->first = e;
	l->last = e;
	if (l->call == NULL)
		ledger_flush(l);
}

void
ledger_write_place(struct ledger *l)
{
	struct str folder;

	if (l->call == NULL) {
		ledger_flush(l);
		return;
	}
	buf_clear(&l->waiting_place);
	if (!l->on_place(l->arg, &folder, &l->waiting_place))
		return;
	buf_clear(&l->waiting_folder);
	buf_add_str(&l->waiting_folder, folder);
}

void
ledger_init(struct ledger *l, struct redis *r, struct str address, struct str id, int64_t fence)
{
	*l = (struct ledger){.redis = r, .address = address, .id = id, .fence = fence};
}

void
ledger_stop(struct ledger *l)
{
	if (l->call != NULL) {
		l->call->ledger = NULL;
		l->call->first = NULL;
	}
	l->call = NULL;
	l->first = l->last = NULL;
	buf_fini(&l->waiting_folder);
	buf_fini(&l->waiting_place);
}

/* ---- Single calls ---- */
void
ledger_keep(struct ledger *l, redis_on_reply *cb, void *arg)
{
	struct ledger_args *a = ledger_args_new(l, "keep");

	ledger_add_number(a, RETRIEVE_LEASE_MS);
	ledger_send(l, a, cb, arg);
}

void
ledger_total(struct ledger *l, uint64_t messages, uint64_t bytes)
{
	struct ledger_args *a = ledger_args_new(l, "total");

	ledger_add_number(a, messages);
	ledger_add_number(a, bytes);
	ledger_send(l, a, NULL, NULL);
}

void
ledger_forget(struct ledger *l, const struct str *ids, unsigned count, struct str folder, struct str place,
	      redis_on_reply *cb, void *arg)
{
	struct ledger_args *a = ledger_args_new(l, "forget");

	ledger_add_number(a, count);
	for (unsigned i = 0; i < count; i++)
		ledger_add(a, ids[i]);
	ledger_add(a, folder);
	ledger_add(a, place);
	ledger_send(l, a, cb, arg);
}

void
ledger_rewrite(struct ledger *l, size_t length, struct str records, redis_on_reply *cb, void *arg)
{
	struct ledger_args *a = ledger_args_new(l, "rewrite");

	ledger_add_number(a, length);
	ledger_add(a, records);
	ledger_send(l, a, cb, arg);
}

void
ledger_status(struct ledger *l, bool ends, const struct str *fields, unsigned count, redis_on_reply *cb, void *arg)
{
	struct ledger_args *a = ledger_args_new(l, ends ? "end" : "status");

	ledger_add_number(a, count / 2);
	for (unsigned i = 0; i < count; i++)
		ledger_add(a, fields[i]);
	ledger_send(l, a, cb, arg);
}
