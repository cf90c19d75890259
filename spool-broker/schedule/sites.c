/* Sites: windows, troubles, permits.
 *
 * The window is how many parts may be in flight, as in TCP: nobody says how much a
 * site accepts, so it is found out from the results of what is sent.
 *
 *  - It starts at 5 (WINDOW_START), as Postfix does (initial_destination_
 *    concurrency). With one in flight, a message that hangs would hold up all mail
 *    for the site; with the usual limit of 20, a site that is down would cost twenty
 *    slots until the first time-out.
 *  - Below `threshold` each success opens one more place, besides its own that
 *    becomes free: the window doubles with each round, from 5 to 20 in two.
 *  - From `threshold` on a success opens 1/window of a place: one more with each
 *    round. The threshold is where the site last accepted less, so that the window
 *    gets close to that fast and goes beyond it slowly. At first there is none:
 *    UINT32_MAX.
 *  - "Not now" to a message takes 1/window: a round that is deferred as a whole
 *    makes it one less. That is greylisting more often than a site that is too busy.
 *  - Trouble (no connection, 421) halves it, and the threshold goes along.
 *
 * After trouble TROUBLES_MAX times in a row, a site that had worked is dead: three
 * halvings bring the usual 20 to 2.5, below what a new site gets on trust, so
 * nothing is left of what it had proved. A site that has proved nothing is dead at
 * once: it is usually a name where nothing listens. (Postfix takes the failure of
 * one whole window, by default; with a window of 5 that is about as many.) A dead
 * site is probed with one part after dead_first_ms, and the wait doubles with each
 * probe that fails, up to dead_longest_ms. Parts that were in flight when it died
 * met the same trouble: they do not count again. */
#include <stdint.h>
#include <utlist.h>

#include "lib/base/check.h"
#include "lib/base/mem.h"
#include "spool-broker/schedule/backoff.h"
#include "spool-broker/schedule/heap.h"
#include "spool-broker/schedule/private.h"
#include "spool-broker/schedule/schedule.h"

/* A new site's window, and the one that a revived one starts from. */
#define WINDOW_START 5.0
enum {
	TROUBLES_MAX = 3, /* in a row */
	REST_MS = 60000,  /* a site without mail is remembered */
	RESTING_MAX = 10000,
	RENEW_MS = 1000, /* of permits: this also gives a chance to the other brokers that wait for them */
	FAILED_MS = 300, /* before a request that did not reach the store is repeated */
};

/* ---- Sites: creation and end ---- */
struct site *
site_get(struct schedule *s, struct str name)
{
	struct site *site = NULL;

	HASH_FIND(hh, s->sites, name.p, name.len, site);
	if (site != NULL)
		return site;
	site = mem_zalloc(sizeof(*site) + name.len + 1);
	memcpy(site->name, name.p, name.len);
	site->window = WINDOW_START;
	site->threshold = UINT32_MAX;
	HASH_ADD_KEYPTR(hh, s->sites, site->name, name.len, site);
	return site;
}

static void
site_forget(struct schedule *s, struct site *site)
{
	DL_DELETE(s->resting, site);
	s->resting_count--;
	heap_remove(&s->wakes, &site->wake);
	heap_remove(&s->asks, &site->ask);
	heap_remove(&s->crowded, &site->crowd);
	HASH_DEL(s->sites, site);
	mem_free(site->trouble);
	mem_free(site);
}

void
sites_forget(struct schedule *s, bool all)
{
	while (s->resting != NULL &&
	       (all || s->resting_count > RESTING_MAX || s->now_ms - s->resting->rests_since_ms > REST_MS))
		site_forget(s, s->resting);
}

/* It is healthy again. */
static void
site_revive(struct schedule *s, struct site *site, enum site_state state)
{
	heap_remove(&s->wakes, &site->wake);
	site->state = state;
	site->deaths = site->troubles = 0;
	mem_free(site->trouble);
	site->trouble = NULL;
}

/* ---- When it asks for permits ---- */
static bool
needs_permits(const struct site *site)
{
	return site->limits.at_once_all != 0 || site->limits.per_minute != 0;
}

static void
ask_at(struct schedule *s, struct site *site, int64_t time_ms)
{
	if (time_ms < site->ask_after_ms)
		time_ms = site->ask_after_ms;
	if (!heap_has(&site->ask) || time_ms < site->ask.time_ms)
		heap_set(&s->asks, &site->ask, time_ms);
}

/* The store, and so the other brokers, learn what was in flight before the
 * limits applied only by this site's asking. */
static void
tell_active(struct schedule *s, struct site *site)
{
	if (needs_permits(site) && site->active != 0 && !site->asked)
		ask_at(s, site, s->now_ms);
}

