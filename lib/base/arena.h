/* Memory tied to a scope: a session's lifetime, or the current command.
 * Allocations are never freed one by one; reset or fini frees them all, so an
 * early return is always safe. */
#ifndef SP_BASE_ARENA_H
#define SP_BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

#include "lib/base/str.h"

struct arena_block;

struct arena {
	struct arena_block *newest; /* owner of the chain */
	size_t total_bytes;	    /* handed out since the last reset */
};

void arena_init(struct arena *a); /* allocates nothing yet */
void arena_fini(struct arena *a);
/* Frees all but the first block (kept if it is small), for reuse. */
void arena_reset(struct arena *a);
/* Overwrites all that is in it, which stays allocated: for secrets. */
void arena_wipe(struct arena *a);
void *arena_alloc(struct arena *a, size_t size);		/* aligned to 16, zeroed */
char *arena_dup(struct arena *a, const void *data, size_t len); /* adds a NUL */
char *arena_strdup(struct arena *a, const char *s);
struct str arena_str(struct arena *a, struct str s); /* a copy of s */
__attribute__((format(printf, 2, 3))) char *arena_printf(struct arena *a, const char *format, ...);

#define arena_new(arena, type)		((type *)arena_alloc((arena), sizeof(type)))
#define arena_array(arena, type, count) ((type *)arena_alloc((arena), sizeof(type) * (count)))

#endif
