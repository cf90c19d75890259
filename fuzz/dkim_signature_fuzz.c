/* Tag lists, signature fields and key records: whatever is sent or published. What is
 * well-formed can be digested, with a header made of the input itself. */
#include "lib/base/check.h"
#include "lib/dkim/record.h"
#include "lib/dkim/signature.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
is_inside(struct str part, struct str whole)
{
	if (part.len > 0)
		CHECK(part.p >= whole.p && part.p + part.len <= whole.p + whole.len);
}

static void
fuzz_field(struct str field, const struct dkim_fields *fields, enum dkim_signature_kind kind)
{
	unsigned char digest[DKIM_DIGEST_BYTES] = {0};
	struct dkim_signature s;
	enum dkim_result result;

	if (dkim_signature_parse(field, kind, 1700000000, &s, &result) != NULL) {
		CHECK(result == DKIM_RESULT_NEUTRAL || result == DKIM_RESULT_POLICY);
		return;
	}
	CHECK(s.domain.len > 0 && s.selector.len > 0 && s.signature.len > 0);
	is_inside(s.domain, field);
	is_inside(s.signature, field);
	is_inside(s.names, field);
	dkim_signature_digest(&s, fields, digest);
	CHECK(!dkim_signature_has_hash(STR("AAAA"), digest));
}

static void
fuzz_record(struct str text, enum dkim_algorithm algorithm)
{
	unsigned char digest[DKIM_DIGEST_BYTES] = {0};
	struct dkim_record record;
	enum dkim_result result;

	CHECK((dkim_record_parse(text, algorithm, &record, &result) == NULL) == (record.pkey != NULL));
	if (record.pkey != NULL)
		dkim_record_verify(&record, STR("AAAA"), digest);
	dkim_record_fini(&record);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_of((const char *)data, size);
	struct dkim_header header = {0};
	struct dkim_fields fields;
	struct arena arena;

	arena_init(&arena);
	dkim_header_feed(&header, text);
	if (!header.is_too_large && dkim_header_split(buf_str(&header.text), &arena, &fields)) {
		for (unsigned i = 0; i < fields.count && i < 4; i++) {
			fuzz_field(fields.items[i].text, &fields, DKIM_SIGNATURE_FIELD);
			fuzz_field(fields.items[i].text, &fields, DKIM_ARC_MESSAGE_SIGNATURE);
		}
	}
	dkim_header_fini(&header);
	arena_fini(&arena);
	fuzz_record(text, DKIM_RSA);
	fuzz_record(text, DKIM_ED25519);
	return 0;
}
