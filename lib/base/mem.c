/* malloc that stops the process instead of failing. */
#include "lib/base/mem.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/check.h"

void *
mem_alloc(size_t size)
{
	void *p = malloc(size != 0 ? size : 1);
	CHECKF(p != NULL, "out of memory for %zu bytes", size);
	return p;
}

void *
mem_zalloc(size_t size)
{
	void *p = calloc(1, size != 0 ? size : 1);
	CHECKF(p != NULL, "out of memory for %zu bytes", size);
	return p;
}

void *
mem_realloc(void *p, size_t size)
{
	void *grown = realloc(p, size != 0 ? size : 1);
	CHECKF(grown != NULL, "out of memory for %zu bytes", size);
	return grown;
}

char *
mem_strndup(const char *s, size_t len)
{
	char *copy = mem_alloc(len + 1);
	if (len != 0)
		memcpy(copy, s, len);
	copy[len] = '\0';
	return copy;
}

char *
mem_strdup(const char *s)
{
	return mem_strndup(s, strlen(s));
}

void
mem_free(void *p)
{
	free(p);
}
