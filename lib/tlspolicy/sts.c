/* MTA-STS policies of domains: what is known of each, and who waits for it. */
#include "lib/tlspolicy/sts.h"

#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/tlspolicy/sts_private.h"

enum {
	FRESH_MS = 60000, /* before the record is checked again */
	UNUSED_MS = 600000,
	TIDY_MS = 60000,
};

/* ---- Answers ---- */
bool
sts_has_policy(const struct sts_entry *e)
{
	return e->policy != NULL && clock_unix_ms() < e->expires_ms;
}

static struct sts_answer
sts_answer_of(const struct sts_entry *e)
{
	struct sts_answer a = {.problem = e->problem, .reason = e->reason};

	if (sts_has_policy(e)) {
		a.state = STS_FOUND;
		a.policy = str_c(e->policy);
	} else
		a.state = e->store_told ? STS_NONE : STS_UNKNOWN;
	return a;
}

void
sts_answer_all(struct sts_entry *e)
{
	struct sts_answer a = sts_answer_of(e);
	struct sts_lookup *l;

	e->fresh_until_ms = clock_monotonic_ms() + (a.state == STS_UNKNOWN ? STS_DOUBT_MS : FRESH_MS);
	while ((l = e->lookups) != NULL) {
		DL_DELETE(e->lookups, l);
		l->cb(l->arg, &a);
		mem_free(l);
	}
}

/* ---- Entries ---- */
static struct sts_entry *
sts_find_entry(struct sts *s, struct str domain)
{
	struct sts_entry *e = NULL;

	HASH_FIND(hh, s->entries, domain.p, domain.len, e);
	if (e != NULL)
		e->used_ms = clock_monotonic_ms();
	return e;
}

static struct sts_entry *
sts_new_entry(struct sts *s, struct str domain)
{
	struct sts_entry *e = mem_zalloc(sizeof(*e) + domain.len + 1);

	memcpy(e->name, domain.p, domain.len);
	e->sts = s;
	e->used_ms = clock_monotonic_ms();
	HASH_ADD_KEYPTR(hh, s->entries, e->name, domain.len, e);
	return e;
}

static void
sts_free_entry(struct sts *s, struct sts_entry *e)
{
	struct sts_lookup *l, *next;

	DL_FOREACH_SAFE (e->lookups, l, next)
		mem_free(l);
	sts_call_drop(&e->call);
	sts_call_drop(&e->saving);
	if (e->query != NULL)
		dns_cancel(&e->query);
	web_cancel(&e->request);
	HASH_DEL(s->entries, e);
	mem_free(e->policy);
	mem_free(e);
}

static void
sts_on_tidy(evutil_socket_t fd, short what, void *arg)
{
	struct sts *s = arg;
	struct sts_entry *e, *next;
	int64_t now_ms = clock_monotonic_ms();

	(void)fd, (void)what;
	HASH_ITER (hh, s->entries, e, next) {
		if (e->busy)
			continue;
		if (sts_has_policy(e) && !e->in_store)
			sts_store(e);
		else if (now_ms - e->used_ms > UNUSED_MS)
			sts_free_entry(s, e);
	}
}

struct sts *
sts_new(const struct sts_options *options)
{
	struct sts *s = mem_new(struct sts);
	struct timeval tv = clock_timeval(TIDY_MS);

	s->options = *options;
	s->tidy = event_new(options->base, -1, EV_PERSIST, sts_on_tidy, s);
	event_add(s->tidy, &tv);
	return s;
}

void
sts_free(struct sts **sts)
{
	struct sts *s = *sts;
	struct sts_entry *e, *next;

	*sts = NULL;
	if (s == NULL)
		return;
	HASH_ITER (hh, s->entries, e, next)
		sts_free_entry(s, e);
	event_free(s->tidy);
	mem_free(s);
}

/* ---- For the callers ---- */
bool
sts_known(struct sts *s, struct str domain, struct sts_answer *answer_out)
{
	const struct sts_entry *e = sts_find_entry(s, domain);

	if (e == NULL || clock_monotonic_ms() >= e->fresh_until_ms)
		return false;
	*answer_out = sts_answer_of(e);
	return true;
}

struct sts_lookup *
sts_find(struct sts *s, struct str domain, sts_on_answer *cb, void *arg)
{
	struct sts_lookup *l = mem_new(struct sts_lookup);
	struct sts_entry *e = sts_find_entry(s, domain);

	if (e == NULL)
		e = sts_new_entry(s, domain);
	*l = (struct sts_lookup){.entry = e, .cb = cb, .arg = arg};
	DL_APPEND(e->lookups, l);
	if (!e->busy)
		sts_refresh(e);
	return l;
}

void
sts_cancel(struct sts_lookup **l)
{
	if (*l == NULL)
		return;
	DL_DELETE((*l)->entry->lookups, *l);
	mem_free(*l);
	*l = NULL;
}
