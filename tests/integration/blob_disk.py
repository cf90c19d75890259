"""A disk of message bodies that is slow, or fails, as long as the test says. A program that is started
with disk.env writes through it.

    disk = BlobDisk(tmp_path)
    disk.set("wait-large")   # whatever streams in waits, from now on
    disk.clear("wait-large")
"""

import subprocess
from pathlib import Path

SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

static int
is_set(const char *name)
{
	char path[500];

	snprintf(path, sizeof(path), "%s/%s", getenv("BLOB_DISK"), name);
	return access(path, F_OK) == 0;
}

/* Whole messages are small; those that stream in come in pieces of 64 KiB. Zeros, which are
 * written ahead, are neither. */
ssize_t
pwritev(int fd, const struct iovec *iov, int count, off_t offset)
{
	ssize_t (*real)(int, const struct iovec *, int, off_t) =
		(ssize_t (*)(int, const struct iovec *, int, off_t))dlsym(RTLD_NEXT, "pwritev64");
	int large = count == 1 && iov->iov_len >= 65536, zeros = large && *(const char *)iov->iov_base == '\0';

	while (!zeros && is_set(large ? "wait-large" : "wait-small"))
		usleep(5000);
	if (!zeros && !large && is_set("fail-small")) {
		errno = EIO;
		return -1;
	}
	return real(fd, iov, count, offset);
}

ssize_t pwritev64(int fd, const struct iovec *iov, int count, off_t offset) __attribute__((alias("pwritev")));
"""


class BlobDisk:
    def __init__(self, folder):
        self.folder = Path(folder) / "disk"
        self.folder.mkdir()
        source, shim = self.folder / "shim.c", self.folder / "shim.so"
        source.write_text(SHIM)
        subprocess.run(["cc", "-shared", "-fPIC", "-o", shim, source, "-ldl"], check=True)
        self.env = {"LD_PRELOAD": str(shim), "BLOB_DISK": str(self.folder), "ASAN_OPTIONS": "verify_asan_link_order=0"}

    def set(self, name):
        (self.folder / name).touch()

    def clear(self, *names):
        for name in names:
            (self.folder / name).unlink(missing_ok=True)
