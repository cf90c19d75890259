/* A secret of a cluster that runs on one machine: a line in a file of its folder that only
 * its owner can read. */
#ifndef SP_CTL_SECRET_FILE_H
#define SP_CTL_SECRET_FILE_H

#include <stddef.h>

#include "lib/base/err.h"

/* The line. ERR_NOT_FOUND: there is no such file; ERR_CORRUPT: it is empty, or the line
 * is too long. */
int secret_file_read(const char *path, char *out, size_t size, struct err *err);
/* Replaces the file in one step; it is on the disk then. */
int secret_file_write(const char *path, const char *text, struct err *err);

/* A STAGEPOST_SECRET_KEY, made at the first use, with an id that no other cluster's key has.
 * The operator may make a list of it. */
#define SECRET_FILE_KEY_MAX 2048
int secret_file_ensure_key(const char *path, char out[SECRET_FILE_KEY_MAX], struct err *err);

#endif
