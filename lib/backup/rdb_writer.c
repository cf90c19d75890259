/* Writes a snapshot from entries that were read. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/backup/crc64.h"
#include "lib/backup/rdb_private.h"
#include "lib/base/bytes.h"
#include "lib/base/mem.h"

struct rdb_writer {
	FILE *file; /* owner */
	uint64_t crc;
	struct buf string;
	bool begun;
	bool failed; /* reported at the end */
};

struct rdb_writer *
rdb_writer_new(const char *path, struct err *err)
{
	struct rdb_writer *w;
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0) {
		err_set_errno(err, errno, "making %s", path);
		return NULL;
	}
	w = mem_new(struct rdb_writer);
	w->file = fdopen(fd, "w");
	return w;
}

static void
rdb_writer_put(struct rdb_writer *w, const void *data, size_t len)
{
	w->failed |= fwrite(data, 1, len, w->file) != len;
	w->crc = crc64_add(w->crc, data, len);
}

static void
writer_put_byte(struct rdb_writer *w, unsigned byte)
{
	unsigned char c = (unsigned char)byte;

	rdb_writer_put(w, &c, 1);
}

static void
writer_put_string(struct rdb_writer *w, struct str s)
{
	buf_clear(&w->string);
	rdb_put_string(&w->string, s);
	rdb_writer_put(w, w->string.data, w->string.len);
}

static void
writer_begin(struct rdb_writer *w, unsigned version)
{
	char header[RDB_HEADER_BYTES + 8];

	snprintf(header, sizeof(header), "REDIS%04u", version % 10000);
	rdb_writer_put(w, header, RDB_HEADER_BYTES);
	writer_put_byte(w, RDB_DATABASE);
	writer_put_byte(w, 0);
	w->begun = true;
}

int
rdb_writer_add(struct rdb_writer *w, const struct rdb_entry *entry, struct err *err)
{
	char ms[8];

	if (!w->begun)
		writer_begin(w, entry->version);
	if (entry->expires_ms != 0) {
		bytes_put_u64(ms, (uint64_t)entry->expires_ms);
		writer_put_byte(w, RDB_EXPIRES_MS);
		rdb_writer_put(w, ms, sizeof(ms));
	}
	writer_put_byte(w, entry->type);
	writer_put_string(w, entry->key);
	rdb_writer_put(w, entry->value.p, entry->value.len);
	return w->failed ? err_set_errno(err, errno, "writing a snapshot") : 0;
}

int
rdb_writer_finish(struct rdb_writer **wp, struct err *err)
{
	struct rdb_writer *w = *wp;
	char crc[8];
	int result = 0;

	if (!w->begun)
		writer_begin(w, RDB_VERSION_LEAST);
	writer_put_byte(w, RDB_END);
	bytes_put_u64(crc, w->crc);
	rdb_writer_put(w, crc, sizeof(crc));
	if (w->failed || fflush(w->file) != 0 || fsync(fileno(w->file)) != 0)
		result = err_set_errno(err, errno, "writing a snapshot");
	rdb_writer_drop(wp);
	return result;
}

void
rdb_writer_drop(struct rdb_writer **wp)
{
	if (*wp == NULL)
		return;
	fclose((*wp)->file);
	buf_fini(&(*wp)->string);
	mem_free(*wp);
	*wp = NULL;
}
