#include "delivery-worker/net/connection.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"

#define OUTPUT_LOW (64 * 1024)
#define INPUT_HIGH (64 * 1024)

/* ---- Events ---- */
static void
connection_on_input(struct bufferevent *bev, void *arg)
{
	struct connection *c = arg;

	(void)bev;
	c->events->on_input(c->arg);
}

static void
connection_on_writable(struct bufferevent *bev, void *arg)
{
	struct connection *c = arg;

	(void)bev;
	c->events->on_writable(c->arg);
}

static void
connection_read_own_ip(struct connection *c)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	if (getsockname(bufferevent_getfd(c->bev), (struct sockaddr *)&sa, &len) != 0 ||
	    !ip_from_sockaddr((struct sockaddr *)&sa, &c->own_ip, NULL))
		c->own_ip.family = 0;
}

static void
connection_on_event(struct bufferevent *bev, short what, void *arg)
{
	struct connection *c = arg;
	int socket_error = EVUTIL_SOCKET_ERROR();

	(void)bev;
	if ((what & BEV_EVENT_CONNECTED) == 0) {
		c->events->on_lost(c->arg, (what & BEV_EVENT_EOF) != 0 ? 0 : socket_error);
		return;
	}
	if (c->own_ip.family == 0)
		connection_read_own_ip(c);
	c->events->on_up(c->arg);
}

static void
connection_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct connection *c = arg;

	(void)fd;
	(void)what;
	c->events->on_time(c->arg);
}

static void
connection_watch(struct connection *c)
{
	CHECK(c->bev != NULL);
	bufferevent_setcb(c->bev, connection_on_input, connection_on_writable, connection_on_event, c);
	bufferevent_setwatermark(c->bev, EV_READ, 0, INPUT_HIGH);
	bufferevent_setwatermark(c->bev, EV_WRITE, OUTPUT_LOW, 0);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
}

/* ---- Life ---- */
void
connection_init(struct connection *c, struct event_base *base, const struct connection_events *events, void *arg)
{
	*c = (struct connection){.base = base, .events = events, .arg = arg};
	c->timer = evtimer_new(base, connection_on_timer, c);
}

void
connection_drop(struct connection *c)
{
	if (c->bev != NULL)
		bufferevent_free(c->bev);
	c->bev = NULL;
	c->own_ip.family = 0;
	evtimer_del(c->timer);
}

void
connection_fini(struct connection *c)
{
	connection_drop(c);
	event_free(c->timer);
}

bool
connection_is_open(const struct connection *c)
{
	return c->bev != NULL;
}

/* ---- Opening ---- */
/* EADDRNOTAVAIL: no free port; for IPv6 it may also mean that this host has no IPv6 address. */
bool
connection_errno_is_ours(const struct ip *ip, int errno_value)
{
	return errno_value == EMFILE || errno_value == ENFILE || errno_value == ENOMEM || errno_value == ENOBUFS ||
	       (errno_value == EADDRNOTAVAIL && ip->family == 4);
}

