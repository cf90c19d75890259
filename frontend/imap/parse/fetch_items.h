/* The items of a FETCH (RFC 9051, 6.4.5; RFC 3501; RFC 7162, 8474, 8514, 8970, 9394). */
#ifndef SP_FRONTEND_IMAP_PARSE_FETCH_ITEMS_H
#define SP_FRONTEND_IMAP_PARSE_FETCH_ITEMS_H

#include "frontend/imap/parse/lexer.h"
#include "frontend/imap/parse/partial.h"

enum imap_fetch_item {
	FETCH_UID = 1 << 0,
	FETCH_FLAGS = 1 << 1,
	FETCH_SIZE = 1 << 2,
	FETCH_MODSEQ = 1 << 3,
	FETCH_EMAILID = 1 << 4,
	FETCH_THREADID = 1 << 5,
	FETCH_INTERNALDATE = 1 << 6,
	FETCH_SAVEDATE = 1 << 7,
	FETCH_ENVELOPE = 1 << 8,
	FETCH_BODY = 1 << 9,
	FETCH_BODYSTRUCTURE = 1 << 10,
	/* Items that need more than the index. */
	FETCH_WANTS_COLD = FETCH_INTERNALDATE | FETCH_SAVEDATE,
	FETCH_WANTS_DIGEST = FETCH_ENVELOPE | FETCH_BODY | FETCH_BODYSTRUCTURE
};

/* What is sent for a section. */
enum imap_section_kind {
	SECTION_BODY,	     /* its bytes */
	SECTION_BINARY,	     /* without its content transfer encoding */
	SECTION_BINARY_SIZE, /* the size of that */
	SECTION_PREVIEW	     /* the message's first words; without a part */
};
enum imap_section_part {
	SECTION_WHOLE,
	SECTION_HEADER,
	SECTION_FIELDS,
	SECTION_FIELDS_NOT,
	SECTION_TEXT,
	SECTION_MIME
};

#define IMAP_SECTION_NUMBERS_MAX 100
#define IMAP_SECTIONS_MAX	 1000

struct imap_section {
	enum imap_section_kind kind;
	enum imap_section_part part;
	const uint32_t *numbers; /* of the body part; none: the whole message */
	unsigned number_count;
	const struct str *fields; /* FIELDS, FIELDS_NOT */
	unsigned field_count;
	bool peek;
	bool partial;
	uint64_t offset, length; /* of the partial */
	struct str label;	 /* its name in the answer, up to the "]": "BODY[1.TEXT]", "RFC822" */
	struct imap_section *next;
};

struct imap_fetch_items {
	unsigned items;		       /* enum imap_fetch_item */
	struct imap_section *sections; /* in the command's order */
	unsigned section_count;
	bool has_changed_since, vanished;
	uint64_t changed_since;
	struct imap_partial partial; /* of the messages */
};

/* Parses the items, then the modifiers, up to the command's end. */
bool imap_parse_fetch(struct imap_lexer *l, struct imap_fetch_items *out);

#endif
