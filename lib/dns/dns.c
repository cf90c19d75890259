/* Queries to libunbound, on the caller's event loop.
 *
 * libunbound cannot cancel a query in such a context, and may answer from
 * within the call that asks. So a query lives until all its parts have been
 * answered, even if nobody waits any more, and its result is delivered by a
 * separate event: never from within dns_query_...(), and exactly once. */
#include "lib/dns/dns.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <unbound.h>
#include <unbound-event.h>
#include <utlist.h>

#include "lib/base/arena.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/dns/message.h"
#include "lib/dns/reach.h"

enum {
	QUERY_TIMEOUT_MS = 30000,
	LOOK_MS = 2000,		   /* without an answer: check the resolver */
	AWAY_REMEMBERED_MS = 6000, /* libunbound keeps a SERVFAIL for five seconds */
};

enum { CACHED, UNCACHED, CONTEXTS };

struct dns {
	struct event_base *base;	   /* borrowed */
	char *resolver;			   /* owner; NULL: resolv.conf */
	char *trust_anchor;		   /* owner; NULL: none */
	struct ub_ctx *contexts[CONTEXTS]; /* owner; the uncached one is created on first use */
	struct reach *reach;		   /* owner */
	int64_t away_ms;		   /* monotonic: when the resolver was last found unreachable; 0: never */
	bool caching;
	bool closing;
	struct dns_query *queries; /* owner of each */
};

/* One question of a query. */
struct part {
	struct dns_query *query; /* borrowed */
	enum dns_type type;
	enum dns_names names;
	struct dns_answer answer; /* in the query's arena */
	struct err err;
	bool failed;
};

struct dns_query {
	struct dns *dns; /* borrowed */
	dns_on_answer *cb;
	void *arg;
	bool wanted;  /* the callback has yet to come */
	bool looked;  /* it took long */
	bool failed;  /* with this failure */
	bool doubted; /* reach_ask() is in progress */
	struct err failure;
	struct event *ready; /* the time limit; activated once all parts are in */
	unsigned pending;    /* parts without an answer */
	unsigned part_count;
	struct part parts[2];
	struct arena arena;
	struct dns_query *prev, *next;
};

struct option {
	const char *name, *value;
};

static const struct option common_options[] = {
	{"do-not-query-localhost:", "no"},
	{"outgoing-range:", "512"},
	{"num-queries-per-thread:", "4096"},
	{"infra-cache-numhosts:", "10000"},
	{"cache-max-negative-ttl:", "300"},
	{"infra-keep-probing:", "yes"},
	{"infra-host-ttl:", "3"}, /* a forwarder is used again as soon as it is back */
	{NULL, NULL},
};
static const struct option cached_options[] = {
	{"msg-cache-size:", "8m"},
	{"rrset-cache-size:", "16m"},
	{NULL, NULL},
};
static const struct option uncached_options[] = {
	{"cache-max-ttl:", "0"},
	{"cache-max-negative-ttl:", "0"},
	{"msg-cache-size:", "0"},
	{"rrset-cache-size:", "0"},
	{NULL, NULL},
};

static int
set_options(struct ub_ctx *ctx, const struct option *options, struct err *err)
{
	for (; options->name != NULL; options++) {
		int rc = ub_ctx_set_option(ctx, options->name, options->value);

		if (rc != 0)
			return err_set(err, ERR_INVALID, "libunbound refuses %s %s: %s", options->name, options->value,
				       ub_strerror(rc));
	}
	return 0;
}

/* Sets the server for queries. */
static int
set_resolver(struct ub_ctx *ctx, const char *resolver, struct err *err)
{
	int rc;

	if (resolver == NULL) {
		rc = ub_ctx_resolvconf(ctx, NULL);
		if (rc != 0)
			log_warning(NULL, "resolv.conf cannot be read; asking the root servers",
				    F_C("error", ub_strerror(rc)));
		return 0;
	}
	rc = ub_ctx_set_fwd(ctx, resolver);
	if (rc != 0)
		return err_set(err, ERR_INVALID, "not a resolver: '%s' (address or address@port)", resolver);
	return 0;
}

/* A configured resolver is asked about everything, including .test and the
 * addresses of private networks and of documentation, which libunbound by itself
 * would deny. */
