#include "lib/mailauth/auth_results_read.h"

#include <string.h>

#include "lib/mime/header.h"

#define READ_SPACE " \t\r\n"

/* One result: "dmarc=pass (p=reject) header.from=example.org". */
struct read_result {
	struct str method, result;
	struct str properties; /* what follows */
};

/* Cuts off the part before the first ';' that is neither quoted nor in a comment. False: a
 * quotation or a comment does not end. */
static bool
read_part(struct str *rest, struct str *part_out)
{
	bool is_quoted = false;
	unsigned depth = 0;
	size_t at = 0;

	for (; at < rest->len; at++) {
		char c = rest->p[at];

		if (c == '\\' && (is_quoted || depth > 0))
			at++;
		else if (c == '"' && depth == 0)
			is_quoted = !is_quoted;
		else if (c == '(' && !is_quoted)
			depth++;
		else if (c == ')' && !is_quoted && depth > 0)
			depth--;
		else if (c == ';' && !is_quoted && depth == 0)
			break;
	}
	if (is_quoted || depth > 0)
		return false;
	*part_out = str_first(*rest, at);
	*rest = at < rest->len ? str_from(*rest, at + 1) : STR_NONE;
	return true;
}

/* The bytes before any of these, and the white space and comments around them. */
static struct str
read_word(struct str *rest, const char *ends)
{
	struct str word;
	size_t len = 0;

	mime_skip_cfws(rest);
	while (len < rest->len && rest->p[len] != '\0' && strchr(ends, rest->p[len]) == NULL)
		len++;
	word = str_first(*rest, len);
	*rest = str_from(*rest, len);
	mime_skip_cfws(rest);
	return word;
}

static bool
read_sign(struct str *rest, char sign)
{
	if (rest->len == 0 || rest->p[0] != sign)
		return false;
	*rest = str_from(*rest, 1);
	return true;
}

static bool
read_result(struct str part, struct read_result *out)
{
	out->method = read_word(&part, READ_SPACE "(/=\"");
	if (read_sign(&part, '/'))
		read_word(&part, READ_SPACE "(=\"");
	if (out->method.len == 0 || !read_sign(&part, '='))
		return false;
	out->result = read_word(&part, READ_SPACE "(=\"");
	out->properties = part;
	return out->result.len > 0;
}

/* Without its quotes; a domain needs no quoted pairs, so they are not resolved. */
static struct str
read_value(struct str *rest)
{
	struct str value;
	size_t len = 0;

	mime_skip_cfws(rest);
	if (!read_sign(rest, '"'))
		return read_word(rest, READ_SPACE "(\"");
	while (len < rest->len && rest->p[len] != '"')
		len += rest->p[len] == '\\' && len + 1 < rest->len ? 2 : 1;
	value = str_first(*rest, len);
	*rest = str_from(*rest, len < rest->len ? len + 1 : len);
	mime_skip_cfws(rest);
	return value;
}

/* All that it calls by this name have this value, and there is one. */
static bool
read_has_property(const struct read_result *r, struct str name, struct str value)
{
	struct str rest = r->properties;
	bool has_it = false;

	while (rest.len > 0) {
		struct str found = read_word(&rest, READ_SPACE "(=\"");

		if (found.len == 0 || !read_sign(&rest, '='))
			return false;
		bool is_equal = str_eq_ci(read_value(&rest), value);
		if (!str_eq_ci(found, name))
			continue;
		if (!is_equal)
			return false;
		has_it = true;
	}
	return has_it;
}

bool
auth_results_say_dmarc_pass(struct str payload, struct str author)
{
	struct str part;
	struct read_result r;
	unsigned results = 0;
	bool has_passed = false;

	if (!read_part(&payload, &part)) /* who says it */
		return false;
	while (payload.len > 0) {
		if (!read_part(&payload, &part))
			return false;
		if (!read_result(part, &r) || !str_eq_ci(r.method, STR("dmarc")))
			continue;
		results++;
		has_passed = str_eq_ci(r.result, STR("pass")) && read_has_property(&r, STR("header.from"), author);
	}
	return results == 1 && has_passed;
}
