#include "lib/directory/entry.h"

#include "lib/base/bytes.h"
#include "lib/base/check.h"

enum { ENTRY_VERSION = 1, ENTRY_HEAD = 10, ENTRY_FIELD_HEAD = 3 };

void
entry_begin(struct buf *out, uint8_t flags, int64_t created_ms)
{
	buf_add_byte(out, ENTRY_VERSION);
	buf_add_byte(out, (char)flags);
	buf_add_u64(out, (uint64_t)created_ms);
}

void
entry_add(struct buf *out, enum book_field field, struct str value)
{
	CHECK(value.len <= UINT16_MAX);
	if (value.len == 0)
		return;
	buf_add_byte(out, (char)field);
	buf_add_u16(out, (uint16_t)value.len);
	buf_add_str(out, value);
}

bool
entry_open(struct entry_reader *r, struct str stored)
{
	if (stored.len < ENTRY_HEAD || stored.p[0] != ENTRY_VERSION)
		return false;
	*r = (struct entry_reader){
		.flags = (uint8_t)stored.p[1],
		.created_ms = (int64_t)bytes_get_u64(stored.p + 2),
		.rest = str_from(stored, ENTRY_HEAD),
	};
	return true;
}

bool
entry_next(struct entry_reader *r, enum book_field *field_out, struct str *value_out)
{
	while (r->rest.len >= ENTRY_FIELD_HEAD) {
		unsigned field = (unsigned char)r->rest.p[0];
		size_t len = bytes_get_u16(r->rest.p + 1);

		if (r->rest.len - ENTRY_FIELD_HEAD < len)
			return false;
		*value_out = str_of(r->rest.p + ENTRY_FIELD_HEAD, len);
		r->rest = str_from(r->rest, ENTRY_FIELD_HEAD + len);
		if (field == 0 || field >= BOOK_FIELD_END)
			continue;
		*field_out = (enum book_field)field;
		return true;
	}
	return false;
}

#define ENTRY_FIELD_NAME(ident, number, name, attribute, what) [BOOK_##ident] = name,
static const char *const entry_field_names[BOOK_FIELD_END] = {[BOOK_ADDRESS] = "address",
							      [BOOK_MEMBER] = "member",
							      [BOOK_PHOTO] = "photo",
							      DIRECTORY_PERSON_FIELDS(ENTRY_FIELD_NAME)};

const char *
book_field_name(enum book_field field)
{
	return field < BOOK_FIELD_END ? entry_field_names[field] : NULL;
}

enum book_field
book_field_of_name(struct str name)
{
	for (unsigned i = 0; i < BOOK_FIELD_END; i++)
		if (entry_field_names[i] != NULL && str_eq(name, str_c(entry_field_names[i])))
			return (enum book_field)i;
	return (enum book_field)0;
}
