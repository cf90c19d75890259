/* Mailboxes: the folders of an account, the records of their messages, and the
 * log of changes.
 *
 * All of it is stored in Redis under mail:{<address>}:*. Only the scripts in
 * this directory change it, one atomic script per change, so any number of
 * frontends and workers can work on one account at once. Message bodies and
 * digests are in the blob store.
 *
 * A folder's index consists of packed, fixed-width records in chunks of up to
 * 256 messages: chunk number = UID / 256. Each chunk is two strings of records
 * in order of UID: `hot` (32 bytes: what SELECT, FLAGS and SEARCH need) and
 * `cold` (56 bytes: the places of the body and the digest, and dates). A
 * folder's hash holds its counts, so the cost of opening a folder does not
 * depend on its size.
 *
 * Every change takes a new modseq from the account's counter. No modseq is ever
 * used twice within an account. Expunged and moved messages leave a tombstone
 * in the folder's log for settings:mailbox tombstone_retention. Each change
 * publishes "<folder id> <modseq>" on the channel mail:{<address>}. This is
 * only a wake-up; the changes themselves are read with mailbox_read_changes().
 *
 * Folder 1 is INBOX. It is created at the first use of the account, together
 * with the standard special-use folders. Folder ids and email ids (RFC 8474
 * MAILBOXID, EMAILID) never change and are never reused. A message keeps its
 * email id through moves and copies.
 *
 * Folders of other classes than MAIL (items.h) have a namespace of their own.
 * No call that takes a name finds them, and no list contains them.
 *
 * All calls are asynchronous: the callback is called exactly once, later, on
 * the loop, with err NULL on success. Results are borrowed for the duration of
 * the callback. */
#ifndef SP_MAILBOX_MAILBOX_H
#define SP_MAILBOX_MAILBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/bytes.h"
#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/blob/blob.h"
#include "lib/mailbox/records_table.h"
#include "lib/redis/redis.h"

struct mailbox_store;

/* Borrows both for its lifetime. */
struct mailbox_store *mailbox_store_new(struct redis *r, struct blob_store *blobs);
void mailbox_store_free(struct mailbox_store **m);
/* How long tombstones are kept (settings:mailbox tombstone_retention). */
void mailbox_store_set_retention(struct mailbox_store *m, int64_t ms);

typedef void mailbox_on_done(void *arg, const struct err *err);

#define MAILBOX_FLAG_ROW(name, bit) MAILBOX_##name = (bit),
enum mailbox_flag { MAILBOX_FLAGS_TABLE(MAILBOX_FLAG_ROW) };
#define MAILBOX_FLAG_OR(name, bit) | (bit)
#define MAILBOX_FLAGS_ALL	   (0 MAILBOX_FLAGS_TABLE(MAILBOX_FLAG_OR))
/* Bits of the same field for other protocols; IMAP neither shows nor changes them.
 * Those of enum mailbox_mark are set by the calls that they describe. */
#define MAILBOX_MARKS (0xffff & ~(MAILBOX_FLAGS_ALL))
enum mailbox_mark { MAILBOX_MARKS_TABLE(MAILBOX_FLAG_ROW) };

/* What a folder holds: mail, or items that other protocols serve (items.h). */
#define MAILBOX_CLASS_ROW(name, value, first) MAILBOX_##name = (value),
enum mailbox_class { MAILBOX_CLASSES_TABLE(MAILBOX_CLASS_ROW) };

/* ---- Records ----
 * Packed as described in lib/mailbox/records_table.h. */
struct mailbox_hot {
	uint32_t uid;
	uint16_t flags; /* enum mailbox_flag */
	uint16_t marks; /* of MAILBOX_MARKS */
	uint64_t size;	/* RFC822.SIZE, bytes */
	uint64_t modseq;
	uint64_t email_id;
	uint64_t keywords; /* bit n: the folder's keyword n */
};

struct mailbox_cold {
	struct blob_id body;
	struct blob_id digest; /* none: not yet computed */
	int64_t internal_date; /* unix seconds */
	uint32_t save_date;    /* unix seconds: when it was added to this folder */
	int16_t zone_minutes;  /* of internal_date, as APPEND gave it */
};

