/* Spool ids: 20 characters of Crockford's base32 in lower case, made of 48 bits
 * unix time in ms, 12 bits shard, 40 bits random. Their text order is the order
 * of time. */
#ifndef SP_SPOOL_ID_H
#define SP_SPOOL_ID_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/str.h"

/* Bytes of a packed envelope. Together with the state of all its recipients (7 MiB at
 * most, spool-broker/queue/message.h) a message always fits into one frame of the bus
 * (16 MiB). */
#define SPOOL_ENVELOPE_MAX (6 * 1024 * 1024)

#define SPOOL_ID_LEN	 20
#define SPOOL_ID_MAX	 (SPOOL_ID_LEN + 1)
#define SPOOL_SHARDS_MAX 4096

void spool_id_new(unsigned shard, char out[SPOOL_ID_MAX]);
/* The id of the n-th report about a message. It is always the same, and in the
 * same shard, so that a report made twice is handed over once. */
void spool_id_derive(struct str id, const char *purpose, unsigned n, char out[SPOOL_ID_MAX]);
/* True if well-formed; then also returns its parts (outs may be NULL). */
bool spool_id_parse(struct str id, unsigned *shard_out, int64_t *unix_ms_out);

#endif
