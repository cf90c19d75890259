#include "delivery-worker/remote/targets.h"

#include <string.h>

#include "lib/base/check.h"

static void
targets_add_one(struct targets *t, const struct remote *r, const struct route_host *h, uint16_t port,
		const struct ip *ip)
{
	struct candidate *c;

	if (t->count == TARGETS_MAX || t->last_count == TARGETS_MAX)
		return;
	c = &t->list[t->count];
	*c = (struct candidate){.host = h, .target = {.ip = *ip, .port = port}};
	str_copy(h->name, c->target.host, sizeof(c->target.host));
	if (pool_is_dead(r->pool, &c->target) || !remote_may_reach(r, ip))
		t->last[t->last_count++] = *c;
	else
		t->count++;
}

/* IPv6 and IPv4 take turns, so that a family without a route costs one try before the other is tried. */
void
targets_add(struct targets *t, const struct remote *r, const struct route_host *h, uint16_t port, const struct ip *ips,
	    unsigned count)
{
	unsigned next[2] = {0, 0}; /* of family 6, of family 4 */

	for (unsigned added = 0, turn = 0; added < count; turn = !turn) {
		unsigned *i = &next[turn], family = turn == 0 ? 6 : 4;

		while (*i < count && ips[*i].family != family)
			++*i;
		if (*i == count)
			continue;
		targets_add_one(t, r, h, port, &ips[(*i)++]);
		added++;
	}
}

bool
targets_next(struct targets *t, struct candidate *next_out)
{
	if (t->at == t->count)
		return false;
	*next_out = t->list[t->at++];
	return true;
}

void
targets_put_last(struct targets *t)
{
	for (; t->at < t->count && t->last_count < TARGETS_MAX; t->at++)
		t->last[t->last_count++] = t->list[t->at];
}

void
targets_begin_last(struct targets *t)
{
	CHECK(t->at == t->count);
	memcpy(t->list, t->last, sizeof(t->list));
	t->count = t->last_count;
	t->at = t->last_count = 0;
}
