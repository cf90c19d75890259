/* Requests to the CA, each signed with the account's key and a nonce of the CA's. A
 * refused nonce is no failure: the answer brings another one. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "delivery-worker/acme/private.h"
#include "lib/acme/jws.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"

enum {
	CLIENT_TIMEOUT_MS = 30 * 1000,
	CLIENT_ANSWER_MAX = 256 * 1024,
	CLIENT_IPS_MAX = 8,
	CLIENT_NONCES_MAX = 20,
	CLIENT_NONCE_MAX = 512,
	CLIENT_LOCATION_MAX = 2000, /* it is stored */
	CLIENT_RETRY_MAX_MS = 8 * 24 * 3600 * 1000,
};

#define CLIENT_PROBLEM_PREFIX "urn:ietf:params:acme:error:"

static void client_send(struct acme_client *c);

/* ---- Trouble ---- */

/* It may be the CA's words, cut anywhere: no control characters, nothing but UTF-8. */
static void
client_clean_text(char *text)
{
	for (size_t i = 0, len = strlen(text); i < len;) {
		size_t sequence = str_utf8_sequence(str_of(text + i, len - i));

		if (sequence == 0)
			text[i] = '?';
		else if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			text[i] = ' ';
		i += sequence != 0 ? sequence : 1;
	}
}

void
acme_trouble_set(struct acme_trouble *t, enum acme_blame blame, const char *format, ...)
{
	va_list ap;

	*t = (struct acme_trouble){.blame = blame};
	va_start(ap, format);
	vsnprintf(t->text, sizeof(t->text), format, ap);
	va_end(ap);
	client_clean_text(t->text);
}

void
acme_problem_text(const cJSON *problem, char *type_out, size_t type_size, char *text_out, size_t text_size)
{
	struct str type = str_c(acme_text_of(problem, "type")), prefix = STR(CLIENT_PROBLEM_PREFIX);
	const cJSON *first = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(problem, "subproblems"), 0);
	const char *detail = acme_text_of(problem, "detail"), *more = acme_text_of(first, "detail");

	if (str_starts(type, prefix))
		type = str_from(type, prefix.len);
	str_copy(type, type_out, type_size);
	snprintf(text_out, text_size, "%.*s%s%.160s%s%.100s", STR_ARG(type),
		 type.len != 0 && *detail != '\0' ? ": " : "", detail, *more != '\0' ? "; " : "", more);
}

static void
client_end(struct acme_client *c, const struct acme_answer *answer, const struct acme_trouble *trouble)
{
	c->phase = CLIENT_IDLE;
	c->cb(c->round, answer, trouble);
}

static void
client_on_later(evutil_socket_t fd, short what, void *arg)
{
	struct acme_client *c = arg;
	const struct acme_trouble trouble = c->failure;

	(void)fd, (void)what;
	client_end(c, NULL, &trouble);
}

/* At the loop's next turn: callers are not called back from within. */
__attribute__((format(printf, 3, 4))) static void
client_fail(struct acme_client *c, enum acme_blame blame, const char *format, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	acme_trouble_set(&c->failure, blame, "%s", text);
	event_active(c->later, EV_TIMEOUT, 0);
}

/* ---- Answers ---- */

/* Seconds, or a date (RFC 9110, 10.2.3). */
static int64_t
client_retry_after(const struct web_answer *answer)
{
	struct str text = str_trim(web_answer_field(answer, "Retry-After"));
	char date[64];
	struct tm tm = {0};
	int64_t ms = 0;
	uint64_t seconds;

	if (str_to_u64(text, &seconds))
		ms = seconds < CLIENT_RETRY_MAX_MS / 1000 ? (int64_t)seconds * 1000 : CLIENT_RETRY_MAX_MS;
	else if (text.len != 0 && str_copy(text, date, sizeof(date)) &&
		 strptime(date, "%a, %d %b %Y %H:%M:%S GMT", &tm) != NULL)
		ms = (int64_t)timegm(&tm) * 1000 - clock_unix_ms();
	return ms < 0 ? 0 : ms > CLIENT_RETRY_MAX_MS ? CLIENT_RETRY_MAX_MS : ms;
}