/* ---- Lanes: adding and removing ---- */
void
site_join(struct schedule *s, struct site *site, unsigned active)
{
	if (site->rests) {
		DL_DELETE(s->resting, site);
		s->resting_count--;
		site->rests = false;
	}
	if (site->lanes++ == 0)
		s->totals.sites++;
	site->active += active;
	if (active != 0)
		tell_active(s, site);
}

void
site_leave(struct schedule *s, struct site *site, unsigned active)
{
	CHECKF(site->lanes != 0 && site->active >= active, "site %s", site->name);
	site->active -= active;
	if (--site->lanes != 0) {
		site_call_back(s, site);
		return;
	}
	/* What is known about a dead site is kept only as long as mail waits for it. */
	if (site->state == SITE_DEAD || site->state == SITE_PROBED) {
		site_revive(s, site, SITE_NEW);
		site->window = WINDOW_START;
	}
	s->totals.sites--;
	heap_remove(&s->crowded, &site->crowd);
	site->rests = true;
	site->rests_since_ms = s->now_ms;
	DL_APPEND(s->resting, site);
	s->resting_count++;
}

/* ---- Room ---- */
static unsigned
window_room(const struct site *site)
{
	double window = site->window;

	if (site->state == SITE_DEAD)
		return 0;
	if (site->state == SITE_PROBED)
		return site->active == 0 ? 1 : 0;
	if (site->limits.at_once == 0)
		return UINT32_MAX;
	if (window > site->limits.at_once)
		window = site->limits.at_once;
	return site->active < (unsigned)window ? (unsigned)window - site->active : 0;
}

static unsigned
permit_room(const struct schedule *s, const struct site *site)
{
	unsigned room = UINT32_MAX;

	if (site->limits.at_once_all != 0) {
		unsigned quota = s->now_ms < site->quota_until_ms ? site->quota : 0;
		room = quota > site->active ? quota - site->active : 0;
	}
	if (site->limits.per_minute != 0 && site->tokens < room)
		room = site->tokens;
	return room;
}

/* The share of the workers' slots. Where there is no limit at all, as for local
 * delivery, everything goes to one site, which must not keep anyone waiting. */
static unsigned
slot_room(const struct schedule *s, const struct site *site)
{
	return site->limits.at_once != 0 ? share_of_site(s, site->active) : UINT32_MAX;
}

/* Is there a place besides those that are kept for lanes of this priority or a higher one? */
static bool
has_room(const struct schedule *s, const struct site *site, unsigned priority)
{
	unsigned window = window_room(site), permits = permit_room(s, site), slots = slot_room(s, site), kept = 0;
	unsigned room = window < permits ? window : permits;

	for (unsigned i = priority; i < PRIORITIES; i++)
		kept += site->called[i];
	return (room < slots ? room : slots) > kept;
}

bool
site_has_room_for(const struct schedule *s, const struct lane *l)
{
	return l->called ? has_room(s, l->site, PRIORITIES) : has_room(s, l->site, (unsigned)l->key.priority);
}

/* The highest priority of the parked lanes; -1: there are none. */
static int
highest_parked(const struct site *site)
{
	int priority = PRIORITY_HIGH;

	while (priority >= 0 && site->parked[priority] == NULL)
		priority--;
	return priority;
}

/* Of this priority or a lower one; NULL: none. */
static struct lane *
next_parked(struct site *site, unsigned priority)
{
	struct lane *l = site->parked[priority];

	if (priority == PRIORITY_LOW)
		return l;
	if (l != NULL && site->in_a_row[priority] < LOWER_TURN) {
		site->in_a_row[priority]++;
		return l;
	}
	site->in_a_row[priority] = 0;
	l = next_parked(site, priority - 1);
	return l != NULL ? l : site->parked[priority];
}

void
site_call_back(struct schedule *s, struct site *site)
{
	unsigned slots = slot_room(s, site);
	int highest;

	while ((highest = highest_parked(site)) >= 0 && has_room(s, site, (unsigned)highest))
		lane_call(s, next_parked(site, PRIORITY_HIGH));
	share_note_site(s, site, highest >= 0 && slots < window_room(site) && slots < permit_room(s, site));
	if (highest >= 0 && !site->asked && needs_permits(site) && window_room(site) > permit_room(s, site))
		ask_at(s, site, s->now_ms);
}

bool
site_is_throttled(const struct site *site)
{
	return highest_parked(site) >= 0 && needs_permits(site) && site->ask_after_ms != 0 && window_room(site) > 0;
}

void
site_set_limits(struct schedule *s, struct site *site, const struct site_limits *limits)
{
	if (memcmp(&site->limits, limits, sizeof(*limits)) == 0)
		return;
	site->limits = *limits;
	if (site->limits.at_once_all == 0)
		site->quota = 0;
	if (site->limits.per_minute == 0)
		site->tokens = 0;
	site->ask_after_ms = 0;
	tell_active(s, site);
	site_call_back(s, site);
}

