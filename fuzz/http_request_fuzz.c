/* Requests: the first byte is the size of the pieces in which they arrive, which
 * must not change anything. The data after a head is read as a chunked body. */
#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/http/chunked.h"
#include "lib/http/head.h"
#include "lib/http/uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Where the head ends; 0: it does not end, or is refused. */
static size_t
scan(struct str text, size_t piece, int *status_out)
{
	struct http_scan scan = {0};
	size_t at = 0;

	*status_out = 0;
	while (at < text.len && !scan.done && *status_out == 0)
		at += http_scan_feed(&scan, str_first(str_from(text, at), piece), status_out);
	return scan.done ? at : 0;
}

static enum http_chunked_state
unchunk(struct str text, size_t piece, struct buf *body)
{
	struct http_chunked c = {0};
	size_t at = 0;

	while (at < text.len && c.state != HTTP_CHUNK_BAD && c.state != HTTP_CHUNK_DONE) {
		struct str out;
		size_t taken = http_chunked_feed(&c, str_first(str_from(text, at), piece), &out);
		CHECK(taken != 0 && taken >= out.len);
		buf_add_str(body, out);
		at += taken;
	}
	return c.state;
}

static void
check_head(struct str text)
{
	struct arena arena;
	struct http_head head;
	struct str value;

	arena_init(&arena);
	if (http_head_parse(text, &arena, &head) == 0) {
		CHECK(head.path.len != 0 && (head.path.p[0] == '/' || str_eq(head.path, STR("*"))));
		CHECK(!head.chunked || head.length == 0);
		CHECK(head.minor == 0 || head.host.len != 0);
		for (unsigned i = 0; i < head.field_count; i++)
			CHECK(head.fields[i].name.len != 0 && str_index(head.fields[i].value, '\n') < 0);
		(void)http_uri_parameter(head.query, STR("a"), &arena, &value);
	}
	arena_fini(&arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = BUF_EMPTY, cut = BUF_EMPTY;
	struct str text;
	size_t piece, end;
	int status, status_cut;

	if (size < 2)
		return 0;
	piece = data[0] != 0 ? data[0] : 1;
	text = str_of((const char *)data + 1, size - 1);
	end = scan(text, text.len, &status);
	CHECK(scan(text, piece, &status_cut) == end && status_cut == status);
	if (end != 0)
		check_head(str_first(text, end));
	text = str_from(text, end);
	CHECK(unchunk(text, size, &whole) == unchunk(text, piece, &cut) && str_eq(buf_str(&whole), buf_str(&cut)));
	buf_fini(&whole);
	buf_fini(&cut);
	return 0;
}
