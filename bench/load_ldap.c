/* LDAP: binds, then searches again and again, or nothing (ldap-idle). A search
 * that does not find as many entries as there are is an error, so that both servers did
 * the same work. */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench/load.h"
#include "lib/base/check.h"
#include "lib/base/mem.h"

enum {
	BIND_REQUEST = 0x60,
	BIND_RESPONSE = 0x61,
	SEARCH_REQUEST = 0x63,
	SEARCH_ENTRY = 0x64,
	SEARCH_DONE = 0x65,
	SIZE_EXCEEDED = 4, /* a result */
	PAGE_ENTRIES = 1000,
	COOKIE_MAX = 512,
	HEAD_MAX = 6, /* bytes of a tag and its length */
	AT_ONCE = 50, /* connections opened at a time, so that no backlog overflows */
};

/* ---- BER, written from its end: the length of what is inside is known then ---- */
struct ber {
	unsigned char bytes[2048];
	size_t at; /* of the first byte */
};

static void
ber_put(struct ber *b, const void *bytes, size_t len)
{
	CHECK(len <= b->at);
	b->at -= len;
	memcpy(b->bytes + b->at, bytes, len);
}

/* Tag and length before all that was put since `end` was b->at. */
static void
ber_wrap(struct ber *b, unsigned char tag, size_t end)
{
	size_t len = end - b->at;
	unsigned char head[] = {tag, 0x82, (unsigned char)(len >> 8), (unsigned char)len};

	if (len < 128) {
		head[1] = (unsigned char)len;
		ber_put(b, head, 2);
	} else {
		ber_put(b, head, 4);
	}
}

static void
ber_bytes(struct ber *b, unsigned char tag, const void *bytes, size_t len)
{
	size_t end = b->at;

	ber_put(b, bytes, len);
	ber_wrap(b, tag, end);
}

static void
ber_text(struct ber *b, unsigned char tag, const char *text)
{
	ber_bytes(b, tag, text, strlen(text));
}

static void
ber_number(struct ber *b, unsigned char tag, unsigned value)
{
	unsigned char bytes[] = {(unsigned char)(value >> 16 & 0x7f), (unsigned char)(value >> 8),
				 (unsigned char)value};

	ber_bytes(b, tag, bytes, sizeof(bytes));
}

/* The tag and length at p. False: they are not complete. */
static bool
ber_head(const unsigned char *p, size_t have, size_t *head_out, size_t *len_out)
{
	size_t head = 2, len;

	if (have < 2)
		return false;
	len = p[1];
	if ((len & 0x80) != 0) {
		head += len & 0x7f;
		if (have < head)
			return false;
		len = 0;
		for (size_t i = 2; i < head; i++)
			len = len << 8 | p[i];
	}
	*head_out = head;
	*len_out = len;
	return true;
}

/* The element at p. False: it is not complete. */
static bool
ber_read(const unsigned char *p, size_t have, const unsigned char **content_out, size_t *len_out)
{
	size_t head;

	if (!ber_head(p, have, &head, len_out))
		return false;
	*content_out = p + head;
	return have >= head + *len_out;
}

/* ---- What is searched ---- */
static const struct kind {
	const char *name;
	void (*put_filter)(struct ber *b, const char *domain, int number);
	unsigned limit; /* entries; then the result is SIZE_EXCEEDED */
	bool is_paged;
} kinds[];

/* (mail=user001234@domain) */
static void
filter_exact(struct ber *b, const char *domain, int number)
{
	size_t end = b->at;
	char text[300];

	snprintf(text, sizeof(text), "user%06d@%s", number, domain);
	ber_text(b, 0x04, text);
	ber_text(b, 0x04, "mail");
	ber_wrap(b, 0xa3, end);
}

static void
filter_contains(struct ber *b, const char *attribute, const char *text)
{
	size_t end = b->at;

	ber_text(b, 0x81, text);
	ber_wrap(b, 0x30, end);
	ber_text(b, 0x04, attribute);
	ber_wrap(b, 0xa4, end);
}

/* (mail=*ser001234*) */
static void
filter_substring(struct ber *b, const char *domain, int number)
{
	char text[40];

	(void)domain;
	snprintf(text, sizeof(text), "ser%06d", number);
	filter_contains(b, "mail", text);
}

/* As Thunderbird asks while a name is typed: (|(cn=*x*)(mail=*x*)(givenName=*x*)(sn=*x*)) */
static void
filter_any_of_four(struct ber *b, const char *text)
{
	static const char *const attributes[] = {"sn", "givenName", "mail", "cn"};
	size_t end = b->at;

	for (int i = 0; i < 4; i++)
		filter_contains(b, attributes[i], text);
	ber_wrap(b, 0xa1, end);
}

