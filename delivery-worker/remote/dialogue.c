/* A connection's way to the state where it can send messages, and the function
 * that handles each reply, including replies to a message's commands: one row
 * of `dialogue_steps`. */
#include "delivery-worker/remote/dialogue.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "delivery-worker/remote/state.h"
#include "lib/base/base64.h"
#include "lib/base/check.h"

#define CONNECT_TIMEOUT_MS 30000

static void dialogue_on_greeting(struct smtp_client *c, const struct smtp_reply *r, unsigned rcpt);
static void dialogue_on_ehlo(struct smtp_client *c, const struct smtp_reply *r, unsigned rcpt);
static void dialogue_on_helo(struct smtp_client *c, const struct smtp_reply *r, unsigned rcpt);
static void dialogue_on_starttls(struct smtp_client *c, const struct smtp_reply *r, unsigned rcpt);
static void dialogue_on_auth(struct smtp_client *c, const struct smtp_reply *r, unsigned rcpt);

/* clang-format off */
static void (*const dialogue_steps[])(struct smtp_client *c, const struct smtp_reply *r, unsigned rcpt) = {
	[STEP_GREETING] = dialogue_on_greeting,
	[STEP_EHLO]	= dialogue_on_ehlo,
	[STEP_HELO]	= dialogue_on_helo,
	[STEP_STARTTLS] = dialogue_on_starttls,
	[STEP_AUTH]	= dialogue_on_auth,
	[STEP_RSET]	= transaction_on_rset,
	[STEP_MAIL]	= transaction_on_mail,
	[STEP_RCPT]	= transaction_on_rcpt,
	[STEP_DATA]	= transaction_on_data,
	[STEP_CHUNK]	= transaction_on_chunk,
	[STEP_END]	= transaction_on_end,
};
/* clang-format on */

/* ---- Every reply ---- */
static enum smtp_stage
dialogue_stage_of(const struct smtp_client *c)
{
	switch (c->state) {
	case CLIENT_CONNECTING: return SMTP_AT_CONNECT;
	case CLIENT_TLS: return SMTP_AT_TLS;
	case CLIENT_GREETING: return SMTP_AT_GREETING;
	case CLIENT_LOGIN: return SMTP_AT_LOGIN;
	case CLIENT_READY: return SMTP_IDLE;
	default: return SMTP_AT_MESSAGE;
	}
}

static void
dialogue_keep_words(struct smtp_client *c, const struct smtp_reply *r)
{
	struct arena arena;

	if (c->leaving)
		return; /* the 421 was the last reply that counts */
	buf_clear(&c->last_text);
	if (r->code < 400)
		return;
	arena_init(&arena);
	buf_add_str(&c->last_text, smtp_reply_words(r, &arena));
	arena_fini(&arena);
}

static void
dialogue_on_reply(struct smtp_client *c, const struct smtp_reply *reply)
{
	struct expectation e;

	if (!c->leaving) {
		c->last.code = reply->code;
		smtp_reply_enhanced(reply, c->last.enhanced);
	}
	if (reply->code == 421)
		c->leaving = true;
	if (!client_is_waiting(c)) {
		/* In the middle of the data: a refusal of the message (because of its
		 * size, say), after which the server does not read on. Otherwise a
		 * goodbye, or nonsense. */
		client_fail(c, c->state == CLIENT_SENDING ? SMTP_AT_MESSAGE : SMTP_IDLE,
			    "the server sent an unexpected reply (%d)", reply->code);
		return;
	}
	c->any_reply = true;
	e = awaited_take(&c->awaited);
	dialogue_steps[e.step](c, reply, e.rcpt);
	/* Only a 421 says something about what follows it, whatever else was in progress. */
	if (!c->leaving)
		c->last.code = 0;
}

/* ---- Greeting to ready ---- */
static void
dialogue_say_hello(struct smtp_client *c, const char *verb, enum smtp_step step)
{
	char line[300];
	int len = snprintf(line, sizeof(line), "%s %.255s\r\n", verb, c->options.helo);

	client_write(c, line, (size_t)len);
	client_expect(c, step, 0);
}

static void
dialogue_greet(struct smtp_client *c)
{
	dialogue_say_hello(c, "EHLO", STEP_EHLO);
}