static int
open_zones(struct ub_ctx *ctx, const char *resolver, struct err *err)
{
	static const char *const zones[] = {
		"test.",
		"invalid.",
		"localhost.",
		"home.arpa.",
		"127.in-addr.arpa.",
		"0.in-addr.arpa.",
		"10.in-addr.arpa.",
		"168.192.in-addr.arpa.",
		"254.169.in-addr.arpa.",
		"2.0.192.in-addr.arpa.",
		"100.51.198.in-addr.arpa.",
		"113.0.203.in-addr.arpa.",
		"255.255.255.255.in-addr.arpa.",
		"8.b.d.0.1.0.0.2.ip6.arpa.",
		"d.f.ip6.arpa.",
		"8.e.f.ip6.arpa.",
		"9.e.f.ip6.arpa.",
		"a.e.f.ip6.arpa.",
		"b.e.f.ip6.arpa.",
		"0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa.",
		"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa.",
		NULL,
	};
	/* One zone for each second byte: 172.16.0.0/12 and 100.64.0.0/10. */
	static const struct {
		unsigned first, from, to;
	} ranges[] = {{172, 16, 31}, {100, 64, 127}};

	if (resolver == NULL)
		return 0;
	for (unsigned r = 0; r < sizeof(ranges) / sizeof(ranges[0]); r++)
		for (unsigned second = ranges[r].from; second <= ranges[r].to; second++) {
			char zone[40];

			snprintf(zone, sizeof(zone), "%u.%u.in-addr.arpa.", second, ranges[r].first);
			if (ub_ctx_zone_add(ctx, zone, "transparent") != 0)
				return err_set(err, ERR_INVALID, "libunbound refuses the zone %s", zone);
		}
	for (unsigned i = 0; zones[i] != NULL; i++) {
		if (ub_ctx_zone_add(ctx, zones[i], "transparent") != 0)
			return err_set(err, ERR_INVALID, "libunbound refuses the zone %s", zones[i]);
	}
	return 0;
}

static int
set_trust_anchor(struct ub_ctx *ctx, const char *file, struct err *err)
{
	int rc;

	if (file == NULL)
		return 0;
	/* libunbound itself reads it only at the first query, and then answers none. */
	if (access(file, R_OK) != 0)
		return err_set_errno(err, errno, "trust anchor file %s", file);
	rc = ub_ctx_add_ta_file(ctx, file);
	if (rc != 0)
		return err_set(err, ERR_INVALID, "trust anchor file %s: %s", file, ub_strerror(rc));
	return 0;
}

/* Makes libunbound read its configuration, including the trust anchors:
 * removing a zone that does not exist changes nothing, but requires that. */
static int
end_configuration(struct ub_ctx *ctx, const char *trust_anchor, struct err *err)
{
	int rc = ub_ctx_zone_remove(ctx, "none.invalid.");

	if (rc == 0)
		return 0;
	if (trust_anchor != NULL)
		return err_set(err, ERR_INVALID,
			       "trust anchor file %s: it has no DS or DNSKEY record that libunbound can read",
			       trust_anchor);
	return err_set(err, ERR_INVALID, "libunbound cannot be started: %s", ub_strerror(rc));
}

static struct ub_ctx *
make_context(struct dns *d, unsigned which, struct err *err)
{
	struct ub_ctx *ctx = ub_ctx_create_event(d->base);

	if (ctx == NULL) {
		err_set(err, ERR_UNAVAILABLE, "libunbound cannot be started");
		return NULL;
	}
	if (set_options(ctx, common_options, err) != 0 ||
	    set_options(ctx, which == CACHED ? cached_options : uncached_options, err) != 0 ||
	    set_trust_anchor(ctx, d->trust_anchor, err) != 0)
		goto failed;
	if (ub_ctx_hosts(ctx, NULL) != 0)
		log_warning(NULL, "the hosts file cannot be read");
	/* Opening zones needs the end of the configuration, so it comes last. */
	if (set_resolver(ctx, d->resolver, err) == 0 && end_configuration(ctx, d->trust_anchor, err) == 0 &&
	    open_zones(ctx, d->resolver, err) == 0)
		return ctx;
failed:
	ub_ctx_delete(ctx);
	return NULL;
}

