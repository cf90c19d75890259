/* The insides of the folder index, for the files of frontend/folder alone.
 *
 *   records.c    what is known: hot and cold records, UIDs, keywords
 *   texts.c      texts beside them
 *   load.c       all records, read anew
 *   follow.c     how it is read, and kept up with the store
 *   index.c      which indexes there are, and for how long */
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

/* error: all is freed. Else what was read stands in folder_inside(ix)->load. err: valid
 * for the call. */
typedef void folder_load_on_done(struct folder_index *ix, const struct err *err);

/* Records that are being read, beside those that the index has. */
struct folder_load {
	folder_load_on_done *done;
	char *hot;		      /* owner */
	uint64_t *group_modseq;	      /* owner */
	struct folder_uids *uids;     /* owner */
	uint32_t capacity;	      /* records */
	struct mailbox_folder folder; /* counts; the modseq of the first piece */
	uint64_t modseq;	      /* of the last one */
	uint64_t next_uid;	      /* of the next piece */
	uint32_t end, span;	      /* what is known of the folder's uid_next; UIDs of a piece */
	unsigned pieces, due;	      /* that have come; that will */
	bool failed;
	struct err err;
};

struct folder_index_private {
	struct folder_index index; /* first: found from it */
	char key[FOLDER_KEY_MAX];
	unsigned refs;			 /* of users, and calls of the store under way */
	bool reading;			 /* a read is under way */
	bool spare;			 /* in the list of those that nobody uses */
	struct folder_watcher *watchers; /* list; borrowed */
	struct folder_waiter *served;	 /* owner; whom the read under way serves */
	struct folder_waiter *next;	 /* owner; whom the next one will */
	uint32_t capacity;		 /* records of hot */
	uint64_t *group_modseq;		 /* owner; for each group of records */
	struct folder_pool *pool;	 /* a reference; NULL until there are texts */
	const struct folder_text *
		*texts[FOLDER_TEXT_KINDS];	    /* owner; by position, in the pool; NULL: no message has one */
	struct folder_load *load;		    /* owner; NULL: none is under way */
	unsigned poll_turn;			    /* seconds of FOLDER_POLL_S */
	struct tracking_subscription *subscription; /* owner; while it is used */
	struct folder_index_private *spare_prev, *spare_next;
	UT_hash_handle hh;
};

static inline struct folder_index_private *
folder_inside(const struct folder_index *ix)
{
	return ix->private;
}

/* ---- records.c ---- */
/* What was loaded takes the place of all that is known. */
void folder_records_replace(struct folder_index *ix);
void folder_records_note_recent(struct folder_index *ix, const struct mailbox_changes *changes);
/* Nothing is known any more. */
void folder_records_forget(struct folder_index *ix);
void folder_records_free(struct folder_index *ix);
/* The folder's counts; name and keywords are borrowed in what the store gives. */
void folder_records_take_counts(struct folder_index *ix, const struct mailbox_folder *folder);
size_t folder_records_bytes(const struct folder_index *ix);

/* ---- texts.c ---- */
/* The records have room for so many now. */
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
/* Tells the watchers. */
void folder_follow_push(struct folder_index *ix);
/* Something may have changed. */
void folder_follow_look(struct folder_index *ix);
void folder_follow_subscribe(struct folder_index *ix);

/* ---- index.c ---- */
void folder_index_release(struct folder_index_private *p);

#endif
