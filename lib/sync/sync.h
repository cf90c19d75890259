/* Sync points: how much of a folder a client knows, as a token that the client
 * keeps. EWS SyncState, EAS SyncKey and the sync-token of CalDAV and CardDAV are
 * all the same thing.
 *
 * The server stores nothing about what a client knows, so any frontend can answer
 * any token, and a token that comes a second time (its answer was lost) is simply
 * answered again from the same point.
 *
 * A point {folder, modseq, at, low, high} means: for the UIDs low..high every
 * change up to (modseq, at), in the order (modseq, UID), has been reported;
 * messages above high and below low have not. A read returns at most `limit`
 * entries:
 *
 *   1. changes and tombstones of low..high after (modseq, at), in order; if they
 *      do not all fit, the cursor stops at the last one;
 *   2. else new UIDs above high, ascending;
 *   3. then older ones below low, descending: at a first sync the newest mail
 *      comes first.
 *
 * New and changed messages are distinguished by the UID alone. A message reported
 * as new by the second read may be reported as changed once more; a change is
 * never left out. */
#ifndef SP_SYNC_SYNC_H
#define SP_SYNC_SYNC_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/mailbox/items.h"
#include "lib/secret/secret.h"

/* ---- Points and their tokens ---- */
enum sync_kind { /* part of the token, so that a token of one kind is not accepted for another */
		 SYNC_ITEMS = 1,
		 SYNC_FOLDERS = 2,
};

struct sync_point {
	uint32_t folder_id; /* 0: the folders themselves; then only modseq and low are used */
	uint64_t modseq;
	uint32_t at;	    /* UID: the last one reported at modseq; UINT32_MAX: all of them */
	uint32_t low, high; /* low > high: none yet */
	uint16_t since_day; /* days since 1970; messages with an older internal date are not reported; 0: all are */
};

/* Nothing has been reported yet. folder_id 0: for folders. */
struct sync_point sync_point_first(uint32_t folder_id);

#define SYNC_TOKEN_BYTES 36
#define SYNC_TOKEN_MAX	 49 /* 48 characters of base64url (RFC 4648, section 5), and NUL */

/* who: the account and the device; the token is valid for nobody else. day: the
 * day of issue, in days since 1970. The secret must be known. */
void sync_seal(const struct secret *secret, const struct sync_point *p, enum sync_kind kind, struct str who,
	       uint16_t day, char out[SYNC_TOKEN_MAX]);
/* 0, or -1: ERR_INVALID (not our token, or somebody else's), ERR_NOT_FOUND
 * (issued before oldest_day): the client must start again. The folder id, and
 * all other numbers, must still be checked against the folder itself. */
int sync_open(const struct secret *secret, struct str token, enum sync_kind kind, struct str who, uint16_t oldest_day,
	      struct sync_point *out, struct err *err);

/* ---- Reading ---- */
enum sync_what {
	SYNC_NEW,
	SYNC_CHANGED,
	SYNC_GONE,	    /* expunged, or moved to another folder */
	SYNC_OUT_OF_WINDOW, /* it still exists, but is now too old for since_day */
};
struct sync_entry {
	enum sync_what what;
	uint32_t uid;
	struct mailbox_hot hot; /* for NEW and CHANGED */
};
struct sync_answer {
	const struct sync_entry *entries;
	uint32_t count;
	struct sync_point point; /* where to continue, once the client has the answer */
	bool more;		 /* another read would return more now */
};
typedef void sync_on_read(void *arg, const struct sync_answer *answer, const struct err *err);

/* Messages of one day enter or leave the window together, so there may be more of them than limit. If the log does
 * not reach back to the point, all UIDs are compared at once instead, provided that low..high holds at most
 * SYNC_COMPARE_MAX UIDs; otherwise ERR_NOT_FOUND: start again. The same error is returned for a folder that is gone.
 * cb is called once, later; the answer is borrowed. */
#define SYNC_COMPARE_MAX 20000
void sync_read(struct mailbox_store *m, struct str address, const struct sync_point *from, uint16_t since_day,
	       uint32_t limit, sync_on_read *cb, void *arg);

/* ---- Folders ----
 * All changes of folders since the point, at once: they are few. The entries must be
 * applied in order. A folder that a client already has may be reported as new or
 * changed once more (it changed during the read), and a folder that it never had may be
 * reported as gone. When a folder is renamed, those below it move along and are not
 * reported: a client that identifies its folders by parent and last level of the name
 * stays correct. */
struct sync_folder_entry {
	enum sync_what what; /* NEW, CHANGED, GONE */
	uint32_t id;
	uint32_t parent_id;		     /* 0: none */
	const struct mailbox_folder *folder; /* for NEW and CHANGED; without keywords */
};
struct sync_folders_answer {
	const struct sync_folder_entry *entries;
	uint32_t count;
	struct sync_point point;
};
typedef void sync_on_folders(void *arg, const struct sync_folders_answer *answer, const struct err *err);
/* classes: bits of enum mailbox_class; part of the point, so that a client that asks for other classes must
 * start again: ERR_NOT_FOUND, as when the log does not reach back. cb is called once, later; the answer is
 * borrowed. */
void sync_read_folders(struct mailbox_store *m, struct str address, const struct sync_point *from, unsigned classes,
		       sync_on_folders *cb, void *arg);

#endif
