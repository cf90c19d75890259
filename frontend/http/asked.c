/* What handlers can query about a request. */
#include "frontend/http/private.h"
#include "lib/http/uri.h"

const struct http_head *
http_head(const struct http_request *r)
{
	return &r->head;
}

struct frontend *
http_frontend(const struct http_request *r)
{
	return r->frontend;
}

struct arena *
http_arena(struct http_request *r)
{
	return &r->op.arena;
}

const struct log_context *
http_log(const struct http_request *r)
{
	return r->session != NULL ? conn_log(r->session->conn) : NULL;
}

const struct ip *
http_client(const struct http_request *r)
{
	return &r->client;
}

/* The TLS port as the client sees it. A client that came without TLS and without a port
 * used port 80, whatever that is behind a balancer, and will find TLS at port 443. */
static unsigned
asked_tls_port(const struct http_request *r)
{
	int base = r->frontend->service->port_base;

	if (r->head.port == 0)
		return 443;
	if (r->session != NULL && conn_is_tls(r->session->conn))
		return r->head.port;
	return r->head.port == base + 80 ? (unsigned)base + 443 : 443;
}

const char *
http_origin(struct http_request *r)
{
	struct arena *arena = &r->op.arena;
	unsigned port = asked_tls_port(r);
	const char *host = arena_printf(arena, str_index(r->head.host, ':') < 0 ? "https://%.*s" : "https://[%.*s]",
					STR_ARG(r->head.host));

	return port == 443 ? host : arena_printf(arena, "%s:%u", host, port);
}

bool
http_is_tls(const struct http_request *r)
{
	return r->secure && (r->forwarded || (r->session != NULL && conn_is_tls(r->session->conn)));
}

const struct auth_identity *
http_account(const struct http_request *r)
{
	return r->account;
}

struct str
http_field(const struct http_request *r, struct str name)
{
	const struct str *value = http_head_field(&r->head, name);

	return value != NULL ? *value : STR_NONE;
}

bool
http_parameter(struct http_request *r, struct str name, struct str *value_out)
{
	return http_uri_parameter(r->head.query, name, &r->op.arena, value_out);
}

void *
http_state(const struct http_request *r)
{
	return r->state;
}

void
http_set_state(struct http_request *r, void *state)
{
	r->state = state;
}

void
http_hold(struct http_request *r)
{
	op_hold(&r->op);
}

bool
http_back(struct http_request *r)
{
	return op_back(&r->op);
}