static void
dialogue_become_ready(struct smtp_client *c)
{
	c->state = CLIENT_READY;
	/* They point to data of the owner, which may change. */
	memset(&c->options.wish, 0, sizeof(c->options.wish));
	c->options.user = c->options.password = NULL;
	c->events->on_ready(c->arg);
}

/* An alternative to TLS, or none? */
static bool
dialogue_may_go_without_tls(struct smtp_client *c, const char *why)
{
	if (c->options.wish.level < TLS_ENCRYPT)
		return true;
	client_fail(c, SMTP_AT_TLS, "%s", why);
	return false;
}

/* ---- AUTH ---- */
static void
dialogue_send_base64(struct smtp_client *c, struct str before, struct str data)
{
	struct buf line = BUF_EMPTY;

	buf_add_str(&line, before);
	base64_encode(data, &line);
	buf_add_c(&line, "\r\n");
	client_write(c, line.data, line.len);
	OPENSSL_cleanse(line.data, line.len);
	buf_fini(&line);
	client_expect(c, STEP_AUTH, 0);
}

static void
dialogue_begin_login(struct smtp_client *c)
{
	bool is_private = c->tls_done || ip_is_loopback(&c->options.target.ip);
	struct buf initial = BUF_EMPTY;
	char command[64];

	c->state = CLIENT_LOGIN;
	c->login = login_new(c->caps.auth & SASL_WITH_PASSWORD, str_c(c->options.user), str_c(c->options.password),
			     is_private);
	if (c->login == NULL) {
		client_fail(c, SMTP_AT_LOGIN, "the server offers no usable AUTH mechanism%s",
			    is_private ? "" : " without TLS");
		return;
	}
	snprintf(command, sizeof(command), "AUTH %s", login_mechanism(c->login));
	if (login_begin(c->login, &initial))
		str_copy(STR(" "), command + strlen(command), 2);
	dialogue_send_base64(c, str_c(command), buf_str(&initial));
	if (initial.data != NULL)
		OPENSSL_cleanse(initial.data, initial.len);
	buf_fini(&initial);
}

static void
dialogue_answer_challenge(struct smtp_client *c, const struct smtp_reply *r)
{
	struct buf challenge = BUF_EMPTY, answer = BUF_EMPTY;

	if (base64_decode(str_trim(buf_str(&r->text)), &challenge) &&
	    login_answer(c->login, buf_str(&challenge), &answer))
		dialogue_send_base64(c, STR_NONE, buf_str(&answer));
	else
		client_fail(c, SMTP_AT_LOGIN, "the server's answer in AUTH %s is not valid", login_mechanism(c->login));
	if (answer.data != NULL)
		OPENSSL_cleanse(answer.data, answer.len);
	buf_fini(&challenge);
	buf_fini(&answer);
}

static void
dialogue_on_auth(struct smtp_client *c, const struct smtp_reply *r, unsigned rcpt)
{
	(void)rcpt;
	if (r->code == 334) {
		dialogue_answer_challenge(c, r);
	} else if (r->code != 235) {
		client_fail(c, SMTP_AT_LOGIN, "AUTH %s is answered with %d", login_mechanism(c->login), r->code);
	} else if (!login_is_complete(c->login)) {
		client_fail(c, SMTP_AT_LOGIN, "the server did not prove that it knows the password");
	} else {
		login_free(&c->login);
		dialogue_become_ready(c);
	}
}

/* The greeting is complete: the last step before messages. */
static void
dialogue_greeted(struct smtp_client *c)
{
	if (c->options.user != NULL && *c->options.user != '\0')
		dialogue_begin_login(c);
	else
		dialogue_become_ready(c);
}

/* ---- Greetings ---- */
static void
dialogue_on_greeting(struct smtp_client *c, const struct smtp_reply *r, unsigned rcpt)
{
	(void)rcpt;
	if (r->code != 220) {
		client_fail(c, SMTP_AT_GREETING, "the server greets with %d", r->code);
		return;
	}
	dialogue_greet(c);
}

/* The first word of the reply is the server's name. */
static void
dialogue_keep_helo(struct smtp_client *c, const struct smtp_reply *r)
{
	struct str rest = buf_str(&r->text), name = STR_NONE;

	str_next_word(&rest, " \t\n", &name);
	str_copy(name, c->helo, sizeof(c->helo));
}

