/* A command from a format: handy in tests. Programs make keys by the rows of
 * lib/redis/keys_table.h. */
#ifndef SP_TESTS_UNIT_REDIS_COMMAND_H
#define SP_TESTS_UNIT_REDIS_COMMAND_H

#include <stdarg.h>
#include <stdlib.h>

#include "lib/base/check.h"
#include "lib/redis/redis.h"

/* printf-like as hiredis has it: %s, %b (pointer, size_t), %lld. */
static inline void
redis_callf(struct redis *r, redis_on_reply *cb, void *arg, const char *format, ...)
{
	struct str argv[64];
	size_t argc;
	char *command, *at;
	va_list ap;

	va_start(ap, format);
	CHECKF(redisvFormatCommand(&command, format, ap) > 0, "format '%s'", format);
	va_end(ap);
	/* "*2\r\n$3\r\nGET\r\n$1\r\nx\r\n" */
	argc = strtoul(command + 1, &at, 10);
	CHECK(argc <= sizeof(argv) / sizeof(argv[0]));
	for (size_t i = 0; i < argc; i++) {
		size_t len = strtoul(at + 3, &at, 10);
		argv[i] = str_of(at + 2, len);
		at += 2 + len;
	}
	redis_call(r, cb, arg, argc, argv);
	redisFreeCommand(command);
}

#endif
