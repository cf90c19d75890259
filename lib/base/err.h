/* Trouble that comes from the world: a disk, a socket, Redis, a file's text.
 *
 * A function that can fail so returns 0 or -1 (or NULL) and takes a
 * `struct err *` last, which it fills before it returns the failure. The
 * caller may pass NULL where it does not care for the words. errno does not
 * cross a module: err_set_errno() puts it into words. */
#ifndef SP_BASE_ERR_H
#define SP_BASE_ERR_H

#include <stdbool.h>

enum err_code {
	ERR_NONE = 0,
	ERR_IO,		 /* a disk or socket failed; may pass */
	ERR_UNAVAILABLE, /* the store or a peer cannot be reached; try later */
	ERR_TIMEOUT,	 /* no answer in time; try later */
	ERR_NO_SPACE,	 /* the disk is full */
	ERR_OVER_QUOTA,	 /* the account may not hold more */
	ERR_LIMIT,	 /* a configured limit was met */
	ERR_NOT_FOUND,	 /* there is no such thing */
	ERR_EXISTS,	 /* there is one already */
	ERR_INVALID,	 /* the input is malformed */
	ERR_FENCED,	 /* the lease under which this was written is gone */
	ERR_DENIED,	 /* not allowed */
	ERR_CORRUPT,	 /* stored data does not hold together */
};

#define ERR_TEXT_MAX 240

struct err {
	enum err_code code;
	char text[ERR_TEXT_MAX]; /* one line, no full stop; always terminated */
};

/* Fills err (NULL: nothing happens). Returns -1, so that a function may end
 * with `return err_set(err, ...)`. */
__attribute__((format(printf, 3, 4))) int err_set(struct err *err, enum err_code code, const char *format, ...);

/* As err_set(), with the words of errno_value after the text; the code is
 * made from it (ENOSPC and EDQUOT: ERR_NO_SPACE, ENOENT: ERR_NOT_FOUND,
 * EEXIST: ERR_EXISTS, ETIMEDOUT: ERR_TIMEOUT, else ERR_IO). */
__attribute__((format(printf, 3, 4))) int err_set_errno(struct err *err, int errno_value, const char *format, ...);

/* Puts words in front of what err says: "opening the pack: ...". */
__attribute__((format(printf, 2, 3))) void err_prefix(struct err *err, const char *format, ...);

/* Is it trouble of the host or the store (unreachable, silent, full, out of
 * descriptors or memory), which meets whatever is done here, and will pass? */
bool err_is_of_host(const struct err *err);

/* The code as a word for logs: "unavailable". */
const char *err_code_name(enum err_code code);

#endif
