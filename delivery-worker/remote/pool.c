#include "delivery-worker/remote/pool.h"

#include <string.h>
#include <utlist.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"

#define SWEEP_MS   1000
#define DEAD_SLOTS 64

struct idle {
	struct pool *pool; /* borrowed */
	struct pool_key key;
	struct smtp_client *client; /* owner */
	int64_t since_ms;
	struct idle *prev, *next;
};

struct dead {
	struct ip ip;
	uint16_t port;
	int64_t until_ms;
};

struct pool {
	struct event *sweep;
	struct idle *newest; /* the head; owner of each */
	unsigned count;
	struct dead dead[DEAD_SLOTS]; /* a ring */
	unsigned next_dead;
};

static void
pool_idle_free(struct idle *i)
{
	DL_DELETE(i->pool->newest, i);
	i->pool->count--;
	mem_free(i);
}

static void
pool_on_idle_ready(void *arg)
{
	(void)arg;
}

/* The server has closed it, or has sent something: not usable. */
static void
pool_on_idle_failed(void *arg, const struct smtp_failure *failure)
{
	struct idle *i = arg;
	struct smtp_client *c = i->client;

	(void)failure;
	pool_idle_free(i);
	smtp_client_free(&c);
}

static const struct smtp_client_events idle_events = {pool_on_idle_ready, pool_on_idle_ready, pool_on_idle_failed};

static void
pool_on_sweep(evutil_socket_t fd, short what, void *arg)
{
	struct pool *p = arg;
	struct timeval interval = clock_timeval(SWEEP_MS);
	int64_t now = clock_monotonic_ms();
	struct idle *i, *tmp;

	(void)fd;
	(void)what;
	DL_FOREACH_SAFE (p->newest, i, tmp) {
		struct smtp_client *c = i->client;

		if (now - i->since_ms < POOL_IDLE_MS)
			continue;
		pool_idle_free(i);
		smtp_client_free(&c);
	}
	if (p->newest != NULL)
		evtimer_add(p->sweep, &interval);
}

struct pool *
pool_new(struct event_base *base)
{
	struct pool *p = mem_new(struct pool);

	p->sweep = evtimer_new(base, pool_on_sweep, p);
	return p;
}

void
pool_free(struct pool **p)
{
	struct idle *i, *tmp;

	if (*p == NULL)
		return;
	DL_FOREACH_SAFE ((*p)->newest, i, tmp) {
		struct smtp_client *c = i->client;

		pool_idle_free(i);
		smtp_client_free(&c);
	}
	event_free((*p)->sweep);
	mem_free(*p);
	*p = NULL;
}

static bool
pool_key_eq(const struct pool_key *a, const struct pool_key *b)
{
	if (a->port != b->port || a->tls != b->tls || !ip_eq(&a->ip, &b->ip) || a->source.family != b->source.family)
		return false;
	if (memcmp(a->way, b->way, sizeof(a->way)) != 0)
		return false;
	return a->source.family == 0 || ip_eq(&a->source, &b->source);
}

struct smtp_client *
pool_take(struct pool *p, const struct pool_key *key)
{
	struct idle *i;

	DL_FOREACH (p->newest, i) {
		struct smtp_client *c = i->client;

		if (!pool_key_eq(&i->key, key))
			continue;
		pool_idle_free(i);
		return c;
	}
	return NULL;
}

void
pool_put(struct pool *p, const struct pool_key *key, struct smtp_client **c)
{
	struct timeval interval = clock_timeval(SWEEP_MS);
	struct idle *i;

	if (!smtp_client_is_ready(*c) || smtp_client_messages(*c) >= POOL_MESSAGES_MAX || p->count >= POOL_IDLE_TOTAL) {
		smtp_client_free(c);
		return;
	}
	i = mem_new(struct idle);
	i->pool = p;
	i->key = *key;
	i->client = *c;
	i->since_ms = clock_monotonic_ms();
	*c = NULL;
	smtp_client_set_owner(i->client, &idle_events, i);
	DL_PREPEND(p->newest, i);
	p->count++;
	if (!event_pending(p->sweep, EV_TIMEOUT, NULL))
		evtimer_add(p->sweep, &interval);
}

unsigned
pool_idle(const struct pool *p)
{
	return p->count;
}

/* ---- Servers that were not reached ---- */
void
pool_note_dead(struct pool *p, const struct smtp_target *t)
{
	struct dead *d = &p->dead[p->next_dead++ % DEAD_SLOTS];

	d->ip = t->ip;
	d->port = t->port;
	d->until_ms = clock_monotonic_ms() + POOL_DEAD_MS;
}

bool
pool_is_dead(const struct pool *p, const struct smtp_target *t)
{
	int64_t now = clock_monotonic_ms();

	for (unsigned i = 0; i < DEAD_SLOTS; i++) {
		if (p->dead[i].until_ms > now && p->dead[i].port == t->port && ip_eq(&p->dead[i].ip, &t->ip))
			return true;
	}
	return false;
}
