/* Recipients by destination: chains in ascending order, found by a hash of the
 * destination. Made when it is first asked for, and made anew, twice as large, when
 * recipients were added that do not fit. */
#include "spool-broker/queue/served.h"

#include <string.h>

#include "lib/base/check.h"
#include "lib/base/hash.h"

enum { FEW = 16 }; /* up to this many all are visited */

struct served {
	size_t room;		/* recipients that fit */
	unsigned count;		/* those that are in it */
	uint32_t *next;		/* by recipient; SERVED_END: the last of its destination */
	size_t slots;		/* a power of two, at least twice the room */
	uint32_t *first, *last; /* by slot; SERVED_END: the slot is free */
};

/* The slot of the destination, or the free one where it would be. */
static size_t
served_slot(const struct served *s, const struct work *w, Stagepost__JobKind kind, struct str destination)
{
	size_t at = hash_str(destination, (uint64_t)kind) & (s->slots - 1);

	for (; s->first[at] != SERVED_END; at = (at + 1) & (s->slots - 1)) {
		const Stagepost__Recipient *r = work_recipient(w, s->first[at]);
		if (recipient_kind(r) == kind && str_eq(recipient_destination(r), destination))
			break;
	}
	return at;
}

static uint32_t *
served_array(struct work *w, size_t count)
{
	uint32_t *all = arena_array(&w->arena, uint32_t, count);

	memset(all, 0xff, count * sizeof(*all)); /* SERVED_END */
	return all;
}

static struct served *
served_make(struct work *w, size_t recipients)
{
	struct served *s = arena_new(&w->arena, struct served);

	s->room = recipients + recipients / 2;
	s->count = 0;
	for (s->slots = 64; s->slots < 2 * s->room;)
		s->slots *= 2;
	s->next = served_array(w, s->room);
	s->first = served_array(w, s->slots);
	s->last = served_array(w, s->slots);
	return s;
}

/* With all recipients in it. */
static struct served *
served_get(struct work *w)
{
	unsigned total = work_recipient_count(w);

	if (w->served == NULL || w->served->room < total)
		w->served = served_make(w, total);
	for (struct served *s = w->served; s->count < total; s->count++) {
		const Stagepost__Recipient *r = work_recipient(w, s->count);
		size_t at = served_slot(s, w, recipient_kind(r), recipient_destination(r));
		if (s->first[at] == SERVED_END)
			s->first[at] = s->count;
		else
			s->next[s->last[at]] = s->count;
		s->last[at] = s->count;
	}
	return w->served;
}

static bool
served_visits_all(const struct work *w, const struct part *p)
{
	return work_recipient_count(w) <= FEW || p->kind == STAGEPOST__JOB_KIND__CHECK ||
	       p->kind == STAGEPOST__JOB_KIND__REPORT;
}

uint32_t
served_first(struct work *w, const struct part *p)
{
	const struct served *s;

	if (served_visits_all(w, p))
		return 0;
	s = served_get(w);
	return s->first[served_slot(s, w, (Stagepost__JobKind)p->kind, str_c(part_destination(p)))];
}

uint32_t
served_next(struct work *w, const struct part *p, uint32_t index)
{
	CHECKF(index < work_recipient_count(w), "recipient %u", index);
	if (served_visits_all(w, p))
		return index + 1 < work_recipient_count(w) ? index + 1 : SERVED_END;
	return served_get(w)->next[index];
}
