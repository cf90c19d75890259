/* The commands of a session and what their replies mean.
 *
 * Commands are sent ahead of replies where the server does PIPELINING (RFC
 * 2920), one at a time elsewhere; `expected` holds what the coming replies
 * answer, and a row of `steps` says who judges them. */
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "delivery-worker/remote/client_private.h"
#include "lib/base/base64.h"
#include "lib/base/check.h"
#include "lib/base/crashpoint.h"
#include "lib/base/mem.h"
#include "lib/smtp/orcpt.h"

#define PIPELINE_MAX   500 /* replies awaited at once */
#define END_TIMEOUT_MS (10 * 60 * 1000)

static void on_greeting(struct smtp_client *c, const struct smtp_reply *r, unsigned rcpt);
static void on_ehlo(struct smtp_client *c, const struct smtp_reply *r, unsigned rcpt);
static void on_helo(struct smtp_client *c, const struct smtp_reply *r, unsigned rcpt);
static void on_starttls(struct smtp_client *c, const struct smtp_reply *r, unsigned rcpt);
static void on_auth(struct smtp_client *c, const struct smtp_reply *r, unsigned rcpt);
static void on_rset(struct smtp_client *c, const struct smtp_reply *r, unsigned rcpt);
static void on_mail(struct smtp_client *c, const struct smtp_reply *r, unsigned rcpt);
static void on_rcpt(struct smtp_client *c, const struct smtp_reply *r, unsigned rcpt);
static void on_data(struct smtp_client *c, const struct smtp_reply *r, unsigned rcpt);
static void on_chunk(struct smtp_client *c, const struct smtp_reply *r, unsigned rcpt);
static void on_end(struct smtp_client *c, const struct smtp_reply *r, unsigned rcpt);

static const struct {
	const char *name;
	void (*on_reply)(struct smtp_client *c, const struct smtp_reply *r, unsigned rcpt);
} steps[] = {
	[STEP_GREETING] = {"greeting", on_greeting},
	[STEP_EHLO] = {"EHLO", on_ehlo},
	[STEP_HELO] = {"HELO", on_helo},
	[STEP_STARTTLS] = {"STARTTLS", on_starttls},
	[STEP_AUTH] = {"AUTH", on_auth},
	[STEP_RSET] = {"RSET", on_rset},
	[STEP_MAIL] = {"MAIL", on_mail},
	[STEP_RCPT] = {"RCPT", on_rcpt},
	[STEP_DATA] = {"DATA", on_data},
	[STEP_CHUNK] = {"BDAT", on_chunk},
	[STEP_END] = {"end of data", on_end},
};

/* ---- What is awaited ---- */
void
dialogue_expect(struct smtp_client *c, enum smtp_step step, unsigned rcpt)
{
	if (c->expect_at == c->expect_count)
		c->expect_at = c->expect_count = 0;
	if (c->expect_count == c->expect_size) {
		c->expect_size = c->expect_size > 0 ? c->expect_size * 2 : 16;
		c->expected = mem_realloc(c->expected, c->expect_size * sizeof(*c->expected));
	}
	c->expected[c->expect_count++] = (struct expectation){step, rcpt};
}

bool
dialogue_is_waiting(const struct smtp_client *c)
{
	return c->expect_at < c->expect_count;
}

static unsigned
awaited(const struct smtp_client *c)
{
	return c->expect_count - c->expect_at;
}

const char *
dialogue_step_name(const struct smtp_client *c)
{
	if (dialogue_is_waiting(c))
		return steps[c->expected[c->expect_at].step].name;
	return c->state == CLIENT_SENDING ? "the message's data" : "no command";
}

/* RFC 5321, 4.5.3.2.6: a server that has the message may take ten minutes to
 * say so, and giving up earlier sends it twice. Every other wait is the
 * setting's. */
int64_t
dialogue_timeout(const struct smtp_client *c)
{
	int64_t ms = c->options.command_timeout_ms;

	if (dialogue_is_waiting(c) && c->expected[c->expect_at].step == STEP_END && ms < END_TIMEOUT_MS)
		return END_TIMEOUT_MS;
	return ms;
}

