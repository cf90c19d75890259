/* Responses of an IMAP server as values (RFC 3501, RFC 9051). Pure. */
#ifndef SP_WORKER_RETRIEVE_IMAP_RESPONSE_H
#define SP_WORKER_RETRIEVE_IMAP_RESPONSE_H

#include <stdbool.h>
#include <stdint.h>

#include "delivery-worker/retrieve/remote.h"
#include "lib/base/arena.h"
#include "lib/base/str.h"

#define IMAP_KEYWORDS_MAX 100 /* of a message; others are left out */

enum imap_kind {
	IMAP_TAGGED,
	IMAP_UNTAGGED, /* OK, NO, BAD, BYE, PREAUTH */
	IMAP_CONTINUE, /* "+" */
	IMAP_CAPABILITY,
	IMAP_LIST,
	IMAP_SEARCH,
	IMAP_EXISTS,
	IMAP_EXPUNGE,
	IMAP_FETCH,
	IMAP_OTHER, /* something that nobody waits for */
};

enum imap_status { IMAP_OK, IMAP_NO, IMAP_BAD, IMAP_BYE, IMAP_PREAUTH };

struct imap_fetch {
	bool has_uid, has_flags, has_body;
	uint32_t uid;
	uint64_t size, modseq;
	unsigned flags; /* REMOTE_SEEN, ... */
	struct str *keywords;
	unsigned keyword_count;
	int64_t date_ms;
	bool body_is_nil;
	struct str body; /* if it was not a literal that was passed on */
};

struct imap_list {
	struct str name; /* as on the wire, but not quoted */
	char delimiter;	 /* '\0': none */
	enum remote_use use;
	bool no_select;
};

struct imap_response {
	enum imap_kind kind;
	struct str tag; /* IMAP_TAGGED */
	enum imap_status status;
	struct str code; /* its name: "UIDVALIDITY"; empty: none */
	struct str code_value;
	struct str text; /* for people; or what follows "+", or the words of CAPABILITY and SEARCH */
	uint32_t number; /* EXISTS, EXPUNGE, FETCH */
	struct imap_fetch fetch;
	struct imap_list list;
};

/* text: of the reader. False: malformed. What is out points into text or the arena. */
bool imap_response_parse(struct str text, struct arena *arena, struct imap_response *out);

/* "17-Jul-1996 02:44:25 -0700"; 0: not such a date. */
int64_t imap_date_ms(struct str date);
/* A number of a response code, or 0. */
uint64_t imap_number(struct str text);

#endif
