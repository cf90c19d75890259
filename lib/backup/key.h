/* Classifies the keys of a snapshot. */
#ifndef SP_BACKUP_KEY_H
#define SP_BACKUP_KEY_H

#include <stdbool.h>

#include "lib/base/str.h"
#include "lib/redis/keys.h"

/* Does the key belong to the row? Compares the text before the first part of the
 * row's pattern, and the end of the key. tail: the end, with '0' for a number. */
bool backup_key_is(struct str key, enum redis_key row, const char *tail);

#endif
