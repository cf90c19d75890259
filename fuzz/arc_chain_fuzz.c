/* The chain of a header that anybody may have made. */
#include "lib/base/check.h"
#include "lib/mailauth/arc_set.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char digest[DKIM_DIGEST_BYTES];
	struct dkim_header header = {0};
	struct dkim_fields fields;
	struct arc_chain chain;
	struct arena arena;

	arena_init(&arena);
	dkim_header_feed(&header, str_of((const char *)data, size));
	if (!header.is_too_large && dkim_header_split(buf_str(&header.text), &arena, &fields) &&
	    arc_chain_read(&fields, 1700000000, &arena, &chain) == NULL) {
		CHECK(chain.count <= ARC_INSTANCES_MAX);
		for (unsigned i = 1; i <= chain.count; i++) {
			CHECK(chain.sets[i - 1].seal.domain.len > 0 && chain.sets[i - 1].results.len > 0);
			CHECK((chain.sets[i - 1].seal.cv == ARC_NONE) == (i == 1));
			arc_seal_digest(&chain, i, digest);
		}
		if (chain.count > 0)
			dkim_signature_digest(&chain.sets[chain.count - 1].message, &fields, digest);
	}
	dkim_header_fini(&header);
	arena_fini(&arena);
	return 0;
}
