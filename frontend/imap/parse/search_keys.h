/* What a SEARCH asks for (RFC 9051, 6.4.4; RFC 3501; WITHIN RFC 5032; RFC 7162,
 * 8474, 8514; ESEARCH RFC 4731; SEARCHRES RFC 5182; PARTIAL RFC 9394). */
#ifndef SP_FRONTEND_IMAP_PARSE_SEARCH_KEYS_H
#define SP_FRONTEND_IMAP_PARSE_SEARCH_KEYS_H

#include "frontend/imap/parse/lexer.h"
#include "frontend/imap/parse/partial.h"

#define IMAP_SEARCH_KEYS_MAX  2000
#define IMAP_SEARCH_DEPTH_MAX 50

enum imap_search_op {
	SEARCH_ALL,
	SEARCH_AND, /* of the children */
	SEARCH_OR,
	SEARCH_NOT,
	SEARCH_SEQS, /* set */
	SEARCH_UIDS,
	SEARCH_RECENT,	/* becomes SEARCH_UIDS: the session's recent messages */
	SEARCH_FLAGS,	/* number: enum mailbox_flag; all of them set */
	SEARCH_KEYWORD, /* text */
	SEARCH_LARGER,	/* number */
	SEARCH_SMALLER,
	SEARCH_MODSEQ,	/* number, at least */
	SEARCH_EMAILID, /* number */
	SEARCH_NEVER,
	/* Of the cold record. day: days since 1970, in the message's own zone. */
	SEARCH_BEFORE,
	SEARCH_ON,
	SEARCH_SINCE,
	SEARCH_SAVED_BEFORE,
	SEARCH_SAVED_ON,
	SEARCH_SAVED_SINCE,
	SEARCH_OLDER, /* number: seconds */
	SEARCH_YOUNGER,
	/* Of the digest. */
	SEARCH_SENT_BEFORE,
	SEARCH_SENT_ON,
	SEARCH_SENT_SINCE,
	SEARCH_DIGEST_TEXT, /* number: enum mime_digest_text; text, folded */
	/* Of the body. */
	SEARCH_HEADER, /* field, text */
	SEARCH_BODY,
	SEARCH_TEXT,
};

struct imap_search_key {
	enum imap_search_op op;
	struct imap_search_key *children, *next;
	struct imap_set set;
	uint64_t number;
	int64_t day;
	struct str field;
	/* Of SEARCH_HEADER: the digest's text (enum mime_digest_text) that has all of the
	 * field, unless it stands there several times; 0: none. */
	unsigned shortcut;
	struct str text; /* folded (message_fold()) but for SEARCH_KEYWORD */
};

enum imap_search_return {
	RETURN_MIN = 1,
	RETURN_MAX = 2,
	RETURN_ALL = 4,
	RETURN_COUNT = 8,
	RETURN_SAVE = 16,
	RETURN_PARTIAL = 32
};

struct imap_search {
	struct imap_search_key *key;
	bool extended;	  /* RETURN was given */
	unsigned returns; /* enum imap_search_return; RETURN () means ALL */
	struct imap_partial partial;
	bool uses_modseq;
	bool bad_charset; /* known only once it is parsed: NO [BADCHARSET] */
};

/* "RETURN (...)", if it is there, with the space behind. */
bool imap_parse_return(struct imap_lexer *l, struct imap_search *out);
/* "CHARSET x" (SEARCH), if it is there, with the space behind. */
bool imap_parse_charset(struct imap_lexer *l, struct str *charset_out);
/* The keys, up to the command's end. charset: empty: UTF-8. */
bool imap_parse_search(struct imap_lexer *l, struct str charset, struct imap_search *out);

#endif
