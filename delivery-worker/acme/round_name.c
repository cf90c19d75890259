/* The name in hand: does it lead here, its order, and how long it waits if that failed. */
#include <string.h>

#include "delivery-worker/acme/round.h"
#include "lib/base/clock.h"
#include "lib/service/metrics.h"

enum {
	NAME_LIMITS = 3, /* names refused by the CA's limits before all names rest */
	NAME_ELSEWHERE_MS = 60 * 60 * 1000,
};

void
acme_name_note_wait(struct acme_round *r, int64_t next_ms)
{
	if (r->soonest_ms == 0 || next_ms < r->soonest_ms)
		r->soonest_ms = next_ms;
}

void
acme_name_on_saved(void *arg, const redisReply *reply, const struct err *err)
{
	struct acme_round *r = arg;

	(void)reply;
	if (acme_round_back(r, err))
		acme_round_next(r);
}

static void
name_save_row(struct acme_round *r)
{
	acme_round_save(r, r->row->name, r->state, acme_name_on_saved);
}

/* The name in hand has failed, and waits for ms, or as long as the CA asks. Not written yet. */
static void
name_set_failed(struct acme_round *r, const struct acme_trouble *trouble, int64_t ms)
{
	int64_t next_ms = clock_unix_ms() + (ms < trouble->retry_after_ms ? trouble->retry_after_ms : ms);

	acme_set_text(r->state, "state", "failed");
	acme_set_text(r->state, "problem", trouble->text);
	acme_set_number(r->state, "tries", acme_number_of(r->state, "tries") + 1);
	acme_set_number(r->state, "next_ms", next_ms);
	cJSON_DeleteItemFromObjectCaseSensitive(r->state, "kept_back");
	acme_name_note_wait(r, next_ms);
	log_warning(NULL, "no certificate", F_STR("name", r->row->name), F_C("error", trouble->text),
		    F_I64("wait_ms", next_ms - clock_unix_ms()));
	metrics_add(M_ACME_FAILED, 1);
	r->failing++;
}

/* The wait doubles with each failure, unless the CA asks for a longer one. */
static int64_t
name_wait_ms(const struct acme_round *r, const char *counter)
{
	const struct settings_acme *s = acme_settings(r->acme);

	return acme_doubled_ms(s->retry_first, acme_number_of(r->state, counter), s->retry_longest);
}

static void
name_put_off(struct acme_round *r, const struct acme_trouble *trouble)
{
	name_set_failed(r, trouble, name_wait_ms(r, "tries"));
	name_save_row(r);
}

/* The CA fails, perhaps at this name only. All rest; after that the name waits for longer,
 * so that the others have their turn before it. */
static void
name_on_ca_failure(struct acme_round *r, const struct acme_trouble *trouble)
{
	int64_t tries = acme_number_of(r->state, "tries");

	name_set_failed(r, trouble,
			acme_rest_ms(r, trouble) + acme_doubled_ms(acme_rest_first_ms(r), tries, ACME_REST_LONGEST_MS));
	acme_set_number(r->state, "kept_back", 1);
	acme_round_save(r, r->row->name, r->state, acme_round_on_written);
	acme_rest(r, trouble);
}

/* Not decided yet is no failure the first time. Afterwards the name waits like one that
 * failed, because each look at it takes a whole round; it keeps its order. */
static void
name_on_undecided(struct acme_round *r, const struct acme_trouble *trouble)
{
	int64_t wait_ms = trouble->retry_after_ms, next_ms;

	/* Counted apart from failures: the order may well be good. */
	if (acme_number_of(r->state, "looks") != 0 && wait_ms < name_wait_ms(r, "looks"))
		wait_ms = name_wait_ms(r, "looks");
	next_ms = clock_unix_ms() + wait_ms;
	acme_set_number(r->state, "looks", acme_number_of(r->state, "looks") + 1);
	acme_set_number(r->state, "next_ms", next_ms);
	acme_name_note_wait(r, next_ms);
	name_save_row(r);
}

/* Several names one after the other: it is not the names. */
static void
name_on_limit(struct acme_round *r, const struct acme_trouble *trouble)
{
	if (++r->limits < NAME_LIMITS) {
		name_put_off(r, trouble);
		return;
	}
	name_set_failed(r, trouble, name_wait_ms(r, "tries"));
	acme_round_save(r, r->row->name, r->state, acme_round_on_written);
	r->acme->ca_failures++;
	acme_rest_begin(r, trouble, ACME_REST_LONGEST_MS);
}

