/* Sync points against a real server: random histories with small windows, lost
 * answers, writers between two reads, moving windows of days, a log that is cut
 * short, a server that is killed. At the end the client knows exactly what the
 * folder holds. SYNC_HISTORIES=n runs more of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <event2/thread.h>

#include "lib/base/mem.h"
#include "lib/sync/sync.h"
#include "tests/unit/redis_fixture.h"

enum { UIDS = 4096, DAY_FIRST = 100, DAYS = 8 };

static struct redis_fixture server;
static struct event_base *base;
static struct redis *redis, *writer_redis;
static struct blob_store *blobs;
static struct mailbox_store *store, *writer;
static struct secret *secret;
static char account[40];
static unsigned account_number;

static struct str
who(void)
{
	return str_c(account);
}

static unsigned
draw(unsigned n)
{
	return (unsigned)random() % n;
}

/* ---- Writers: at most one call at a time, so that the model of time is the server's ---- */

static unsigned writes_due;

static void
on_filed(void *arg, const struct mailbox_filed *filed, const struct err *err)
{
	(void)arg, (void)filed, (void)err;
	writes_due--;
}

static void
on_stored(void *arg, const struct mailbox_stored *stored, const struct err *err)
{
	(void)arg, (void)stored, (void)err;
	writes_due--;
}

static void
on_expunged(void *arg, const struct mailbox_expunged *expunged, const struct err *err)
{
	(void)arg, (void)expunged, (void)err;
	writes_due--;
}

static void
on_copied(void *arg, const struct mailbox_copied *copied, const struct err *err)
{
	(void)arg, (void)copied, (void)err;
	writes_due--;
}

static void
write_new(unsigned count)
{
	struct mailbox_new_message list[8];
	struct mailbox_filing f = {.address = who(), .messages = list, .count = count};

	for (unsigned i = 0; i < count; i++)
		list[i] = (struct mailbox_new_message){
			.flags = draw(32),
			.body = {0, 0, 1 + draw(1000)},
			.internal_date = (int64_t)(DAY_FIRST + draw(DAYS)) * 86400 + draw(86400),
		};
	writes_due++;
	mailbox_file(writer, &f, on_filed, NULL);
}

static void
write_something(uint32_t uids_upto)
{
	uint32_t uids[4], count = 1 + draw(4);
	struct mailbox_flag_change change = {.mode = MAILBOX_FLAGS_SET, .unchanged_since = UINT64_MAX};

	if (uids_upto <= 1 || draw(3) == 0) {
		write_new(1 + draw(6));
		return;
	}
	for (uint32_t i = 0, uid = 0; i < count; i++) {
		uid += 1 + draw(uids_upto / count + 1);
		uids[i] = uid;
	}
	writes_due++;
	switch (draw(4)) {
	case 0: mailbox_expunge(writer, who(), 1, uids, count, false, on_expunged, NULL); break;
	case 1: mailbox_copy(writer, who(), 1, uids, count, STR("Archive"), true, 0, on_copied, NULL); break;
	default:
		change.flags = (uint16_t)draw(32);
		mailbox_store_flags(writer, who(), 1, uids, count, &change, on_stored, NULL);
	}
}

static void
settle(void)
{
	int64_t until = clock_monotonic_ms() + 20000;

	while (writes_due != 0 && clock_monotonic_ms() < until)
		event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(writes_due, 0);
}

/* ---- The client ---- */

struct client {
	struct sync_point point;
	bool has[UIDS];
	uint16_t flags[UIDS];
};

static struct {
	volatile bool done;
	enum err_code code;
	struct sync_point point;
	bool more;
	uint32_t count;
	struct sync_entry entries[UIDS];
} got;

static void
on_read(void *arg, const struct sync_answer *answer, const struct err *err)
{
	(void)arg;
	got.done = true;
	got.code = err != NULL ? err->code : ERR_NONE;
	if (answer == NULL)
		return;
	got.point = answer->point;
	got.more = answer->more;
	got.count = answer->count;
	assert_true(answer->count <= UIDS);
	for (uint32_t i = 0; i < answer->count; i++)
		got.entries[i] = answer->entries[i];
}

static enum err_code
read_from(const struct sync_point *p, uint16_t since_day, uint32_t limit)
{
	memset(&got, 0, sizeof(got.done) + sizeof(got.code));
	got.done = false;
	sync_read(store, who(), p, since_day, limit, on_read, NULL);
	assert_true(redis_fixture_wait(base, &got.done, 20000));
	return got.code;
}

static void
apply(struct client *c)
{
	for (uint32_t i = 0; i < got.count; i++) {
		const struct sync_entry *e = &got.entries[i];

		assert_true(e->uid < UIDS);
		c->has[e->uid] = e->what == SYNC_NEW || e->what == SYNC_CHANGED;
		c->flags[e->uid] = e->hot.flags;
	}
	c->point = got.point;
}

