/* Header blocks: fields, values, dates, ids, encoded-words, addresses. For any
 * input, text is UTF-8, and no string contains a NUL. */
#include "lib/base/check.h"
#include "lib/mime/address.h"
#include "lib/mime/header.h"
#include "lib/mime/structure.h"
#include "lib/mime/word.h"
#include "tests/unit/lib/mime/grammar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
has_no_nul(struct str s)
{
	return str_index(s, '\0') < 0;
}

static void
read_value(struct str raw, struct arena *arena)
{
	struct mime_value v;

	mime_parse_value(raw, arena, &v);
	CHECK(v.param_count <= MIME_PARAMS_MAX && has_no_nul(v.main) && has_no_nul(v.sub));
	for (unsigned i = 0; i < v.param_count; i++)
		CHECK(v.params[i].name.len != 0 && has_no_nul(v.params[i].name) && has_no_nul(v.params[i].value));
}

static void
read_addresses(struct str raw, struct arena *arena)
{
	int open = 0;

	for (const struct mime_address *a = mime_parse_addresses(raw, arena); a != NULL; a = a->next) {
		open += a->kind == MIME_GROUP_START;
		open -= a->kind == MIME_GROUP_END;
		CHECK(open == 0 || open == 1); /* every group ends; none is within another */
		CHECK(has_no_nul(a->name) && has_no_nul(a->mailbox) && has_no_nul(a->host) && has_no_nul(a->route));
	}
	CHECK(open == 0);
}

static void
read_field(const struct mime_field *field, struct arena *arena)
{
	struct str text = mime_unfold(field->value, arena), rest = field->value, id;
	int64_t seconds;
	int zone;

	CHECK(field->name.len != 0 && has_no_nul(text));
	text = mime_decode_words(text, arena);
	CHECK(str_is_utf8(text));
	for (size_t i = 0; i < text.len; i++)
		CHECK((unsigned char)text.p[i] >= ' ' && text.p[i] != 0x7f);
	read_value(field->value, arena);
	read_addresses(field->value, arena);
	if (mime_parse_date(field->value, &seconds, &zone))
		CHECK(zone > -6000 && zone < 6000);
	while (mime_next_msg_id(&rest, &id))
		CHECK(id.len >= 2 && id.p[0] == '<' && id.p[id.len - 1] == '>');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str header = str_of((const char *)data, size), rest = header, charset, text;
	struct mime_field field;
	struct buf out = BUF_EMPTY;
	struct arena arena;

	arena_init(&arena);
	while (mime_next_field(&rest, &field))
		read_field(&field, &arena);
	mime_write_envelope(header, &arena, &out);
	CHECK(grammar_envelope(buf_str(&out)));
	/* A charset's name, and text in it. */
	str_cut(header, '\n', &charset, &text);
	CHECK(str_is_utf8(mime_to_utf8(charset, text, &arena)));
	buf_fini(&out);
	arena_fini(&arena);
	return 0;
}
