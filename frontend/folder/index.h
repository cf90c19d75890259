/* A folder's index as this process knows it, shared by all that use the folder,
 * whichever protocol they speak: the hot records in order of UID.
 *
 * It is loaded when somebody first needs records (an IMAP SELECT alone does not),
 * and follows the store by mailbox_read_changes(): on a notice, when notices may
 * have been lost, every 30 s, and whenever somebody asks. Each state it is in is
 * one that the store was in, except that records that we changed ourselves may
 * run ahead.
 *
 * Indexes that nobody uses any more are kept a while, up to
 * FOLDER_INDEX_SPARE_BYTES in all. */
#ifndef SP_FRONTEND_FOLDER_INDEX_H
#define SP_FRONTEND_FOLDER_INDEX_H

#include "frontend/core/frontend.h"
#include "frontend/folder/recent.h"
#include "lib/mailbox/mailbox.h"

#define FOLDER_INDEX_SPARE_BYTES (64 * 1024 * 1024)
#define FOLDER_TEXT_KINDS	 12 /* texts.h */

/* UIDs in order. Appended to in place (readers have a count of their own);
 * removing makes a new list unless nobody else holds it. */
struct folder_uids {
	unsigned refs;
	uint32_t count, capacity;
	uint32_t uids[];
};

/* Whoever wants to know that the index has changed, or may have and is not
 * loaded, or that its folder is gone. */
struct folder_watcher {
	void (*on_change)(struct folder_watcher *w);
	/* Are recent messages to be taken for it now? NULL: never. */
	bool (*takes_recent)(const struct folder_watcher *w);
	struct folder_watcher *prev, *next; /* private */
};

struct folder_index {
	struct frontend *frontend; /* borrowed */
	char *address;		   /* owner; of the account */
	uint32_t folder_id;
	bool loaded; /* records and uids stand */
	bool gone;   /* the folder was deleted */
	/* The folder's counts (no name, no keywords) as of folder.highest_modseq,
	 * which is the state that the records are in. */
	struct mailbox_folder folder;
	char *hot; /* owner; packed, uids->count records */
	/* Owner; packed, beside them; NULL until one was wanted. All zeros: not
	 * known yet. They do not change but for the digest's place. */
	char *cold;
	struct folder_uids *uids;	  /* a reference */
	char *keywords[MAILBOX_KEYWORDS]; /* owner; NULL: bit not in use */
	struct folder_recent recent;	  /* taken for our watchers, and none was told yet */
	unsigned keyword_count;
	unsigned keywords_version; /* grows when they change */
	struct folder_index_private *private;
};

static inline uint32_t
folder_index_count(const struct folder_index *ix)
{
	return ix->uids != NULL ? ix->uids->count : 0;
}

static inline const char *
folder_index_record(const struct folder_index *ix, uint32_t at)
{
	return ix->hot + (size_t)at * MAILBOX_HOT_BYTES;
}

/* The cold record at a position, if it is known. */
bool folder_index_cold(const struct folder_index *ix, uint32_t at, struct mailbox_cold *cold_out);
/* Keeps what was read, for all who come. */
void folder_index_take_cold(struct folder_index *ix, const struct mailbox_records *records);
void folder_index_set_digest(struct folder_index *ix, uint32_t uid, const struct blob_id *digest);

/* The greatest modseq of the records of a group: positions FOLDER_INDEX_GROUP * n
 * and on. */
#define FOLDER_INDEX_GROUP 256
uint64_t folder_index_group_modseq(const struct folder_index *ix, uint32_t group);

/* Position of the UID, or of the first greater one; *found_out: it is there. */
uint32_t folder_index_find(const struct folder_index *ix, uint32_t uid, bool *found_out);

/* A reference, with a watcher (the caller's storage, until it is put back);
 * folder: as mailbox_open() just gave it. */
struct folder_index *folder_index_get(struct frontend *f, struct str address, const struct mailbox_folder *folder,
				      struct folder_watcher *watcher);
void folder_index_put(struct folder_index **ix, struct folder_watcher *watcher);

/* Asks the store for its state: cb comes once, later, with the index loaded and
 * no older than the store was at the time of this call (err: it is as it was). */
typedef void folder_index_on_fresh(void *arg, const struct err *err);
void folder_index_refresh(struct folder_index *ix, folder_index_on_fresh *cb, void *arg);
/* What mailbox_store_flags() or mailbox_expunge() of ours has done. If nothing else has happened since
 * the state that is known, the index need not be read for it. */
void folder_index_take_stored(struct folder_index *ix, const struct mailbox_stored *stored);
void folder_index_take_expunged(struct folder_index *ix, const struct mailbox_expunged *expunged);
void folder_index_set_keywords(struct folder_index *ix, const struct str *keywords, unsigned count);

/* What mailbox_read_changes() gave, of a state since or before which the index is. */
void folder_index_apply(struct folder_index *ix, const struct mailbox_changes *changes);

/* Is there a watcher to take recent messages for? */
bool folder_index_takes_recent(const struct folder_index *ix);

void folder_uids_unref(struct folder_uids **u);

#endif