/* By way of a token, as a real one. */
static void
keep(struct client *c)
{
	char token[SYNC_TOKEN_MAX];
	struct err err;

	sync_seal(secret, &c->point, SYNC_ITEMS, who(), 20000, token);
	assert_int_equal(strlen(token), 48);
	assert_int_equal(sync_open(secret, str_c(token), SYNC_ITEMS, who(), 20000, &c->point, &err), 0);
}

static void
begin_anew(struct client *c)
{
	memset(c, 0, sizeof(*c));
	c->point = sync_point_first(1);
}

static struct {
	volatile bool done;
	bool failed;
	bool has[UIDS];
	uint16_t flags[UIDS];
	uint32_t uid_next;
} truth;

static void
on_records(void *arg, const struct mailbox_records *r, const struct err *err)
{
	uint16_t since_day = *(uint16_t *)arg;

	truth.done = true;
	truth.failed = err != NULL;
	for (uint32_t i = 0; err == NULL && i < r->count; i++) {
		struct mailbox_hot h;
		struct mailbox_cold c;

		mailbox_hot_unpack(r->hot + (size_t)i * MAILBOX_HOT_BYTES, &h);
		mailbox_cold_unpack(r->cold + (size_t)i * MAILBOX_COLD_BYTES, &c);
		truth.has[h.uid] = c.internal_date / 86400 >= since_day;
		truth.flags[h.uid] = h.flags;
	}
	if (err == NULL)
		truth.uid_next = r->uid_next;
}

static void
learn_truth(uint16_t since_day)
{
	volatile bool never = false;
	unsigned tries = 0;

	do { /* the server may just have been killed */
		if (tries != 0)
			redis_fixture_wait(base, &never, 50);
		memset(&truth, 0, sizeof(truth));
		mailbox_read(store, who(), 1, 1, UINT32_MAX, MAILBOX_HOT | MAILBOX_COLD, 0, on_records, &since_day);
		assert_true(redis_fixture_wait(base, &truth.done, 20000));
	} while (truth.failed && ++tries < 200);
	assert_false(truth.failed);
}

static void
assert_same(const struct client *c, unsigned seed)
{
	for (uint32_t uid = 1; uid < UIDS; uid++) {
		if (c->has[uid] != truth.has[uid] || (c->has[uid] && c->flags[uid] != truth.flags[uid]))
			fail_msg("history %u: UID %u: client %d %x, folder %d %x", seed, uid, c->has[uid],
				 c->flags[uid], truth.has[uid], truth.flags[uid]);
	}
}

static void
new_account(void)
{
	snprintf(account, sizeof(account), "user%u@b.test", ++account_number);
}

/* ---- Histories ---- */

struct history {
	bool moves_window, cuts_log, kills;
};

static void
cut_log(void)
{
	volatile bool never = false;

	/* As if retention were over: half of the tombstones go, and `since` says so. */
	redis_callf(redis, NULL, NULL,
		    "EVAL %s 1 mail:{%s}:f:1",
		    "local k = KEYS[1] local n = math.floor(redis.call('LLEN', k .. ':gone') / 2) "
		    "for i = 1, n do local s = redis.call('LPOP', k .. ':gone') "
		    "redis.call('HSET', k, 'since', (struct.unpack('<I6', s))) end return n",
		    account);
	redis_fixture_wait(base, &never, 10);
}

static void
kill_server(void)
{
	volatile bool never = false;

	redis_fixture_kill(&server);
	assert_true(redis_fixture_run(&server, true));
	for (int i = 0; i < 100 && !(redis_is_connected(redis) && redis_is_connected(writer_redis)); i++)
		redis_fixture_wait(base, &never, 20);
	settle();
}

static uint16_t
draw_day(const struct history *h, uint16_t now)
{
	if (!h->moves_window || draw(8) != 0)
		return now;
	return draw(4) == 0 ? 0 : (uint16_t)(DAY_FIRST + draw(DAYS + 1));
}

static void
run_rounds(struct client *c, const struct history *h, uint16_t *since_day)
{
	for (unsigned round = 0; round < 25; round++) {
		learn_truth(0);
		for (unsigned i = draw(4); i-- > 0;)
			write_something(truth.uid_next); /* some before it, some between its steps */
		if (h->cuts_log && draw(10) == 0)
			cut_log();
		*since_day = draw_day(h, *since_day);
		switch (read_from(&c->point, *since_day, 1 + draw(9))) {
		case ERR_NONE:
			if (draw(5) == 0)
				break; /* the answer is lost: asked again from the old point */
			apply(c);
			keep(c);
			break;
		case ERR_NOT_FOUND: begin_anew(c); break;
		default: assert_true(h->kills);
		}
		if (h->kills && draw(12) == 0)
			kill_server();
		if (draw(3) != 0)
			settle();
	}
	settle();
}