static void
name_on_ordered(struct acme_round *r, const struct acme_trouble *trouble)
{
	if (trouble == NULL) {
		log_info(NULL, "certificate stored", F_STR("name", r->row->name));
		metrics_add(M_ACME_DONE, 1);
		r->limits = 0;
		r->certified += r->entry == NULL;
		acme_rest_over(r);
		acme_round_next(r);
	} else if (strcmp(trouble->type, "accountDoesNotExist") == 0) {
		acme_account_forget(r);
		acme_rest(r, trouble);
	} else if (trouble->blame == ACME_BLAME_US) {
		acme_round_end(r, 1000);
	} else if (trouble->blame == ACME_BLAME_CA) {
		name_on_ca_failure(r, trouble);
	} else if (trouble->undecided) {
		name_on_undecided(r, trouble);
	} else if (trouble->blame == ACME_BLAME_LIMIT) {
		name_on_limit(r, trouble);
	} else {
		name_put_off(r, trouble);
	}
}

static void
name_order(struct acme_round *r)
{
	acme_order_start(r, r->row->name, r->state, name_on_ordered);
}

static void
name_on_account(struct acme_round *r, const struct acme_trouble *trouble)
{
	if (trouble != NULL && trouble->blame == ACME_BLAME_US) {
		acme_round_end(r, 1000);
	} else if (trouble != NULL) {
		acme_rest(r, trouble);
	} else {
		r->is_open = true;
		name_order(r);
	}
}

void
acme_name_go_for(struct acme_round *r)
{
	if (r->is_open)
		name_order(r);
	else
		acme_account_open(r, name_on_account);
}

/* ---- Does the name lead here? ---- */

static void name_on_own_ips(void *arg, const struct dns_answer *answer, const struct err *err);

static void
name_elsewhere(struct acme_round *r, const char *why, int64_t wait_ms)
{
	acme_set_text(r->state, "state", "elsewhere");
	acme_set_text(r->state, "problem", why);
	acme_set_number(r->state, "next_ms", clock_unix_ms() + wait_ms);
	cJSON_DeleteItemFromObjectCaseSensitive(r->state, "kept_back");
	name_save_row(r);
}

static void
name_on_ips(void *arg, const struct dns_answer *answer, const struct err *err)
{
	struct acme_round *r = arg;

	r->query = NULL;
	if (err != NULL) {
		int64_t ms = name_wait_ms(r, "dns_tries");

		acme_set_number(r->state, "dns_tries", acme_number_of(r->state, "dns_tries") + 1);
		name_elsewhere(r, err->text, ms);
		return;
	}
	cJSON_DeleteItemFromObjectCaseSensitive(r->state, "dns_tries");
	for (unsigned i = 0; i < answer->ip_count; i++)
		for (unsigned n = 0; n < r->own_ip_count; n++)
			if (ip_eq(&answer->ips[i], &r->own_ips[n])) {
				acme_name_go_for(r);
				return;
			}
	name_elsewhere(r,
		       answer->ip_count == 0 ? "the name has no address"
					     : "the name's addresses are not those of this server",
		       NAME_ELSEWHERE_MS);
}

/* First the addresses of the own names, each once in a round. */
void
acme_name_compare(struct acme_round *r)
{
	struct dns *dns = r->acme->worker->dns;

	while (r->own_at < r->names.count && !r->names.items[r->own_at].is_own)
		r->own_at++;
	if (r->own_at < r->names.count)
		r->query = dns_query_ips(dns, r->names.items[r->own_at].name, true, true, name_on_own_ips, r);
	else
		r->query = dns_query_ips(dns, r->row->name, true, true, name_on_ips, r);
}

static void
name_on_own_ips(void *arg, const struct dns_answer *answer, const struct err *err)
{
	struct acme_round *r = arg;

	r->query = NULL;
	r->own_at++;
	for (unsigned i = 0; err == NULL && i < answer->ip_count && r->own_ip_count < ACME_OWN_IPS_MAX; i++)
		r->own_ips[r->own_ip_count++] = answer->ips[i];
	acme_name_compare(r);
}
