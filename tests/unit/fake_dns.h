/* A resolver for tests: the queries of lib/dns, answered from a table on the event
 * loop. It takes the place of dns.o, which is then not linked. Rows whose data is
 * NULL are failures: ERR_TIMEOUT. A name without rows does not exist. */
#ifndef FAKE_DNS_H
#define FAKE_DNS_H

#include <event2/event.h>
#include <stdlib.h>

#include "lib/base/arena.h"
#include "lib/base/mem.h"
#include "lib/dns/dns.h"

struct fake_row {
	const char *name;
	const char *type; /* "A", "AAAA", "MX", "TXT", "PTR" */
	const char *data;
};

struct dns {
	struct event_base *base;
	const struct fake_row *rows; /* to one without a name */
	unsigned asked, in_flight;
	bool is_silent; /* answers nothing */
};

struct dns_query {
	struct dns *dns;
	struct event *event;
	struct arena arena;
	struct str name;
	const char *types[2];
	dns_on_answer *cb;
	void *arg;
};

static void
fake_free(struct dns_query *q)
{
	q->dns->in_flight--;
	event_free(q->event);
	arena_fini(&q->arena);
	mem_free(q);
}

static void
fake_add(struct dns_query *q, const struct fake_row *row, struct dns_answer *a)
{
	struct ip *ip = (struct ip *)a->ips + a->ip_count;

	switch (row->type[0]) {
	case 'A': a->ip_count += ip_parse(str_c(row->data), ip); break;
	case 'M':
		((struct dns_mx *)a->mx)[a->mx_count++] = (struct dns_mx){.host = arena_str(&q->arena, str_c(row->data))};
		break;
	case 'T': ((struct str *)a->texts)[a->text_count++] = arena_str(&q->arena, str_c(row->data)); break;
	default: ((struct str *)a->names)[a->name_count++] = arena_str(&q->arena, str_c(row->data));
	}
}

static void
fake_on_event(evutil_socket_t fd, short what, void *arg)
{
	struct dns_query *q = arg;
	struct dns_answer a = {.mx = arena_array(&q->arena, struct dns_mx, 64), .ips = arena_array(&q->arena, struct ip, 64),
			       .texts = arena_array(&q->arena, struct str, 64), .names = arena_array(&q->arena, struct str, 64)};
	struct err err = {.code = ERR_NONE};

	(void)fd;
	(void)what;
	for (const struct fake_row *row = q->dns->rows; row->name != NULL; row++) {
		if (!str_eq_ci(str_c(row->name), q->name))
			continue;
		a.exists = true;
		for (unsigned i = 0; i < 2; i++) {
			if (q->types[i] == NULL || strcmp(q->types[i], row->type) != 0)
				continue;
			if (row->data == NULL)
				err_set(&err, ERR_TIMEOUT, "no answer");
			else
				fake_add(q, row, &a);
		}
	}
	q->cb(q->arg, err.code == ERR_NONE ? &a : NULL, err.code == ERR_NONE ? NULL : &err);
	fake_free(q);
}

static struct dns_query *
fake_query(struct dns *d, struct str name, const char *type, const char *type2, dns_on_answer *cb, void *arg)
{
	struct dns_query *q = mem_new(struct dns_query);
	struct timeval now = {0, 0};

	*q = (struct dns_query){.dns = d, .types = {type, type2}, .cb = cb, .arg = arg};
	arena_init(&q->arena);
	q->name = arena_str(&q->arena, name);
	q->event = evtimer_new(d->base, fake_on_event, q);
	if (!d->is_silent)
		evtimer_add(q->event, &now);
	d->asked++;
	d->in_flight++;
	return q;
}

struct dns_query *
dns_query_mx(struct dns *d, struct str domain, dns_on_answer *cb, void *arg)
{
	return fake_query(d, domain, "MX", NULL, cb, arg);
}

struct dns_query *
dns_query_mx_any(struct dns *d, struct str domain, dns_on_answer *cb, void *arg)
{
	return fake_query(d, domain, "MX", NULL, cb, arg);
}

struct dns_query *
dns_query_ips(struct dns *d, struct str host, bool want4, bool want6, dns_on_answer *cb, void *arg)
{
	return fake_query(d, host, want4 ? "A" : "AAAA", want4 && want6 ? "AAAA" : NULL, cb, arg);
}

struct dns_query *
dns_query_txt(struct dns *d, struct str name, dns_on_answer *cb, void *arg)
{
	return fake_query(d, name, "TXT", NULL, cb, arg);
}

/* A row of type PTR has the address as its name. */
struct dns_query *
dns_query_ptr(struct dns *d, const struct ip *ip, dns_on_answer *cb, void *arg)
{
	char text[IP_TEXT_MAX];

	ip_text(ip, text);
	return fake_query(d, str_c(text), "PTR", NULL, cb, arg);
}

void
dns_cancel(struct dns_query **q)
{
	if (*q != NULL)
		fake_free(*q);
	*q = NULL;
}

#endif
