/* Items: putting them into folders, and finding them by key and name. */
#include "lib/base/clock.h"
#include "lib/mailbox/scripts.h"

MAILBOX_SCRIPT(put);
MAILBOX_SCRIPT(move_item);

static const struct err put_taken = {ERR_EXISTS, "another item of the folder has this key or name"};

static void
put_on_answer(struct mailbox_call *call, const redisReply *reply, const struct err *err)
{
	const struct mailbox_put_answer got = mailbox_put_answer(reply);
	struct mailbox_put_done done = {
		.folder_id = (uint32_t)redis_i64(got.folder, 0),
		.uid = (uint32_t)redis_i64(got.uid, 0),
		.modseq = (uint64_t)redis_i64(got.modseq, 0),
		.email_id = (uint64_t)redis_i64(got.email, 0),
		.duplicate = redis_i64(got.duplicate, 0) != 0,
		.took_reference = redis_i64(got.took, 0) != 0,
		.other_uid = (uint32_t)redis_i64(got.other, 0),
	};

	if (err == NULL && done.other_uid != 0)
		err = &put_taken;
	if (err == NULL)
		mailbox_drop_references(call->store, redis_str(got.cold));
	call->on.put(call->arg, err == NULL || done.other_uid != 0 ? &done : NULL, err);
	mailbox_call_end(call);
}

/* False: the call has failed. */
static bool
put_check(struct mailbox_call *call, const struct mailbox_put *put)
{
	struct err err;

	if (put->name.len > MAILBOX_ITEM_NAME_MAX)
		err_set(&err, ERR_LIMIT, "the name of an item has at most %d bytes", MAILBOX_ITEM_NAME_MAX);
	else if (put->extra != NULL && put->extra->len > MAILBOX_EXTRA_MAX)
		err_set(&err, ERR_LIMIT, "the properties of an item take at most %d bytes", MAILBOX_EXTRA_MAX);
	else
		return true;
	mailbox_call_fail(call, &err, put_on_answer);
	return false;
}

static struct str
put_cold(struct mailbox_call *call, const struct mailbox_put *put)
{
	struct mailbox_cold cold = {
		.body = put->body, .digest = put->digest, .internal_date = put->date, .zone_minutes = put->kind};
	char *packed = arena_alloc(&call->op.arena, MAILBOX_COLD_BYTES);

	mailbox_cold_pack(&cold, packed);
	return str_of(packed, MAILBOX_COLD_BYTES);
}

static struct str
put_bytes(const unsigned char *bytes, size_t count)
{
	return bytes != NULL ? str_of((const char *)bytes, count) : STR_NONE;
}

void
mailbox_put(struct mailbox_store *m, const struct mailbox_put *put, mailbox_on_put *cb, void *arg)
{
	struct mailbox_call *call = mailbox_call_new(m, put->address, (union mailbox_on){.put = cb}, arg);

	if (!put_check(call, put))
		return;
	mailbox_put_ask(call,
			&(struct mailbox_put_args){
				.id = put->folder_id,
				.uid = put->uid,
				.limit = put->unchanged_since,
				.key = put_bytes(put->key, MAILBOX_KEY_BYTES),
				.name = put->name,
				.once = put_bytes(put->once, MAILBOX_ONCE_BYTES),
				.flags = put->flags & MAILBOX_FLAGS_ALL,
				.size = put->size,
				.cold = put_cold(call, put),
				.has_extra = put->extra != NULL,
				.extra = put->extra != NULL ? *put->extra : STR_NONE,
				.quota = put->quota_bytes,
				.now = (uint64_t)(clock_unix_ms() / 1000),
			},
			put_on_answer);
}

/* ---- Moving ---- */

