/* References to bodies, by the rule in docs/architecture.md: many short, random
 * but seeded histories of messages, jobs, readers and sweeps, against a real
 * server, the real scripts and a real blob store.
 *
 * What is played here is what broker and worker do between those: jobs are lost
 * and go on as late ones, requests lie in the network, connections break in front
 * of answers, addresses lead elsewhere, accounts are deleted and made anew. At the
 * end of a history every message can be read, also while one copy after the other
 * is expunged; each came once into a mailbox; and a sweep leaves no body behind.
 *
 * STAGEPOST_HISTORIES=n plays n of them (40), STAGEPOST_SEED=s those from s on. */
#include "tests/unit/lib/mailbox/delivery_fixture.h"

/* ---- Readers ---- */
static struct message *
message_of(const struct blob_id *id)
{
	for (unsigned i = 0; i < MESSAGES; i++)
		if (messages[i].body.id.pack == id->pack && messages[i].body.id.offset == id->offset)
			return &messages[i];
	fail_msg("seed %llu: a record of no message", (unsigned long long)seed);
	return NULL;
}

/* A copy of more than one message takes several steps; one that broke in between is
 * given up for good by whoever lists the folders, and removed. */
static void
list_folders(unsigned account)
{
	begin();
	mailbox_list(store, str_c(accounts[account]), on_folders, NULL);
	finish_surely();
}

static void
reader_step(void)
{
	unsigned account = pick(ACCOUNTS), from = pick(2), count = 1 + pick(4);
	struct str address = str_c(accounts[account]), to = str_c(folder_names[pick(2)]);
	uint32_t uids[4], uid;

	read_folder(account, from);
	if (got.count == 0 || got.count > 20)
		return;
	uid = got.hot[pick(got.count)].uid;
	count = count < got.count ? count : got.count;
	for (unsigned i = 0; i < count; i++)
		uids[i] = got.hot[got.count - count + i].uid;
	if (pick(10) == 0)
		list_folders(account);
	begin();
	if (pick(5) == 0) {
		for (unsigned i = 0; i < MESSAGES; i++)
			messages[i].touched[account] = true;
		mailbox_expunge(store, address, folders[from], &uid, 1, false, on_expunged, NULL);
	} else
		mailbox_copy(store, address, folders[from], uids, count, to, pick(2) == 0, 0, on_copied, NULL);
	finish_or_break(BREAKS);
}

static void
account_made_anew(void)
{
	unsigned account = pick(ACCOUNTS);
	char text[100];

	snprintf(text, sizeof(text), "DEL user:{%s}", accounts[account]);
	command(text);
	begin();
	mailbox_destroy(store, str_c(accounts[account]), on_done, NULL);
	finish_surely();
	for (unsigned i = 0; i < MESSAGES; i++)
		messages[i].touched[account] = true;
	make_account(account);
}

/* ---- The sweep ---- */
struct view {
	bool referred[MESSAGES];
};

static void
on_cold(void *arg, struct str cold)
{
	struct view *v = arg;

	for (size_t at = 0; at < cold.len; at += MAILBOX_COLD_BYTES) {
		struct mailbox_cold record;
		mailbox_cold_unpack(cold.p + at, &record);
		v->referred[message_of(&record.body) - messages] = true;
	}
}

static void
on_all_read(void *arg, const struct err *err)
{
	(void)arg;
	ended(err);
}

static void
look(struct view *v)
{
	for (unsigned i = 0; i < MESSAGES; i++)
		v->referred[i] = messages[i].in_spool;
	for (unsigned i = 0; i < ACCOUNTS; i++) {
		begin();
		mailbox_read_bodies(store, str_c(accounts[i]), on_cold, on_all_read, v);
		assert_int_equal(finish_surely(), ERR_NONE);
	}
}

static struct view first_view, second_view;

static bool
is_to_stay(void *arg, const struct blob_id *id)
{
	size_t i = (size_t)(message_of(id) - messages);

	(void)arg;
	return first_view.referred[i] || second_view.referred[i];
}

static void step(void);

/* Twice, with so much time between that no try of before can file any more. */
static void
sweep(bool others_go_on)
{
	struct err err;

	look(&first_view);
	for (unsigned i = 0; others_go_on && i < 5; i++)
		step();
	for (unsigned i = 0; i < JOBS; i++)
		jobs[i].given_ms -= MAILBOX_TRY_LIFE_MS + 60000;
	look(&second_view);
	assert_int_equal(blob_sweep(blobs.store, clock_unix_ms() + 3600000, is_to_stay, NULL, &err), 0);
}

/* ---- A history ---- */
static void
step(void)
{
	struct message *m = &messages[pick(MESSAGES)];
	unsigned n = pick(100);

	if (n < 18)
		broker_give(m);
	else if (n < 55)
		any_job_step();
	else if (n < 64)
		broker_lose(m);
	else if (n < 68)
		broker_delete(m);
	else if (n < 72)
		m->leads_to = m->is_alias ? pick(ACCOUNTS) : m->leads_to;
	else if (n < 99)
		reader_step();
	else
		account_made_anew();
}

