/* Random but seeded histories of an account's messages or items, against a real server,
 * the real scripts and a real blob store, with connections that break. Header only;
 * every test program has its own.
 *
 * STAGEPOST_HISTORIES=n plays n of them, STAGEPOST_SEED=s those from s on. */
#ifndef SP_TESTS_UNIT_HISTORY_FIXTURE_H
#define SP_TESTS_UNIT_HISTORY_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/log.h"
#include "lib/blob/refs.h"
#include "lib/mailbox/items.h"
#include "lib/mailbox/private.h"
#include "tests/unit/lib/blob/blob_fixture.h"
#include "tests/unit/redis_fixture.h"

enum { ACCOUNTS = 2, RECORDS_MAX = 300 };

static struct blob_fixture blobs;
static struct redis_fixture server;
static struct redis *redis, *admin;
static struct mailbox_store *store;

static const char *const accounts[ACCOUNTS] = {"a@b.test", "b@b.test"};
static uint64_t random_state, seed;

static inline unsigned
pick(unsigned count)
{
	return (unsigned)(body_random(&random_state) >> 16) % count;
}

/* ---- Calls, whose answers may be lost ---- */

static struct answer {
	volatile bool done;
	struct err err;
	bool duplicate, had_passed;  /* of a delivery */
	struct mailbox_put_done put; /* of an item */
	uint32_t ids[2];	     /* of folders */
	unsigned count;
	struct mailbox_hot hot[RECORDS_MAX];
	struct mailbox_cold cold[RECORDS_MAX];
} got;

static inline void
ended(const struct err *err)
{
	got.err = err != NULL ? *err : (struct err){.code = ERR_NONE};
	got.done = true;
}

static inline void
on_done(void *arg, const struct err *err)
{
	(void)arg;
	ended(err);
}

static inline void
on_expunged(void *arg, const struct mailbox_expunged *e, const struct err *err)
{
	(void)arg, (void)e;
	ended(err);
}

static inline void
on_records(void *arg, const struct mailbox_records *r, const struct err *err)
{
	(void)arg;
	got.count = r != NULL ? r->count : 0;
	assert_true(got.count <= RECORDS_MAX);
	for (unsigned i = 0; i < got.count; i++) {
		mailbox_hot_unpack(r->hot + (size_t)i * MAILBOX_HOT_BYTES, &got.hot[i]);
		mailbox_cold_unpack(r->cold + (size_t)i * MAILBOX_COLD_BYTES, &got.cold[i]);
	}
	ended(err);
}

static inline void
on_reply(void *arg, const redisReply *reply, const struct err *err)
{
	(void)arg, (void)reply;
	ended(err);
}

static inline void
on_killed(void *arg, const redisReply *reply, const struct err *err)
{
	(void)reply, (void)err;
	*(volatile bool *)arg = true;
}

static inline void
begin(void)
{
	memset(&got, 0, sizeof(got));
}

static inline void
wait_connected(void)
{
	static const volatile bool never = false;
	struct answer kept = got;

	/* One that the server has closed may not have noticed yet. */
	do {
		begin();
		redis_callf(redis, on_reply, NULL, "PING");
		redis_fixture_wait(blobs.base, &got.done, 10000);
	} while (got.err.code != ERR_NONE && !redis_fixture_wait(blobs.base, &never, 5));
	got = kept;
}

/* Until the answer is there, or the connection broke: once in so many calls it does, at
 * some point of what the call does. 0: never. */
static inline enum err_code
finish_or_break(unsigned one_in)
{
	static volatile bool killed;
	bool kills = one_in != 0 && pick(one_in) == 0;

	killed = true;
	if (kills) {
		for (unsigned turns = pick(4); turns != 0; turns--)
			event_base_loop(blobs.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
		killed = false;
		redis_callf(admin, on_killed, (void *)(uintptr_t)&killed, "CLIENT KILL TYPE normal SKIPME yes");
	}
	assert_true(redis_fixture_wait(blobs.base, &got.done, 10000));
	assert_true(redis_fixture_wait(blobs.base, &killed, 10000));
	if (kills)
		wait_connected();
	return got.err.code;
}

static inline enum err_code
finish_surely(void)
{
	return finish_or_break(0);
}

static inline void
command(const char *text)
{
	begin();
	redis_callf(admin, on_reply, NULL, text);
	assert_int_equal(finish_surely(), ERR_NONE);
}

static inline void
open_store(void)
{
	store = mailbox_store_new(redis, blobs.store);
	store->copy_at_once = 1;
	store->copy_lease_ms = 1;
}

/* All that was asked is done, and the releases too. */
static inline void
settle(void)
{
	command("PING");
	begin();
	redis_callf(redis, on_reply, NULL, "PING"); /* behind the drops */
	assert_int_equal(finish_surely(), ERR_NONE);
	mailbox_store_free(&store);
	blob_fixture_reopen(&blobs);
	open_store();
}

/* Counts the bodies that are left. */
static inline bool
is_live(void *arg, const struct blob_id *id)
{
	(void)id;
	++*(unsigned *)arg;
	return true;
}

static inline void
play_histories(unsigned long histories, void (*play)(void))
{
	const char *count = getenv("STAGEPOST_HISTORIES"), *first = getenv("STAGEPOST_SEED");

	histories = count != NULL ? strtoul(count, NULL, 10) : histories;
	seed = first != NULL ? strtoull(first, NULL, 10) : 1;
	for (unsigned long i = 0; i < histories; i++, seed++)
		play();
}

static inline int
setup(void **state)
{
	(void)state;
	setenv("STAGEPOST_LOG_LEVEL", "error", 0);
	log_init("test");
	blob_fixture_start(&blobs);
	if (!redis_fixture_start(&server, false))
		return -1;
	redis = redis_new(blobs.base, server.url, NULL);
	admin = redis_new(blobs.base, server.url, NULL);
	open_store();
	while (!redis_is_connected(redis) || !redis_is_connected(admin))
		event_base_loop(blobs.base, EVLOOP_ONCE);
	return 0;
}

static inline int
teardown(void **state)
{
	(void)state;
	mailbox_store_free(&store);
	redis_free(&redis);
	redis_free(&admin);
	redis_fixture_stop(&server);
	blob_fixture_stop(&blobs);
	return 0;
}

#endif
