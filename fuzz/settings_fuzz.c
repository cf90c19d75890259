/* Values of settings. The first byte chooses the row, the rest is the value: an
 * accepted value must, once written, be read back as the same. */
#include "lib/base/check.h"
#include "lib/settings/private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned count;
	const struct settings_row *rows = settings_rows(&count);
	if (size == 0)
		return 0;
	const struct settings_row *row = &rows[data[0] % count];
	struct str text = str_of((const char *)data + 1, size - 1);
	struct err err;
	(void)settings_nearest(str_c(row->group), text);
	(void)settings_nearest_group(text);
	if (settings_check_value(row, text, &err) != 0) {
		CHECK(err.code == ERR_INVALID && strlen(err.text) > 0);
		return 0;
	}
	struct settings_input input = {row, STR_NONE, text};
	const struct settings *first = settings_build(&input, 1);
	struct buf written = BUF_EMPTY;
	settings_value_text(first, row, STR_NONE, &written);
	input.text = buf_str(&written);
	const struct settings *second = settings_build(&input, 1);
	CHECKF(settings_version(first) == settings_version(second), "%s.%s", row->group, row->field);
	settings_unref(&first);
	settings_unref(&second);
	buf_fini(&written);
	return 0;
}
