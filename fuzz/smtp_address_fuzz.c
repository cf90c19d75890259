/* Addresses: an accepted one must be its own normal form. */
#include <stddef.h>
#include <stdint.h>

#include "lib/base/check.h"
#include "lib/smtp/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena;
	struct smtp_path path, again;
	struct str rest, out;

	if (size < 1)
		return 0;
	bool utf8 = (data[0] & 1) != 0;
	struct str text = str_of((const char *)data + 1, size - 1);

	arena_init(&arena);
	if (smtp_path_parse(text, utf8, &arena, &path, &rest) == SMTP_PATH_OK && path.kind != SMTP_PATH_NULL) {
		CHECK(path.address.len < SMTP_ADDRESS_MAX);
		CHECK(smtp_address_parse(path.address, path.is_utf8, &arena, &again) == SMTP_PATH_OK);
		CHECK(str_eq(path.address, again.address) && path.kind == again.kind);
		CHECK(str_eq(path.domain, again.domain) && str_eq(path.local, again.local));
	}
	if (smtp_domain_normalise(text, &arena, &out))
		CHECK(smtp_domain_normalise(out, &arena, &rest) && str_eq(out, rest));
	CHECK(smtp_xtext_is_valid(text) == smtp_xtext_decode(text, &arena, &out));
	CHECK(smtp_xtext_decode(smtp_xtext_encode(text, &arena), &arena, &out) && str_eq(out, text));
	arena_fini(&arena);
	return 0;
}