static void
client_take_nonce(struct acme_client *c, const struct web_answer *answer)
{
	struct str nonce = str_trim(web_answer_field(answer, "Replay-Nonce"));

	/* RFC 8555, 6.5.1: one with other characters must not be used. */
	if (nonce.len > CLIENT_NONCE_MAX)
		return;
	for (size_t i = 0; i < nonce.len; i++)
		if (!acme_token_is_valid(str_of(nonce.p + i, 1)))
			return;
	mem_free(c->nonce);
	c->nonce = nonce.len != 0 ? str_dup(nonce) : NULL;
}

static enum acme_blame
client_blame(int status, const char *type)
{
	if (status == 429 || strcmp(type, "rateLimited") == 0)
		return ACME_BLAME_LIMIT;
	return status >= 500 || status == 408 || status / 100 == 3 ? ACME_BLAME_CA : ACME_BLAME_NAME;
}

static void
client_judge(struct acme_client *c, const struct web_answer *web)
{
	struct acme_answer answer = {.body = web->body, .retry_after_ms = client_retry_after(web)};
	struct str url = str_trim(web_answer_field(web, "Location"));
	char *location = str_dup(url.len <= CLIENT_LOCATION_MAX ? url : STR(""));
	cJSON *json = cJSON_ParseWithLength(web->body.p != NULL ? web->body.p : "", web->body.len);
	char type[64] = "", text[ERR_TEXT_MAX] = "";
	struct acme_trouble trouble;

	answer.json = json;
	answer.location = location;
	if (web->status / 100 == 2) {
		client_end(c, &answer, NULL);
	} else {
		if (json != NULL)
			acme_problem_text(json, type, sizeof(type), text, sizeof(text));
		acme_trouble_set(&trouble, client_blame(web->status, type), "the CA answers %d%s%s", web->status,
				 text[0] != '\0' ? ": " : "", text);
		str_copy(str_c(type), trouble.type, sizeof(trouble.type));
		trouble.retry_after_ms = answer.retry_after_ms;
		client_end(c, NULL, &trouble);
	}
	mem_free(location);
	cJSON_Delete(json);
}

static bool
client_is_bad_nonce(const struct web_answer *answer)
{
	cJSON *json;
	bool is;

	if (answer->status != 400)
		return false;
	json = cJSON_ParseWithLength(answer->body.p != NULL ? answer->body.p : "", answer->body.len);
	is = strcmp(acme_text_of(json, "type"), CLIENT_PROBLEM_PREFIX "badNonce") == 0;
	cJSON_Delete(json);
	return is;
}

static void
client_on_answer(void *arg, const struct web_answer *answer, const struct err *err)
{
	struct acme_client *c = arg;
	struct acme_trouble trouble;

	c->request = NULL;
	if (err != NULL) {
		acme_trouble_set(&trouble, ACME_BLAME_CA, "the CA cannot be reached: %s", err->text);
		client_end(c, NULL, &trouble);
		return;
	}
	client_take_nonce(c, answer);
	if (c->phase == CLIENT_NONCE && answer->status / 100 == 2) {
		c->phase = CLIENT_SIGNED;
		if (c->nonce != NULL) {
			client_send(c);
			return;
		}
		acme_trouble_set(&trouble, ACME_BLAME_CA, "the CA gives no nonce");
		client_end(c, NULL, &trouble);
	} else if (c->phase == CLIENT_SIGNED && client_is_bad_nonce(answer) &&
		   c->nonces_refused++ < CLIENT_NONCES_MAX) {
		client_send(c);
	} else {
		client_judge(c, answer);
	}
}

/* ---- Sending ---- */

/* The body of a signed request; the nonce is used up. */
static void
client_sign(struct acme_client *c, struct buf *out)
{
	const struct jws_header header = {.url = c->url, .nonce = c->nonce, .kid = c->account_url};

	jws_sign(c->key, &header, buf_str(&c->payload), out);
	mem_free(c->nonce);
	c->nonce = NULL;
}

