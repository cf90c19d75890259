/* Which keys of a snapshot are which. */
#ifndef SP_BACKUP_KEY_H
#define SP_BACKUP_KEY_H

#include <stdbool.h>

#include "lib/base/str.h"
#include "lib/redis/keys.h"

/* Is the key one of the row's, by what stands before the first part of its pattern,
 * and by its end? tail: the end, with '0' for a number. */
bool backup_key_is(struct str key, enum redis_key row, const char *tail);

#endif
