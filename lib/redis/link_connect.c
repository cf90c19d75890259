/* Connecting: the addresses of the host one after the other, then TLS, until the greeting can
 * be sent. */
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "lib/base/clock.h"
#include "lib/redis/link_private.h"
#include "lib/redis/tls.h"

enum { ADDRESS_MS = 1000 }; /* for one address, if there is another to try */

void
link_on_connected(struct link *l)
{
	struct err err;
	int on = 1;

	if (l->url->host[0] != '\0') {
		setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		setsockopt(l->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	}
	event_add(l->read, NULL);
	if (!l->url->tls) {
		link_greet(l);
		return;
	}
	l->ssl = redis_tls_new(l->url, l->fd, &err);
	if (l->ssl == NULL) {
		link_fail(l, err.text);
		return;
	}
	l->phase = LINK_SHAKING;
	link_shake(l);
}

void
link_shake(struct link *l)
{
	int result;

	ERR_clear_error();
	result = SSL_do_handshake(l->ssl);
	if (result == 1) {
		link_greet(l);
		return;
	}
	switch (SSL_get_error(l->ssl, result)) {
	case SSL_ERROR_WANT_READ: break;
	case SSL_ERROR_WANT_WRITE: event_add(l->write, NULL); break;
	default: link_fail(l, link_tls_error(l));
	}
}

/* 0: connected or in progress; else errno. */
static int
link_connect(struct link *l, const struct sockaddr *sa, socklen_t len)
{
	l->fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd < 0)
		return errno;
	if (connect(l->fd, sa, len) != 0 && errno != EINPROGRESS)
		return errno;
	l->phase = LINK_CONNECTING;
	l->read = event_new(l->base, l->fd, EV_READ | EV_PERSIST, link_on_ready, l);
	l->write = event_new(l->base, l->fd, EV_WRITE, link_on_ready, l);
	event_add(l->write, NULL);
	return 0;
}

static void
link_arm_limit(struct link *l, bool has_more)
{
	int64_t left = l->until_ms - clock_monotonic_ms();
	struct timeval wait = clock_timeval(has_more && left > ADDRESS_MS ? ADDRESS_MS : left > 0 ? left : 1);

	event_add(l->limit, &wait);
}

/* why: why the previous address failed. */
void
link_connect_next(struct link *l, const char *why)
{
	while (l->address_next < l->address_count) {
		struct sockaddr_storage sa;
		socklen_t len = ip_to_sockaddr(&l->addresses[l->address_next++], (uint16_t)l->url->port, &sa);
		int error;

		link_close(l);
		link_arm_limit(l, l->address_next < l->address_count);
		error = link_connect(l, (struct sockaddr *)&sa, len);
		if (error == 0)
			return;
		why = strerror(error);
	}
	link_fail(l, why);
}

void
link_on_looked_up(void *arg, const struct ip *addresses, unsigned count, const struct err *err)
{
	struct link *l = arg;

	l->lookup = NULL;
	l->inside++;
	if (err != NULL) {
		link_fail(l, err->text);
	} else {
		memcpy(l->addresses, addresses, count * sizeof(*addresses));
		l->address_count = count;
		link_connect_next(l, "");
	}
	l->inside--;
	link_destroy(l);
}

static void
link_connect_unix(struct link *l)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int error;

	str_copy(str_c(l->url->path), sa.sun_path, sizeof(sa.sun_path));
	link_arm_limit(l, false);
	error = link_connect(l, (struct sockaddr *)&sa, sizeof(sa));
	if (error != 0)
		link_fail_errno(l, error);
}

/* A unix socket: the first turn. Otherwise: the time limit. */
void
link_on_limit(evutil_socket_t fd, short what, void *arg)
{
	struct link *l = arg;

	(void)fd, (void)what;
	l->inside++;
	if (l->phase == LINK_LOOKING && l->lookup == NULL)
		link_connect_unix(l);
	else if (l->phase == LINK_CONNECTING)
		link_connect_next(l, "no answer");
	else
		link_fail(l, "no answer");
	l->inside--;
	link_destroy(l);
}
