/* A folder's index as this process knows it, shared by all users of the folder,
 * whichever protocol they speak: the hot records in UID order.
 *
 * It is loaded when records are first needed (an IMAP SELECT alone does not need
 * them). It follows the store by mailbox_read_changes(): on a notice, when notices
 * may have been lost, every 30 s, and on request. Each of its states is one that the
 * store was in, except that records that we changed ourselves may run ahead.
 *
 * Indexes that are no longer in use are kept for a while, up to
 * FOLDER_INDEX_SPARE_BYTES in total. */
#ifndef SP_FRONTEND_FOLDER_INDEX_H
#define SP_FRONTEND_FOLDER_INDEX_H

#include "frontend/core/frontend.h"
#include "frontend/folder/recent.h"
#include "lib/mailbox/mailbox.h"

#define FOLDER_INDEX_SPARE_BYTES (64 * 1024 * 1024)
#define FOLDER_TEXT_KINDS	 12 /* texts.h */

/* UIDs in order. Appended to in place (readers have a count of their own); removing
 * creates a new list unless nobody else holds this one. */
struct folder_uids {
	unsigned refs;
	uint32_t count, capacity;
	uint32_t uids[];
};

/* Receives notice that the index has changed, that it may have changed and is not
 * loaded, or that its folder is gone. */
struct folder_watcher {
	void (*on_change)(struct folder_watcher *w);
	/* May recent messages be taken for it now? NULL: never. */
	bool (*takes_recent)(const struct folder_watcher *w);
	struct folder_watcher *prev, *next; /* private */
};

struct folder_index {
	struct frontend *frontend; /* borrowed */
	char *address;		   /* owner; of the account */
	uint32_t folder_id;
	bool loaded; /* records and uids are valid */
	bool gone;   /* the folder was deleted */
	/* The folder's counts (no name, no keywords) as of folder.highest_modseq, which is
	 * the state of the records. */
	struct mailbox_folder folder;
	char *hot; /* owner; packed, uids->count records */
	/* Owner; packed, parallel to the hot records; NULL until one is needed. All zeros:
	 * not known yet. They do not change, except for the digest's place. */
	char *cold;
	struct folder_uids *uids;	  /* a reference */
	char *keywords[MAILBOX_KEYWORDS]; /* owner; NULL: unused bit */
	struct folder_recent recent;	  /* taken for our watchers, not yet reported to any */
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

/* The cold record at a position, if known. */
bool folder_index_cold(const struct folder_index *ix, uint32_t at, struct mailbox_cold *cold_out);
/* Keeps the records that were read, for later use by anyone. */
void folder_index_take_cold(struct folder_index *ix, const struct mailbox_records *records);
void folder_index_set_digest(struct folder_index *ix, uint32_t uid, const struct blob_id *digest);

/* The greatest modseq in a group of records: positions from FOLDER_INDEX_GROUP * n
 * on. */
#define FOLDER_INDEX_GROUP 256
uint64_t folder_index_group_modseq(const struct folder_index *ix, uint32_t group);

/* Position of the UID, or of the first greater one; *found_out: the UID exists. */
uint32_t folder_index_find(const struct folder_index *ix, uint32_t uid, bool *found_out);

/* A reference, with a watcher (the caller's storage, valid until the reference is
 * returned); folder: as mailbox_open() has just returned it. */
struct folder_index *folder_index_get(struct frontend *f, struct str address, const struct mailbox_folder *folder,
				      struct folder_watcher *watcher);
void folder_index_put(struct folder_index **ix, struct folder_watcher *watcher);

/* Asks the store for its state. cb is called once, later, with the index loaded and
 * no older than the store was at the time of this call (err: the index is unchanged). */
typedef void folder_index_on_fresh(void *arg, const struct err *err);
void folder_index_refresh(struct folder_index *ix, folder_index_on_fresh *cb, void *arg);
/* Applies the result of our own mailbox_store_flags() or mailbox_expunge(). If
 * nothing else has happened since the known state, the index need not be read again
 * for it. */
void folder_index_take_stored(struct folder_index *ix, const struct mailbox_stored *stored);
void folder_index_take_expunged(struct folder_index *ix, const struct mailbox_expunged *expunged);
void folder_index_set_keywords(struct folder_index *ix, const struct str *keywords, unsigned count);

/* Applies the result of mailbox_read_changes(), whose start is not later than the index's state. */
void folder_index_apply(struct folder_index *ix, const struct mailbox_changes *changes);

/* Is there a watcher for which recent messages should be taken? */
bool folder_index_takes_recent(const struct folder_index *ix);

void folder_uids_unref(struct folder_uids **u);

#endif
