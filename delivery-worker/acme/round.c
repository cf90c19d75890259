/* A round: reads what is stored and wanted, then walks over the names, one order at a
 * time. It ends when nothing is due, when the CA or the store fails, or after a while,
 * because settings and domains change meanwhile. */
#include <string.h>

#include "delivery-worker/acme/round.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/service/metrics.h"

enum {
	ROUND_ROW_WORK = 2000,
	ROUND_KEPT_MS = 24 * 60 * 60 * 1000, /* an expired certificate that nobody renews */
};

static void round_walk(struct acme_round *r);

/* ---- Answers of the store ---- */

bool
acme_round_back(struct acme_round *r, const struct err *err)
{
	if (!op_back(&r->op))
		return false;
	if (err == NULL)
		return true;
	if (err->code == ERR_FENCED) {
		acme_lose(r->acme);
	} else {
		log_debug(NULL, "a round of certificates ended early", F_ERR(err));
		acme_on_round_end(r->acme, 1000);
	}
	return false;
}

void
acme_round_on_written(void *arg, const redisReply *reply, const struct err *err)
{
	(void)reply;
	acme_round_back(arg, err);
}

void
acme_round_save(struct acme_round *r, struct str name, const cJSON *state, redis_on_reply *cb)
{
	op_hold(&r->op);
	acme_write_name(r->acme->worker->redis, r->acme->fence, name, state, cb, r);
}

/* ---- The walk ---- */

/* At least a second, at most the usual time. */
static int64_t
round_until(int64_t unix_ms)
{
	int64_t ms = unix_ms - clock_unix_ms();

	return ms < 1000 ? 1000 : ms < ACME_ROUND_EVERY_MS ? ms : ACME_ROUND_EVERY_MS;
}

/* All names have been looked at, or the rest is left to the next round. */
void
acme_round_end(struct acme_round *r, int64_t next_ms)
{
	struct acme *a = r->acme;

	if (r->pass == PASS_COUNT) {
		a->wanted = r->names.count;
		a->certified = r->certified;
		a->failing = r->failing;
		a->left_out = r->names.left_out;
		metrics_set(M_ACME_FAILING, a->failing);
		metrics_set(M_ACME_LEFT_OUT, a->left_out);
		/* If all that is due waits because of the CA, nothing is known to be better. */
		if (r->is_open || r->kept_back == 0)
			acme_rest_over(r);
	}
	if (next_ms < 0 && r->soonest_ms != 0)
		next_ms = round_until(r->soonest_ms);
	acme_on_round_end(a, next_ms);
}

/* To the next row; NULL: all have been looked at in this pass. */
static void
round_step(struct acme_round *r)
{
	cJSON_Delete(r->state);
	cJSON_Delete(r->entry);
	r->state = r->entry = NULL;
	r->row = r->row->hh.next != NULL ? r->row->hh.next : r->rows;
	if (r->row == r->first)
		r->row = NULL;
}

void
acme_round_next(struct acme_round *r)
{
	round_step(r);
	round_walk(r);
}

/* ---- What is due ---- */

static bool
round_is_renewal_due(const struct acme_round *r)
{
	int64_t from = acme_number_of(r->entry, "from_ms"), ends = acme_number_of(r->entry, "ends_ms");
	int64_t before = acme_settings(r->acme)->renew_before;

	if (r->entry == NULL || strcmp(acme_text_of(r->entry, "directory"), r->directory) != 0)
		return true;
	/* Whatever its dates are, another one is not ordered at once. */
	if (clock_unix_ms() < acme_number_of(r->entry, "issued_ms") + acme_settings(r->acme)->retry_first)
		return false;
	if (before > (ends - from) / 3)
		before = (ends - from) / 3;
	return clock_unix_ms() >= ends - before;
}

/* Also a renewal that an operator has asked for, and that did not succeed yet. */
static bool
round_is_needed(const struct acme_round *r)
{
	const char *state = acme_text_of(r->state, "state");

	return strcmp(state, "ordering") == 0 || strcmp(state, "failed") == 0 || round_is_renewal_due(r);
}

