/* A large folder is read in pages, and the result is still one consistent state:
 * an actor reads while everybody else appends, flags and expunges between any two
 * of its steps. */
#include "tests/unit/lib/mailbox/staging_fixture.h"

enum { FILED = 46 * MAILBOX_CHUNK_UIDS, CHANGES_MAX = 600, ROUNDS = 24, RECORDS = FILED + CHANGES_MAX };

/* What everybody else did, and at which modseq. */
static struct change {
	uint64_t modseq;
	uint32_t uid;
	enum { APPENDED, FLAGGED, EXPUNGED } what;
} done[CHANGES_MAX];
static unsigned done_count;
static bool is_gone[RECORDS + 1];
static uint32_t uid_next;
static bool forgets; /* tombstones go at once */
static bool takes_recent;

static struct {
	bool done, complete;
	struct err err;
	uint32_t count, gone_count, uid_next, messages, first_recent, recent;
	uint64_t modseq;
	struct mailbox_hot hot[RECORDS];
	struct mailbox_cold cold[RECORDS];
	uint32_t gone[RECORDS];
} was_read;

static void
on_read(void *arg, const struct mailbox_records *r, const struct err *err)
{
	(void)arg;
	was_read.done = true;
	was_read.err = err != NULL ? *err : (struct err){.code = ERR_NONE};
	was_read.count = r != NULL ? r->count : 0;
	was_read.modseq = r != NULL ? r->highest_modseq : 0;
	was_read.uid_next = r != NULL ? r->uid_next : 0;
	assert_true(was_read.count <= RECORDS);
	for (uint32_t i = 0; i < was_read.count; i++) {
		mailbox_hot_unpack(r->hot + (size_t)i * MAILBOX_HOT_BYTES, &was_read.hot[i]);
		if (r->cold != NULL)
			mailbox_cold_unpack(r->cold + (size_t)i * MAILBOX_COLD_BYTES, &was_read.cold[i]);
	}
}

static void
on_read_changes(void *arg, const struct mailbox_changes *c, const struct err *err)
{
	was_read.gone_count = c != NULL ? c->gone_count : 0;
	was_read.complete = c != NULL && c->complete;
	was_read.messages = c != NULL ? c->folder.messages : 0;
	was_read.first_recent = c != NULL ? c->folder.first_recent : 0;
	was_read.recent = c != NULL ? c->folder.recent : 0;
	for (uint32_t i = 0; i < was_read.gone_count; i++)
		was_read.gone[i] = c->gone_uids[i];
	on_read(arg, c != NULL ? &c->records : NULL, err);
}

static void
fill(void)
{
	static struct mailbox_new_message list[1024];

	command("FLUSHALL");
	command("HSET user:{a@b.test} address a@b.test");
	create("From");
	for (uint32_t at = 1; at < FILED; at += 1024) {
		uint32_t count = FILED - at < 1024 ? FILED - at : 1024;
		for (uint32_t i = 0; i < count; i++)
			list[i] = (struct mailbox_new_message){.body = {0, 0, at + i}, .internal_date = at + i};
		file("From", list, count);
	}
	uid_next = FILED;
	done_count = 0;
	memset(is_gone, 0, sizeof(is_gone));
}

static void
change_something(void)
{
	struct change *c = &done[done_count++];
	struct mailbox_flag_change flagged = {
		.mode = MAILBOX_FLAGS_ADD, .flags = MAILBOX_FLAGGED, .unchanged_since = UINT64_MAX};

	assert_true(done_count <= CHANGES_MAX);
	c->what = (unsigned)rand() % 3;
	c->uid = 1 + (uint32_t)rand() % (uid_next - 1);
	while (c->what != APPENDED && is_gone[c->uid])
		c->uid = c->uid % (uid_next - 1) + 1;
	if (c->what == APPENDED) {
		const struct mailbox_new_message m = {.body = {0, 0, uid_next}, .internal_date = uid_next};
		c->uid = uid_next++;
		file("From", &m, 1);
	} else if (c->what == FLAGGED) {
		mailbox_store_flags(store, who, FROM, &c->uid, 1, &flagged, on_stored, NULL);
		assert_int_equal(finish(), ERR_NONE);
	} else {
		is_gone[c->uid] = true;
		mailbox_expunge(store, who, FROM, &c->uid, 1, false, on_expunged, NULL);
		assert_int_equal(finish(), ERR_NONE);
	}
	c->modseq = (uint64_t)command("HGET mail:{a@b.test}:f:7 modseq");
	if (forgets) {
		command("DEL mail:{a@b.test}:f:7:gone");
		redis_callf(redis, on_reply, NULL, "HSET mail:{a@b.test}:f:7 since %llu",
			    (unsigned long long)c->modseq);
		assert_int_equal(finish(), ERR_NONE);
	}
}

/* Reads with `read`, and up to `changes` changes at each of its steps. */
static void
read_while_changing(bool is_changes, uint64_t since, unsigned changes)
{
	was_read.done = false;
	if (is_changes)
		mailbox_read_changes(actor.store, who, FROM, since, takes_recent, on_read_changes, NULL);
	else
		mailbox_read(actor.store, who, FROM, 1, UINT32_MAX, MAILBOX_HOT | MAILBOX_COLD, 0, on_read, NULL);
	while (!was_read.done) {
		for (unsigned i = (unsigned)rand() % 3; i != 0 && changes != 0; i--, changes--)
			change_something();
		actor_turn();
	}
	assert_int_equal(was_read.err.code, ERR_NONE);
}

