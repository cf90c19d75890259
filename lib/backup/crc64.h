/* CRC-64 as used by Redis (Jones), at the end of its snapshots and of DUMP
 * payloads. Starts at 0. */
#ifndef SP_BACKUP_CRC64_H
#define SP_BACKUP_CRC64_H

#include <stddef.h>
#include <stdint.h>

uint64_t crc64_add(uint64_t crc, const void *data, size_t len);

#endif