static void
put_on_moved(struct mailbox_call *call, const redisReply *reply, const struct err *err)
{
	const struct mailbox_move_item_answer got = mailbox_move_item_answer(reply);
	struct mailbox_put_done done = {
		.folder_id = (uint32_t)redis_i64(got.folder, 0),
		.uid = (uint32_t)redis_i64(got.uid, 0),
		.modseq = (uint64_t)redis_i64(got.modseq, 0),
		.email_id = (uint64_t)redis_i64(got.email, 0),
		.other_uid = (uint32_t)redis_i64(got.other, 0),
	};

	if (err == NULL && done.other_uid != 0)
		err = &put_taken;
	call->on.put(call->arg, err == NULL || done.other_uid != 0 ? &done : NULL, err);
	mailbox_call_end(call);
}

void
mailbox_move_item(struct mailbox_store *m, struct str address, uint32_t from_folder, uint32_t uid, uint32_t to_folder,
		  struct str name, uint64_t unchanged_since, mailbox_on_put *cb, void *arg)
{
	struct mailbox_call *call = mailbox_call_new(m, address, (union mailbox_on){.put = cb}, arg);

	if (!put_check(call, &(struct mailbox_put){.name = name}))
		return;
	mailbox_move_item_ask(call,
			      &(struct mailbox_move_item_args){.from = from_folder,
							       .uid = uid,
							       .to = to_folder,
							       .name = name,
							       .limit = unchanged_since,
							       .now = (uint64_t)(clock_unix_ms() / 1000),
							       .retention = (uint64_t)m->retention_s},
			      put_on_moved);
}

/* ---- By key and name ---- */

static struct str
put_folder_key(struct mailbox_call *call, enum redis_key key, uint32_t folder_id)
{
	return redis_key(&call->op.arena, key, str_c(call->address),
			 str_c(arena_printf(&call->op.arena, "%u", folder_id)));
}

static void
put_on_found(struct mailbox_call *call, const redisReply *reply, const struct err *err)
{
	static const struct err none = {ERR_NOT_FOUND, "there is no such item"};
	struct mailbox_place place = {.folder_id = *(const uint32_t *)call->state,
				      .uid = (uint32_t)redis_i64(reply, 0)};

	if (err == NULL && place.uid == 0)
		err = &none;
	call->on.place(call->arg, err == NULL ? &place : NULL, err);
	mailbox_call_end(call);
}

void
mailbox_find_item(struct mailbox_store *m, struct str address, uint32_t folder_id, const unsigned char *key,
		  struct str name, mailbox_on_place *cb, void *arg)
{
	struct mailbox_call *call = mailbox_call_new(m, address, (union mailbox_on){.place = cb}, arg);
	struct str wanted = key != NULL ? put_bytes(key, MAILBOX_KEY_BYTES) : name, field;
	uint32_t *state = arena_new(&call->op.arena, uint32_t);
	struct buf text = BUF_EMPTY;

	*state = folder_id;
	call->state = state;
	buf_add_byte(&text, key != NULL ? 'u' : 'h');
	buf_add_str(&text, wanted);
	field = arena_str(&call->op.arena, buf_str(&text));
	buf_fini(&text);
	mailbox_call_command(call, "HGET", put_folder_key(call, KEY_MAIL_ITEM_UIDS, folder_id), 1, &field,
			     put_on_found);
}

static void
put_on_names(struct mailbox_call *call, const redisReply *reply, const struct err *err)
{
	uint32_t count = err == NULL ? (uint32_t)reply->elements : 0;
	struct str *names = arena_array(&call->op.arena, struct str, (size_t)count + 1);

	for (uint32_t i = 0; i < count; i++) {
		struct str both = redis_str(reply->element[i]);
		names[i] = both.len > MAILBOX_KEY_BYTES ? str_from(both, MAILBOX_KEY_BYTES) : STR_NONE;
	}
	call->on.names(call->arg, names, count, err);
	mailbox_call_end(call);
}

void
mailbox_get_names(struct mailbox_store *m, struct str address, uint32_t folder_id, const uint32_t *uids, uint32_t count,
		  mailbox_on_names *cb, void *arg)
{
	struct mailbox_call *call = mailbox_call_new(m, address, (union mailbox_on){.names = cb}, arg);

	mailbox_call_by_uid(call, KEY_MAIL_ITEM_NAMES, folder_id, uids, count, put_on_names);
}
