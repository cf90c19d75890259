/* Compares the address book of a domain with the records of its accounts and aliases, page
 * by page, and mends what differs. Nothing stands still meanwhile: an entry that
 * differs is made anew from the records as they are then (book_sync()), so a comparison
 * that saw an account in the midst of a change does no harm. Two at once would not either:
 * the lease saves their work.
 *
 * First all accounts, then all aliases, then all entries of the book, for those whose
 * address is in neither set. */
#include <inttypes.h>
#include <stdio.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/op.h"
#include "lib/directory/private.h"

REDIS_SCRIPT(directory_book_state, "lib/directory/book_state.lua");

enum {
	COMPARE_LEASE_MS = 30 * 1000,
	COMPARE_SYNCS = 64, /* at a time */
};
#define COMPARE_PAGE "250" /* members */

enum compare_part { COMPARE_USERS, COMPARE_ALIASES, COMPARE_ENTRIES, COMPARE_PARTS };

struct comparison {
	struct op op;
	struct directory *d; /* borrowed, like the next */
	struct redis *redis;
	directory_on_compared *cb;
	void *arg;
	struct directory_comparison_options options;
	struct directory_comparison figures;
	char holder[96];
	char domain[DIRECTORY_DOMAIN_MAX];
	bool has_lease;
	enum compare_part part;
	char cursor[24];
	struct str numbers_as; /* fingerprint of the settings that numbers are given out by */
	struct event *pause;   /* owner */
	int64_t kept_ms;       /* monotonic: when the lease was taken or renewed */
	/* The page: */
	struct arena page;
	struct str *addresses; /* in the page's arena, like the next three */
	struct str *stored;    /* their entries in the book; empty: none */
	struct str *numbers;   /* on Linux machines; empty: none */
	struct str *wrong;     /* those that differ */
	unsigned count, at, wrong_count, wrong_at, waiting;
	struct err err;
	struct comparison *prev, *next;
};

static void compare_next_page(struct comparison *c);

/* ---- Life ---- */
static void
compare_on_end(struct op *op)
{
	struct comparison *c = OP_OWNER(op, struct comparison, op);

	arena_fini(&c->page);
	event_free(c->pause);
	mem_free(c);
}

static void
compare_ask_state(struct comparison *c, redis_on_reply *cb, size_t count, const struct str *args)
{
	const struct str keys[] = {redis_key(&c->op.arena, KEY_BOOK_STATE, str_c(c->domain)),
				   redis_key(&c->op.arena, KEY_DOMAIN, str_c(c->domain))};

	if (cb != NULL)
		op_hold(&c->op);
	redis_eval(c->redis, cb, c, &directory_book_state, 2, keys, count, args);
}

static void
compare_drop_lease(struct comparison *c)
{
	const struct str args[] = {STR("drop"), str_c(c->holder)};

	if (c->has_lease)
		compare_ask_state(c, NULL, 2, args);
	c->has_lease = false;
}

/* From now on directory_cancel() does not know it. */
static void
compare_take_out(struct comparison *c)
{
	compare_drop_lease(c);
	DL_DELETE(c->d->comparisons, c);
	event_del(c->pause);
}

static void
compare_end(struct comparison *c, const struct err *err)
{
	compare_take_out(c);
	c->cb(c->arg, &c->figures, err);
	op_cancel(&c->op);
}

void
comparisons_cancel(struct directory *d, const void *arg)
{
	struct comparison *c, *next;

	DL_FOREACH_SAFE (d->comparisons, c, next)
		if (arg == NULL || c->arg == arg) {
			compare_take_out(c);
			op_cancel(&c->op);
		}
}

/* ---- The end ---- */
static void
compare_on_ended(void *arg, const redisReply *reply, const struct err *err)
{
	struct comparison *c = arg;

	(void)reply;
	if (!op_back(&c->op))
		return;
	if (err == NULL)
		c->has_lease = false;
	compare_end(c, err);
}

static void
compare_finish(struct comparison *c)
{
	char examined[24], mended[24];

	snprintf(examined, sizeof(examined), "%" PRIu64, c->figures.examined);
	snprintf(mended, sizeof(mended), "%" PRIu64, c->figures.mended);
	const struct str args[] = {STR("end"), str_c(c->holder), str_c(examined), str_c(mended), c->numbers_as};
	compare_ask_state(c, compare_on_ended, 5, args);
}

/* ---- Mending the wrong ones of a page ---- */
static void
compare_on_kept(void *arg, const redisReply *reply, const struct err *err)
{
	struct comparison *c = arg;

	(void)reply;
	if (!op_back(&c->op))
		return;
	if (err != NULL) {
		compare_end(c, err);
		return;
	}
	c->kept_ms = clock_monotonic_ms();
	compare_next_page(c);
}

static void
compare_on_pause_over(evutil_socket_t fd, short what, void *arg)
{
	struct comparison *c = arg;
	char lease[24];

	(void)fd, (void)what;
	if (clock_monotonic_ms() - c->kept_ms < COMPARE_LEASE_MS / 6) {
		compare_next_page(c);
		return;
	}
	snprintf(lease, sizeof(lease), "%d", COMPARE_LEASE_MS);
	const struct str args[] = {STR("keep"), str_c(c->holder), str_c(lease)};
	compare_ask_state(c, compare_on_kept, 3, args);
}