static void
filter_four(struct ber *b, const char *domain, int number)
{
	char text[40];

	(void)domain;
	snprintf(text, sizeof(text), "amily%06d", number);
	filter_any_of_four(b, text);
}

/* The first three characters: several hundred entries have them. */
static void
filter_short(struct ber *b, const char *domain, int number)
{
	char text[40];

	(void)domain;
	snprintf(text, sizeof(text), "%03d", number % 1000);
	filter_any_of_four(b, text);
}

/* (objectClass=*) */
static void
filter_all(struct ber *b, const char *domain, int number)
{
	(void)domain, (void)number;
	ber_text(b, 0x87, "objectClass");
}

static const struct kind kinds[] = {
	{"exact", filter_exact, 0, false}, {"substring", filter_substring, 0, false},
	{"four", filter_four, 0, false},   {"short", filter_short, 100, false},
	{"all", filter_all, 0, true},
};

/* ---- A connection ---- */
struct searcher {
	struct load *load;     /* borrowed */
	struct client *client; /* owner */
	unsigned id, found;    /* of the request in progress; entries so far */
	unsigned char cookie[COOKIE_MAX];
	size_t cookie_len;
	int64_t begun_us;
};

static const struct kind *kind;
static int searches_left, searchers_open, opened;
static bool is_idle;
static uint32_t chance = 12345; /* the same numbers for each server */
static const struct client_events events;

/* "dc=book,dc=test" behind what stands in out already. */
static void
base_name(const char *domain, char *out, size_t size)
{
	size_t used = strlen(out);

	while (*domain != '\0' && used < size) {
		size_t len = strcspn(domain, ".");

		used += (size_t)snprintf(out + used, size - used, "dc=%.*s%s", (int)len, domain,
					 domain[len] == '.' ? "," : "");
		domain += len + (domain[len] == '.');
	}
}

static void
send_message(struct searcher *s, struct ber *b)
{
	size_t end = sizeof(b->bytes);

	ber_number(b, 0x02, ++s->id);
	ber_wrap(b, 0x30, end);
	bufferevent_write(s->client->bev, b->bytes + b->at, end - b->at);
}

static void
send_bind(struct searcher *s)
{
	struct ber b = {.at = sizeof(b.bytes)};
	char name[400] = "uid=user000000,ou=people,";
	size_t end = b.at;

	base_name(s->load->options->domain, name, sizeof(name));
	ber_text(&b, 0x80, "secret");
	ber_text(&b, 0x04, name);
	ber_number(&b, 0x02, 3);
	ber_wrap(&b, BIND_REQUEST, end);
	send_message(s, &b);
}

/* RFC 2696 */
static void
put_page_control(struct ber *b, const struct searcher *s)
{
	size_t end = b->at, value_end;
	unsigned char yes = 0xff;

	value_end = b->at;
	ber_bytes(b, 0x04, s->cookie, s->cookie_len);
	ber_number(b, 0x02, PAGE_ENTRIES);
	ber_wrap(b, 0x30, value_end);
	ber_wrap(b, 0x04, value_end);
	ber_bytes(b, 0x01, &yes, 1);
	ber_text(b, 0x04, "1.2.840.113556.1.4.319");
	ber_wrap(b, 0x30, end);
	ber_wrap(b, 0xa0, end);
}

static void
send_search(struct searcher *s)
{
	const struct options *o = s->load->options;
	struct ber b = {.at = sizeof(b.bytes)};
	unsigned char no = 0;
	char base[400] = "";
	size_t end;

	base_name(o->domain, base, sizeof(base));
	chance = chance * 1103515245 + 12345;
	if (kind->is_paged)
		put_page_control(&b, s);
	end = b.at;
	ber_text(&b, 0x30, ""); /* all attributes */
	kind->put_filter(&b, o->domain, (int)((chance >> 8) % (unsigned)o->users));
	ber_bytes(&b, 0x01, &no, 1);
	ber_number(&b, 0x02, 0); /* seconds */
	ber_number(&b, 0x02, kind->limit);
	ber_bytes(&b, 0x0a, &no, 1);
	ber_bytes(&b, 0x0a, "\2", 1); /* the whole subtree */
	ber_text(&b, 0x04, base);
	ber_wrap(&b, SEARCH_REQUEST, end);
	send_message(s, &b);
}

static void
search_next(struct searcher *s)
{
	if (searches_left == 0) {
		client_free(&s->client);
		if (--searchers_open == 0)
			load_end(s->load);
		mem_free(s);
		return;
	}
	searches_left--;
	s->found = 0;
	s->cookie_len = 0;
	s->begun_us = now_us();
	send_search(s);
}

