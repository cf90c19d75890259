/* SASL mechanisms: PLAIN (RFC 4616), LOGIN, SCRAM-SHA-256 and -PLUS (RFC 5802,
 * 7677, 9266). */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdio.h>

#include "lib/auth/private.h"
#include "lib/base/arena.h"
#include "lib/base/base64.h"
#include "lib/base/check.h"
#include "lib/base/mem.h"

enum { NONCE_BYTES = 18, DEFAULT_ITERATIONS = 10000, EXPORTER_BYTES = 32, RESPONSE_MAX = 12288 };

struct mechanism;

struct sasl {
	struct auth *auth;
	const struct mechanism *mechanism;
	struct sasl_events events;
	void *arg;
	struct ip peer;
	bool success_data, done;
	bool may_respond; /* it is the client's turn */
	bool has_exporter;
	unsigned char exporter[EXPORTER_BYTES];
	struct arena arena;
	unsigned step;
	struct auth_request *check; /* PLAIN and LOGIN */
	struct str user;	    /* LOGIN */
	/* SCRAM */
	struct throttle *throttle;
	struct scram_verifier verifier;
	struct auth_identity identity;
	bool account_exists, enabled;
	bool has_second_factor;
	char bind_flag; /* of the GS2 header: n, y, p */
	char account[AUTH_ADDRESS_MAX];
	struct str gs2, client_first_bare, server_first, nonce;
};

struct mechanism {
	const char *name;
	bool client_first;  /* starts with a message from the client */
	const char *prompt; /* otherwise, the first challenge */
	bool plus;
	void (*respond)(struct sasl *s, struct str response);
};

static void
sasl_finish(struct sasl *s, enum auth_result result, const struct auth_identity *identity, struct str data)
{
	if (s->done)
		return;
	s->done = true;
	s->events.on_done(s->arg, result, identity, data);
}

static void
sasl_fail(struct sasl *s, enum auth_result result)
{
	sasl_finish(s, result, NULL, STR_NONE);
}

static void
sasl_challenge(struct sasl *s, struct str text)
{
	s->may_respond = true;
	s->events.on_challenge(s->arg, text);
}

/* ---- PLAIN and LOGIN ---- */

static void
on_checked(void *arg, enum auth_result result, const struct auth_identity *identity)
{
	struct sasl *s = arg;

	s->check = NULL;
	sasl_finish(s, result, identity, STR_NONE);
}

static void
respond_plain(struct sasl *s, struct str response)
{
	struct str authzid, authcid, password, rest;
	char authz_account[AUTH_ADDRESS_MAX];

	if (!str_cut(response, '\0', &authzid, &rest) || !str_cut(rest, '\0', &authcid, &password) ||
	    authcid.len == 0 || password.len == 0 || str_index(password, '\0') >= 0) {
		sasl_fail(s, AUTH_MALFORMED);
		return;
	}
	auth_account_name(authcid, s->account);
	auth_account_name(authzid, authz_account);
	/* Acting for another account is not supported. */
	if (authzid.len != 0 && strcmp(authz_account, s->account) != 0) {
		sasl_fail(s, AUTH_FAILED);
		return;
	}
	s->check = auth_check_password(s->auth, authcid, password, &s->peer, on_checked, s);
}

static void
respond_login(struct sasl *s, struct str response)
{
	if (s->step++ == 0) {
		s->user = arena_str(&s->arena, response);
		sasl_challenge(s, STR("Password:"));
		return;
	}
	s->check = auth_check_password(s->auth, s->user, response, &s->peer, on_checked, s);
}

/* ---- SCRAM ---- */

/* The attribute at the start of *rest ("r=..."): its value; false if it is
 * another one. */
static bool
take_attribute(struct str *rest, char name, struct str *value_out)
{
	if (rest->len < 2 || rest->p[0] != name || rest->p[1] != '=')
		return false;
	str_cut(str_from(*rest, 2), ',', value_out, rest);
	return true;
}

