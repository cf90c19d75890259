/* How long to wait before the next try: pure functions. */
#ifndef SP_BROKER_BACKOFF_H
#define SP_BROKER_BACKOFF_H

#include <stdint.h>

/* first_ms after the first failure, doubled for each further one, at most
 * longest_ms; then up to an eighth more or less, at random, so that messages
 * that failed together are not tried together. tries counts from 1. */
int64_t backoff_ms(int64_t first_ms, int64_t longest_ms, unsigned tries, uint32_t random);

/* A random number for this; not suitable as a secret. */
uint32_t backoff_random(void);

#endif
