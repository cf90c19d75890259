/* A domain's address book in memory, beside a private redis-server. */
#ifndef SP_TESTS_UNIT_BOOK_FIXTURE_H
#define SP_TESTS_UNIT_BOOK_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "lib/base/mem.h"
#include "lib/book/book.h"
#include "tests/unit/redis_fixture.h"

REDIS_SCRIPT(book_put, "lib/directory/book_put.lua");

#define DOMAIN "example.test"

static struct redis_fixture server;
static struct event_base *base;
static struct redis *redis;
static struct tracking *tracking;
static struct books *books;
static struct book *book;
static redisContext *direct;

/* ---- Writing, as the directory does ---- */
static inline void
add_text(struct buf *entry, const char *name, const char *value)
{
	entry_add(entry, book_field_of_name(str_c(name)), str_c(value));
}

/* pairs: name, value, ..., NULL */
static inline struct buf
entry_of(uint8_t flags, const char *const *pairs)
{
	struct buf entry = BUF_EMPTY;

	entry_begin(&entry, flags, 1000);
	for (; pairs[0] != NULL; pairs += 2)
		add_text(&entry, pairs[0], pairs[1]);
	return entry;
}

static unsigned puts_due;

static inline void
on_put(void *arg, const redisReply *reply, const struct err *err)
{
	(void)arg;
	if (err != NULL)
		fail_msg("%s", err->text);
	(void)reply;
	puts_due--;
}

static inline void
put_entry(const char *address, struct str entry)
{
	const struct str keys[] = {STR("book:{" DOMAIN "}"), STR("book:{" DOMAIN "}:log"), STR("book:{" DOMAIN "}:v"),
				   STR("domain:{" DOMAIN "}"), STR("book:{" DOMAIN "}:state")};
	const struct str args[] = {str_c(address), entry, STR("10000"), keys[0]};

	puts_due++;
	redis_eval(redis, on_put, NULL, &book_put, 5, keys, 4, args);
}

static inline void
put_of(const char *address, uint8_t flags, const char *const *pairs)
{
	struct buf entry = entry_of(flags, pairs);

	put_entry(address, buf_str(&entry));
	buf_fini(&entry);
}
#define put(address, flags, ...) put_of(address, flags, (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static inline void
turn(int ms)
{
	volatile bool never = false;
	redis_fixture_wait(base, &never, ms);
}

static inline void
command(const char *text)
{
	redisReply *r = redisCommand(direct, text);

	assert_non_null(r);
	if (r->type == REDIS_REPLY_ERROR)
		fail_msg("%s", r->str);
	freeReplyObject(r);
}

static inline uint64_t
stored_version(void)
{
	redisReply *r = redisCommand(direct, "GET book:{" DOMAIN "}:v");
	uint64_t v = r->type == REDIS_REPLY_STRING ? strtoull(r->str, NULL, 10) : 0;

	freeReplyObject(r);
	return v;
}

static int64_t longest_settle_ms;

/* Waits until the book in memory is that of the store, which takes less than 2 s, but for a machine
 * under load; the book looks by itself only after 30 s. */
static inline void
settle(void)
{
	int64_t began = clock_monotonic_ms(), took_ms;

	while (puts_due > 0 || book_version(book) != stored_version()) {
		if (clock_monotonic_ms() > began + 20000)
			fail_msg("version %llu is not %llu after 20 s", (unsigned long long)book_version(book),
				 (unsigned long long)stored_version());
		turn(5);
	}
	took_ms = clock_monotonic_ms() - began;
	longest_settle_ms = took_ms > longest_settle_ms ? took_ms : longest_settle_ms;
}

/* ---- Reading ---- */
static volatile bool is_ready;
static struct err ready_err;

static inline void
on_ready(void *arg, struct book *b, const struct err *err)
{
	assert_ptr_equal(arg, &server);
	is_ready = true;
	ready_err = err != NULL ? *err : (struct err){.code = ERR_NONE};
	book = b;
}

static inline int
get(void)
{
	is_ready = false;
	ready_err.code = ERR_NONE;
	book = books_get(books, STR(DOMAIN), on_ready, &server);
	if (book == NULL) {
		assert_false(is_ready);
		assert_true(redis_fixture_wait(base, &is_ready, 20000));
	}
	return (int)ready_err.code;
}

/* ---- Life ---- */
static inline int
setup(void **state)
{
	struct err err;

	(void)state;
	if (!redis_fixture_start(&server, false))
		return -1;
	base = event_base_new();
	redis = redis_new(base, server.url, &err);
	tracking = tracking_new(base, server.url, &err);
	books = books_new(base, redis, tracking, NULL);
	direct = redisConnectUnix(server.socket);
	command("HSET domain:{" DOMAIN "} created_ms 1");
	while (!redis_is_connected(redis))
		turn(10);
	return 0;
}

static inline int
teardown(void **state)
{
	(void)state;
	book_let_go(&book);
	books_free(&books);
	tracking_free(&tracking);
	redis_free(&redis);
	redisFree(direct);
	event_base_free(base);
	redis_fixture_stop(&server);
	return 0;
}

#endif