static void
dialogue_on_ehlo(struct smtp_client *c, const struct smtp_reply *r, unsigned rcpt)
{
	(void)rcpt;
	if (r->code / 100 == 5 && !c->tls_done) {
		dialogue_say_hello(c, "HELO", STEP_HELO);
		return;
	}
	if (r->code != 250) {
		client_fail(c, SMTP_AT_GREETING, "EHLO is answered with %d", r->code);
		return;
	}
	dialogue_keep_helo(c, r);
	smtp_caps_read(r, &c->caps);
	if (c->options.wish.level != TLS_NONE && c->caps.starttls && !c->tls_done) {
		client_write(c, "STARTTLS\r\n", 10);
		client_expect(c, STEP_STARTTLS, 0);
	} else if (c->tls_done || dialogue_may_go_without_tls(c, "the server offers no STARTTLS")) {
		dialogue_greeted(c);
	}
}

static void
dialogue_on_helo(struct smtp_client *c, const struct smtp_reply *r, unsigned rcpt)
{
	(void)rcpt;
	if (r->code != 250) {
		client_fail(c, SMTP_AT_GREETING, "HELO is answered with %d", r->code);
		return;
	}
	dialogue_keep_helo(c, r);
	memset(&c->caps, 0, sizeof(c->caps));
	if (dialogue_may_go_without_tls(c, "the server supports neither EHLO nor STARTTLS"))
		dialogue_greeted(c);
}

static void
dialogue_start_tls(struct smtp_client *c)
{
	/* Plain text that followed the go-ahead could come from anybody. */
	if (connection_start_tls(&c->connection, c->options.tls, &c->options.wish) != 0) {
		client_fail(c, SMTP_AT_TLS, "the server sent plain text after STARTTLS");
		return;
	}
	c->tls_result = TLS_RESULT_VALIDATION_FAILURE;
	c->state = CLIENT_TLS;
	connection_set_timer(&c->connection, c->options.command_timeout_ms);
}

static void
dialogue_on_starttls(struct smtp_client *c, const struct smtp_reply *r, unsigned rcpt)
{
	(void)rcpt;
	if (r->code == 220)
		dialogue_start_tls(c);
	else if (c->leaving)
		client_fail(c, SMTP_AT_GREETING, "STARTTLS is answered with %d", r->code);
	else if (dialogue_may_go_without_tls(c, "the server announces STARTTLS but refuses it"))
		dialogue_greeted(c); /* continue without TLS */
}

/* ---- Callbacks of the connection ---- */
static void
dialogue_tls_done(struct smtp_client *c)
{
	SSL *ssl = connection_ssl(&c->connection);

	c->tls_done = true;
	c->tls_result = tls_judge(ssl, &c->options.wish);
	if (c->options.wish.level >= TLS_VERIFY && c->tls_result != TLS_RESULT_OK) {
		client_fail(c, SMTP_AT_TLS, "the certificate is not accepted: %s", tls_reason(ssl));
		return;
	}
	snprintf(c->tls, sizeof(c->tls), "%s %s%s", SSL_get_version(ssl), SSL_get_cipher_name(ssl),
		 c->options.wish.level == TLS_DANE     ? " DANE"
		 : c->options.wish.level == TLS_VERIFY ? " verified"
						       : "");
	/* Extensions offered before TLS do not count any more (RFC 3207, 4.2). */
	memset(&c->caps, 0, sizeof(c->caps));
	c->state = CLIENT_GREETING;
	dialogue_greet(c);
	client_set_timer(c);
}

static void
dialogue_on_up(void *arg)
{
	struct smtp_client *c = arg;

	client_enter(c);
	if (c->state == CLIENT_TLS) {
		dialogue_tls_done(c);
	} else {
		c->state = CLIENT_GREETING;
		client_expect(c, STEP_GREETING, 0);
		connection_set_timer(&c->connection, c->options.command_timeout_ms);
	}
	client_leave(c);
}

/* Takes one reply from the input; false when there is no complete one. */
static bool
dialogue_take_reply(struct smtp_client *c)
{
	enum smtp_reply_state state = SMTP_REPLY_MORE;

	while (state == SMTP_REPLY_MORE) {
		struct str piece;

		if (!connection_peek(&c->connection, &piece))
			return false;
		connection_drain(&c->connection, smtp_reply_parse(&c->parser, piece, &state));
		if (state == SMTP_REPLY_BAD) {
			client_fail(c, dialogue_stage_of(c), "the server does not speak SMTP");
			return false;
		}
	}
	return true;
}