static void
compare_end_page(struct comparison *c)
{
	struct timeval pause = clock_timeval(c->options.pause_ms);

	c->figures.examined += c->part == COMPARE_ENTRIES ? c->wrong_count : c->count;
	if (c->options.on_progress != NULL)
		c->options.on_progress(c->arg, &c->figures);
	event_add(c->pause, &pause);
}

static void compare_mend(struct comparison *c);

static void
compare_on_synced(void *arg, bool has_changed, const struct err *err)
{
	struct comparison *c = arg;

	if (!op_back(&c->op))
		return;
	c->waiting--;
	/* An account for which there is no number left is looked at each time, and stays as it is. */
	c->figures.mended += has_changed;
	if (err != NULL && c->err.code == ERR_NONE)
		c->err = *err;
	compare_mend(c);
}

static void
compare_mend(struct comparison *c)
{
	while (c->waiting < COMPARE_SYNCS && c->wrong_at < c->wrong_count && c->err.code == ERR_NONE) {
		struct str address = c->wrong[c->wrong_at++];
		struct number_rules rules = numbers_rules(c->d, address);

		c->waiting++;
		op_hold(&c->op);
		book_sync(c->redis, address, &rules, compare_on_synced, c);
	}
	if (c->waiting != 0)
		return;
	if (c->err.code != ERR_NONE)
		compare_end(c, &c->err);
	else
		compare_end_page(c);
}

/* A question about all addresses of the page. */
static void
compare_ask_all(struct comparison *c, redis_on_reply *cb, const char *verb, struct str key)
{
	struct str *argv = arena_array(&c->page, struct str, c->count + 2);

	argv[0] = str_c(verb);
	argv[1] = key;
	memcpy(argv + 2, c->addresses, c->count * sizeof(*argv));
	op_hold(&c->op);
	redis_call(c->redis, cb, c, c->count + 2, argv);
}

static void
compare_ask_domain(struct comparison *c, redis_on_reply *cb, const char *verb, enum redis_key key)
{
	compare_ask_all(c, cb, verb, redis_key(&c->page, key, str_c(c->domain)));
}

/* ---- A page of accounts or aliases ---- */
static bool
compare_lacks_number(const struct comparison *c, unsigned i)
{
	struct number_rules rules = numbers_rules(c->d, c->addresses[i]);

	return c->numbers[i].len == 0 && (c->part == COMPARE_USERS ? rules.of_user : rules.of_group);
}

static void
compare_on_record(void *arg, const redisReply *reply, const struct err *err)
{
	struct comparison *c = arg;
	struct buf entry = BUF_EMPTY;
	unsigned i;

	if (!op_back(&c->op))
		return;
	c->waiting--;
	i = c->at++; /* answers come in the order of the questions */
	if (err != NULL && c->err.code == ERR_NONE)
		c->err = *err;
	if (err == NULL) {
		static const redisReply none = {.type = REDIS_REPLY_NIL};
		book_make_entry(&entry, c->part == COMPARE_USERS ? reply : &none, reply, c->numbers[i]);
		if (!str_eq(buf_str(&entry), c->stored[i]) || (entry.len != 0 && compare_lacks_number(c, i)))
			c->wrong[c->wrong_count++] = c->addresses[i];
		buf_fini(&entry);
	}
	if (c->waiting == 0)
		compare_mend(c);
}

/* One text for each address of the page. */
static void
compare_take_texts(struct comparison *c, const redisReply *reply, const struct err *err, struct str *texts)
{
	if (!op_back(&c->op))
		return;
	c->waiting--;
	if (err != NULL && c->err.code == ERR_NONE)
		c->err = *err;
	for (unsigned i = 0; err == NULL && i < c->count; i++)
		texts[i] = arena_str(&c->page, redis_str(reply->element[i]));
}

static void
compare_on_stored(void *arg, const redisReply *reply, const struct err *err)
{
	struct comparison *c = arg;

	compare_take_texts(c, reply, err, c->stored);
}

static void
compare_on_numbers(void *arg, const redisReply *reply, const struct err *err)
{
	struct comparison *c = arg;

	compare_take_texts(c, reply, err, c->numbers);
}

static void
compare_records(struct comparison *c)
{
	enum record_kind kind = c->part == COMPARE_USERS ? RECORD_USER : RECORD_ALIAS;
	char key[DIRECTORY_KEY_MAX];

	c->waiting = 2 + c->count;
	compare_ask_domain(c, compare_on_stored, "HMGET", KEY_BOOK);
	compare_ask_all(c, compare_on_numbers, "HMGET", str_c(redis_key_pattern(KEY_POSIX_NUMBERS)));
	for (unsigned i = 0; i < c->count; i++) {
		op_hold(&c->op);
		record_request(c->redis, kind, str_of(key, record_key(kind, c->addresses[i], key)), compare_on_record,
			       c);
	}
}

