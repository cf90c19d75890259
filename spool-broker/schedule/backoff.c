/* How long to wait before the next try. */
#include "spool-broker/schedule/backoff.h"

#include <stdlib.h>
#include <sys/random.h>

int64_t
backoff_ms(int64_t first_ms, int64_t longest_ms, unsigned tries, uint32_t random)
{
	int64_t wait_ms = first_ms < longest_ms ? first_ms : longest_ms;

	for (unsigned i = 1; i < tries && wait_ms < longest_ms; i++)
		wait_ms = wait_ms > longest_ms / 2 ? longest_ms : wait_ms * 2;
	return wait_ms - wait_ms / 8 + (int64_t)random % (wait_ms / 4 + 1);
}

uint32_t
backoff_random(void)
{
	static uint64_t state;

	while (state == 0)
		if (getrandom(&state, sizeof(state), 0) < 0)
			state = 1;
	state ^= state << 13; /* xorshift */
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 32);
}
