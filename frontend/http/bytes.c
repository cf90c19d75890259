/* Answers of which all bytes are known: to a client that has them already, or wants
 * some of them. */
#include "frontend/http/private.h"
#include "lib/http/range.h"

/* If-Range (RFC 9110, 13.1.5): a part is of use only if the client's other parts are
 * of the same bytes. A date is none of our validators. */
static bool
bytes_may_be_part(struct http_request *r, struct str etag)
{
	struct str same = http_field(r, STR("If-Range"));

	return r->head.method == HTTP_GET && (same.len == 0 || (etag.len != 0 && str_eq(same, etag)));
}

struct str
http_begin_bytes(struct http_request *r, const char *type, struct str etag, struct str bytes)
{
	struct str known = http_field(r, STR("If-None-Match")), range = http_field(r, STR("Range"));
	enum http_range kind = HTTP_RANGE_WHOLE;
	uint64_t from = 0, length = bytes.len;
	int status = 200;

	if (known.len != 0 && etag.len != 0 && http_etag_is_listed(known, etag))
		status = 304;
	else if (range.len != 0 && bytes_may_be_part(r, etag))
		kind = http_range_parse(range, bytes.len, &from, &length);
	if (kind == HTTP_RANGE_PART)
		status = 206;
	if (kind == HTTP_RANGE_NONE || status == 304)
		length = 0;
	if (kind == HTTP_RANGE_NONE)
		status = 416;
	http_begin(r, status, status == 416 ? NULL : type, length);
	if (etag.len != 0 && status != 416)
		http_add_header(r, "ETag", etag);
	if (status != 304)
		http_add_header(r, "Accept-Ranges", STR("bytes"));
	if (status == 206)
		http_add_header(r, "Content-Range",
				str_c(arena_printf(&r->op.arena, "bytes %llu-%llu/%zu", (unsigned long long)from,
						   (unsigned long long)(from + length - 1), bytes.len)));
	else if (status == 416)
		http_add_header(r, "Content-Range", str_c(arena_printf(&r->op.arena, "bytes */%zu", bytes.len)));
	return str_first(str_from(bytes, (size_t)from), (size_t)length);
}
