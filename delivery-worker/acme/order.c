/* One name's order (RFC 8555, 7.4): order, authorization (challenge.c), request, certificate.
 *
 * The order's URL is stored when it is made, and the key before it is used, so that
 * whoever takes over after a death goes on with the same order and the same key. The
 * answer to the challenge is in the store, where all frontends find it, before the CA
 * is told to look. */
#include <stdarg.h>
#include <string.h>

#include "delivery-worker/acme/order.h"
#include "lib/base/base64.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/crashpoint.h"
#include "lib/base/mem.h"

enum {
	ORDER_TIME_MS = 2 * 60 * 1000, /* for polling in one round */
	ORDER_POLL_MS = 500,	       /* the first one; then longer */
	ORDER_POLL_MAX_MS = 15 * 1000,
	ORDER_AGAIN_MS = 60 * 1000, /* an order that is not settled yet is looked at again */
};

static void order_make(struct acme_round *r);
static void order_on_looked(struct acme_round *r, const struct acme_answer *answer, const struct acme_trouble *trouble);

/* ---- The end ---- */

void
acme_order_clear(struct acme_order *o)
{
	if (o->timer != NULL)
		event_free(o->timer);
	mem_free(o->authorization);
	mem_free(o->finalize);
	mem_free(o->certificate);
	mem_free(o->challenge);
	EVP_PKEY_free(o->key);
	*o = (struct acme_order){0};
}

static void
order_end(struct acme_round *r, const struct acme_trouble *trouble)
{
	acme_on_ordered *cb = r->order.cb;

	acme_order_clear(&r->order);
	cb(r, trouble);
}

/* This order leads nowhere: the next try makes another one. */
static void
order_drop(struct acme_round *r)
{
	cJSON_DeleteItemFromObject(r->order.state, "order");
	cJSON_DeleteItemFromObject(r->order.state, "key");
	cJSON_DeleteItemFromObject(r->order.state, "looks");
}