void
dialogue_on_reply(struct smtp_client *c, const struct smtp_reply *reply)
{
	struct expectation e;

	if (!c->leaving) {
		c->last.code = reply->code;
		smtp_reply_enhanced(reply, c->last.enhanced);
	}
	if (reply->code == 421)
		c->leaving = true;
	if (!dialogue_is_waiting(c)) {
		/* In the midst of the data: a refusal of the message (its size, say),
		 * after which nobody reads on. Else a goodbye, or nonsense. */
		client_fail(c, c->state == CLIENT_SENDING ? SMTP_AT_MESSAGE : SMTP_IDLE,
			    "the server spoke unasked (%d)", reply->code);
		return;
	}
	c->any_reply = true;
	e = c->expected[c->expect_at++];
	steps[e.step].on_reply(c, reply, e.rcpt);
	/* Only a 421 says something of what comes after it, whatever else was under way. */
	if (!c->leaving)
		c->last.code = 0;
}

/* ---- Greeting to ready ---- */
static void
say_hello(struct smtp_client *c, const char *verb, enum smtp_step step)
{
	char line[300];
	int len = snprintf(line, sizeof(line), "%s %.255s\r\n", verb, c->options.helo);

	client_write(c, line, (size_t)len);
	dialogue_expect(c, step, 0);
}

void
dialogue_greet(struct smtp_client *c)
{
	say_hello(c, "EHLO", STEP_EHLO);
}

static void
become_ready(struct smtp_client *c)
{
	c->state = CLIENT_READY;
	/* What they point to is the owner's, who may change. */
	memset(&c->options.wish, 0, sizeof(c->options.wish));
	c->options.user = c->options.password = NULL;
	c->events->on_ready(c->arg);
}

/* Another way than TLS, or none? */
static bool
may_go_without_tls(struct smtp_client *c, const char *why)
{
	if (c->options.wish.level < TLS_ENCRYPT)
		return true;
	client_fail(c, SMTP_AT_TLS, "%s", why);
	return false;
}

/* ---- AUTH ---- */
static void
send_base64(struct smtp_client *c, struct str before, struct str data)
{
	struct buf line = BUF_EMPTY;

	buf_add_str(&line, before);
	base64_encode(data, &line);
	buf_add_c(&line, "\r\n");
	client_write(c, line.data, line.len);
	OPENSSL_cleanse(line.data, line.len);
	buf_fini(&line);
	dialogue_expect(c, STEP_AUTH, 0);
}

static void
begin_login(struct smtp_client *c)
{
	bool is_private = c->tls_done || ip_is_loopback(&c->options.target.ip);
	struct buf initial = BUF_EMPTY;
	char command[64];

	c->state = CLIENT_LOGIN;
	c->login = login_new(c->caps.auth, str_c(c->options.user), str_c(c->options.password), is_private);
	if (c->login == NULL) {
		client_fail(c, SMTP_AT_LOGIN, "the server offers no AUTH that can be used%s",
			    is_private ? "" : " without TLS");
		return;
	}
	snprintf(command, sizeof(command), "AUTH %s", login_mechanism(c->login));
	if (login_begin(c->login, &initial))
		str_copy(STR(" "), command + strlen(command), 2);
	send_base64(c, str_c(command), buf_str(&initial));
	if (initial.data != NULL)
		OPENSSL_cleanse(initial.data, initial.len);
	buf_fini(&initial);
}

static void
answer_challenge(struct smtp_client *c, const struct smtp_reply *r)
{
	struct buf challenge = BUF_EMPTY, answer = BUF_EMPTY;

	if (base64_decode(str_trim(buf_str(&r->text)), &challenge) &&
	    login_answer(c->login, buf_str(&challenge), &answer))
		send_base64(c, STR_NONE, buf_str(&answer));
	else
		client_fail(c, SMTP_AT_LOGIN, "the server's part of AUTH %s does not hold", login_mechanism(c->login));
	if (answer.data != NULL)
		OPENSSL_cleanse(answer.data, answer.len);
	buf_fini(&challenge);
	buf_fini(&answer);
}

static void
on_auth(struct smtp_client *c, const struct smtp_reply *r, unsigned rcpt)
{
	(void)rcpt;
	if (r->code == 334) {
		answer_challenge(c, r);
	} else if (r->code != 235) {
		client_fail(c, SMTP_AT_LOGIN, "AUTH %s is answered with %d", login_mechanism(c->login), r->code);
	} else if (!login_is_complete(c->login)) {
		client_fail(c, SMTP_AT_LOGIN, "the server has not shown that it knows the password");
	} else {
		login_free(&c->login);
		become_ready(c);
	}
}

