#include "lib/base/hash.h"

#include <pthread.h>
#include <sys/random.h>

#include "lib/base/check.h"

static uint64_t hash_seed;

static void
hash_draw_seed(void)
{
	CHECK(getrandom(&hash_seed, sizeof(hash_seed), 0) == (ssize_t)sizeof(hash_seed));
}

/* FNV-1a, but from a start that nobody knows. */
uint64_t
hash_str(struct str text, uint64_t more)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	uint64_t hash;

	pthread_once(&once, hash_draw_seed);
	hash = hash_seed ^ more;
	for (size_t i = 0; i < text.len; i++)
		hash = (hash ^ (unsigned char)text.p[i]) * UINT64_C(0x100000001b3);
	return hash ^ hash >> 32;
}
