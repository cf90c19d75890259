/* Down-conversion: the output is 7-bit, and the same wherever the input was cut. */
#include "delivery-worker/remote/downgrade.h"
#include "lib/base/check.h"
#include "lib/smtp/data.h"

static int
convert(struct str input, size_t piece, struct buf *out)
{
	struct downgrade *d = downgrade_new();
	struct err err;
	int rc;

	for (size_t at = 0; at < input.len; at += piece)
		downgrade_scan(d, str_first(str_from(input, at), piece));
	rc = downgrade_scan_end(d, &err);
	if (rc == 0) {
		downgrade_begin(d);
		for (size_t at = 0; at < input.len; at += piece)
			downgrade_write(d, str_first(str_from(input, at), piece), out);
		downgrade_write_end(d, out);
	}
	downgrade_free(&d);
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf canonical = BUF_EMPTY, whole = BUF_EMPTY, pieces = BUF_EMPTY;
	struct smtp_data_writer writer;

	smtp_data_writer_init(&writer, false);
	smtp_data_write(&writer, str_of((const char *)data, size), &canonical);
	smtp_data_write_end(&writer, &canonical);
	CHECK(convert(buf_str(&canonical), canonical.len + 1, &whole) == convert(buf_str(&canonical), 3, &pieces));
	CHECK(str_eq(buf_str(&whole), buf_str(&pieces)));
	for (size_t i = 0; i < whole.len; i++)
		CHECK((unsigned char)whole.data[i] < 0x80);
	buf_fini(&canonical);
	buf_fini(&whole);
	buf_fini(&pieces);
	return 0;
}
