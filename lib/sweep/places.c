#include "lib/sweep/places.h"

#include <stdlib.h>

#include "lib/base/check.h"
#include "lib/base/mem.h"

/* With 32 bits per place, 10 of them set, the rate of false positives is (1 -
 * e^(-10/32))^10 = 2e-6 in each level. */
enum { BITS_A_PLACE = 32, PROBES = 10, FIRST_ROOM = 32768 };

void
places_init(struct places *p)
{
	*p = (struct places){.count = 0};
	arc4random_buf(p->seed, sizeof(p->seed));
}

void
places_fini(struct places *p)
{
	for (unsigned i = 0; i < p->level_count; i++)
		mem_free(p->levels[i]);
	*p = (struct places){.count = 0};
}

/* splitmix64's last step: every bit depends on every other. */
static uint64_t
places_mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

struct probe {
	uint64_t at, step;
};

static struct probe
places_probe(const struct places *p, uint64_t pack, uint64_t offset)
{
	uint64_t first = places_mix(pack ^ p->seed[0]), second = places_mix(first ^ offset ^ p->seed[1]);

	return (struct probe){second, places_mix(second + UINT64_C(0x9e3779b97f4a7c15)) | 1};
}

static uint64_t
places_level_bits(unsigned level)
{
	return (uint64_t)FIRST_ROOM * BITS_A_PLACE << level;
}

static bool
places_level_has(const struct places *p, unsigned level, struct probe probe)
{
	uint64_t mask = places_level_bits(level) - 1;

	for (unsigned i = 0; i < PROBES; i++, probe.at += probe.step) {
		uint64_t bit = probe.at & mask;
		if ((p->levels[level][bit / 64] >> (bit % 64) & 1) == 0)
			return false;
	}
	return true;
}

static bool
places_any_has(const struct places *p, struct probe probe)
{
	for (unsigned i = p->level_count; i-- > 0;)
		if (places_level_has(p, i, probe))
			return true;
	return false;
}

bool
places_have(const struct places *p, uint64_t pack, uint64_t offset)
{
	return places_any_has(p, places_probe(p, pack, offset));
}

static void
places_grow(struct places *p)
{
	CHECK(p->level_count < PLACES_LEVELS_MAX);
	p->levels[p->level_count] = mem_zalloc(places_level_bits(p->level_count) / 8);
	p->room = (uint64_t)FIRST_ROOM << p->level_count;
	p->level_count++;
}

bool
places_add(struct places *p, uint64_t pack, uint64_t offset)
{
	struct probe probe = places_probe(p, pack, offset);
	uint64_t mask, *level;

	if (places_any_has(p, probe))
		return false;
	if (p->room == 0)
		places_grow(p);
	CHECK(p->level_count != 0);
	level = p->levels[p->level_count - 1];
	mask = places_level_bits(p->level_count - 1) - 1;
	for (unsigned i = 0; i < PROBES; i++, probe.at += probe.step) {
		uint64_t bit = probe.at & mask;
		level[bit / 64] |= UINT64_C(1) << (bit % 64);
	}
	p->room--;
	p->count++;
	return true;
}
