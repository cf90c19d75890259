/* The criteria of a SEARCH (RFC 9051, 6.4.4; RFC 3501; WITHIN RFC 5032; RFC 7162,
 * 8474, 8514; ESEARCH RFC 4731; SEARCHRES RFC 5182; PARTIAL RFC 9394). */
#ifndef SP_FRONTEND_IMAP_PARSE_SEARCH_KEYS_H
#define SP_FRONTEND_IMAP_PARSE_SEARCH_KEYS_H

#include "frontend/imap/parse/lexer.h"
#include "frontend/imap/parse/partial.h"
#include "lib/message/match.h"

/* A key whose meaning depends on the session: it is MATCH_NONE until it is resolved there. */
enum imap_search_late_kind {
	SEARCH_SEQS, /* set */
	SEARCH_UIDS, /* set */
	SEARCH_RECENT,
	SEARCH_KEYWORD, /* name */
};

struct imap_search_late {
	enum imap_search_late_kind kind;
	struct message_key *key;
	struct imap_set set;
	struct str name;
	struct imap_search_late *next;
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
	struct message_key *key; /* within MESSAGE_KEYS_MAX and MESSAGE_KEY_DEPTH_MAX */
	struct imap_search_late *late;
	bool extended;	  /* RETURN was given */
	unsigned returns; /* enum imap_search_return; RETURN () means ALL */
	struct imap_partial partial;
	bool uses_modseq;
	bool bad_charset; /* known only after parsing: NO [BADCHARSET] */
};

/* "RETURN (...)", if present, with the space after it. */
bool imap_parse_return(struct imap_lexer *l, struct imap_search *out);
/* "CHARSET x" (SEARCH), if present, with the space after it. */
bool imap_parse_charset(struct imap_lexer *l, struct str *charset_out);
/* The keys, up to the command's end. An empty charset means UTF-8. */
bool imap_parse_search(struct imap_lexer *l, struct str charset, struct imap_search *out);

#endif
