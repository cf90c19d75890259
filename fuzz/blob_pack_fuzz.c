/* The records of a pack: as bytes in a file, and as packs that are built from the input and then damaged by it. */
#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/blob/pack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
read_memory(void *arg, uint64_t offset, char *out, size_t bytes)
{
	const struct buf *b = arg;

	if (offset > b->len || bytes > b->len - offset)
		return false;
	memcpy(out, b->data + offset, bytes);
	return true;
}

static unsigned
walk(struct buf *pack)
{
	uint64_t offset = PACK_HEADER_BYTES, at, found;
	unsigned count = 0;
	struct record r;

	while (pack_next_record(&offset, pack->len, read_memory, pack, &r, &at)) {
		CHECK(at >= PACK_HEADER_BYTES && at % RECORD_ALIGN == 0 && offset == at + record_span(r.length));
		CHECK(at + RECORD_HEADER_BYTES + r.length <= pack->len);
		count++;
	}
	for (found = offset; pack_find_record(&found, pack->len, read_memory, pack); found += RECORD_ALIGN) {
		uint64_t next = found;
		CHECK(found > offset); /* here it would have been the next one */
		CHECK(pack_next_record(&next, pack->len, read_memory, pack, &r, &at) && at == found);
	}
	return count;
}

static void
check_ids(struct str text)
{
	struct blob_id id, back;
	char packed[BLOB_ID_PACKED], printed[BLOB_ID_TEXT];

	if (!blob_id_parse(text, &id))
		return;
	blob_id_pack(&id, packed);
	back = blob_id_unpack(packed);
	CHECK(memcmp(&id, &back, sizeof(id)) == 0);
	blob_id_text(&id, printed);
	CHECK(blob_id_parse(str_c(printed), &back) && memcmp(&id, &back, sizeof(id)) == 0);
}

/* Each byte makes a record of that length; returns how many. */
static unsigned
build(struct buf *pack, struct str lengths)
{
	static const char zeros[PACK_HEADER_BYTES + 256];

	buf_add(pack, zeros, PACK_HEADER_BYTES);
	for (size_t i = 0; i < lengths.len; i++) {
		struct record r = {
			.length = (unsigned char)lengths.p[i], .unix_ms = (int64_t)i, .released = i % 3 == 0};
		char header[RECORD_HEADER_BYTES];
		record_encode(&r, header);
		buf_add(pack, header, sizeof(header));
		buf_add(pack, zeros, record_span(r.length) - RECORD_HEADER_BYTES);
	}
	return (unsigned)lengths.len;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str input = str_of((const char *)data, size), lengths, damage;
	struct buf pack = BUF_EMPTY;

	check_ids(input);
	buf_add_str(&pack, input);
	walk(&pack);
	buf_clear(&pack);
	str_cut(input, '\0', &lengths, &damage);
	CHECK(walk(&pack) == 0);
	unsigned built = build(&pack, lengths);
	CHECK(walk(&pack) == built);
	/* Three bytes for each change: where, and what. */
	for (; damage.len >= 3; damage = str_from(damage, 3)) {
		size_t at = (size_t)((unsigned char)damage.p[0] << 8 | (unsigned char)damage.p[1]);
		pack.data[at % pack.len] ^= damage.p[2];
	}
	CHECK(walk(&pack) <= built);
	buf_fini(&pack);
	return 0;
}
