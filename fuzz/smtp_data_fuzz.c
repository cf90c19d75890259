/* Mail data: the result must not depend on where the input is cut, only CRLF
 * may end a line, and sent data must come out the same. */
#include <stddef.h>
#include <stdint.h>

#include "lib/base/check.h"
#include "lib/smtp/data.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t
read_in_pieces(struct smtp_data_reader *r, struct str input, size_t piece, struct buf *out, bool *ended)
{
	size_t used = 0;

	*ended = false;
	while (used < input.len && !*ended)
		used += smtp_data_read(r, str_first(str_from(input, used), piece), out, ended);
	return used;
}

static void
check_line_ends(const struct buf *b)
{
	for (size_t i = 0; i < b->len; i++) {
		CHECK(b->data[i] != '\r' || b->data[i + 1] == '\n');
		CHECK(b->data[i] != '\n' || (i != 0 && b->data[i - 1] == '\r'));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct smtp_data_reader whole, cut;
	struct smtp_data_writer w;
	struct buf a = BUF_EMPTY, b = BUF_EMPTY, sent = BUF_EMPTY;
	bool ended_a, ended_b;

	if (size < 1)
		return 0;
	bool dots = (data[0] & 1) != 0;
	size_t piece = (data[0] >> 1) % 16 + 1u;
	struct str input = str_of((const char *)data + 1, size - 1);

	smtp_data_reader_init(&whole, dots);
	smtp_data_reader_init(&cut, dots);
	size_t used = read_in_pieces(&whole, input, SIZE_MAX, &a, &ended_a);
	CHECK(used == read_in_pieces(&cut, input, piece, &b, &ended_b));
	CHECK(ended_a == ended_b && whole.state == cut.state && whole.longest_line == cut.longest_line);
	CHECK(whole.saw_eight_bit == cut.saw_eight_bit);
	CHECK(whole.saw_bare_line_end == cut.saw_bare_line_end);
	if (!dots) {
		smtp_data_read_end(&whole, &a);
		smtp_data_read_end(&cut, &b);
	}
	CHECK(str_eq(buf_str(&a), buf_str(&b)));
	check_line_ends(&a);

	smtp_data_writer_init(&w, true);
	for (size_t at = 0; at < input.len; at += piece)
		smtp_data_write(&w, str_first(str_from(input, at), piece), &sent);
	smtp_data_write_end(&w, &sent);
	check_line_ends(&sent);
	buf_clear(&b);
	smtp_data_reader_init(&whole, true);
	CHECK(read_in_pieces(&whole, buf_str(&sent), SIZE_MAX, &b, &ended_b) == sent.len && ended_b);
	buf_fini(&a);
	buf_fini(&b);
	buf_fini(&sent);
	return 0;
}
