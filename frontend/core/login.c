#include "frontend/core/login.h"

#include "lib/base/base64.h"
#include "lib/base/check.h"
#include "lib/base/mem.h"
#include "lib/service/metrics.h"

struct login {
	struct auth_request *check; /* owner; a password check */
	struct sasl *sasl;	    /* owner; a dialogue */
	bool answered;		    /* the client's last input has been answered */
	bool over;		    /* to be freed once the engine is no longer our caller */
};

bool
login_is_allowed(const struct session *s)
{
	struct session_limits limits;

	session_limits(s, &limits);
	return conn_is_secure(s->conn) || limits.insecure_auth;
}

struct str
login_mechanisms(const struct session *s, bool plain)
{
	unsigned char exporter[32];

	if (conn_tls_exporter(s->conn, exporter))
		return plain ? STR("PLAIN LOGIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS")
			     : STR("SCRAM-SHA-256 SCRAM-SHA-256-PLUS");
	return plain ? STR("PLAIN LOGIN SCRAM-SHA-256") : STR("SCRAM-SHA-256");
}

bool
login_is_offered(struct str mechanisms, struct str mechanism)
{
	struct str word;

	while (str_next_word(&mechanisms, " ", &word))
		if (str_eq_ci(word, mechanism))
			return sasl_is_known(mechanism);
	return false;
}

void
login_free(struct session *s)
{
	if (s->login == NULL)
		return;
	auth_cancel(&s->login->check);
	sasl_free(&s->login->sasl);
	mem_free(s->login);
	s->login = NULL;
}

void
login_clean(struct session *s)
{
	if (s->login != NULL && s->login->over)
		login_free(s);
}

static void
login_new(struct session *s)
{
	login_clean(s);
	CHECK(s->login == NULL);
	s->login = mem_new(struct login);
}

/* ---- The result ---- */

static const char *
login_result_text(enum auth_result result)
{
	static const char *const texts[] = {
		[AUTH_OK] = "ok",
		[AUTH_FAILED] = "wrong user name or password",
		[AUTH_DISABLED] = "the account is disabled",
		[AUTH_MALFORMED] = "malformed response",
		[AUTH_ABORTED] = "cancelled by the client",
		[AUTH_UNAVAILABLE] = "the store cannot be queried",
	};

	return texts[result];
}

/* An outage, or a client that gives up, does not count as a failed login. */
static void
login_count(enum auth_result result)
{
	if (result == AUTH_OK)
		metrics_add(M_AUTH_OK, 1);
	else if (result != AUTH_UNAVAILABLE && result != AUTH_ABORTED)
		metrics_add(M_AUTH_FAILED, 1);
}

static void
login_end(struct session *s, enum auth_result result, const struct auth_identity *identity)
{
	s->login->over = true;
	login_count(result);
	if (result == AUTH_OK) {
		session_set_account(s, identity);
		log_info(conn_log(s->conn), "authenticated", F_C("account", s->account));
	} else {
		log_info(conn_log(s->conn), "login refused", F_C("reason", login_result_text(result)),
			 F_C("account", identity != NULL ? identity->address : ""));
	}
	if (!s->protocol->on_login(s, result))
		return;
	s->login->answered = true;
	session_resume(s);
}

/* ---- A password ---- */

static void
login_on_checked(void *arg, enum auth_result result, const struct auth_identity *identity)
{
	struct session *s = arg;

	s->login->check = NULL;
	login_end(s, result, identity);
}

void
login_by_password(struct session *s, struct str user, struct str password)
{
	login_new(s);
	s->login->check = auth_check_password(conn_frontend(s->conn)->auth, user, password, conn_peer(s->conn),
					      login_on_checked, s);
}

/* ---- A certificate, which has been judged: is there such an account? ---- */

static void
login_end_certificate(struct session *s, const struct directory_user *user, const struct err *err)
{
	struct auth_identity identity = {.quota_bytes = 0};

	if (err != NULL || user == NULL) {
		login_end(s, err != NULL ? AUTH_UNAVAILABLE : AUTH_FAILED, NULL);
		return;
	}
	str_copy(str_c(user->address), identity.address, sizeof(identity.address));
	identity.quota_bytes = user->quota_bytes;
	login_end(s, user->enabled ? AUTH_OK : AUTH_DISABLED, &identity);
}

static void
login_on_user(void *arg, const struct directory_user *user, const struct err *err)
{
	struct session *s = arg;

	if (session_back(s))
		login_end_certificate(s, user, err);
}

bool
login_by_certificate(struct session *s, struct str address)
{
	struct directory_user user;
	bool found;

	login_new(s);
	session_hold(s);
	if (directory_get_user(conn_frontend(s->conn)->directory, address, &user, &found, login_on_user, s) &&
	    session_back(s))
		login_end_certificate(s, found ? &user : NULL, NULL);
	return s->login->answered;
}

/* ---- A dialogue: the engine may call back from within our own calls ---- */

static void
login_on_challenge(void *arg, struct str challenge)
{
	struct session *s = arg;
	struct buf text = BUF_EMPTY;

	base64_encode(challenge, &text);
	s->protocol->on_challenge(s, buf_str(&text));
	buf_fini(&text);
	s->login->answered = true;
	session_resume(s);
}

static void
login_on_done(void *arg, enum auth_result result, const struct auth_identity *identity, struct str final_data)
{
	struct session *s = arg;

	if (s->protocol->on_final != NULL)
		s->protocol->on_final(s, final_data);
	login_end(s, result, identity);
}

static const struct sasl_events login_sasl_events = {.on_challenge = login_on_challenge, .on_done = login_on_done};

/* Refused before the engine is involved. */
static bool
login_refuse(struct session *s, enum auth_result result)
{
	sasl_free(&s->login->sasl);
	login_end(s, result, NULL);
	return true;
}

bool
login_begin(struct session *s, struct str mechanism, struct str initial)
{
	unsigned char exporter[32];
	struct sasl_options options = {.peer = conn_peer(s->conn), .success_data = s->protocol->on_final != NULL};
	struct str response = STR_NONE;
	bool aborted = false;

	login_new(s);
	if (initial.p != NULL && !sasl_decode(&s->command.arena, initial, &response, &aborted))
		return login_refuse(s, AUTH_MALFORMED);
	if (aborted)
		return login_refuse(s, AUTH_MALFORMED);
	if (conn_tls_exporter(s->conn, exporter))
		options.exporter = exporter;
	s->login->sasl = sasl_start(conn_frontend(s->conn)->auth, mechanism, initial.p != NULL ? &response : NULL,
				    &options, &login_sasl_events, s);
	CHECKF(s->login->sasl != NULL, "mechanism %.*s", STR_ARG(mechanism));
	return s->login->answered;
}

bool
login_respond(struct session *s, struct str line)
{
	struct str response;
	bool aborted = false;

	if (line.p == NULL || !sasl_decode(&s->command.arena, line, &response, &aborted))
		return login_refuse(s, AUTH_MALFORMED);
	if (aborted)
		return login_refuse(s, AUTH_ABORTED);
	s->login->answered = false;
	sasl_respond(s->login->sasl, response);
	return s->login->answered;
}
