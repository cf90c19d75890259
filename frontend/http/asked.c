/* What handlers ask of a request. */
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

bool
http_is_secure(const struct http_request *r)
{
	return r->secure;
}

bool
http_is_tls(const struct http_request *r)
{
	return r->secure && ((r->session != NULL && conn_is_tls(r->session->conn)) || !ip_is_loopback(&r->client));
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
