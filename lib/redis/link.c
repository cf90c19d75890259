/* One connection to a Redis server. hiredis formats and parses the protocol;
 * the descriptor is ours, to allow for TLS and for asynchronous name lookups. */
#include <errno.h>
#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/redis/link_private.h"

enum {
	READ_BYTES = 32768, /* per turn */
	KEEP_BYTES = 65536, /* an output buffer that grew beyond this is freed */
};

/* ---- The end ---- */

void
link_close(struct link *l)
{
	if (l->read != NULL)
		event_free(l->read);
	if (l->write != NULL)
		event_free(l->write);
	l->read = l->write = NULL;
	if (l->ssl != NULL)
		SSL_free(l->ssl);
	l->ssl = NULL;
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}

void
link_destroy(struct link *l)
{
	if (l->inside != 0 || !l->gone)
		return;
	redisReaderFree(l->reader);
	buf_fini(&l->out);
	mem_free(l);
}

void
link_free(struct link **lp)
{
	struct link *l = *lp;

	if (l == NULL)
		return;
	*lp = NULL;
	l->gone = true;
	l->phase = LINK_DOWN;
	lookup_cancel(&l->lookup);
	link_close(l);
	event_free(l->limit);
	event_free(l->flush);
	link_destroy(l);
}

/* Calls back at once, so only to be used in a callback from the loop. */
void
link_fail(struct link *l, const char *why)
{
	if (l->phase == LINK_DOWN)
		return;
	l->phase = LINK_DOWN;
	str_copy(str_c(why), l->why, sizeof(l->why));
	lookup_cancel(&l->lookup);
	link_close(l);
	event_del(l->limit);
	event_del(l->flush);
	l->events->on_down(l->arg, l->why);
}

void
link_fail_errno(struct link *l, int errno_value)
{
	link_fail(l, errno_value != 0 ? strerror(errno_value) : "closed");
}

const char *
link_tls_error(const struct link *l)
{
	long verified = SSL_get_verify_result(l->ssl);
	const char *reason = ERR_reason_error_string(ERR_peek_error());

	if (verified != X509_V_OK)
		return X509_verify_cert_error_string(verified);
	return reason != NULL ? reason : "the TLS connection broke";
}

/* ---- Output ---- */

/* Bytes written; 0: later; -1: it failed. */
static ssize_t
link_write_some(struct link *l)
{
	const char *p = l->out.data + l->sent;
	size_t len = l->out.len - l->sent;
	ssize_t done;

	if (l->ssl == NULL) {
		done = send(l->fd, p, len, MSG_NOSIGNAL);
		return done < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : done;
	}
	ERR_clear_error();
	done = SSL_write(l->ssl, p, len < INT32_MAX ? (int)len : INT32_MAX);
	if (done > 0)
		return done;
	switch (SSL_get_error(l->ssl, (int)done)) {
	case SSL_ERROR_WANT_WRITE:
	case SSL_ERROR_WANT_READ: return 0;
	default: return -1;
	}
}

static void
link_flush(struct link *l)
{
	ssize_t done = l->out.len > l->sent ? link_write_some(l) : 0;

	if (done < 0) {
		if (l->ssl != NULL)
			link_fail(l, link_tls_error(l));
		else
			link_fail_errno(l, errno);
		return;
	}
	l->sent += (size_t)done;
	if (l->sent < l->out.len) {
		event_add(l->write, NULL);
		return;
	}
	l->sent = 0;
	if (l->out.capacity > KEEP_BYTES)
		buf_fini(&l->out);
	else
		buf_clear(&l->out);
}

void
link_send(struct link *l, const char *command, size_t len)
{
	if (l->phase != LINK_UP && l->phase != LINK_GREETING)
		return;
	/* Sent bytes are dropped before the buffer would have to grow. */
	if (l->sent != 0 && l->out.len + len > l->out.capacity) {
		memmove(l->out.data, l->out.data + l->sent, l->out.len - l->sent);
		l->out.len -= l->sent;
		l->sent = 0;
	}
	buf_add(&l->out, command, len);
	/* All output of a turn is written with one call; only what the socket does
	 * not accept has to wait. */
	if (!event_pending(l->write, EV_WRITE, NULL))
		event_active(l->flush, EV_TIMEOUT, 0);
}

void
link_sendf(struct link *l, const char *format, ...)
{
	char *command;
	va_list ap;
	int len;

	va_start(ap, format);
	len = redisvFormatCommand(&command, format, ap);
	va_end(ap);
	CHECKF(len > 0, "format '%s'", format);
	link_send(l, command, (size_t)len);
	redisFreeCommand(command);
}

/* ---- The greeting ---- */

