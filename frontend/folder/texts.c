/* Texts stored beside the records. */
#include "frontend/folder/texts.h"

#include <string.h>

#include "frontend/folder/private.h"
#include "lib/base/mem.h"

enum { BLOCK_BYTES = 64 * 1024 };

struct pool_block {
	struct pool_block *older; /* owner */
	char data[];
};

struct folder_pool {
	unsigned refs;
	struct pool_block *newest; /* owner of the chain */
	size_t used, room;	   /* bytes in the newest block */
	size_t bytes;		   /* of all blocks */
};

/* ---- The pool ---- */

void
folder_pool_unref(struct folder_pool **p)
{
	struct folder_pool *pool = *p;

	*p = NULL;
	if (pool == NULL || --pool->refs != 0)
		return;
	while (pool->newest != NULL) {
		struct pool_block *older = pool->newest->older;
		mem_free(pool->newest);
		pool->newest = older;
	}
	mem_free(pool);
}

/* NULL: the pool is full. */
static struct folder_text *
texts_pool_take(struct folder_pool *pool, size_t size)
{
	struct folder_text *text;

	size = (size + sizeof(uint32_t) - 1) & ~(sizeof(uint32_t) - 1);
	if (pool->room - pool->used < size) {
		size_t room = size > BLOCK_BYTES ? size : BLOCK_BYTES;
		struct pool_block *block;
		if (pool->bytes + room > FOLDER_TEXTS_BYTES)
			return NULL;
		block = mem_alloc(sizeof(*block) + room);
		block->older = pool->newest;
		pool->newest = block;
		pool->used = 0;
		pool->room = room;
		pool->bytes += room;
	}
	text = (struct folder_text *)(void *)(pool->newest->data + pool->used);
	pool->used += size;
	return text;
}

struct folder_pool *
folder_texts_pool(struct folder_index *ix)
{
	struct folder_index_private *p = folder_inside(ix);

	if (p->pool != NULL && p->pool->bytes + BLOCK_BYTES > FOLDER_TEXTS_BYTES)
		folder_texts_forget(ix);
	if (p->pool == NULL) {
		p->pool = mem_new(struct folder_pool);
		p->pool->refs = 1;
	}
	p->pool->refs++;
	return p->pool;
}

/* ---- By position ---- */

const struct folder_text *
folder_texts_get(const struct folder_index *ix, const struct folder_pool *pool, unsigned kind, uint32_t at)
{
	const struct folder_index_private *p = folder_inside(ix);

	return p->pool == pool && p->texts[kind] != NULL ? p->texts[kind][at] : NULL;
}

const struct folder_text *
folder_texts_keep(struct folder_index *ix, struct folder_pool *pool, unsigned kind, uint32_t at, struct str text)
{
	struct folder_index_private *p = folder_inside(ix);
	struct folder_text *kept;

	if (p->pool != pool || (kept = texts_pool_take(pool, sizeof(*kept) + text.len)) == NULL)
		return NULL;
	kept->len = (uint32_t)text.len;
	if (text.len != 0)
		memcpy(kept->bytes, text.p, text.len);
	if (p->texts[kind] == NULL)
		p->texts[kind] = mem_zalloc(sizeof(*p->texts[kind]) * p->capacity);
	p->texts[kind][at] = kept;
	return kept;
}

void
folder_texts_resize(struct folder_index *ix, uint32_t had, uint32_t capacity)
{
	struct folder_index_private *p = folder_inside(ix);

	for (unsigned kind = 0; kind < FOLDER_TEXT_KINDS; kind++) {
		if (p->texts[kind] == NULL)
			continue;
		p->texts[kind] = mem_realloc(p->texts[kind], sizeof(*p->texts[kind]) * capacity);
		for (uint32_t i = had; i < capacity; i++)
			p->texts[kind][i] = NULL;
	}
}

void
folder_texts_move(struct folder_index *ix, uint32_t from, uint32_t to, uint32_t count)
{
	struct folder_index_private *p = folder_inside(ix);

	for (unsigned kind = 0; kind < FOLDER_TEXT_KINDS; kind++)
		if (p->texts[kind] != NULL)
			memmove(p->texts[kind] + to, p->texts[kind] + from, sizeof(*p->texts[kind]) * count);
}

void
folder_texts_begin(struct folder_index *ix, uint32_t at)
{
	struct folder_index_private *p = folder_inside(ix);

	for (unsigned kind = 0; kind < FOLDER_TEXT_KINDS; kind++)
		if (p->texts[kind] != NULL)
			p->texts[kind][at] = NULL;
}

size_t
folder_texts_bytes(const struct folder_index *ix)
{
	const struct folder_index_private *p = folder_inside(ix);
	size_t bytes = p->pool != NULL ? p->pool->bytes : 0;

	for (unsigned kind = 0; kind < FOLDER_TEXT_KINDS; kind++)
		bytes += p->texts[kind] != NULL ? sizeof(*p->texts[kind]) * p->capacity : 0;
	return bytes;
}

void
folder_texts_forget(struct folder_index *ix)
{
	struct folder_index_private *p = folder_inside(ix);

	folder_pool_unref(&p->pool);
	for (unsigned kind = 0; kind < FOLDER_TEXT_KINDS; kind++) {
		mem_free(p->texts[kind]);
		p->texts[kind] = NULL;
	}
}
