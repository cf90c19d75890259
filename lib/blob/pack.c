/* Pack files: the format, and operations on a single pack. */
#include "lib/blob/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>
#include <zlib.h>

#include "lib/base/bytes.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/crashpoint.h"

struct pack_io pack_io = {.pwritev = pwritev, .fdatasync = fdatasync, .fsync = fsync};

/* ---- Records ---- */

void
record_encode(const struct record *r, char out[RECORD_HEADER_BYTES])
{
	bytes_put_u32(out, RECORD_MAGIC);
	out[4] = 0;
	out[5] = (char)r->class;
	bytes_put_u16(out + 6, 0);
	bytes_put_u64(out + 8, r->length);
	bytes_put_u64(out + 16, (uint64_t)r->unix_ms);
	bytes_put_u32(out + 24, r->crc);
	bytes_put_u32(out + 28, (uint32_t)crc32(0, (const Bytef *)out, 28));
	out[4] = r->released;
}

bool
record_decode(const char in[RECORD_HEADER_BYTES], struct record *out)
{
	char copy[28];

	if (bytes_get_u32(in) != RECORD_MAGIC)
		return false;
	memcpy(copy, in, sizeof(copy));
	copy[4] = 0;
	if ((uint32_t)crc32(0, (const Bytef *)copy, 28) != bytes_get_u32(in + 28))
		return false;
	out->released = in[4] != 0;
	out->class = (uint8_t)in[5];
	out->length = bytes_get_u64(in + 8);
	out->unix_ms = (int64_t)bytes_get_u64(in + 16);
	out->crc = bytes_get_u32(in + 24);
	return out->length < (UINT64_C(1) << 48);
}

uint64_t
record_span(uint64_t length)
{
	return (RECORD_HEADER_BYTES + length + RECORD_ALIGN - 1) & ~(uint64_t)(RECORD_ALIGN - 1);
}

bool
pack_next_record(uint64_t *offset, uint64_t size, pack_read_at *read_at, void *arg, struct record *out,
		 uint64_t *at_out)
{
	char header[RECORD_HEADER_BYTES];

	if (*offset > size || size - *offset < RECORD_HEADER_BYTES || !read_at(arg, *offset, header, sizeof(header)) ||
	    !record_decode(header, out) || out->length > size - *offset - RECORD_HEADER_BYTES)
		return false;
	*at_out = *offset;
	*offset += record_span(out->length);
	return true;
}

bool
pack_find_record(uint64_t *offset, uint64_t size, pack_read_at *read_at, void *arg)
{
	enum { BLOCK_BYTES = 16 * 1024 };
	char block[BLOCK_BYTES];
	uint64_t at = *offset;

	while (at < size && size - at >= RECORD_HEADER_BYTES) {
		size_t len = size - at < sizeof(block) ? (size_t)(size - at) : sizeof(block), i;
		struct record r;

		if (!read_at(arg, at, block, len))
			return false;
		for (i = 0; i + RECORD_HEADER_BYTES <= len; i += RECORD_ALIGN)
			if (record_decode(block + i, &r) && r.length <= size - (at + i) - RECORD_HEADER_BYTES) {
				*offset = at + i;
				return true;
			}
		at += i;
	}
	return false;
}

/* ---- Files ---- */

void
pack_path(const char *folder, uint64_t id, char out[PACK_PATH_MAX])
{
	snprintf(out, PACK_PATH_MAX, "%s/%016llx.pack", folder, (unsigned long long)id);
}

uint64_t
pack_id_of(const char *file_name)
{
	char *end;
	uint64_t id = strtoull(file_name, &end, 16);

	return end == file_name + 16 && strcmp(end, ".pack") == 0 ? id : 0;
}

uint64_t
pack_new_id(void)
{
	uint32_t random;

	CHECK(RAND_bytes((unsigned char *)&random, sizeof(random)) == 1);
	return (uint64_t)(clock_unix_ms() / 1000) << 32 | random;
}

/* The file's name must be as durable as its content. */
static int
sync_folder(const char *folder, struct err *err)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int result = fd >= 0 ? pack_io.fsync(fd) : -1;

	if (result != 0)
		err_set_errno(err, errno, "syncing %s", folder);
	if (fd >= 0)
		close(fd);
	return result;
}

