/* Errors from outside, as a code and one line of text. */
#include "lib/base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void
err_set_text(struct err *err, enum err_code code, const char *format, va_list ap)
{
	err->code = code;
	vsnprintf(err->text, sizeof(err->text), format, ap);
}

int
err_set(struct err *err, enum err_code code, const char *format, ...)
{
	va_list ap;

	if (err == NULL)
		return -1;
	va_start(ap, format);
	err_set_text(err, code, format, ap);
	va_end(ap);
	return -1;
}

static enum err_code
code_of_errno(int errno_value)
{
	switch (errno_value) {
	case ENOSPC:
	case EDQUOT: return ERR_NO_SPACE;
	case ENOENT: return ERR_NOT_FOUND;
	case EEXIST: return ERR_EXISTS;
	case ETIMEDOUT: return ERR_TIMEOUT;
	default: return ERR_IO;
	}
}

int
err_set_errno(struct err *err, int errno_value, const char *format, ...)
{
	va_list ap;
	size_t used;

	if (err == NULL)
		return -1;
	va_start(ap, format);
	err_set_text(err, code_of_errno(errno_value), format, ap);
	va_end(ap);
	used = strlen(err->text);
	snprintf(err->text + used, sizeof(err->text) - used, ": %s", strerror(errno_value));
	return -1;
}

void
err_prefix(struct err *err, const char *format, ...)
{
	char rest[ERR_TEXT_MAX];
	va_list ap;
	size_t used;

	if (err == NULL)
		return;
	memcpy(rest, err->text, sizeof(rest));
	va_start(ap, format);
	vsnprintf(err->text, sizeof(err->text), format, ap);
	va_end(ap);
	used = strlen(err->text);
	snprintf(err->text + used, sizeof(err->text) - used, ": %s", rest);
}

bool
err_is_of_host(const struct err *err)
{
	switch (err->code) {
	case ERR_IO:
	case ERR_UNAVAILABLE:
	case ERR_TIMEOUT:
	case ERR_NO_SPACE: return true;
	default: return false;
	}
}

const char *
err_code_name(enum err_code code)
{
	static const char *const names[] = {
		[ERR_NONE] = "none",
		[ERR_IO] = "io",
		[ERR_UNAVAILABLE] = "unavailable",
		[ERR_TIMEOUT] = "timeout",
		[ERR_NO_SPACE] = "no-space",
		[ERR_OVER_QUOTA] = "over-quota",
		[ERR_LIMIT] = "limit",
		[ERR_NOT_FOUND] = "not-found",
		[ERR_EXISTS] = "exists",
		[ERR_INVALID] = "invalid",
		[ERR_FENCED] = "fenced",
		[ERR_DENIED] = "denied",
		[ERR_CORRUPT] = "corrupt",
	};
	if ((unsigned)code >= sizeof(names) / sizeof(names[0]))
		return "unknown";
	return names[code];
}
