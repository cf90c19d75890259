/* POP3: logs in, reads everything (or nothing), quits; again and again. Each
 * session has its own account, since a maildrop is locked. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/load.h"
#include "lib/base/mem.h"

enum pop3_state { GREETING, USER, PASS, STAT, RETR, RETR_BODY, QUIT };

struct reader {
	struct load *load;     /* borrowed */
	struct client *client; /* owner */
	enum pop3_state state;
	int number; /* of its account */
	int64_t begun_us;
	int messages, next; /* in the maildrop; the one being read */
};

static const struct client_events events;
static int logins_left;
static unsigned readers_open;

static void
begin(struct reader *r)
{
	r->state = GREETING;
	r->begun_us = now_us();
	r->client = client_new(r->load, &events, r);
}

static void
begin_next(struct reader *r)
{
	client_free(&r->client);
	if (logins_left > 0) {
		logins_left--;
		begin(r);
		return;
	}
	if (--readers_open == 0)
		load_end(r->load);
	mem_free(r);
}

static void
on_wait_over(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	begin(arg);
}

/* For example because the previous session still has the maildrop locked. */
static void
try_again(struct reader *r)
{
	struct timeval wait = {.tv_usec = 5000};

	client_free(&r->client);
	event_base_once(r->load->base, -1, EV_TIMEOUT, on_wait_over, r, &wait);
}

static void
retrieve_next(struct reader *r)
{
	char text[40];

	r->next++;
	if (!r->load->options->retrieve || r->next > r->messages) {
		r->state = QUIT;
		client_send(r->client, "QUIT\r\n");
		return;
	}
	r->state = RETR;
	r->begun_us = now_us();
	snprintf(text, sizeof(text), "RETR %d\r\n", r->next);
	client_send(r->client, text);
}

static void
on_body_line(struct reader *r, const char *line, size_t len)
{
	r->load->bytes += len + 2;
	if (len != 1 || line[0] != '.')
		return;
	load_note(r->load, r->begun_us);
	retrieve_next(r);
}

static void
go_on(struct reader *r, const char *line)
{
	const struct options *o = r->load->options;
	char text[200];

	switch (r->state) {
	case GREETING:
		snprintf(text, sizeof(text), "USER bench%d@%s\r\n", o->first_user + r->number % o->users, o->domain);
		client_send(r->client, text);
		r->state = USER;
		break;
	case USER:
		client_send(r->client, "PASS secret\r\n");
		r->state = PASS;
		break;
	case PASS:
		client_send(r->client, "STAT\r\n");
		r->state = STAT;
		break;
	case STAT:
		r->messages = atoi(line + 4);
		r->next = 0;
		if (!o->retrieve)
			load_note(r->load, r->begun_us);
		retrieve_next(r);
		break;
	case RETR: r->state = RETR_BODY; break;
	case RETR_BODY: break;
	case QUIT: begin_next(r); break;
	}
}

static void
on_line(struct client *c, char *line, size_t len)
{
	struct reader *r = c->owner;

	if (r->state == RETR_BODY) {
		on_body_line(r, line, len);
	} else if (line[0] == '+') {
		go_on(r, line);
	} else if (strstr(line, "IN-USE") != NULL || r->state == GREETING) {
		r->load->retries++;
		try_again(r);
	} else {
		load_error(r->load, "in state %d: %s", (int)r->state, line);
		try_again(r);
	}
}

static void
on_gone(struct client *c)
{
	struct reader *r = c->owner;

	if (r->state == QUIT) {
		begin_next(r);
		return;
	}
	load_error(r->load, "connection lost in state %d", (int)r->state);
	try_again(r);
}

static const struct client_events events = {.on_line = on_line, .on_gone = on_gone};

void
run_pop3(struct load *l)
{
	logins_left = l->options->count - l->options->sessions;
	for (int i = 0; i < l->options->sessions; i++) {
		struct reader *r = mem_new(struct reader);
		r->load = l;
		r->number = i;
		readers_open++;
		begin(r);
	}
	event_base_dispatch(l->base);
}
