/* Texts that many messages share. */
#include "spool-broker/queue/interned.h"

#include <string.h>

#include "lib/base/check.h"
#include "lib/base/mem.h"

struct interned *
interned_get(struct interned_table *t, const char *text)
{
	size_t len = strlen(text);
	struct interned *i = NULL;

	HASH_FIND(hh, t->texts, text, len, i);
	if (i == NULL) {
		if (HASH_COUNT(t->texts) >= INTERNED_MAX)
			return NULL;
		i = mem_zalloc(sizeof(*i) + len + 1);
		memcpy(i->text, text, len);
		HASH_ADD_KEYPTR(hh, t->texts, i->text, len, i);
	}
	i->refs++;
	return i;
}

void
interned_drop(struct interned_table *t, struct interned **text)
{
	struct interned *i = *text;

	*text = NULL;
	if (i == NULL)
		return;
	CHECKF(i->refs != 0, "%s", i->text);
	if (--i->refs == 0) {
		HASH_DEL(t->texts, i);
		mem_free(i);
	}
}