struct dns *
dns_new(struct event_base *base, const char *resolver, const char *trust_anchor, struct err *err)
{
	struct dns *d = mem_new(struct dns);

	d->base = base;
	d->caching = true;
	d->resolver = resolver != NULL && *resolver != '\0' ? mem_strdup(resolver) : NULL;
	d->trust_anchor = trust_anchor != NULL && *trust_anchor != '\0' ? mem_strdup(trust_anchor) : NULL;
	d->reach = reach_new(base, d->resolver);
	d->contexts[CACHED] = make_context(d, CACHED, err);
	if (d->contexts[CACHED] == NULL)
		dns_free(&d);
	return d;
}

static void
dns_query_free(struct dns_query *q)
{
	DL_DELETE(q->dns->queries, q);
	event_free(q->ready);
	arena_fini(&q->arena);
	mem_free(q);
}

void
dns_free(struct dns **d)
{
	struct dns_query *q, *tmp;

	if (*d == NULL)
		return;
	(*d)->closing = true;
	for (unsigned i = 0; i < CONTEXTS; i++) {
		if ((*d)->contexts[i] != NULL)
			ub_ctx_delete((*d)->contexts[i]);
	}
	DL_FOREACH_SAFE ((*d)->queries, q, tmp)
		dns_query_free(q);
	reach_free(&(*d)->reach);
	mem_free((*d)->resolver);
	mem_free((*d)->trust_anchor);
	mem_free(*d);
	*d = NULL;
}

void
dns_set_caching(struct dns *d, bool on)
{
	struct err err;

	if (!on && d->contexts[UNCACHED] == NULL) {
		d->contexts[UNCACHED] = make_context(d, UNCACHED, &err);
		if (d->contexts[UNCACHED] == NULL) {
			log_error(NULL, "DNS without a cache is not available", F_ERR(&err));
			return;
		}
	}
	d->caching = on;
}

/* ---- Answers ---- */
static void
shuffle_ips(struct ip *ips, unsigned count)
{
	for (unsigned i = count; i > 1; i--) {
		unsigned j = arc4random_uniform(i);
		struct ip tmp = ips[i - 1];

		ips[i - 1] = ips[j];
		ips[j] = tmp;
	}
}

static int
mx_cmp(const void *a, const void *b)
{
	const struct dns_mx *x = a, *y = b;

	return (int)x->preference - (int)y->preference;
}

/* Sorted by preference; those of equal preference in random order, so that they
 * share the load (RFC 5321, 5.1). */
static void
sort_mx(struct dns_mx *mx, unsigned count)
{
	for (unsigned i = count; i > 1; i--) {
		unsigned j = arc4random_uniform(i);
		struct dns_mx tmp = mx[i - 1];

		mx[i - 1] = mx[j];
		mx[j] = tmp;
	}
	qsort(mx, count, sizeof(*mx), mx_cmp);
}

/* Merges the answers of the parts; IPv6 comes before IPv4. A failed part counts
 * only if the other has nothing. */
static const struct err *
join_parts(struct dns_query *q, struct dns_answer *out)
{
	const struct err *failure = NULL;
	struct ip *ips;
	unsigned ip_count = 0;

	*out = q->parts[0].answer;
	for (unsigned i = 0; i < q->part_count; i++) {
		if (q->parts[i].failed)
			failure = &q->parts[i].err;
		if (q->parts[i].failed && q->parts[i].err.code == ERR_CORRUPT)
			return failure;
	}
	if (q->part_count == 1) {
		if (failure == NULL && out->mx_count > 0)
			sort_mx((struct dns_mx *)out->mx, out->mx_count);
		if (failure == NULL && out->ip_count > 0)
			shuffle_ips((struct ip *)out->ips, out->ip_count);
		return failure;
	}
	ips = arena_array(&q->arena, struct ip, q->parts[0].answer.ip_count + q->parts[1].answer.ip_count + 1);
	out->exists = false;
	out->secure = true;
	for (unsigned i = 0; i < q->part_count; i++) {
		struct dns_answer *a = &q->parts[i].answer;

		if (q->parts[i].failed)
			continue;
		shuffle_ips((struct ip *)a->ips, a->ip_count);
		if (a->ip_count > 0)
			memcpy(ips + ip_count, a->ips, a->ip_count * sizeof(*ips));
		ip_count += a->ip_count;
		out->exists |= a->exists;
		out->secure &= a->secure;
		if (a->canonical.len > 0)
			out->canonical = a->canonical;
	}
	out->ips = ips;
	out->ip_count = ip_count;
	return ip_count == 0 ? failure : NULL;
}