/* One field of a packed record, when the rest is not needed. */
static inline uint32_t
mailbox_hot_uid(const char *hot)
{
	return bytes_get_u32(hot + MAILBOX_AT(hot, uid));
}
static inline uint64_t
mailbox_hot_modseq(const char *hot)
{
	return bytes_get_u48(hot + MAILBOX_AT(hot, modseq));
}

void mailbox_hot_unpack(const char *in, struct mailbox_hot *out);
void mailbox_cold_unpack(const char *in, struct mailbox_cold *out);
void mailbox_cold_pack(const struct mailbox_cold *in, char *out);

/* ---- Filing and appending ---- */
struct mailbox_new_message {
	uint64_t flags;		    /* enum mailbox_flag */
	const struct str *keywords; /* borrowed */
	unsigned keyword_count;
	struct blob_id body; /* the reference passes to the mailbox */
	struct blob_id digest;
	int64_t internal_date; /* unix seconds */
	int16_t zone_minutes;
};

#define MAILBOX_ONCE_BYTES 16

struct mailbox_expunged {
	const uint32_t *uids;
	uint32_t count;
	uint64_t modseq;
	uint64_t previous_modseq; /* the folder's, just before; UINT64_MAX: there were other changes in between */
};

struct mailbox_filed {
	uint32_t uid_validity;
	uint32_t first_uid; /* of `count` consecutive ones */
	uint32_t count;
	uint64_t modseq;
	uint64_t first_email_id;
	bool duplicate;	 /* it was delivered before: nothing changed, no reference was taken */
	bool had_passed; /* duplicate: the first delivery took the spool's reference; by `once`: that to this body */
	struct mailbox_expunged replaced; /* count 0: nothing was replaced */
};
typedef void mailbox_on_filed(void *arg, const struct mailbox_filed *filed, const struct err *err);

/* An attempt to deliver a message from the spool. Deliveries are recorded in a
 * ledger of the account, by the day in the message's id, and every attempt is
 * checked against it. A message is filed into a folder once, and by a way once,
 * however late an attempt is and whatever happened to the account in the
 * meantime. An attempt that began more than 6 hours ago files nothing. */
#define MAILBOX_TRY_LIFE_MS (INT64_C(6) * 3600 * 1000)
struct mailbox_delivery {
	struct str spool_id;
	struct str way;		/* what chose the folder, as the address had it; empty: nothing did */
	int64_t spooled_ms;	/* the time in the spool id, unix */
	int64_t begun_ms;	/* when this attempt began, unix */
	int64_t ledger_life_ms; /* longer than any message stays in the spool */
	bool passes_reference;	/* the reference to the body is the spool's own */
	bool in_doubt;		/* an earlier attempt may have filed it: refused once the ledger may have expired */
};

struct mailbox_filing {
	struct str address;   /* of the account, canonical */
	struct str folder;    /* name; empty: INBOX */
	bool create_folder;   /* create it if it is missing; else ERR_NOT_FOUND */
	uint64_t quota_bytes; /* 0: no limit; over it: ERR_OVER_QUOTA */
	/* Borrowed; NULL: not a delivery. An attempt that comes too late:
	 * ERR_FENCED. The account no longer exists: ERR_DENIED. */
	const struct mailbox_delivery *delivery;
	/* A message to remove in the same step (RFC 8508); 0: none. If it no longer
	 * exists, nothing is filed: ERR_FENCED. Its references are dropped. */
	uint32_t replaced_folder, replaced_uid;
	/* MAILBOX_ONCE_BYTES chosen by the client, or NULL. A second call with the same
	 * token within three days files nothing and returns the first result (a duplicate). */
	const unsigned char *once;
	const struct mailbox_new_message *messages; /* all or none are added */
	unsigned count;
};
/* Local delivery and APPEND (MULTIAPPEND). After an error that is not certain
 * (mailbox_is_certain()) the messages may have been filed and may own the
 * references. */
void mailbox_file(struct mailbox_store *m, const struct mailbox_filing *filing, mailbox_on_filed *cb, void *arg);
/* Was this delivery filed, and with the spool's reference? (The body may be gone by now.) */
typedef void mailbox_on_was_filed(void *arg, bool filed, bool had_passed, const struct err *err);
void mailbox_was_filed(struct mailbox_store *m, struct str address, const struct mailbox_delivery *delivery,
		       mailbox_on_was_filed *cb, void *arg);
/* True if the error proves that nothing was done. Only a refusal by one of our
 * scripts proves that. After a lost answer, or an error that stopped a script,
 * any part of the work may have been done. */
