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
	ROUND_LIMIT_REST_MS = 60 * 60 * 1000,
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
	if (acme_round_back(r, err))
		round_end(r, 1000);
}

/* The CA is left alone for a while. */
static void
round_rest(struct acme_round *r, const struct acme_trouble *trouble, int64_t least_ms)
{
	struct acme *a = r->acme;
	int64_t ms = acme_settings(a)->retry_first < 60 * 1000 ? acme_settings(a)->retry_first : 60 * 1000;

	ms <<= a->ca_failures < 6 ? a->ca_failures : 6;
	a->ca_failures++;
	ms = ms < least_ms ? least_ms : ms;
	ms = ms < trouble->retry_after_ms ? trouble->retry_after_ms : ms;
	if (strcmp(a->problem, trouble->text) != 0)
		log_error(NULL, "certificates cannot be ordered", F_C("error", trouble->text));
	str_copy(str_c(trouble->text), a->problem, sizeof(a->problem));
	a->rest_until_ms = clock_unix_ms() + ms;
	metrics_add(M_ACME_CA_FAILURES, 1);
	op_hold(&r->op);
	acme_write_trouble(a->worker->redis, a->fence, a->problem, a->rest_until_ms, round_on_trouble_noted, r);
}

/* ---- One name ---- */

/* The name in hand waits until next_ms (unix). */
static void
round_note_wait(struct acme_round *r, int64_t next_ms)
{
	if (r->soonest_ms == 0 || next_ms < r->soonest_ms)
		r->soonest_ms = next_ms;
}

static void
round_next(struct acme_round *r)
{
	cJSON_Delete(r->state);
	cJSON_Delete(r->entry);
	r->state = r->entry = NULL;
	r->row = r->row->hh.next;
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

/* The wait doubles with each failure, unless the CA asks for a longer one. */
static void
round_put_off(struct acme_round *r, const struct acme_trouble *trouble)
{
	const struct settings_acme *s = acme_settings(r->acme);
	int64_t tries = acme_number_of(r->state, "tries"), ms = s->retry_first;

	for (int64_t i = 0; i < tries && ms < s->retry_longest; i++)
		ms *= 2;
	ms = ms > s->retry_longest ? s->retry_longest : ms;
	ms = ms < trouble->retry_after_ms ? trouble->retry_after_ms : ms;
	acme_set_text(r->state, "state", "failed");
	acme_set_text(r->state, "problem", trouble->text);
	acme_set_number(r->state, "tries", tries + 1);
	acme_set_number(r->state, "next_ms", clock_unix_ms() + ms);
	round_note_wait(r, clock_unix_ms() + ms);
	log_warning(NULL, "no certificate", F_STR("name", r->row->name), F_C("error", trouble->text),
		    F_I64("wait_ms", ms));
	metrics_add(M_ACME_FAILED, 1);
	r->failing++;
	round_save_row(r);
}

static void
round_on_name_trouble(struct acme_round *r, const struct acme_trouble *trouble)
{
	/* Not decided yet: no failure. */
	if (strcmp(trouble->type, "pending") == 0) {
		acme_set_number(r->state, "next_ms", clock_unix_ms() + trouble->retry_after_ms);
		round_note_wait(r, clock_unix_ms() + trouble->retry_after_ms);
		round_save_row(r);
		return;
	}
	if (trouble->blame == ACME_BLAME_LIMIT && ++r->limits >= ROUND_LIMITS)
		round_rest(r, trouble, ROUND_LIMIT_REST_MS);
	else
		round_put_off(r, trouble);
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
		round_rest(r, trouble, 0);
	} else if (trouble->blame == ACME_BLAME_US) {
		round_end(r, 1000);
	} else if (trouble->blame == ACME_BLAME_CA) {
		round_rest(r, trouble, 0);
	} else {
		round_on_name_trouble(r, trouble);
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
		round_rest(r, trouble, 0);
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
	round_save_row(r);
}

static void
round_on_ips(void *arg, const struct dns_answer *answer, const struct err *err)
{
	struct acme_round *r = arg;

	r->query = NULL;
	if (err != NULL) {
		round_elsewhere(r, err->text, acme_settings(r->acme)->retry_first);
		return;
	}
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
	if (before > (ends - from) / 3)
		before = (ends - from) / 3;
	return clock_unix_ms() >= ends - before;
}

static bool
round_is_due(const struct acme_round *r)
{
	bool is_begun = strcmp(acme_text_of(r->state, "state"), "ordering") == 0;

	if (r->row->asked)
		return true;
	return (round_is_renewal_due(r) || is_begun) && acme_number_of(r->state, "next_ms") <= clock_unix_ms();
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
		if (round_is_renewal_due(r))
			round_note_wait(r, acme_number_of(r->state, "next_ms"));
		r->failing += strcmp(acme_text_of(r->state, "state"), "failed") == 0;
		return false;
	}
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
			r->row = r->rows;
			continue;
		}
		if (slice_spend(&r->op.slice, ROUND_ROW_WORK)) {
			op_later(&r->op, r->acme->worker->base, round_on_turn);
			return;
		}
		if (round_visit(r))
			return;
		cJSON_Delete(r->state);
		cJSON_Delete(r->entry);
		r->state = r->entry = NULL;
		r->row = r->row->hh.next;
	}
}

void
acme_round_begin(struct acme_round *r)
{
	struct acme *a = r->acme;

	r->pass = PASS_CERTIFIED;
	r->row = r->rows;
	if (!a->can_seal) {
		struct acme_trouble trouble;
		acme_trouble_set(&trouble, ACME_BLAME_CA,
				 "there is no key to seal secrets with: set STAGEPOST_SECRET_KEY");
		round_rest(r, &trouble, 0);
	} else {
		round_walk(r);
	}
}