/* "=2C" is a comma, "=3D" an equals sign (RFC 5802, 5.1). */
static bool
decode_name(struct sasl *s, struct str text, struct str *out)
{
	char *name = arena_alloc(&s->arena, text.len + 1);
	size_t used = 0;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.p[i];
		if (c == '=') {
			struct str code = str_first(str_from(text, i + 1), 2);
			if (str_eq(code, STR("2C")))
				c = ',';
			else if (str_eq(code, STR("3D")))
				c = '=';
			else
				return false;
			i += 2;
		}
		name[used++] = c;
	}
	*out = str_of(name, used);
	return used != 0;
}

static struct str
base64_text(struct sasl *s, const unsigned char *data, size_t len)
{
	struct buf out = BUF_EMPTY;
	struct str text;

	base64_encode(str_of((const char *)data, len), &out);
	text = arena_str(&s->arena, buf_str(&out));
	buf_fini(&out);
	return text;
}

/* An account that does not exist always shows the same salt, and never matches. */
static void
fake_verifier(struct sasl *s)
{
	unsigned char mac[SHA256_DIGEST_LENGTH];
	unsigned len = sizeof(mac);

	HMAC(EVP_sha256(), s->auth->fake_salt_key, KEY_BYTES, (const unsigned char *)s->account, strlen(s->account),
	     mac, &len);
	s->verifier = (struct scram_verifier){.iterations = DEFAULT_ITERATIONS, .salt_len = 16};
	memcpy(s->verifier.salt, mac, 16);
	CHECK(RAND_bytes(s->verifier.stored_key, SCRAM_KEY_BYTES) == 1);
}

static void
sasl_on_may_go(void *arg, const struct err *err)
{
	struct sasl *s = arg;

	s->throttle = NULL;
	if (err != NULL)
		sasl_fail(s, AUTH_UNAVAILABLE);
	else
		sasl_challenge(s, s->server_first);
}

static void
sasl_on_user(void *arg, const struct directory_user *user, const struct err *err)
{
	struct sasl *s = arg;
	struct str salt;

	if (err != NULL) {
		sasl_fail(s, AUTH_UNAVAILABLE);
		return;
	}
	s->account_exists = user != NULL && auth_takes_main_password(s->auth, user) &&
			    scram_verifier_parse(str_c(user->scram_sha256), &s->verifier);
	if (user != NULL) {
		s->enabled = user->enabled;
		s->has_second_factor = user->totp[0] != '\0';
		s->identity.quota_bytes = user->quota_bytes;
		str_copy(str_c(user->address), s->identity.address, sizeof(s->identity.address));
	}
	if (!s->account_exists)
		fake_verifier(s);
	salt = base64_text(s, s->verifier.salt, s->verifier.salt_len);
	s->server_first = str_c(arena_printf(&s->arena, "r=%.*s,s=%.*s,i=%u", STR_ARG(s->nonce), STR_ARG(salt),
					     s->verifier.iterations));
	s->throttle = throttle_wait(s->auth, s->account, &s->peer, sasl_on_may_go, s);
}

/* The GS2 header and the client's first message: "n,,n=user,r=nonce"; *bind_out
 * is "n", "y" or "p=...", *authzid_out mostly empty. */
static bool
parse_client_first(struct sasl *s, struct str message, struct str *bind_out, struct str *authzid_out,
		   struct str *account_out, struct str *nonce_out)
{
	struct str rest, name;

	if (str_index(message, '\0') >= 0 || !str_is_utf8(message) || !str_cut(message, ',', bind_out, &rest) ||
	    !str_cut(rest, ',', &name, &rest))
		return false;
	s->gs2 = str_of(message.p, (size_t)(rest.p - message.p));
	s->client_first_bare = rest;
	if (!(str_eq(*bind_out, STR("n")) || str_eq(*bind_out, STR("y")) || str_starts(*bind_out, STR("p="))))
		return false;
	*authzid_out = STR_NONE;
	if (name.len != 0 && !(str_starts(name, STR("a=")) && decode_name(s, str_from(name, 2), authzid_out)))
		return false;
	/* "m=": an extension that must be understood. */
	return !str_starts(rest, STR("m=")) && take_attribute(&rest, 'n', &name) && decode_name(s, name, account_out) &&
	       take_attribute(&rest, 'r', nonce_out) && nonce_out->len != 0 && str_is_printable_ascii(*nonce_out);
}

