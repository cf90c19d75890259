/* Sync points against a real server: random histories with small windows, lost
 * answers, writers between two reads, moving windows of days, a log that is cut
 * short, a server that is killed. At the end the client knows exactly what the
 * folder holds. SYNC_HISTORIES=n runs more of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/lib/sync/sync_fixture.h"

enum { UIDS = 4096, DAY_FIRST = 100, DAYS = 8 };

/* ---- Writers: at most one call at a time, so that the model of time is the server's ---- */

static uint32_t folder_id = 1;	 /* that is played on: INBOX, or one of items */
static uint32_t other_folder_id; /* of items, too */

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
on_put(void *arg, const struct mailbox_put_done *put, const struct err *err)
{
	(void)arg, (void)put, (void)err;
	writes_due--;
}

static void
on_extra_set(void *arg, uint64_t modseq, const struct err *err)
{
	(void)arg, (void)modseq, (void)err;
	writes_due--;
}

/* A new item, or another in the place of one. */
static void
write_item(uint32_t uid)
{
	writes_due++;
	mailbox_put(writer,
		    &(struct mailbox_put){
			    .address = who(),
			    .folder_id = folder_id,
			    .uid = uid,
			    .unchanged_since = UINT64_MAX,
			    .body = {0, 0, 1 + draw(1000)},
			    .size = draw(100000),
			    .flags = (uint16_t)draw(32),
			    .date = (int64_t)(DAY_FIRST + draw(DAYS)) * 86400,
		    },
		    on_put, NULL);
}

static void
write_new(unsigned count)
{
	struct mailbox_new_message list[8];
	struct mailbox_filing f = {.address = who(), .messages = list, .count = count};

	if (folder_id != 1) {
		for (; count != 0; count--)
			write_item(0);
		return;
	}
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
	if (folder_id != 1 && draw(2) == 0) {
		write_item(uids[0]);
		return;
	}
	writes_due++;
	switch (draw(5)) {
	case 0: mailbox_expunge(writer, who(), folder_id, uids, count, false, on_expunged, NULL); break;
	case 1:
		if (folder_id == 1)
			mailbox_copy(writer, who(), 1, uids, count, STR("Archive"), true, 0, on_copied, NULL);
		else
			mailbox_move_item(writer, who(), folder_id, uids[0], draw(2) == 0 ? folder_id : other_folder_id,
					  STR_NONE, UINT64_MAX, on_put, NULL);
		break;
	case 2:
		mailbox_set_extra(writer, who(), folder_id, uids[0], draw(2) == 0 ? STR("a bag") : STR_NONE, UINT64_MAX,
				  on_extra_set, NULL);
		break;
	default:
		change.flags = (uint16_t)draw(32);
		mailbox_store_flags(writer, who(), folder_id, uids, count, &change, on_stored, NULL);
	}
}

/* ---- The client ---- */

struct client {
	struct sync_point point;
	bool has[UIDS];
	uint64_t what[UIDS]; /* size, flags and marks */
};

static uint64_t
what_of(const struct mailbox_hot *hot)
{
	return hot->size << 16 | hot->flags | hot->marks;
}

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
		c->what[e->uid] = what_of(&e->hot);
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
	c->point = sync_point_first(folder_id);
}

static struct {
	volatile bool done;
	bool failed;
	bool has[UIDS];
	uint64_t what[UIDS];
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
		truth.what[h.uid] = what_of(&h);
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
		mailbox_read(store, who(), folder_id, 1, UINT32_MAX, MAILBOX_HOT | MAILBOX_COLD, 0, on_records,
			     &since_day);
		assert_true(redis_fixture_wait(base, &truth.done, 20000));
	} while (truth.failed && ++tries < 200);
	assert_false(truth.failed);
}

static void
assert_same(const struct client *c, unsigned seed)
{
	for (uint32_t uid = 1; uid < UIDS; uid++) {
		if (c->has[uid] != truth.has[uid] || (c->has[uid] && c->what[uid] != truth.what[uid]))
			fail_msg("history %u: UID %u: client %d %llx, folder %d %llx", seed, uid, c->has[uid],
				 (unsigned long long)c->what[uid], truth.has[uid], (unsigned long long)truth.what[uid]);
	}
}

/* ---- Histories ---- */

struct history {
	bool moves_window, cuts_log, kills;
	bool items; /* in a folder of them, with changes in place */
};

static void
cut_log(void)
{
	volatile bool never = false;

	/* As if retention were over: half of the tombstones go, and `since` says so. */
	redis_callf(redis, NULL, NULL, "EVAL %s 1 mail:{%s}:f:%u",
		    "local k = KEYS[1] local n = math.floor(redis.call('LLEN', k .. ':gone') / 2) "
		    "for i = 1, n do local s = redis.call('LPOP', k .. ':gone') "
		    "redis.call('HSET', k, 'since', (struct.unpack('<I6', s))) end return n",
		    account, folder_id);
	redis_fixture_wait(base, &never, 10);
}

static uint32_t
make_item_folder(const char *name)
{
	writes_due++;
	mailbox_create_items(writer, who(), MAILBOX_CALENDAR, str_c(name), on_made, NULL);
	settle();
	assert_true(made_id != 0);
	return made_id;
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
	other_folder_id = h->items ? make_item_folder("Other") : 0;
	folder_id = h->items ? make_item_folder("Mine") : 1;
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
		else if (code == ERR_NONE)
			apply(c);
		else
			ride_out(h->kills); /* a connection that has yet to notice the last one */
		assert_true(++reads < 2000);
	} while (got.code != ERR_NONE || got.more || got.count != 0);
	learn_truth(since_day);
	assert_same(c, seed);
	mem_free(c);
	folder_id = 1;
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

/* Changes in place are changes; what lies beside a record, too. */
static void
test_histories_of_items(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= histories(20); seed++)
		run_history(seed, &(struct history){.items = true, .cuts_log = seed % 2 == 0, .kills = seed % 10 == 0});
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
		cmocka_unit_test(test_histories_of_items),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
