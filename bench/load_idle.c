/* Connections that do what clients do first, and then nothing. A few are opened
 * at a time, so that no backlog overflows; "ready" is printed when all are
 * open. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench/load.h"
#include "lib/base/mem.h"

enum { AT_ONCE = 50 };

/* The start of a line, and the answer to it; NULL: it is idle now. %s: the account. */
struct step {
	const char *awaited, *said;
};

static const struct step smtp_steps[] = {{"220 ", "EHLO client.example.net\r\n"}, {"250 ", NULL}};
static const struct step pop3_steps[] = {{"+OK", "CAPA\r\n"}, {".", NULL}};
static const struct step imap_steps[] = {
	{"* OK", "a LOGIN %s secret\r\n"}, {"a OK", "b SELECT INBOX\r\n"}, {"b OK", "c IDLE\r\n"}, {"+", NULL}};
static const struct step http_steps[] = {{"ok", NULL}};
static const struct {
	const char *protocol;
	const struct step *steps;
	const char *refusals; /* first characters of lines that refuse */
	const char *first;    /* said before anything comes; NULL: nothing */
} protocols[] = {
	{"smtp", smtp_steps, "45", NULL},
	{"pop3", pop3_steps, "-", NULL},
	{"imap", imap_steps, "abc", NULL},
	{"http", http_steps, "", "GET /healthz HTTP/1.1\r\nHost: bench.test\r\n\r\n"},
};

struct idler {
	struct load *load;
	struct client *client; /* owner */
	const struct step *step;
	int number;
};

static int opened, standing;
static unsigned protocol; /* index */
static const struct client_events events;

static void
open_one(struct load *l)
{
	struct idler *i = mem_new(struct idler);

	i->number = opened++;
	i->load = l;
	i->step = protocols[protocol].steps;
	i->client = client_new(l, &events, i);
	if (protocols[protocol].first != NULL)
		client_send(i->client, protocols[protocol].first);
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

static void
on_line(struct client *c, char *line, size_t len)
{
	static const struct step none = {NULL, NULL};
	struct idler *i = c->owner;
	const struct options *o = i->load->options;
	char account[300], said[400];

	if (i->step->awaited == NULL)
		return;
	if (strncmp(line, i->step->awaited, strlen(i->step->awaited)) != 0) {
		if (len != 0 && strchr(protocols[protocol].refusals, line[0]) != NULL)
			load_error(i->load, "%s", line);
		return;
	}
	if (i->step->said == NULL) {
		i->step = &none;
		stands(i);
		return;
	}
	snprintf(account, sizeof(account), "bench%d@%s", o->first_user + i->number % o->users, o->domain);
	snprintf(said, sizeof(said), i->step->said, account);
	i->step++;
	client_send(c, said);
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
	while (protocol + 1 < sizeof(protocols) / sizeof(protocols[0]) &&
	       strcmp(protocols[protocol].protocol, l->options->protocol) != 0)
		protocol++;
	while (opened < l->options->count && opened < AT_ONCE)
		open_one(l);
	event_base_dispatch(l->base);
}
