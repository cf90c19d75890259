#include "frontend/core/addresses.h"

#include <string.h>

#include <uthash.h>

#include "lib/base/check.h"
#include "lib/base/mem.h"

enum { ADDRESS_NETWORK_BYTES = 8 };

struct address {
	struct ip client;
	unsigned count;
	UT_hash_handle hh;
};

/* Bytes that are not of the network are zero: it is a key. */
static struct ip
address_network(const struct ip *client)
{
	struct ip ip = {.family = client->family};

	memcpy(ip.bytes, client->bytes, client->family == 6 ? ADDRESS_NETWORK_BYTES : 4);
	return ip;
}

unsigned
addresses_add(struct address **all, const struct ip *client)
{
	struct ip key = address_network(client);
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
	struct ip key = address_network(client);
	struct address *a;

	HASH_FIND(hh, *all, &key, sizeof(key), a);
	CHECK(a != NULL && a->count != 0);
	if (--a->count != 0)
		return;
	HASH_DEL(*all, a);
	mem_free(a);
}
