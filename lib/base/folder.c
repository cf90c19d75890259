#include "lib/base/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int
folder_sync(const char *path, struct err *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int result = fd >= 0 && fsync(fd) == 0 ? 0 : err_set_errno(err, errno, "syncing %s", path);

	if (fd >= 0)
		close(fd);
	return result;
}
