/* Heap allocation that cannot fail: running out of memory stops the process, so
 * every input has a limit. */
#ifndef SP_BASE_MEM_H
#define SP_BASE_MEM_H

#include <stddef.h>

void *mem_alloc(size_t size); /* not zeroed; size 0 returns a valid pointer */
void *mem_zalloc(size_t size);
void *mem_realloc(void *p, size_t size);
char *mem_strdup(const char *s);
char *mem_strndup(const char *s, size_t len); /* copies len bytes, adds NUL */
void mem_free(void *p);			      /* NULL is allowed */

#define mem_new(type) ((type *)mem_zalloc(sizeof(type)))

#endif
