/* Chunks of a book. */
#include "lib/book/private.h"

#include "lib/base/bytes.h"

/* data of an entry: flags (1 byte), creation time (8), then fields as in the store, the
 * address first. */
enum { CHUNK_ENTRY_HEAD = 9, CHUNK_FIELD_HEAD = 3 };

void
chunk_draft_init(struct chunk_draft *d)
{
	*d = (struct chunk_draft){.count = 0};
	arena_init(&d->scratch);
}

void
chunk_draft_fini(struct chunk_draft *d)
{
	buf_fini(&d->data);
	buf_fini(&d->text);
	arena_fini(&d->scratch);
}

static void
chunk_draft_mark(struct chunk_draft *d)
{
	d->data_at[d->count] = (uint32_t)d->data.len;
	d->text_at[d->count] = (uint32_t)d->text.len;
}

static void
chunk_add_field(struct chunk_draft *d, enum book_field field, struct str value)
{
	entry_add(&d->data, field, value);
	if (field == BOOK_PHOTO) /* nobody searches for a fingerprint */
		return;
	buf_add_byte(&d->text, (char)field);
	fold_add(&d->text, field, value, &d->scratch);
}

/* The name that is shown where no display name was written. */
static struct str
chunk_make_name(struct chunk_draft *d, struct str address, struct str given, struct str surname)
{
	ptrdiff_t at = str_rindex(address, '@');

	if (given.len == 0 && surname.len == 0)
		return str_first(address, at > 0 ? (size_t)at : address.len);
	if (given.len == 0 || surname.len == 0)
		return given.len != 0 ? given : surname;
	return str_c(arena_printf(&d->scratch, "%.*s %.*s", STR_ARG(given), STR_ARG(surname)));
}

/* Members are last in the text: a query for other fields does not look at them. */
static void
chunk_add_members(struct chunk_draft *d, struct str stored)
{
	struct entry_reader r;
	enum book_field field;
	struct str value;

	(void)entry_open(&r, stored);
	while (entry_next(&r, &field, &value))
		if (field == BOOK_MEMBER)
			chunk_add_field(d, field, value);
}

bool
chunk_draft_add(struct chunk_draft *d, struct str address, struct str stored)
{
	struct str given = STR_NONE, surname = STR_NONE, value;
	struct entry_reader r;
	enum book_field field;
	bool has_name = false;

	CHECK(d->count < CHUNK_MAX);
	if (address.len == 0 || address.len >= DIRECTORY_ADDRESS_MAX || !entry_open(&r, stored))
		return false;
	chunk_draft_mark(d);
	buf_add_byte(&d->data, (char)r.flags);
	buf_add_u64(&d->data, (uint64_t)r.created_ms);
	chunk_add_field(d, BOOK_ADDRESS, address);
	while (entry_next(&r, &field, &value)) {
		if (field == BOOK_ADDRESS || field == BOOK_MEMBER)
			continue;
		has_name = has_name || field == BOOK_DISPLAY_NAME;
		if (field == BOOK_GIVEN_NAME)
			given = value;
		if (field == BOOK_SURNAME)
			surname = value;
		chunk_add_field(d, field, value);
	}
	if (!has_name)
		chunk_add_field(d, BOOK_DISPLAY_NAME, chunk_make_name(d, address, given, surname));
	chunk_add_members(d, stored);
	arena_reset(&d->scratch);
	d->count++;
	return true;
}

void
chunk_draft_copy(struct chunk_draft *d, const struct chunk *c, uint32_t from, uint32_t to)
{
	if (from == to)
		return;
	CHECK(d->count + (to - from) <= CHUNK_MAX);
	for (uint32_t i = from; i < to; i++) {
		d->data_at[d->count] = (uint32_t)d->data.len + c->data_at[i] - c->data_at[from];
		d->text_at[d->count] = (uint32_t)d->text.len + c->text_at[i] - c->text_at[from];
		d->count++;
	}
	buf_add(&d->data, c->data + c->data_at[from], c->data_at[to] - c->data_at[from]);
	buf_add(&d->text, c->text + c->text_at[from], c->text_at[to] - c->text_at[from]);
}

bool
chunk_is_full(const struct chunk_draft *d)
{
	return d->count >= CHUNK_FILL || d->data.len >= CHUNK_BYTES;
}

struct chunk *
chunk_seal(struct chunk_draft *d)
{
	size_t bytes = sizeof(struct chunk) + d->data.len + d->text.len;
	struct chunk *c = mem_alloc(bytes);

	chunk_draft_mark(d);
	c->count = d->count;
	c->seat = INDEX_NO_SEAT;
	c->bytes = bytes;
	memcpy(c->data_at, d->data_at, sizeof(c->data_at[0]) * (d->count + 1));
	memcpy(c->text_at, d->text_at, sizeof(c->text_at[0]) * (d->count + 1));
	c->data = (char *)(c + 1);
	c->text = c->data + d->data.len;
	if (d->count != 0) {
		memcpy(c->data, d->data.data, d->data.len);
		memcpy(c->text, d->text.data, d->text.len);
	}
	d->count = 0;
	buf_clear(&d->data);
	buf_clear(&d->text);
	return c;
}

struct str
chunk_address(const struct chunk *c, uint32_t i)
{
	const char *field = c->data + c->data_at[i] + CHUNK_ENTRY_HEAD;

	return str_of(field + CHUNK_FIELD_HEAD, bytes_get_u16(field + 1));
}

struct str
chunk_text(const struct chunk *c, uint32_t i)
{
	return str_of(c->text + c->text_at[i], c->text_at[i + 1] - c->text_at[i]);
}

void
chunk_entry(const struct chunk *c, uint32_t i, struct book_entry *out)
{
	const char *data = c->data + c->data_at[i];
	uint8_t flags = (uint8_t)data[0];

	*out = (struct book_entry){
		.address = chunk_address(c, i),
		.is_group = (flags & ENTRY_GROUP) != 0,
		.is_hidden = (flags & (ENTRY_HIDDEN | ENTRY_DISABLED)) != 0,
		.is_disabled = (flags & ENTRY_DISABLED) != 0,
		.created_ms = (int64_t)bytes_get_u64(data + 1),
		.fields = str_of(data + CHUNK_ENTRY_HEAD, c->data_at[i + 1] - c->data_at[i] - CHUNK_ENTRY_HEAD),
		.folded = chunk_text(c, i),
	};
}

uint32_t
chunk_lower_bound(const struct chunk *c, struct str address)
{
	uint32_t low = 0, high = c->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (str_cmp(chunk_address(c, middle), address) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* ---- Entries ---- */
bool
book_entry_next(const struct book_entry *e, size_t *at, enum book_field *field_out, struct str *value_out)
{
	if (*at >= e->fields.len)
		return false;
	const char *field = e->fields.p + *at;
	size_t len = bytes_get_u16(field + 1);

	*field_out = (enum book_field)(unsigned char)field[0];
	*value_out = str_of(field + CHUNK_FIELD_HEAD, len);
	*at += CHUNK_FIELD_HEAD + len;
	return true;
}

struct str
book_entry_get(const struct book_entry *e, enum book_field field)
{
	enum book_field found;
	struct str value;
	size_t at = 0;

	while (book_entry_next(e, &at, &found, &value))
		if (found == field)
			return value;
	return STR_NONE;
}
