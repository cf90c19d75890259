/* The mail data between DATA and its end (RFC 5321, 4.1.1.4 and 4.5.2), in both
 * directions, so that no line end but CRLF ever has a meaning (SMTP smuggling).
 *
 * Receiving: only CRLF "." CRLF ends the data. Dots are unstuffed; a bare LF is
 * stored as CRLF, a bare CR and a NUL as a space. Sending: bare line ends and NULs
 * are replaced in the same way, dots are stuffed, and the end is marked. Both work
 * on pieces of any size; the result does not depend on how the input is split. */
#ifndef SP_SMTP_DATA_H
#define SP_SMTP_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"

struct smtp_data_reader {
	uint8_t state;	/* private */
	bool dot_lines; /* DATA: dots and the end are recognised; BDAT: not */
	bool saw_eight_bit;
	bool saw_bare_line_end;
	uint32_t line_length; /* of the current line, without CRLF */
	uint32_t longest_line;
};

void smtp_data_reader_init(struct smtp_data_reader *r, bool dot_lines);
/* Consumes input up to the end of the data; appends the bytes to store to out.
 * Returns the number of input bytes used; *ended_out: the end was found (the
 * rest of the input is pipelined commands). */
size_t smtp_data_read(struct smtp_data_reader *r, struct str input, struct buf *out, bool *ended_out);
/* BDAT LAST: completes what was held back (a CR at the very end; a last line
 * without CRLF gets one). */
void smtp_data_read_end(struct smtp_data_reader *r, struct buf *out);

struct smtp_data_writer {
	uint8_t state;	/* private */
	bool dot_lines; /* DATA; false for BDAT (line ends are still corrected) */
};
void smtp_data_writer_init(struct smtp_data_writer *w, bool dot_lines);
void smtp_data_write(struct smtp_data_writer *w, struct str input, struct buf *out);
/* Adds a missing CRLF and, with dot_lines, the "." CRLF. */
void smtp_data_write_end(struct smtp_data_writer *w, struct buf *out);

#endif
