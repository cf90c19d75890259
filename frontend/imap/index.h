/* A folder's index as this process knows it, shared by all of its sessions
 * that have the folder selected: the hot records in order of UID.
 *
 * It is loaded when a session first needs records (SELECT alone does not), and
 * follows the store by mailbox_read_changes(): on a notice, when notices may
 * have been lost, every 30 s, and whenever a session asks (NOOP). Each state it
 * is in is one that the store was in, except that records changed by our own
 * STOREs may run ahead.
 *
 * Indexes that nobody has selected any more are kept a while, up to
 * IMAP_INDEX_SPARE_BYTES in all. */
#ifndef SP_FRONTEND_IMAP_INDEX_H
#define SP_FRONTEND_IMAP_INDEX_H

#include "frontend/core/frontend.h"
#include "frontend/imap/recent.h"
#include "lib/mailbox/mailbox.h"

#define IMAP_INDEX_SPARE_BYTES (64 * 1024 * 1024)

/* UIDs in order. Appended to in place (readers have a count of their own);
 * removing makes a new list unless nobody else holds it. */
struct imap_uids {
	unsigned refs;
	uint32_t count, capacity;
	uint32_t uids[];
};

struct imap_view;

struct imap_index {
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
	struct imap_uids *uids;		  /* a reference */
	struct imap_recent recent;	  /* taken for our sessions, and none was told yet */
	char *keywords[MAILBOX_KEYWORDS]; /* owner; NULL: bit not in use */
	unsigned keyword_count;
	unsigned keywords_version; /* grows when they change */
	struct imap_view *views;   /* borrowed; list of the sessions that have it selected */
	struct imap_index_private *private;
};

static inline uint32_t
imap_index_count(const struct imap_index *ix)
{
	return ix->uids != NULL ? ix->uids->count : 0;
}

static inline const char *
imap_index_record(const struct imap_index *ix, uint32_t at)
{
	return ix->hot + (size_t)at * MAILBOX_HOT_BYTES;
}

/* The cold record at a position, if it is known. */
bool imap_index_cold(const struct imap_index *ix, uint32_t at, struct mailbox_cold *cold_out);
/* Keeps what was read, for all who come. */
void imap_index_take_cold(struct imap_index *ix, const struct mailbox_records *records);
void imap_index_set_digest(struct imap_index *ix, uint32_t uid, const struct blob_id *digest);

/* The greatest modseq of the records of a group: positions IMAP_INDEX_GROUP * n
 * and on. */
#define IMAP_INDEX_GROUP 256
uint64_t imap_index_group_modseq(const struct imap_index *ix, uint32_t group);

/* Position of the UID, or of the first greater one; *found_out: it is there. */
uint32_t imap_index_find(const struct imap_index *ix, uint32_t uid, bool *found_out);

/* A reference for a view; folder: as mailbox_open() just gave it. */
struct imap_index *imap_index_get(struct frontend *f, struct str address, const struct mailbox_folder *folder);
void imap_index_put(struct imap_index **ix);

/* Asks the store for its state: cb comes once, later, with the index loaded and
 * no older than the store was at the time of this call (err: it is as it was). */
typedef void imap_index_on_fresh(void *arg, const struct err *err);
void imap_index_refresh(struct imap_index *ix, imap_index_on_fresh *cb, void *arg);
/* What a STORE or EXPUNGE of ours has done. If nothing else has happened since
 * the state that is known, the index need not be read for it. */
void imap_index_take_stored(struct imap_index *ix, const struct mailbox_stored *stored);
void imap_index_take_expunged(struct imap_index *ix, const struct mailbox_expunged *expunged);
void imap_index_set_keywords(struct imap_index *ix, const struct str *keywords, unsigned count);

/* What mailbox_read_changes() gave, of a state since or before which the index is. */
void imap_index_apply(struct imap_index *ix, const struct mailbox_changes *changes);

/* Is there a session to take recent messages for? */
bool imap_index_takes_recent(const struct imap_index *ix);

void imap_uids_unref(struct imap_uids **u);

#endif