/* Bodies of earlier histories are gone by then: each leaves none behind. */
static void
begin_history(void)
{
	command("FLUSHALL");
	memset(jobs, 0, sizeof(jobs));
	random_state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	for (unsigned i = 0; i < ACCOUNTS; i++)
		make_account(i);
	for (unsigned i = 0; i < MESSAGES; i++) {
		messages[i] = (struct message){.body = {.seed = seed * MESSAGES + i, .len = BODY_BYTES},
					       .in_spool = true,
					       .has_one_recipient = pick(3) != 0,
					       .is_alias = pick(2) == 0,
					       .leads_to = pick(ACCOUNTS)};
		assert_true(body_put(&blobs, &messages[i].body));
		snprintf(messages[i].id, sizeof(messages[i].id), "%020llu", (unsigned long long)(seed * MESSAGES + i));
	}
}

/* All that is under way comes to its end, the late ones too. */
static void
end_history(void)
{
	bool any = true;

	while (any) {
		any = false;
		for (unsigned i = 0; i < MESSAGES; i++) {
			broker_give(&messages[i]);
			any |= messages[i].in_spool;
		}
		for (unsigned i = 0; i < JOBS; i++) {
			job_step(&jobs[i]);
			any |= jobs[i].stage != JOB_NONE;
		}
	}
}

static void
check_account(unsigned account)
{
	uint64_t email[MESSAGES] = {0};
	bool there[MESSAGES] = {false};
	struct err err;

	for (unsigned f = 0; f < 2; f++) {
		read_folder(account, f);
		for (unsigned i = 0; i < got.count; i++) {
			struct message *m = message_of(&got.cold[i].body);
			size_t n = (size_t)(m - messages);
			if (!body_is_intact(blobs.store, &m->body.id, m->body.seed, m->body.len, &err))
				fail_msg("seed %llu: message %zu of %s cannot be read: %s", (unsigned long long)seed, n,
					 accounts[account], err.text);
			/* Copies share the email id of what was filed. */
			if (there[n] && email[n] != got.hot[i].email_id)
				fail_msg("seed %llu: message %zu is filed twice for %s", (unsigned long long)seed, n,
					 accounts[account]);
			there[n] = true;
			email[n] = got.hot[i].email_id;
		}
	}
	for (unsigned i = 0; i < MESSAGES; i++)
		if (messages[i].delivered[account] && !messages[i].touched[account] && !there[i])
			fail_msg("seed %llu: message %u is lost for %s", (unsigned long long)seed, i,
				 accounts[account]);
}

/* What copies that broke have left is gone. */
static void
tidy(void)
{
	for (unsigned i = 0; i < ACCOUNTS; i++) {
		wait_connected();
		for (got.count = 1; got.count != 0;) {
			list_folders(i);
			begin();
			redis_callf(admin, on_number, NULL, "EXISTS mail:{%s}:copies mail:{%s}:doomed", accounts[i],
				    accounts[i]);
			finish_surely();
		}
	}
}

/* One after the other: what is left can still be read each time. */
static void
expunge_all(void)
{
	for (unsigned a = 0; a < ACCOUNTS; a++)
		for (unsigned f = 0; f < 2;) {
			uint32_t uid;
			read_folder(a, f);
			if (got.count == 0) {
				f++;
				continue;
			}
			uid = got.hot[pick(got.count)].uid;
			begin();
			mailbox_expunge(store, str_c(accounts[a]), folders[f], &uid, 1, false, on_expunged, NULL);
			assert_int_equal(finish_surely(), ERR_NONE);
			for (unsigned i = 0; i < MESSAGES; i++)
				messages[i].touched[a] = true;
			settle();
			for (unsigned i = 0; i < ACCOUNTS; i++)
				check_account(i);
		}
}

static void
play(void)
{
	unsigned live = 0;
	struct err err;

	begin_history();
	for (unsigned i = 0; i < STEPS; i++) {
		step();
		if (pick(40) == 0)
			sweep(true);
	}
	end_history();
	tidy();
	settle();
	for (unsigned i = 0; i < ACCOUNTS; i++)
		check_account(i);
	sweep(false);
	for (unsigned i = 0; i < ACCOUNTS; i++)
		check_account(i);
	expunge_all();
	sweep(false);
	assert_int_equal(blob_sweep(blobs.store, clock_unix_ms() + 3600000, is_live, &live, &err), 0);
	if (live != 0)
		fail_msg("seed %llu: %u bodies have no owner", (unsigned long long)seed, live);
}

static void
test_histories(void **state)
{
	(void)state;
	play_histories(40, play);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_histories)};

	return cmocka_run_group_tests(tests, setup, teardown);
}