bool mailbox_is_certain(const struct err *err);

/* ---- Folders ---- */
struct mailbox_folder {
	uint32_t id;
	enum mailbox_class class;
	struct str name;      /* UTF-8 (NFC), levels separated by '/' */
	uint64_t born_modseq; /* when it was created or got its class; 0: unknown */
	uint32_t uid_validity;
	uint32_t uid_next;
	uint64_t highest_modseq;
	uint32_t messages;
	uint32_t unseen;
	uint32_t deleted; /* messages with \Deleted */
	uint64_t bytes;
	uint64_t deleted_bytes;
	/* Messages that no session has claimed as \Recent yet (RFC 3501, 2.3.2):
	 * their number, and the first UID; uid_next: none. */
	uint32_t recent;
	uint32_t first_recent;
	struct str special_use; /* "\\Sent", ...; empty: none */
	bool subscribed;
	const struct str *keywords; /* by bit number; an empty name: the bit is not in use */
	unsigned keyword_count;	    /* set by mailbox_open() only */
	/* Sequence number of the first unseen message; 0: there is none, or it is too
	 * far from both ends to search for. Set by mailbox_select() only. */
	uint32_t first_unseen;
};
typedef void mailbox_on_folder(void *arg, const struct mailbox_folder *folder, const struct err *err);
typedef void mailbox_on_folders(void *arg, const struct mailbox_folder *folders, unsigned count,
				const struct str *subscribed_missing, unsigned missing_count, const struct err *err);

/* Those of class MAIL. Also wakes an account's mailboxes into being. Sorted by name, INBOX first.
 * A folder that is there from the call to its end is told once, by the name that it has; what is
 * made or deleted meanwhile may be told. A subscribed name may be told twice, or beside its folder. */
void mailbox_list(struct mailbox_store *m, struct str address, mailbox_on_folders *cb, void *arg);
/* The same without the counts, which costs the store a third: of each folder only its id, class,
 * name, special use and subscription are filled in. */
void mailbox_list_names(struct mailbox_store *m, struct str address, mailbox_on_folders *cb, void *arg);
/* By name ("INBOX" in any case). ERR_NOT_FOUND. */
void mailbox_open(struct mailbox_store *m, struct str address, struct str name, mailbox_on_folder *cb, void *arg);
/* The same for a session, with first_unseen. take_recent: claims the recent
 * messages, so that the next session finds none. */
void mailbox_select(struct mailbox_store *m, struct str address, struct str name, bool take_recent,
		    mailbox_on_folder *cb, void *arg);
void mailbox_status(struct mailbox_store *m, struct str address, uint32_t folder_id, mailbox_on_folder *cb, void *arg);
/* Also creates missing upper levels. ERR_EXISTS, ERR_INVALID (name), ERR_LIMIT. */
void mailbox_create(struct mailbox_store *m, struct str address, struct str name, struct str special_use,
		    mailbox_on_folder *cb, void *arg);
/* Deletes a folder with its messages. INBOX: ERR_DENIED. A folder with children:
 * ERR_DENIED "has children" (RFC 9051, 6.3.5 lets us choose; we keep no \Noselect
 * names). */
void mailbox_delete(struct mailbox_store *m, struct str address, struct str name, mailbox_on_done *cb, void *arg);
/* Renames a folder with its lower levels. INBOX stays; its present messages move
 * to the new name, some hundreds at a time (RFC 9051, 6.3.6). */
void mailbox_rename(struct mailbox_store *m, struct str address, struct str from, struct str to, mailbox_on_done *cb,
		    void *arg);
void mailbox_subscribe(struct mailbox_store *m, struct str address, struct str name, bool subscribed,
		       mailbox_on_done *cb, void *arg);

struct mailbox_quota {
	uint64_t bytes;	   /* of everything, items included: the quota covers the account */
	uint64_t messages; /* of mail only */
};
typedef void mailbox_on_quota(void *arg, const struct mailbox_quota *used, const struct err *err);
void mailbox_quota_used(struct mailbox_store *m, struct str address, mailbox_on_quota *cb, void *arg);