/* Greeted for good: the last thing before messages. */
static void
greeted(struct smtp_client *c)
{
	if (c->options.user != NULL && *c->options.user != '\0')
		begin_login(c);
	else
		become_ready(c);
}

/* ---- Greetings ---- */
static void
on_greeting(struct smtp_client *c, const struct smtp_reply *r, unsigned rcpt)
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
keep_helo(struct smtp_client *c, const struct smtp_reply *r)
{
	struct str rest = buf_str(&r->text), name = STR_NONE;

	str_next_word(&rest, " \t\n", &name);
	str_copy(name, c->helo, sizeof(c->helo));
}

static void
on_ehlo(struct smtp_client *c, const struct smtp_reply *r, unsigned rcpt)
{
	(void)rcpt;
	if (r->code / 100 == 5 && !c->tls_done) {
		say_hello(c, "HELO", STEP_HELO);
		return;
	}
	if (r->code != 250) {
		client_fail(c, SMTP_AT_GREETING, "EHLO is answered with %d", r->code);
		return;
	}
	keep_helo(c, r);
	smtp_caps_read(r, &c->caps);
	if (c->options.wish.level != TLS_NONE && c->caps.starttls && !c->tls_done) {
		client_write(c, "STARTTLS\r\n", 10);
		dialogue_expect(c, STEP_STARTTLS, 0);
	} else if (c->tls_done || may_go_without_tls(c, "the server offers no STARTTLS")) {
		greeted(c);
	}
}

static void
on_helo(struct smtp_client *c, const struct smtp_reply *r, unsigned rcpt)
{
	(void)rcpt;
	if (r->code != 250) {
		client_fail(c, SMTP_AT_GREETING, "HELO is answered with %d", r->code);
		return;
	}
	keep_helo(c, r);
	memset(&c->caps, 0, sizeof(c->caps));
	if (may_go_without_tls(c, "the server does not do EHLO, let alone STARTTLS"))
		greeted(c);
}

static void
on_starttls(struct smtp_client *c, const struct smtp_reply *r, unsigned rcpt)
{
	(void)rcpt;
	if (r->code == 220)
		client_start_tls(c);
	else if (c->leaving)
		client_fail(c, SMTP_AT_GREETING, "STARTTLS is answered with %d", r->code);
	else if (may_go_without_tls(c, "the server offers STARTTLS and then refuses it"))
		greeted(c); /* on in the clear */
}

/* ---- Sending a message ---- */
/* Nothing that could end a line or start another parameter. */
static bool
is_safe(struct str s, bool spaces)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char ch = (unsigned char)s.p[i];

		if (ch < 0x20 || ch == 0x7f || (ch == ' ' && !spaces))
			return false;
	}
	return true;
}

static void
send_mail(struct smtp_client *c)
{
	const struct smtp_message *m = c->message;
	uint64_t size = m->body.length - m->offset + m->extra_header.len;
	struct buf b = BUF_EMPTY;

	buf_printf(&b, "MAIL FROM:<%.*s>", STR_ARG(m->reverse_path));
	/* What the conversion will make of it is not known yet. */
	if (c->caps.size && m->downgrade == NULL)
		buf_printf(&b, " SIZE=%llu", (unsigned long long)size);
	if (c->caps.eight_bit && m->eight_bit)
		buf_add_c(&b, " BODY=8BITMIME");
	if (c->caps.smtputf8 && m->smtputf8)
		buf_add_c(&b, " SMTPUTF8");
	if (c->caps.requiretls && m->require_tls)
		buf_add_c(&b, " REQUIRETLS");
	if (c->caps.mt_priority && m->priority >= -9 && m->priority <= 9 && m->priority != 0)
		buf_printf(&b, " MT-PRIORITY=%d", m->priority);
	if (c->caps.dsn && m->ret.len > 0 && is_safe(m->ret, false))
		buf_printf(&b, " RET=%.*s", STR_ARG(m->ret));
	if (c->caps.dsn && m->envid.len > 0 && is_safe(m->envid, false))
		buf_printf(&b, " ENVID=%.*s", STR_ARG(m->envid));
	buf_add_c(&b, "\r\n");
	client_write(c, b.data, b.len);
	buf_fini(&b);
	dialogue_expect(c, STEP_MAIL, 0);
}

