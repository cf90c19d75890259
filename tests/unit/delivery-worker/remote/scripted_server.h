/* A server that follows a script, and the SMTP client against it, in one loop. Header only. */
#ifndef SP_TESTS_UNIT_SCRIPTED_SERVER_H
#define SP_TESTS_UNIT_SCRIPTED_SERVER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <event2/thread.h>

#include "delivery-worker/remote/client.h"
#include "lib/base/buf.h"

/* ---- The server: "C: " awaits a line that starts so, "S: " says one, "X"
 * closes. What is said may follow at once what was awaited. ---- */
struct server {
	struct evconnlistener *listener;
	struct bufferevent *bev;
	const char *const *script;
	bool slow;	   /* byte by byte */
	struct buf to_say; /* while slow */
	struct event *tick;
	struct buf data; /* of DATA, as it came */
	bool in_data;
};

struct fixture {
	struct event_base *base;
	struct server server;
	uint16_t port;
	char dir[64];
	struct blob_store *blobs;
	struct blob_id body;
	struct arena arena;
	struct smtp_client *client;
	struct smtp_message message;
	struct smtp_rcpt rcpts[3];
	unsigned rcpt_count;
	bool keep; /* do not free the client at the end */
	char result[600];
};

static inline void server_go_on(struct server *s);

static inline void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct server *s = arg;

	(void)fd;
	(void)what;
	if (s->to_say.len == 0 || s->bev == NULL)
		return;
	bufferevent_write(s->bev, s->to_say.data, 1);
	memmove(s->to_say.data, s->to_say.data + 1, --s->to_say.len);
	event_active(s->tick, EV_TIMEOUT, 0);
}

/* Past the bufferevent, so that it is out before the connection is closed. */
static inline void
server_flush(struct server *s)
{
	if (s->to_say.len > 0)
		assert_int_equal(send(bufferevent_getfd(s->bev), s->to_say.data, s->to_say.len, MSG_NOSIGNAL),
				 s->to_say.len);
	buf_clear(&s->to_say);
}

static inline void
server_say(struct server *s, const char *text)
{
	buf_add_c(&s->to_say, text);
	buf_add_c(&s->to_say, "\r\n");
	if (s->slow) {
		event_active(s->tick, EV_TIMEOUT, 0);
		return;
	}
	server_flush(s);
}

static inline void
server_close(struct server *s)
{
	if (s->bev != NULL)
		bufferevent_free(s->bev);
	s->bev = NULL;
}

/* Everything up to the line with the dot. */
static inline bool
take_data(struct server *s)
{
	struct evbuffer *in = bufferevent_get_input(s->bev);
	size_t len;
	char *line;

	while ((line = evbuffer_readln(in, &len, EVBUFFER_EOL_CRLF_STRICT)) != NULL) {
		bool end = strcmp(line, ".") == 0;

		if (!end) {
			buf_add(&s->data, line, len);
			buf_add_c(&s->data, "\n");
		}
		free(line);
		if (end)
			return true;
	}
	return false;
}

static inline void
server_go_on(struct server *s)
{
	while (s->bev != NULL && *s->script != NULL) {
		const char *step = *s->script;

		if (step[0] == 'S') {
			server_say(s, step + 3);
		} else if (step[0] == 'X') {
			/* What was said goes out first. */
			server_flush(s);
			server_close(s);
		} else if (step[0] == 'D') {
			if (!take_data(s))
				return;
		} else {
			size_t len;
			char *line = evbuffer_readln(bufferevent_get_input(s->bev), &len, EVBUFFER_EOL_CRLF_STRICT);

			if (line == NULL)
				return;
			if (strncmp(line, step + 3, strlen(step + 3)) != 0)
				fail_msg("'%s' where '%s' was awaited", line, step + 3);
			free(line);
		}
		s->script++;
	}
}

static inline void
on_server_input(struct bufferevent *bev, void *arg)
{
	(void)bev;
	server_go_on(arg);
}

static inline void
on_server_event(struct bufferevent *bev, short what, void *arg)
{
	(void)bev;
	if ((what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) != 0)
		server_close(arg);
}

