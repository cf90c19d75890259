#include "lib/http/head.h"

#include "lib/base/check.h"
#include "lib/http/uri.h"

static const char *const head_methods[] = {
#define HEAD_METHOD_NAME(name) #name,
	HTTP_METHODS(HEAD_METHOD_NAME)
#undef HEAD_METHOD_NAME
};

const char *
http_method_name(enum http_method method)
{
	CHECK((unsigned)method < HTTP_METHOD_COUNT);
	return head_methods[method];
}

/* ---- Characters ---- */

/* tchar, RFC 9110, 5.6.2 */
static bool
head_is_token(struct str s)
{
	static const char others[] = "!#$%&'*+-.^_`|~";

	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];
		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
		    (c == '\0' || strchr(others, c) == NULL))
			return false;
	}
	return s.len != 0;
}

/* Visible characters, space, tab, and bytes above ASCII (RFC 9110, 5.5). */
static bool
head_is_value(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

/* The next line without its CRLF, which the scan has verified. */
static struct str
head_next_line(struct str *rest)
{
	struct str line, tail;

	if (!str_cut(*rest, '\n', &line, &tail))
		return STR_NONE;
	*rest = tail;
	return str_first(line, line.len - 1);
}

/* ---- The request line ---- */

static bool
head_find_method(struct str name, enum http_method *out)
{
	for (unsigned i = 0; i < HTTP_METHOD_COUNT; i++)
		if (str_eq(name, str_c(head_methods[i]))) {
			*out = (enum http_method)i;
			return true;
		}
	return false;
}

/* "HTTP/1.1" */
static int
head_parse_version(struct str s, struct http_head *out)
{
	if (s.len != 8 || !str_starts(s, STR("HTTP/")) || s.p[6] != '.' || s.p[5] < '0' || s.p[5] > '9' ||
	    s.p[7] < '0' || s.p[7] > '9')
		return 400;
	if (s.p[5] != '1')
		return 505;
	out->minor = s.p[7] == '0' ? 0 : 1;
	return 0;
}

static int
head_parse_request_line(struct str line, struct arena *arena, struct http_head *out)
{
	struct str method, rest, version;
	ptrdiff_t space = str_rindex(line, ' ');
	int status;

	if (!str_cut(line, ' ', &method, &rest) || !head_is_token(method) || space < (ptrdiff_t)method.len + 1)
		return 400;
	version = str_from(line, (size_t)space + 1);
	out->target = str_first(rest, (size_t)space - method.len - 1);
	status = head_parse_version(version, out);
	if (status != 0)
		return status;
	if (!head_find_method(method, &out->method))
		return 501;
	return http_uri_parse(out->target, out->method == HTTP_OPTIONS, arena, &out->path, &out->query, &out->host,
			      &out->port)
		       ? 0
		       : 400;
}

/* ---- Fields ---- */

/* White space in front (a folded line) is not a token, and neither is a name
 * with a space before its colon. */
static bool
head_parse_field(struct str line, struct http_field *out)
{
	struct str value;

	if (!str_cut(line, ':', &out->name, &value) || !head_is_token(out->name) || !head_is_value(value))
		return false;
	out->value = str_trim(value);
	return true;
}

static int
head_parse_fields(struct str rest, struct arena *arena, struct http_head *out)
{
	struct str line;

	out->fields = arena_array(arena, struct http_field, HTTP_FIELDS_MAX);
	while ((line = head_next_line(&rest)).len != 0) {
		if (out->field_count == HTTP_FIELDS_MAX)
			return 431;
		if (!head_parse_field(line, &out->fields[out->field_count++]))
			return 400;
	}
	return 0;
}

const struct str *
http_head_field(const struct http_head *head, struct str name)
{
	for (unsigned i = 0; i < head->field_count; i++)
		if (str_eq_ci(head->fields[i].name, name))
			return &head->fields[i].value;
	return NULL;
}

bool
http_head_has_token(const struct http_head *head, struct str name, struct str token)
{
	for (unsigned i = 0; i < head->field_count; i++) {
		struct str rest = head->fields[i].value, word;
		if (!str_eq_ci(head->fields[i].name, name))
			continue;
		while (str_next_word(&rest, ", \t", &word))
			if (str_eq_ci(word, token))
				return true;
	}
	return false;
}

static unsigned
head_count_fields(const struct http_head *head, struct str name)
{
	unsigned count = 0;

	for (unsigned i = 0; i < head->field_count; i++)
		count += str_eq_ci(head->fields[i].name, name);
	return count;
}

/* ---- The meaning of fields ---- */

/* The host in the target (absolute form) takes precedence over the field (RFC
 * 9112, 3.2.2), but the field must be valid in any case. */
static int
head_take_host(struct arena *arena, struct http_head *out)
{
	const struct str *value = http_head_field(out, STR("Host"));
	struct str host;
	uint16_t port;

	if (value == NULL)
		return out->minor == 0 ? 0 : 400;
	if (head_count_fields(out, STR("Host")) != 1 || !http_uri_parse_host(*value, arena, &host, &port))
		return 400;
	if (out->host.len == 0) {
		out->host = host;
		out->port = port;
	}
	return 0;
}

/* Digits only: neither a sign nor a list. */
static bool
head_parse_length(struct str s, uint64_t *out)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	return s.len != 0 && str_to_u64(s, out);
}

static int
head_take_framing(struct http_head *out)
{
	const struct str *coding = http_head_field(out, STR("Transfer-Encoding"));
	const struct str *length = http_head_field(out, STR("Content-Length"));

	if (coding == NULL && length == NULL)
		return 0;
	if (coding == NULL)
		return head_count_fields(out, STR("Content-Length")) == 1 && head_parse_length(*length, &out->length)
			       ? 0
			       : 400;
	if (length != NULL || out->minor == 0 || head_count_fields(out, STR("Transfer-Encoding")) != 1)
		return 400;
	out->chunked = true;
	return str_eq_ci(*coding, STR("chunked")) ? 0 : 501;
}

static int
head_take_wishes(struct http_head *out)
{
	const struct str *expect = http_head_field(out, STR("Expect"));

	out->keep_alive = out->minor != 0 ? !http_head_has_token(out, STR("Connection"), STR("close"))
					  : http_head_has_token(out, STR("Connection"), STR("keep-alive"));
	if (expect == NULL || out->minor == 0)
		return 0;
	out->expects_continue = str_eq_ci(*expect, STR("100-continue"));
	return out->expects_continue ? 0 : 417;
}

int
http_head_parse(struct str text, struct arena *arena, struct http_head *out)
{
	struct str line;
	int status;

	*out = (struct http_head){0};
	while (str_starts(text, STR("\r\n")))
		text = str_from(text, 2);
	line = head_next_line(&text);
	status = head_parse_request_line(line, arena, out);
	if (status == 0)
		status = head_parse_fields(text, arena, out);
	if (status == 0)
		status = head_take_host(arena, out);
	if (status == 0)
		status = head_take_framing(out);
	return status != 0 ? status : head_take_wishes(out);
}
