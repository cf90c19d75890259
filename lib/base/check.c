/* Stops the process on a broken invariant. */
#include "lib/base/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void
check_failed(const char *file, int line, const char *condition, const char *format, ...)
{
	va_list ap;

	fprintf(stderr, "level=bug msg=\"invariant broken\" at=%s:%d condition=\"%s\" state=\"", file, line, condition);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputs("\"\n", stderr);
	abort();
}
