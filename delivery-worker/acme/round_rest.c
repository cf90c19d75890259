/* What concerns all names: the CA, or the key, fails, and it is left alone for a while. */
#include <string.h>

#include "delivery-worker/acme/round.h"
#include "lib/base/clock.h"
#include "lib/service/metrics.h"

enum { REST_FIRST_MS = 60 * 1000 };

void
acme_rest_over(struct acme_round *r)
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

static void
rest_on_noted(void *arg, const redisReply *reply, const struct err *err)
{
	struct acme_round *r = arg;

	(void)reply;
	if (!acme_round_back(r, err))
		return;
	if (r->has_wrong_key)
		acme_step_back(r->acme);
	else
		acme_round_end(r, 1000);
}

int64_t
acme_doubled_ms(int64_t first_ms, int64_t failures, int64_t longest_ms)
{
	int64_t ms = first_ms;

	for (int64_t i = 0; i < failures && ms < longest_ms; i++)
		ms *= 2;
	return ms < longest_ms ? ms : longest_ms;
}

int64_t
acme_rest_first_ms(const struct acme_round *r)
{
	int64_t first = acme_settings(r->acme)->retry_first;

	return first < REST_FIRST_MS ? first : REST_FIRST_MS;
}

void
acme_rest_begin(struct acme_round *r, const struct acme_trouble *trouble, int64_t ms)
{
	struct acme *a = r->acme;

	if (strcmp(a->problem, trouble->text) != 0)
		log_error(NULL, "certificates cannot be ordered", F_C("error", trouble->text));
	str_copy(str_c(trouble->text), a->problem, sizeof(a->problem));
	a->rest_until_ms = ms != 0 ? clock_unix_ms() + ms : 0;
	metrics_set(M_ACME_RESTING, 1);
	metrics_add(M_ACME_CA_FAILURES, 1);
	op_hold(&r->op);
	acme_write_trouble(a->worker->redis, a->fence, a->problem, a->rest_until_ms, rest_on_noted, r);
}

int64_t
acme_rest_ms(const struct acme_round *r, const struct acme_trouble *trouble)
{
	int64_t ms = acme_doubled_ms(acme_rest_first_ms(r), r->acme->ca_failures, ACME_REST_LONGEST_MS);

	ms = ms < trouble->retry_after_ms ? trouble->retry_after_ms : ms;
	return ms < ACME_REST_LONGEST_MS ? ms : ACME_REST_LONGEST_MS;
}

void
acme_rest(struct acme_round *r, const struct acme_trouble *trouble)
{
	int64_t ms = acme_rest_ms(r, trouble);

	/* Another process may have the key: it shall not wait. */
	if (trouble->wrong_key) {
		r->has_wrong_key = true;
		ms = 0;
	}
	r->acme->ca_failures++;
	acme_rest_begin(r, trouble, ms);
}
