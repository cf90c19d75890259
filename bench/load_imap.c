/* IMAP: the mixed load of clients that log in, read, change a little and log
 * out; and bodies, fetched again and again. Each session has its own
 * account. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/load.h"
#include "lib/base/mem.h"

/* "%s": the account. After the last one the session starts again. */
struct imap_step {
	const char *name, *command;
};

static const struct imap_step mixed_steps[] = {
	{"LOGIN", "t LOGIN %s secret\r\n"},
	{"LIST", "t LIST \"\" \"*\"\r\n"},
	{"STATUS", "t STATUS INBOX (MESSAGES UIDNEXT UNSEEN)\r\n"},
	{"SELECT", "t SELECT INBOX\r\n"},
	{"FETCH", "t FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)\r\n"},
	{"FETCH", "t FETCH 1 (BODY.PEEK[])\r\n"},
	{"SEARCH", "t SEARCH UNSEEN SUBJECT \"bench\"\r\n"},
	{"STORE", "t STORE 2 +FLAGS (\\Flagged)\r\n"},
	{"APPEND", NULL}, /* a message of --size bytes */
	{"STORE", "t STORE * +FLAGS.SILENT (\\Deleted)\r\n"},
	{"EXPUNGE", "t EXPUNGE\r\n"},
	{"LOGOUT", "t LOGOUT\r\n"},
	{NULL, NULL},
};
enum { MIXED_FETCH = 4 };

struct imap_client {
	struct load *load;     /* borrowed */
	struct client *client; /* owner */
	unsigned step;	       /* whose answer is awaited */
	bool greeted, fetched;
	int number; /* of its account */
	int64_t begun_us;
};

static const struct client_events mixed_events;
static char *append_text; /* the command and its literal */
static int cycles_left;
static unsigned clients_open;

static void
make_append(int size_bytes)
{
	static const char header[] = "From: a@bench.test\r\nTo: b@bench.test\r\nSubject: appended by the bench\r\n"
				     "Date: Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: <bench@bench.test>\r\n\r\n";
	size_t size = (size_t)size_bytes > sizeof(header) + 100 ? (size_t)size_bytes : sizeof(header) + 100;
	size_t at;

	append_text = mem_alloc(size + 200);
	at = (size_t)snprintf(append_text, 100, "t APPEND INBOX {%zu+}\r\n", size);
	memcpy(append_text + at, header, sizeof(header) - 1);
	for (size_t i = sizeof(header) - 1; i < size; i++)
		append_text[at + i] = i % 80 == 78 ? '\r' : i % 80 == 79 ? '\n' : 'x';
	memcpy(append_text + at + size - 2, "\r\n", 2);
	strcpy(append_text + at + size, "\r\n");
}

static void
begin(struct imap_client *c)
{
	c->step = 0;
	c->greeted = c->fetched = false;
	c->begun_us = now_us();
	c->client = client_new(c->load, &mixed_events, c);
}

static void
begin_next(struct imap_client *c)
{
	client_free(&c->client);
	if (cycles_left > 0) {
		cycles_left--;
		begin(c);
		return;
	}
	if (--clients_open == 0)
		load_end(c->load);
	mem_free(c);
}

static void
say(struct imap_client *c)
{
	const struct options *o = c->load->options;
	char account[200], text[400];

	if (mixed_steps[c->step].command == NULL) {
		client_send(c->client, append_text);
		return;
	}
	snprintf(account, sizeof(account), "bench%d@%s", o->first_user + c->number % o->users, o->domain);
	snprintf(text, sizeof(text), mixed_steps[c->step].command, account);
	client_send(c->client, text);
}

static void
on_mixed_line(struct client *client, char *line, size_t len)
{
	struct imap_client *c = client->owner;

	(void)len;
	if (!c->greeted) {
		c->greeted = true;
		say(c);
	} else if (c->step == MIXED_FETCH && !c->fetched && line[0] == '*' && strstr(line, "FETCH") != NULL) {
		c->fetched = true;
		load_note_time(c->load, c->begun_us); /* from the connection to the first FETCH */
	} else if (line[0] == 't' && line[1] == ' ') {
		c->load->done++;
		if (strncmp(line, "t OK", 4) != 0)
			load_error(c->load, "%s: %s", mixed_steps[c->step].name, line);
		if (mixed_steps[++c->step].name == NULL)
			begin_next(c);
		else
			say(c);
	}
}

static void
on_mixed_gone(struct client *client)
{
	struct imap_client *c = client->owner;

	load_error(c->load, "connection lost at %s", mixed_steps[c->step].name);
	begin_next(c);
}

static const struct client_events mixed_events = {.on_line = on_mixed_line, .on_gone = on_mixed_gone};

void
run_imap(struct load *l)
{
	make_append(l->options->size_bytes);
	cycles_left = l->options->count - l->options->sessions;
	for (int i = 0; i < l->options->sessions; i++) {
		struct imap_client *c = mem_new(struct imap_client);
		c->load = l;
		c->number = i;
		clients_open++;
		begin(c);
	}
	event_base_dispatch(l->base);
}

/* ---- Bodies ---- */
static const struct client_events body_events;
static int bodies_left;

static void
ask_body(struct imap_client *c)
{
	if (bodies_left-- <= 0) {
		client_free(&c->client);
		if (--clients_open == 0)
			load_end(c->load);
		mem_free(c);
		return;
	}
	c->begun_us = now_us();
	client_send(c->client, "t FETCH 1 BODY.PEEK[]\r\n");
}

static void
on_body_line(struct client *client, char *line, size_t len)
{
	struct imap_client *c = client->owner;
	const struct options *o = c->load->options;
	char text[300];

	if (!c->greeted) {
		c->greeted = true;
		snprintf(text, sizeof(text), "t LOGIN bench%d@%s secret\r\n", o->first_user + c->number % o->users,
			 o->domain);
		client_send(c->client, text);
	} else if (len > 1 && line[len - 1] == '}') {
		client_skip(client, (uint64_t)atoll(strrchr(line, '{') + 1));
	} else if (line[0] == 't' && line[1] == ' ') {
		if (strncmp(line, "t OK", 4) != 0)
			load_error(c->load, "%s", line);
		if (c->step++ == 0) {
			client_send(c->client, "t SELECT INBOX\r\n");
			return;
		}
		if (c->step > 2)
			load_note(c->load, c->begun_us);
		ask_body(c);
	}
}

static void
on_body_gone(struct client *client)
{
	struct imap_client *c = client->owner;

	load_error(c->load, "connection lost");
	load_end(c->load);
}

static const struct client_events body_events = {.on_line = on_body_line, .on_gone = on_body_gone};

void
run_imap_body(struct load *l)
{
	bodies_left = l->options->count;
	for (int i = 0; i < l->options->sessions; i++) {
		struct imap_client *c = mem_new(struct imap_client);
		c->load = l;
		c->number = i;
		clients_open++;
		c->client = client_new(l, &body_events, c);
	}
	event_base_dispatch(l->base);
}
