/* The commands of a message and what their replies mean.
 *
 * Commands are sent ahead of replies if the server supports PIPELINING (RFC
 * 2920), otherwise one at a time. */
#include "delivery-worker/remote/transaction.h"

#include "delivery-worker/remote/state.h"
#include "lib/base/crashpoint.h"
#include "lib/smtp/orcpt.h"

#define PIPELINE_MAX 500 /* replies awaited at once */

/* ---- Sending a message ---- */
/* Contains nothing that could end a line or start another parameter. */
static bool
transaction_is_safe(struct str s, bool spaces)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char ch = (unsigned char)s.p[i];

		if (ch < 0x20 || ch == 0x7f || (ch == ' ' && !spaces))
			return false;
	}
	return true;
}

static void
transaction_send_mail(struct smtp_client *c)
{
	const struct smtp_message *m = c->message;
	uint64_t size = m->body.length - m->offset + m->extra_header.len;
	struct buf b = BUF_EMPTY;

	buf_printf(&b, "MAIL FROM:<%.*s>", STR_ARG(m->reverse_path));
	/* The size after the conversion is not known yet. */
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
	if (c->caps.dsn && m->ret.len > 0 && transaction_is_safe(m->ret, false))
		buf_printf(&b, " RET=%.*s", STR_ARG(m->ret));
	if (c->caps.dsn && m->envid.len > 0 && transaction_is_safe(m->envid, false))
		buf_printf(&b, " ENVID=%.*s", STR_ARG(m->envid));
	buf_add_c(&b, "\r\n");
	client_write(c, b.data, b.len);
	buf_fini(&b);
	client_expect(c, STEP_MAIL, 0);
}

static void
transaction_add_notify(struct buf *b, unsigned notify)
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

/* In 8-bit form only if the server accepts that (RFC 6533, section 3). */
static void
transaction_add_orcpt(const struct smtp_client *c, struct buf *b, struct str orcpt)
{
	if ((c->caps.smtputf8 && c->message->smtputf8) || smtp_orcpt_to_ascii(orcpt, c->message->arena, &orcpt))
		buf_printf(b, " ORCPT=%.*s", STR_ARG(orcpt));
}

static void
transaction_send_rcpt(struct smtp_client *c, unsigned index)
{
	const struct smtp_rcpt *r = &c->message->rcpts[index];
	struct buf b = BUF_EMPTY;

	buf_printf(&b, "RCPT TO:<%.*s>", STR_ARG(r->address));
	if (c->caps.dsn && r->notify != 0)
		transaction_add_notify(&b, r->notify);
	if (c->caps.dsn && r->orcpt.len > 0 && transaction_is_safe(r->orcpt, false))
		transaction_add_orcpt(c, &b, r->orcpt);
	buf_add_c(&b, "\r\n");
	client_write(c, b.data, b.len);
	buf_fini(&b);
	client_expect(c, STEP_RCPT, index);
}

static void
transaction_set_answer(struct smtp_client *c, struct smtp_answer *a, const struct smtp_reply *r)
{
	a->code = r->code;
	smtp_reply_enhanced(r, a->enhanced);
	a->text = smtp_reply_words(r, c->message->arena);
}

/* Before MAIL: addresses that cannot be sent safely are refused here. */
static void
transaction_refuse_unsafe(struct smtp_client *c)
{
	for (unsigned i = 0; i < c->message->count; i++) {
		struct smtp_rcpt *r = &c->message->rcpts[i];

		if (transaction_is_safe(r->address, true) && transaction_is_safe(c->message->reverse_path, true))
			continue;
		r->answer.code = 553;
		str_copy(STR("5.1.3"), r->answer.enhanced, sizeof(r->answer.enhanced));
		r->answer.text = STR("an address cannot be sent by SMTP");
	}
}

void
transaction_begin(struct smtp_client *c)
{
	c->state = CLIENT_SENDING;
	c->transaction.next = c->transaction.is_open ? STEP_RSET : STEP_MAIL;
	c->transaction.is_open = false;
	c->transaction.next_rcpt = 0;
	c->transaction.accepted = 0;
	c->any_reply = false;
	c->transaction.mail_refused = false;
	c->message->dsn_passed = c->caps.dsn;
	c->message->end_sent = false;
	transaction_refuse_unsafe(c);
	body_begin(c);
	transaction_advance(c);
	if (c->state == CLIENT_SENDING)
		client_set_timer(c);
}

/* The next recipient to send, from `at` on. */
static unsigned
transaction_next_rcpt(const struct smtp_client *c, unsigned at)
{
	while (at < c->message->count && c->message->rcpts[at].answer.code != 0)
		at++;
	return at;
}

static void
transaction_end(struct smtp_client *c, bool transaction_open)
{
	c->messages++;
	c->transaction.is_open = transaction_open;
	body_end(c);
	c->message = NULL;
	c->state = CLIENT_READY;
	connection_set_timer(&c->connection, 0);
	c->events->on_sent(c->arg);
}

/* All commands except the data are sent and answered, and no recipient was accepted. */
static bool
transaction_end_if_hopeless(struct smtp_client *c)
{
	if (client_is_waiting(c) || c->body.go_ahead)
		return false;
	if (c->transaction.accepted > 0 && !c->transaction.mail_refused)
		return false;
	transaction_end(c, !c->transaction.mail_refused);
	return true;
}