void
link_greet(struct link *l)
{
	l->phase = LINK_GREETING;
	l->greetings_left = 1;
	if (l->url->password[0] != '\0' || l->url->user[0] != '\0') {
		l->greetings_left++;
		if (l->url->user[0] != '\0')
			link_sendf(l, "AUTH %s %s", l->url->user, l->url->password);
		else
			link_sendf(l, "AUTH %s", l->url->password);
	}
	if (l->url->database != 0) {
		l->greetings_left++;
		link_sendf(l, "SELECT %d", l->url->database);
	}
	link_sendf(l, "PING");
}

/* A server that is loading its data, or requires another password, is not
 * usable yet. */
static void
link_take_greeting(struct link *l, const redisReply *reply)
{
	char why[ERR_TEXT_MAX];

	if (reply->type == REDIS_REPLY_ERROR) {
		snprintf(why, sizeof(why), "Redis refuses: %.*s", (int)reply->len, reply->str);
		link_fail(l, why);
		return;
	}
	if (--l->greetings_left != 0)
		return;
	l->phase = LINK_UP;
	event_del(l->limit);
	l->events->on_up(l->arg);
}

/* ---- Input ---- */

static void
link_take_replies(struct link *l)
{
	void *reply;

	while (l->phase == LINK_GREETING || l->phase == LINK_UP) {
		if (redisReaderGetReply(l->reader, &reply) != REDIS_OK) {
			link_fail(l, "the peer does not speak the Redis protocol");
			return;
		}
		if (reply == NULL)
			return;
		if (l->phase == LINK_GREETING)
			link_take_greeting(l, reply);
		else
			l->events->on_reply(l->arg, reply);
		freeReplyObject(reply);
	}
}

/* Bytes read; 0: later; -1: it ended, and this was reported. */
static ssize_t
link_read_some(struct link *l, char *into, size_t size)
{
	ssize_t got;

	if (l->ssl == NULL) {
		got = recv(l->fd, into, size, 0);
		if (got > 0)
			return got;
		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			return 0;
		link_fail_errno(l, got < 0 ? errno : 0);
		return -1;
	}
	ERR_clear_error();
	got = SSL_read(l->ssl, into, (int)size);
	if (got > 0)
		return got;
	switch (SSL_get_error(l->ssl, (int)got)) {
	case SSL_ERROR_WANT_READ: return 0;
	case SSL_ERROR_WANT_WRITE: event_add(l->write, NULL); return 0;
	case SSL_ERROR_ZERO_RETURN: link_fail(l, "closed"); return -1;
	default: link_fail(l, link_tls_error(l)); return -1;
	}
}

static void
link_read(struct link *l)
{
	char bytes[READ_BYTES];
	ssize_t got = link_read_some(l, bytes, sizeof(bytes));

	if (got <= 0)
		return;
	redisReaderFeed(l->reader, bytes, (size_t)got);
	link_take_replies(l);
	/* Bytes that TLS has already taken off the descriptor do not wake us. */
	if (l->ssl != NULL && SSL_pending(l->ssl) != 0)
		event_active(l->read, EV_READ, 0);
}

/* ---- Events and life ---- */

void
link_on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct link *l = arg;
	int error = 0;
	socklen_t size = sizeof(error);

	l->inside++;
	if (l->phase == LINK_CONNECTING) {
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
			error = errno;
		if (error == 0)
			link_on_connected(l);
		else
			link_connect_next(l, strerror(error));
	} else if (l->phase == LINK_SHAKING) {
		link_shake(l);
	} else {
		if ((what & EV_READ) != 0)
			link_read(l);
		if ((what & EV_WRITE) != 0 && (l->phase == LINK_UP || l->phase == LINK_GREETING))
			link_flush(l);
	}
	l->inside--;
	link_destroy(l);
}

/* The end of a turn in which output was queued. */
static void
link_on_flush(evutil_socket_t fd, short what, void *arg)
{
	struct link *l = arg;

	(void)fd, (void)what;
	l->inside++;
	if (l->phase == LINK_UP || l->phase == LINK_GREETING)
		link_flush(l);
	l->inside--;
	link_destroy(l);
}

struct link *
link_new(struct event_base *base, const struct redis_url *url, const struct link_events *events, void *arg)
{
	struct link *l = mem_new(struct link);

	l->base = base;
	l->url = url;
	l->events = events;
	l->arg = arg;
	l->fd = -1;
	l->until_ms = clock_monotonic_ms() + LINK_MAKE_MS;
	l->limit = evtimer_new(base, link_on_limit, l);
	l->flush = event_new(base, -1, 0, link_on_flush, l);
	l->reader = redisReaderCreate();
	CHECK(l->reader != NULL);
	if (url->host[0] != '\0')
		l->lookup = lookup_start(base, url->host, LINK_MAKE_MS, link_on_looked_up, l);
	else
		event_active(l->limit, EV_TIMEOUT, 0);
	return l;
}
