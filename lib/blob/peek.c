/* Reads many small bodies at once from the page cache. */
#include "lib/base/mem.h"
#include "lib/blob/store.h"

enum {
	GAP_BYTES = 4096,	/* up to so many unwanted bytes are read along */
	RUN_BYTES = 512 * 1024, /* per read */
};

static bool
may_peek(const struct blob_id *id)
{
	return id->pack != 0 && id->offset >= PACK_HEADER_BYTES + RECORD_HEADER_BYTES && id->length <= RUN_BYTES;
}

static uint64_t
start_of(const struct blob_id *id)
{
	return id->offset - RECORD_HEADER_BYTES;
}

static uint64_t
end_of(const struct blob_id *id)
{
	return id->offset + id->length;
}

/* How many of the first items one read covers; *bytes_out: its total size. */
static size_t
next_run(const struct blob_peek *items, size_t count, size_t *bytes_out)
{
	uint64_t start = start_of(&items[0].id), end = end_of(&items[0].id);
	size_t n = 1;

	for (; n < count; n++) {
		const struct blob_id *id = &items[n].id;
		if (!may_peek(id) || id->pack != items[0].id.pack || start_of(id) < end ||
		    start_of(id) - end > GAP_BYTES || end_of(id) - start > RUN_BYTES)
			break;
		end = end_of(id);
	}
	*bytes_out = (size_t)(end - start);
	return n;
}

static void
peek_run(struct blob_store *s, struct blob_peek *items, size_t count, char *buffer, size_t bytes)
{
	uint64_t start = start_of(&items[0].id);
	struct iovec iov = {buffer, bytes};
	int fd = fds_get(s, items[0].id.pack, false, NULL);
	ssize_t got;

	if (fd < 0)
		return;
	got = preadv2(fd, &iov, 1, (off_t)start, RWF_NOWAIT);
	fds_put(s, fd);
	for (size_t i = 0; i < count && got > 0 && end_of(&items[i].id) - start <= (size_t)got; i++) {
		const struct blob_id *id = &items[i].id;
		const char *data = buffer + (id->offset - start);
		if (record_is_good(data - RECORD_HEADER_BYTES, data, id))
			items[i].data = str_of(data, (size_t)id->length);
	}
}

void
blob_peek(struct blob_store *s, struct blob_peek *items, size_t count, struct buf *out)
{
	size_t total = 0, bytes, n;
	char *buffer;

	buf_clear(out);
	for (size_t i = 0; i < count; i += n) {
		items[i].data = STR_NONE;
		n = 1;
		if (may_peek(&items[i].id)) {
			n = next_run(items + i, count - i, &bytes);
			total += bytes;
		}
	}
	buffer = buf_reserve(out, total);
	for (size_t i = 0; i < count; i += n) {
		n = 1;
		if (!may_peek(&items[i].id))
			continue;
		n = next_run(items + i, count - i, &bytes);
		for (size_t k = i; k < i + n; k++)
			items[k].data = STR_NONE;
		peek_run(s, items + i, n, buffer, bytes);
		buffer += bytes;
	}
	out->len = total;
}
