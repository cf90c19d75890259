/* Who asks: a session of the page, by its cookie, or a script, by Basic login or by a
 * token (RFC 6750). */
#include "frontend/web/private.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/service/metrics.h"

struct session_state {
	char mark[WEB_TOKEN_MAX];
	int64_t left_ms; /* of a session, if nobody uses it */
};

/* The prefix makes a browser insist on Secure, and on this host alone. Without TLS,
 * which is for loopback only, it would refuse it. */
const char *
web_cookie_name(const struct http_request *r)
{
	return http_is_tls(r) ? "__Host-stagepost" : "stagepost";
}

const char *
web_role_name(enum web_role role)
{
	switch (role) {
	case WEB_USER: return "user";
	case WEB_DOMAIN_ADMIN: return "domain_admin";
	case WEB_SYSTEM_ADMIN: return "system_admin";
	default: return "";
	}
}

static bool
session_has_role(const char *roles, struct str role)
{
	struct str rest = str_c(roles), word;

	while (str_next_word(&rest, " ", &word))
		if (str_eq(word, role))
			return true;
	return false;
}

bool
web_read_user(const struct directory_user *user, struct web_identity *who)
{
	str_copy(str_c(user->address), who->address, sizeof(who->address));
	who->role = session_has_role(user->roles, STR("system_admin"))	 ? WEB_SYSTEM_ADMIN
		    : session_has_role(user->roles, STR("domain_admin")) ? WEB_DOMAIN_ADMIN
									 : WEB_USER;
	return user->enabled;
}

/* ---- The account ---- */

static void
session_is_nobody(struct web_request *w)
{
	w->who = (struct web_identity){.role = WEB_ANYBODY};
	w->on_identity(w);
}

static void
session_on_account(void *arg, const struct directory_user *user, const struct err *err)
{
	struct web_request *w = arg;

	if (!http_back(w->r))
		return;
	if (err != NULL)
		web_fail(w, err);
	else
		w->on_user(w, user);
}

void
web_find_user(struct web_request *w, void (*on_user)(struct web_request *w, const struct directory_user *user))
{
	struct directory_user user;
	bool found;

	w->on_user = on_user;
	if (directory_get_user(w->web->admin.directory, str_c(w->who.address), &user, &found, session_on_account, w))
		on_user(w, found ? &user : NULL);
	else
		http_hold(w->r);
}

/* A token may do what it was made for, but no more than its account. */
static bool
session_take_token(struct web_request *w, const struct directory_user *user)
{
	struct credential token;

	if (!credential_get(user, CREDENTIAL_TOKEN, w->who.token_id, clock_unix_ms(), &token))
		return false;
	str_copy(str_c(token.name), w->who.token, sizeof(w->who.token));
	for (enum web_role role = WEB_USER; role < w->who.role; role++)
		if (strcmp(token.role, web_role_name(role)) == 0)
			w->who.role = role;
	return true;
}

static bool
session_is_current(const struct web_request *w, const struct directory_user *user)
{
	const struct session_state *s = w->state;
	char mark[WEB_TOKEN_MAX];

	admin_session_mark(user, mark);
	return strcmp(mark, s->mark) == 0;
}

static void
session_take_user(struct web_request *w, const struct directory_user *user)
{
	const struct session_state *s = w->state;
	struct arena *arena = http_arena(w->r);

	if (user == NULL || !web_read_user(user, &w->who) || (w->who.by_cookie && !session_is_current(w, user)) ||
	    (w->who.token_id[0] != '\0' && !session_take_token(w, user))) {
		session_is_nobody(w);
		return;
	}
	if (!w->who.by_cookie && w->who.token_id[0] == '\0' && user->totp[0] != '\0') {
		web_refuse(w, 403, "the account has a second factor: use a token instead of its password");
		return;
	}
	if (w->who.by_cookie)
		redis_call_key(w->web->admin.redis, NULL, NULL, "PEXPIRE",
			       admin_session_key(arena, str_c(w->who.session)), 1,
			       (const struct str[]){str_c(arena_printf(arena, "%lld", (long long)s->left_ms))});
	w->on_identity(w);
}