/* The folder as it was at the modseq that was told. */
static void
check_state(uint64_t since)
{
	static struct {
		bool exists, flagged;
		uint64_t modseq;
	} expected[RECORDS + 1];
	uint32_t at = 0, next = FILED;

	memset(expected, 0, sizeof(expected));
	for (uint32_t uid = 1; uid < FILED; uid++)
		expected[uid].exists = true;
	for (unsigned i = 0; i < done_count && done[i].modseq <= was_read.modseq; i++) {
		const struct change *c = &done[i];
		expected[c->uid].exists = c->what != EXPUNGED;
		expected[c->uid].flagged |= c->what == FLAGGED;
		expected[c->uid].modseq = c->what == FLAGGED && expected[c->uid].flagged && expected[c->uid].modseq != 0
						  ? expected[c->uid].modseq
						  : c->modseq;
		next += c->what == APPENDED;
	}
	assert_int_equal(was_read.uid_next, next);
	for (uint32_t uid = 1; uid < next; uid++) {
		bool is_told = at < was_read.count && was_read.hot[at].uid == uid;
		if (!expected[uid].exists || (since != 0 && !is_told && expected[uid].modseq <= since)) {
			assert_false(is_told);
			continue;
		}
		assert_true(is_told);
		assert_int_equal((was_read.hot[at].flags & MAILBOX_FLAGGED) != 0, expected[uid].flagged);
		assert_int_equal(was_read.hot[at].size, uid);
		if (since == 0)
			assert_int_equal(was_read.cold[at].internal_date, uid);
		at++;
	}
	assert_int_equal(at, was_read.count);
}

static void
test_read_by_pages(void **state)
{
	(void)state;
	srand(11);
	fill();
	actor_begin(60000);
	for (unsigned round = 0; round < ROUNDS; round++) {
		/* Also without tombstones: then it is read anew until nothing comes between. */
		forgets = round % 4 == 3;
		read_while_changing(false, 0, round % 8 * 2);
		check_state(0);
	}
	forgets = false;
	actor_end();
}

static void
test_changes_by_pages(void **state)
{
	uint64_t since;

	(void)state;
	srand(12);
	fill();
	actor_begin(60000);
	since = (uint64_t)command("HGET mail:{a@b.test}:f:7 modseq");
	for (unsigned i = 0; i < 200; i++)
		change_something();
	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned gone = 0;
		read_while_changing(true, since, round % 8 * 2);
		assert_true(was_read.complete);
		check_state(since);
		for (unsigned i = 0; i < done_count; i++)
			gone += done[i].what == EXPUNGED && done[i].modseq <= was_read.modseq;
		assert_int_equal(was_read.gone_count, gone);
		for (uint32_t i = 0; i < gone; i++)
			assert_true(is_gone[was_read.gone[i]] && (i == 0 || was_read.gone[i - 1] < was_read.gone[i]));
	}
	actor_end();
}

/* Thousands of tombstones, of few and of many changes. */
static void
test_many_are_gone(void **state)
{
	static uint32_t odd[FILED];
	const uint32_t second = 2;
	uint64_t since;
	uint32_t count = 0;

	(void)state;
	srand(13);
	fill();
	actor_begin(60000);
	since = (uint64_t)command("HGET mail:{a@b.test}:f:7 modseq");
	for (uint32_t uid = 1; uid < FILED; uid += 2)
		odd[count++] = uid;
	/* One alone, so that a page does not end where a script of an expunge did. */
	mailbox_expunge(store, who, FROM, &second, 1, false, on_expunged, NULL);
	assert_int_equal(finish(), ERR_NONE);
	mailbox_expunge(store, who, FROM, odd, count, false, on_expunged, NULL);
	assert_int_equal(finish(), ERR_NONE);
	for (uint32_t i = 0; i < count; i++)
		is_gone[odd[i]] = true;
	is_gone[second] = true;
	for (unsigned round = 0; round < 4; round++) {
		uint32_t after = 0;
		read_while_changing(true, since, round * 10);
		assert_true(was_read.complete);
		for (unsigned i = 0; i < done_count; i++)
			after += done[i].what == EXPUNGED && done[i].modseq <= was_read.modseq;
		assert_int_equal(was_read.gone_count, 1 + count + after);
		for (uint32_t i = 1; i < was_read.gone_count; i++)
			assert_true(was_read.gone[i - 1] < was_read.gone[i]);
	}
	/* From a place in the midst of them. */
	was_read.done = false;
	mailbox_read_changes(actor.store, who, FROM, since + 5, false, on_read_changes, NULL);
	while (!was_read.done)
		actor_turn();
	assert_in_range(was_read.gone_count, count - 5 * 200, count + CHANGES_MAX - 1);
	actor_end();
}

/* Messages that were claimed as recent, before it turned out that the tombstones do not
 * reach back far enough and all must be read anew, still belong to this reader. */
static void
test_recent_is_kept_when_read_anew(void **state)
{
	uint32_t claimed = 1;

	(void)state;
	srand(14);
	fill();
	actor_begin(60000);
	forgets = true;
	takes_recent = true;
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned i = 0; i < 6; i++)
			change_something();
		read_while_changing(true, 1, 2 + round % 8);
		assert_int_equal(was_read.first_recent, claimed);
		claimed = was_read.uid_next;
	}
	forgets = takes_recent = false;
	actor_end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read_by_pages),
		cmocka_unit_test(test_changes_by_pages),
		cmocka_unit_test(test_many_are_gone),
		cmocka_unit_test(test_recent_is_kept_when_read_anew),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
