/* AUTHENTICATE (RFC 9051, 6.2.2; SASL-IR) or LOGIN, whichever the server has. */
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "delivery-worker/retrieve/wire/imap.h"
#include "lib/base/base64.h"

static void
imap_login_by_command(struct remote_box *b)
{
	struct buf command = BUF_EMPTY;

	if ((b->imap->caps & IMAP_LOGIN_DISABLED) != 0) {
		box_fail(b, REMOTE_UNSUPPORTED, STR_NONE, "the remote allows no login%s",
			 b->tls_on ? " by any known method" : " without TLS");
		return;
	}
	/* A buffer that grows leaves copies behind. */
	buf_reserve(&command, 16 + 2 * (strlen(b->user) + strlen(b->secret)));
	buf_add_c(&command, "LOGIN ");
	if (imap_add_quoted(&command, str_c(b->user))) {
		buf_add_byte(&command, ' ');
		if (imap_add_quoted(&command, str_c(b->secret)))
			imap_command_secret(b, IMAP_STEP_LOGIN, &command);
	}
	box_wipe(&command);
}

static void
imap_login_send(struct remote_box *b, struct str data)
{
	struct buf line = BUF_EMPTY;

	box_add_secret(&line, data);
	box_write(b, buf_str(&line));
	box_write(b, STR("\r\n"));
	box_wipe(&line);
}

void
imap_login_begin(struct remote_box *b)
{
	struct imap *m = b->imap;
	struct buf initial = BUF_EMPTY, command = BUF_EMPTY;

	m->login = box_login_new(b, m->sasl);
	if (m->login == NULL && b->options.auth == REMOTE_AUTH_OAUTH2) {
		box_fail(b, REMOTE_UNSUPPORTED, STR_NONE, "the remote offers neither XOAUTH2 nor OAUTHBEARER");
		return;
	}
	if (m->login == NULL) {
		imap_login_by_command(b);
		return;
	}
	buf_printf(&command, "AUTHENTICATE %s", login_mechanism(m->login));
	/* Otherwise the initial response waits for the server's "+". */
	if ((m->caps & IMAP_CAN_SASL_IR) != 0 && login_begin(m->login, &initial)) {
		buf_add_byte(&command, ' ');
		box_add_secret(&command, buf_str(&initial));
		m->login_sent = true;
	}
	imap_command_secret(b, IMAP_STEP_LOGIN, &command);
	box_wipe(&initial);
	box_wipe(&command);
}

void
imap_login_continue(struct remote_box *b, const struct imap_response *r)
{
	struct imap *m = b->imap;
	struct buf challenge = BUF_EMPTY, answer = BUF_EMPTY;
	bool good = m->login != NULL && base64_decode(r->text, &challenge);

	/* The first empty challenge asks for the initial response, if there is one. */
	if (good && !m->login_sent && login_begin(m->login, &answer)) {
		m->login_sent = true;
	} else if (good) {
		m->login_sent = true;
		good = login_answer(m->login, buf_str(&challenge), &answer);
	}
	if (good)
		imap_login_send(b, buf_str(&answer));
	else
		box_fail(b, REMOTE_PROTOCOL, r->text, "the remote's challenge in the login is not valid");
	buf_fini(&challenge);
	box_wipe(&answer);
}

void
imap_login_tagged(struct remote_box *b, const struct imap_response *r)
{
	struct imap *m = b->imap;
	bool proved = m->login == NULL || login_is_complete(m->login);
	bool told = str_eq_ci(r->code, STR("CAPABILITY"));
	char what[300], error[200];

	box_token_error(m->login, error, sizeof(error));
	snprintf(what, sizeof(what), "the login of %.60s%s", b->user, error);
	login_free(&m->login);
	if (r->status != IMAP_OK) {
		imap_fail_status(b, REMOTE_LOGIN_REFUSED, r, what);
	} else if (!proved) {
		box_fail(b, REMOTE_LOGIN_REFUSED, STR_NONE, "the remote did not prove that it knows the password");
	} else if (told) {
		box_opened(b);
	} else {
		/* What it can do may be more than before the login. */
		OPENSSL_cleanse(b->secret, strlen(b->secret));
		b->logged_in = true;
		imap_command(b, IMAP_STEP_CAPABILITY, "CAPABILITY");
	}
}
