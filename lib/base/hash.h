/* The hash of tables whose keys come from clients. Each process hashes in its own way:
 * whoever chooses the keys cannot tell which of them collide. Never stored, and never
 * sent to another process. */
#ifndef SP_BASE_HASH_H
#define SP_BASE_HASH_H

#include <stdint.h>

#include "lib/base/str.h"

/* more: goes into the hash too, as a second part of the key; 0 for none. All bits are
 * good for a mask. */
uint64_t hash_str(struct str text, uint64_t more);

#endif
