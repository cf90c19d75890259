/* An order's authorization, which is got by a challenge (RFC 8555, 7.5 and 8.3). The
 * answer to the challenge is in the store, where all frontends find it, before the CA is
 * told to look. */
#include <string.h>

#include "delivery-worker/acme/order.h"
#include "lib/acme/jws.h"
#include "lib/base/crashpoint.h"
#include "lib/base/mem.h"

static void challenge_on_authorization(struct acme_round *r, const struct acme_answer *answer,
				       const struct acme_trouble *trouble);

void
acme_challenge_look(struct acme_round *r)
{
	acme_client_post(&r->client, r->order.authorization, STR_NONE, challenge_on_authorization);
}

static void
challenge_on_told(struct acme_round *r, const struct acme_answer *answer, const struct acme_trouble *trouble)
{
	CRASHPOINT("acme-challenge-told");
	if (trouble != NULL)
		acme_order_refused(r, trouble);
	else
		acme_order_wait(r, answer->retry_after_ms, acme_challenge_look);
}

static void
challenge_on_saved(void *arg, const redisReply *reply, const struct err *err)
{
	struct acme_round *r = arg;

	(void)reply;
	if (!acme_round_back(r, err))
		return;
	CRASHPOINT("acme-challenge-saved");
	acme_client_post(&r->client, r->order.challenge, STR("{}"), challenge_on_told);
}

static const cJSON *
challenge_find(const cJSON *authorization)
{
	const cJSON *challenge, *list = cJSON_GetObjectItemCaseSensitive(authorization, "challenges");

	cJSON_ArrayForEach (challenge, list)
		if (strcmp(acme_text_of(challenge, "type"), "http-01") == 0)
			return challenge;
	return NULL;
}

static void
challenge_answer(struct acme_round *r, const cJSON *challenge)
{
	struct acme_order *o = &r->order;
	struct str token = str_c(acme_text_of(challenge, "token"));
	struct buf text = BUF_EMPTY;

	if (!acme_token_is_valid(token)) {
		acme_order_fail(r, "the CA's token is not one");
		return;
	}
	mem_free(o->challenge);
	o->challenge = mem_strdup(acme_text_of(challenge, "url"));
	jws_key_authorization(r->client.key, token, &text);
	op_hold(&r->op);
	acme_write_challenge(r->acme->worker->redis, r->acme->fence, token, buf_str(&text), challenge_on_saved, r);
	buf_fini(&text);
}

/* The order may be told later. */
static void
challenge_on_authorized(struct acme_round *r)
{
	bool before = r->order.authorized;

	r->order.authorized = true;
	if (before)
		acme_order_wait(r, 0, acme_order_look);
	else
		acme_order_look(r);
}

static void
challenge_on_authorization(struct acme_round *r, const struct acme_answer *answer, const struct acme_trouble *trouble)
{
	const cJSON *challenge = trouble == NULL ? challenge_find(answer->json) : NULL;
	const char *status = trouble == NULL ? acme_text_of(answer->json, "status") : "";

	if (trouble != NULL)
		acme_order_refused(r, trouble);
	else if (strcmp(status, "valid") == 0)
		challenge_on_authorized(r);
	else if (strcmp(status, "pending") != 0 && strcmp(status, "invalid") != 0)
		acme_order_fail(r, "the authorization is '%.40s'", status);
	else if (challenge == NULL)
		acme_order_fail(r, "the CA offers no http-01 challenge");
	else if (strcmp(status, "invalid") == 0)
		acme_order_fail_by(r, "the CA's check failed", cJSON_GetObjectItemCaseSensitive(challenge, "error"));
	else if (strcmp(acme_text_of(challenge, "status"), "pending") == 0)
		challenge_answer(r, challenge);
	else
		acme_order_wait(r, answer->retry_after_ms, acme_challenge_look);
}
