/* Matches a message against a tree of search keys, which a protocol's parser
 * builds. The tree is evaluated with as much of the message as is known: its
 * records first, then its digest, then what was found in its body
 * (lib/message/find.h). If the result depends on more, the verdict says so, and
 * only then is the next source read for that message. */
#ifndef SP_MESSAGE_MATCH_H
#define SP_MESSAGE_MATCH_H

#include "lib/base/arena.h"
#include "lib/base/range.h"
#include "lib/mailbox/mailbox.h"
#include "lib/mime/digest.h"

/* Limits of a tree, to be enforced by the parser: evaluation is recursive. */
#define MESSAGE_KEYS_MAX      2000
#define MESSAGE_KEY_DEPTH_MAX 50

enum message_key_op {
	MATCH_NONE, /* matches no message */
	MATCH_ALL,
	MATCH_AND, /* all children match; without children: matches all */
	MATCH_OR,
	MATCH_NOT, /* the one child does not match */
	/* Keys on the hot record. */
	MATCH_UIDS,	/* ranges */
	MATCH_FLAGS,	/* number: enum mailbox_flag; all of them set */
	MATCH_KEYWORDS, /* number: bits of the folder's keywords; one of them set */
	MATCH_LARGER,	/* number: bytes */
	MATCH_SMALLER,
	MATCH_MODSEQ,	/* number, at least */
	MATCH_EMAIL_ID, /* number */
	/* Keys on the cold record. day: days since 1970, in the message's own
	 * zone; for the save date in UTC. */
	MATCH_BEFORE,
	MATCH_ON,
	MATCH_SINCE,
	MATCH_SAVED_BEFORE,
	MATCH_SAVED_ON,
	MATCH_SAVED_SINCE,
	MATCH_OLDER, /* number: seconds */
	MATCH_YOUNGER,
	/* Keys on the digest. A message without a date matches none. */
	MATCH_SENT_BEFORE,
	MATCH_SENT_ON,
	MATCH_SENT_SINCE,
	MATCH_DIGEST_TEXT, /* number: enum mime_digest_text; text */
	/* Keys on the body. */
	MATCH_HEADER, /* field, text: in a field of the message's header; empty: the field exists */
	MATCH_BODY,   /* text: in a text part, or in the header of an embedded message */
	MATCH_TEXT,   /* text: in any header or text part */
};

struct message_key {
	enum message_key_op op;
	struct message_key *children, *next;
	const struct range *ranges; /* of UIDs; borrowed; sorted, without overlaps */
	uint32_t range_count;
	uint64_t number;
	int64_t day;
	struct str field; /* name; in any case */
	struct str text;  /* folded: message_fold() */
	/* MATCH_HEADER: the digest's text (enum mime_digest_text) that holds the
	 * whole field, unless the field occurs several times; 0: none. */
	unsigned shortcut;
	unsigned slot; /* of a key on the body: its index in message_known.found, set by message_finder_init() */
};

enum message_verdict { VERDICT_NO, VERDICT_YES, VERDICT_UNKNOWN };

/* As much of a message as is known so far. */
struct message_known {
	const struct mailbox_hot *hot;
	const struct mailbox_cold *cold;  /* NULL: not known yet */
	const struct mime_digest *digest; /* NULL: not known yet */
	const bool *found;		  /* by slot; NULL: not known yet */
	struct arena *scratch;		  /* for text comparisons; the caller resets it */
	int64_t now;			  /* unix seconds; used only if cold is known */
};

/* UNKNOWN only if something is "not known yet". */
enum message_verdict message_match(const struct message_key *key, const struct message_known *m);

#endif
