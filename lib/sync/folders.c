/* Reading the folders from a sync point.
 *
 * Everything up to a point has been reported. So a folder created after it is new to
 * the client, and the client has any other. */
#include "lib/base/arena.h"
#include "lib/base/mem.h"
#include "lib/sync/sync.h"

struct sync_folders {
	struct mailbox_store *store; /* borrowed */
	struct arena arena;
	struct str address;
	struct sync_point point;
	unsigned classes;
	sync_on_folders *cb;
	void *arg;
};

static void
folders_finish(struct sync_folders *r, const struct sync_folders_answer *answer, const struct err *err)
{
	r->cb(r->arg, answer, err);
	arena_fini(&r->arena);
	mem_free(r);
}

static void
folders_on_changes(void *arg, const struct mailbox_folder_changes *c, const struct err *err)
{
	static const struct err anew = {ERR_NOT_FOUND, "the log of folders does not go back that far"};
	struct sync_folders *r = arg;
	struct sync_folders_answer answer = {.point = {.modseq = err == NULL ? c->modseq : 0, .low = r->classes}};
	struct sync_folder_entry *entries;

	if (err == NULL && !c->complete)
		err = &anew;
	if (err != NULL) {
		folders_finish(r, NULL, err);
		return;
	}
	entries = arena_array(&r->arena, struct sync_folder_entry, (size_t)c->count + 1);
	for (uint32_t i = 0; i < c->count; i++) {
		const struct mailbox_folder_change *change = &c->list[i];
		bool is_new = r->point.modseq == 0 || change->folder.born_modseq > r->point.modseq;

		entries[i] = (struct sync_folder_entry){
			.id = change->id, .parent_id = change->parent_id, .folder = &change->folder};
		entries[i].what = change->gone ? SYNC_GONE : is_new ? SYNC_NEW : SYNC_CHANGED;
		if (change->gone)
			entries[i].folder = NULL;
	}
	answer.entries = entries;
	answer.count = c->count;
	folders_finish(r, &answer, NULL);
}

/* The point is for other classes: reported as if the log did not reach back, so that there is
 * one way to start again. */
static void
folders_on_other(void *arg, const struct mailbox_folder_changes *c, const struct err *err)
{
	static const struct err anew = {ERR_NOT_FOUND, "the sync point is for other folder classes"};

	(void)c;
	folders_finish(arg, NULL, err != NULL ? err : &anew);
}

void
sync_read_folders(struct mailbox_store *m, struct str address, const struct sync_point *from, unsigned classes,
		  sync_on_folders *cb, void *arg)
{
	struct sync_folders *r = mem_new(struct sync_folders);
	bool is_others = from->modseq != 0 && (from->folder_id != 0 || from->low != classes);

	r->store = m;
	arena_init(&r->arena);
	r->address = arena_str(&r->arena, address);
	r->point = *from;
	r->classes = classes;
	r->cb = cb;
	r->arg = arg;
	mailbox_folders_since(m, r->address, classes, is_others ? 0 : from->modseq,
			      is_others ? folders_on_other : folders_on_changes, r);
}