static void
add_notify(struct buf *b, unsigned notify)
{
	static const char *const words[] = {"NEVER", "SUCCESS", "FAILURE", "DELAY"};
	const char *separator = " NOTIFY=";

	for (unsigned i = 0; i < 4; i++) {
		if ((notify & 1u << i) == 0)
			continue;
		buf_add_c(b, separator);
		buf_add_c(b, words[i]);
		separator = ",";
		if (i == 0)
			return; /* NEVER stands alone */
	}
}

/* In 8-bit form only where the server takes that (RFC 6533, section 3). */
static void
add_orcpt(const struct smtp_client *c, struct buf *b, struct str orcpt)
{
	if ((c->caps.smtputf8 && c->message->smtputf8) || smtp_orcpt_to_ascii(orcpt, c->message->arena, &orcpt))
		buf_printf(b, " ORCPT=%.*s", STR_ARG(orcpt));
}

static void
send_rcpt(struct smtp_client *c, unsigned index)
{
	const struct smtp_rcpt *r = &c->message->rcpts[index];
	struct buf b = BUF_EMPTY;

	buf_printf(&b, "RCPT TO:<%.*s>", STR_ARG(r->address));
	if (c->caps.dsn && r->notify != 0)
		add_notify(&b, r->notify);
	if (c->caps.dsn && r->orcpt.len > 0 && is_safe(r->orcpt, false))
		add_orcpt(c, &b, r->orcpt);
	buf_add_c(&b, "\r\n");
	client_write(c, b.data, b.len);
	buf_fini(&b);
	dialogue_expect(c, STEP_RCPT, index);
}

static void
set_answer(struct smtp_client *c, struct smtp_answer *a, const struct smtp_reply *r)
{
	a->code = r->code;
	smtp_reply_enhanced(r, a->enhanced);
	a->text = smtp_reply_words(r, c->message->arena);
}

/* Before MAIL: what cannot be said safely is refused here. */
static void
refuse_unsafe(struct smtp_client *c)
{
	for (unsigned i = 0; i < c->message->count; i++) {
		struct smtp_rcpt *r = &c->message->rcpts[i];

		if (is_safe(r->address, true) && is_safe(c->message->reverse_path, true))
			continue;
		r->answer.code = 553;
		str_copy(STR("5.1.3"), r->answer.enhanced, sizeof(r->answer.enhanced));
		r->answer.text = STR("an address cannot be sent by SMTP");
	}
}

void
dialogue_message_begin(struct smtp_client *c)
{
	c->state = CLIENT_SENDING;
	c->next = c->needs_rset ? STEP_RSET : STEP_MAIL;
	c->needs_rset = false;
	c->next_rcpt = 0;
	c->accepted = 0;
	c->any_reply = false;
	c->mail_refused = false;
	c->message->dsn_passed = c->caps.dsn;
	c->message->end_sent = false;
	refuse_unsafe(c);
	body_begin(c);
	dialogue_advance(c);
	if (c->state == CLIENT_SENDING)
		client_set_timer(c, dialogue_timeout(c));
}

/* The next recipient to be named, from `at` on. */
static unsigned
next_rcpt(const struct smtp_client *c, unsigned at)
{
	while (at < c->message->count && c->message->rcpts[at].answer.code != 0)
		at++;
	return at;
}

static void
message_end(struct smtp_client *c, bool transaction_open)
{
	c->messages++;
	c->needs_rset = transaction_open;
	body_end(c);
	c->message = NULL;
	c->state = CLIENT_READY;
	client_set_timer(c, 0);
	c->events->on_sent(c->arg);
}

/* All commands but the data are out and answered, and nobody was accepted. */
static bool
end_if_hopeless(struct smtp_client *c)
{
	if (dialogue_is_waiting(c) || c->go_ahead)
		return false;
	if (c->accepted > 0 && !c->mail_refused)
		return false;
	message_end(c, !c->mail_refused);
	return true;
}

