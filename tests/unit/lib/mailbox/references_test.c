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
#include "tests/unit/lib/mailbox/history_fixture.h"

enum { BREAKS = 14, MESSAGES = 4, JOBS = 24, STEPS = 100, BODY_BYTES = 700 };

static const uint32_t folders[] = {1, 6};
static const char *const folder_names[] = {"INBOX", "Archive"};

/* A message in the spool, and what the broker knows of it. */
struct message {
	struct body body;
	char id[21];
	bool in_spool, deleted;
	bool has_one_recipient;	  /* else both accounts */
	bool is_alias;		  /* of one: may lead elsewhere; its reference is never passed */
	unsigned leads_to;	  /* of one: the account */
	bool passed, uncertain;	  /* MESSAGE_PASSED, MESSAGE_UNCERTAIN */
	bool touched[ACCOUNTS];	  /* a reader may have expunged it there */
	bool delivered[ACCOUNTS]; /* the broker was told so */
	struct job *job;	  /* that it gave and knows of */
};

enum stage { JOB_NONE, JOB_EXPAND, JOB_REFER, JOB_FILE, JOB_CONCLUDE };

/* A try, in a worker's hands. */
struct job {
	enum stage stage;
	struct message *message;
	bool pass, recheck, disowned;
	int64_t given_ms;
	unsigned targets[ACCOUNTS], target_count, next;
	bool done[ACCOUNTS]; /* of each target */
	unsigned spare;	     /* references to be given back */
	bool passed, in_doubt;
	bool in_network; /* reported as in doubt; its request arrives when it arrives */
};

static struct message messages[MESSAGES];
static struct job jobs[JOBS];

/* ---- Answers ---- */

static void
on_filed(void *arg, const struct mailbox_filed *filed, const struct err *err)
{
	(void)arg;
	got.duplicate = filed != NULL && filed->duplicate;
	got.had_passed = filed != NULL && filed->had_passed;
	ended(err);
}

static void
on_copied(void *arg, const struct mailbox_copied *c, const struct err *err)
{
	(void)arg, (void)c;
	ended(err);
}

static void
on_folders(void *arg, const struct mailbox_folder *list, unsigned count, const struct str *missing,
	   unsigned missing_count, const struct err *err)
{
	(void)arg, (void)list, (void)count, (void)missing, (void)missing_count;
	ended(err);
}

static void
on_number(void *arg, const redisReply *reply, const struct err *err)
{
	(void)arg;
	got.count = (unsigned)redis_i64(reply, 0);
	ended(err);
}

static void
make_account(unsigned n)
{
	char text[100];

	snprintf(text, sizeof(text), "HSET user:{%s} address %s", accounts[n], accounts[n]);
	command(text);
}

static void
read_folder(unsigned account, unsigned folder)
{
	begin();
	mailbox_read(store, str_c(accounts[account]), folders[folder], 1, UINT32_MAX, MAILBOX_HOT | MAILBOX_COLD, 0,
		     on_records, NULL);
	finish_surely();
}

/* ---- The broker ---- */
/* Its entry is gone: the reference goes, unless it may be a mailbox's. */
static void
message_end(struct message *m)
{
	m->in_spool = false;
	if (!m->passed && !m->uncertain)
		blob_ref_drop(redis, blobs.store, &m->body.id, 1);
}

static void
broker_give(struct message *m)
{
	struct job *job = jobs;

	while (job < jobs + JOBS && job->stage != JOB_NONE)
		job++;
	if (job == jobs + JOBS || !m->in_spool || m->job != NULL)
		return;
	*job = (struct job){.stage = JOB_EXPAND,
			    .message = m,
			    .pass = m->has_one_recipient && !m->is_alias && !m->passed && !m->uncertain,
			    .recheck = m->uncertain,
			    .given_ms = clock_unix_ms()};
	m->job = job;
}

static void
broker_lose(struct message *m)
{
	if (m->job == NULL)
		return;
	m->job->disowned = pick(2) == 0; /* it may hear of it or not */
	m->job = NULL;
	m->uncertain = true;
	if (m->deleted)
		message_end(m);
}

static void
broker_delete(struct message *m)
{
	m->deleted = true;
	if (m->in_spool && m->job == NULL)
		message_end(m);
}

