/* SPF records and macros: any text that a domain may publish. What is well-formed
 * can be expanded, and the expansion stays bounded. */
#include "lib/base/check.h"
#include "lib/mailauth/spf_macro.h"
#include "lib/mailauth/spf_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
expand(struct str text)
{
	static const struct spf_macro_values values = {
		.local = {"a.b-c+d", 7},
		.sender_host = {"example.org", 11},
		.domain = {"mail.example.org", 16},
		.helo = {"[192.0.2.1]", 11},
		.client_name = {"unknown", 7},
		.receiver = {"mx.example.net", 14},
		.client = {.family = 6},
		.now_ms = 1700000000000,
	};
	struct buf out = BUF_EMPTY;

	/* "%{i}" grows most: 4 bytes to 63. */
	spf_macro_expand(text, &values, &out);
	CHECK(out.len <= text.len * 16);
	buf_fini(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_of((const char *)data, size);
	struct spf_record record;
	struct arena arena;

	arena_init(&arena);
	if (spf_record_parse(text, &arena, &record, NULL) == 0) {
		CHECK(record.count <= size / 2);
		for (unsigned i = 0; i < record.count; i++) {
			CHECK(record.terms[i].prefix4 <= 32 && record.terms[i].prefix6 <= 128);
			if (record.terms[i].domain.len > 0)
				CHECK(spf_macro_is_domain(record.terms[i].domain));
			expand(record.terms[i].domain);
		}
		expand(record.redirect);
		expand(record.explanation);
	}
	if (spf_macro_is_valid(text, SPF_MACRO_IN_EXPLANATION))
		expand(text);
	arena_fini(&arena);
	return 0;
}
