/* Copies that take several steps: at every step the actor is stopped, cut off or
 * overtaken. It must have copied everything or nothing, leave nothing behind,
 * and every body must have as many references as records that name it. */
#include "tests/unit/lib/mailbox/staging_fixture.h"

/* ---- The copy itself ---- */

static void
check_copied(void)
{
	static struct answer from;
	uint64_t modseq;

	assert_int_equal(actor.code, ERR_NONE);
	assert_int_equal(actor.count, MESSAGES);
	assert_int_equal(read_folder(FROM), ERR_NONE);
	from = got;
	assert_int_equal(status(TO), ERR_NONE);
	assert_int_equal(actor.uid_validity, got.folder.uid_validity);
	assert_int_equal(got.folder.uid_next, actor.to[MESSAGES - 1] + 1);
	assert_int_equal(got.folder.recent, 1 + MESSAGES);
	assert_int_equal(got.folder.unseen, 1 + MESSAGES / 2);
	assert_int_equal(got.folder.deleted, MESSAGES / 2);
	assert_int_equal(got.folder.deleted_bytes, MESSAGES / 2 * SIZE);
	modseq = got.folder.highest_modseq;
	assert_int_equal(read_folder(TO), ERR_NONE);
	for (uint32_t i = 0; i < MESSAGES; i++) {
		const struct mailbox_hot *old = &from.hot[i], *copy = &got.hot[1 + i];
		assert_int_equal(actor.from[i], old->uid);
		assert_int_equal(actor.to[i], actor.to[0] + i);
		assert_int_equal(copy->uid, actor.to[i]);
		assert_int_equal(copy->modseq, modseq);
		assert_true(copy->flags == old->flags && copy->size == old->size && copy->email_id == old->email_id);
		assert_string_equal(keyword_of(copy->keywords), i % 3 == 0 ? "$Label1" : "");
		assert_memory_equal(&got.cold[1 + i].body, &from.cold[i].body, sizeof(struct blob_id));
		assert_int_equal(got.cold[1 + i].internal_date, from.cold[i].internal_date);
		assert_int_equal(got.cold[1 + i].zone_minutes, from.cold[i].zone_minutes);
		assert_true(got.cold[1 + i].save_date >= from.cold[i].save_date);
	}
}

/* At no moment does anybody see a part of it. */
static void
test_all_at_once(void **state)
{
	unsigned seen = 0;
	uint64_t before;

	(void)state;
	scene_begin(60000);
	assert_int_equal(status(TO), ERR_NONE);
	before = got.folder.highest_modseq;
	while (!actor.done) {
		if (check_all_or_nothing(1))
			seen++;
		else
			assert_int_equal(got.modseq, before);
		list_folders(); /* dooms nothing: the lease is held */
		assert_int_equal(folder_count, TO);
		actor_turn();
	}
	assert_true(seen <= 2);
	actor_finish();
	check_copied();
	check_references(false);
	check_nothing_left();
	assert_int_equal(command("HGET mail:{a@b.test}:meta messages"), 1 + 2 * MESSAGES);
	assert_int_equal(command("HGET mail:{a@b.test}:meta bytes"), (1 + 2 * MESSAGES) * SIZE);
	mailbox_read_changes(store, who, TO, before, false, on_changes, NULL);
	assert_int_equal(finish(), ERR_NONE);
	assert_int_equal(got.count, MESSAGES);
	actor_end();
}

/* The connection breaks at any step: with the request, or with the answer. */
static void
test_lost_answers(void **state)
{
	unsigned lost = 0;

	(void)state;
	for (unsigned step = 0; step < STEPS_MAX; step++) {
		bool all, interrupted;
		scene_begin(1);
		turns(step);
		interrupted = !actor.done;
		redis_callf(redis, on_reply, NULL, "CLIENT KILL TYPE normal SKIPME yes");
		assert_int_equal(finish(), ERR_NONE);
		actor_finish();
		lease_ends();
		list_folders();
		all = check_all_or_nothing(1);
		assert_true(all || actor.code != ERR_NONE);
		check_references(true);
		check_nothing_left();
		actor_end();
		lost += actor.code != ERR_NONE;
		if (!interrupted)
			break;
	}
	assert_true(lost > 5);
}

