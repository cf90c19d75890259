/* The life of a connection, as its owner sees it. */
#include "delivery-worker/remote/client.h"

#include "delivery-worker/remote/dialogue.h"
#include "delivery-worker/remote/state.h"
#include "lib/base/check.h"
#include "lib/base/mem.h"

struct smtp_client *
smtp_client_new(const struct smtp_client_options *options, const struct smtp_client_events *events, void *arg)
{
	struct smtp_client *c = mem_new(struct smtp_client);

	c->options = *options;
	c->events = events;
	c->arg = arg;
	c->on_gone = body_end;
	c->state = CLIENT_CONNECTING;
	c->tls_result = TLS_RESULT_STARTTLS_NOT_SUPPORTED;
	connection_init(&c->connection, options->base, &dialogue_events, c);
	smtp_reply_init(&c->parser);
	body_init(c, transaction_advance);
	dialogue_begin(c);
	return c;
}

void
smtp_client_free(struct smtp_client **c)
{
	struct smtp_client *client = *c;

	*c = NULL;
	if (client == NULL)
		return;
	if (client->state == CLIENT_READY && connection_is_open(&client->connection))
		connection_say_goodbye(&client->connection, STR("QUIT\r\n"));
	client_free_later(client);
}

/* ---- Queries and use ---- */
void
smtp_client_set_owner(struct smtp_client *c, const struct smtp_client_events *events, void *arg)
{
	c->events = events;
	c->arg = arg;
}

bool
smtp_client_is_ready(const struct smtp_client *c)
{
	return c->state == CLIENT_READY && !c->leaving && !c->free_wanted;
}

const struct smtp_caps *
smtp_client_caps(const struct smtp_client *c)
{
	return &c->caps;
}

const char *
smtp_client_tls(const struct smtp_client *c)
{
	return c->tls;
}

enum tls_result
smtp_client_tls_result(const struct smtp_client *c)
{
	return c->tls_result;
}

struct ip
smtp_client_own_ip(const struct smtp_client *c)
{
	return c->connection.own_ip;
}

const char *
smtp_client_helo(const struct smtp_client *c)
{
	return c->helo;
}

unsigned
smtp_client_messages(const struct smtp_client *c)
{
	return c->messages;
}

void
smtp_client_send(struct smtp_client *c, struct smtp_message *message, int64_t command_timeout_ms)
{
	CHECK(c->state == CLIENT_READY && c->message == NULL);
	client_enter(c);
	c->options.command_timeout_ms = command_timeout_ms;
	c->message = message;
	transaction_begin(c);
	client_leave(c);
}