/* ---- Tries ---- */
void
site_probe(struct schedule *s, struct site *site)
{
	CHECKF(site->state == SITE_DEAD, "site %s", site->name);
	heap_remove(&s->wakes, &site->wake);
	site->state = SITE_PROBED;
}

void
site_begin(struct schedule *s, struct site *site)
{
	site->active++;
	if (site->limits.per_minute != 0 && site->tokens != 0)
		site->tokens--;
	/* The store learns about the places that it holds only by its asking. */
	if (needs_permits(site) && !site->asked)
		ask_at(s, site, s->now_ms + RENEW_MS);
}

static void
on_answered(struct schedule *s, struct site *site)
{
	double most = site->limits.at_once;

	if (site->state == SITE_DEAD || site->state == SITE_PROBED)
		site->window = WINDOW_START;
	else if (site->window < most)
		site->window += site->window < site->threshold ? 1 : 1 / site->window;
	site_revive(s, site, SITE_WORKS);
}

/* It works, but accepts less from us, or uses greylisting. */
static void
on_put_off(struct schedule *s, struct site *site)
{
	site_revive(s, site, SITE_WORKS);
	site->window = site->window - 1 / site->window > 1 ? site->window - 1 / site->window : 1;
	site->threshold = site->window;
}

static void
on_trouble(struct schedule *s, struct site *site, const char *words, int64_t retry_after_ms)
{
	mem_free(site->trouble);
	site->trouble = mem_strdup(words != NULL ? words : "");
	site->window = site->window / 2 > 1 ? site->window / 2 : 1;
	site->threshold = site->window;
	site->troubles++;
	if (site->state == SITE_DEAD || (site->state == SITE_WORKS && site->troubles < TROUBLES_MAX))
		return;
	site->deaths++;
	site->state = SITE_DEAD;
	if (retry_after_ms <= 0)
		retry_after_ms =
			backoff_ms(s->limits.dead_first_ms, s->limits.dead_longest_ms, site->deaths, backoff_random());
	heap_set(&s->wakes, &site->wake, s->now_ms + retry_after_ms);
}

void
site_end(struct schedule *s, struct site *site, enum try_end end, const char *trouble, int64_t retry_after_ms)
{
	CHECKF(site->active != 0, "site %s", site->name);
	site->active--;
	if (end == TRY_ANSWERED)
		on_answered(s, site);
	else if (end == TRY_PUT_OFF)
		on_put_off(s, site);
	else if (end == TRY_TROUBLE)
		on_trouble(s, site, trouble, retry_after_ms);
	site_call_back(s, site);
}

/* ---- Permits ---- */
/* Parts that would begin at once if the limits for all brokers allowed it. */
static unsigned
sites_wanted(const struct site *site)
{
	unsigned room = window_room(site), count = 0;
	const struct lane *l;

	for (unsigned i = 0; i < PRIORITIES; i++)
		DL_FOREACH (site->parked[i], l) {
			count += l->queued;
			if (count >= room)
				return room;
		}
	return count;
}

bool
sites_next_wish(struct schedule *s, int64_t now_ms, struct permit_wish *wish_out)
{
	struct heap_node *node = heap_first(&s->asks);
	struct site *site;

	s->now_ms = now_ms;
	if (node == NULL || node->time_ms > now_ms)
		return false;
	site = heap_owner(node, struct site, ask);
	heap_remove(&s->asks, node);
	*wish_out = (struct permit_wish){.site = site->name,
					 .active = site->active,
					 .wanted = sites_wanted(site),
					 .returned = site->tokens,
					 .limits = site->limits};
	site->tokens = 0;
	site->asked = true;
	return true;
}

void
sites_permit(struct schedule *s, struct str name, const struct permit *permit, int64_t now_ms)
{
	struct site *site = NULL;

	s->now_ms = now_ms;
	HASH_FIND(hh, s->sites, name.p, name.len, site);
	if (site == NULL || !site->asked)
		return;
	site->asked = false;
	if (permit->valid_ms != 0) {
		site->quota = permit->quota;
		site->quota_until_ms = now_ms + permit->valid_ms;
		site->tokens = site->limits.per_minute != 0 ? permit->tokens : 0;
	}
	site->ask_after_ms = permit->wait_ms != 0 ? now_ms + permit->wait_ms : 0;
	if (needs_permits(site) && (site->active != 0 || site->quota != 0 || site->tokens != 0))
		ask_at(s, site, now_ms + RENEW_MS);
	else if (permit->valid_ms == 0)
		ask_at(s, site, now_ms + FAILED_MS);
	site_call_back(s, site);
}
