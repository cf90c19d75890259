/* SMTP: sends messages as fast as they are answered. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/load.h"
#include "lib/base/check.h"
#include "lib/base/mem.h"

enum { HEADER_MAX = 400, PREFIX_MAX = 4096 };
enum session_state { BANNER, HELLO, MAIL, RCPT, DATA, BODY, QUIT };

struct session {
	struct sender *sender; /* borrowed */
	struct client *client; /* owner */
	enum session_state state;
	int64_t begun_us; /* of the current message */
	bool has_message;
};

struct sender {
	struct load *load;  /* borrowed */
	const char *domain; /* of the recipients */
	char *body;	    /* owner: the part that all messages share */
	size_t body_len;
	char *prefix; /* owner: lines above each; NULL: none */
	uint64_t to_send, next_user;
	unsigned open; /* sessions */
	void (*on_done)(struct load *l);
	/* Paced: the next message is sent after sender_go(). */
	bool paced;
	struct session *waiting; /* borrowed */
	int64_t body_sent_us;
};

static const struct client_events events;

/* Lines of text that bring each message to its size, and the dot. */
static void
make_body(struct sender *s, int size_bytes)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+";
	enum { HEADER = 230, LINE = 72 };
	size_t size = size_bytes > HEADER + 2 ? (size_t)size_bytes - HEADER : 2;
	uint32_t random = 1;

	s->body = mem_alloc(size + 8);
	for (size_t i = 0; i < size; i++) {
		random = random * 1664525 + 1013904223;
		s->body[i] = i % LINE == LINE - 2 ? '\r' : i % LINE == LINE - 1 ? '\n' : letters[random >> 26];
	}
	memcpy(s->body + size - 2, "\r\n.\r\n", 5);
	s->body_len = size + 3;
}

/* The lines of --prefix. */
static char *
read_prefix(const char *path)
{
	FILE *file = fopen(path, "rb");
	char *text = mem_alloc(PREFIX_MAX + 1);
	size_t len;

	CHECKF(file != NULL, "%s", path);
	len = fread(text, 1, PREFIX_MAX, file);
	text[len] = '\0';
	fclose(file);
	return text;
}

static void
make_header(const struct sender *s, char *header, size_t size)
{
	snprintf(header, size,
		 "Received: from client.example.net (client.example.net [192.0.2.1]) by relay.example.net; "
		 "Mon, 23 Nov 2026 12:00:00 +0000\r\n"
		 "Message-ID: <%012llu.%08x@client.example.net>\r\nDate: Mon, 23 Nov 2026 12:00:00 +0000\r\n"
		 "From: sender@example.net\r\nTo: user@%s\r\nSubject: load\r\n\r\n",
		 (unsigned long long)s->to_send, (unsigned)rand(), s->domain);
}

static void
send_body(struct session *ss)
{
	struct sender *s = ss->sender;
	char header[HEADER_MAX];

	make_header(s, header, sizeof(header));
	if (s->prefix != NULL)
		client_send_reference(ss->client, s->prefix, strlen(s->prefix));
	client_send(ss->client, header);
	client_send_reference(ss->client, s->body, s->body_len);
}

static void
connect_session(struct session *ss)
{
	ss->state = BANNER;
	ss->client = client_new(ss->sender->load, &events, ss);
}

static void
end_session(struct session *ss)
{
	struct sender *s = ss->sender;

	client_free(&ss->client);
	mem_free(ss);
	s->open--;
	if (s->open == 0 && s->on_done != NULL)
		s->on_done(s->load);
}

/* The next message, or the end. */
static void
next_message(struct session *ss)
{
	struct sender *s = ss->sender;
	const struct options *o = s->load->options;
	char text[300];

	if (!ss->has_message) {
		if (s->to_send == 0) {
			ss->state = QUIT;
			client_send(ss->client, "QUIT\r\n");
			return;
		}
		s->to_send--;
		ss->has_message = true;
		ss->begun_us = now_us();
	}
	ss->state = MAIL;
	snprintf(text, sizeof(text), "MAIL FROM:<sender@example.net>\r\n");
	if (o->pipeline)
		snprintf(text, sizeof(text), "MAIL FROM:<sender@example.net>\r\nRCPT TO:<bench%d@%s>\r\nDATA\r\n",
			 o->first_user + (int)(s->next_user++ % (unsigned)o->users), s->domain);
	client_send(ss->client, text);
}