void
acme_order_fail(struct acme_round *r, const char *format, ...)
{
	struct acme_trouble trouble;
	char text[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	order_drop(r);
	acme_trouble_set(&trouble, ACME_BLAME_NAME, "%s", text);
	order_end(r, &trouble);
}

void
acme_order_fail_by(struct acme_round *r, const char *what, const cJSON *error)
{
	char type[64], text[ERR_TEXT_MAX];

	acme_problem_text(error, type, sizeof(type), text, sizeof(text));
	acme_order_fail(r, "%s: %.200s", what, text[0] != '\0' ? text : "the CA does not say why");
}

void
acme_order_refused(struct acme_round *r, const struct acme_trouble *trouble)
{
	if (trouble->blame == ACME_BLAME_NAME)
		order_drop(r);
	order_end(r, trouble);
}

/* ---- Waiting ---- */

static void
order_on_time(evutil_socket_t fd, short what, void *arg)
{
	struct acme_round *r = arg;

	(void)fd, (void)what;
	r->order.next(r);
}

void
acme_order_wait(struct acme_round *r, int64_t retry_after_ms, void (*next)(struct acme_round *r))
{
	struct acme_order *o = &r->order;
	int64_t ms = (int64_t)ORDER_POLL_MS << (o->polls < 5 ? o->polls : 5);
	struct acme_trouble trouble;
	struct timeval tv;

	if (retry_after_ms > 0)
		ms = retry_after_ms;
	else if (ms > ORDER_POLL_MAX_MS)
		ms = ORDER_POLL_MAX_MS;
	o->polls++;
	if (clock_monotonic_ms() + ms > o->until_ms) {
		acme_trouble_set(&trouble, ACME_BLAME_LIMIT, "the CA has not decided yet");
		trouble.undecided = true;
		trouble.retry_after_ms = retry_after_ms > ORDER_AGAIN_MS ? retry_after_ms : ORDER_AGAIN_MS;
		order_end(r, &trouble);
		return;
	}
	o->next = next;
	tv = clock_timeval(ms);
	evtimer_add(o->timer, &tv);
}

/* ---- The certificate ---- */

static void
order_on_stored(void *arg, const redisReply *reply, const struct err *err)
{
	struct acme_round *r = arg;

	(void)reply;
	if (!acme_round_back(r, err))
		return;
	CRASHPOINT("acme-certificate-stored");
	order_end(r, NULL);
}

static void
order_store(struct acme_round *r, struct str chain, const struct acme_validity *validity)
{
	struct acme_order *o = &r->order;
	char *sealed = mem_strdup(acme_text_of(o->state, "key"));
	cJSON *entry = cJSON_CreateObject();

	acme_set_text(entry, "directory", r->directory);
	acme_set_number(entry, "issued_ms", clock_unix_ms());
	acme_set_number(entry, "from_ms", validity->from_ms);
	acme_set_number(entry, "ends_ms", validity->until_ms);
	order_drop(r);
	for (const char *const *gone = (const char *const[]){"problem", "tries", "next_ms", "kept_back", NULL};
	     *gone != NULL; gone++)
		cJSON_DeleteItemFromObject(o->state, *gone);
	acme_set_text(o->state, "state", "valid");
	op_hold(&r->op);
	acme_write_certificate(r->acme->worker->redis, r->acme->fence, o->name, entry, chain, str_c(sealed), o->state,
			       order_on_stored, r);
	cJSON_Delete(entry);
	mem_free(sealed);
}

static void
order_on_certificate(struct acme_round *r, const struct acme_answer *answer, const struct acme_trouble *trouble)
{
	struct acme_order *o = &r->order;
	struct acme_validity validity;
	char name[ACME_NAME_MAX];
	struct err err;

	str_copy(o->name, name, sizeof(name));
	if (trouble != NULL)
		acme_order_refused(r, trouble);
	else if (answer->body.len > ACME_CHAIN_MAX)
		acme_order_fail(r, "the certificate is larger than %d bytes", ACME_CHAIN_MAX);
	else if (acme_chain_check(answer->body, o->key, name, clock_unix_ms(), &validity, &err) != 0)
		acme_order_fail(r, "%s", err.text);
	else
		order_store(r, answer->body, &validity);
}

/* ---- The key and the request ---- */

static void
order_on_finalized(struct acme_round *r, const struct acme_answer *answer, const struct acme_trouble *trouble)
{
	CRASHPOINT("acme-finalized");
	/* Somebody has done so before: a process that died, or a copy of this request. */
	if (trouble != NULL && strcmp(trouble->type, "orderNotReady") == 0)
		acme_order_wait(r, 0, acme_order_look);
	else if (trouble != NULL)
		acme_order_refused(r, trouble);
	else
		order_on_looked(r, answer, NULL);
}

static void
order_finalize(struct acme_round *r)
{
	struct acme_order *o = &r->order;
	struct buf der = BUF_EMPTY, payload = BUF_EMPTY;
	char name[ACME_NAME_MAX];
	struct err err;

	str_copy(o->name, name, sizeof(name));
	if (acme_csr(o->key, name, &der, &err) != 0) {
		acme_order_fail(r, "%s", err.text);
		return;
	}
	buf_add_c(&payload, "{\"csr\":\"");
	base64url_encode(buf_str(&der), &payload);
	buf_add_c(&payload, "\"}");
	o->finalized = true;
	acme_client_post(&r->client, o->finalize, buf_str(&payload), order_on_finalized);
	buf_fini(&der);
	buf_fini(&payload);
}

static void
order_on_key_saved(void *arg, const redisReply *reply, const struct err *err)
{
	struct acme_round *r = arg;

	(void)reply;
	if (!acme_round_back(r, err))
		return;
	CRASHPOINT("acme-key-saved");
	order_finalize(r);
}

/* False: the order has ended. */
static bool
order_find_key(struct acme_round *r)
{
	struct acme_order *o = &r->order;
	struct str sealed = str_c(acme_text_of(o->state, "key"));
	struct err err;

	if (o->key == NULL && sealed.len != 0)
		o->key = acme_open_key(r->acme->keys, "certificate", o->name, sealed, &err);
	if (o->key == NULL && sealed.len != 0)
		acme_order_fail(r, "the key of the order cannot be opened: %s", err.text);
	return o->key != NULL || sealed.len == 0;
}

static void
order_make_key(struct acme_round *r)
{
	struct acme_order *o = &r->order;
	struct buf sealed = BUF_EMPTY;
	struct err err;

	o->key = acme_key_make((enum acme_key_type)acme_settings(r->acme)->key_type);
	if (acme_seal_key(r->acme->keys, "certificate", o->name, o->key, &sealed, &err) != 0) {
		acme_order_fail(r, "%s", err.text);
	} else {
		acme_set_text(o->state, "key", sealed.data);
		acme_round_save(r, o->name, o->state, order_on_key_saved);
	}
	buf_fini(&sealed);
}

static void
order_on_ready(struct acme_round *r)
{
	if (!order_find_key(r))
		return;
	if (r->order.finalized)
		acme_order_wait(r, 0, acme_order_look);
	else if (r->order.key != NULL)
		order_finalize(r);
	else
		order_make_key(r);
}

static void
order_on_valid(struct acme_round *r)
{
	if (!order_find_key(r))
		return;
	if (r->order.key == NULL)
		acme_order_fail(r, "the key of the order is lost");
	else
		acme_client_post(&r->client, r->order.certificate, STR_NONE, order_on_certificate);
}

/* ---- The order ---- */

static void
order_set(char **member, const char *text)
{
	mem_free(*member);
	*member = mem_strdup(text);
}

static void
order_on_looked(struct acme_round *r, const struct acme_answer *answer, const struct acme_trouble *trouble)
{
	struct acme_order *o = &r->order;
	const cJSON *list;
	const char *status;

	if (trouble != NULL) {
		/* One of an earlier round may be gone by now. */
		if (o->resumed && trouble->blame == ACME_BLAME_NAME)
			order_make(r);
		else
			acme_order_refused(r, trouble);
		return;
	}
	status = acme_text_of(answer->json, "status");
	list = cJSON_GetObjectItemCaseSensitive(answer->json, "authorizations");
	order_set(&o->finalize, acme_text_of(answer->json, "finalize"));
	order_set(&o->certificate, acme_text_of(answer->json, "certificate"));
	if (strcmp(status, "pending") == 0 && cJSON_IsString(cJSON_GetArrayItem(list, 0))) {
		order_set(&o->authorization, cJSON_GetArrayItem(list, 0)->valuestring);
		acme_challenge_look(r);
	} else if (strcmp(status, "ready") == 0) {
		order_on_ready(r);
	} else if (strcmp(status, "processing") == 0) {
		acme_order_wait(r, answer->retry_after_ms, acme_order_look);
	} else if (strcmp(status, "valid") == 0) {
		order_on_valid(r);
	} else if (o->resumed) {
		order_make(r);
	} else {
		acme_order_fail_by(r, "the order failed", cJSON_GetObjectItemCaseSensitive(answer->json, "error"));
	}
}

void
acme_order_look(struct acme_round *r)
{
	acme_client_post(&r->client, acme_text_of(r->order.state, "order"), STR_NONE, order_on_looked);
}

static void
order_on_order_saved(void *arg, const redisReply *reply, const struct err *err)
{
	struct acme_round *r = arg;

	(void)reply;
	if (!acme_round_back(r, err))
		return;
	CRASHPOINT("acme-order-saved");
	acme_order_look(r);
}

static void
order_on_made(struct acme_round *r, const struct acme_answer *answer, const struct acme_trouble *trouble)
{
	struct acme_order *o = &r->order;

	if (trouble != NULL) {
		acme_order_refused(r, trouble);
	} else if (*answer->location == '\0') {
		acme_order_fail(r, "the CA gives the order no URL");
	} else {
		acme_set_text(o->state, "order", answer->location);
		acme_set_text(o->state, "directory", r->directory);
		acme_set_text(o->state, "state", "ordering");
		acme_round_save(r, o->name, o->state, order_on_order_saved);
	}
}

static void
order_make(struct acme_round *r)
{
	struct acme_order *o = &r->order;
	cJSON *body = cJSON_CreateObject(), *identifier = cJSON_CreateObject();
	char name[ACME_NAME_MAX], *text;

	order_drop(r);
	o->resumed = false;
	str_copy(o->name, name, sizeof(name));
	cJSON_AddStringToObject(identifier, "type", "dns");
	cJSON_AddStringToObject(identifier, "value", name);
	cJSON_AddItemToArray(cJSON_AddArrayToObject(body, "identifiers"), identifier);
	text = cJSON_PrintUnformatted(body);
	acme_client_post(&r->client, r->client.new_order, str_c(text), order_on_made);
	cJSON_free(text);
	cJSON_Delete(body);
}

void
acme_order_start(struct acme_round *r, struct str name, cJSON *state, acme_on_ordered *cb)
{
	struct acme_order *o = &r->order;

	*o = (struct acme_order){
		.name = name,
		.state = state,
		.cb = cb,
		.timer = evtimer_new(r->acme->worker->base, order_on_time, r),
		.until_ms = clock_monotonic_ms() + ORDER_TIME_MS,
		.resumed = *acme_text_of(state, "order") != '\0' &&
			   strcmp(acme_text_of(state, "directory"), r->directory) == 0,
	};
	if (o->resumed)
		acme_order_look(r);
	else
		order_make(r);
}
