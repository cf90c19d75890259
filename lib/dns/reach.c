/* Does the resolver answer? One datagram to each of its addresses. */
#include "lib/dns/reach.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "lib/base/clock.h"
#include "lib/base/ip.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"

enum {
	SERVERS_MAX = 3, /* as in resolv.conf */
	WAIT_MS = 1000,
	PORT = 53,
};

/* Header (recursion desired, one question), then the root's NS records: every
 * resolver has those, or can answer by itself why not. The first two bytes are
 * the number of the exchange. */
static const unsigned char question[] = {0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1};

struct reach_wait {
	reach_on_answer *cb;
	void *arg;
	struct reach_wait *next;
};

struct server {
	struct reach *reach; /* borrowed */
	struct sockaddr_storage address;
	socklen_t address_len;
	int fd; /* -1: not asked */
	struct event *readable;
};

struct reach {
	struct event_base *base;
	struct server servers[SERVERS_MAX];
	unsigned server_count;
	unsigned asked; /* that may still answer */
	uint16_t number;
	bool answered;
	struct event *timer; /* the time limit; activated when everything is known */
	struct reach_wait *waits;
};

/* ---- The exchange ---- */
static void
server_close(struct server *s)
{
	if (s->fd < 0)
		return;
	event_free(s->readable);
	close(s->fd);
	s->fd = -1;
}

static void
reach_end(evutil_socket_t fd, short what, void *arg)
{
	struct reach *r = arg;
	struct reach_wait *list = r->waits, *wait, *next;
	bool reachable = r->answered || r->server_count == 0;

	(void)fd;
	(void)what;
	for (unsigned i = 0; i < r->server_count; i++)
		server_close(&r->servers[i]);
	if (!reachable)
		log_warning(NULL, "no name server can be reached from here");
	r->waits = NULL;
	LL_FOREACH_SAFE (list, wait, next) {
		wait->cb(wait->arg, reachable);
		mem_free(wait);
	}
}

static void
server_on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct server *s = arg;
	struct reach *r = s->reach;
	unsigned char packet[512];
	ssize_t len = recv(fd, packet, sizeof(packet), 0);

	(void)what;
	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (len >= 12 && packet[0] == r->number >> 8 && packet[1] == (r->number & 0xff))
		r->answered = true;
	else if (len >= 0)
		return; /* not ours */
	server_close(s);
	if (--r->asked == 0 || r->answered)
		event_active(r->timer, EV_TIMEOUT, 0);
}

static bool
server_ask(struct server *s)
{
	unsigned char packet[sizeof(question)];
	uint16_t number = s->reach->number;

	s->fd = socket(s->address.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0)
		return false;
	memcpy(packet, question, sizeof(question));
	packet[0] = (unsigned char)(number >> 8);
	packet[1] = (unsigned char)(number & 0xff);
	s->readable = event_new(s->reach->base, s->fd, EV_READ | EV_PERSIST, server_on_readable, s);
	if (connect(s->fd, (struct sockaddr *)&s->address, s->address_len) == 0 &&
	    send(s->fd, packet, sizeof(packet), 0) == (ssize_t)sizeof(packet)) {
		event_add(s->readable, NULL);
		return true;
	}
	server_close(s);
	return false;
}

void
reach_ask(struct reach *r, reach_on_answer *cb, void *arg)
{
	struct reach_wait *wait = mem_new(struct reach_wait);
	struct timeval limit = clock_timeval(WAIT_MS);

	wait->cb = cb;
	wait->arg = arg;
	LL_APPEND(r->waits, wait);
	if (r->waits != wait)
		return; /* an exchange is in progress */
	r->number = (uint16_t)arc4random();
	r->answered = false;
	r->asked = 0;
	for (unsigned i = 0; i < r->server_count; i++)
		r->asked += server_ask(&r->servers[i]);
	if (r->asked == 0)
		event_active(r->timer, EV_TIMEOUT, 0);
	else
		event_add(r->timer, &limit);
}

/* ---- Which servers ---- */
static void
server_add(struct reach *r, struct str address, uint16_t port)
{
	struct server *s = &r->servers[r->server_count];
	struct ip ip;

	if (r->server_count == SERVERS_MAX || !ip_parse(address, &ip))
		return;
	s->reach = r;
	s->fd = -1;
	s->address_len = ip_to_sockaddr(&ip, port, &s->address);
	r->server_count++;
}

static void
servers_of_resolv_conf(struct reach *r)
{
	FILE *file = fopen("/etc/resolv.conf", "re");
	char line[512];

	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		struct str rest = str_trim(str_c(line)), word;

		if (str_next_word(&rest, " \t", &word) && str_eq(word, STR("nameserver")) &&
		    str_next_word(&rest, " \t", &word))
			server_add(r, word, PORT);
	}
	if (file != NULL)
		fclose(file);
}

struct reach *
reach_new(struct event_base *base, const char *resolver)
{
	struct reach *r = mem_new(struct reach);
	struct str address, port;
	uint64_t number = PORT;

	r->base = base;
	r->timer = evtimer_new(base, reach_end, r);
	if (resolver == NULL) {
		servers_of_resolv_conf(r);
		return r;
	}
	str_cut(str_c(resolver), '@', &address, &port);
	if (port.len == 0 || (str_to_u64(port, &number) && number <= UINT16_MAX))
		server_add(r, address, (uint16_t)number);
	return r;
}

void
reach_free(struct reach **rp)
{
	struct reach *r = *rp;
	struct reach_wait *wait, *next;

	if (r == NULL)
		return;
	*rp = NULL;
	for (unsigned i = 0; i < r->server_count; i++)
		server_close(&r->servers[i]);
	LL_FOREACH_SAFE (r->waits, wait, next)
		mem_free(wait);
	event_free(r->timer);
	mem_free(r);
}