/* ---- Annotations (RFC 5464) ---- */
#define MAILBOX_ANNOTATIONS 100 /* at most, per folder and for the account */
struct mailbox_annotation {
	struct str name;  /* "/private/comment", lower case */
	struct str value; /* any bytes */
	bool removed;	  /* to remove it; never set in a result */
};
typedef void mailbox_on_metadata(void *arg, const struct mailbox_annotation *list, unsigned count,
				 const struct err *err);
/* Of a folder, or of the account itself (folder_id 0), in no particular order. */
void mailbox_get_metadata(struct mailbox_store *m, struct str address, uint32_t folder_id, mailbox_on_metadata *cb,
			  void *arg);
/* Sets all or none. ERR_LIMIT: more than MAILBOX_ANNOTATIONS. */
void mailbox_set_metadata(struct mailbox_store *m, struct str address, uint32_t folder_id,
			  const struct mailbox_annotation *list, unsigned count, mailbox_on_done *cb, void *arg);

/* ---- Reading the index ---- */
/* Records of UIDs first_uid..last_uid (inclusive; UINT32_MAX: to the end) that
 * exist, in order of UID: `count` records of MAILBOX_HOT_BYTES and, on request,
 * of MAILBOX_COLD_BYTES. changed_since: only those with a greater modseq (0:
 * all). A consistent snapshot of the folder, identified by modseq. */
enum mailbox_parts { MAILBOX_HOT = 1, MAILBOX_COLD = 2 };
struct mailbox_records {
	const char *hot; /* NULL unless requested */
	const char *cold;
	uint32_t count;
	uint64_t highest_modseq;
	uint32_t uid_next;
	uint32_t uid_validity;
};
typedef void mailbox_on_records(void *arg, const struct mailbox_records *records, const struct err *err);
void mailbox_read(struct mailbox_store *m, struct str address, uint32_t folder_id, uint32_t first_uid,
		  uint32_t last_uid, unsigned parts, uint64_t changed_since, mailbox_on_records *cb, void *arg);

/* The changes after modseq: hot records that are new or changed, and UIDs that
 * are gone (sorted, each once). complete = false: the log does not reach back
 * that far, so gone is not reliable (compare all UIDs instead). */
struct mailbox_gone {
	uint64_t modseq; /* of its expunge or move */
	uint32_t uid;
};
struct mailbox_changes {
	struct mailbox_records records; /* hot only */
	const uint32_t *gone_uids;
	const struct mailbox_gone *gone; /* the same UIDs, by modseq, then UID */
	uint32_t gone_count;
	bool complete;
	bool took_recent;	      /* this call claimed the messages from folder.first_recent */
	struct mailbox_folder folder; /* counts, keywords, after the changes */
};
typedef void mailbox_on_changes(void *arg, const struct mailbox_changes *changes, const struct err *err);
/* take_recent: claims the recent messages (see mailbox_select()). */
void mailbox_read_changes(struct mailbox_store *m, struct str address, uint32_t folder_id, uint64_t since_modseq,
			  bool take_recent, mailbox_on_changes *cb, void *arg);

/* ---- Changing ---- */
/* Sets of UIDs are sorted arrays; UIDs that do not exist are skipped. A change
 * to very many messages is made some hundreds at a time; if it fails half-way,
 * the rest is left unchanged. (A copy is all or nothing.) */
#define MAILBOX_MODE_ROW(name, value) MAILBOX_FLAGS_##name = (value),
enum mailbox_store_mode { MAILBOX_MODES_TABLE(MAILBOX_MODE_ROW) };
struct mailbox_flag_change {
	enum mailbox_store_mode mode;
	uint16_t flags;
	const struct str *keywords;
	unsigned keyword_count;
	uint64_t unchanged_since; /* UINT64_MAX: no condition (RFC 7162 UNCHANGEDSINCE) */
	uint16_t mask;		  /* the bits that the call may change; 0: MAILBOX_FLAGS_ALL */
};
struct mailbox_stored {
	uint64_t modseq; /* of the changed messages; 0: none changed */
	const char *hot; /* records of all listed UIDs that exist, as they are now */
	uint32_t count;
	const uint32_t *modified_uids; /* refused because of unchanged_since */
	uint32_t modified_count;
	const struct str *keywords; /* of the folder, now */
	unsigned keyword_count;
	uint64_t previous_modseq; /* the folder's, just before; UINT64_MAX: there were other changes in between */
};
typedef void mailbox_on_stored(void *arg, const struct mailbox_stored *stored, const struct err *err);
/* More keywords than MAILBOX_KEYWORDS: ERR_LIMIT, and nothing is changed. */
void mailbox_store_flags(struct mailbox_store *m, struct str address, uint32_t folder_id, const uint32_t *uids,
			 uint32_t uid_count, const struct mailbox_flag_change *change, mailbox_on_stored *cb,
			 void *arg);