/* Sends one command; false when none may be sent now. */
static bool
send_next(struct smtp_client *c)
{
	switch (c->next) {
	case STEP_RSET:
		client_write(c, "RSET\r\n", 6);
		dialogue_expect(c, STEP_RSET, 0);
		c->next = STEP_MAIL;
		return true;
	case STEP_MAIL:
		send_mail(c);
		c->next = STEP_RCPT;
		return true;
	case STEP_RCPT:
		c->next_rcpt = next_rcpt(c, c->next_rcpt);
		if (c->next_rcpt < c->message->count)
			send_rcpt(c, c->next_rcpt++);
		else
			c->next = STEP_DATA;
		return true;
	case STEP_DATA:
		/* Pipelined behind the recipients only when all of them are on
		 * their way; else only if somebody was accepted. */
		if (!dialogue_is_waiting(c) && c->accepted == 0)
			return false;
		/* A large body is not sent before somebody is known to want it, and
		 * none over an idle connection that may be gone: whether the message
		 * arrived should be in doubt as seldom as can be. */
		if (c->chunking && dialogue_is_waiting(c) && (!body_is_small(c) || (c->messages > 0 && !c->any_reply)))
			return false;
		c->next = STEP_END;
		if (c->chunking) {
			body_go(c);
			return true;
		}
		client_write(c, "DATA\r\n", 6);
		dialogue_expect(c, STEP_DATA, 0);
		return true;
	default: return false;
	}
}

void
dialogue_advance(struct smtp_client *c)
{
	while (c->state == CLIENT_SENDING) {
		unsigned room = c->caps.pipelining ? PIPELINE_MAX : 1;

		if (awaited(c) >= room)
			return;
		if (c->mail_refused && c->next != STEP_END)
			c->next = STEP_END;
		if (!send_next(c))
			break;
	}
	if (c->state == CLIENT_SENDING)
		end_if_hopeless(c);
}

/* ---- The message's replies ---- */
static void
on_rset(struct smtp_client *c, const struct smtp_reply *r, unsigned rcpt)
{
	(void)rcpt;
	if (r->code != 250)
		client_fail(c, SMTP_AT_MESSAGE, "RSET is answered with %d", r->code);
	else
		dialogue_advance(c);
}

/* One answer for all that have none of their own yet. */
static void
answer_all(struct smtp_client *c, const struct smtp_reply *r, bool only_accepted)
{
	for (unsigned i = 0; i < c->message->count; i++) {
		struct smtp_rcpt *rcpt = &c->message->rcpts[i];

		if (only_accepted ? rcpt->accepted : rcpt->answer.code == 0)
			set_answer(c, &rcpt->answer, r);
	}
}

static void
on_mail(struct smtp_client *c, const struct smtp_reply *r, unsigned rcpt)
{
	(void)rcpt;
	if (r->code / 100 != 2) {
		c->mail_refused = true;
		answer_all(c, r, false);
	}
	dialogue_advance(c);
}

static void
on_rcpt(struct smtp_client *c, const struct smtp_reply *r, unsigned rcpt)
{
	struct smtp_rcpt *to = &c->message->rcpts[rcpt];

	/* After a refused MAIL every recipient's refusal only repeats it. */
	if (!c->mail_refused) {
		set_answer(c, &to->answer, r);
		to->accepted = r->code / 100 == 2;
		c->accepted += to->accepted;
	}
	dialogue_advance(c);
}

static void
on_data(struct smtp_client *c, const struct smtp_reply *r, unsigned rcpt)
{
	(void)rcpt;
	if (r->code == 354 && c->accepted > 0 && !c->mail_refused) {
		body_go(c);
		return;
	}
	if (r->code == 354) {
		/* Sent ahead, and then nobody was accepted: an empty message ends it
		 * (RFC 2920, 3.1). */
		c->go_ahead = true;
		body_send_empty(c);
		return;
	}
	answer_all(c, r, true);
	if (r->code / 100 < 4)
		client_fail(c, SMTP_AT_MESSAGE, "DATA is answered with %d", r->code);
	else
		message_end(c, true);
}

/* A chunk that is refused ends the message: what was sent behind it is refused
 * too, and RSET must follow (RFC 3030, section 2). */
static void
on_chunk(struct smtp_client *c, const struct smtp_reply *r, unsigned rcpt)
{
	(void)rcpt;
	if (r->code / 100 == 2 && !c->chunk_refused)
		return;
	if (!c->chunk_refused)
		answer_all(c, r, true);
	c->chunk_refused = true;
	if (!dialogue_is_waiting(c))
		message_end(c, true);
}

static void
on_end(struct smtp_client *c, const struct smtp_reply *r, unsigned rcpt)
{
	(void)rcpt;
	CRASHPOINT("sent");
	if (c->accepted > 0 && !c->mail_refused && !c->chunk_refused)
		answer_all(c, r, true);
	message_end(c, c->chunking && (c->chunk_refused || r->code / 100 != 2));
}
