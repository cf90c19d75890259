#include "delivery-worker/remote/state.h"

#include <stdarg.h>
#include <stdio.h>

#include "lib/base/check.h"
#include "lib/base/mem.h"

/* ---- Freeing waits until our own code has returned ---- */
void
client_enter(struct smtp_client *c)
{
	c->busy++;
}

static void
state_free(struct smtp_client *c)
{
	c->on_gone(c);
	connection_fini(&c->connection);
	awaited_fini(&c->awaited);
	smtp_reply_fini(&c->parser);
	buf_fini(&c->last_text);
	buf_fini(&c->body.encoded);
	buf_fini(&c->body.plain);
	login_free(&c->login);
	mem_free(c);
}

void
client_leave(struct smtp_client *c)
{
	CHECK(c->busy > 0);
	if (--c->busy == 0 && c->free_wanted)
		state_free(c);
}

void
client_free_later(struct smtp_client *c)
{
	if (c->busy > 0)
		c->free_wanted = true;
	else
		state_free(c);
}

/* ---- Failure ---- */
void
client_fail(struct smtp_client *c, enum smtp_stage stage, const char *format, ...)
{
	struct smtp_failure f = {.stage = stage};
	va_list ap;

	if (c->state == CLIENT_FAILED)
		return;
	va_start(ap, format);
	vsnprintf(f.text, sizeof(f.text), format, ap);
	va_end(ap);
	f.is_ours = c->is_ours;
	f.at_first_reply = c->state == CLIENT_SENDING && !c->any_reply;
	f.tls_result = stage == SMTP_AT_TLS ? c->tls_result : TLS_RESULT_OK;
	f.answer = c->last;
	f.answer.text = buf_str(&c->last_text);
	client_enter(c);
	c->state = CLIENT_FAILED;
	c->on_gone(c);
	connection_stop(&c->connection);
	c->message = NULL;
	c->events->on_failed(c->arg, &f);
	client_leave(c);
}

/* ---- Talking ---- */
void
client_expect(struct smtp_client *c, enum smtp_step step, unsigned rcpt)
{
	awaited_add(&c->awaited, step, rcpt);
}

bool
client_is_waiting(const struct smtp_client *c)
{
	return awaited_count(&c->awaited) > 0;
}

void
client_set_timer(struct smtp_client *c)
{
	connection_set_timer(&c->connection, awaited_timeout(&c->awaited, c->options.command_timeout_ms));
}

void
client_write(struct smtp_client *c, const void *data, size_t len)
{
	connection_write(&c->connection, data, len);
}