static inline void
on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa, int len, void *arg)
{
	struct server *s = arg;

	(void)sa;
	(void)len;
	s->bev = bufferevent_socket_new(evconnlistener_get_base(l), fd, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(s->bev, on_server_input, NULL, on_server_event, s);
	bufferevent_enable(s->bev, EV_READ | EV_WRITE);
	server_go_on(s);
}

/* ---- The client's owner ---- */
static inline void
tell(struct fixture *f, const char *what)
{
	struct buf b = BUF_EMPTY;

	buf_add_c(&b, what);
	for (unsigned i = 0; i < f->message.count; i++)
		buf_printf(&b, " %d/%s", f->rcpts[i].answer.code,
			   f->rcpts[i].answer.code != 0 ? f->rcpts[i].answer.enhanced : "-");
	str_copy(buf_str(&b), f->result, sizeof(f->result));
	buf_fini(&b);
	if (!f->keep)
		smtp_client_free(&f->client);
	event_base_loopbreak(f->base);
}

static inline void
on_ready(void *arg)
{
	struct fixture *f = arg;

	f->message.count = f->rcpt_count;
	smtp_client_send(f->client, &f->message, 500);
}

static inline void
on_sent(void *arg)
{
	tell(arg, "sent");
}

static inline void
on_failed(void *arg, const struct smtp_failure *failure)
{
	static const char *const stages[] = {"connect", "tls", "greeting", "login", "message", "body", "idle"};
	struct fixture *f = arg;
	char what[64];

	snprintf(what, sizeof(what), "%s%s %d", stages[failure->stage], f->message.end_sent ? "!" : "",
		 failure->answer.code);
	f->keep = false;
	tell(f, what);
}

static const struct smtp_client_events events = {on_ready, on_sent, on_failed};

static inline void
on_stored(void *arg, const struct blob_id *id, const struct err *err)
{
	struct fixture *f = arg;

	assert_null(err);
	f->body = *id;
	event_base_loopbreak(f->base);
}

static inline void
store_body(struct fixture *f, const char *data, size_t len)
{
	struct err err;

	assert_int_equal(blob_put(f->blobs, BLOB_BODY, data, len, NULL, on_stored, f, &err), 0);
	event_base_dispatch(f->base);
}

static inline int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sin);
	char url[80];
	struct err err;

	evthread_use_pthreads();
	f->base = event_base_new();
	str_copy(STR("/tmp/client-test-XXXXXX"), f->dir, sizeof(f->dir));
	assert_non_null(mkdtemp(f->dir));
	snprintf(url, sizeof(url), "file:%s", f->dir);
	f->blobs = blob_store_open(f->base, url, &err);
	assert_non_null(f->blobs);
	f->server.listener = evconnlistener_new_bind(f->base, on_accept, &f->server, LEV_OPT_CLOSE_ON_FREE, 16,
						     (struct sockaddr *)&sin, sizeof(sin));
	getsockname(evconnlistener_get_fd(f->server.listener), (struct sockaddr *)&sin, &len);
	f->port = ntohs(sin.sin_port);
	f->server.tick = evtimer_new(f->base, on_tick, &f->server);
	arena_init(&f->arena);
	store_body(f, "Return-Path: <>\r\nSubject: x\r\n\r\n.dot\r\nend\r\n", 42);
	*state = f;
	return 0;
}

static inline int
teardown(void **state)
{
	struct fixture *f = *state;
	char command[100];

	smtp_client_free(&f->client);
	server_close(&f->server);
	evconnlistener_free(f->server.listener);
	event_free(f->server.tick);
	buf_fini(&f->server.to_say);
	buf_fini(&f->server.data);
	blob_store_close(&f->blobs);
	arena_fini(&f->arena);
	event_base_free(f->base);
	snprintf(command, sizeof(command), "rm -rf %s", f->dir);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static inline void
prepare_message(struct fixture *f, unsigned rcpts)
{
	static const char *const addresses[] = {"a@r.test", "b@r.test", "c@r.test"};

	memset(&f->message, 0, sizeof(f->message));
	f->message.arena = &f->arena;
	f->message.reverse_path = STR("s@e.test");
	f->message.rcpts = f->rcpts;
	f->message.blobs = f->blobs;
	f->message.body = f->body;
	f->message.offset = 17;
	f->rcpt_count = rcpts;
	for (unsigned i = 0; i < 3; i++)
		f->rcpts[i] = (struct smtp_rcpt){.address = str_c(addresses[i])};
}

static inline struct smtp_client_options
options_of(struct fixture *f)
{
	struct smtp_client_options o = {.base = f->base, .helo = "me.test", .command_timeout_ms = 500};

	ip_parse(STR("127.0.0.1"), &o.target.ip);
	o.target.port = f->port;
	str_copy(STR("r.test"), o.target.host, sizeof(o.target.host));
	return o;
}

static inline const char *
run(struct fixture *f, const char *const *script, unsigned rcpts, bool slow)
{
	struct smtp_client_options o = options_of(f);

	server_close(&f->server);
	f->server.script = script;
	f->server.slow = slow;
	buf_clear(&f->server.to_say);
	buf_clear(&f->server.data);
	prepare_message(f, rcpts);
	str_copy(STR("nothing"), f->result, sizeof(f->result));
	f->client = smtp_client_new(&o, &events, f);
	event_base_dispatch(f->base);
	return f->result;
}

#endif
