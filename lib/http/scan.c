#include "lib/http/head.h"

/* An empty line or two in front are ignored (RFC 9112, 2.2), but not a stream of them. */
enum { LEADING_BYTES_MAX = 16 };

static int
scan_on_line_end(struct http_scan *scan)
{
	if (scan->line_bytes != 0) {
		scan->lines++;
		scan->line_bytes = 0;
	} else if (scan->lines != 0) {
		scan->done = true;
	} else if (scan->bytes > LEADING_BYTES_MAX) {
		return 400;
	}
	return 0;
}

/* Scans one byte; returns a status or 0. */
static int
scan_take(struct http_scan *scan, char c)
{
	scan->bytes++;
	if (scan->bytes > HTTP_HEAD_MAX)
		return 431;
	if (scan->after_cr) {
		scan->after_cr = false;
		return c == '\n' ? scan_on_line_end(scan) : 400;
	}
	if (c == '\r') {
		scan->after_cr = true;
		return 0;
	}
	if (c == '\n' || c == '\0')
		return 400;
	scan->line_bytes++;
	return scan->lines == 0 && scan->line_bytes > HTTP_LINE_MAX ? 414 : 0;
}

size_t
http_scan_feed(struct http_scan *scan, struct str piece, int *status_out)
{
	size_t at = 0;

	*status_out = 0;
	while (at < piece.len && !scan->done && *status_out == 0)
		*status_out = scan_take(scan, piece.p[at++]);
	return at;
}
