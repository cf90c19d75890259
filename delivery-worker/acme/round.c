/* A round: reads what is stored and wanted, then walks over the names, one order at a
 * time. It ends when nothing is due, when the CA or the store fails, or after a while,
 * because settings and domains change meanwhile. */
#include <string.h>

#include "delivery-worker/acme/private.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/service/metrics.h"

enum {
	ROUND_ROW_WORK = 2000,
	ROUND_LIMITS = 3, /* names refused by the CA's limits before all names rest */
	ROUND_REST_FIRST_MS = 60 * 1000,
	ROUND_REST_LONGEST_MS = 60 * 60 * 1000,
	ROUND_ELSEWHERE_MS = 60 * 60 * 1000,
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

/* ---- What concerns all names ---- */

static void
round_clear_trouble(struct acme_round *r)
{
	struct acme *a = r->acme;

	a->ca_failures = 0;
	if (a->problem[0] == '\0' && a->rest_until_ms == 0)
		return;
	log_info(NULL, "certificates can be ordered again");
	a->problem[0] = '\0';
	a->rest_until_ms = 0;
	metrics_set(M_ACME_RESTING, 0);
	op_hold(&r->op);
	acme_write_trouble(a->worker->redis, a->fence, "", 0, acme_round_on_written, r);
}

/* At least a second, at most the usual time. */
static int64_t
round_until(int64_t unix_ms)
{
	int64_t ms = unix_ms - clock_unix_ms();

	return ms < 1000 ? 1000 : ms < ACME_ROUND_EVERY_MS ? ms : ACME_ROUND_EVERY_MS;
}

/* All names have been looked at, or the rest is left to the next round. */
static void
round_end(struct acme_round *r, int64_t next_ms)
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
			round_clear_trouble(r);
	}
	if (next_ms < 0 && r->soonest_ms != 0)
		next_ms = round_until(r->soonest_ms);
	acme_on_round_end(a, next_ms);
}

static void
round_on_trouble_noted(void *arg, const redisReply *reply, const struct err *err)
{
	struct acme_round *r = arg;

	(void)reply;
	if (!acme_round_back(r, err))
		return;
	if (r->has_wrong_key)
		acme_step_back(r->acme);
	else
		round_end(r, 1000);
}

/* first_ms, doubled with each failure. */
static int64_t
round_doubled(int64_t first_ms, int64_t failures, int64_t longest_ms)
{
	int64_t ms = first_ms;

	for (int64_t i = 0; i < failures && ms < longest_ms; i++)
		ms *= 2;
	return ms < longest_ms ? ms : longest_ms;
}

/* The first wait for what may be the CA's fault. */
static int64_t
round_rest_first(const struct acme_round *r)
{
	int64_t first = acme_settings(r->acme)->retry_first;

	return first < ROUND_REST_FIRST_MS ? first : ROUND_REST_FIRST_MS;
}

/* The round ends, and the CA is left alone for ms (at most an hour: whatever it says, it
 * may be well again, and names may have come that it does not speak of). */
static void
round_note_trouble(struct acme_round *r, const struct acme_trouble *trouble, int64_t ms)
{
	struct acme *a = r->acme;

	if (strcmp(a->problem, trouble->text) != 0)
		log_error(NULL, "certificates cannot be ordered", F_C("error", trouble->text));
	str_copy(str_c(trouble->text), a->problem, sizeof(a->problem));
	a->rest_until_ms = ms != 0 ? clock_unix_ms() + ms : 0;
	metrics_set(M_ACME_RESTING, 1);
	metrics_add(M_ACME_CA_FAILURES, 1);
	op_hold(&r->op);
	acme_write_trouble(a->worker->redis, a->fence, a->problem, a->rest_until_ms, round_on_trouble_noted, r);
}

/* How long the CA is to be left alone now. */
static int64_t
round_rest_ms(const struct acme_round *r, const struct acme_trouble *trouble)
{
	int64_t ms = round_doubled(round_rest_first(r), r->acme->ca_failures, ROUND_REST_LONGEST_MS);

	ms = ms < trouble->retry_after_ms ? trouble->retry_after_ms : ms;
	return ms < ROUND_REST_LONGEST_MS ? ms : ROUND_REST_LONGEST_MS;
}

static void
round_rest(struct acme_round *r, const struct acme_trouble *trouble)
{
	int64_t ms = round_rest_ms(r, trouble);

	/* Another process may have the key: it shall not wait. */
	if (trouble->wrong_key) {
		r->has_wrong_key = true;
		ms = 0;
	}
	r->acme->ca_failures++;
	round_note_trouble(r, trouble, ms);
}

