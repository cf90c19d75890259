/* `stagepost down`: stops the cluster that `stagepost up` runs in a folder. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl/commands.h"
#include "ctl/layout.h"

int
command_down(struct ctl *ctl, int argc, char **argv)
{
	struct layout l;
	struct err err;
	char path[LAYOUT_PATH_MAX];
	int fd;

	if (ctl_has_unknown_option(argc, argv))
		return 1;
	if (layout_load(&l, ctl->dir, &err) != 0)
		return ctl_fail("%s", err.text);
	layout_path(&l, "run/up.lock", path);
	fd = open(path, O_RDWR | O_CLOEXEC);
	/* The holder of the lock is the process to stop; a stale pid is never signalled. */
	if (fd < 0 || lockf(fd, F_TEST, 0) == 0)
		return ctl_fail("no cluster runs in %s", ctl->dir);
	if (l.up_pid <= 0 || kill(l.up_pid, SIGTERM) != 0)
		return ctl_fail("stopping process %d: %s", l.up_pid, strerror(errno));
	lockf(fd, F_LOCK, 0); /* until it has ended */
	close(fd);
	printf("Stopped.\n");
	return 0;
}