/* The only place that calls the callback. */
static void
query_tell(struct dns_query *q, const struct dns_answer *answer, const struct err *err)
{
	if (q->wanted) {
		q->wanted = false;
		q->cb(q->arg, answer, err);
	}
	if (q->pending == 0)
		dns_query_free(q);
}

/* ---- The resolver itself ---- */
/* For a while after it was unreachable, libunbound still remembers that. */
static bool
resolver_was_away(const struct dns *d)
{
	return d->away_ms != 0 && clock_monotonic_ms() - d->away_ms < AWAY_REMEMBERED_MS;
}

static void
query_on_reach(void *arg, bool reachable)
{
	struct dns_query *q = arg;
	struct timeval rest = clock_timeval(QUERY_TIMEOUT_MS - LOOK_MS);

	q->doubted = false;
	if (!reachable)
		q->dns->away_ms = clock_monotonic_ms();
	if (!reachable || (q->failed && resolver_was_away(q->dns)))
		err_set(&q->failure, ERR_IO, "no name server can be reached from here");
	else if (!q->failed) {
		evtimer_add(q->ready, &rest);
		if (q->pending == 0)
			event_active(q->ready, EV_TIMEOUT, 0);
		return;
	}
	query_tell(q, NULL, &q->failure);
}

static void
query_doubt(struct dns_query *q)
{
	q->doubted = true;
	reach_ask(q->dns->reach, query_on_reach, q);
}

/* All parts are in, or it takes long, or the time is over. */
static void
on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct dns_query *q = arg;
	struct dns_answer answer;
	const struct err *err = &q->failure;

	(void)fd;
	(void)what;
	if (q->doubted)
		return; /* query_on_reach() continues */
	if (q->wanted && q->pending > 0 && !q->looked) {
		q->looked = true;
		query_doubt(q);
		return;
	}
	if (q->pending > 0)
		err_set(&q->failure, ERR_TIMEOUT, "no answer of the name servers for %d s", QUERY_TIMEOUT_MS / 1000);
	else
		err = join_parts(q, &answer);
	if (q->wanted && err != NULL && (err->code == ERR_UNAVAILABLE || err->code == ERR_TIMEOUT)) {
		q->failed = true;
		q->failure = *err;
		query_doubt(q);
		return;
	}
	query_tell(q, err != NULL ? NULL : &answer, err);
}

static void
part_fail(struct part *p, enum err_code code, const char *text)
{
	p->failed = true;
	err_set(&p->err, code, "%s", text);
}

static void
on_part(void *arg, int rcode, void *packet, int packet_len, int sec, char *why_bogus, int was_ratelimited)
{
	struct part *p = arg;
	struct dns_query *q = p->query;

	(void)was_ratelimited;
	if (q->dns->closing)
		return;
	CHECK(q->pending > 0);
	q->pending--;
	if (sec == 1) {
		p->failed = true;
		err_set(&p->err, ERR_CORRUPT, "DNSSEC validation failed: %s", why_bogus != NULL ? why_bogus : "bogus");
	} else if (rcode == 3 && (packet == NULL || packet_len <= 0)) {
		p->answer.exists = false;
	} else if ((rcode != 0 && rcode != 3) || packet == NULL) {
		part_fail(p, ERR_UNAVAILABLE, "the name servers give no answer (SERVFAIL)");
	} else if (dns_message_read(str_of(packet, (size_t)packet_len), p->type, p->names, &q->arena, &p->answer,
				    &p->err) != 0) {
		p->failed = true;
	}
	p->answer.secure = sec == 2;
	if (q->pending == 0)
		event_active(q->ready, EV_TIMEOUT, 0);
}

/* ---- Queries ---- */
static bool
name_is_askable(struct str name)
{
	return name.len > 0 && name.len <= DNS_NAME_MAX && memchr(name.p, '\0', name.len) == NULL;
}

/* For libunbound, in whose texts a backslash escapes. */
static void
name_escape(struct str name, char out[2 * DNS_NAME_MAX + 1])
{
	size_t used = 0;

	for (size_t i = 0; i < name.len; i++) {
		if (name.p[i] == '\\')
			out[used++] = '\\';
		out[used++] = name.p[i];
	}
	out[used] = '\0';
}

