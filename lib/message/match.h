/* Does a message match? A tree of keys, which a protocol's parser makes, asked
 * of as much of a message as is known: its records first, then its digest, then
 * what was found in its body (lib/message/find.h). A key that needs more than
 * is known says so; the next deeper thing is read for that message alone. */
#ifndef SP_MESSAGE_MATCH_H
#define SP_MESSAGE_MATCH_H

#include "lib/base/arena.h"
#include "lib/mailbox/mailbox.h"
#include "lib/mime/digest.h"

/* Limits of a tree, for whoever makes it: asking one calls itself. */
#define MESSAGE_KEYS_MAX      2000
#define MESSAGE_KEY_DEPTH_MAX 50

enum message_key_op {
	MATCH_NONE, /* no message */
	MATCH_ALL,
	MATCH_AND, /* of the children; without any: all */
	MATCH_OR,
	MATCH_NOT, /* the one child */
	/* Of the hot record. */
	MATCH_UIDS,	/* ranges */
	MATCH_FLAGS,	/* number: enum mailbox_flag; all of them set */
	MATCH_KEYWORDS, /* number: bits of the folder's keywords; one of them set */
	MATCH_LARGER,	/* number: bytes */
	MATCH_SMALLER,
	MATCH_MODSEQ,	/* number, at least */
	MATCH_EMAIL_ID, /* number */
	/* Of the cold record. day: days since 1970, in the message's own zone; of
	 * the date of saving in UTC. */
	MATCH_BEFORE,
	MATCH_ON,
	MATCH_SINCE,
	MATCH_SAVED_BEFORE,
	MATCH_SAVED_ON,
	MATCH_SAVED_SINCE,
	MATCH_OLDER, /* number: seconds */
	MATCH_YOUNGER,
	/* Of the digest. A message without a date matches none. */
	MATCH_SENT_BEFORE,
	MATCH_SENT_ON,
	MATCH_SENT_SINCE,
	MATCH_DIGEST_TEXT, /* number: enum mime_digest_text; text */
	/* Of the body. */
	MATCH_HEADER, /* field, text: in a field of the message's header; empty: there is one */
	MATCH_BODY,   /* text: in a text part, or the header of a message within */
	MATCH_TEXT,   /* text: in any header or text part */
};

struct message_range {
	uint32_t first, last; /* UIDs, inclusive */
};

struct message_key {
	enum message_key_op op;
	struct message_key *children, *next;
	const struct message_range *ranges; /* borrowed; sorted, without overlaps */
	uint32_t range_count;
	uint64_t number;
	int64_t day;
	struct str field; /* name; in any case of letters */
	struct str text;  /* folded: message_fold() */
	/* MATCH_HEADER: the digest's text (enum mime_digest_text) that has all of the
	 * field, unless it stands there several times; 0: none. */
	unsigned shortcut;
	unsigned slot; /* of a key of the body: its place in message_known.found; message_finder_init() sets it */
};

enum message_verdict { VERDICT_NO, VERDICT_YES, VERDICT_UNKNOWN };

/* As much of a message as is known so far. */
struct message_known {
	const struct mailbox_hot *hot;
	const struct mailbox_cold *cold;  /* NULL: not yet */
	const struct mime_digest *digest; /* NULL: not yet */
	const bool *found;		  /* by slot; NULL: not yet */
	struct arena *scratch;		  /* for texts that are compared; the caller resets it */
	int64_t now;			  /* unix seconds; used once cold is known */
};

/* UNKNOWN only where something is "not yet". */
enum message_verdict message_match(const struct message_key *key, const struct message_known *m);

#endif
