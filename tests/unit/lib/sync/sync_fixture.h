/* Accounts to write to, and the server that they lie on. */
#ifndef SP_TESTS_UNIT_SYNC_FIXTURE_H
#define SP_TESTS_UNIT_SYNC_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <event2/thread.h>

#include "lib/base/mem.h"
#include "lib/sync/sync.h"
#include "tests/unit/redis_fixture.h"

static struct redis_fixture server;
static struct event_base *base;
static struct redis *redis, *writer_redis;
static struct blob_store *blobs;
static struct mailbox_store *store, *writer;
static struct secret *secret;
static char account[40];
static unsigned account_number;

static inline struct str
who(void)
{
	return str_c(account);
}

static inline unsigned
draw(unsigned n)
{
	return (unsigned)random() % n;
}

/* ---- Writers: at most one call at a time, so that the model of time is the server's ---- */

static unsigned writes_due;

static inline void
settle(void)
{
	int64_t until = clock_monotonic_ms() + 20000;

	while (writes_due != 0 && clock_monotonic_ms() < until)
		event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(writes_due, 0);
}

static inline void
new_account(void)
{
	snprintf(account, sizeof(account), "user%u@b.test", ++account_number);
}

/* ---- Histories ---- */

static inline void
kill_server(void)
{
	volatile bool never = false;

	redis_fixture_kill(&server);
	assert_true(redis_fixture_run(&server, true));
	for (int i = 0; i < 100 && !(redis_is_connected(redis) && redis_is_connected(writer_redis)); i++)
		redis_fixture_wait(base, &never, 20);
	settle();
}

static uint32_t made_id;

static inline void
on_made(void *arg, const struct mailbox_folder *folder, const struct err *err)
{
	(void)arg, (void)err;
	made_id = folder != NULL ? folder->id : 0;
	writes_due--;
}

/* A read has failed, as it may where the server is killed. */
static inline void
ride_out(bool kills)
{
	volatile bool never = false;

	assert_true(kills);
	redis_fixture_wait(base, &never, 20);
}

static inline unsigned
histories(unsigned few)
{
	const char *more = getenv("SYNC_HISTORIES");

	return more != NULL ? (unsigned)atoi(more) : few;
}

static inline int
setup(void **state)
{
	char url[128];
	struct err err;
	bool never = false;

	(void)state;
	evthread_use_pthreads();
	if (!redis_fixture_start(&server, true))
		return -1;
	base = event_base_new();
	redis = redis_new(base, server.url, &err);
	writer_redis = redis_new(base, server.url, &err);
	snprintf(url, sizeof(url), "file:%s/blobs", server.dir);
	blobs = blob_store_open(base, url, &err);
	store = mailbox_store_new(redis, blobs);
	writer = mailbox_store_new(writer_redis, blobs);
	secret = secret_new(base, redis, STR("a secret of the cluster's own, long enough"));
	redis_fixture_wait(base, &never, 200);
	return redis_is_connected(redis) && redis_is_connected(writer_redis) ? 0 : -1;
}

static inline int
teardown(void **state)
{
	(void)state;
	secret_free(&secret);
	mailbox_store_free(&store);
	mailbox_store_free(&writer);
	redis_free(&redis);
	redis_free(&writer_redis);
	blob_store_close(&blobs);
	event_base_free(base);
	redis_fixture_stop(&server);
	return 0;
}

#endif
