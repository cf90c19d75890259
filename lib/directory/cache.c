/* A bounded cache of records, existing and missing ones. The least recently
 * used is evicted first; nothing is older than max_age_ms. */
#include "lib/base/clock.h"
#include "lib/directory/private.h"

struct cache_entry {
	struct record *record; /* owner of a reference */
	int64_t expires_ms;    /* monotonic */
	struct cache_entry *prev, *next;
	UT_hash_handle hh;
	char key[]; /* of hh.keylen bytes */
};

void
cache_init(struct cache *c, unsigned capacity, int64_t max_age_ms)
{
	*c = (struct cache){.capacity = capacity, .max_age_ms = max_age_ms};
}

static void
drop_entry(struct cache *c, struct cache_entry *entry)
{
	CHECK(entry != NULL && c->table != NULL);
	HASH_DEL(c->table, entry);
	DL_DELETE(c->entries, entry);
	record_unref(&entry->record);
	mem_free(entry);
}

void
cache_clear(struct cache *c)
{
	while (c->entries != NULL)
		drop_entry(c, c->entries);
}

static struct cache_entry *
cache_find_entry(struct cache *c, struct str key)
{
	struct cache_entry *entry;
	HASH_FIND(hh, c->table, key.p, key.len, entry);
	return entry;
}

struct record *
cache_find(struct cache *c, struct str key)
{
	struct cache_entry *entry = cache_find_entry(c, key);
	if (entry == NULL)
		return NULL;
	if (entry->expires_ms <= clock_monotonic_ms()) {
		drop_entry(c, entry);
		return NULL;
	}
	if (entry->next != NULL) {
		DL_DELETE(c->entries, entry);
		DL_APPEND(c->entries, entry);
	}
	return entry->record;
}

void
cache_put(struct cache *c, struct str key, struct record *record)
{
	cache_drop(c, key);
	if (c->capacity == 0)
		return;
	if (HASH_COUNT(c->table) >= c->capacity)
		drop_entry(c, c->entries);
	struct cache_entry *entry = mem_zalloc(sizeof(*entry) + key.len);
	memcpy(entry->key, key.p, key.len);
	entry->record = record_ref(record);
	entry->expires_ms = clock_monotonic_ms() + c->max_age_ms;
	HASH_ADD(hh, c->table, key, key.len, entry);
	DL_APPEND(c->entries, entry);
}

void
cache_drop(struct cache *c, struct str key)
{
	struct cache_entry *entry = cache_find_entry(c, key);
	if (entry != NULL)
		drop_entry(c, entry);
}
