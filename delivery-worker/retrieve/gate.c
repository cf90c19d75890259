/* Trouble of our own (the store is full, no broker takes messages) concerns every account: the worker waits, longer
 * each time, and then tries one account, not all. */
#include "delivery-worker/retrieve/private.h"
#include "lib/base/clock.h"

enum {
	GATE_FIRST_MS = 5 * 1000,
	GATE_LONGEST_MS = 2 * 60 * 1000,
	GATE_SPREAD_MS = 2 * 1000,
	GATE_PROBE_MS = 20 * 1000, /* then another account is tried */
};

/* Up to a fifth less or more: other workers have the same trouble. */
static int64_t
gate_jitter(int64_t ms)
{
	return ms - ms / 5 + (int64_t)arc4random_uniform((uint32_t)(ms / 5 * 2 + 1));
}

int64_t
gate_on_trouble(struct retriever *v)
{
	struct gate *g = &v->gate;
	int64_t now = clock_monotonic_ms(), wait = GATE_FIRST_MS;

	/* Rounds that were in progress all fail: that is one trouble. */
	if (now >= g->until_ms) {
		for (unsigned i = 0; i < g->troubles && wait < GATE_LONGEST_MS; i++)
			wait *= 2;
		g->troubles++;
		g->until_ms = now + gate_jitter(wait < GATE_LONGEST_MS ? wait : GATE_LONGEST_MS);
		g->probe_until_ms = 0;
		log_warning(NULL, "retrieval waits because of trouble here", F_I64("ms", g->until_ms - now));
	}
	return g->until_ms - now + (int64_t)arc4random_uniform(GATE_SPREAD_MS);
}

void
gate_on_good(struct retriever *v, bool took_mail)
{
	struct gate *g = &v->gate;

	if (g->troubles == 0)
		return;
	/* A round that found nothing new says little about the store. */
	g->troubles = took_mail ? 0 : g->troubles - 1;
	g->probe_until_ms = 0;
	if (took_mail)
		g->until_ms = 0;
}

void
gate_on_start(struct retriever *v)
{
	if (v->gate.troubles > 0)
		v->gate.probe_until_ms = clock_monotonic_ms() + GATE_PROBE_MS;
}

unsigned
gate_room(const struct retriever *v, unsigned room)
{
	const struct gate *g = &v->gate;
	int64_t now = clock_monotonic_ms();

	if (g->troubles == 0 || room == 0)
		return room;
	return now >= g->until_ms && now >= g->probe_until_ms ? 1 : 0;
}
