/* The life of a connection: connect, bytes in and out, TLS, time limits. */
#include "delivery-worker/remote/client.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "delivery-worker/remote/client_private.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"

#define CONNECT_TIMEOUT_MS 30000
#define OUTPUT_LOW	   (64 * 1024)
#define INPUT_HIGH	   (64 * 1024)

static void on_input(struct bufferevent *bev, void *arg);
static void on_writable(struct bufferevent *bev, void *arg);
static void on_event(struct bufferevent *bev, short what, void *arg);

/* ---- Freeing waits until our own code has been left ---- */
void
client_enter(struct smtp_client *c)
{
	c->busy++;
}

static void
drop_connection(struct smtp_client *c)
{
	if (c->bev != NULL)
		bufferevent_free(c->bev);
	c->bev = NULL;
}

static void
really_free(struct smtp_client *c)
{
	body_end(c);
	drop_connection(c);
	event_free(c->timer);
	smtp_reply_fini(&c->parser);
	buf_fini(&c->last_text);
	buf_fini(&c->encoded);
	buf_fini(&c->plain);
	login_free(&c->login);
	mem_free(c->expected);
	mem_free(c);
}

void
client_leave(struct smtp_client *c)
{
	CHECK(c->busy > 0);
	if (--c->busy == 0 && c->free_wanted)
		really_free(c);
}

/* QUIT, straight to the socket; nobody waits for its reply. */
static void
say_goodbye(struct smtp_client *c)
{
	SSL *ssl = bufferevent_openssl_get_ssl(c->bev);

	if (ssl == NULL) {
		send(bufferevent_getfd(c->bev), "QUIT\r\n", 6, MSG_DONTWAIT | MSG_NOSIGNAL);
		return;
	}
	if (SSL_write(ssl, "QUIT\r\n", 6) > 0)
		SSL_shutdown(ssl);
	ERR_clear_error();
}

void
smtp_client_free(struct smtp_client **c)
{
	struct smtp_client *client = *c;

	*c = NULL;
	if (client == NULL)
		return;
	if (client->state == CLIENT_READY && client->bev != NULL)
		say_goodbye(client);
	if (client->busy > 0)
		client->free_wanted = true;
	else
		really_free(client);
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
	body_end(c);
	evtimer_del(c->timer);
	if (c->bev != NULL)
		bufferevent_disable(c->bev, EV_READ | EV_WRITE);
	c->message = NULL;
	c->events->on_failed(c->arg, &f);
	client_leave(c);
}

static enum smtp_stage
stage_of(const struct smtp_client *c)
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

/* ---- Time ---- */
void
client_set_timer(struct smtp_client *c, int64_t ms)
{
	struct timeval tv = clock_timeval(ms);

	if (c->bev != NULL)
		c->output_seen = evbuffer_get_length(bufferevent_get_output(c->bev));
	if (ms > 0)
		evtimer_add(c->timer, &tv);
	else
		evtimer_del(c->timer);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct smtp_client *c = arg;
	size_t output = c->bev != NULL ? evbuffer_get_length(bufferevent_get_output(c->bev)) : 0;

	(void)fd;
	(void)what;
	/* A slow reader of much data is alive as long as it takes some. */
	if (c->state == CLIENT_SENDING && output < c->output_seen) {
		client_set_timer(c, dialogue_timeout(c));
		return;
	}
	if (c->state == CLIENT_CONNECTING)
		client_fail(c, SMTP_AT_CONNECT, "no connection within %d s", CONNECT_TIMEOUT_MS / 1000);
	else if (c->state == CLIENT_TLS)
		client_fail(c, SMTP_AT_TLS, "no TLS handshake in time");
	else
		client_fail(c, stage_of(c), "no answer in time to %s", dialogue_step_name(c));
}

/* ---- Bytes ---- */
void
client_write(struct smtp_client *c, const void *data, size_t len)
{
	bufferevent_write(c->bev, data, len);
}

static void
keep_words(struct smtp_client *c, const struct smtp_reply *r)
{
	struct arena arena;

	if (c->leaving)
		return; /* the 421 was the last that counts */
	buf_clear(&c->last_text);
	if (r->code < 400)
		return;
	arena_init(&arena);
	buf_add_str(&c->last_text, smtp_reply_words(r, &arena));
	arena_fini(&arena);
}

