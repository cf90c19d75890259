/* A folder as one client sees it: which message has which sequence number, and which
 * changes the client has been told of (RFC 9051, section 7).
 *
 * The list of UIDs is the index's own while both are the same; an expunged message
 * stays in the view until the client is told. A view starts out detached (SELECT
 * reads no records); commands whose row says IMAP_NEEDS_VIEW find it attached. */
#ifndef SP_FRONTEND_IMAP_VIEW_VIEW_H
#define SP_FRONTEND_IMAP_VIEW_VIEW_H

#include "frontend/folder/index.h"
#include "frontend/imap/parse/set.h"

struct imap_session;
struct imap_sync;

typedef void imap_view_on_ready(struct imap_session *s, const struct err *err);

/* A change that the client knows of although it is later than the view's modseq. */
struct imap_told {
	uint32_t uid;
	uint64_t modseq;
};

struct imap_view {
	struct imap_session *session; /* borrowed */
	struct folder_index *index;   /* a reference */
	struct folder_uids *uids;     /* a reference; NULL: detached */
	uint32_t count;		      /* messages that the client knows of: this many from the start of uids */
	uint64_t modseq;	      /* changes up to here have been reported */
	uint32_t uid_next;	      /* at SELECT */
	bool read_only;
	imap_view_on_ready *on_ready; /* for an attach or refresh in progress */
	unsigned gone_reads;	      /* of the attach in progress: how often the log was read */
	unsigned keywords_told;	      /* keywords_version */
	struct folder_recent recent;  /* those that are \Recent to this session */
	uint32_t recent_count;	      /* of the messages that the client knows of, as it was told */
	struct imap_told *told;	      /* owner; sorted by UID */
	uint32_t told_count;
	uint32_t *saved; /* owner; UIDs of the saved search result ("$"), sorted */
	uint32_t saved_count;
	struct imap_sync *sync;	       /* owner; NULL: no changes are being reported (view_sync.c) */
	struct folder_watcher watcher; /* of the index */
};

static inline uint32_t
imap_view_count(const struct imap_view *v)
{
	return v->count;
}

/* The UID of sequence number seq, 1 to count. */
static inline uint32_t
imap_view_uid(const struct imap_view *v, uint32_t seq)
{
	return v->uids->uids[seq - 1];
}

/* The sequence number of a UID; 0: the client knows of no such message. */
uint32_t imap_view_seq(const struct imap_view *v, uint32_t uid);
/* The packed record of a message; NULL: it is expunged, but the client does not know
 * yet. Borrowed until control returns to the loop. */
const char *imap_view_record(const struct imap_view *v, uint32_t seq);
/* False: expunged. */
bool imap_view_hot(const struct imap_view *v, uint32_t seq, struct mailbox_hot *hot_out);

/* Takes the recent messages that the index holds for the first session that comes, and
 * updates the count; the view must be attached. */
void imap_view_take_recent(struct imap_view *v);
/* Is this message \Recent to the session? */
static inline bool
imap_view_is_recent(const struct imap_view *v, uint32_t uid)
{
	return folder_recent_has(&v->recent, uid);
}

/* The messages that a set selects: sorted sequence numbers without duplicates. */
struct imap_messages {
	uint32_t *seqs; /* in the arena */
	uint32_t count;
};
/* Resolves a set as parsed. by_uid: a set of UIDs, where those that do not exist are
 * skipped; else a set of sequence numbers, where one beyond the last is an error:
 * returns the text, otherwise NULL. "$": the saved result. Resolves the set in place. */
const char *imap_view_resolve(const struct imap_view *v, struct imap_set *set, bool by_uid, struct arena *arena,
			      struct imap_messages *out);
/* Their UIDs, sorted; in the arena. */
uint32_t *imap_view_uids(const struct imap_view *v, const struct imap_messages *m, struct arena *arena);
/* Saves a search result: sorted UIDs (copied). */
void imap_view_save(struct imap_view *v, const uint32_t *uids, uint32_t count);

/* ---- Telling the client ---- */
/* Writes what has changed since the client was last told: EXPUNGE or VANISHED
 * (allow_expunge), EXISTS, FLAGS for new keywords, FETCH with FLAGS (UID, MODSEQ as
 * enabled). imap_finish() calls it. True: it is written. False: it is long; then() is
 * called once it is written, on a session that is open, and nothing else is reported
 * until then. Do not call it while another one is in progress (v->sync). */
bool imap_view_sync(struct imap_session *s, bool allow_expunge, void (*then)(struct imap_session *s));
void imap_view_sync_free(struct imap_view *v);
/* FLAGS and PERMANENTFLAGS, if there are keywords that the client has not been told
 * of; they must precede the first message with such a keyword. imap_view_sync() does
 * it too. */
void imap_view_tell_keywords(struct imap_view *v, struct buf *out);
/* The client learns, or has learned, this state of a message from its command's own
 * answer. */
void imap_view_told(struct imap_view *v, const struct mailbox_hot *hot);
/* Has the client been told of this state? */
bool imap_view_knows(const struct imap_view *v, const struct mailbox_hot *hot);
/* The same, for queries in UID order: *at is 0 at first. */
bool imap_view_knows_next(const struct imap_view *v, const struct mailbox_hot *hot, uint32_t *at);

/* ---- Life ---- */
/* folder: as mailbox_open() has just returned it. on_change: for the view's watcher. */
struct imap_view *imap_view_new(struct imap_session *s, const struct mailbox_folder *folder, bool read_only,
				void (*on_change)(struct folder_watcher *w));
void imap_view_free(struct imap_view **v);
/* Loads what is missing. True: already attached. Otherwise cb is called later, once,
 * on a session that is open (the session is held until then). err: it failed. */
bool imap_view_attach(struct imap_session *s, imap_view_on_ready *cb);
/* Attaches the view and brings the index up to date with the store; cb as above. */
void imap_view_refresh(struct imap_session *s, imap_view_on_ready *cb);

#endif
