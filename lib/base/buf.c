/* A growing byte buffer. */
#include "lib/base/buf.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/bytes.h"
#include "lib/base/check.h"
#include "lib/base/mem.h"

void
buf_fini(struct buf *b)
{
	mem_free(b->data);
	*b = BUF_EMPTY;
}

void
buf_clear(struct buf *b)
{
	b->len = 0;
	if (b->data != NULL)
		b->data[0] = '\0';
}

char *
buf_reserve(struct buf *b, size_t more)
{
	size_t need;

	/* Catches a length that wrapped around elsewhere. */
	CHECKF(more < ((size_t)1 << 40) && b->len < ((size_t)1 << 40), "%zu bytes behind %zu", more, b->len);
	need = b->len + more + 1;
	if (need > b->capacity) {
		size_t grown = b->capacity * 2 > need ? b->capacity * 2 : need;
		b->data = mem_realloc(b->data, grown < 64 ? 64 : grown);
		b->capacity = grown < 64 ? 64 : grown;
	}
	return b->data + b->len;
}

void
buf_add(struct buf *b, const void *data, size_t len)
{
	char *at = buf_reserve(b, len);
	if (len != 0)
		memcpy(at, data, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void
buf_add_str(struct buf *b, struct str s)
{
	buf_add(b, s.p, s.len);
}

void
buf_add_c(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void
buf_add_byte(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void
buf_vprintf(struct buf *b, const char *format, va_list ap)
{
	va_list again;
	int len;

	va_copy(again, ap);
	len = vsnprintf(NULL, 0, format, again);
	va_end(again);
	CHECK(len >= 0);
	vsnprintf(buf_reserve(b, (size_t)len), (size_t)len + 1, format, ap);
	b->len += (size_t)len;
}

void
buf_printf(struct buf *b, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	buf_vprintf(b, format, ap);
	va_end(ap);
}

void
buf_add_u16(struct buf *b, uint16_t v)
{
	char bytes[2];
	bytes_put_u16(bytes, v);
	buf_add(b, bytes, sizeof(bytes));
}

void
buf_add_u32(struct buf *b, uint32_t v)
{
	char bytes[4];
	bytes_put_u32(bytes, v);
	buf_add(b, bytes, sizeof(bytes));
}

void
buf_add_u64(struct buf *b, uint64_t v)
{
	char bytes[8];
	bytes_put_u64(bytes, v);
	buf_add(b, bytes, sizeof(bytes));
}

void
buf_add_decimal(struct buf *b, uint64_t v)
{
	char digits[20], *end = digits + sizeof(digits), *p = end;

	do {
		*--p = (char)('0' + v % 10);
		v /= 10;
	} while (v != 0);
	buf_add(b, p, (size_t)(end - p));
}