static void
take_client_first(struct sasl *s, struct str message)
{
	unsigned char random[NONCE_BYTES];
	struct str bind, authzid, account, client_nonce, nonce;
	char authz_account[AUTH_ADDRESS_MAX];
	struct directory_user user;
	bool found;

	if (!parse_client_first(s, arena_str(&s->arena, message), &bind, &authzid, &account, &client_nonce)) {
		sasl_fail(s, AUTH_MALFORMED);
		return;
	}
	auth_account_name(account, s->account);
	auth_account_name(authzid, authz_account);
	s->bind_flag = bind.p[0];
	/* Binding must be requested exactly with -PLUS, and only to the exporter. "y":
	 * the client thinks that we do not support -PLUS; if we offered it, somebody
	 * removed it on the way. Acting for another account is not supported. */
	if ((s->bind_flag == 'p') != s->mechanism->plus || (s->bind_flag == 'y' && s->has_exporter) ||
	    (s->bind_flag == 'p' && !str_eq(bind, STR("p=tls-exporter"))) ||
	    (authzid.len != 0 && strcmp(authz_account, s->account) != 0)) {
		sasl_fail(s, AUTH_FAILED);
		return;
	}
	CHECK(RAND_bytes(random, sizeof(random)) == 1);
	nonce = base64_text(s, random, sizeof(random));
	s->nonce = str_c(arena_printf(&s->arena, "%.*s%.*s", STR_ARG(client_nonce), STR_ARG(nonce)));
	if (directory_get_user(s->auth->directory, str_c(s->account), &user, &found, sasl_on_user, s))
		sasl_on_user(s, found ? &user : NULL, NULL);
}

/* Is "c=" correct: the GS2 header and, with -PLUS, the binding? */
static bool
binding_is_right(struct sasl *s, struct str binding)
{
	struct buf expected = BUF_EMPTY, text = BUF_EMPTY;
	bool right;

	buf_add_str(&expected, s->gs2);
	if (s->bind_flag == 'p')
		buf_add(&expected, s->exporter, EXPORTER_BYTES);
	base64_encode(buf_str(&expected), &text);
	right = str_eq(buf_str(&text), binding);
	buf_fini(&expected);
	buf_fini(&text);
	return right;
}

static void
succeed_scram(struct sasl *s, struct str auth_message)
{
	unsigned char signature[SCRAM_KEY_BYTES];
	struct str text;

	scram_server_signature(&s->verifier, auth_message, signature);
	text = base64_text(s, signature, sizeof(signature));
	text = str_c(arena_printf(&s->arena, "v=%.*s", STR_ARG(text)));
	if (s->success_data) {
		sasl_finish(s, AUTH_OK, &s->identity, text);
		return;
	}
	s->step = 2; /* the client's answer to this is empty */
	sasl_challenge(s, text);
}

/* "c=...,r=nonce,p=proof" */
static void
take_client_final(struct sasl *s, struct str message)
{
	struct str rest = message, binding, nonce, proof, without_proof;
	struct str auth_message;
	const char *p;

	p = message.len != 0 ? memmem(message.p, message.len, ",p=", 3) : NULL;
	if (p == NULL || str_index(message, '\0') >= 0 || !take_attribute(&rest, 'c', &binding) ||
	    !take_attribute(&rest, 'r', &nonce)) {
		sasl_fail(s, AUTH_MALFORMED);
		return;
	}
	without_proof = str_of(message.p, (size_t)(p - message.p));
	proof = str_from(message, without_proof.len + 3);
	auth_message = str_c(arena_printf(&s->arena, "%.*s,%.*s,%.*s", STR_ARG(s->client_first_bare),
					  STR_ARG(s->server_first), STR_ARG(without_proof)));
	if (!str_eq(nonce, s->nonce) || !binding_is_right(s, binding) ||
	    !scram_proof_fits(&s->verifier, auth_message, proof) || !s->account_exists) {
		throttle_failed(s->auth, s->account, &s->peer);
		sasl_fail(s, AUTH_FAILED);
		return;
	}
	if (!s->has_second_factor) /* see auth.c */
		throttle_succeeded(s->auth, s->account);
	if (!s->enabled)
		sasl_fail(s, AUTH_DISABLED);
	else
		succeed_scram(s, auth_message);
}

