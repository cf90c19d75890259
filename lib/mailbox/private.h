/* Internals of the mailbox store: calls of scripts, and parsers for parts of
 * their answers. Private to lib/mailbox. */
#ifndef SP_MAILBOX_PRIVATE_H
#define SP_MAILBOX_PRIVATE_H

#include "lib/base/buf.h"
#include "lib/base/op.h"
#include "lib/mailbox/items.h"
#include "lib/mailbox/mailbox.h"
#include "lib/redis/keys.h"

enum { MAILBOX_NUMBER_MAX = 24 };
#define MAILBOX_DEFAULT_RETENTION_S (30 * 86400)

struct mailbox_store {
	struct redis *redis;	  /* borrowed */
	struct blob_store *blobs; /* borrowed */
	int64_t retention_s;
	uint32_t copy_at_once; /* messages; a larger copy takes several steps */
	int64_t copy_lease_ms; /* between two steps */
};

/* ---- A call in progress ----
 *
 * Created by each function of mailbox.h. Each step queries the store and ends
 * either with another query, or with the caller's callback and
 * mailbox_call_end(). */
struct mailbox_call;
/* As redis_on_reply, for the answer that the call waits for. */
typedef void mailbox_on_answer(struct mailbox_call *call, const redisReply *reply, const struct err *err);

/* The caller's callback; which member is set depends on the function. */
union mailbox_on {
	mailbox_on_done *done;
	mailbox_on_filed *filed;
	mailbox_on_was_filed *was_filed;
	mailbox_on_folder *folder;
	mailbox_on_folders *folders;
	mailbox_on_folder_changes *folder_changes;
	mailbox_on_place *place;
	mailbox_on_put *put;
	mailbox_on_names *names;
	mailbox_on_extra *extra;
	mailbox_on_extra_set *extra_set;
	mailbox_on_quota *quota;
	mailbox_on_metadata *metadata;
	mailbox_on_records *records;
	mailbox_on_changes *changes;
	mailbox_on_stored *stored;
	mailbox_on_expunged *expunged;
	mailbox_on_copied *copied;
};

struct mailbox_call {
	struct op op;		     /* its arena is the call's; holds: answers due */
	struct mailbox_store *store; /* borrowed */
	const char *address;	     /* in the arena */
	union mailbox_on on;
	void *arg;		       /* the caller's */
	mailbox_on_answer *on_answer;  /* of the current step */
	const struct err *failure;     /* in the arena; for mailbox_call_fail() */
	void *state;		       /* for calls that take several steps; in the arena */
	struct mailbox_source *source; /* borrowed; for calls that copy */
};

struct mailbox_call *mailbox_call_new(struct mailbox_store *m, struct str address, union mailbox_on on, void *arg);
/* Frees the call after the caller's callback was called. */
void mailbox_call_end(struct mailbox_call *call);
/* Calls on.done, which may be NULL, and ends the call; reply may be NULL. */
mailbox_on_answer mailbox_call_done;

/* Arguments of a script, built by its <script>_takes() (scripts.h). Texts are
 * borrowed until the script is called. */
struct mailbox_args {
	struct mailbox_call *call;
	struct str *list;
	size_t count, capacity;
};
struct mailbox_args mailbox_args_new(struct mailbox_call *call, size_t capacity);
void mailbox_args_add(struct mailbox_args *a, struct str s);
void mailbox_args_add_u64(struct mailbox_args *a, uint64_t v);
/* UINT64_MAX is passed as an empty argument. */
void mailbox_args_add_option(struct mailbox_args *a, uint64_t v);

/* Calls the script with the account's key. */
void mailbox_call_script(struct mailbox_call *call, struct redis_script *script, const struct mailbox_args *a,
			 mailbox_on_answer *on_answer);
/* A plain command on a key. */
void mailbox_call_command(struct mailbox_call *call, const char *verb, struct str key, size_t count,
			  const struct str *args, mailbox_on_answer *on_answer);
/* HMGET on a key of a folder that has UIDs as fields. */
void mailbox_call_by_uid(struct mailbox_call *call, enum redis_key key, uint32_t folder_id, const uint32_t *uids,
			 uint32_t count, mailbox_on_answer *on_answer);
/* Calls on_answer with err, later, as if a script had failed. */
void mailbox_call_fail(struct mailbox_call *call, const struct err *err, mailbox_on_answer *on_answer);
/* Checks the name of a folder (lib/mailbox/name.h). False: the call has failed. */
bool mailbox_call_name(struct mailbox_call *call, struct str name, mailbox_on_answer *on_answer, struct str *name_out);

