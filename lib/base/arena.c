/* A chain of blocks, newest first. */
#include "lib/base/arena.h"

#include <stdalign.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/base/mem.h"

enum {
	BLOCK_BYTES = 1024,
	/* For an arena with much data: fewer blocks to allocate and free. */
	LARGE_BLOCK_BYTES = 32 * 1024,
	MUCH_BYTES = 128 * 1024,
	/* For larger blocks, the system provides zeroed pages as they are touched. */
	ZEROED_BYTES = 128 * 1024,
	ALIGNMENT = 16,
};

struct arena_block {
	struct arena_block *older; /* owner */
	size_t size;		   /* bytes of data */
	size_t used;
	alignas(ALIGNMENT) char data[];
};

void
arena_init(struct arena *a)
{
	a->newest = NULL;
	a->total_bytes = 0;
}

void
arena_fini(struct arena *a)
{
	while (a->newest != NULL) {
		struct arena_block *older = a->newest->older;
		mem_free(a->newest);
		a->newest = older;
	}
	a->total_bytes = 0;
}

void
arena_reset(struct arena *a)
{
	while (a->newest != NULL && (a->newest->older != NULL || a->newest->size > BLOCK_BYTES)) {
		struct arena_block *older = a->newest->older;
		mem_free(a->newest);
		a->newest = older;
	}
	if (a->newest != NULL)
		a->newest->used = 0;
	a->total_bytes = 0;
}

void
arena_wipe(struct arena *a)
{
	for (struct arena_block *b = a->newest; b != NULL; b = b->older)
		explicit_bzero(b->data, b->used);
}

static struct arena_block *
arena_add_block(struct arena *a, size_t size)
{
	size_t room = a->total_bytes > MUCH_BYTES ? LARGE_BLOCK_BYTES : BLOCK_BYTES;
	struct arena_block *b;

	room = size > room ? size : room;
	b = size > ZEROED_BYTES ? mem_zalloc(sizeof(*b) + room) : mem_alloc(sizeof(*b) + room);
	b->older = a->newest;
	b->size = room;
	b->used = 0;
	a->newest = b;
	return b;
}

void *
arena_alloc(struct arena *a, size_t size)
{
	struct arena_block *b = a->newest;
	void *p;

	CHECK(size < ((size_t)1 << 40));
	size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
	if (b == NULL || b->size - b->used < size)
		b = arena_add_block(a, size);
	p = b->data + b->used;
	b->used += size;
	a->total_bytes += size;
	if (size <= ZEROED_BYTES)
		memset(p, 0, size);
	return p;
}

char *
arena_dup(struct arena *a, const void *data, size_t len)
{
	char *copy = arena_alloc(a, len + 1);
	if (len != 0)
		memcpy(copy, data, len);
	return copy;
}

char *
arena_strdup(struct arena *a, const char *s)
{
	return arena_dup(a, s, strlen(s));
}

struct str
arena_str(struct arena *a, struct str s)
{
	return str_of(arena_dup(a, s.p, s.len), s.len);
}

char *
arena_printf(struct arena *a, const char *format, ...)
{
	va_list ap;
	char *text;
	int len;

	va_start(ap, format);
	len = vsnprintf(NULL, 0, format, ap);
	va_end(ap);
	CHECK(len >= 0);
	text = arena_alloc(a, (size_t)len + 1);
	va_start(ap, format);
	vsnprintf(text, (size_t)len + 1, format, ap);
	va_end(ap);
	return text;
}