/* ---- By cookie ---- */

static bool
session_parse(struct web_request *w, struct str text)
{
	struct session_state *s = w->state;
	struct admin_session session;

	if (!admin_session_parse(text, &session))
		return false;
	s->left_ms = admin_session_left_ms(&session);
	str_copy(str_c(session.mark), s->mark, sizeof(s->mark));
	str_copy(str_c(session.csrf), w->who.csrf, sizeof(w->who.csrf));
	return str_copy(session.address, w->who.address, sizeof(w->who.address));
}

static void
session_on_record(void *arg, const redisReply *reply, const struct err *err)
{
	struct web_request *w = arg;

	if (!http_back(w->r))
		return;
	if (err != NULL)
		web_fail(w, err);
	else if (session_parse(w, redis_str(reply)))
		web_find_user(w, session_take_user);
	else
		session_is_nobody(w);
}

static struct str
session_cookie(const struct http_request *r)
{
	const struct http_head *head = http_head(r);
	struct str name, value, pair;

	for (unsigned i = 0; i < head->field_count; i++) {
		struct str rest = head->fields[i].value;
		if (!str_eq_ci(head->fields[i].name, STR("Cookie")))
			continue;
		while (str_next_word(&rest, ";", &pair))
			if (str_cut(str_trim(pair), '=', &name, &value) && str_eq(name, str_c(web_cookie_name(r))))
				return value;
	}
	return STR_NONE;
}

/* ---- By Basic login, or by a token ---- */

bool
web_take_login(struct web_request *w, enum auth_result result, const struct auth_identity *identity)
{
	w->login = NULL;
	if (result == AUTH_OK || result == AUTH_FAILED)
		metrics_add(result == AUTH_OK ? M_AUTH_OK : M_AUTH_FAILED, 1);
	if (result == AUTH_OK)
		str_copy(str_c(identity->address), w->who.address, sizeof(w->who.address));
	else if (result == AUTH_UNAVAILABLE)
		web_refuse(w, 503, "the store is unavailable; try again later");
	else
		log_info(http_log(w->r), "login refused");
	return result != AUTH_UNAVAILABLE;
}

static void
session_on_login(void *arg, enum auth_result result, const struct auth_identity *identity)
{
	struct web_request *w = arg;

	if (!web_take_login(w, result, identity))
		return;
	if (result != AUTH_OK) {
		session_is_nobody(w);
		return;
	}
	str_copy(str_c(identity->credential), w->who.token_id, sizeof(w->who.token_id));
	web_find_user(w, session_take_user);
}

/* "Bearer stp...." (RFC 6750, 2.1) */
static bool
session_bearer(const struct http_request *r, struct str *token_out)
{
	struct str scheme;

	str_cut(http_field(r, STR("Authorization")), ' ', &scheme, token_out);
	return str_eq_ci(scheme, STR("Bearer"));
}

void
web_identify(struct web_request *w)
{
	struct auth *auth = w->web->frontend->auth;
	struct str address, password, token, cookie = session_cookie(w->r);

	w->state = arena_new(http_arena(w->r), struct session_state);
	if (session_bearer(w->r, &token)) {
		w->challenge = "Bearer realm=\"Stagepost\", error=\"invalid_token\"";
		w->login = auth_check_token(auth, str_trim(token), http_client(w->r), session_on_login, w);
	} else if (http_basic(w->r, &address, &password)) {
		w->login = auth_check_main_password(auth, address, password, http_client(w->r), session_on_login, w);
	} else if (cookie.len != 0 && cookie.len < WEB_TOKEN_MAX) {
		w->who.by_cookie = true;
		credential_hash(cookie, w->who.session);
		http_hold(w->r);
		redis_call_key(w->web->admin.redis, session_on_record, w, "GET",
			       admin_session_key(http_arena(w->r), str_c(w->who.session)), 0, NULL);
	} else {
		session_is_nobody(w);
	}
}
