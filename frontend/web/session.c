/* Who asks: a session of the page, by its cookie, or a script, by Basic login.
 *
 * A session is a key of the store, named by the hash of its token: whoever reads the
 * store cannot log in with what he finds. It says "created csrf mark address"; the
 * mark is one of the account's record, so that a changed password or other roles end
 * all sessions of the account, on all frontends, with nobody to tell them. */
#include <openssl/sha.h>
#include <stdio.h>

#include "frontend/web/private.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/redis/keys.h"
#include "lib/service/metrics.h"

struct session_state {
	char mark[WEB_TOKEN_MAX];
	int64_t left_ms; /* of the longest time that it may last */
};

static void
session_hash(struct str text, char out[WEB_TOKEN_MAX])
{
	unsigned char digest[SHA256_DIGEST_LENGTH];

	SHA256((const unsigned char *)text.p, text.len, digest);
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

void
web_token_hash(struct str token, char out[WEB_TOKEN_MAX])
{
	session_hash(token, out);
}

struct str
web_session_key(struct arena *arena, struct str hash)
{
	return redis_key(arena, KEY_WEB_SESSION, hash);
}

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
	static const char *const names[] = {"", "user", "domain_admin", "system_admin"};
	return names[role];
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
web_read_user(const struct directory_user *user, struct web_identity *who, char mark_out[WEB_TOKEN_MAX])
{
	struct buf text = BUF_EMPTY;

	buf_printf(&text, "%s\n%s\n%s\n%s\n%lld", user->address, user->password, user->scram_sha256, user->roles,
		   (long long)user->created_ms);
	session_hash(buf_str(&text), mark_out);
	buf_fini(&text);
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
session_take_user(struct web_request *w, const struct directory_user *user)
{
	struct session_state *s = w->state;
	char mark[WEB_TOKEN_MAX], left[24];
	struct str args[1];

	if (user == NULL || !web_read_user(user, &w->who, mark) || (w->who.by_cookie && strcmp(mark, s->mark) != 0)) {
		session_is_nobody(w);
		return;
	}
	if (w->who.by_cookie) {
		snprintf(left, sizeof(left), "%lld",
			 (long long)(s->left_ms < WEB_SESSION_IDLE_MS ? s->left_ms : WEB_SESSION_IDLE_MS));
		args[0] = str_c(left);
		redis_call_key(w->web->admin.redis, NULL, NULL, "PEXPIRE",
			       web_session_key(http_arena(w->r), str_c(w->who.session)), 1, args);
	}
	w->on_identity(w);
}

static void
session_on_user(void *arg, const struct directory_user *user, const struct err *err)
{
	struct web_request *w = arg;

	if (!http_back(w->r))
		return;
	if (err != NULL)
		web_fail(w, err);
	else
		session_take_user(w, user);
}

static void
session_find_user(struct web_request *w)
{
	struct directory_user user;
	bool found;

	if (directory_get_user(w->web->admin.directory, str_c(w->who.address), &user, &found, session_on_user, w))
		session_take_user(w, found ? &user : NULL);
	else
		http_hold(w->r);
}

/* ---- By cookie ---- */

/* "1764510000000 <csrf> <mark> admin@example.com" */
static bool
session_parse(struct web_request *w, struct str text)
{
	struct session_state *s = w->state;
	struct str created, csrf, mark;
	int64_t created_ms;

	if (!str_next_word(&text, " ", &created) || !str_next_word(&text, " ", &csrf) ||
	    !str_next_word(&text, " ", &mark) || !str_to_i64(created, &created_ms))
		return false;
	s->left_ms = created_ms + WEB_SESSION_LONGEST_MS - clock_unix_ms();
	/* What is left is the address, which may have spaces in it. */
	text = str_trim(text);
	return s->left_ms > 0 && str_copy(csrf, w->who.csrf, sizeof(w->who.csrf)) &&
	       str_copy(mark, s->mark, sizeof(s->mark)) && str_copy(text, w->who.address, sizeof(w->who.address));
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
		session_find_user(w);
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

/* ---- By Basic login ---- */

static void
session_on_password(void *arg, enum auth_result result, const struct auth_identity *identity)
{
	struct web_request *w = arg;

	w->login = NULL;
	if (result == AUTH_OK || result == AUTH_FAILED)
		metrics_add(result == AUTH_OK ? M_AUTH_OK : M_AUTH_FAILED, 1);
	if (result == AUTH_UNAVAILABLE) {
		web_refuse(w, 503, "the store is unavailable; try again later");
	} else if (result == AUTH_OK) {
		str_copy(str_c(identity->address), w->who.address, sizeof(w->who.address));
		session_find_user(w);
	} else {
		log_info(http_log(w->r), "login refused");
		session_is_nobody(w);
	}
}

void
web_identify(struct web_request *w)
{
	struct str address, password, cookie = session_cookie(w->r);

	w->state = arena_new(http_arena(w->r), struct session_state);
	if (http_basic(w->r, &address, &password)) {
		w->login = auth_check_password(w->web->frontend->auth, address, password, http_client(w->r),
					       session_on_password, w);
	} else if (cookie.len != 0 && cookie.len < WEB_TOKEN_MAX) {
		w->who.by_cookie = true;
		session_hash(cookie, w->who.session);
		http_hold(w->r);
		redis_call_key(w->web->admin.redis, session_on_record, w, "GET",
			       web_session_key(http_arena(w->r), str_c(w->who.session)), 0, NULL);
	} else {
		session_is_nobody(w);
	}
}
