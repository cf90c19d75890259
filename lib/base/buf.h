/* A growing byte buffer that owns its bytes. Always terminated by a NUL that is
 * not counted, so buf.data is a C string once something has been appended. */
#ifndef SP_BASE_BUF_H
#define SP_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/str.h"

struct buf {
	char *data;	 /* owner; NULL until something is appended */
	size_t len;	 /* bytes in use */
	size_t capacity; /* bytes allocated */
};

#define BUF_EMPTY ((struct buf){NULL, 0, 0})

void buf_fini(struct buf *b);  /* frees; the buffer is empty and usable again */
void buf_clear(struct buf *b); /* forgets the content, keeps the memory */
/* Room for `more` further bytes; returns where to write them. The caller then
 * adds what it wrote to b->len. */
char *buf_reserve(struct buf *b, size_t more);
void buf_add(struct buf *b, const void *data, size_t len);
void buf_add_str(struct buf *b, struct str s);
void buf_add_c(struct buf *b, const char *s);
void buf_add_byte(struct buf *b, char c);
__attribute__((format(printf, 2, 3))) void buf_printf(struct buf *b, const char *format, ...);
__attribute__((format(printf, 2, 0))) void buf_vprintf(struct buf *b, const char *format, va_list ap);
void buf_add_decimal(struct buf *b, uint64_t v); /* digits, faster than printf */
/* Little-endian, as all stored binary records are. */
void buf_add_u16(struct buf *b, uint16_t v);
void buf_add_u32(struct buf *b, uint32_t v);
void buf_add_u64(struct buf *b, uint64_t v);

static inline struct str
buf_str(const struct buf *b)
{
	return (struct str){b->data, b->len};
}

#endif
