/* AUTH (RFC 5034), or USER and PASS where the server has no mechanism that is known here. */
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "delivery-worker/retrieve/wire/pop.h"
#include "lib/base/base64.h"

#define AUTH_LINE_MAX 253 /* with CRLF 255 (RFC 5034, 4): longer ones wait for "+" */

void
pop_login_begin(struct remote_box *b)
{
	struct pop *p = b->pop;
	struct buf initial = BUF_EMPTY, encoded = BUF_EMPTY, command = BUF_EMPTY;

	p->login = box_login_new(b, p->sasl);
	if (p->login == NULL && b->options.auth == REMOTE_AUTH_OAUTH2) {
		box_fail(b, REMOTE_UNSUPPORTED, STR_NONE, "the remote offers neither XOAUTH2 nor OAUTHBEARER");
		return;
	}
	if (p->login == NULL) {
		pop_command(b, POP_STEP_USER, "USER %s", b->user);
		return;
	}
	buf_printf(&command, "AUTH %s", login_mechanism(p->login));
	if (login_begin(p->login, &initial)) {
		box_add_secret(&encoded, buf_str(&initial));
		p->login_sent = command.len + 1 + encoded.len <= AUTH_LINE_MAX;
		if (p->login_sent)
			buf_printf(&command, " %s", encoded.data);
	}
	/* It is made anew when the server asks for it. */
	if (!p->login_sent) {
		login_free(&p->login);
		p->login = box_login_new(b, p->sasl);
	}
	pop_command_secret(b, POP_STEP_AUTH, &command);
	box_wipe(&initial);
	box_wipe(&encoded);
	box_wipe(&command);
}

void
pop_login_continue(struct remote_box *b, struct str text)
{
	struct pop *p = b->pop;
	struct buf challenge = BUF_EMPTY, answer = BUF_EMPTY, line = BUF_EMPTY;
	bool good = base64_decode(text, &challenge);

	/* The first empty challenge asks for the initial response, if there is one. */
	if (good && (p->login_sent || !login_begin(p->login, &answer)))
		good = login_answer(p->login, buf_str(&challenge), &answer);
	p->login_sent = true;
	if (good) {
		box_add_secret(&line, buf_str(&answer));
		box_write(b, buf_str(&line));
		box_write(b, STR("\r\n"));
	} else {
		box_fail(b, REMOTE_PROTOCOL, text, "the remote's challenge in the login is not valid");
	}
	buf_fini(&challenge);
	box_wipe(&answer);
	box_wipe(&line);
}

static void
pop_login_refused(struct remote_box *b, const struct pop_status *s)
{
	char what[300], error[200];

	box_token_error(b->pop->login, error, sizeof(error));
	snprintf(what, sizeof(what), "the login of %.60s%s", b->user, error);
	pop_fail_status(b, REMOTE_LOGIN_REFUSED, s, what);
}

void
pop_on_auth(struct remote_box *b, const struct pop_status *s)
{
	struct pop *p = b->pop;

	if (!s->ok)
		pop_login_refused(b, s);
	else if (!login_is_complete(p->login))
		box_fail(b, REMOTE_LOGIN_REFUSED, STR_NONE, "the remote did not prove that it knows the password");
	else
		box_opened(b);
	login_free(&p->login);
}

void
pop_on_user(struct remote_box *b, const struct pop_status *s)
{
	struct buf command = BUF_EMPTY;

	if (!s->ok) {
		pop_login_refused(b, s);
		return;
	}
	buf_printf(&command, "PASS %s", b->secret);
	pop_command_secret(b, POP_STEP_PASS, &command);
	box_wipe(&command);
}

void
pop_on_pass(struct remote_box *b, const struct pop_status *s)
{
	if (s->ok)
		box_opened(b);
	else
		pop_login_refused(b, s);
}
