/* All records of a folder, read in pieces, because the store and the loop have other
 * work to do in between. Several pieces are requested at a time, so that none has to
 * wait for the one before.
 *
 * The pieces may be from different states of the folder. The changes since the first
 * piece are read after the last one; applying them yields the state that the store
 * had then. */
#include <string.h>

#include "frontend/folder/private.h"
#include "lib/base/check.h"
#include "lib/base/mem.h"

enum {
	PIECE_RECORDS = 16 * 1024, /* half a MiB */
	SPARSE = 4, /* if fewer than 1 in this many UIDs exist, the next piece spans this many times more */
};

void
folder_load_free(struct folder_load **l)
{
	struct folder_load *load = *l;

	*l = NULL;
	if (load == NULL)
		return;
	for (unsigned i = 0; i < FOLDER_PIECES; i++)
		buf_fini(&load->ring[i].hot);
	mem_free(load->hot);
	mem_free(load->group_modseq);
	folder_uids_unref(&load->uids);
	mem_free(load);
}

static void
load_reserve(struct folder_load *l, uint32_t more)
{
	uint32_t count = l->uids->count, room = count + more + (count + more) / 8 + 4;
	size_t had = l->group_modseq != NULL ? l->capacity / FOLDER_INDEX_GROUP + 1 : 0;
	size_t groups = room / FOLDER_INDEX_GROUP + 1;

	if (l->group_modseq != NULL && l->capacity >= count + more)
		return;
	l->hot = mem_realloc(l->hot, (size_t)room * MAILBOX_HOT_BYTES);
	l->uids = mem_realloc(l->uids, sizeof(*l->uids) + room * sizeof(l->uids->uids[0]));
	l->group_modseq = mem_realloc(l->group_modseq, groups * sizeof(*l->group_modseq));
	memset(l->group_modseq + had, 0, (groups - had) * sizeof(*l->group_modseq));
	l->capacity = l->uids->capacity = room;
}

static void
load_count(struct mailbox_folder *f, const struct mailbox_hot *hot)
{
	bool deleted = (hot->flags & MAILBOX_DELETED) != 0;

	f->messages++;
	f->unseen += (hot->flags & MAILBOX_SEEN) == 0;
	f->bytes += hot->size;
	f->deleted += deleted;
	f->deleted_bytes += deleted ? hot->size : 0;
}

static void
load_take(struct folder_load *l, const char *hots, size_t records)
{
	uint32_t count = l->uids->count;

	load_reserve(l, (uint32_t)records);
	if (records != 0)
		memcpy(l->hot + (size_t)count * MAILBOX_HOT_BYTES, hots, records * MAILBOX_HOT_BYTES);
	for (size_t i = 0; i < records; i++, count++) {
		uint64_t *group = &l->group_modseq[count / FOLDER_INDEX_GROUP];
		struct mailbox_hot hot;
		mailbox_hot_unpack(hots + i * MAILBOX_HOT_BYTES, &hot);
		CHECK(count == 0 || l->uids->uids[count - 1] < hot.uid);
		l->uids->uids[count] = hot.uid;
		*group = *group < hot.modseq ? hot.modseq : *group;
		load_count(&l->folder, &hot);
	}
	l->uids->count = count;
}

/* Records which state the piece is from. */
static void
load_note_state(struct folder_load *l, const struct mailbox_records *records)
{
	if (l->answered == 0 || records->highest_modseq < l->folder.highest_modseq)
		l->folder.highest_modseq = records->highest_modseq;
	if (l->answered == 0 || records->highest_modseq >= l->modseq) {
		l->modseq = records->highest_modseq;
		l->folder.uid_next = records->uid_next;
		l->folder.uid_validity = records->uid_validity;
		l->end = records->uid_next;
	}
	l->answered++;
}

/* Where UIDs were assigned long ago, few messages may be left. */
static void
load_judge_span(struct folder_load *l, uint32_t count)
{
	if (count > PIECE_RECORDS)
		l->span = PIECE_RECORDS;
	else if (count < l->span / SPARSE && l->span < UINT32_MAX / SPARSE)
		l->span *= SPARSE;
}

static void load_on_piece(void *arg, const struct mailbox_records *records, const struct err *err);

static void
load_ask(struct folder_index *ix, struct folder_load *l)
{
	uint32_t first = (uint32_t)l->next_uid;
	uint32_t last = l->span < UINT32_MAX - first ? first + l->span - 1 : UINT32_MAX;
	struct folder_piece *piece = &l->ring[l->asked++ % FOLDER_PIECES];

	CHECK(!piece->due && !piece->waits);
	piece->index = ix;
	piece->due = true;
	l->next_uid = (uint64_t)last + 1;
	l->due++;
	mailbox_read(ix->frontend->mailboxes, str_c(ix->address), ix->folder_id, first, last, MAILBOX_HOT, 0,
		     load_on_piece, piece);
}

static void
load_end(struct folder_index *ix, struct folder_load *l)
{
	folder_load_on_done *done = l->done;
	bool failed = l->failed;
	struct err err = l->err;

	if (failed)
		folder_load_free(&folder_inside(ix)->load);
	done(ix, failed ? &err : NULL);
}

/* Takes the piece, and those that have been waiting for it. */
static void
load_take_piece(struct folder_load *l, struct folder_piece *piece, const struct mailbox_records *records)
{
	if (piece != &l->ring[l->taken % FOLDER_PIECES]) {
		buf_add(&piece->hot, records->hot, (size_t)records->count * MAILBOX_HOT_BYTES);
		piece->waits = true;
		return;
	}
	load_take(l, records->hot, records->count);
	l->taken++;
	for (piece = &l->ring[l->taken % FOLDER_PIECES]; piece->waits; piece = &l->ring[l->taken % FOLDER_PIECES]) {
		load_take(l, piece->hot.data, piece->hot.len / MAILBOX_HOT_BYTES);
		buf_fini(&piece->hot);
		piece->waits = false;
		l->taken++;
	}
}

static void
load_ask_some(struct folder_index *ix, struct folder_load *l)
{
	while (!l->failed && l->asked - l->taken < FOLDER_PIECES && l->next_uid < l->end &&
	       ix->frontend->mailboxes != NULL)
		load_ask(ix, l);
}

static void
load_on_piece(void *arg, const struct mailbox_records *records, const struct err *err)
{
	struct folder_piece *piece = arg;
	struct folder_index *ix = piece->index;
	struct folder_load *l = folder_inside(ix)->load;

	piece->due = false;
	l->due--;
	if (err != NULL && !l->failed) {
		l->failed = true;
		l->err = *err;
	}
	if (!l->failed) {
		load_note_state(l, records);
		load_judge_span(l, records->count);
		load_take_piece(l, piece, records);
	}
	load_ask_some(ix, l);
	if (l->due == 0)
		load_end(ix, l);
}

void
folder_load_start(struct folder_index *ix, folder_load_on_done *done)
{
	struct folder_load *l = mem_new(struct folder_load);

	CHECK(folder_inside(ix)->load == NULL);
	folder_inside(ix)->load = l;
	l->done = done;
	l->uids = mem_new(struct folder_uids);
	l->uids->refs = 1;
	load_reserve(l, ix->folder.messages);
	l->next_uid = 1;
	l->span = ix->folder.messages > PIECE_RECORDS ? PIECE_RECORDS : UINT32_MAX;
	l->end = ix->folder.uid_next;
	load_ask(ix, l); /* also of a folder that is empty */
	load_ask_some(ix, l);
}