static void
run_history(unsigned seed, const struct history *h)
{
	struct client *c = mem_new(struct client);
	uint16_t since_day = 0;
	unsigned reads = 0;

	srandom(seed);
	new_account();
	begin_anew(c);
	for (unsigned i = 1 + draw(8); i-- > 0;)
		write_new(1 + draw(6));
	settle();
	learn_truth(0);
	run_rounds(c, h, &since_day);
	do {
		enum err_code code = read_from(&c->point, since_day, 7);

		if (code == ERR_NOT_FOUND)
			begin_anew(c);
		else
			assert_int_equal(code, ERR_NONE);
		if (code == ERR_NONE)
			apply(c);
		assert_true(++reads < 2000);
	} while (got.code != ERR_NONE || got.more || got.count != 0);
	learn_truth(since_day);
	assert_same(c, seed);
	mem_free(c);
}

static unsigned
histories(unsigned few)
{
	const char *more = getenv("SYNC_HISTORIES");

	return more != NULL ? (unsigned)atoi(more) : few;
}

static void
test_histories(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= histories(30); seed++)
		run_history(seed, &(struct history){0});
}

static void
test_histories_with_windows_of_days(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= histories(30); seed++)
		run_history(seed, &(struct history){.moves_window = true});
}

static void
test_histories_with_a_short_log(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= histories(20); seed++)
		run_history(seed, &(struct history){.cuts_log = true, .moves_window = seed % 2 == 0});
}

static void
test_histories_with_kills(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= histories(30) / 10; seed++)
		run_history(seed, &(struct history){.kills = true});
}

/* The newest come first, and nothing twice. */
static void
test_first_read(void **state)
{
	struct client *c = mem_new(struct client);

	(void)state;
	new_account();
	begin_anew(c);
	for (unsigned i = 0; i < 4; i++)
		write_new(5);
	settle();
	assert_int_equal(read_from(&c->point, 0, 6), ERR_NONE);
	assert_int_equal(got.count, 6);
	for (uint32_t i = 0; i < 6; i++) {
		assert_int_equal(got.entries[i].what, SYNC_NEW);
		assert_int_equal(got.entries[i].uid, 20 - i);
	}
	assert_true(got.more);
	apply(c);
	write_new(1);
	settle();
	assert_int_equal(read_from(&c->point, 0, 6), ERR_NONE);
	assert_int_equal(got.entries[0].uid, 21);
	assert_int_equal(got.entries[1].uid, 14);
	mem_free(c);
}

static void
test_a_folder_that_is_gone(void **state)
{
	struct sync_point p = sync_point_first(77);

	(void)state;
	assert_int_equal(read_from(&p, 0, 10), ERR_NOT_FOUND);
}

static void
test_tokens(void **state)
{
	struct sync_point p = {7, 123456789012, 4000000000u, 3, 4100000000u, 20001}, q;
	char token[SYNC_TOKEN_MAX], other[SYNC_TOKEN_MAX];
	struct err err;

	(void)state;
	sync_seal(secret, &p, SYNC_ITEMS, STR("a@b.test phone"), 20500, token);
	assert_int_equal(sync_open(secret, str_c(token), SYNC_ITEMS, STR("a@b.test phone"), 20500, &q, &err), 0);
	assert_memory_equal(&p.folder_id, &q.folder_id, sizeof(p.folder_id));
	assert_true(p.modseq == q.modseq && p.at == q.at && p.low == q.low && p.high == q.high &&
		    p.since_day == q.since_day);

	assert_int_equal(sync_open(secret, str_c(token), SYNC_ITEMS, STR("a@b.test phone"), 20501, &q, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(sync_open(secret, str_c(token), SYNC_ITEMS, STR("a@b.test pad"), 0, &q, &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
	assert_int_equal(sync_open(secret, str_c(token), (enum sync_kind)2, STR("a@b.test phone"), 0, &q, &err), -1);
	for (size_t i = 0; i < 48; i++) {
		strcpy(other, token);
		other[i] = other[i] == 'A' ? 'B' : 'A';
		assert_int_equal(sync_open(secret, str_c(other), SYNC_ITEMS, STR("a@b.test phone"), 0, &q, &err), -1);
		assert_int_equal(sync_open(secret, str_of(token, i), SYNC_ITEMS, STR("a@b.test phone"), 0, &q, &err),
				 -1);
	}
	assert_int_equal(sync_open(secret, STR("0"), SYNC_ITEMS, STR("a@b.test phone"), 0, &q, &err), -1);
}

static int
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

static int
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tokens),
		cmocka_unit_test(test_first_read),
		cmocka_unit_test(test_a_folder_that_is_gone),
		cmocka_unit_test(test_histories),
		cmocka_unit_test(test_histories_with_windows_of_days),
		cmocka_unit_test(test_histories_with_a_short_log),
		cmocka_unit_test(test_histories_with_kills),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
