/* What a round leaves behind: the status of its account, and when the next one is due. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "delivery-worker/retrieve/private.h"
#include "lib/base/clock.h"
#include "lib/base/crashpoint.h"
#include "lib/service/metrics.h"

enum {
	ENDING_FIELDS = 12,
	ENDING_BREAK_MS = 3 * 1000,  /* who waits for a slot comes back earlier */
	ENDING_FIRST_MS = 10 * 1000, /* the least back-off of a move */
	ENDING_LONGEST_MS = 4 * 3600 * 1000,
	ENDING_REFUSED_MS = 3600 * 1000, /* after so many refused logins, at least */
	ENDING_REFUSALS = 5,
	ENDING_TRIAL_MS = 10 * 60 * 1000, /* a trial that nobody asked for is looked at again, and removed */
	ENDING_DAY_MS = 24 * 3600 * 1000 + 60 * 1000, /* a move that left messages behind */
	ENDING_TEXT = 400,
};

/* The fields to write. */
struct ending {
	struct str fields[2 * ENDING_FIELDS];
	unsigned count;
};

static void
ending_add(struct ending *e, const char *name, struct str value)
{
	e->fields[e->count++] = str_c(name);
	e->fields[e->count++] = value;
}

static void
ending_add_number(struct round *r, struct ending *e, const char *name, int64_t n)
{
	ending_add(e, name, str_c(arena_printf(&r->op.arena, "%" PRId64, n)));
}

/* ---- When ---- */
static int64_t
ending_interval(const struct round *r)
{
	if (r->account.interval_ms > 0)
		return r->account.interval_ms;
	return r->account.protocol == RETRIEVE_POP3 ? settings_pop(round_settings(r), STR_NONE)->retrieval_interval
						    : settings_imap(round_settings(r), STR_NONE)->retrieval_interval;
}

/* Up to a fifth less or more, so that what failed together does not come back together. */
static int64_t
ending_jitter(int64_t ms)
{
	return ms - ms / 5 + (int64_t)arc4random_uniform((uint32_t)(ms / 5 * 2 + 1));
}

static int64_t
ending_back_off(const struct round *r)
{
	int64_t wait = r->account.once ? ENDING_FIRST_MS : ending_interval(r);

	/* The remote answers but for one message: a few tries more will show whether it is that one. */
	for (int64_t i = 1; i < r->status.failures && !r->blames && wait < ENDING_LONGEST_MS; i++)
		wait *= 2;
	if (r->refusals >= ENDING_REFUSALS && wait < ENDING_REFUSED_MS)
		wait = ENDING_REFUSED_MS;
	return ending_jitter(wait < ENDING_LONGEST_MS ? wait : ENDING_LONGEST_MS);
}

/* From now; RETRIEVE_NEVER_MS: not at all. */
static int64_t
ending_next_ms(struct round *r)
{
	if (r->account.trial)
		return ENDING_TRIAL_MS;
	if (r->bad_grant)
		return RETRIEVE_NEVER_MS;
	if (r->own_trouble)
		return gate_on_trouble(r->retriever);
	if (r->trouble[0] != '\0' && !r->puts_aside)
		return ending_back_off(r);
	if (r->pace.yields)
		return ENDING_BREAK_MS;
	if (r->has_more || r->puts_aside)
		return 0;
	if (r->account.once && r->unread == 0)
		return stuck_count(&r->stuck) > 0 ? ENDING_DAY_MS : RETRIEVE_NEVER_MS;
	return r->account.once ? ENDING_FIRST_MS : ending_interval(r);
}

/* ---- The status ---- */
/* What went well, but not for every message. */
static const char *
ending_note(struct round *r)
{
	struct arena *arena = &r->op.arena;

	if (r->loops > 0)
		return arena_printf(arena,
				    "%" PRIu64 " messages seem to loop (too many Received lines) and are not taken",
				    r->loops);
	if (r->too_large > 0)
		return arena_printf(arena,
				    "%" PRIu64 " messages are larger than max_message_size and stay where they are",
				    r->too_large);
	if (stuck_count(&r->stuck) > 0)
		return arena_printf(arena,
				    "the remote does not give %u of the messages; tried once a day: "
				    "%s",
				    stuck_count(&r->stuck), r->stuck.words);
	return arena_strdup(arena, r->note);
}

static void
ending_add_good(struct round *r, struct ending *e)
{
	ending_add_number(r, e, "last_ok", clock_unix_ms());
	ending_add_number(r, e, "failures", 0);
	ending_add_number(r, e, "refused", 0);
	ending_add(e, "last_error", str_c(ending_note(r)));
	if (r->account.trial) {
		ending_add_number(r, e, "total_messages", (int64_t)r->count_messages);
		ending_add_number(r, e, "total_bytes", (int64_t)r->count_bytes);
	}
}

