/* The packed records of the index, and the references that they own. */
#include "lib/base/bytes.h"
#include "lib/base/mem.h"
#include "lib/blob/refs.h"
#include "lib/mailbox/private.h"

void
mailbox_hot_unpack(const char *in, struct mailbox_hot *out)
{
	out->uid = bytes_get_u32(in + MAILBOX_AT(hot, uid));
	out->flags = bytes_get_u16(in + MAILBOX_AT(hot, flags)) & MAILBOX_FLAGS_ALL;
	out->marks = bytes_get_u16(in + MAILBOX_AT(hot, flags)) & MAILBOX_MARKS;
	out->size = bytes_get_u48(in + MAILBOX_AT(hot, size));
	out->modseq = bytes_get_u48(in + MAILBOX_AT(hot, modseq));
	out->email_id = bytes_get_u48(in + MAILBOX_AT(hot, email_id));
	out->keywords = bytes_get_u64(in + MAILBOX_AT(hot, keywords_low));
}

void
mailbox_cold_unpack(const char *in, struct mailbox_cold *out)
{
	out->body = blob_id_unpack(in + MAILBOX_AT(cold, body));
	out->digest = blob_id_unpack(in + MAILBOX_AT(cold, digest));
	out->internal_date = (int64_t)bytes_get_u64(in + MAILBOX_AT(cold, internal_date));
	out->save_date = bytes_get_u32(in + MAILBOX_AT(cold, save_date));
	out->zone_minutes = (int16_t)bytes_get_u16(in + MAILBOX_AT(cold, zone_minutes));
}

void
mailbox_cold_pack(const struct mailbox_cold *in, char *out)
{
	blob_id_pack(&in->body, out + MAILBOX_AT(cold, body));
	blob_id_pack(&in->digest, out + MAILBOX_AT(cold, digest));
	bytes_put_u64(out + MAILBOX_AT(cold, internal_date), (uint64_t)in->internal_date);
	bytes_put_u32(out + MAILBOX_AT(cold, save_date), in->save_date);
	bytes_put_u16(out + MAILBOX_AT(cold, zone_minutes), (uint16_t)in->zone_minutes);
	bytes_put_u16(out + MAILBOX_AT(cold, reserved), 0);
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