/* Takes one reply off the input; false when there is no whole one. */
static bool
take_reply(struct smtp_client *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);
	enum smtp_reply_state state = SMTP_REPLY_MORE;

	while (state == SMTP_REPLY_MORE) {
		struct evbuffer_iovec v;
		size_t used;

		if (evbuffer_peek(in, -1, NULL, &v, 1) < 1 || v.iov_len == 0)
			return false;
		used = smtp_reply_parse(&c->parser, str_of(v.iov_base, v.iov_len), &state);
		evbuffer_drain(in, used);
		if (state == SMTP_REPLY_BAD) {
			client_fail(c, stage_of(c), "the server does not speak SMTP");
			return false;
		}
	}
	return true;
}

static void
on_input(struct bufferevent *bev, void *arg)
{
	struct smtp_client *c = arg;

	(void)bev;
	client_enter(c);
	while (!c->free_wanted && c->bev != NULL && c->state != CLIENT_FAILED && c->state != CLIENT_TLS &&
	       take_reply(c)) {
		keep_words(c, &c->parser.reply);
		dialogue_on_reply(c, &c->parser.reply);
		if (!c->free_wanted && dialogue_is_waiting(c) && c->state != CLIENT_FAILED && c->state != CLIENT_TLS)
			client_set_timer(c, dialogue_timeout(c));
	}
	client_leave(c);
}

static void
on_writable(struct bufferevent *bev, void *arg)
{
	struct smtp_client *c = arg;

	(void)bev;
	client_enter(c);
	if (c->state == CLIENT_SENDING)
		body_pump(c);
	client_leave(c);
}

/* ---- TLS ---- */
static void
watch(struct smtp_client *c)
{
	bufferevent_setcb(c->bev, on_input, on_writable, on_event, c);
	bufferevent_setwatermark(c->bev, EV_READ, 0, INPUT_HIGH);
	bufferevent_setwatermark(c->bev, EV_WRITE, OUTPUT_LOW, 0);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
}

void
client_start_tls(struct smtp_client *c)
{
	evutil_socket_t fd = bufferevent_getfd(c->bev);
	SSL *ssl;

	/* What came in the clear behind the go-ahead could be anybody's. */
	if (evbuffer_get_length(bufferevent_get_input(c->bev)) > 0) {
		client_fail(c, SMTP_AT_TLS, "the server spoke on in the clear after STARTTLS");
		return;
	}
	c->tls_result = TLS_RESULT_VALIDATION_FAILURE;
	ssl = SSL_new(c->options.tls);
	CHECK(ssl != NULL);
	tls_prepare(ssl, &c->options.wish);
	bufferevent_disable(c->bev, EV_READ | EV_WRITE);
	bufferevent_setfd(c->bev, -1);
	bufferevent_free(c->bev);
	c->state = CLIENT_TLS;
	c->bev = bufferevent_openssl_socket_new(c->options.base, fd, ssl, BUFFEREVENT_SSL_CONNECTING,
						BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	CHECK(c->bev != NULL);
	bufferevent_openssl_set_allow_dirty_shutdown(c->bev, 1);
	watch(c);
	client_set_timer(c, c->options.command_timeout_ms);
}

static void
tls_done(struct smtp_client *c)
{
	SSL *ssl = bufferevent_openssl_get_ssl(c->bev);

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
	/* What was offered before says nothing now (RFC 3207, 4.2). */
	memset(&c->caps, 0, sizeof(c->caps));
	c->state = CLIENT_GREETING;
	dialogue_greet(c);
	client_set_timer(c, dialogue_timeout(c));
}

static void
fail_tls(struct smtp_client *c)
{
	unsigned long code = bufferevent_get_openssl_error(c->bev);
	char text[160] = "the connection was closed";

	if (code != 0)
		ERR_error_string_n(code, text, sizeof(text));
	client_fail(c, SMTP_AT_TLS, "TLS handshake failed: %s", text);
}

static void
on_connected(struct smtp_client *c)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	if (getsockname(bufferevent_getfd(c->bev), (struct sockaddr *)&sa, &len) != 0 ||
	    !ip_from_sockaddr((struct sockaddr *)&sa, &c->own_ip, NULL))
		c->own_ip.family = 0;
	c->state = CLIENT_GREETING;
	dialogue_expect(c, STEP_GREETING, 0);
	client_set_timer(c, c->options.command_timeout_ms);
}

/* What is short here, whatever the server. EADDRNOTAVAIL: no free port; of IPv6
 * it also says that this host has none. */
static bool
errno_is_ours(const struct smtp_client_options *o, int errno_value)
{
	return errno_value == EMFILE || errno_value == ENFILE || errno_value == ENOMEM || errno_value == ENOBUFS ||
	       (errno_value == EADDRNOTAVAIL && o->target.ip.family == 4);
}