static const char *
ending_state(const struct round *r)
{
	if (r->trouble[0] != '\0')
		return "waiting";
	return r->account.once && !r->account.trial && !r->has_more && r->unread == 0 ? "done" : "idle";
}

static void
ending_add_trouble(struct round *r, struct ending *e)
{
	r->refusals = r->login_refused ? r->refusals + 1 : 0;
	ending_add_number(r, e, "refused", (int64_t)r->refusals);
	ending_add(e, "last_error", str_c(r->trouble));
	if (r->own_trouble)
		return;
	/* A message's failures are counted with it. Without the one that was put aside, the next round may go well.
	 * A slow remote that brought something comes back after one interval. */
	if (r->puts_aside)
		r->status.failures = 0;
	else if (!r->blames)
		r->status.failures = r->pace.is_slow && r->taken > 0 ? 1 : r->status.failures + 1;
	ending_add_number(r, e, "failures", r->status.failures);
}

static void
ending_log(const struct round *r)
{
	if (r->trouble[0] != '\0')
		log_warning(&r->log, "retrieval failed", F_C("host", r->account.host), F_C("error", r->trouble),
			    F_I64("messages", r->taken));
	else if (r->taken > 0 || r->note[0] != '\0')
		log_info(&r->log, "mail retrieved", F_C("host", r->account.host), F_I64("messages", r->taken),
			 F_I64("bytes", r->taken_bytes), F_C("note", r->note));
}

static void
ending_fill(struct round *r, struct ending *e)
{
	ending_log(r);
	metrics_add(r->trouble[0] != '\0' ? M_RETRIEVALS_FAILED : M_RETRIEVALS, 1);
	ending_add_number(r, e, "last_try", clock_unix_ms());
	if (r->trouble[0] != '\0') {
		ending_add_trouble(r, e);
	} else {
		gate_on_good(r->retriever, r->taken > 0);
		ending_add_good(r, e);
	}
	ending_add(e, "state", str_c(ending_state(r)));
	if (!r->stuck.is_changed)
		return;
	ending_add(e, "stuck_rows", stuck_write(&r->stuck, &r->op.arena));
	ending_add_number(r, e, "stuck", stuck_count(&r->stuck));
	r->stuck.is_changed = false;
}

static void
ending_on_written(void *arg, const redisReply *reply, const struct err *err)
{
	struct round *r = arg;
	struct retriever *v = r->retriever;

	(void)reply;
	if (!round_back(r, err))
		return;
	CRASHPOINT("retrieve-ended");
	if (r->next_in_ms == RETRIEVE_NEVER_MS)
		claim_put_at(v->worker->redis, str_c(r->member), str_c(r->mark), str_c("8000000000000000"));
	else
		claim_put_off(v->worker->redis, str_c(r->member), str_c(r->mark), r->next_in_ms, NULL, NULL);
	retriever_on_round_end(r);
}

void
ending_start(struct round *r)
{
	struct ending e = {.count = 0};
	int64_t total;

	if (r->is_full && r->trouble[0] == '\0')
		str_copy(STR("the mailbox here is full: nothing more is retrieved until there is room"), r->trouble,
			 sizeof(r->trouble));
	total = r->trouble[0] == '\0' && !r->has_more && !r->account.trial;

	ending_fill(r, &e);
	if (total)
		ledger_total(&r->ledger, 0, 0);
	r->next_in_ms = ending_next_ms(r);
	ending_add_number(r, &e, "next_ms",
			  r->next_in_ms == RETRIEVE_NEVER_MS ? RETRIEVE_NEVER_MS : clock_unix_ms() + r->next_in_ms);
	op_hold(&r->op);
	ledger_status(&r->ledger, true, e.fields, e.count, ending_on_written, r);
}

void
ending_rest(struct round *r)
{
	struct ending e = {.count = 0};

	ending_fill(r, &e);
	ending_add_number(r, &e, "next_ms", clock_unix_ms() + ending_interval(r));
	ledger_total(&r->ledger, 0, 0);
	ledger_status(&r->ledger, false, e.fields, e.count, NULL, NULL);
	if (r->has_host)
		claim_host_free(r->retriever->worker->redis, r->account.host, str_c(r->who));
	r->has_host = false;
	retriever_give_slot(r->retriever, r->account.protocol);
	r->has_protocol = false;
}

void
ending_give_back(struct round *r, int64_t after_ms)
{
	struct ending e = {.count = 0};

	ending_add(&e, "state",
		   r->status.state.len > 0 && !str_eq(r->status.state, STR("running")) ? r->status.state : STR("idle"));
	r->next_in_ms = after_ms >= RETRIEVE_NEVER_MS / 2 ? RETRIEVE_NEVER_MS : after_ms;
	op_hold(&r->op);
	ledger_status(&r->ledger, true, e.fields, e.count, ending_on_written, r);
}
