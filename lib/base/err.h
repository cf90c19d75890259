/* Errors that come from outside: a disk, a socket, Redis, the content of a
 * file.
 *
 * A function that can fail this way returns 0 or -1 (or NULL). Its last
 * parameter is a `struct err *`, which it fills before it returns failure. The
 * caller may pass NULL if it does not need the text. errno does not cross
 * module boundaries: err_set_errno() turns it into text. */
#ifndef SP_BASE_ERR_H
#define SP_BASE_ERR_H

#include <stdbool.h>

enum err_code {
	ERR_NONE = 0,
	ERR_IO,		 /* a disk or socket failed; may be temporary */
	ERR_UNAVAILABLE, /* the store or a peer cannot be reached; try later */
	ERR_TIMEOUT,	 /* no answer in time; try later */
	ERR_NO_SPACE,	 /* the disk is full */
	ERR_OVER_QUOTA,	 /* the account's quota does not allow more */
	ERR_LIMIT,	 /* a configured limit was reached */
	ERR_NOT_FOUND,	 /* there is no such thing */
	ERR_EXISTS,	 /* it already exists */
	ERR_INVALID,	 /* the input is malformed */
	ERR_FENCED,	 /* the lease under which this was written is gone */
	ERR_DENIED,	 /* not allowed */
	ERR_CORRUPT,	 /* stored data is inconsistent */
};

#define ERR_TEXT_MAX 240

struct err {
	enum err_code code;
	char text[ERR_TEXT_MAX]; /* one line, no full stop; always terminated */
};

/* Fills err (may be NULL). Returns -1, so that a function can end with `return
 * err_set(err, ...)`. */
__attribute__((format(printf, 3, 4))) int err_set(struct err *err, enum err_code code, const char *format, ...);

/* Like err_set(), with the message for errno_value after the text. The code is
 * derived from it (ENOSPC and EDQUOT: ERR_NO_SPACE, ENOENT: ERR_NOT_FOUND,
 * EEXIST: ERR_EXISTS, ETIMEDOUT: ERR_TIMEOUT, else ERR_IO). */
__attribute__((format(printf, 3, 4))) int err_set_errno(struct err *err, int errno_value, const char *format, ...);

/* Puts text in front of err's text: "opening the pack: ...". */
__attribute__((format(printf, 2, 3))) void err_prefix(struct err *err, const char *format, ...);

/* True if this is a problem of the host or the store (unreachable, silent,
 * full, out of descriptors or memory), which would affect any other work here
 * too, and is temporary. */
bool err_is_of_host(const struct err *err);

/* The code as a word for logs: "unavailable". */
const char *err_code_name(enum err_code code);

#endif
