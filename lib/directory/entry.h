/* An entry of a domain's address book, as it is stored in book:{<domain>}.
 *
 * Little-endian: version (1 byte, 1), flags (1 byte), creation time in ms since 1970
 * (8 bytes; 0 for a group), then fields: number (1 byte), length (2 bytes), text. Unknown
 * numbers are skipped, so that older programs read entries of newer ones. */
#ifndef SP_DIRECTORY_ENTRY_H
#define SP_DIRECTORY_ENTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"
#include "lib/directory/fields_table.h"

/* Below 32, so that a field's number can mark its place in a text. */
#define DIRECTORY_BOOK_FIELD(ident, number, name, attribute, what) BOOK_##ident = number,
enum book_field {
	BOOK_ADDRESS = 1, /* canonical; not stored in the value, as it is the hash's field */
	BOOK_MEMBER = 2,  /* of a group: an address, once for each */
	DIRECTORY_PERSON_FIELDS(DIRECTORY_BOOK_FIELD) BOOK_PHOTO = 28, /* its fingerprint (photo.c) */
	BOOK_NUMBER = 29,					       /* on Linux machines (numbers.c); has no name */
	BOOK_FIELD_END = 30,					       /* all numbers are below it */
};

enum { ENTRY_GROUP = 1, ENTRY_HIDDEN = 2, ENTRY_DISABLED = 4 }; /* flags */

void entry_begin(struct buf *out, uint8_t flags, int64_t created_ms);
/* An empty value is left out. At most 65535 bytes. */
void entry_add(struct buf *out, enum book_field field, struct str value);

struct entry_reader {
	uint8_t flags;
	int64_t created_ms;
	struct str rest;
};
/* False: not an entry. */
bool entry_open(struct entry_reader *r, struct str stored);
/* The next field; false at the end, or where the entry is damaged. */
bool entry_next(struct entry_reader *r, enum book_field *field_out, struct str *value_out);

/* The field that has this name ("given_name"); 0: none. */
enum book_field book_field_of_name(struct str name);
const char *
book_field_name(enum book_field field); /* "address", "member", "given_name"; NULL: there is no such field */

#endif
