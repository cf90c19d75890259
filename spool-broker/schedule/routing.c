#include "spool-broker/schedule/routing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "spool-broker/broker.h"
#include "spool-broker/schedule/schedule.h"

enum {
	HOSTS_NAMED = 4,	/* in a site's name: the first ones in alphabetical order */
	QUERIES_MAX = 200,	/* in progress at once; more wait */
	FRESH_MS = 5 * 60000,	/* what was found is looked up again after this */
	FAILED_MS = 30000,	/* and so is what was not */
	UNUSED_MS = 10 * 60000, /* then it is forgotten */
	DEALT_OUT_LEAST = 5,	/* a share of a limit that is worth dividing; smaller limits are kept by permits */
	TIDY_EVERY_MS = 60000,
};

/* A destination, and what DNS says about it. */
struct routed {
	UT_hash_handle hh;		 /* by name */
	struct routing *routing;	 /* borrowed */
	char *hosts;			 /* owner; empty: its own site; NULL: not known yet */
	struct dns_query *query;	 /* in progress */
	bool waits;			 /* for a query */
	int64_t fresh_until_ms, used_ms; /* monotonic */
	struct routed *prev, *next;	 /* of those that wait */
	char name[];
};

struct routing {
	struct broker *broker; /* borrowed */
	struct dns *dns;       /* borrowed */
	struct routed *all;    /* owner: hash */
	struct routed *waiting;
	unsigned queries;
	int64_t tidy_ms; /* monotonic */
};

struct routing *
routing_new(struct broker *b, struct dns *dns)
{
	struct routing *r = mem_new(struct routing);

	r->broker = b;
	r->dns = dns;
	return r;
}

static void
routing_forget(struct routing *r, struct routed *d)
{
	if (d->waits)
		DL_DELETE(r->waiting, d);
	if (d->query != NULL)
		dns_cancel(&d->query);
	HASH_DEL(r->all, d);
	mem_free(d->hosts);
	mem_free(d);
}

void
routing_free(struct routing **routing)
{
	struct routed *d, *next;

	if (*routing == NULL)
		return;
	HASH_ITER (hh, (*routing)->all, d, next)
		routing_forget(*routing, d);
	mem_free(*routing);
	*routing = NULL;
}