static void
open_searcher(struct load *l)
{
	struct searcher *s = mem_new(struct searcher);

	opened++;
	searchers_open++;
	s->load = l;
	s->client = client_new(l, &events, s);
	send_bind(s);
}

static void
idle_stands(struct searcher *s)
{
	struct load *l = s->load;

	if (opened < l->options->count)
		open_searcher(l);
	if (++l->done != (uint64_t)l->options->count)
		return;
	l->ended_us = now_us();
	printf("ready\n");
	fflush(stdout);
}

/* The cookie is the last thing in a message with only this control. */
static void
take_cookie(struct searcher *s, const unsigned char *controls, size_t len)
{
	static const char oid[] = "1.2.840.113556.1.4.319";
	const unsigned char *p = memmem(controls, len, oid, sizeof(oid) - 1), *end = controls + len, *content;
	size_t size;

	s->cookie_len = 0;
	if (p == NULL)
		return;
	p += sizeof(oid) - 1;
	/* The value, its sequence, a number, the cookie. */
	if (!ber_read(p, (size_t)(end - p), &content, &size) || !ber_read(content, size, &p, &size))
		return;
	end = p + size;
	if (!ber_read(p, size, &content, &size))
		return;
	p = content + size;
	if (ber_read(p, (size_t)(end - p), &content, &size) && size <= COOKIE_MAX) {
		memcpy(s->cookie, content, size);
		s->cookie_len = size;
	}
}

static void
search_done(struct searcher *s, const unsigned char *rest, size_t len)
{
	unsigned wanted = kind->limit != 0 ? kind->limit : 1;

	if (kind->is_paged) {
		take_cookie(s, rest, len);
		if (s->cookie_len != 0) {
			send_search(s);
			return;
		}
	}
	if (kind->is_paged ? s->found < (unsigned)s->load->options->users : s->found != wanted)
		load_error(s->load, "%u entries found", s->found);
	s->load->bytes += s->found;
	load_note(s->load, s->begun_us);
	search_next(s);
}

/* One message: id, operation, controls. */
static void
on_message(struct searcher *s, const unsigned char *p, size_t len)
{
	const unsigned char *end = p + len, *content, *code;
	size_t size, code_len;
	unsigned char tag;

	CHECK(ber_read(p, len, &content, &size));
	p = content + size;
	tag = *p;
	CHECK(ber_read(p, (size_t)(end - p), &content, &size));
	if (tag == SEARCH_ENTRY) {
		s->found++;
		return;
	}
	CHECK(ber_read(content, size, &code, &code_len));
	if (code_len != 1 || *code != (tag == SEARCH_DONE && kind->limit != 0 ? SIZE_EXCEEDED : 0))
		load_error(s->load, "result %d", *code);
	else if (tag == BIND_RESPONSE && is_idle)
		idle_stands(s);
	else if (tag == BIND_RESPONSE)
		search_next(s);
	else if (tag == SEARCH_DONE)
		search_done(s, content + size, (size_t)(end - content) - size);
	else
		load_error(s->load, "message 0x%02x", tag);
}

static void
on_input(struct client *c, struct evbuffer *in)
{
	size_t have, head, len;

	while (!c->freed && (have = evbuffer_get_length(in)) != 0) {
		size_t first = have < HEAD_MAX ? have : HEAD_MAX;

		if (!ber_head(evbuffer_pullup(in, (ev_ssize_t)first), first, &head, &len) || have < head + len)
			return;
		on_message(c->owner, evbuffer_pullup(in, (ev_ssize_t)(head + len)) + head, len);
		evbuffer_drain(in, head + len);
	}
}

static void
on_gone(struct client *c)
{
	struct searcher *s = c->owner;

	load_error(s->load, "connection lost");
	load_end(s->load);
}

static const struct client_events events = {.on_input = on_input, .on_gone = on_gone};

void
run_ldap(struct load *l)
{
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, l->options->search) == 0)
			kind = &kinds[i];
	CHECK(kind != NULL);
	searches_left = l->options->count;
	for (int i = 0; i < l->options->sessions; i++)
		open_searcher(l);
	event_base_dispatch(l->base);
}

static void
on_stdin(evutil_socket_t fd, short what, void *arg)
{
	char byte;

	(void)what;
	if (read(fd, &byte, 1) <= 0)
		event_base_loopbreak(((struct load *)arg)->base);
}

void
run_ldap_idle(struct load *l)
{
	struct event *end = event_new(l->base, STDIN_FILENO, EV_READ | EV_PERSIST, on_stdin, l);

	is_idle = true;
	event_add(end, NULL);
	while (opened < l->options->count && opened < AT_ONCE)
		open_searcher(l);
	event_base_dispatch(l->base);
}
