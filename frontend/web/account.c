/* What every user may do with his own account: password, sessions, app passwords, tokens.
 * Not by a token, which could make itself another that lasts longer. */
#include "frontend/web/private.h"
#include "lib/admin/accounts.h"

/* ---- The account ---- */

static void
account_on_shown(void *arg, cJSON *result, const struct err *err)
{
	struct web_request *w = arg;

	w->call = NULL;
	if (err != NULL) {
		web_fail(w, err);
		return;
	}
	cJSON_DeleteItemFromObject(result, "roles");
	cJSON_AddBoolToObject(result, "second_factor_possible", w->web->admin.seals != NULL);
	cJSON_AddStringToObject(result, "role", web_role_name(w->who.role));
	web_answer(w, 200, result);
}

void
web_account_show(struct web_request *w)
{
	w->call = admin_user_show(&w->web->admin, str_c(w->who.address), account_on_shown, w);
}

/* ---- The password ---- */

static void
account_on_password_set(void *arg, const struct err *err)
{
	struct web_request *w = arg;

	if (err == NULL)
		web_audit(w, "password changed", w->who.address, NULL);
	if (!web_is_still_there(w, NULL))
		return;
	/* The change ended all sessions, this one too. */
	if (err != NULL)
		web_fail(w, err);
	else if (w->who.by_cookie)
		web_begin_session(w);
	else
		web_answer(w, 200, cJSON_CreateObject());
}

static void
account_refuse_old(struct web_request *w)
{
	cJSON *faults = cJSON_CreateObject();

	cJSON_AddStringToObject(faults, "old", "this is not the account's password");
	web_refuse_fields(w, faults);
}

static void
account_on_old_checked(void *arg, enum auth_result result, const struct auth_identity *identity)
{
	struct web_request *w = arg;

	if (!web_take_login(w, result, identity))
		return;
	if (result != AUTH_OK) {
		account_refuse_old(w);
		return;
	}
	http_hold(w->r);
	admin_user_passwd(&w->web->admin, str_c(w->who.address), web_member(w, "new"), account_on_password_set, w);
}

void
web_account_password(struct web_request *w)
{
	w->login = auth_check_main_password(w->web->frontend->auth, str_c(w->who.address), web_member(w, "old"),
					    http_client(w->r), account_on_old_checked, w);
}

/* ---- Sessions ---- */

static void
account_on_sessions(void *arg, cJSON *result, const struct err *err)
{
	struct web_request *w = arg;
	cJSON *session;

	cJSON_ArrayForEach (session, result)
		cJSON_AddBoolToObject(session, "current",
				      w->who.by_cookie &&
					      str_eq(str_c(cJSON_GetStringValue(cJSON_GetObjectItem(session, "id"))),
						     str_c(w->who.session)));
	web_answer_list(w, "sessions", result, err);
}

void
web_account_sessions(struct web_request *w)
{
	w->call = admin_session_list(&w->web->admin, str_c(w->who.address), account_on_sessions, w);
}

/* Of a change that is in the log already. */
static void
account_end_change(struct web_request *w, const struct err *err)
{
	if (!web_is_still_there(w, NULL))
		return;
	if (err != NULL)
		web_fail(w, err);
	else
		web_answer(w, 200, cJSON_CreateObject());
}

static void
account_on_session_ended(void *arg, const struct err *err)
{
	struct web_request *w = arg;

	if (err == NULL)
		web_audit(w, "session ended", w->who.address, NULL);
	account_end_change(w, err);
}

/* That there was no other is what he wished for. */
static void
account_on_sessions_ended(void *arg, cJSON *result, const struct err *err)
{
	struct web_request *w = arg;
	struct err some;

	if (err == NULL && cJSON_GetNumberValue(cJSON_GetObjectItem(result, "ended")) > 0)
		web_audit(w, "session ended", w->who.address, NULL);
	if (err == NULL && cJSON_GetNumberValue(cJSON_GetObjectItem(result, "failed")) > 0) {
		err_set(&some, ERR_UNAVAILABLE, "some of the sessions could not be ended: try again");
		err = &some;
	}
	cJSON_Delete(result);
	account_end_change(w, err);
}

void
web_account_session_end(struct web_request *w)
{
	http_hold(w->r);
	admin_session_end(&w->web->admin, str_c(w->who.address), web_arg(w, "session"), account_on_session_ended, w);
}

void
web_account_sessions_end(struct web_request *w)
{
	http_hold(w->r);
	admin_sessions_end(&w->web->admin, str_c(w->who.address), str_c(w->who.session), account_on_sessions_ended, w);
}

/* ---- App passwords and tokens ---- */

static const struct {
	const char *list; /* the name of the member that lists them */
	const char *added, *deleted;
} account_kinds[] = {
	[CREDENTIAL_APP] = {"app_passwords", "app password added", "app password deleted"},
	[CREDENTIAL_TOKEN] = {"tokens", "token added", "token deleted"},
};

/* "account/tokens" or "account/app-passwords" */
static enum credential_kind
account_kind(const struct web_request *w)
{
	return str_starts(str_c(w->endpoint->pattern), STR("account/tokens")) ? CREDENTIAL_TOKEN : CREDENTIAL_APP;
}

static void
account_on_credentials(void *arg, cJSON *result, const struct err *err)
{
	struct web_request *w = arg;

	web_answer_list(w, account_kinds[account_kind(w)].list, result, err);
}

void
web_account_credentials(struct web_request *w)
{
	w->call = admin_credential_list(&w->web->admin, str_c(w->who.address), account_kind(w), account_on_credentials,
					w);
}

static void
account_on_credential_added(void *arg, cJSON *result, const struct err *err)
{
	struct web_request *w = arg;

	if (err == NULL)
		web_audit(w, account_kinds[account_kind(w)].added, w->who.address,
			  cJSON_GetStringValue(cJSON_GetObjectItem(result, "name")));
	if (!web_is_still_there(w, result))
		return;
	if (err != NULL)
		web_fail(w, err);
	else
		web_answer(w, w->endpoint->status, result);
}

void
web_account_credential_add(struct web_request *w)
{
	const cJSON *ends = cJSON_GetObjectItemCaseSensitive(w->body, "expires_ms");
	const struct admin_credential wanted = {
		.kind = account_kind(w),
		.name = web_member(w, "name"),
		.role = web_member(w, "role"),
		.ends_ms = cJSON_IsNumber(ends) ? (int64_t)ends->valuedouble : 0,
	};

	http_hold(w->r);
	admin_credential_add(&w->web->admin, str_c(w->who.address), &wanted, account_on_credential_added, w);
}

static void
account_on_credential_deleted(void *arg, const struct err *err)
{
	struct web_request *w = arg;

	if (err == NULL)
		web_audit(w, account_kinds[account_kind(w)].deleted, w->who.address,
			  arena_dup(http_arena(w->r), web_arg(w, "credential").p, web_arg(w, "credential").len));
	account_end_change(w, err);
}

void
web_account_credential_delete(struct web_request *w)
{
	http_hold(w->r);
	admin_credential_remove(&w->web->admin, str_c(w->who.address), account_kind(w), web_arg(w, "credential"),
				account_on_credential_deleted, w);
}
