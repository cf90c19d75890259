/* Snapshots of Redis: any bytes as a file; entries that can be read are examined,
 * converted as a restore does, and written again, and read back as the same. */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/backup/onward.h"
#include "lib/backup/rdb.h"
#include "lib/base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PATH_BYTES = 64 };

struct rdb_look {
	struct rdb_writer *writer; /* NULL: the second reading */
	unsigned entries;
};

static void
look_on_field(void *arg, struct str field, struct str value)
{
	size_t *sum = arg;

	for (size_t i = 0; i < field.len; i++)
		*sum += (unsigned char)field.p[i];
	for (size_t i = 0; i < value.len; i++)
		*sum += (unsigned char)value.p[i];
}

static void
look_into(const struct rdb_entry *entry)
{
	struct backup_onward onward = {BUF_EMPTY};
	struct rdb_entry e = *entry;
	struct buf text = BUF_EMPTY;
	size_t sum = 0;
	bool drop;

	rdb_string(entry, &text, NULL);
	rdb_hash(entry, look_on_field, &sum, NULL);
	rdb_dump(entry, &text);
	CHECK(text.len == entry->value.len + 11);
	if (backup_onward_take(&onward, &e, &drop, NULL) == 0 && e.value.p != entry->value.p && e.type == 4)
		CHECK(rdb_hash(&e, look_on_field, &sum, NULL) == 0);
	backup_onward_fini(&onward);
	buf_fini(&text);
}

static int
look_on_entry(void *arg, const struct rdb_entry *e, struct err *err)
{
	struct rdb_look *l = arg;

	l->entries++;
	if (l->writer == NULL) {
		CHECK(e->database == 0);
		return 0;
	}
	look_into(e);
	return rdb_writer_add(l->writer, e, err);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char in[PATH_BYTES], out[PATH_BYTES];
	int fd = memfd_create("rdb", MFD_CLOEXEC);
	struct rdb_look first = {0}, second = {0};
	int result;

	CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(in, sizeof(in), "/proc/self/fd/%d", fd);
	snprintf(out, sizeof(out), "/tmp/rdb-fuzz-%d", (int)getpid());
	unlink(out);
	first.writer = rdb_writer_new(out, NULL);
	CHECK(first.writer != NULL);
	result = rdb_read(in, look_on_entry, &first, NULL);
	close(fd);
	if (first.entries == 0 || result != 0) {
		rdb_writer_drop(&first.writer);
	} else {
		CHECK(rdb_writer_finish(&first.writer, NULL) == 0);
		CHECK(rdb_read(out, look_on_entry, &second, NULL) == 0 && second.entries == first.entries);
	}
	unlink(out);
	return 0;
}