/* ---- One name ---- */

/* The name in hand waits until next_ms (unix). */
static void
round_note_wait(struct acme_round *r, int64_t next_ms)
{
	if (r->soonest_ms == 0 || next_ms < r->soonest_ms)
		r->soonest_ms = next_ms;
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

static void
round_next(struct acme_round *r)
{
	round_step(r);
	round_walk(r);
}

static void
round_on_state_saved(void *arg, const redisReply *reply, const struct err *err)
{
	struct acme_round *r = arg;

	(void)reply;
	if (acme_round_back(r, err))
		round_next(r);
}

static void
round_save_row(struct acme_round *r)
{
	acme_round_save(r, r->row->name, r->state, round_on_state_saved);
}

/* The name in hand has failed, and waits for ms, or as long as the CA asks. Not written yet. */
static void
round_set_failed(struct acme_round *r, const struct acme_trouble *trouble, int64_t ms)
{
	int64_t next_ms = clock_unix_ms() + (ms < trouble->retry_after_ms ? trouble->retry_after_ms : ms);

	acme_set_text(r->state, "state", "failed");
	acme_set_text(r->state, "problem", trouble->text);
	acme_set_number(r->state, "tries", acme_number_of(r->state, "tries") + 1);
	acme_set_number(r->state, "next_ms", next_ms);
	cJSON_DeleteItemFromObjectCaseSensitive(r->state, "kept_back");
	round_note_wait(r, next_ms);
	log_warning(NULL, "no certificate", F_STR("name", r->row->name), F_C("error", trouble->text),
		    F_I64("wait_ms", next_ms - clock_unix_ms()));
	metrics_add(M_ACME_FAILED, 1);
	r->failing++;
}

/* The wait doubles with each failure, unless the CA asks for a longer one. */
static int64_t
round_wait_ms(const struct acme_round *r, const char *counter)
{
	const struct settings_acme *s = acme_settings(r->acme);

	return round_doubled(s->retry_first, acme_number_of(r->state, counter), s->retry_longest);
}

static void
round_put_off(struct acme_round *r, const struct acme_trouble *trouble)
{
	round_set_failed(r, trouble, round_wait_ms(r, "tries"));
	round_save_row(r);
}

/* The CA fails, perhaps at this name only. All rest; after that the name waits for longer,
 * so that the others have their turn before it. */
static void
round_rest_after_name(struct acme_round *r, const struct acme_trouble *trouble)
{
	int64_t tries = acme_number_of(r->state, "tries");

	round_set_failed(r, trouble,
			 round_rest_ms(r, trouble) + round_doubled(round_rest_first(r), tries, ROUND_REST_LONGEST_MS));
	acme_set_number(r->state, "kept_back", 1);
	acme_round_save(r, r->row->name, r->state, acme_round_on_written);
	round_rest(r, trouble);
}

/* Not decided yet is no failure the first time. Afterwards the name waits like one that
 * failed, because each look at it takes a whole round; it keeps its order. */
static void
round_on_undecided(struct acme_round *r, const struct acme_trouble *trouble)
{
	int64_t wait_ms = trouble->retry_after_ms, next_ms;

	/* Counted apart from failures: the order may well be good. */
	if (acme_number_of(r->state, "looks") != 0 && wait_ms < round_wait_ms(r, "looks"))
		wait_ms = round_wait_ms(r, "looks");
	next_ms = clock_unix_ms() + wait_ms;
	acme_set_number(r->state, "looks", acme_number_of(r->state, "looks") + 1);
	acme_set_number(r->state, "next_ms", next_ms);
	round_note_wait(r, next_ms);
	round_save_row(r);
}

/* Several names one after the other: it is not the names. */
static void
round_on_limit(struct acme_round *r, const struct acme_trouble *trouble)
{
	if (++r->limits < ROUND_LIMITS) {
		round_put_off(r, trouble);
		return;
	}
	round_set_failed(r, trouble, round_wait_ms(r, "tries"));
	acme_round_save(r, r->row->name, r->state, acme_round_on_written);
	r->acme->ca_failures++;
	round_note_trouble(r, trouble, ROUND_REST_LONGEST_MS);
}

static void
round_on_ordered(struct acme_round *r, const struct acme_trouble *trouble)
{
	if (trouble == NULL) {
		log_info(NULL, "certificate stored", F_STR("name", r->row->name));
		metrics_add(M_ACME_DONE, 1);
		r->limits = 0;
		r->certified += r->entry == NULL;
		round_clear_trouble(r);
		round_next(r);
	} else if (strcmp(trouble->type, "accountDoesNotExist") == 0) {
		acme_account_forget(r);
		round_rest(r, trouble);
	} else if (trouble->blame == ACME_BLAME_US) {
		round_end(r, 1000);
	} else if (trouble->blame == ACME_BLAME_CA) {
		round_rest_after_name(r, trouble);
	} else if (trouble->undecided) {
		round_on_undecided(r, trouble);
	} else if (trouble->blame == ACME_BLAME_LIMIT) {
		round_on_limit(r, trouble);
	} else {
		round_put_off(r, trouble);
	}
}

static void
round_order(struct acme_round *r)
{
	acme_order_start(r, r->row->name, r->state, round_on_ordered);
}

static void
round_on_account(struct acme_round *r, const struct acme_trouble *trouble)
{
	if (trouble != NULL && trouble->blame == ACME_BLAME_US) {
		round_end(r, 1000);
	} else if (trouble != NULL) {
		round_rest(r, trouble);
	} else {
		r->is_open = true;
		round_order(r);
	}
}

static void
round_go_for(struct acme_round *r)
{
	if (r->is_open)
		round_order(r);
	else
		acme_account_open(r, round_on_account);
}

/* ---- Does the name lead here? ---- */

static void round_on_own_ips(void *arg, const struct dns_answer *answer, const struct err *err);

static void
round_elsewhere(struct acme_round *r, const char *why, int64_t wait_ms)
{
	acme_set_text(r->state, "state", "elsewhere");
	acme_set_text(r->state, "problem", why);
	acme_set_number(r->state, "next_ms", clock_unix_ms() + wait_ms);
	cJSON_DeleteItemFromObjectCaseSensitive(r->state, "kept_back");
	round_save_row(r);
}

static void
round_on_ips(void *arg, const struct dns_answer *answer, const struct err *err)
{
	struct acme_round *r = arg;

	r->query = NULL;
	if (err != NULL) {
		int64_t ms = round_wait_ms(r, "dns_tries");

		acme_set_number(r->state, "dns_tries", acme_number_of(r->state, "dns_tries") + 1);
		round_elsewhere(r, err->text, ms);
		return;
	}
	cJSON_DeleteItemFromObjectCaseSensitive(r->state, "dns_tries");
	for (unsigned i = 0; i < answer->ip_count; i++)
		for (unsigned n = 0; n < r->own_ip_count; n++)
			if (ip_eq(&answer->ips[i], &r->own_ips[n])) {
				round_go_for(r);
				return;
			}
	round_elsewhere(r,
			answer->ip_count == 0 ? "the name has no address"
					      : "the name's addresses are not those of this server",
			ROUND_ELSEWHERE_MS);
}

/* First the addresses of the own names, each once in a round. */
static void
round_compare(struct acme_round *r)
{
	struct dns *dns = r->acme->worker->dns;

	while (r->own_at < r->names.count && !r->names.items[r->own_at].is_own)
		r->own_at++;
	if (r->own_at < r->names.count)
		r->query = dns_query_ips(dns, r->names.items[r->own_at].name, true, true, round_on_own_ips, r);
	else
		r->query = dns_query_ips(dns, r->row->name, true, true, round_on_ips, r);
}

static void
round_on_own_ips(void *arg, const struct dns_answer *answer, const struct err *err)
{
	struct acme_round *r = arg;

	r->query = NULL;
	r->own_at++;
	for (unsigned i = 0; err == NULL && i < answer->ip_count && r->own_ip_count < ACME_OWN_IPS_MAX; i++)
		r->own_ips[r->own_ip_count++] = answer->ips[i];
	round_compare(r);
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
		acme_write_gone(a->worker->redis, a->fence, r->row->name, round_on_state_saved, r);
	else /* the request for its renewal, or the state */
		acme_write_name(a->worker->redis, a->fence, r->row->name, NULL, round_on_state_saved, r);
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
			round_note_wait(r, acme_number_of(r->state, "next_ms"));
		r->failing += strcmp(acme_text_of(r->state, "state"), "failed") == 0;
		r->kept_back += acme_number_of(r->state, "kept_back") != 0;
		return false;
	}
	str_copy(r->row->name, r->acme->last_name, sizeof(r->acme->last_name));
	if (r->wanted->is_own || !acme_settings(r->acme)->check_dns)
		round_go_for(r);
	else
		round_compare(r);
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
			round_end(r, 0);
			return;
		}
		if (r->row == NULL && ++r->pass == PASS_COUNT) {
			round_end(r, -1);
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
		round_rest(r, &trouble);
	} else {
		round_walk(r);
	}
}
