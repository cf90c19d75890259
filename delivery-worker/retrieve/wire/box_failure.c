/* What a caller is told of a failure: our words, and the remote's in quotes. */
#include <stdio.h>
#include <string.h>

#include "delivery-worker/retrieve/wire/box.h"
#include "delivery-worker/retrieve/wire/words.h"

void
box_failure_vset(struct remote_failure *f, enum remote_trouble trouble, struct str words, const char *format,
		 va_list ap)
{
	char text[REMOTE_TEXT_MAX];
	size_t used;

	vsnprintf(text, sizeof(text), format, ap);
	f->trouble = trouble;
	used = words_clean(str_c(text), f->text, sizeof(f->text));
	if (words.len == 0 || used + 8 > sizeof(f->text))
		return;
	memcpy(f->text + used, ": \"", 4);
	used += 3;
	used += words_clean(words, f->text + used, sizeof(f->text) - used - 1);
	memcpy(f->text + used, "\"", 2);
}

void
box_failure_set(struct remote_failure *f, enum remote_trouble trouble, struct str words, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	box_failure_vset(f, trouble, words, format, ap);
	va_end(ap);
}
