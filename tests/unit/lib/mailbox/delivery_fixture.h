/* What the broker and the worker do with a message, played step by step (references_test.c).
 * Header only. */
#ifndef SP_TESTS_UNIT_DELIVERY_FIXTURE_H
#define SP_TESTS_UNIT_DELIVERY_FIXTURE_H

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

#endif
