/* The second factor of one's own account: its QR code, confirming it, taking it away. */
#include <qrencode.h>

#include "frontend/web/private.h"
#include "lib/admin/totp.h"

/* ["1110...", ...]: a row each, 1 is dark. */
static cJSON *
second_factor_draw(const char *text)
{
	QRcode *code = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_M);
	cJSON *rows = cJSON_CreateArray();
	struct buf row = BUF_EMPTY;

	for (int y = 0; code != NULL && y < code->width; y++) {
		buf_clear(&row);
		for (int x = 0; x < code->width; x++)
			buf_add_byte(&row, (code->data[y * code->width + x] & 1) != 0 ? '1' : '0');
		cJSON_AddItemToArray(rows, cJSON_CreateString(row.data));
	}
	buf_fini(&row);
	if (code != NULL)
		QRcode_free(code);
	return rows;
}

/* What the password must be given for again. */
static void
second_factor_check(struct web_request *w, auth_on_result *on_checked)
{
	w->login = auth_check_main_password(w->web->frontend->auth, str_c(w->who.address), web_member(w, "password"),
					    http_client(w->r), on_checked, w);
}

/* False: answered. */
static bool
second_factor_take_password(struct web_request *w, enum auth_result result, const struct auth_identity *identity)
{
	cJSON *faults;

	if (!web_take_login(w, result, identity))
		return false;
	if (result == AUTH_OK)
		return true;
	faults = cJSON_CreateObject();
	cJSON_AddStringToObject(faults, "password", "this is not the account's password");
	web_refuse_fields(w, faults);
	return false;
}

/* ---- Beginning ---- */

static void
second_factor_on_begun(void *arg, cJSON *result, const struct err *err)
{
	struct web_request *w = arg;

	w->call = NULL;
	if (err != NULL) {
		web_fail(w, err);
		return;
	}
	cJSON_AddItemToObject(result, "qr",
			      second_factor_draw(cJSON_GetStringValue(cJSON_GetObjectItem(result, "uri"))));
	web_answer(w, 200, result);
}

static void
second_factor_on_may_begin(void *arg, enum auth_result result, const struct auth_identity *identity)
{
	struct web_request *w = arg;

	if (second_factor_take_password(w, result, identity))
		w->call = admin_totp_begin(&w->web->admin, str_c(w->who.address), second_factor_on_begun, w);
}

void
web_totp_begin(struct web_request *w)
{
	second_factor_check(w, second_factor_on_may_begin);
}

/* ---- Confirming ---- */

/* Of a change that is in the log already, and that ended all sessions: whoever made it by
 * one goes on with a new one. result is consumed. */
static void
second_factor_end(struct web_request *w, cJSON *result, const struct err *err)
{
	if (!web_is_still_there(w, result))
		return;
	if (err != NULL) {
		cJSON_Delete(result);
		web_fail(w, err);
	} else if (!w->who.by_cookie) {
		web_answer(w, 200, result);
	} else {
		w->with_session = result;
		web_begin_session(w);
	}
}

static void
second_factor_on_confirmed(void *arg, cJSON *result, const struct err *err)
{
	struct web_request *w = arg;

	if (err == NULL)
		web_audit(w, "second factor set", w->who.address, NULL);
	second_factor_end(w, result, err);
}

void
web_totp_confirm(struct web_request *w)
{
	http_hold(w->r);
	admin_totp_confirm(&w->web->admin, str_c(w->who.address), web_member(w, "code"), second_factor_on_confirmed, w);
}

/* ---- Taking it away ---- */

static void
second_factor_on_disabled(void *arg, const struct err *err)
{
	struct web_request *w = arg;

	if (err == NULL)
		web_audit(w, "second factor removed", w->who.address, NULL);
	second_factor_end(w, cJSON_CreateObject(), err);
}

static void
second_factor_on_may_disable(void *arg, enum auth_result result, const struct auth_identity *identity)
{
	struct web_request *w = arg;

	if (!second_factor_take_password(w, result, identity))
		return;
	http_hold(w->r);
	admin_totp_disable(&w->web->admin, str_c(w->who.address), second_factor_on_disabled, w);
}

void
web_totp_disable(struct web_request *w)
{
	second_factor_check(w, second_factor_on_may_disable);
}