/* It dies at any step, or so it seems: others tidy up. Then it wakes. */
static void
test_late_actor(void **state)
{
	unsigned late = 0;

	(void)state;
	for (unsigned step = 0; step < STEPS_MAX; step++) {
		bool all, interrupted;
		scene_begin(1);
		turns(step);
		interrupted = !actor.done;
		lease_ends();
		list_folders();
		all = check_all_or_nothing(1);
		check_nothing_left();
		check_references(true); /* those that it has in hand */
		actor_finish();
		lease_ends();
		list_folders();
		/* One that slept before its first step has missed nothing. */
		assert_true(actor.code == ERR_FENCED || actor.code == ERR_NONE);
		assert_true(!all || actor.code == ERR_NONE);
		assert_int_equal(check_all_or_nothing(1), actor.code == ERR_NONE);
		check_nothing_left();
		check_references(false);
		actor_end();
		late += actor.code == ERR_FENCED;
		if (!interrupted)
			break;
	}
	assert_true(late > 5);
}

static void
on_bodies(void *arg, struct str cold)
{
	*(size_t *)arg += cold.len / MAILBOX_COLD_BYTES;
}

/* A sweep sees what a copy refers to that is being made; of one that was given up
 * it leaves nothing. */
static void
test_sweep(void **state)
{
	size_t seen = 0;

	(void)state;
	scene_begin(60000);
	while (command("HGET mail:{a@b.test}:f:9 count") < 2 * AT_ONCE)
		actor_turn();
	mailbox_read_bodies(store, who, on_bodies, on_done, &seen);
	assert_int_equal(finish(), ERR_NONE);
	assert_in_range(seen, 1 + MESSAGES + 2 * AT_ONCE, 1 + 2 * MESSAGES);
	actor_finish();
	assert_int_equal(actor.code, ERR_NONE);
	actor_end();

	scene_begin(1);
	while (command("HGET mail:{a@b.test}:f:9 count") < 2 * AT_ONCE)
		actor_turn();
	lease_ends();
	mailbox_read_bodies(store, who, on_bodies, on_done, &seen);
	assert_int_equal(finish(), ERR_NONE);
	check_nothing_left();
	actor_finish();
	assert_int_equal(actor.code, ERR_FENCED);
	check_references(false);
	actor_end();
}

/* ---- What others do meanwhile ---- */

static void
others_append(void)
{
	file_one("To");
}

static void
check_after_append(void)
{
	assert_int_equal(actor.code, ERR_NONE);
	assert_int_equal(read_folder(TO), ERR_NONE);
	assert_int_equal(got.count, 2 + MESSAGES);
	for (uint32_t i = 1; i < got.count; i++)
		assert_true(got.hot[i - 1].uid < got.hot[i].uid);
	for (uint32_t i = 0; i < MESSAGES; i++)
		assert_int_equal(actor.to[i], actor.to[0] + i);
}

static void
others_expunge(void)
{
	const uint32_t fourth = 4;

	mailbox_expunge(store, who, FROM, &fourth, 1, false, on_expunged, NULL);
	assert_int_equal(finish(), ERR_NONE);
}

/* The message that went is copied, or not; the others are. */
static void
check_after_expunge(void)
{
	assert_int_equal(actor.code, ERR_NONE);
	assert_in_range(actor.count, MESSAGES - 1, MESSAGES);
	assert_int_equal(status(TO), ERR_NONE);
	assert_int_equal(got.folder.messages, 1 + actor.count);
	for (uint32_t i = 0; i < actor.count; i++) {
		assert_int_equal(actor.to[i], actor.to[0] + i);
		assert_int_equal(actor.from[i], i + 1 + (actor.count < MESSAGES && i >= 3));
	}
	/* No record of its body may be left when its last reference went. */
	assert_int_equal(read_folder(TO), ERR_NONE);
}

static void
others_delete_target(void)
{
	assert_int_equal(delete_folder("To"), ERR_NONE);
}

static void
check_after_delete_target(void)
{
	assert_true(actor.code == ERR_NOT_FOUND || actor.code == ERR_NONE);
	assert_int_equal(command("HGET mail:{a@b.test}:meta messages"), MESSAGES);
	assert_int_equal(command("HGET mail:{a@b.test}:meta bytes"), MESSAGES * SIZE);
}

static void
others_delete_source(void)
{
	assert_int_equal(delete_folder("From"), ERR_NONE);
}

static void
check_after_delete_source(void)
{
	bool all = check_all_or_nothing(1);

	assert_true(actor.code == ERR_NOT_FOUND || actor.code == ERR_NONE);
	assert_int_equal(all, actor.code == ERR_NONE);
	assert_int_equal(command("HGET mail:{a@b.test}:meta messages"), all ? 1 + MESSAGES : 1);
	assert_int_equal(command("HGET mail:{a@b.test}:meta bytes"), (all ? 1 + MESSAGES : 1) * SIZE);
}

static void
others_destroy(void)
{
	mailbox_destroy(store, who, on_done, NULL);
	assert_int_equal(finish(), ERR_NONE);
}

