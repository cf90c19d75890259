/* Lines and messages of remote POP3 servers: read at once or byte by byte they are the same.
 * The first byte says whether a message comes first. */
#include "delivery-worker/retrieve/wire/pop_reader.h"
#include "lib/base/check.h"

static void
read_all(struct str input, size_t step, bool in_message, struct buf *out)
{
	struct pop_reader r;

	pop_reader_init(&r, 500);
	while (input.len > 0) {
		enum pop_read event;
		struct str piece;
		size_t used = pop_reader_take(&r, str_first(input, step), in_message, &event, &piece);

		input = str_from(input, used);
		if (event == POP_READ_PIECE) {
			CHECK(piece.len > 0);
			buf_add_str(out, piece);
		} else if (event != POP_READ_MORE) {
			buf_printf(out, "[%d]", event);
		}
		if (event == POP_READ_LINE)
			buf_add_str(out, buf_str(&r.line));
		if (event == POP_READ_LONG)
			break;
		/* An answer and a message by turns. */
		if (event == POP_READ_END || event == POP_READ_LINE)
			in_message = !in_message;
	}
	pop_reader_fini(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str input = str_of((const char *)data, size), uidl;
	struct buf whole = BUF_EMPTY, bytes = BUF_EMPTY;
	struct pop_status status;
	uint32_t number;
	uint64_t value;
	bool in_message;

	if (size < 1)
		return 0;
	in_message = (data[0] & 1) != 0;
	input = str_from(input, 1);
	read_all(input, size, in_message, &whole);
	read_all(input, 1, in_message, &bytes);
	CHECK(str_eq(buf_str(&whole), buf_str(&bytes)));
	if (pop_status_parse(input, &status))
		CHECK(status.text.len < input.len && status.code.len <= status.text.len);
	if (pop_uidl_parse(input, &number, &uidl))
		CHECK(uidl.len > 0 && uidl.len <= POP_UIDL_MAX);
	(void)pop_numbers_parse(input, &number, &value);
	buf_fini(&whole);
	buf_fini(&bytes);
	return 0;
}
