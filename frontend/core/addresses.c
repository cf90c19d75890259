#include "frontend/core/addresses.h"

#include <string.h>

#include <uthash.h>

#include "lib/base/check.h"
#include "lib/base/mem.h"

struct address {
	struct ip client;
	unsigned count;
	UT_hash_handle hh;
};

unsigned
addresses_add(struct address **all, const struct ip *client)
{
	struct ip key = ip_client(client);
	struct address *a;

	HASH_FIND(hh, *all, &key, sizeof(key), a);
	if (a == NULL) {
		a = mem_new(struct address);
		a->client = key;
		HASH_ADD(hh, *all, client, sizeof(a->client), a);
	}
	return ++a->count;
}

void
addresses_remove(struct address **all, const struct ip *client)
{
	struct ip key = ip_client(client);
	struct address *a;

	HASH_FIND(hh, *all, &key, sizeof(key), a);
	CHECK(a != NULL && a->count != 0);
	if (--a->count != 0)
		return;
	HASH_DEL(*all, a);
	mem_free(a);
}