static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	struct smtp_client *c = arg;
	int socket_error = EVUTIL_SOCKET_ERROR();

	client_enter(c);
	if ((what & BEV_EVENT_CONNECTED) != 0 && c->state == CLIENT_TLS) {
		tls_done(c);
	} else if ((what & BEV_EVENT_CONNECTED) != 0) {
		on_connected(c);
	} else if (c->state == CLIENT_TLS) {
		fail_tls(c);
	} else if (c->state == CLIENT_CONNECTING) {
		c->is_ours = errno_is_ours(&c->options, socket_error);
		client_fail(c, SMTP_AT_CONNECT, "no connection: %s", strerror(socket_error));
	} else {
		/* Replies that came with the end are read first. */
		on_input(bev, c);
		if (!c->free_wanted && c->state != CLIENT_FAILED)
			client_fail(c, stage_of(c), "the server closed the connection at %s", dialogue_step_name(c));
	}
	client_leave(c);
}

/* ---- Connecting ---- */
static int
open_socket(const struct smtp_client_options *o, struct smtp_failure *failure)
{
	int family = o->target.ip.family == 4 ? AF_INET : AF_INET6, one = 1;
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_storage sa;
	socklen_t len;

	if (fd < 0) {
		failure->is_ours = errno_is_ours(o, errno);
		snprintf(failure->text, sizeof(failure->text), "no socket: %s", strerror(errno));
		return -1;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (o->source.family == 0)
		return fd;
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	len = ip_to_sockaddr(&o->source, 0, &sa);
	if (bind(fd, (struct sockaddr *)&sa, len) == 0)
		return fd;
	snprintf(failure->text, sizeof(failure->text), "the source address cannot be used: %s", strerror(errno));
	failure->bad_source = true;
	close(fd);
	return -1;
}

/* The timer's first event: tells of a connection that never began, later and
 * not from within smtp_client_new(). */
static void
on_stillborn(evutil_socket_t fd, short what, void *arg)
{
	struct smtp_client *c = arg;
	struct smtp_failure f = {.stage = SMTP_AT_CONNECT, .is_ours = c->is_ours, .bad_source = c->last.code == -1};

	(void)fd;
	(void)what;
	str_copy(buf_str(&c->last_text), f.text, sizeof(f.text));
	client_enter(c);
	c->state = CLIENT_FAILED;
	c->events->on_failed(c->arg, &f);
	client_leave(c);
}

static void
begin_stillborn(struct smtp_client *c, const struct smtp_failure *f)
{
	event_free(c->timer);
	c->timer = evtimer_new(c->options.base, on_stillborn, c);
	buf_add_c(&c->last_text, f->text);
	c->is_ours = f->is_ours;
	c->last.code = f->bad_source ? -1 : 0;
	event_active(c->timer, EV_TIMEOUT, 0);
}

struct smtp_client *
smtp_client_new(const struct smtp_client_options *options, const struct smtp_client_events *events, void *arg)
{
	struct smtp_client *c = mem_new(struct smtp_client);
	struct smtp_failure failure = {.stage = SMTP_AT_CONNECT};
	struct sockaddr_storage sa;
	socklen_t len;
	int fd;

	c->options = *options;
	c->events = events;
	c->arg = arg;
	c->state = CLIENT_CONNECTING;
	c->tls_result = TLS_RESULT_STARTTLS_NOT_SUPPORTED;
	c->timer = evtimer_new(options->base, on_timer, c);
	smtp_reply_init(&c->parser);
	fd = open_socket(options, &failure);
	if (fd < 0) {
		begin_stillborn(c, &failure);
		return c;
	}
	c->bev = bufferevent_socket_new(options->base, fd, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	CHECK(c->bev != NULL);
	watch(c);
	len = ip_to_sockaddr(&options->target.ip, options->target.port, &sa);
	client_set_timer(c, CONNECT_TIMEOUT_MS);
	if (bufferevent_socket_connect(c->bev, (struct sockaddr *)&sa, (int)len) != 0) {
		failure.is_ours = errno_is_ours(options, EVUTIL_SOCKET_ERROR());
		snprintf(failure.text, sizeof(failure.text), "no connection: %s", strerror(EVUTIL_SOCKET_ERROR()));
		drop_connection(c);
		begin_stillborn(c, &failure);
	}
	return c;
}

/* ---- Asking and using ---- */
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
	return c->own_ip;
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
	dialogue_message_begin(c);
	client_leave(c);
}
