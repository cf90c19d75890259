/* Connections that are greeted and then do nothing. Some are opened at a time,
 * so that no backlog overflows; "ready" is printed when all stand. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench/load.h"
#include "lib/base/mem.h"

enum { AT_ONCE = 50 };

struct idler {
	struct load *load;
	struct client *client; /* owner */
	int to_come; /* answers until it is idle */
};

static int opened, standing;
static const struct client_events events;

static void
open_one(struct load *l)
{
	struct idler *i = mem_new(struct idler);

	opened++;
	i->load = l;
	i->to_come = 2;
	i->client = client_new(l, &events, i);
}

static void
stands(struct idler *i)
{
	struct load *l = i->load;

	standing++;
	l->done++;
	if (opened < l->options->count)
		open_one(l);
	if (standing == l->options->count) {
		l->ended_us = now_us();
		printf("ready\n");
		fflush(stdout);
	}
}

/* Greeting, then what a client asks first: the end of either's answer. */
static void
on_line(struct client *c, char *line, size_t len)
{
	struct idler *i = c->owner;
	bool pop3 = strcmp(i->load->options->protocol, "pop3") == 0;

	if (pop3 ? (i->to_come == 2 ? line[0] == '+' : len == 1 && line[0] == '.') : strncmp(line, "2", 1) == 0 && line[3] == ' ') {
		if (--i->to_come == 1)
			client_send(c, pop3 ? "CAPA\r\n" : "EHLO client.example.net\r\n");
		else if (i->to_come == 0)
			stands(i);
	} else if (line[0] == '-' || line[0] == '4' || line[0] == '5') {
		load_error(i->load, "%s", line);
	}
}

static void
on_gone(struct client *c)
{
	struct idler *i = c->owner;

	load_error(i->load, "connection lost with %d standing", standing);
	client_free(&i->client);
	mem_free(i);
}

static const struct client_events events = {.on_line = on_line, .on_gone = on_gone};

static void
on_stdin(evutil_socket_t fd, short what, void *arg)
{
	char byte;

	(void)what;
	if (read(fd, &byte, 1) <= 0)
		event_base_loopbreak(((struct load *)arg)->base);
}

void
run_idle(struct load *l)
{
	struct event *end = event_new(l->base, STDIN_FILENO, EV_READ | EV_PERSIST, on_stdin, l);

	event_add(end, NULL);
	while (opened < l->options->count && opened < AT_ONCE)
		open_one(l);
	event_base_dispatch(l->base);
}
