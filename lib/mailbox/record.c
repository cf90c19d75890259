/* The packed records of the index, and the references that they own. */
#include "lib/base/bytes.h"
#include "lib/base/mem.h"
#include "lib/blob/refs.h"
#include "lib/mailbox/private.h"

void
mailbox_hot_unpack(const char *in, struct mailbox_hot *out)
{
	out->uid = bytes_get_u32(in);
	out->flags = bytes_get_u16(in + 4);
	out->size = bytes_get_u48(in + 6);
	out->modseq = bytes_get_u48(in + 12);
	out->email_id = bytes_get_u48(in + 18);
	out->keywords = bytes_get_u64(in + 24);
}

void
mailbox_hot_pack(const struct mailbox_hot *in, char *out)
{
	bytes_put_u32(out, in->uid);
	bytes_put_u16(out + 4, in->flags);
	bytes_put_u48(out + 6, in->size);
	bytes_put_u48(out + 12, in->modseq);
	bytes_put_u48(out + 18, in->email_id);
	bytes_put_u64(out + 24, in->keywords);
}

void
mailbox_cold_unpack(const char *in, struct mailbox_cold *out)
{
	out->body = blob_id_unpack(in);
	out->digest = blob_id_unpack(in + 20);
	out->internal_date = (int64_t)bytes_get_u64(in + 40);
	out->save_date = bytes_get_u32(in + 48);
	out->zone_minutes = (int16_t)bytes_get_u16(in + 52);
}

void
mailbox_cold_pack(const struct mailbox_cold *in, char *out)
{
	blob_id_pack(&in->body, out);
	blob_id_pack(&in->digest, out + 20);
	bytes_put_u64(out + 40, (uint64_t)in->internal_date);
	bytes_put_u32(out + 48, in->save_date);
	bytes_put_u16(out + 52, (uint16_t)in->zone_minutes);
	bytes_put_u16(out + 54, 0);
}

void
mailbox_drop_references(struct mailbox_store *m, struct str cold)
{
	size_t count = cold.len / MAILBOX_COLD_BYTES, used = 0;
	struct blob_id *ids;

	if (count == 0)
		return;
	ids = mem_alloc(count * 2 * sizeof(*ids));
	for (size_t i = 0; i < count; i++) {
		struct mailbox_cold record;
		mailbox_cold_unpack(cold.p + i * MAILBOX_COLD_BYTES, &record);
		if (!blob_id_is_none(&record.body))
			ids[used++] = record.body;
		if (!blob_id_is_none(&record.digest))
			ids[used++] = record.digest;
	}
	blob_ref_drop(m->redis, m->blobs, ids, used);
	mem_free(ids);
}
