/* Records and policies of MTA-STS: whatever a web server sends, an accepted
 * policy is consistent, and is accepted again from its own lines. */
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/tlspolicy/sts_policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_of((const char *)data, size);
	struct sts_policy policy, again;
	struct arena arena;
	struct buf lines = BUF_EMPTY;
	char id[STS_ID_MAX];
	struct err err;

	if (sts_record_parse(&text, 1, id))
		CHECK(strlen(id) > 0 && strlen(id) < STS_ID_MAX);
	arena_init(&arena);
	if (sts_policy_parse(text, &arena, &policy, &err) == 0) {
		CHECK(policy.mode == STS_MODE_NONE || policy.mx_count > 0);
		CHECK(policy.max_age_ms >= 0 && policy.max_age_ms <= STS_MAX_AGE_S * 1000);
		for (unsigned i = 0; i < policy.mx_count; i++)
			CHECK(policy.mx[i].p[0] == '*' || sts_policy_allows(&policy, policy.mx[i]));
		for (unsigned i = 0; i < policy.line_count; i++) {
			buf_add(&lines, policy.lines[i].p, policy.lines[i].len);
			buf_add(&lines, "\n", 1);
		}
		if (policy.line_count < STS_LINES_MAX)
			CHECK(sts_policy_parse(buf_str(&lines), &arena, &again, &err) == 0 &&
			      again.mx_count == policy.mx_count && again.mode == policy.mode);
	}
	buf_fini(&lines);
	arena_fini(&arena);
	return 0;
}
