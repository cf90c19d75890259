/* Listening sockets: one for each role of each protocol, and further ones from the settings. */
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

enum { BACKLOG = 4096, REST_MS = 100, LISTEN_AGAIN_MS = 5000 };

struct listener {
	struct core *core; /* borrowed */
	struct protocol_state *state;
	const struct protocol_listener *role;
	struct ip ip;		       /* family 0: all */
	uint16_t port;		       /* with the port base */
	bool further;		       /* from the settings */
	bool wanted;		       /* still named by the settings that are being applied */
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

static struct listener *
listener_new(struct core *core, struct protocol_state *state, const struct protocol_address *at, int fd)
{
	struct listener *l = mem_new(struct listener);

	l->core = core;
	l->state = state;
	l->role = at->role;
	l->ip = at->ip;
	l->port = at->port;
	l->socket = evconnlistener_new(core->frontend.service->base, on_accept, l,
				       LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, BACKLOG, fd);
	evconnlistener_set_error_cb(l->socket, on_accept_error);
	l->rest = evtimer_new(core->frontend.service->base, on_rested, l);
	LL_APPEND(core->listeners, l);
	log_info(NULL, "listening", F_C("listener", at->role->name), F_I64("port", at->port));
	return l;
}

static void
listener_free(struct listener *l)
{
	evconnlistener_free(l->socket);
	event_free(l->rest);
	mem_free(l);
}

/* at->port: including the port base. NULL: err says why. */
static struct listener *
listener_open(struct core *core, struct protocol_state *state, const struct protocol_address *at, struct err *err)
{
	struct ip ip = at->ip.family != 0 ? at->ip : (struct ip){.family = 6}; /* "::" */
	int fd = open_socket(&ip, at->port);

	if (fd < 0 && at->ip.family == 0 && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {
		ip = (struct ip){.family = 4};
		fd = open_socket(&ip, at->port);
	}
	if (fd < 0) {
		err_set_errno(err, errno, "listening on port %u (%s)", at->port, at->role->name);
		return NULL;
	}
	return listener_new(core, state, at, fd);
}

static int
open_listener(struct core *core, struct protocol_state *state, const struct protocol_listener *role, struct err *err)
{
	const char *address = core->frontend.service->listen;
	struct protocol_address at = {.role = role, .port = (uint16_t)(role->port + core->frontend.service->port_base)};

	if (address != NULL && !ip_parse(str_c(address), &at.ip))
		return err_set(err, ERR_INVALID, "--listen: '%s' is not an IP address", address);
	return listener_open(core, state, &at, err) != NULL ? 0 : -1;
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

/* ---- Further listeners, from the settings ---- */

/* One on all addresses serves each of them, but not if the settings narrow it. */
static struct listener *
listener_find(struct core *core, const struct protocol_state *state, const struct protocol_address *at)
{
	struct listener *l;

	LL_FOREACH (core->listeners, l)
		if (l->port == at->port && l->role == at->role && l->state == state &&
		    (ip_eq(&l->ip, &at->ip) || (l->ip.family == 0 && (!l->further || l->wanted))))
			return l;
	return NULL;
}

typedef bool listener_visit(struct core *core, struct protocol_state *state, const struct protocol_address *at);

static bool
listener_keep(struct core *core, struct protocol_state *state, const struct protocol_address *at)
{
	struct listener *l = listener_find(core, state, at);

	if (l != NULL)
		l->wanted = true;
	return true;
}

/* False: not possible now; to be tried again. */
static bool
listener_add(struct core *core, struct protocol_state *state, const struct protocol_address *at)
{
	struct listener *l;
	struct err err;

	if (listener_find(core, state, at) != NULL)
		return true;
	l = listener_open(core, state, at, &err);
	if (l == NULL) {
		log_warning(NULL, "not listening", F_C("listener", at->role->name), F_I64("port", at->port),
			    F_ERR(&err));
		return false;
	}
	l->further = true;
	l->wanted = true;
	return true;
}

static bool
listener_visit_one(struct core *core, struct protocol_state *state, struct protocol_address at, listener_visit *visit)
{
	int port = at.port + core->frontend.service->port_base;

	if (port > UINT16_MAX || !is_named(core->listener_names, at.role->name) ||
	    (at.role->implicit_tls && core->tls == NULL))
		return true;
	at.port = (uint16_t)port;
	return visit(core, state, &at);
}

/* What the settings name; those on all addresses come first. */
static bool
listeners_visit(struct core *core, const struct settings *settings, listener_visit *visit)
{
	struct protocol_address addresses[PROTOCOL_ADDRESSES_MAX];
	bool all = true;

	for (unsigned i = 0; protocols[i] != NULL; i++) {
		unsigned count = protocols[i]->further != NULL ? protocols[i]->further(settings, addresses) : 0;
		for (unsigned n = 0; n < count; n++)
			if (addresses[n].ip.family == 0)
				all = listener_visit_one(core, &core->states[i], addresses[n], visit) && all;
		for (unsigned n = 0; n < count; n++)
			if (addresses[n].ip.family != 0)
				all = listener_visit_one(core, &core->states[i], addresses[n], visit) && all;
	}
	return all;
}

/* Closes those that the settings no longer name. */
static void
listeners_close_unwanted(struct core *core)
{
	struct listener **at = &core->listeners;

	while (*at != NULL) {
		struct listener *l = *at;
		if (!l->further || l->wanted) {
			at = &l->next;
			continue;
		}
		log_info(NULL, "no longer listening", F_C("listener", l->role->name), F_I64("port", l->port));
		*at = l->next;
		listener_free(l);
	}
}

static void
listeners_follow(void *arg, const struct settings *settings)
{
	struct core *core = arg;
	struct timeval again = clock_timeval(LISTEN_AGAIN_MS);
	struct listener *l;

	LL_FOREACH (core->listeners, l)
		l->wanted = false;
	listeners_visit(core, settings, listener_keep);
	/* Before others are opened: they may need the same port. */
	listeners_close_unwanted(core);
	if (listeners_visit(core, settings, listener_add))
		event_del(core->listen_again);
	else
		event_add(core->listen_again, &again);
}

static void
listeners_on_again(evutil_socket_t fd, short what, void *arg)
{
	struct core *core = arg;

	(void)fd, (void)what;
	listeners_follow(core, frontend_settings(&core->frontend));
}

int
listeners_open(struct core *core, const char *names, struct err *err)
{
	if (check_names(names, err) != 0)
		return -1;
	core->listener_names = names;
	for (unsigned i = 0; protocols[i] != NULL; i++)
		for (const struct protocol_listener *r = protocols[i]->listeners; r->name != NULL; r++) {
			if (!is_named(names, r->name))
				continue;
			if (r->implicit_tls && core->tls == NULL) {
				log_warning(NULL, "not listening: no certificate is loaded", F_C("listener", r->name));
				continue;
			}
			if (open_listener(core, &core->states[i], r, err) != 0)
				return -1;
		}
	core->listen_again = evtimer_new(core->frontend.service->base, listeners_on_again, core);
	settings_live_watch(core->frontend.service->settings, listeners_follow, core);
	return 0;
}

void
listeners_close(struct core *core)
{
	if (core->listen_again != NULL) {
		settings_live_unwatch(core->frontend.service->settings, listeners_follow, core);
		event_free(core->listen_again);
		core->listen_again = NULL;
	}
	while (core->listeners != NULL) {
		struct listener *l = core->listeners;
		core->listeners = l->next;
		listener_free(l);
	}
}