static int
connection_socket(const struct connection_target *t, struct connection_failure *failure)
{
	int family = t->ip.family == 4 ? AF_INET : AF_INET6, one = 1;
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_storage sa;
	socklen_t len;

	if (fd < 0) {
		failure->is_ours = connection_errno_is_ours(&t->ip, errno);
		snprintf(failure->text, sizeof(failure->text), "no socket: %s", strerror(errno));
		return -1;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (t->source.family == 0)
		return fd;
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	len = ip_to_sockaddr(&t->source, 0, &sa);
	if (bind(fd, (struct sockaddr *)&sa, len) == 0)
		return fd;
	snprintf(failure->text, sizeof(failure->text), "the source address cannot be used: %s", strerror(errno));
	failure->bad_source = true;
	close(fd);
	return -1;
}

int
connection_open(struct connection *c, const struct connection_target *t, struct connection_failure *failure_out)
{
	struct sockaddr_storage sa;
	socklen_t len;
	int fd;

	CHECK(c->bev == NULL);
	memset(failure_out, 0, sizeof(*failure_out));
	fd = connection_socket(t, failure_out);
	if (fd < 0)
		return -1;
	c->bev = bufferevent_socket_new(c->base, fd, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	connection_watch(c);
	len = ip_to_sockaddr(&t->ip, t->port, &sa);
	if (bufferevent_socket_connect(c->bev, (struct sockaddr *)&sa, (int)len) != 0) {
		failure_out->is_ours = connection_errno_is_ours(&t->ip, EVUTIL_SOCKET_ERROR());
		snprintf(failure_out->text, sizeof(failure_out->text), "no connection: %s",
			 strerror(EVUTIL_SOCKET_ERROR()));
		connection_drop(c);
		return -1;
	}
	return 0;
}

/* ---- TLS ---- */
int
connection_start_tls(struct connection *c, SSL_CTX *tls, const struct tls_wish *wish)
{
	evutil_socket_t fd = bufferevent_getfd(c->bev);
	SSL *ssl;

	if (evbuffer_get_length(bufferevent_get_input(c->bev)) > 0)
		return -1;
	ssl = SSL_new(tls);
	CHECK(ssl != NULL);
	tls_prepare(ssl, wish);
	bufferevent_disable(c->bev, EV_READ | EV_WRITE);
	bufferevent_setfd(c->bev, -1);
	bufferevent_free(c->bev);
	c->bev = bufferevent_openssl_socket_new(c->base, fd, ssl, BUFFEREVENT_SSL_CONNECTING,
						BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	connection_watch(c);
	bufferevent_openssl_set_allow_dirty_shutdown(c->bev, 1);
	return 0;
}

SSL *
connection_ssl(const struct connection *c)
{
	return bufferevent_openssl_get_ssl(c->bev);
}

void
connection_tls_error(struct connection *c, char *out, size_t size)
{
	unsigned long code = bufferevent_get_openssl_error(c->bev);

	if (code != 0)
		ERR_error_string_n(code, out, size);
	else
		str_copy(STR("the connection was closed"), out, size);
}

/* ---- Bytes ---- */
void
connection_write(struct connection *c, const void *data, size_t len)
{
	bufferevent_write(c->bev, data, len);
}

size_t
connection_output(const struct connection *c)
{
	return c->bev != NULL ? evbuffer_get_length(bufferevent_get_output(c->bev)) : 0;
}

bool
connection_peek(const struct connection *c, struct str *piece_out)
{
	struct evbuffer_iovec v;

	if (evbuffer_peek(bufferevent_get_input(c->bev), -1, NULL, &v, 1) < 1 || v.iov_len == 0)
		return false;
	*piece_out = str_of(v.iov_base, v.iov_len);
	return true;
}

void
connection_drain(struct connection *c, size_t len)
{
	evbuffer_drain(bufferevent_get_input(c->bev), len);
}

void
connection_pause(struct connection *c, bool paused)
{
	if (c->bev == NULL)
		return;
	if (paused)
		bufferevent_disable(c->bev, EV_READ);
	else
		bufferevent_enable(c->bev, EV_READ);
}

void
connection_stop(struct connection *c)
{
	evtimer_del(c->timer);
	if (c->bev != NULL)
		bufferevent_disable(c->bev, EV_READ | EV_WRITE);
}

void
connection_say_goodbye(struct connection *c, struct str command)
{
	SSL *ssl = connection_ssl(c);

	if (ssl == NULL) {
		send(bufferevent_getfd(c->bev), command.p, command.len, MSG_DONTWAIT | MSG_NOSIGNAL);
		return;
	}
	if (SSL_write(ssl, command.p, (int)command.len) > 0)
		SSL_shutdown(ssl);
	ERR_clear_error();
}

/* ---- Time ---- */
void
connection_set_timer(struct connection *c, int64_t ms)
{
	struct timeval tv = clock_timeval(ms);

	c->output_seen = connection_output(c);
	if (ms > 0)
		evtimer_add(c->timer, &tv);
	else
		evtimer_del(c->timer);
}

void
connection_set_timer_now(struct connection *c)
{
	event_active(c->timer, EV_TIMEOUT, 0);
}

bool
connection_has_moved(const struct connection *c)
{
	return connection_output(c) < c->output_seen;
}
