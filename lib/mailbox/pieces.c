/* Parts of script arguments and answers: packed UIDs, folders, keywords. */
#include <stdlib.h>

#include "lib/base/bytes.h"
#include "lib/mailbox/scripts.h"

MAILBOX_SCRIPT_ANSWERS(folder)

struct str
mailbox_pack_ranges(struct arena *arena, const uint32_t *uids, uint32_t count)
{
	struct buf out = BUF_EMPTY;
	struct str packed;

	for (uint32_t i = 0; i < count;) {
		uint32_t from = i++;
		while (i < count && uids[i] == uids[i - 1] + 1)
			i++;
		buf_add_u32(&out, uids[from]);
		buf_add_u32(&out, uids[i - 1]);
	}
	packed = arena_str(arena, buf_str(&out));
	buf_fini(&out);
	return packed;
}

static int
pieces_by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

const uint32_t *
mailbox_unpack_uids(struct arena *arena, struct str packed, uint32_t *count_out)
{
	uint32_t count = (uint32_t)(packed.len / 4);
	uint32_t *uids = arena_array(arena, uint32_t, count + 1);
	bool sorted = true;

	for (uint32_t i = 0; i < count; i++) {
		uids[i] = bytes_get_u32(packed.p + (size_t)i * 4);
		sorted = sorted && (i == 0 || uids[i - 1] < uids[i]);
	}
	if (!sorted)
		qsort(uids, count, sizeof(*uids), pieces_by_number);
	*count_out = count;
	return uids;
}

void
mailbox_parse_folder(const redisReply *fields, struct mailbox_folder *out)
{
	const struct mailbox_folder_answer got = mailbox_folder_answer(fields);

	*out = (struct mailbox_folder){
		.id = (uint32_t)redis_i64(got.id, 0),
		.class = (enum mailbox_class)redis_i64(got.class, MAILBOX_MAIL),
		.name = redis_str(got.name),
		.born_modseq = (uint64_t)redis_i64(got.born, 0),
		.uid_validity = (uint32_t)redis_i64(got.uidvalidity, 0),
		.uid_next = (uint32_t)redis_i64(got.uidnext, 1),
		.highest_modseq = (uint64_t)redis_i64(got.modseq, 1),
		.messages = (uint32_t)redis_i64(got.count, 0),
		.unseen = (uint32_t)redis_i64(got.unseen, 0),
		.deleted = (uint32_t)redis_i64(got.deleted, 0),
		.bytes = (uint64_t)redis_i64(got.bytes, 0),
		.deleted_bytes = (uint64_t)redis_i64(got.deleted_bytes, 0),
		.special_use = redis_str(got.special),
		.subscribed = redis_i64(got.subscribed, 0) != 0,
	};
	out->first_recent = (uint32_t)redis_i64(got.recent, out->uid_next);
	out->recent = (uint32_t)redis_i64(got.recent_count, 0);
}

const struct str *
mailbox_parse_keywords(const redisReply *list, struct arena *arena, unsigned *count_out)
{
	struct str *names = arena_array(arena, struct str, MAILBOX_KEYWORDS);
	unsigned count = 0;

	for (size_t i = 0; list != NULL && list->type == REDIS_REPLY_ARRAY && i + 1 < list->elements; i += 2) {
		int64_t bit = redis_i64(list->element[i], -1);
		if (bit < 0 || bit >= MAILBOX_KEYWORDS)
			continue;
		names[bit] = redis_str(list->element[i + 1]);
		if ((unsigned)bit + 1 > count)
			count = (unsigned)bit + 1;
	}
	*count_out = count;
	return names;
}

struct str
mailbox_join_keywords(struct arena *arena, const struct str *names, unsigned count)
{
	struct buf out = BUF_EMPTY;
	struct str joined;

	for (unsigned i = 0; i < count; i++) {
		if (i != 0)
			buf_add_byte(&out, ' ');
		buf_add_str(&out, names[i]);
	}
	joined = arena_str(arena, buf_str(&out));
	buf_fini(&out);
	return joined;
}