/* ---- DNS ---- */
static int
routing_by_name(const void *a, const void *b)
{
	const struct str *x = a, *y = b;
	size_t least = x->len < y->len ? x->len : y->len;
	int order = least != 0 ? memcmp(x->p, y->p, least) : 0;

	return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

/* The hosts of the best preference; empty if there are none, or for the null MX. */
static char *
routing_name_hosts(const struct dns_answer *answer)
{
	struct str best[HOSTS_NAMED * 8];
	struct buf name = BUF_EMPTY;
	unsigned count = 0;
	char *text;

	for (unsigned i = 0; i < answer->mx_count && count < sizeof(best) / sizeof(best[0]); i++)
		if (answer->mx[i].preference == answer->mx[0].preference && answer->mx[i].host.len != 0)
			best[count++] = answer->mx[i].host;
	if (count > 1)
		qsort(best, count, sizeof(best[0]), routing_by_name);
	for (unsigned i = 0; i < count && i < HOSTS_NAMED; i++) {
		if (i != 0)
			buf_add(&name, ",", 1);
		buf_add(&name, best[i].p, best[i].len);
	}
	text = mem_strndup(buf_str(&name).p, name.len);
	buf_fini(&name);
	return text;
}

static void routing_ask(struct routing *r, struct routed *d);

static void
routing_ask_waiting(struct routing *r)
{
	struct routed *d = r->waiting;

	if (d == NULL || r->queries >= QUERIES_MAX)
		return;
	DL_DELETE(r->waiting, d);
	d->waits = false;
	routing_ask(r, d);
}

static void
routing_on_mx(void *arg, const struct dns_answer *answer, const struct err *err)
{
	struct routed *d = arg;
	struct routing *r = d->routing;
	char *hosts;

	d->query = NULL;
	r->queries--;
	d->fresh_until_ms = clock_monotonic_ms() + (err == NULL ? FRESH_MS : FAILED_MS);
	/* What was known stays in force when DNS fails. */
	hosts = err == NULL ? routing_name_hosts(answer) : mem_strdup(d->hosts != NULL ? d->hosts : "");
	if (d->hosts == NULL || strcmp(d->hosts, hosts) != 0) {
		mem_free(d->hosts);
		d->hosts = hosts;
		r->broker->ops->reroute(r->broker->schedules[STAGEPOST__JOB_KIND__REMOTE], str_c(d->name));
		broker_wake(r->broker);
	} else
		mem_free(hosts);
	routing_ask_waiting(r);
}

static void
routing_ask(struct routing *r, struct routed *d)
{
	if (r->queries >= QUERIES_MAX) {
		d->waits = true;
		DL_APPEND(r->waiting, d);
		return;
	}
	r->queries++;
	d->query = dns_query_mx(r->dns, str_c(d->name), routing_on_mx, d);
}

/* Marks it as used, so that it is looked up again when that is due. */
static void
routing_look_up(struct routing *r, struct routed *d)
{
	d->used_ms = clock_monotonic_ms();
	if (d->used_ms >= d->fresh_until_ms && d->query == NULL && !d->waits)
		routing_ask(r, d);
}

static struct routed *
routing_get_routed(struct routing *r, struct str name)
{
	struct routed *d = NULL;

	HASH_FIND(hh, r->all, name.p, name.len, d);
	if (d == NULL) {
		d = mem_zalloc(sizeof(*d) + name.len + 1);
		memcpy(d->name, name.p, name.len);
		d->routing = r;
		HASH_ADD_KEYPTR(hh, r->all, d->name, name.len, d);
	}
	routing_look_up(r, d);
	return d;
}

/* Mail may wait for days, and its lanes as long: they ask only once. */
void
routing_tick(struct routing *r)
{
	int64_t now_ms = clock_monotonic_ms();
	const struct schedule *s = r->broker->schedules[STAGEPOST__JOB_KIND__REMOTE];
	struct routed *d, *next;

	if (now_ms < r->tidy_ms)
		return;
	r->tidy_ms = now_ms + TIDY_EVERY_MS;
	HASH_ITER (hh, r->all, d, next) {
		if (r->broker->ops->has(s, str_c(d->name)))
			routing_look_up(r, d);
		else if (d->query == NULL && !d->waits && now_ms - d->used_ms > UNUSED_MS)
			routing_forget(r, d);
	}
}

void
routing_age(struct routing *r, int64_t ms)
{
	r->tidy_ms -= ms;
	for (struct routed *d = r->all; d != NULL; d = d->hh.next) {
		d->fresh_until_ms -= ms;
		d->used_ms -= ms;
	}
}

/* ---- Names and limits ---- */
/* The longest suffix of host, in whole labels, that has settings of its own; empty: none. */
static struct str
routing_ruled_name(const struct settings *s, struct str host)
{
	const struct settings_destination *common = settings_destination(s, STR_NONE);
	ptrdiff_t dot = 0;

	while (host.len != 0 && settings_destination(s, host) == common) {
		dot = str_index(host, '.');
		host = dot >= 0 ? str_from(host, (size_t)dot + 1) : STR_NONE;
	}
	return host;
}

static struct str
routing_find_rule(const struct settings *s, struct str hosts, struct str destination)
{
	struct str host, rule = STR_NONE;

	while (hosts.len != 0 && rule.len == 0) {
		str_cut(hosts, ',', &host, &hosts);
		rule = routing_ruled_name(s, host);
	}
	return rule.len != 0 ? rule : routing_ruled_name(s, destination);
}

static void
routing_set_limits(const struct settings *s, struct str rule, unsigned brokers, struct site_limits *out)
{
	const struct settings_destination *d = settings_destination(s, rule);
	int64_t most = d->max_connections != 0 ? d->max_connections
					       : settings_smtp_out(s, STR_NONE)->max_connections_per_destination;
	int64_t share = most / (int64_t)brokers;

	memset(out, 0, sizeof(*out));
	out->per_minute = (unsigned)d->max_messages_per_minute;
	out->at_once = (unsigned)(share >= DEALT_OUT_LEAST ? share : most);
	if (brokers > 1 && share < DEALT_OUT_LEAST)
		out->at_once_all = (unsigned)most;
}

void
routing_name(const struct settings *s, struct str hosts, struct str destination, unsigned brokers,
	     char name_out[SITE_NAME_MAX], struct site_limits *limits_out)
{
	struct str rule = routing_find_rule(s, hosts, destination);

	str_copy(rule.len != 0 ? rule : hosts.len != 0 ? hosts : destination, name_out, SITE_NAME_MAX);
	routing_set_limits(s, rule, brokers, limits_out);
}

static bool
routing_find(void *arg, struct str destination, struct str from, char name_out[SITE_NAME_MAX],
	     struct site_limits *limits_out)
{
	struct routing *r = arg;
	const struct settings *s = broker_settings(r->broker);
	struct str relay = str_c(settings_smtp_out(s, from)->relay_host), hosts = STR_NONE;
	bool literal = destination.len != 0 && destination.p[0] == '[';

	if (relay.len != 0)
		destination = relay;
	else if (r->dns != NULL && !literal) {
		const struct routed *d = routing_get_routed(r, destination);
		if (d->hosts == NULL)
			return false;
		hosts = str_c(d->hosts);
	}
	routing_name(s, hosts, destination, r->broker->brokers, name_out, limits_out);
	return true;
}

struct schedule_router
routing_router(struct routing *r)
{
	return (struct schedule_router){.find = routing_find, .arg = r};
}