/* ---- Many messages ----
 *
 * A running script blocks the whole store, so a change to very many messages is
 * split over several scripts. */
struct mailbox_batch {
	const uint32_t *uids; /* all UIDs to change; in the arena */
	uint32_t count, done;
	uint32_t most;			  /* per script */
	uint64_t modseq, previous_modseq; /* of everything that was done as one change */
};
void mailbox_batch_init(struct mailbox_call *call, struct mailbox_batch *b, const uint32_t *uids, uint32_t count);
/* The ranges of the next batch; empty if there are none at all. */
struct str mailbox_batch_next(struct mailbox_call *call, struct mailbox_batch *b);
/* The size of that batch; advances b->done past it. */
uint32_t mailbox_batch_take(struct mailbox_batch *b);
/* Records a step. If nothing happened between it and the previous steps, they still count as one change. */
void mailbox_batch_note(struct mailbox_batch *b, uint64_t modseq, uint64_t previous_modseq);

/* ---- Messages to be copied ---- */
typedef void mailbox_on_taken(struct mailbox_call *call, const struct err *err);
struct mailbox_source {
	struct buf uids, cold; /* owner; packed: ascending, and the record of each */
	mailbox_on_taken *on_taken;
	struct err err;
};
/* Calls on_taken, later, when the source holds those of the (ascending) UIDs
 * that exist and a reference was added to each body and digest that their
 * records name. */
void mailbox_source_take(struct mailbox_call *call, struct mailbox_source *s, uint64_t folder, const uint32_t *uids,
			 uint32_t count, mailbox_on_taken *on_taken);
/* Drops the references of messages that were not copied (copied: packed UIDs, ascending). */
void mailbox_source_give_back(struct mailbox_call *call, struct mailbox_source *s, struct str copied);
void mailbox_source_fini(struct mailbox_source *s);

/* ---- Pieces of arguments and answers ---- */
/* Sorted UIDs as packed ranges. */
struct str mailbox_pack_ranges(struct arena *arena, const uint32_t *uids, uint32_t count);
/* Packed u32 to numbers. */
const uint32_t *mailbox_unpack_uids(struct arena *arena, struct str packed, uint32_t *count_out);
/* Separated by spaces. */
struct str mailbox_join_keywords(struct arena *arena, const struct str *names, unsigned count);
/* Parses a folder's fields as the scripts return them. */
void mailbox_parse_folder(const redisReply *fields, struct mailbox_folder *out);
/* Turns the list bit, name, bit, name, ... into a table by bit number. */
const struct str *mailbox_parse_keywords(const redisReply *list, struct arena *arena, unsigned *count_out);
/* Drops the references to bodies and digests of packed cold records. */
void mailbox_drop_references(struct mailbox_store *m, struct str cold);

/* ---- Calls that others are built from ---- */
/* Reaps a folder whose deletion has begun; then calls done, unless it is NULL. */
void mailbox_reap(struct mailbox_store *m, struct str address, uint64_t id, mailbox_on_done *done, void *arg);
/* Reaps all folders of a list of doomed ones, in the background. */
void mailbox_reap_all(struct mailbox_store *m, struct str address, const redisReply *doomed);
/* Copies so many messages that a single script would block the store too long
 * (staging.c). `to` was checked. */
void mailbox_copy_staged(struct mailbox_store *m, struct str address, uint32_t from_folder, const uint32_t *uids,
			 uint32_t uid_count, struct str to, uint64_t quota_bytes, mailbox_on_copied *cb, void *arg);

/* Element i of an array reply. If it has none: a reply in which nothing is found. */
static inline const redisReply *
mailbox_element(const redisReply *reply, size_t i)
{
	static const redisReply nothing = {.type = REDIS_REPLY_NIL};

	return reply != NULL && reply->type == REDIS_REPLY_ARRAY && i < reply->elements ? reply->element[i] : &nothing;
}

/* ---- merge.c ---- */
void mailbox_sort_uids(uint32_t *uids, uint32_t count);
/* Packed records of several passes, one behind the other: keeps, in UID order, the last
 * one of each message that is not gone. first: those of the first pass, which has nearly
 * all; these are in order. colds: parallel to hots, or empty. gone_uids: sorted. */
void mailbox_merge_passes(struct buf *hots, struct buf *colds, uint32_t first, const uint32_t *gone_uids,
			  uint32_t gone_count);

#endif
