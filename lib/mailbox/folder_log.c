/* The log of folders: their changes, slice by slice; and changes of class. */
#include "lib/base/bytes.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/mailbox/scripts.h"

MAILBOX_SCRIPT(folders_since);
MAILBOX_SCRIPT(reclass);

enum { LOG_SLICE = 200, LOG_MODSEQ_BYTES = 8, LOG_CHANGED_BYTES = LOG_MODSEQ_BYTES + 4 };
#define LOG_GONE_BYTES (LOG_MODSEQ_BYTES + sizeof(struct mailbox_fgone_layout))

struct folder_log {
	unsigned classes;
	struct mailbox_folder_change *list; /* owner; strings in the call's arena */
	uint32_t count, capacity;
	uint64_t modseq;
	bool is_cut; /* the log does not reach back far enough */
};

static struct mailbox_folder_change *
folder_log_add(struct folder_log *l)
{
	if (l->count == l->capacity) {
		l->capacity = l->capacity == 0 ? 16 : l->capacity * 2;
		l->list = mem_realloc(l->list, l->capacity * sizeof(*l->list));
	}
	return &l->list[l->count++];
}

static void
folder_log_add_gone(struct folder_log *l, const char *packed)
{
	const char *record = packed + LOG_MODSEQ_BYTES;

	*folder_log_add(l) = (struct mailbox_folder_change){
		.modseq = bytes_get_u64(packed),
		.id = bytes_get_u32(record + MAILBOX_AT(fgone, id)),
		.class = (enum mailbox_class)bytes_get_u16(record + MAILBOX_AT(fgone, class)),
		.gone = true,
	};
}

static void
folder_log_add_folder(struct folder_log *l, struct arena *arena, const redisReply *fields, const char *changed)
{
	struct mailbox_folder_change *c = folder_log_add(l);

	*c = (struct mailbox_folder_change){.modseq = bytes_get_u64(changed),
					    .parent_id = bytes_get_u32(changed + LOG_MODSEQ_BYTES)};
	mailbox_parse_folder(fields, &c->folder);
	/* The answer is freed before the last slice arrives. */
	c->folder.name = arena_str(arena, c->folder.name);
	c->folder.special_use = arena_str(arena, c->folder.special_use);
	c->id = c->folder.id;
	c->class = c->folder.class;
}

/* Both lists are sorted; of two entries with the same modseq, the deletion of a folder comes first. */
static void
folder_log_merge(struct folder_log *l, struct arena *arena, const struct mailbox_folders_since_answer *got)
{
	struct str gone = redis_str(got->gone), changed = redis_str(got->changed);
	size_t at = 0;

	for (size_t i = 0; i < got->folders->elements && (i + 1) * LOG_CHANGED_BYTES <= changed.len; i++) {
		const char *its = changed.p + i * LOG_CHANGED_BYTES;

		for (; at < gone.len && bytes_get_u64(gone.p + at) <= bytes_get_u64(its); at += LOG_GONE_BYTES)
			folder_log_add_gone(l, gone.p + at);
		folder_log_add_folder(l, arena, got->folders->element[i], its);
	}
	for (; at < gone.len; at += LOG_GONE_BYTES)
		folder_log_add_gone(l, gone.p + at);
}

static void folder_log_ask(struct mailbox_call *call);

static void
folder_log_end(struct mailbox_call *call, const struct err *err)
{
	struct folder_log *l = call->state;
	struct mailbox_folder_changes changes = {
		.list = l->list, .count = l->count, .modseq = l->modseq, .complete = !l->is_cut};

	call->on.folder_changes(call->arg, err == NULL ? &changes : NULL, err);
	mem_free(l->list);
	mailbox_call_end(call);
}

static void
folder_log_on_slice(struct mailbox_call *call, const redisReply *reply, const struct err *err)
{
	const struct mailbox_folders_since_answer got = mailbox_folders_since_answer(reply);
	struct folder_log *l = call->state;

	if (err != NULL) {
		folder_log_end(call, err);
		return;
	}
	folder_log_merge(l, &call->op.arena, &got);
	l->modseq = (uint64_t)redis_i64(got.modseq, 0);
	l->is_cut = l->is_cut || redis_i64(got.complete, 0) == 0;
	if (redis_i64(got.more, 0) != 0)
		folder_log_ask(call);
	else
		folder_log_end(call, NULL);
}

static void
folder_log_ask(struct mailbox_call *call)
{
	const struct folder_log *l = call->state;

	mailbox_folders_since_ask(
		call,
		&(struct mailbox_folders_since_args){.classes = l->classes, .since = l->modseq, .most = LOG_SLICE},
		folder_log_on_slice);
}

void
mailbox_folders_since(struct mailbox_store *m, struct str address, unsigned classes, uint64_t since_modseq,
		      mailbox_on_folder_changes *cb, void *arg)
{
	struct mailbox_call *call = mailbox_call_new(m, address, (union mailbox_on){.folder_changes = cb}, arg);
	struct folder_log *l = call->state = arena_new(&call->op.arena, struct folder_log);

	*l = (struct folder_log){.classes = classes, .modseq = since_modseq};
	folder_log_ask(call);
}

void
mailbox_reclass(struct mailbox_store *m, struct str address, uint32_t folder_id, enum mailbox_class class,
		mailbox_on_done *cb, void *arg)
{
	struct mailbox_call *call = mailbox_call_new(m, address, (union mailbox_on){.done = cb}, arg);

	mailbox_reclass_ask(call,
			    &(struct mailbox_reclass_args){.id = folder_id,
							   .class = class,
							   .now = (uint64_t)(clock_unix_ms() / 1000),
							   .retention = (uint64_t)m->retention_s},
			    mailbox_call_done);
}
