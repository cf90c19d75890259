/* Logging in to the page and out of it. */
#include <openssl/rand.h>
#include <stdio.h>

#include "frontend/web/private.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/service/metrics.h"

struct login_state {
	char token[WEB_TOKEN_MAX];
};

static void
login_random(char out[WEB_TOKEN_MAX])
{
	unsigned char bytes[(WEB_TOKEN_MAX - 1) / 2];

	CHECK(RAND_bytes(bytes, sizeof(bytes)) == 1);
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

static cJSON *
login_tell(const struct web_identity *who)
{
	cJSON *o = cJSON_CreateObject();

	cJSON_AddStringToObject(o, "address", who->address);
	cJSON_AddStringToObject(o, "role", web_role_name(who->role));
	if (who->by_cookie)
		cJSON_AddStringToObject(o, "token", who->csrf);
	return o;
}

static void
login_send(struct web_request *w, const char *token, int64_t seconds, cJSON *result)
{
	struct http_request *r = w->r;
	char *text = cJSON_PrintUnformatted(result);

	cJSON_Delete(result);
	cJSON_Delete(w->body);
	w->body = NULL;
	http_begin(r, 200, "application/json; charset=utf-8", strlen(text));
	http_add_header(r, "Cache-Control", STR("no-store"));
	http_add_header(r, "X-Content-Type-Options", STR("nosniff"));
	http_add_header(
		r, "Set-Cookie",
		str_c(arena_printf(http_arena(r), "%s=%s; Path=/; HttpOnly; SameSite=Strict; Max-Age=%lld%s",
				   web_cookie_name(r), token, (long long)seconds, http_is_tls(r) ? "; Secure" : "")));
	http_write(r, str_c(text));
	cJSON_free(text);
	http_finish(r);
}

/* ---- In ---- */

static void
login_on_stored(void *arg, const redisReply *reply, const struct err *err)
{
	struct web_request *w = arg;
	const struct login_state *s = w->state;

	(void)reply;
	if (!http_back(w->r))
		return;
	if (err != NULL) {
		web_fail(w, err);
		return;
	}
	log_info(http_log(w->r), "logged in to the page", F_C("account", w->who.address),
		 F_C("role", web_role_name(w->who.role)));
	login_send(w, s->token, WEB_SESSION_LONGEST_MS / 1000, login_tell(&w->who));
}

static void
login_store(struct web_request *w, const struct directory_user *user)
{
	struct login_state *s = arena_new(http_arena(w->r), struct login_state);
	struct arena *arena = http_arena(w->r);
	char mark[WEB_TOKEN_MAX];

	w->state = s;
	if (user == NULL || !web_read_user(user, &w->who, mark)) {
		web_refuse(w, 403, "the account may not log in");
		return;
	}
	w->who.by_cookie = true;
	login_random(s->token);
	login_random(w->who.csrf);
	web_token_hash(str_c(s->token), w->who.session);
	http_hold(w->r);
	redis_call_key(w->web->admin.redis, login_on_stored, w, "SET", web_session_key(arena, str_c(w->who.session)), 3,
		       (const struct str[]){str_c(arena_printf(arena, "%lld %s %s %s", (long long)clock_unix_ms(),
							       w->who.csrf, mark, w->who.address)),
					    STR("PX"), str_c(arena_printf(arena, "%d", WEB_SESSION_IDLE_MS))});
}

static void
login_on_user(void *arg, const struct directory_user *user, const struct err *err)
{
	struct web_request *w = arg;

	if (!http_back(w->r))
		return;
	if (err != NULL)
		web_fail(w, err);
	else
		login_store(w, user);
}

static void
login_on_result(void *arg, enum auth_result result, const struct auth_identity *identity)
{
	struct web_request *w = arg;
	struct directory_user user;
	bool found;

	w->login = NULL;
	if (result == AUTH_OK || result == AUTH_FAILED)
		metrics_add(result == AUTH_OK ? M_AUTH_OK : M_AUTH_FAILED, 1);
	if (result == AUTH_UNAVAILABLE) {
		web_refuse(w, 503, "the store is unavailable; try again later");
	} else if (result == AUTH_DISABLED) {
		web_refuse(w, 403, "the account may not log in");
	} else if (result != AUTH_OK) {
		log_info(http_log(w->r), "login refused");
		web_refuse(w, 401, "the address or the password is wrong");
	} else if (directory_get_user(w->web->admin.directory, str_c(identity->address), &user, &found, login_on_user,
				      w)) {
		login_store(w, found ? &user : NULL);
	} else {
		http_hold(w->r);
	}
}

void
web_login(struct web_request *w)
{
	struct str address = web_member(w, "address"), password = web_member(w, "password");

	if (address.len == 0 || password.p == NULL) {
		web_refuse(w, 422, "address and password are needed");
		return;
	}
	/* The body may go before the answer comes. */
	w->login = auth_check_password(w->web->frontend->auth, arena_str(http_arena(w->r), address),
				       arena_str(http_arena(w->r), password), http_client(w->r), login_on_result, w);
}

/* ---- Out, and who am I ---- */

static void
login_on_removed(void *arg, const redisReply *reply, const struct err *err)
{
	struct web_request *w = arg;

	(void)reply;
	if (!http_back(w->r))
		return;
	if (err != NULL)
		web_fail(w, err);
	else
		login_send(w, "", 0, cJSON_CreateObject());
}

void
web_logout(struct web_request *w)
{
	if (!w->who.by_cookie) {
		web_refuse(w, 409, "this login has no session to end");
		return;
	}
	http_hold(w->r);
	redis_call_key(w->web->admin.redis, login_on_removed, w, "DEL",
		       web_session_key(http_arena(w->r), str_c(w->who.session)), 0, NULL);
}

void
web_whoami(struct web_request *w)
{
	web_answer(w, 200, login_tell(&w->who));
}
