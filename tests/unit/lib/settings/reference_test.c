/* docs/settings.md agrees with the table. After a change of the table:
 * STAGEPOST_WRITE_DOCS=1 build/tests/unit/lib/settings/reference_test */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "lib/settings/settings.h"

#define PAGE SP_SOURCE_DIR "/docs/settings.md"

static void
write_page(const struct buf *page)
{
	FILE *f = fopen(PAGE, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(page->data, 1, page->len, f), page->len);
	assert_int_equal(fclose(f), 0);
}

static void
test_page_is_fresh(void **state)
{
	(void)state;
	struct buf made = BUF_EMPTY, stored = BUF_EMPTY;
	settings_reference(&made);
	if (getenv("STAGEPOST_WRITE_DOCS") != NULL)
		write_page(&made);

	FILE *f = fopen(PAGE, "r");
	if (f == NULL)
		fail_msg("%s is missing; write it with STAGEPOST_WRITE_DOCS=1", PAGE);
	size_t count;
	while ((count = fread(buf_reserve(&stored, 4096), 1, 4096, f)) > 0)
		stored.len += count;
	fclose(f);
	if (!str_eq(buf_str(&made), buf_str(&stored)))
		fail_msg("%s is stale; write it with STAGEPOST_WRITE_DOCS=1", PAGE);
	buf_fini(&made);
	buf_fini(&stored);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_page_is_fresh)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
