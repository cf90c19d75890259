/* Files of accounts: CSV and LDIF; and what an entry of an address book may be in the store. */
#include "lib/admin/people.h"

#include "lib/base/check.h"
#include "lib/directory/entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
read_as(enum people_format format, struct str text)
{
	struct people p;

	people_init(&p);
	people_read(&p, format, text, NULL, NULL);
	for (size_t i = 0; i < people_count(&p); i++) {
		const struct people_account *a = people_account(&p, i);
		struct err err;
		CHECK(a->address.len != 0);
		for (unsigned k = 0; k < a->count; k++)
			CHECK(directory_check_user_field(&a->fields[k], &err) == 0);
	}
	people_fini(&p);
}

static void
read_entry(struct str stored)
{
	struct entry_reader r;
	enum book_field field;
	struct str value;
	size_t total = 0;

	if (!entry_open(&r, stored))
		return;
	while (entry_next(&r, &field, &value)) {
		CHECK(field > 0 && field < BOOK_FIELD_END);
		CHECK(value.p >= stored.p && value.p + value.len <= stored.p + stored.len);
		total += value.len;
	}
	CHECK(total <= stored.len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str input = str_of((const char *)data, size);

	read_as(PEOPLE_CSV, input);
	read_as(PEOPLE_LDIF, input);
	read_entry(input);
	return 0;
}