static struct dns_query *
dns_query_new(struct dns *d, struct str name, const enum dns_type *types, unsigned type_count, enum dns_names names,
	      dns_on_answer *cb, void *arg)
{
	struct dns_query *q = mem_new(struct dns_query);
	struct ub_ctx *ctx = d->contexts[d->caching ? CACHED : UNCACHED];
	struct timeval limit = clock_timeval(LOOK_MS);
	char text[2 * DNS_NAME_MAX + 1];
	bool askable = name_is_askable(name);

	CHECK(type_count >= 1 && type_count <= 2);
	q->dns = d;
	q->cb = cb;
	q->arg = arg;
	q->wanted = true;
	q->part_count = q->pending = type_count;
	arena_init(&q->arena);
	q->ready = evtimer_new(d->base, on_ready, q);
	evtimer_add(q->ready, &limit);
	DL_APPEND(d->queries, q);
	if (askable)
		name_escape(name, text);
	for (unsigned i = 0; i < type_count; i++) {
		struct part *p = &q->parts[i];
		int rc = UB_SYNTAX;

		p->query = q;
		p->type = types[i];
		p->names = names;
		if (askable)
			rc = ub_resolve_event(ctx, text, (int)p->type, 1, p, on_part, NULL);
		if (rc == 0)
			continue;
		/* What is not a domain name does not exist; any other failure may be temporary. */
		if (rc != UB_SYNTAX)
			part_fail(p, ERR_IO, ub_strerror(rc));
		if (--q->pending == 0)
			event_active(q->ready, EV_TIMEOUT, 0);
	}
	return q;
}

struct dns_query *
dns_query_mx(struct dns *d, struct str domain, dns_on_answer *cb, void *arg)
{
	return dns_query_new(d, domain, (const enum dns_type[]){DNS_MX}, 1, DNS_HOST_NAMES, cb, arg);
}

struct dns_query *
dns_query_mx_any(struct dns *d, struct str domain, dns_on_answer *cb, void *arg)
{
	return dns_query_new(d, domain, (const enum dns_type[]){DNS_MX}, 1, DNS_ANY_NAMES, cb, arg);
}

struct dns_query *
dns_query_ptr(struct dns *d, const struct ip *ip, dns_on_answer *cb, void *arg)
{
	char name[DNS_NAME_MAX + 1];
	size_t used = 0;

	for (unsigned i = ip->family == 4 ? 4 : 16; i-- > 0;)
		used += (size_t)(ip->family == 4
					 ? sprintf(name + used, "%u.", ip->bytes[i])
					 : sprintf(name + used, "%x.%x.", ip->bytes[i] & 15u, ip->bytes[i] >> 4u));
	used += (size_t)sprintf(name + used, "%s.arpa", ip->family == 4 ? "in-addr" : "ip6");
	return dns_query_new(d, str_of(name, used), (const enum dns_type[]){DNS_PTR}, 1, DNS_HOST_NAMES, cb, arg);
}

struct dns_query *
dns_query_ips(struct dns *d, struct str host, bool want4, bool want6, dns_on_answer *cb, void *arg)
{
	enum dns_type types[2];
	unsigned count = 0;

	if (want6)
		types[count++] = DNS_AAAA;
	if (want4)
		types[count++] = DNS_A;
	return dns_query_new(d, host, types, count, DNS_HOST_NAMES, cb, arg);
}

struct dns_query *
dns_query_txt(struct dns *d, struct str name, dns_on_answer *cb, void *arg)
{
	return dns_query_new(d, name, (const enum dns_type[]){DNS_TXT}, 1, DNS_HOST_NAMES, cb, arg);
}

struct dns_query *
dns_query_cname(struct dns *d, struct str name, dns_on_answer *cb, void *arg)
{
	return dns_query_new(d, name, (const enum dns_type[]){DNS_CNAME}, 1, DNS_HOST_NAMES, cb, arg);
}

struct dns_query *
dns_query_srv(struct dns *d, struct str name, dns_on_answer *cb, void *arg)
{
	return dns_query_new(d, name, (const enum dns_type[]){DNS_SRV}, 1, DNS_HOST_NAMES, cb, arg);
}

struct dns_query *
dns_query_tlsa(struct dns *d, struct str name, dns_on_answer *cb, void *arg)
{
	return dns_query_new(d, name, (const enum dns_type[]){DNS_TLSA}, 1, DNS_HOST_NAMES, cb, arg);
}

void
dns_cancel(struct dns_query **q)
{
	/* Its parts may still be answered; on_ready() then frees it. */
	if (*q != NULL)
		(*q)->wanted = false;
	*q = NULL;
}
