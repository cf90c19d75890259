/* Folders of the file system. */
#ifndef SP_BASE_FOLDER_H
#define SP_BASE_FOLDER_H

#include "lib/base/err.h"

/* Makes the names in a folder as durable as the content of the files (fsync(2)).
 * Blocks. ERR_* of errno. */
int folder_sync(const char *path, struct err *err);

#endif
