/* The CA's directory and the account there (RFC 8555, 7.1.1 and 7.3).
 *
 * The account's key is stored before the CA hears of it, so whoever takes over after a
 * death registers the same key, which makes no second account. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "delivery-worker/acme/private.h"
#include "lib/acme/jws.h"
#include "lib/base/mem.h"

static void
account_end(struct acme_round *r, const struct acme_trouble *trouble)
{
	r->on_account(r, trouble);
}

/* An account that the CA no longer knows is registered again the next time, with the same
 * key. One that was deactivated stays refused: an operator removes it from the store. */
static bool
account_is_gone(const struct acme_round *r, const struct acme_trouble *trouble)
{
	return r->client.account_url != NULL &&
	       (strcmp(trouble->type, "accountDoesNotExist") == 0 || strcmp(trouble->type, "unauthorized") == 0);
}

__attribute__((format(printf, 2, 3))) static void
account_fail(struct acme_round *r, const char *format, ...)
{
	struct acme_trouble trouble;
	char text[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	acme_trouble_set(&trouble, ACME_BLAME_CA, "%s", text);
	account_end(r, &trouble);
}

/* ---- Registering ---- */

static void
account_on_saved(void *arg, const redisReply *reply, const struct err *err)
{
	struct acme_round *r = arg;

	(void)reply;
	if (acme_round_back(r, err))
		account_end(r, NULL);
}

static void
account_save(struct acme_round *r, redis_on_reply *cb)
{
	op_hold(&r->op);
	acme_write_account(r->acme->worker->redis, r->acme->fence, r->directory, r->account, cb, r);
}

/* What the account at the CA was made with; another contact, or other terms, are told to it. */
static const char *
account_terms_text(const struct acme_round *r)
{
	const struct settings_acme *s = acme_settings(r->acme);

	return arena_printf(&((struct acme_round *)(uintptr_t)r)->op.arena, "%s %s %d", s->contact, s->eab_kid,
			    s->agree_terms);
}

static void
account_on_registered(struct acme_round *r, const struct acme_answer *answer, const struct acme_trouble *trouble)
{
	if (trouble != NULL && trouble->blame == ACME_BLAME_NAME) {
		if (account_is_gone(r, trouble))
			acme_account_forget(r);
		account_fail(r, "no account: %s", trouble->text);
	} else if (trouble != NULL) {
		account_end(r, trouble);
	} else if (*answer->location == '\0' && r->client.account_url == NULL) {
		account_fail(r, "no account: the CA gives it no URL");
	} else {
		if (r->client.account_url == NULL)
			r->client.account_url = mem_strdup(answer->location);
		acme_set_text(r->account, "url", r->client.account_url);
		acme_set_text(r->account, "with", account_terms_text(r));
		log_info(NULL, "account at the certificate authority registered",
			 F_C("account", r->client.account_url));
		account_save(r, account_on_saved);
	}
}

static void
account_post(struct acme_round *r, const char *url, cJSON *body)
{
	char *text = cJSON_PrintUnformatted(body);

	acme_client_post(&r->client, url, str_c(text), account_on_registered);
	cJSON_free(text);
	cJSON_Delete(body);
}

static cJSON *
account_body(const struct acme_round *r)
{
	const struct settings_acme *s = acme_settings(r->acme);
	cJSON *body = cJSON_CreateObject();
	char mailto[400];

	snprintf(mailto, sizeof(mailto), "mailto:%s", s->contact);
	cJSON_AddItemToArray(cJSON_AddArrayToObject(body, "contact"), cJSON_CreateString(mailto));
	return body;
}

static int
account_add_binding(const struct acme_round *r, cJSON *body, struct err *err)
{
	const struct settings_acme *s = acme_settings(r->acme);
	struct buf binding = BUF_EMPTY;
	int result;

	if (s->eab_kid[0] == '\0')
		return 0;
	result = jws_bind(r->client.key, s->eab_kid, str_c(s->eab_hmac_key), r->client.new_account, &binding, err);
	if (result == 0)
		cJSON_AddItemToObject(body, "externalAccountBinding", cJSON_Parse(binding.data));
	buf_fini(&binding);
	return result;
}

/* The answer for a key that is registered already is its account. */
static void
account_register(struct acme_round *r)
{
	const struct settings_acme *s = acme_settings(r->acme);
	cJSON *body = account_body(r);
	struct err err;

	if (s->agree_terms)
		cJSON_AddTrueToObject(body, "termsOfServiceAgreed");
	if (account_add_binding(r, body, &err) != 0) {
		cJSON_Delete(body);
		account_fail(r, "%s", err.text);
		return;
	}
	account_post(r, r->client.new_account, body);
}

static void
account_go_on(struct acme_round *r)
{
	const struct settings_acme *s = acme_settings(r->acme);
	bool is_registered = *acme_text_of(r->account, "url") != '\0';

	if (is_registered)
		r->client.account_url = mem_strdup(acme_text_of(r->account, "url"));
	if (is_registered && strcmp(acme_text_of(r->account, "with"), account_terms_text(r)) == 0)
		account_end(r, NULL);
	else if (*r->client.terms != '\0' && !s->agree_terms)
		account_fail(r, "the CA demands agreement to its terms (%.120s): set acme.agree_terms to on",
			     r->client.terms);
	else if (is_registered)
		account_post(r, r->client.account_url, account_body(r));
	else if (r->client.needs_binding && s->eab_kid[0] == '\0')
		account_fail(r, "the CA demands an external account: set acme.eab_kid and acme.eab_hmac_key");
	else
		account_register(r);
}

/* ---- The key ---- */

static void
account_on_key_saved(void *arg, const redisReply *reply, const struct err *err)
{
	struct acme_round *r = arg;

	(void)reply;
	if (acme_round_back(r, err))
		account_go_on(r);
}

/* Sealed with the first of our keys. */
static int
account_seal_key(struct acme_round *r, struct err *err)
{
	struct buf sealed = BUF_EMPTY;
	int result;

	result = acme_seal_key(r->acme->keys, "account", str_c(r->directory), r->client.key, &sealed, err);
	if (result == 0)
		acme_set_text(r->account, "key", sealed.data);
	buf_fini(&sealed);
	return result;
}

static void
account_save_key(struct acme_round *r)
{
	struct err err;

	if (account_seal_key(r, &err) != 0)
		account_fail(r, "%s", err.text);
	else
		account_save(r, account_on_key_saved);
}

static void
account_find_key(struct acme_round *r)
{
	struct str sealed = str_c(acme_text_of(r->account, "key"));
	struct acme_trouble trouble;
	struct err err;

	if (sealed.len == 0) {
		r->client.key = acme_key_make(ACME_P256);
		account_save_key(r);
		return;
	}
	r->client.key = acme_open_key(r->acme->keys, "account", str_c(r->directory), sealed, &err);
	if (r->client.key == NULL) {
		acme_trouble_set(&trouble, ACME_BLAME_CA, "the account's key cannot be opened: %s", err.text);
		trouble.wrong_key = true;
		account_end(r, &trouble);
	} else if (secret_is_current(r->acme->keys, sealed)) {
		account_go_on(r);
	} else { /* so that an old key can be removed */
		account_save_key(r);
	}
}

void
acme_account_forget(struct acme_round *r)
{
	cJSON_DeleteItemFromObject(r->account, "url");
	op_hold(&r->op);
	acme_write_account(r->acme->worker->redis, r->acme->fence, r->directory, r->account, acme_round_on_written, r);
}

/* ---- The directory ---- */

static void
account_on_directory(struct acme_round *r, const struct acme_answer *answer, const struct acme_trouble *trouble)
{
	struct acme_client *c = &r->client;
	const cJSON *meta;

	if (trouble != NULL) {
		if (trouble->blame == ACME_BLAME_NAME)
			account_fail(r, "the directory: %s", trouble->text);
		else
			account_end(r, trouble);
		return;
	}
	meta = cJSON_GetObjectItemCaseSensitive(answer->json, "meta");
	c->new_nonce = mem_strdup(acme_text_of(answer->json, "newNonce"));
	c->new_account = mem_strdup(acme_text_of(answer->json, "newAccount"));
	c->new_order = mem_strdup(acme_text_of(answer->json, "newOrder"));
	c->terms = mem_strdup(acme_text_of(meta, "termsOfService"));
	c->needs_binding = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(meta, "externalAccountRequired"));
	if (*c->new_nonce == '\0' || *c->new_account == '\0' || *c->new_order == '\0')
		account_fail(r, "acme.directory_url is not the directory of an ACME server");
	else
		account_find_key(r);
}

void
acme_account_open(struct acme_round *r, acme_on_account *cb)
{
	r->on_account = cb;
	acme_client_get(&r->client, r->directory, account_on_directory);
}