static void
check_after_destroy(void)
{
	assert_int_equal(keys_like("mail:*"), 0);
}

static void
others_make_account_anew(void)
{
	others_destroy();
	create("From");
	create("To");
	create("Other");
	file_one("To");
}

static void
check_after_account_anew(void)
{
	assert_int_equal(status(TO), ERR_NONE);
	assert_int_equal(got.folder.messages, 1);
	assert_int_equal(status(COPY), ERR_NONE);
	assert_int_equal(got.folder.messages, 0);
}

static const struct meanwhile {
	const char *name;
	void (*happens)(void);
	void (*check)(void);
	bool bodies_go, folders_come;
} meanwhiles[] = {
	{"append", others_append, check_after_append, false, false},
	{"expunge", others_expunge, check_after_expunge, true, false},
	{"delete of the target", others_delete_target, check_after_delete_target, false, false},
	{"delete of the source", others_delete_source, check_after_delete_source, true, false},
	{"destruction", others_destroy, check_after_destroy, true, false},
	{"account made anew", others_make_account_anew, check_after_account_anew, true, true},
};

/* Every body that a record names can be read. */
static void
check_bodies(uint32_t folder)
{
	struct err err;

	if (read_folder(folder) != ERR_NONE)
		return;
	for (uint32_t i = 0; i < got.count; i++)
		for (unsigned b = 0; b < MESSAGES; b++)
			if (got.cold[i].body.pack == bodies[b].id.pack &&
			    got.cold[i].body.offset == bodies[b].id.offset)
				assert_true(
					body_is_intact(blobs.store, &bodies[b].id, bodies[b].seed, BODY_BYTES, &err));
}

static void
meanwhile(const struct meanwhile *m)
{
	for (unsigned step = 0; step < STEPS_MAX; step++) {
		bool interrupted;
		if (m->bodies_go)
			renew_bodies();
		scene_begin(60000);
		turns(step);
		interrupted = !actor.done;
		if (interrupted) {
			m->happens();
			actor_finish();
			command("PING");
			m->check();
			list_folders();
			if (!m->folders_come)
				check_nothing_left();
			for (uint32_t folder = FROM; folder <= COPY; folder++)
				check_bodies(folder);
			if (!m->bodies_go)
				check_references(false);
		} else {
			actor_finish();
		}
		actor_end();
		if (!interrupted)
			break;
	}
}

static void
test_meanwhile(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(meanwhiles) / sizeof(meanwhiles[0]); i++) {
		print_message("%s\n", meanwhiles[i].name);
		meanwhile(&meanwhiles[i]);
	}
	renew_bodies();
}

/* ---- Quota ---- */

static void
test_quota(void **state)
{
	const uint64_t there = (1 + MESSAGES) * SIZE, copied = MESSAGES * SIZE;
	bool interrupted = true;

	(void)state;
	/* Over it half-way, at the last message, not at all. */
	for (unsigned room = 3; room <= MESSAGES; room++) {
		bool fits = room == MESSAGES;
		scene_make(60000);
		actor_copy(FROM, uids, MESSAGES, "To", there + room * SIZE);
		actor_finish();
		assert_int_equal(actor.code, fits ? ERR_NONE : ERR_OVER_QUOTA);
		assert_int_equal(command("HGET mail:{a@b.test}:meta bytes"), there + (fits ? copied : 0));
		assert_int_equal(command("HGET mail:{a@b.test}:meta messages"), 1 + MESSAGES + (fits ? MESSAGES : 0));
		assert_int_equal(command("EXISTS mail:{a@b.test}:copies"), 0);
		list_folders();
		check_references(false);
		actor_end();
	}
	/* Another takes the room while it is made: one of both gets it. */
	for (unsigned step = 0; step < STEPS_MAX && interrupted; step++) {
		bool filed;
		scene_make(60000);
		actor_copy(FROM, uids, MESSAGES, "To", there + copied);
		turns(step);
		interrupted = !actor.done;
		filed = try_to_file("INBOX", there + copied) == ERR_NONE;
		actor_finish();
		assert_int_equal(actor.code, filed ? ERR_OVER_QUOTA : ERR_NONE);
		assert_int_equal(command("HGET mail:{a@b.test}:meta bytes"), there + (filed ? SIZE : copied));
		list_folders();
		check_references(false);
		actor_end();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_at_once),
		cmocka_unit_test(test_lost_answers),
		cmocka_unit_test(test_late_actor),
		cmocka_unit_test(test_sweep),
		cmocka_unit_test(test_meanwhile),
		cmocka_unit_test(test_quota),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