int
pack_create_as(struct pack *p, uint64_t id, const char *folder, struct err *err)
{
	char path[PACK_PATH_MAX], header[PACK_HEADER_BYTES] = "SPPACK01";
	struct iovec iov = {header, sizeof(header)};

	*p = (struct pack){.id = id, .folder = folder, .end = PACK_HEADER_BYTES};
	pack_path(folder, p->id, path);
	p->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	if (p->fd < 0)
		return err_set_errno(err, errno, "making %s", path);
	bytes_put_u64(header + 8, p->id);
	bytes_put_u64(header + 16, (uint64_t)clock_unix_ms());
	if (flock(p->fd, LOCK_EX | LOCK_NB) != 0) {
		err_set_errno(err, errno, "locking %s", path);
	} else if (pack_write(p, &iov, 1, 0, err) == 0 && pack_sync(p, err) == 0 && sync_folder(folder, err) == 0) {
		return 0;
	}
	close(p->fd);
	unlink(path);
	p->fd = -1;
	return -1;
}

int
pack_create(struct pack *p, const char *folder, struct err *err)
{
	return pack_create_as(p, pack_new_id(), folder, err);
}

void
pack_close(struct pack *p)
{
	char path[PACK_PATH_MAX];

	if (p->fd < 0)
		return;
	if (p->end == PACK_HEADER_BYTES) {
		/* Nobody can have a body's id from it; digests whose ids were given out are computed again. */
		pack_path(p->folder, p->id, path);
		unlink(path);
	}
	/* This only wastes space: a tail of zeros means nothing. */
	if (p->allocated > p->end && ftruncate(p->fd, (off_t)p->end) != 0)
		errno = 0;
	close(p->fd);
	p->fd = -1;
}

int
pack_allocate(struct pack *p, uint64_t bytes, struct err *err)
{
	uint64_t need = p->end + bytes, more;

	if (need <= p->allocated)
		return 0;
	more = need - p->allocated > PACK_ALLOCATE_BYTES ? need - p->allocated : PACK_ALLOCATE_BYTES;
	/* A sync of bytes within the file does not have to write its length. File
	 * systems that cannot allocate ahead do without this. */
	if (fallocate(p->fd, 0, (off_t)p->allocated, (off_t)more) == 0) {
		p->allocated += more;
		return 0;
	}
	if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG) {
		more = need - p->allocated;
		if (fallocate(p->fd, 0, (off_t)p->allocated, (off_t)more) != 0)
			return err_set_errno(err, errno, "the blob store is full");
		p->allocated += more;
	}
	return 0;
}

void
pack_zero_ahead(struct pack *p, uint64_t bytes)
{
	static const char zeros[PACK_ZERO_BYTES];
	uint64_t from = p->zeroed > p->end ? p->zeroed : p->end;
	uint64_t left = p->allocated > from ? p->allocated - from : 0;
	struct iovec iov = {(void *)(uintptr_t)zeros, left < sizeof(zeros) ? left : sizeof(zeros)};

	/* This only affects speed, so it may fail. */
	if (p->end + bytes > p->zeroed && left != 0 && pack_write(p, &iov, 1, from, NULL) == 0)
		p->zeroed = left < sizeof(zeros) ? p->allocated : from + sizeof(zeros);
}

int
pack_write(struct pack *p, struct iovec *iov, int count, uint64_t offset, struct err *err)
{
	while (count > 0) {
		ssize_t wrote = pack_io.pwritev(p->fd, iov, count, (off_t)offset);
		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote <= 0)
			return err_set_errno(err, wrote < 0 ? errno : ENOSPC, "writing to a pack");
		offset += (uint64_t)wrote;
		while (count > 0 && (size_t)wrote >= iov->iov_len) {
			wrote -= (ssize_t)iov->iov_len;
			iov++, count--;
		}
		if (count > 0) {
			iov->iov_base = (char *)iov->iov_base + wrote;
			iov->iov_len -= (size_t)wrote;
		}
	}
	return 0;
}

int
pack_sync(struct pack *p, struct err *err)
{
	CRASHPOINT("body-written");
	if (pack_io.fdatasync(p->fd) != 0)
		return err_set_errno(err, errno, "syncing a pack");
	return 0;
}