typedef void mailbox_on_expunged(void *arg, const struct mailbox_expunged *expunged, const struct err *err);
/* Permanently removes those of the UIDs that exist and drops the references to
 * their blobs. only_deleted: only messages with \Deleted. */
void mailbox_expunge(struct mailbox_store *m, struct str address, uint32_t folder_id, const uint32_t *uids,
		     uint32_t uid_count, bool only_deleted, mailbox_on_expunged *cb, void *arg);

/* COPY or MOVE within the account: flags, keywords, dates and email ids are kept;
 * no body is copied. A copy is all or nothing. In a copy of very many messages
 * the UIDs begin at a multiple of 4096 (staging.c). (RFC 4315 COPYUID:
 * from_uids[i] became to_uids[i].) */
struct mailbox_copied {
	uint32_t uid_validity;
	const uint32_t *from_uids;
	const uint32_t *to_uids;
	uint32_t count;
	uint64_t modseq;
};
typedef void mailbox_on_copied(void *arg, const struct mailbox_copied *copied, const struct err *err);
void mailbox_copy(struct mailbox_store *m, struct str address, uint32_t from_folder, const uint32_t *uids,
		  uint32_t uid_count, struct str to_name, bool move, uint64_t quota_bytes, mailbox_on_copied *cb,
		  void *arg);

/* Records a digest that was computed again. */
void mailbox_set_digest(struct mailbox_store *m, struct str address, uint32_t folder_id, uint32_t uid,
			const struct blob_id *digest);

/* ---- For the sweep ----
 * Reports the cold records of all messages that are in the account from the beginning of the call to
 * its end, whatever is copied, moved, filed or renamed meanwhile. Some records may be reported more
 * than once, and some of messages that disappear meanwhile. Digests may be recomputed concurrently;
 * bodies do not change. Then removes the remains of deleted folders and abandoned copies, unless this
 * was already done. on_cold: packed records of MAILBOX_COLD_BYTES, borrowed for the call. Only unit
 * tests read all in one call. */
typedef void mailbox_on_cold(void *arg, struct str cold);
void mailbox_read_bodies(struct mailbox_store *m, struct str address, mailbox_on_cold *on_cold, mailbox_on_done *cb,
			 void *arg);
/* The same in single steps, as the sweep reads, so that it can pause between them. at: all zero
 * before the first call. It must stay valid until cb is called, and then says
 * whether more follows. */
struct mailbox_bodies_at {
	bool ended; /* everything was reported */
	/* private: */
	uint64_t since;	 /* modseq: of this pass */
	uint64_t modseq; /* of the account when the pass began; UINT64_MAX: it has not begun */
	uint64_t folder, chunk;
	unsigned passes;
};
void mailbox_read_some_bodies(struct mailbox_store *m, struct str address, struct mailbox_bodies_at *at,
			      mailbox_on_cold *on_cold, mailbox_on_done *cb, void *arg);

/* Removes an account's mailboxes with all messages (user delete). The record of
 * what was filed is kept until the ledgers expire. */
void mailbox_destroy(struct mailbox_store *m, struct str address, mailbox_on_done *cb, void *arg);

/* ---- The exclusive maildrop lock of POP3 (RFC 1939, 4) ----
 * A lease of lease_ms under the owner's token. ERR_EXISTS: somebody else holds it. */
void mailbox_lock(struct mailbox_store *m, struct str address, struct str token, int64_t lease_ms, mailbox_on_done *cb,
		  void *arg);
void mailbox_lock_renew(struct mailbox_store *m, struct str address, struct str token, int64_t lease_ms,
			mailbox_on_done *cb, void *arg); /* ERR_FENCED: lost */
/* cb: may be NULL. */
void mailbox_unlock(struct mailbox_store *m, struct str address, struct str token, mailbox_on_done *cb, void *arg);

/* The channel of an account's notices, for tracking_subscribe(). */
#define MAILBOX_CHANNEL_MAX 400
void mailbox_channel(struct str address, char out[MAILBOX_CHANNEL_MAX]);

#endif