static void
respond_scram(struct sasl *s, struct str response)
{
	switch (s->step) {
	case 0:
		s->step = 1;
		take_client_first(s, response);
		break;
	case 1: take_client_final(s, response); break;
	default:
		if (response.len == 0)
			sasl_finish(s, AUTH_OK, &s->identity, STR_NONE);
		else
			sasl_fail(s, AUTH_MALFORMED);
	}
}

/* ---- The table ---- */

static const struct mechanism mechanisms[] = {
	{"PLAIN", true, "", false, respond_plain},
	{"LOGIN", false, "Username:", false, respond_login},
	{"SCRAM-SHA-256", true, "", false, respond_scram},
	{"SCRAM-SHA-256-PLUS", true, "", true, respond_scram},
	{0},
};

static const struct mechanism *
find_mechanism(struct str name)
{
	for (const struct mechanism *m = mechanisms; m->name != NULL; m++)
		if (str_eq_ci(name, str_c(m->name)))
			return m;
	return NULL;
}

bool
sasl_is_known(struct str mechanism)
{
	return find_mechanism(mechanism) != NULL;
}

struct sasl *
sasl_start(struct auth *a, struct str mechanism, const struct str *initial, const struct sasl_options *options,
	   const struct sasl_events *events, void *arg)
{
	const struct mechanism *m = find_mechanism(mechanism);
	struct sasl *s;

	if (m == NULL || (m->plus && options->exporter == NULL))
		return NULL;
	s = mem_new(struct sasl);
	s->auth = a;
	s->mechanism = m;
	s->events = *events;
	s->arg = arg;
	s->peer = *options->peer;
	s->success_data = options->success_data;
	arena_init(&s->arena);
	if (options->exporter != NULL) {
		s->has_exporter = true;
		memcpy(s->exporter, options->exporter, EXPORTER_BYTES);
	}
	s->may_respond = true;
	if (initial != NULL)
		sasl_respond(s, *initial);
	else
		sasl_challenge(s, str_c(m->prompt));
	return s;
}

void
sasl_respond(struct sasl *s, struct str response)
{
	bool may_respond = s->may_respond;

	if (s->done)
		return;
	s->may_respond = false;
	if (!may_respond || response.len > RESPONSE_MAX)
		sasl_fail(s, AUTH_MALFORMED);
	else
		s->mechanism->respond(s, response);
}

void
sasl_free(struct sasl **sp)
{
	struct sasl *s = *sp;

	if (s == NULL)
		return;
	*sp = NULL;
	auth_cancel(&s->check);
	throttle_cancel(&s->throttle);
	directory_cancel(s->auth->directory, s);
	OPENSSL_cleanse(&s->verifier, sizeof(s->verifier));
	arena_fini(&s->arena);
	mem_free(s);
}

bool
sasl_decode(struct arena *arena, struct str line, struct str *data_out, bool *aborted_out)
{
	struct buf data = BUF_EMPTY;
	bool good;

	*aborted_out = str_eq(line, STR("*"));
	*data_out = STR_NONE;
	if (*aborted_out || line.len == 0 || str_eq(line, STR("=")))
		return true;
	good = base64_decode(line, &data);
	if (good)
		*data_out = arena_str(arena, buf_str(&data));
	buf_fini(&data);
	return good;
}
