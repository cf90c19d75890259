/* A hash table of names. */
#include <string.h>

#include "frontend/imap/search/thread_private.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"

void
thread_table_init(struct thread_table *t, uint64_t names)
{
	uint64_t slots = 16;

	while (slots < names * 2)
		slots *= 2;
	t->slots = mem_zalloc(slots * sizeof(struct thread_named *));
	t->mask = slots - 1;
	/* Senders of messages cannot know which names collide. */
	t->seed = (uint64_t)clock_monotonic_us() ^ (uint64_t)(uintptr_t)t->slots;
}

void
thread_table_fini(struct thread_table *t)
{
	mem_free(t->slots);
	t->slots = NULL;
}

static uint64_t
table_mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 29;
}

static uint64_t
table_hash(const struct thread_table *t, struct str name)
{
	uint64_t hash = table_mix(t->seed, name.len), word;

	for (; name.len >= sizeof(word); name = str_from(name, sizeof(word))) {
		memcpy(&word, name.p, sizeof(word));
		hash = table_mix(hash, word);
	}
	word = 0;
	if (name.len != 0)
		memcpy(&word, name.p, name.len);
	return table_mix(table_mix(hash, word), t->seed);
}

struct thread_named **
thread_table_find(struct thread_table *t, struct str name)
{
	uint64_t at = table_hash(t, name) & t->mask;

	while (t->slots[at] != NULL && !str_eq(t->slots[at]->name, name))
		at = (at + 1) & t->mask;
	return &t->slots[at];
}
