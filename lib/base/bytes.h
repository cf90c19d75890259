/* Little-endian integers at any address: the byte order of all stored records. */
#ifndef SP_BASE_BYTES_H
#define SP_BASE_BYTES_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define BYTES_ACCESSORS(bits) \
	static inline uint##bits##_t bytes_get_u##bits(const void *p) \
	{ \
		uint##bits##_t v; \
		memcpy(&v, p, sizeof(v)); \
		return le##bits##toh(v); \
	} \
	static inline void bytes_put_u##bits(void *p, uint##bits##_t v) \
	{ \
		v = htole##bits(v); \
		memcpy(p, &v, sizeof(v)); \
	}

BYTES_ACCESSORS(16)
BYTES_ACCESSORS(32)
BYTES_ACCESSORS(64)

/* 48-bit offsets and lengths of packed records. */
static inline uint64_t
bytes_get_u48(const void *p)
{
	return bytes_get_u32(p) | (uint64_t)bytes_get_u16((const char *)p + 4) << 32;
}

static inline void
bytes_put_u48(void *p, uint64_t v)
{
	bytes_put_u32(p, (uint32_t)v);
	bytes_put_u16((char *)p + 4, (uint16_t)(v >> 32));
}

#undef BYTES_ACCESSORS
#endif