static bool
dialogue_is_listening(const struct smtp_client *c)
{
	return !c->free_wanted && connection_is_open(&c->connection) && c->state != CLIENT_FAILED &&
	       c->state != CLIENT_TLS;
}

static void
dialogue_on_input(void *arg)
{
	struct smtp_client *c = arg;

	client_enter(c);
	while (dialogue_is_listening(c) && dialogue_take_reply(c)) {
		dialogue_keep_words(c, &c->parser.reply);
		dialogue_on_reply(c, &c->parser.reply);
		if (client_is_waiting(c) && dialogue_is_listening(c))
			client_set_timer(c);
	}
	client_leave(c);
}

static void
dialogue_on_writable(void *arg)
{
	struct smtp_client *c = arg;

	client_enter(c);
	if (c->state == CLIENT_SENDING)
		body_pump(c);
	client_leave(c);
}

static const char *
dialogue_step_name(const struct smtp_client *c)
{
	const char *name = awaited_name(&c->awaited);

	if (name != NULL)
		return name;
	return c->state == CLIENT_SENDING ? "the message's data" : "no command";
}

static void
dialogue_on_lost(void *arg, int errno_value)
{
	struct smtp_client *c = arg;
	char why[160];

	client_enter(c);
	if (c->state == CLIENT_TLS) {
		connection_tls_error(&c->connection, why, sizeof(why));
		client_fail(c, SMTP_AT_TLS, "TLS handshake failed: %s", why);
	} else if (c->state == CLIENT_CONNECTING) {
		c->is_ours = connection_errno_is_ours(&c->options.target.ip, errno_value);
		client_fail(c, SMTP_AT_CONNECT, "no connection: %s", strerror(errno_value));
	} else {
		/* Replies that came together with the end are read first. */
		dialogue_on_input(c);
		if (!c->free_wanted && c->state != CLIENT_FAILED)
			client_fail(c, dialogue_stage_of(c), "the server closed the connection at %s",
				    dialogue_step_name(c));
	}
	client_leave(c);
}

/* A connection that never started: reported later, and not from within smtp_client_new(). */
static void
dialogue_tell_stillborn(struct smtp_client *c)
{
	client_enter(c);
	c->state = CLIENT_FAILED;
	c->events->on_failed(c->arg, &c->stillborn);
	client_leave(c);
}

static void
dialogue_on_time(void *arg)
{
	struct smtp_client *c = arg;

	if (c->state == CLIENT_STILLBORN)
		dialogue_tell_stillborn(c);
	else if (c->state == CLIENT_SENDING && connection_has_moved(&c->connection))
		client_set_timer(c); /* a slow reader of much data is alive as long as it accepts some */
	else if (c->state == CLIENT_CONNECTING)
		client_fail(c, SMTP_AT_CONNECT, "no connection within %d s", CONNECT_TIMEOUT_MS / 1000);
	else if (c->state == CLIENT_TLS)
		client_fail(c, SMTP_AT_TLS, "no TLS handshake in time");
	else
		client_fail(c, dialogue_stage_of(c), "no answer in time to %s", dialogue_step_name(c));
}

const struct connection_events dialogue_events = {dialogue_on_up, dialogue_on_input, dialogue_on_writable,
						  dialogue_on_lost, dialogue_on_time};

void
dialogue_begin(struct smtp_client *c)
{
	const struct smtp_client_options *o = &c->options;
	struct connection_target target = {o->target.ip, o->target.port, o->source};
	struct connection_failure failure;

	if (connection_open(&c->connection, &target, &failure) == 0) {
		connection_set_timer(&c->connection, CONNECT_TIMEOUT_MS);
		return;
	}
	c->stillborn.stage = SMTP_AT_CONNECT;
	c->stillborn.is_ours = failure.is_ours;
	c->stillborn.bad_source = failure.bad_source;
	str_copy(str_c(failure.text), c->stillborn.text, sizeof(c->stillborn.text));
	c->state = CLIENT_STILLBORN;
	connection_set_timer_now(&c->connection);
}
