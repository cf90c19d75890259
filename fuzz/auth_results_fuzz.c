/* The filter of Authentication-Results: however a message is cut into pieces, the same
 * passes; no field that claims to come from us does; a second pass finds nothing. And the reader of others' results. */
#include "lib/base/check.h"
#include "lib/mailauth/auth_results.h"
#include "lib/mailauth/auth_results_filter.h"
#include "lib/mailauth/auth_results_read.h"
#include "lib/mime/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct str id = {"mx.test", 7};

static unsigned
filter(struct str message, size_t size, struct buf *out)
{
	struct auth_results_filter f;
	unsigned removed;

	auth_results_filter_init(&f, id);
	while (message.len > 0) {
		struct str piece = str_first(message, size);

		auth_results_filter_feed(&f, piece, out);
		message = str_from(message, piece.len);
	}
	auth_results_filter_end(&f, out);
	removed = f.removed;
	auth_results_filter_fini(&f);
	return removed;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = BUF_EMPTY, pieces = BUF_EMPTY, again = BUF_EMPTY;
	struct str message, rest;
	struct mime_field field;
	unsigned removed;

	if (size == 0)
		return 0;
	message = str_of((const char *)data + 1, size - 1);
	(void)auth_results_say_dmarc_pass(message, id);
	removed = filter(message, size, &whole);
	CHECK(filter(message, data[0] % 7 + 1u, &pieces) == removed);
	CHECK(str_eq(buf_str(&whole), buf_str(&pieces)));
	CHECK((whole.len == message.len) == (removed == 0));
	CHECK(filter(buf_str(&whole), size, &again) == 0);
	rest = buf_str(&whole);
	while (mime_next_field(&rest, &field))
		if (str_eq_ci(field.name, STR("Authentication-Results")) && field.value.len < 16000)
			CHECK(!auth_results_is_of(field.value, id));
	buf_fini(&whole);
	buf_fini(&pieces);
	buf_fini(&again);
	return 0;
}
