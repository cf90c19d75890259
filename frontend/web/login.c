/* Logging in to the page and out of it. */
#include <openssl/rand.h>
#include <stdio.h>

#include "frontend/web/private.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

struct login_state {
	char token[WEB_TOKEN_MAX];
	struct str code; /* of the second factor */
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
login_tell(struct web_request *w)
{
	cJSON *o = w->with_session != NULL ? w->with_session : cJSON_CreateObject();

	w->with_session = NULL;
	cJSON_AddStringToObject(o, "address", w->who.address);
	cJSON_AddStringToObject(o, "role", web_role_name(w->who.role));
	if (w->who.by_cookie)
		cJSON_AddStringToObject(o, "token", w->who.csrf);
	return o;
}

static void
login_send(struct web_request *w, const char *token, int64_t seconds, cJSON *result)
{
	struct http_request *r = w->r;
	char *text = cJSON_PrintUnformatted(result);

	cJSON_Delete(result);
	cJSON_Delete(w->body);
	cJSON_Delete(w->with_session);
	w->body = w->with_session = NULL;
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
login_on_stored(void *arg, const struct err *err)
{
	struct web_request *w = arg;
	const struct login_state *s = w->state;

	w->call = NULL;
	if (err != NULL) {
		web_fail(w, err);
		return;
	}
	log_info(http_log(w->r), "logged in to the page", F_C("account", w->who.address),
		 F_C("role", web_role_name(w->who.role)));
	login_send(w, s->token, SESSION_LONGEST_MS / 1000, login_tell(w));
}

static void
login_store(struct web_request *w, const struct directory_user *user)
{
	struct login_state *s = arena_new(http_arena(w->r), struct login_state);
	struct admin_session session = {.created_ms = clock_unix_ms()};
	char from[IP_TEXT_MAX];

	w->state = s;
	if (user == NULL || !web_read_user(user, &w->who)) {
		web_refuse(w, 403, "the account may not log in");
		return;
	}
	w->who.by_cookie = true;
	login_random(s->token);
	login_random(w->who.csrf);
	credential_hash(str_c(s->token), w->who.session);
	str_copy(str_c(w->who.session), session.id, sizeof(session.id));
	str_copy(str_c(w->who.csrf), session.csrf, sizeof(session.csrf));
	admin_session_mark(user, session.mark);
	ip_text(http_client(w->r), from);
	session.from = str_c(from);
	session.agent = http_field(w->r, STR("User-Agent"));
	if (!str_is_printable_ascii(session.agent))
		session.agent = STR_NONE;
	session.address = str_c(w->who.address);
	w->call = admin_session_store(&w->web->admin, &session, login_on_stored, w);
}

void
web_begin_session(struct web_request *w)
{
	web_find_user(w, login_store);
}

/* ---- The second factor ---- */

static void
login_ask_code(struct web_request *w, const char *text)
{
	cJSON *o = cJSON_CreateObject();

	cJSON_AddStringToObject(o, "error", text);
	cJSON_AddBoolToObject(o, "code_needed", true);
	web_answer(w, 401, o);
}

static void
login_on_code(void *arg, enum auth_result result, const struct auth_identity *identity)
{
	struct web_request *w = arg;

	if (!web_take_login(w, result, identity))
		return;
	if (result != AUTH_OK)
		login_ask_code(w, "the code is wrong or was used already; after many wrong ones, wait for a while");
	else
		web_begin_session(w);
}

/* The password is right. */
static void
login_take_user(struct web_request *w, const struct directory_user *user)
{
	const struct login_state *s = w->state;

	if (user == NULL || user->totp[0] == '\0')
		login_store(w, user);
	else if (s->code.len == 0)
		login_ask_code(w, "the account has a second factor: its code is needed too");
	else
		w->login = auth_check_code(w->web->frontend->auth, str_c(w->who.address), s->code, http_client(w->r),
					   login_on_code, w);
}

static void
login_on_checked(void *arg, enum auth_result result, const struct auth_identity *identity)
{
	struct web_request *w = arg;

	if (!web_take_login(w, result, identity))
		return;
	if (result == AUTH_DISABLED)
		web_refuse(w, 403, "the account may not log in");
	else if (result != AUTH_OK)
		web_refuse(w, 401, "the address or the password is wrong");
	else
		web_find_user(w, login_take_user);
}

void
web_login(struct web_request *w)
{
	struct login_state *s = arena_new(http_arena(w->r), struct login_state);
	struct str address = web_member(w, "address"), password = web_member(w, "password");

	if (address.len == 0) {
		web_refuse(w, 422, "address and password are needed");
		return;
	}
	w->state = s;
	s->code = arena_str(http_arena(w->r), web_member(w, "code"));
	w->login = auth_check_main_password(w->web->frontend->auth, address, password, http_client(w->r),
					    login_on_checked, w);
}

/* ---- Out, and who am I ---- */

static void
login_on_ended(void *arg, const struct err *err)
{
	struct web_request *w = arg;

	if (!web_is_still_there(w, NULL))
		return;
	if (err != NULL && err->code != ERR_NOT_FOUND)
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
	/* The session ends even if its tab is closed before the answer. */
	http_hold(w->r);
	admin_session_end(&w->web->admin, str_c(w->who.address), str_c(w->who.session), login_on_ended, w);
}

void
web_whoami(struct web_request *w)
{
	web_answer(w, 200, login_tell(w));
}