/* Sends one command; false when none may be sent now. */
static bool
transaction_send_next(struct smtp_client *c)
{
	switch (c->transaction.next) {
	case STEP_RSET:
		client_write(c, "RSET\r\n", 6);
		client_expect(c, STEP_RSET, 0);
		c->transaction.next = STEP_MAIL;
		return true;
	case STEP_MAIL:
		transaction_send_mail(c);
		c->transaction.next = STEP_RCPT;
		return true;
	case STEP_RCPT:
		c->transaction.next_rcpt = transaction_next_rcpt(c, c->transaction.next_rcpt);
		if (c->transaction.next_rcpt < c->message->count)
			transaction_send_rcpt(c, c->transaction.next_rcpt++);
		else
			c->transaction.next = STEP_DATA;
		return true;
	case STEP_DATA:
		/* Pipelined after the recipients only when all of them are on
		 * their way; otherwise only if a recipient was accepted. */
		if (!client_is_waiting(c) && c->transaction.accepted == 0)
			return false;
		/* A large body is not sent before a recipient is accepted, and no
		 * body over an idle connection that may be closed: it should rarely
		 * be in doubt whether the message arrived. */
		if (c->body.chunking && client_is_waiting(c) &&
		    (!body_is_small(c) || (c->messages > 0 && !c->any_reply)))
			return false;
		c->transaction.next = STEP_END;
		if (c->body.chunking) {
			body_go(c);
			return true;
		}
		client_write(c, "DATA\r\n", 6);
		client_expect(c, STEP_DATA, 0);
		return true;
	default: return false;
	}
}

void
transaction_advance(struct smtp_client *c)
{
	while (c->state == CLIENT_SENDING) {
		unsigned room = c->caps.pipelining ? PIPELINE_MAX : 1;

		if (awaited_count(&c->awaited) >= room)
			return;
		if (c->transaction.mail_refused && c->transaction.next != STEP_END)
			c->transaction.next = STEP_END;
		if (!transaction_send_next(c))
			break;
	}
	if (c->state == CLIENT_SENDING)
		transaction_end_if_hopeless(c);
}

/* ---- The message's replies ---- */
void
transaction_on_rset(struct smtp_client *c, const struct smtp_reply *r, unsigned rcpt)
{
	(void)rcpt;
	if (r->code != 250)
		client_fail(c, SMTP_AT_MESSAGE, "RSET is answered with %d", r->code);
	else
		transaction_advance(c);
}

/* One answer for all recipients that have none of their own yet. */
static void
transaction_answer_all(struct smtp_client *c, const struct smtp_reply *r, bool only_accepted)
{
	for (unsigned i = 0; i < c->message->count; i++) {
		struct smtp_rcpt *rcpt = &c->message->rcpts[i];

		if (only_accepted ? rcpt->accepted : rcpt->answer.code == 0)
			transaction_set_answer(c, &rcpt->answer, r);
	}
}

void
transaction_on_mail(struct smtp_client *c, const struct smtp_reply *r, unsigned rcpt)
{
	(void)rcpt;
	if (r->code / 100 != 2) {
		c->transaction.mail_refused = true;
		transaction_answer_all(c, r, false);
	}
	transaction_advance(c);
}

void
transaction_on_rcpt(struct smtp_client *c, const struct smtp_reply *r, unsigned rcpt)
{
	struct smtp_rcpt *to = &c->message->rcpts[rcpt];

	/* After a refused MAIL the refusal of each recipient only repeats it. */
	if (!c->transaction.mail_refused) {
		transaction_set_answer(c, &to->answer, r);
		to->accepted = r->code / 100 == 2;
		c->transaction.accepted += to->accepted;
	}
	transaction_advance(c);
}

void
transaction_on_data(struct smtp_client *c, const struct smtp_reply *r, unsigned rcpt)
{
	(void)rcpt;
	if (r->code == 354 && c->transaction.accepted > 0 && !c->transaction.mail_refused) {
		body_go(c);
		return;
	}
	if (r->code == 354) {
		/* DATA was sent ahead, and then no recipient was accepted: an empty message ends it (RFC 2920, 3.1). */
		body_send_empty(c);
		return;
	}
	transaction_answer_all(c, r, true);
	if (r->code / 100 < 4)
		client_fail(c, SMTP_AT_MESSAGE, "DATA is answered with %d", r->code);
	else
		transaction_end(c, true);
}

/* A refused chunk ends the message: everything sent after it is refused too,
 * and RSET must follow (RFC 3030, section 2). */
void
transaction_on_chunk(struct smtp_client *c, const struct smtp_reply *r, unsigned rcpt)
{
	(void)rcpt;
	if (r->code / 100 == 2 && !c->body.chunk_refused)
		return;
	if (!c->body.chunk_refused)
		transaction_answer_all(c, r, true);
	body_refuse_chunk(c);
	if (!client_is_waiting(c))
		transaction_end(c, true);
}

void
transaction_on_end(struct smtp_client *c, const struct smtp_reply *r, unsigned rcpt)
{
	(void)rcpt;
	CRASHPOINT("sent");
	if (c->transaction.accepted > 0 && !c->transaction.mail_refused && !c->body.chunk_refused)
		transaction_answer_all(c, r, true);
	transaction_end(c, c->body.chunking && (c->body.chunk_refused || r->code / 100 != 2));
}
