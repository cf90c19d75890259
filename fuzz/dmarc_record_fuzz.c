/* DMARC records, and the author's domain of a header: whatever is published or sent. */
#include "lib/base/check.h"
#include "lib/dkim/tags.h"
#include "lib/mailauth/author.h"
#include "lib/mailauth/dmarc_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_of((const char *)data, size), domain;
	struct dmarc_record record;
	struct arena arena;

	if (dmarc_record_parse(text, &record)) {
		CHECK((unsigned)record.policy < DMARC_POLICIES && (unsigned)record.subdomain_policy < DMARC_POLICIES);
		CHECK((unsigned)record.nonexistent_policy < DMARC_POLICIES && record.percent <= 100);
		CHECK(record.aggregate_to.len <= size && record.failures_to.len <= size);
	}
	arena_init(&arena);
	CHECK((author_domain(text, &arena, &domain) == AUTHOR_ONE) == (domain.len > 0));
	for (size_t i = 0; i < domain.len; i++)
		CHECK((unsigned char)domain.p[i] > 0x20 && (unsigned char)domain.p[i] < 0x7f &&
		      !(domain.p[i] >= 'A' && domain.p[i] <= 'Z'));
	arena_fini(&arena);
	return 0;
}