static void
broker_on_result(struct job *job, bool all_done)
{
	struct message *m = job->message;

	if (m->job != job)
		return; /* not known any more */
	m->job = NULL;
	m->passed |= job->passed;
	m->uncertain |= job->in_doubt;
	for (unsigned i = 0; all_done && i < job->target_count; i++)
		m->delivered[job->targets[i]] = true;
	if (all_done || m->deleted)
		message_end(m);
}

/* ---- The worker ---- */
static void
job_expand(struct job *job)
{
	const struct message *m = job->message;

	job->target_count = m->has_one_recipient ? 1 : ACCOUNTS;
	for (unsigned i = 0; i < job->target_count; i++)
		job->targets[i] = m->has_one_recipient ? m->leads_to : i;
	job->stage = JOB_REFER;
}

static void
job_refer(struct job *job)
{
	job->stage = JOB_FILE;
	if (job->disowned || job->pass) {
		if (job->disowned)
			job->stage = JOB_CONCLUDE;
		return;
	}
	begin();
	blob_ref_add(redis, &job->message->body.id, job->target_count, on_done, NULL);
	if (finish_or_break(BREAKS) != ERR_NONE)
		job->stage = JOB_CONCLUDE;
}

static void
job_note_filed(struct job *job, unsigned target)
{
	if (got.err.code == ERR_NONE) {
		job->done[target] = true;
		job->passed |= got.duplicate ? got.had_passed : job->pass;
		job->spare += got.duplicate && !job->pass;
	} else if (mailbox_is_certain(&got.err))
		job->spare += !job->pass;
	else
		job->in_doubt = true;
}

static void
job_file(struct job *job)
{
	unsigned target = job->next++;
	const struct message *m = job->message;
	struct mailbox_delivery d = {.spool_id = str_c(m->id),
				     .spooled_ms = clock_unix_ms(),
				     .begun_ms = job->given_ms,
				     .ledger_life_ms = INT64_C(12) * 86400000,
				     .passes_reference = job->pass,
				     .in_doubt = job->recheck};
	struct mailbox_new_message message = {.body = m->body.id, .internal_date = 1700000000};
	struct mailbox_filing filing = {
		.address = str_c(accounts[job->targets[target]]), .delivery = &d, .messages = &message, .count = 1};

	if (job->disowned && !job->in_network) {
		job->spare += !job->pass;
	} else if (!job->in_network && pick(8) == 0) {
		/* The request lies in the network: the worker gives up, and says so; what
		 * is left of the job is the request. */
		job->in_doubt = true;
		job->target_count = target + 1;
		job->next = target;
		broker_on_result(job, false);
		job->in_network = true;
	} else {
		begin();
		mailbox_file(store, &filing, on_filed, NULL);
		finish_or_break(BREAKS);
		if (!job->in_network)
			job_note_filed(job, target);
	}
	if (job->next == job->target_count)
		job->stage = job->in_network ? JOB_NONE : JOB_CONCLUDE;
}

static void
job_conclude(struct job *job)
{
	bool all_done = job->target_count != 0;

	for (unsigned i = 0; i < job->target_count; i++)
		all_done = all_done && job->done[i];
	for (; job->spare != 0; job->spare--)
		blob_ref_drop(redis, blobs.store, &job->message->body.id, 1);
	broker_on_result(job, all_done);
	job->stage = JOB_NONE;
}

static void
job_step(struct job *job)
{
	switch (job->stage) {
	case JOB_NONE: break;
	case JOB_EXPAND: job_expand(job); break;
	case JOB_REFER: job_refer(job); break;
	case JOB_FILE: job_file(job); break;
	case JOB_CONCLUDE: job_conclude(job); break;
	}
}

/* One of those that are under way; those that are lost are slow. */
static void
any_job_step(void)
{
	unsigned first = pick(JOBS);

	for (unsigned i = 0; i < JOBS; i++) {
		struct job *job = &jobs[(first + i) % JOBS];
		bool sleeps = job->stage != JOB_NONE && job->message->job != job && pick(4) != 0;
		if (job->stage == JOB_NONE || sleeps)
			continue;
		job_step(job);
		return;
	}
}

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
