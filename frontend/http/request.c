/* The life of a request. */
#include "frontend/http/private.h"
#include "lib/base/mem.h"

static void
request_free(struct op *op)
{
	mem_free(http_request_of(op));
}

struct http_request *
http_request_new(struct http_session *s)
{
	struct http_request *r = mem_zalloc(sizeof(*r));

	op_init(&r->op, request_free);
	r->session = s;
	r->frontend = conn_frontend(s->conn);
	r->client = *conn_peer(s->conn);
	s->request = r;
	return r;
}

void
http_request_leave(struct http_request *r)
{
	const struct http_handler *handler = r->begun ? r->handler : NULL;

	r->begun = false;
	if (r->login != NULL)
		auth_cancel(&r->login);
	http_session_unpark(r->session);
	if (handler != NULL && handler->on_gone != NULL)
		handler->on_gone(r);
}

void
http_request_end(struct http_request *r)
{
	r->session->request = NULL;
	r->session = NULL;
	op_cancel(&r->op);
}
