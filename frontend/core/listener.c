/* Listening sockets: one for each role of each protocol. */
#include <errno.h>
#include <event2/listener.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <unistd.h>

#include <utlist.h>

#include "frontend/core/core.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"

enum { BACKLOG = 4096, REST_MS = 100 };

struct listener {
	struct core *core; /* borrowed */
	struct protocol_state *state;
	const struct protocol_listener *role;
	struct evconnlistener *socket; /* owner */
	struct event *rest;	       /* re-enables it after accept() ran out of descriptors */
	struct listener *next;
};

static void
on_accept(struct evconnlistener *socket, evutil_socket_t fd, struct sockaddr *peer, int peer_len, void *arg)
{
	struct listener *l = arg;

	(void)socket, (void)peer_len;
	conn_accept(l->core, l->state, l->role, fd, peer);
}

/* Out of descriptors: disables the listener for a while, so that the loop does not spin. */
static void
on_accept_error(struct evconnlistener *socket, void *arg)
{
	struct listener *l = arg;
	struct timeval rest = clock_timeval(REST_MS);

	log_warning(NULL, "accepting a connection failed", F_C("listener", l->role->name),
		    F_C("error", strerror(errno)));
	evconnlistener_disable(socket);
	event_add(l->rest, &rest);
}

static void
on_rested(evutil_socket_t fd, short what, void *arg)
{
	struct listener *l = arg;

	(void)fd, (void)what;
	evconnlistener_enable(l->socket);
}

/* A peer that vanished without closing (a phone out of range) is detected after two
 * minutes, whether we wait for it or it waits for us. So is a peer that reads none of
 * the output waiting for it. An accepted socket inherits its listener's options. */
void
listener_prepare(int fd)
{
	static const struct {
		int level, option, value;
	} rows[] = {
		{IPPROTO_TCP, TCP_NODELAY, 1},
		{SOL_SOCKET, SO_KEEPALIVE, 1},
		{IPPROTO_TCP, TCP_KEEPIDLE, 60},
		{IPPROTO_TCP, TCP_KEEPINTVL, 15},
		{IPPROTO_TCP, TCP_KEEPCNT, 4},
		{IPPROTO_TCP, TCP_USER_TIMEOUT, 120 * 1000}, /* ms; for bytes without an acknowledgement */
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		setsockopt(fd, rows[i].level, rows[i].option, &rows[i].value, sizeof(rows[i].value));
}

/* A socket for both families if IPv6 is available; -1: errno. */
static int
open_socket(const struct ip *ip, uint16_t port)
{
	struct sockaddr_storage sa;
	socklen_t len = ip_to_sockaddr(ip, port, &sa);
	int on = 1, off = 0, fd;

	fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (sa.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, (struct sockaddr *)&sa, len) != 0) {
		int saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	listener_prepare(fd);
	return fd;
}

static int
open_listener(struct core *core, struct protocol_state *state, const struct protocol_listener *role, struct err *err)
{
	const char *address = core->frontend.service->listen;
	struct ip ip = {.family = 6}; /* "::" */
	struct listener *l;
	uint16_t port = (uint16_t)(role->port + core->frontend.service->port_base);
	int fd;

	if (address != NULL && !ip_parse(str_c(address), &ip))
		return err_set(err, ERR_INVALID, "--listen: '%s' is not an IP address", address);
	fd = open_socket(&ip, port);
	if (fd < 0 && address == NULL && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {
		ip = (struct ip){.family = 4};
		fd = open_socket(&ip, port);
	}
	if (fd < 0)
		return err_set_errno(err, errno, "listening on port %u (%s)", port, role->name);
	l = mem_new(struct listener);
	l->core = core;
	l->state = state;
	l->role = role;
	l->socket = evconnlistener_new(core->frontend.service->base, on_accept, l,
				       LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, BACKLOG, fd);
	evconnlistener_set_error_cb(l->socket, on_accept_error);
	l->rest = evtimer_new(core->frontend.service->base, on_rested, l);
	LL_APPEND(core->listeners, l);
	log_info(NULL, "listening", F_C("listener", role->name), F_I64("port", port));
	return 0;
}

static bool
is_named(const char *names, const char *name)
{
	struct str rest = str_c(names), word;

	if (names == NULL)
		return true;
	while (str_next_word(&rest, ", ", &word))
		if (str_eq(word, str_c(name)))
			return true;
	return false;
}

/* A misspelt name must not go unnoticed. */
static int
check_names(const char *names, struct err *err)
{
	struct str rest = str_c(names), word;

	while (str_next_word(&rest, ", ", &word)) {
		bool known = false;
		for (unsigned i = 0; protocols[i] != NULL; i++)
			for (const struct protocol_listener *r = protocols[i]->listeners; r->name != NULL; r++)
				known |= str_eq(word, str_c(r->name));
		if (!known)
			return err_set(err, ERR_INVALID, "--protocols: '%.*s' is unknown", STR_ARG(word));
	}
	return 0;
}

int
listeners_open(struct core *core, const char *names, struct err *err)
{
	if (check_names(names, err) != 0)
		return -1;
	for (unsigned i = 0; protocols[i] != NULL; i++)
		for (const struct protocol_listener *r = protocols[i]->listeners; r->name != NULL; r++) {
			if (!is_named(names, r->name))
				continue;
			if (r->implicit_tls && core->tls == NULL) {
				log_warning(NULL, "not listening: there is no certificate", F_C("listener", r->name));
				continue;
			}
			if (open_listener(core, &core->states[i], r, err) != 0)
				return -1;
		}
	return 0;
}

void
listeners_close(struct core *core)
{
	while (core->listeners != NULL) {
		struct listener *l = core->listeners;
		core->listeners = l->next;
		evconnlistener_free(l->socket);
		event_free(l->rest);
		mem_free(l);
	}
}
