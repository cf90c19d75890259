/* Sync points: how far a client knows a folder, as a token that the client
 * itself keeps. EWS SyncState, EAS SyncKey, the sync-token of CalDAV and CardDAV
 * are all this one thing.
 *
 * Nothing is kept here of what a client knows, so any frontend answers any
 * token, and one that comes a second time (its answer was lost) is simply
 * answered again from the same point.
 *
 * A point {folder, modseq, at, low, high} says: of the UIDs low..high every
 * change up to (modseq, at), in the order (modseq, UID), has been told; messages
 * above high and below low not yet. A read gives, at most `limit`:
 *
 *   1. changes and tombstones of low..high behind (modseq, at), in order; if they
 *      do not all fit, the cursor stops at the last one;
 *   2. else new UIDs above high, ascending;
 *   3. then older ones below low, descending: at a first sync the newest mail
 *      comes first.
 *
 * New and changed are told apart by the UID alone. A message told as new in the
 * state of the second read may be told as changed once more; never is a change
 * left out. */
#ifndef SP_SYNC_SYNC_H
#define SP_SYNC_SYNC_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/mailbox/items.h"
#include "lib/secret/secret.h"

/* ---- Points and their tokens ---- */
enum sync_kind { /* part of the token, so that none serves as another kind's */
		 SYNC_ITEMS = 1,
		 SYNC_FOLDERS = 2,
};

struct sync_point {
	uint32_t folder_id; /* 0: the folders themselves; then of the others only modseq and low say something */
	uint64_t modseq;
	uint32_t at;	    /* UID: the last told of modseq; UINT32_MAX: all of it */
	uint32_t low, high; /* low > high: none yet */
	uint16_t since_day; /* days since 1970; messages with an older internal date are not told; 0: all */
};

/* Nothing was told yet. folder_id 0: of the folders. */
struct sync_point sync_point_first(uint32_t folder_id);

#define SYNC_TOKEN_BYTES 36
#define SYNC_TOKEN_MAX	 49 /* 48 characters of base64url (RFC 4648, section 5), and NUL */

/* who: the account and the device; a token is nobody else's. day: of the issue,
 * days since 1970. The secret must be known. */
void sync_seal(const struct secret *secret, const struct sync_point *p, enum sync_kind kind, struct str who,
	       uint16_t day, char out[SYNC_TOKEN_MAX]);
/* 0, or -1: ERR_INVALID (no token of ours, or another's), ERR_NOT_FOUND (issued
 * before oldest_day): the client begins anew. The number of the folder, and all
 * others, are only as true as the folder that they are read against. */
int sync_open(const struct secret *secret, struct str token, enum sync_kind kind, struct str who, uint16_t oldest_day,
	      struct sync_point *out, struct err *err);

/* ---- Reading ---- */
enum sync_what {
	SYNC_NEW,
	SYNC_CHANGED,
	SYNC_GONE,	    /* expunged, or moved to another folder */
	SYNC_OUT_OF_WINDOW, /* it is there still, and too old for since_day now */
};
struct sync_entry {
	enum sync_what what;
	uint32_t uid;
	struct mailbox_hot hot; /* of NEW and CHANGED */
};
struct sync_answer {
	const struct sync_entry *entries;
	uint32_t count;
	struct sync_point point; /* where to go on, once the client has the answer */
	bool more;		 /* another read would tell more now */
};
typedef void sync_on_read(void *arg, const struct sync_answer *answer, const struct err *err);

/* Messages of one day go in or out of the window together, so that these may be
 * more than limit. A log that does not reach back to the point is made up for
 * by comparing UIDs, all at once, while low..high holds at most SYNC_COMPARE_MAX
 * UIDs; else ERR_NOT_FOUND: begin anew. So is a folder that is gone. cb comes once, later; the answer is borrowed. */
#define SYNC_COMPARE_MAX 20000
void sync_read(struct mailbox_store *m, struct str address, const struct sync_point *from, uint16_t since_day,
	       uint32_t limit, sync_on_read *cb, void *arg);

/* ---- Folders ----
 * All that changed among them since the point, at once: they are few. The entries are
 * applied in order. A folder that a client has already may be told as new or changed
 * once more (it changed while it was read), and one as gone that it never had. Where
 * a folder is renamed, those below it go along and are not told of: a client that knows
 * its folders by parent and last level of the name has them right. */
struct sync_folder_entry {
	enum sync_what what; /* NEW, CHANGED, GONE */
	uint32_t id;
	uint32_t parent_id;		     /* 0: none */
	const struct mailbox_folder *folder; /* of NEW and CHANGED; without keywords */
};
struct sync_folders_answer {
	const struct sync_folder_entry *entries;
	uint32_t count;
	struct sync_point point;
};
typedef void sync_on_folders(void *arg, const struct sync_folders_answer *answer, const struct err *err);
/* classes: bits of enum mailbox_class; part of the point, so that a client which asks for others begins
 * anew: ERR_NOT_FOUND, as when the log does not reach back. cb comes once, later; the answer is borrowed. */
void sync_read_folders(struct mailbox_store *m, struct str address, const struct sync_point *from, unsigned classes,
		       sync_on_folders *cb, void *arg);

#endif