/* ---- A page of entries ---- */
/* Two answers come: who is an account, who an alias. */
static void
compare_on_members(void *arg, const redisReply *reply, const struct err *err)
{
	struct comparison *c = arg;

	if (!op_back(&c->op))
		return;
	c->waiting--;
	if (err != NULL && c->err.code == ERR_NONE)
		c->err = *err;
	for (unsigned i = 0; err == NULL && i < c->count; i++)
		if (redis_i64(reply->element[i], 0) != 0)
			c->stored[i] = STR("known");
	if (c->waiting != 0)
		return;
	for (unsigned i = 0; i < c->count; i++)
		if (c->stored[i].len == 0)
			c->wrong[c->wrong_count++] = c->addresses[i];
	compare_mend(c);
}

static void
compare_entries(struct comparison *c)
{
	c->waiting = 2;
	compare_ask_domain(c, compare_on_members, "SMISMEMBER", KEY_DOMAIN_USERS);
	compare_ask_domain(c, compare_on_members, "SMISMEMBER", KEY_DOMAIN_ALIASES);
}

/* ---- Page by page ---- */
static void
compare_take_page(struct comparison *c, const redisReply *list)
{
	unsigned step = c->part == COMPARE_ENTRIES ? 2 : 1;
	size_t count = list->elements / step;

	c->addresses = arena_array(&c->page, struct str, count + 1);
	c->stored = arena_array(&c->page, struct str, count + 1);
	c->numbers = arena_array(&c->page, struct str, count + 1);
	c->wrong = arena_array(&c->page, struct str, count + 1);
	c->count = c->at = c->wrong_count = c->wrong_at = c->waiting = 0;
	for (size_t i = 0; i < count; i++) {
		struct str address = redis_str(list->element[i * step]);
		if (address.len != 0 && address.len < DIRECTORY_ADDRESS_MAX)
			c->addresses[c->count++] = arena_str(&c->page, address);
	}
}

static void
compare_on_page(void *arg, const redisReply *reply, const struct err *err)
{
	struct comparison *c = arg;

	if (!op_back(&c->op))
		return;
	if (err != NULL) {
		compare_end(c, err);
		return;
	}
	str_copy(redis_str(reply->element[0]), c->cursor, sizeof(c->cursor));
	compare_take_page(c, reply->element[1]);
	if (c->count == 0)
		compare_end_page(c);
	else if (c->part == COMPARE_ENTRIES)
		compare_entries(c);
	else
		compare_records(c);
}

static void
compare_next_page(struct comparison *c)
{
	static const struct {
		enum redis_key key;
		const char *verb;
	} parts[COMPARE_PARTS] = {
		[COMPARE_USERS] = {KEY_DOMAIN_USERS, "SSCAN"},
		[COMPARE_ALIASES] = {KEY_DOMAIN_ALIASES, "SSCAN"},
		[COMPARE_ENTRIES] = {KEY_BOOK, "HSCAN"},
	};

	arena_reset(&c->page);
	if (c->cursor[0] == '\0') {
		str_copy(STR("0"), c->cursor, sizeof(c->cursor));
	} else if (strcmp(c->cursor, "0") == 0 && ++c->part == COMPARE_PARTS) {
		compare_finish(c);
		return;
	}
	const struct str args[] = {str_c(c->cursor), STR("COUNT"), STR(COMPARE_PAGE)};
	op_hold(&c->op);
	redis_call_key(c->redis, compare_on_page, c, parts[c->part].verb,
		       redis_key(&c->page, parts[c->part].key, str_c(c->domain)), 3, args);
}

static void
compare_on_taken(void *arg, const redisReply *reply, const struct err *err)
{
	struct comparison *c = arg;

	(void)reply;
	if (!op_back(&c->op))
		return;
	if (err != NULL) {
		c->has_lease = false;
		compare_end(c, err);
		return;
	}
	c->kept_ms = clock_monotonic_ms();
	compare_next_page(c);
}

void
directory_book_compare(struct directory *d, struct str domain, const struct directory_comparison_options *options,
		       directory_on_compared *cb, void *arg)
{
	struct comparison *c = mem_new(struct comparison);
	char lease[24], due[24];

	op_init(&c->op, compare_on_end);
	arena_init(&c->page);
	c->d = d;
	c->redis = d->redis;
	c->cb = cb;
	c->arg = arg;
	c->options = *options;
	c->pause = evtimer_new(d->base, compare_on_pause_over, c);
	str_copy(domain, c->domain, sizeof(c->domain));
	snprintf(c->holder, sizeof(c->holder), "%s %08x", options->name, arc4random());
	DL_APPEND(d->comparisons, c);
	snprintf(lease, sizeof(lease), "%d", COMPARE_LEASE_MS);
	snprintf(due, sizeof(due), "%" PRId64, options->due_ms);
	c->numbers_as = numbers_fingerprint(d, domain, &c->op.arena);
	const struct str args[] = {STR("take"), str_c(c->holder), str_c(lease), str_c(due), c->numbers_as};
	c->has_lease = true; /* or will have, by the time that anything asked later is done */
	compare_ask_state(c, compare_on_taken, 5, args);
}
