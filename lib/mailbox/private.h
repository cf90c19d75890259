/* The mailbox store's inside: calls of scripts, and pieces of their answers.
 * Private to lib/mailbox. */
#ifndef SP_MAILBOX_PRIVATE_H
#define SP_MAILBOX_PRIVATE_H

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/mailbox/mailbox.h"

enum { MAILBOX_KEY_MAX = 400, MAILBOX_NUMBER_MAX = 24 };
#define MAILBOX_DEFAULT_RETENTION_S (30 * 86400)

struct mailbox_store {
	struct redis *redis;	  /* borrowed */
	struct blob_store *blobs; /* borrowed */
	int64_t retention_s;
};

#define MAILBOX_SCRIPT(ident, file) REDIS_SCRIPT_WITH(ident, "lib/mailbox/prelude.lua", "lib/mailbox/" file)

/* One call under way. */
struct op {
	struct mailbox_store *store;
	char *address;	    /* owner */
	struct arena arena; /* for its life */
	void *arg;	    /* of the caller */
	void *cb;	    /* the caller's callback, of whatever type */
	void *state;	    /* of calls that take several steps; in the arena */
};

struct op *op_new(struct mailbox_store *m, struct str address, void *cb, void *arg);
void op_free(struct op *op);

/* Arguments of a script, copied into the op's arena as they are added. */
struct args {
	struct op *op;
	struct str *list;
	size_t count, capacity;
};
struct args args_new(struct op *op, size_t capacity);
void args_add(struct args *a, struct str s);
void args_add_u64(struct args *a, uint64_t v);
/* Calls the script with the account's key; on_reply gets op. */
void op_call(struct op *op, struct redis_script *script, const struct args *a, redis_on_reply *on_reply);

/* on_reply gets op and err, later, as if a script had failed. */
void op_fail(struct op *op, const struct err *err, redis_on_reply *on_reply);

/* Sorted UIDs as packed ranges. */
struct str pack_ranges(struct arena *arena, const uint32_t *uids, uint32_t count);
struct str pack_range(struct arena *arena, uint32_t first, uint32_t last);
/* Packed u32 to numbers. */
const uint32_t *unpack_uids(struct arena *arena, struct str packed, uint32_t *count_out);
/* Folder fields as the scripts give them. */
void parse_folder(const redisReply *fields, struct mailbox_folder *out);
/* bit, name, bit, name, ... into a table by bit number. */
const struct str *parse_keywords(const redisReply *list, struct arena *arena, unsigned *count_out);
/* Drops the references to bodies and digests of packed cold records. */
void drop_references(struct mailbox_store *m, struct str cold);
/* Reaps folders whose deletion was begun; then, if done is not NULL, calls it. */
void reap_folder(struct mailbox_store *m, struct str address, uint64_t id, mailbox_on_done *done, void *arg);

/* Moves every message of a folder to another one, which exists. */
void move_all(struct mailbox_store *m, struct str address, uint32_t from_folder, struct str to_name,
	      mailbox_on_copied *cb, void *arg);

/* Element i of an array reply, or NULL. */
static inline const redisReply *
element(const redisReply *reply, size_t i)
{
	return reply != NULL && reply->type == REDIS_REPLY_ARRAY && i < reply->elements ? reply->element[i] : NULL;
}

#endif