static void
client_start(struct acme_client *c, const struct ip *ips, unsigned count)
{
	static const char *const headers[] = {"Content-Type: application/jose+json", NULL};
	struct acme *a = c->round->acme;
	bool is_signed = c->phase == CLIENT_SIGNED;
	struct buf body = BUF_EMPTY;
	struct web_options options = {
		.method = is_signed ? "POST" : "GET",
		.url = c->phase == CLIENT_NONCE ? c->new_nonce : c->url,
		.headers = is_signed ? headers : NULL,
		.ips = ips,
		.ip_count = count < CLIENT_IPS_MAX ? count : CLIENT_IPS_MAX,
		.ca_file = a->worker->ca_file,
		.max_bytes = CLIENT_ANSWER_MAX,
		.timeout_ms = CLIENT_TIMEOUT_MS,
	};

	/* It may have slept since. What a later holder of the lease does must not be disturbed. */
	if (!acme_has_lease(a)) {
		client_fail(c, ACME_BLAME_US, "the lease is over");
		return;
	}
	if (is_signed)
		client_sign(c, &body);
	options.body = buf_str(&body);
	c->request = web_start(a->web, &options, client_on_answer, c);
	buf_fini(&body);
}

static void
client_on_ips(void *arg, const struct dns_answer *answer, const struct err *err)
{
	struct acme_client *c = arg;

	c->query = NULL;
	if (err != NULL)
		client_fail(c, ACME_BLAME_CA, "the CA's host cannot be looked up: %s", err->text);
	else if (answer->ip_count == 0)
		client_fail(c, ACME_BLAME_CA, "the CA's host has no address");
	else
		client_start(c, answer->ips, answer->ip_count);
}

/* Those of the directory concern all names, the others one. */
static enum acme_blame
client_blame_url(const struct acme_client *c)
{
	bool is_of_order =
		c->phase == CLIENT_SIGNED && strcmp(c->url, c->new_order) != 0 && strcmp(c->url, c->new_account) != 0;

	return is_of_order ? ACME_BLAME_NAME : ACME_BLAME_CA;
}

static void
client_send(struct acme_client *c)
{
	const char *url;
	struct str host;
	uint16_t port;
	struct ip ip;

	if (c->phase == CLIENT_SIGNED && c->nonce == NULL)
		c->phase = CLIENT_NONCE;
	url = c->phase == CLIENT_NONCE ? c->new_nonce : c->url;
	if (!web_url_host(str_c(url), &host, &port))
		client_fail(c, client_blame_url(c), "'%.150s' is not an https URL", url);
	else if (ip_parse(host, &ip))
		client_start(c, &ip, 1);
	else
		c->query = dns_query_ips(c->round->acme->worker->dns, host, true, true, client_on_ips, c);
}

static void
client_begin(struct acme_client *c, const char *url, struct str payload, acme_on_answer *cb)
{
	char *copy = mem_strdup(url); /* url may be c->url */

	CHECK(c->phase == CLIENT_IDLE);
	mem_free(c->url);
	c->url = copy;
	buf_clear(&c->payload);
	buf_add_str(&c->payload, payload);
	c->cb = cb;
	c->nonces_refused = 0;
}

void
acme_client_get(struct acme_client *c, const char *url, acme_on_answer *cb)
{
	client_begin(c, url, STR_NONE, cb);
	c->phase = CLIENT_PLAIN;
	client_send(c);
}

void
acme_client_post(struct acme_client *c, const char *url, struct str payload, acme_on_answer *cb)
{
	client_begin(c, url, payload, cb);
	c->phase = CLIENT_SIGNED;
	client_send(c);
}

/* ---- Life ---- */

void
acme_client_init(struct acme_client *c, struct acme_round *round)
{
	c->round = round;
	c->later = evtimer_new(round->acme->worker->base, client_on_later, c);
}

void
acme_client_fini(struct acme_client *c)
{
	dns_cancel(&c->query);
	web_cancel(&c->request);
	if (c->later != NULL)
		event_free(c->later);
	c->later = NULL;
	EVP_PKEY_free(c->key);
	c->key = NULL;
	mem_free(c->new_nonce);
	mem_free(c->new_account);
	mem_free(c->new_order);
	mem_free(c->terms);
	mem_free(c->account_url);
	mem_free(c->nonce);
	mem_free(c->url);
	buf_fini(&c->payload);
	*c = (struct acme_client){0};
}