static bool
round_is_due(const struct acme_round *r)
{
	return r->row->asked || (round_is_needed(r) && acme_number_of(r->state, "next_ms") <= clock_unix_ms());
}

static enum acme_pass
round_pass_of(const struct acme_round *r)
{
	if (r->entry != NULL || r->row->asked)
		return PASS_CERTIFIED;
	return r->wanted != NULL && r->wanted->is_own ? PASS_OWN : PASS_OTHERS;
}

/* False: there is nothing to do for the row. */
static bool
round_forget_unwanted(struct acme_round *r)
{
	struct acme *a = r->acme;

	if (r->entry != NULL && acme_number_of(r->entry, "ends_ms") > clock_unix_ms() - ROUND_KEPT_MS && !r->row->asked)
		return false;
	op_hold(&r->op);
	if (r->entry != NULL && !r->row->asked)
		acme_write_gone(a->worker->redis, a->fence, r->row->name, acme_name_on_saved, r);
	else /* the request for its renewal, or the state */
		acme_write_name(a->worker->redis, a->fence, r->row->name, NULL, acme_name_on_saved, r);
	return true;
}

/* False: the row is done with. True: the walk goes on when an answer comes. */
static bool
round_visit(struct acme_round *r)
{
	r->wanted = acme_names_find(&r->names, r->row->name);
	r->state = acme_parse(r->row->state_text);
	r->entry = acme_parse(r->row->entry_text);
	if (r->state == NULL)
		r->state = cJSON_CreateObject();
	if (round_pass_of(r) != r->pass)
		return false;
	if (r->wanted == NULL)
		return round_forget_unwanted(r);
	r->certified += r->entry != NULL;
	if (!round_is_due(r)) {
		if (round_is_needed(r))
			acme_name_note_wait(r, acme_number_of(r->state, "next_ms"));
		r->failing += strcmp(acme_text_of(r->state, "state"), "failed") == 0;
		r->kept_back += acme_number_of(r->state, "kept_back") != 0;
		return false;
	}
	str_copy(r->row->name, r->acme->last_name, sizeof(r->acme->last_name));
	if (r->wanted->is_own || !acme_settings(r->acme)->check_dns)
		acme_name_go_for(r);
	else
		acme_name_compare(r);
	return true;
}

static void
round_on_turn(struct op *op)
{
	round_walk(OP_OWNER(op, struct acme_round, op));
}

/* A request that finds the lease over ends the round, so a walk needs no such look. */
static void
round_walk(struct acme_round *r)
{
	for (;;) {
		if (clock_monotonic_ms() > r->until_ms) {
			acme_round_end(r, 0);
			return;
		}
		if (r->row == NULL && ++r->pass == PASS_COUNT) {
			acme_round_end(r, -1);
			return;
		}
		if (r->row == NULL) {
			r->row = r->first;
			continue;
		}
		if (slice_spend(&r->op.slice, ROUND_ROW_WORK)) {
			op_later(&r->op, r->acme->worker->base, round_on_turn);
			return;
		}
		if (round_visit(r))
			return;
		round_step(r);
	}
}

/* Behind the row at which the last round was: otherwise the first names that take long
 * would be all that rounds ever come to. */
static struct acme_row *
round_find_first(const struct acme_round *r)
{
	const char *last = r->acme->last_name;
	struct acme_row *row;

	HASH_FIND(hh, r->rows, last, strlen(last), row);
	return row != NULL && row->hh.next != NULL ? row->hh.next : r->rows;
}

void
acme_round_begin(struct acme_round *r)
{
	struct acme *a = r->acme;

	r->pass = PASS_CERTIFIED;
	r->row = r->first = round_find_first(r);
	if (!a->can_seal) {
		struct acme_trouble trouble;
		acme_trouble_set(&trouble, ACME_BLAME_CA,
				 "there is no key to seal secrets with: set STAGEPOST_SECRET_KEY");
		trouble.wrong_key = true;
		acme_rest(r, &trouble);
	} else {
		round_walk(r);
	}
}