/* Starts again, with the current message. */
static void
reconnect(struct session *ss)
{
	client_free(&ss->client);
	connect_session(ss);
}

static void
on_rested(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	connect_session(arg);
}

static void
rest(struct session *ss)
{
	struct timeval wait = {.tv_usec = 20000};

	client_free(&ss->client);
	event_base_once(ss->sender->load->base, -1, EV_TIMEOUT, on_rested, ss, &wait);
}

static void
message_done(struct session *ss)
{
	struct sender *s = ss->sender;

	ss->has_message = false;
	if (s->paced) {
		s->waiting = ss;
		s->on_done(s->load);
		return;
	}
	load_note(s->load, ss->begun_us);
	if (!s->load->options->reconnect) {
		next_message(ss);
		return;
	}
	client_send(ss->client, "QUIT\r\n");
	if (s->to_send != 0)
		reconnect(ss);
	else
		ss->state = QUIT;
}

static void
go_on(struct session *ss)
{
	struct sender *s = ss->sender;
	const struct options *o = s->load->options;
	char text[300];

	switch (ss->state) {
	case BANNER:
		client_send(ss->client, "EHLO client.example.net\r\n");
		ss->state = HELLO;
		break;
	case HELLO: next_message(ss); break;
	case MAIL:
		snprintf(text, sizeof(text), "RCPT TO:<bench%d@%s>\r\n",
			 o->first_user + (int)(s->next_user % (unsigned)o->users), s->domain);
		if (!o->pipeline) {
			s->next_user++;
			client_send(ss->client, text);
		}
		ss->state = RCPT;
		break;
	case RCPT:
		if (!o->pipeline)
			client_send(ss->client, "DATA\r\n");
		ss->state = DATA;
		break;
	case DATA:
		s->body_sent_us = now_us();
		send_body(ss);
		ss->state = BODY;
		break;
	case BODY: message_done(ss); break;
	case QUIT: end_session(ss); break;
	}
}

static void
on_line(struct client *c, char *line, size_t len)
{
	static const char *const expected[] = {"220", "250", "250", "250", "354", "250", "221"};
	struct session *ss = c->owner;

	if (len > 3 && line[3] == '-')
		return;
	if (strncmp(line, expected[ss->state], 3) == 0) {
		go_on(ss);
		return;
	}
	if (line[0] == '4')
		c->load->retries++;
	else
		load_error(c->load, "in state %d: %s", (int)ss->state, line);
	rest(ss);
}

static void
on_gone(struct client *c)
{
	struct session *ss = c->owner;

	if (ss->state == QUIT) {
		end_session(ss);
		return;
	}
	load_error(c->load, "connection lost in state %d", (int)ss->state);
	rest(ss);
}

static const struct client_events events = {.on_line = on_line, .on_gone = on_gone};

struct sender *
sender_new(struct load *l, const char *domain, void (*on_done)(struct load *l))
{
	struct sender *s = mem_new(struct sender);

	s->load = l;
	s->domain = domain;
	s->to_send = (uint64_t)l->options->count;
	s->on_done = on_done;
	make_body(s, l->options->size_bytes);
	if (l->options->prefix != NULL)
		s->prefix = read_prefix(l->options->prefix);
	for (int i = 0; i < l->options->sessions; i++) {
		struct session *ss = mem_new(struct session);
		ss->sender = s;
		s->open++;
		connect_session(ss);
	}
	return s;
}

void
sender_pace(struct sender *s)
{
	s->paced = true;
}

void
sender_go(struct sender *s)
{
	struct session *ss = s->waiting;

	CHECK(ss != NULL);
	s->waiting = NULL;
	next_message(ss);
}

int64_t
sender_body_sent_us(const struct sender *s)
{
	return s->body_sent_us;
}

/* For whoever signs it. */
void
run_message(struct load *l)
{
	struct sender s = {.domain = l->options->domain};
	char header[HEADER_MAX];

	make_body(&s, l->options->size_bytes);
	make_header(&s, header, sizeof(header));
	printf("%s%.*s", header, (int)s.body_len - 3, s.body);
	fflush(stdout);
	mem_free(s.body);
	exit(0);
}

void
run_smtp(struct load *l)
{
	sender_new(l, l->options->domain, load_end);
	event_base_dispatch(l->base);
}
