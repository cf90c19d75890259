/* The internals of the folder index, for the files of frontend/folder only.
 *
 *   records.c    the data: hot and cold records, UIDs, keywords
 *   texts.c      texts stored beside them
 *   load.c       reading all records again
 *   follow.c     how the index is read and kept up to date with the store
 *   index.c      which indexes exist, and for how long */
#ifndef SP_FRONTEND_FOLDER_PRIVATE_H
#define SP_FRONTEND_FOLDER_PRIVATE_H

#include <uthash.h>

#include "frontend/folder/index.h"

enum { FOLDER_KEY_MAX = 360, FOLDER_POLL_S = 30 };

struct folder_pool;
struct folder_text;

struct folder_waiter {
	folder_index_on_fresh *cb;
	void *arg;
	struct folder_waiter *next;
};

/* On error everything is freed. Otherwise the records read are in
 * folder_inside(ix)->load. err: valid for the call. */
typedef void folder_load_on_done(struct folder_index *ix, const struct err *err);

/* One piece of a load. Pieces are answered in any order, and taken in UID order. */
struct folder_piece {
	struct folder_index *index; /* borrowed */
	bool due;		    /* not answered yet */
	bool waits;		    /* for the pieces before it */
	struct buf hot;		    /* owner; its records, while it waits */
};
#define FOLDER_PIECES 3 /* at a time */

/* Records that are being read, separate from those that the index has. */
struct folder_load {
	folder_load_on_done *done;
	char *hot;		      /* owner */
	uint64_t *group_modseq;	      /* owner */
	struct folder_uids *uids;     /* owner */
	uint32_t capacity;	      /* records */
	struct mailbox_folder folder; /* counts; the lowest modseq of the pieces, the rest as of the highest */
	uint64_t modseq;	      /* the highest */
	uint64_t next_uid;	      /* for the next piece */
	uint32_t end, span;	      /* the folder's uid_next as far as known; UIDs in a piece */
	struct folder_piece ring[FOLDER_PIECES];
	unsigned asked, taken; /* pieces; those between are in the ring */
	unsigned answered, due;
	bool failed;
	struct err err;
};

struct folder_index_private {
	struct folder_index index; /* first: found from it */
	char key[FOLDER_KEY_MAX];
	unsigned refs;			 /* by users, and by store calls in progress */
	bool reading;			 /* a read is in progress */
	bool spare;			 /* in the list of unused indexes */
	struct folder_watcher *watchers; /* list; borrowed */
	struct folder_waiter *served;	 /* owner; those served by the read in progress */
	struct folder_waiter *next;	 /* owner; those served by the next one */
	uint32_t capacity;		 /* records of hot */
	uint64_t *group_modseq;		 /* owner; for each group of records */
	struct folder_pool *pool;	 /* a reference; NULL until there are texts */
	const struct folder_text *
		*texts[FOLDER_TEXT_KINDS];	    /* owner; by position, in the pool; NULL: no message has one */
	struct folder_load *load;		    /* owner; NULL: none in progress */
	unsigned poll_turn;			    /* seconds of FOLDER_POLL_S */
	struct tracking_subscription *subscription; /* owner; while the index is in use */
	struct folder_index_private *spare_prev, *spare_next;
	UT_hash_handle hh;
};

static inline struct folder_index_private *
folder_inside(const struct folder_index *ix)
{
	return ix->private;
}

/* ---- records.c ---- */
/* Replaces all known records with those that were loaded. */
void folder_records_replace(struct folder_index *ix);
void folder_records_note_recent(struct folder_index *ix, const struct mailbox_changes *changes);
/* Forgets everything. */
void folder_records_forget(struct folder_index *ix);
void folder_records_free(struct folder_index *ix);
/* The folder's counts; name and keywords are borrowed from the store's answer. */
void folder_records_take_counts(struct folder_index *ix, const struct mailbox_folder *folder);
size_t folder_records_bytes(const struct folder_index *ix);

/* ---- texts.c ---- */
/* The records now have room for this many. */
void folder_texts_resize(struct folder_index *ix, uint32_t had, uint32_t capacity);
/* Records move to other positions; a new one comes to one. */
void folder_texts_move(struct folder_index *ix, uint32_t from, uint32_t to, uint32_t count);
void folder_texts_begin(struct folder_index *ix, uint32_t at);
size_t folder_texts_bytes(const struct folder_index *ix);
void folder_texts_forget(struct folder_index *ix);

/* ---- load.c ---- */
void folder_load_start(struct folder_index *ix, folder_load_on_done *done);
void folder_load_free(struct folder_load **l);

/* ---- follow.c ---- */
/* Notifies the watchers. */
void folder_follow_push(struct folder_index *ix);
/* Call it when something may have changed. */
void folder_follow_look(struct folder_index *ix);
void folder_follow_subscribe(struct folder_index *ix);

/* ---- index.c ---- */
void folder_index_release(struct folder_index_private *p);

#endif
