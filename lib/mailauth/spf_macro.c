#include "lib/mailauth/spf_macro.h"

#include <stdio.h>

#include "lib/base/check.h"

#define PARTS_MAX 128 /* of a macro's value; a domain has at most 127 labels. Parts beyond stay joined. */

/* One piece of a text: literal bytes, or what a macro consists of. */
struct token {
	struct str literal; /* as it stands, or for "%%", "%_" and "%-" what they mean */
	char letter;	    /* lower case; 0: this is a literal */
	bool is_macro;	    /* began with '%' */
	bool is_escaped;    /* an upper-case letter: the value is URL-escaped */
	bool is_reversed;
	unsigned keep;	       /* parts from the right; 0: all of them */
	struct str delimiters; /* empty: "." */
};

static bool
macro_is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
macro_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Reads the inside of "%{...}". */
static bool
macro_read_body(struct str body, struct token *out)
{
	size_t at = 1;

	if (body.len == 0 || !macro_is_alpha(body.p[0]))
		return false;
	out->letter = (char)(body.p[0] | 0x20);
	out->is_escaped = body.p[0] < 'a';
	if (strchr("slodiphvcrt", out->letter) == NULL)
		return false;
	while (at < body.len && macro_is_digit(body.p[at])) {
		if (out->keep < PARTS_MAX)
			out->keep = out->keep * 10 + (unsigned)(body.p[at] - '0');
		at++;
	}
	if (at > 1 && out->keep == 0)
		return false;
	if (at < body.len && (body.p[at] | 0x20) == 'r') {
		out->is_reversed = true;
		at++;
	}
	out->delimiters = str_from(body, at);
	for (size_t i = 0; i < out->delimiters.len; i++)
		if (out->delimiters.p[i] == '\0' || strchr(".-+,/_=", out->delimiters.p[i]) == NULL)
			return false;
	return true;
}

/* Takes the next token off *rest, which is not empty. False: malformed. */
static bool
macro_next(struct str *rest, struct token *out)
{
	ptrdiff_t end;

	memset(out, 0, sizeof(*out));
	if (rest->p[0] != '%') {
		end = str_index(*rest, '%');
		out->literal = end < 0 ? *rest : str_first(*rest, (size_t)end);
		*rest = str_from(*rest, out->literal.len);
		return true;
	}
	out->is_macro = true;
	if (rest->len < 2)
		return false;
	switch (rest->p[1]) {
	case '%': out->literal = STR("%"); break;
	case '_': out->literal = STR(" "); break;
	case '-': out->literal = STR("%20"); break;
	case '{':
		end = str_index(*rest, '}');
		if (end < 0 || !macro_read_body(str_from(str_first(*rest, (size_t)end), 2), out))
			return false;
		*rest = str_from(*rest, (size_t)end + 1);
		return true;
	default: return false;
	}
	*rest = str_from(*rest, 2);
	return true;
}

bool
spf_macro_is_valid(struct str text, enum spf_macro_place place)
{
	struct token token;

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (c < (place == SPF_MACRO_IN_RECORD ? 0x21 : 0x20) || c > 0x7e)
			return false;
	}
	while (text.len > 0) {
		if (!macro_next(&text, &token))
			return false;
		if (place == SPF_MACRO_IN_RECORD && token.letter != 0 && strchr("crt", token.letter) != NULL)
			return false;
	}
	return true;
}

/* RFC 7208, 7.1: letters, digits and inner hyphens, not only digits. */
static bool
macro_is_toplabel(struct str label)
{
	bool only_digits = true;

	if (label.len == 0 || label.p[0] == '-' || label.p[label.len - 1] == '-')
		return false;
	for (size_t i = 0; i < label.len; i++) {
		char c = label.p[i];

		if (!macro_is_alpha(c) && !macro_is_digit(c) && c != '-')
			return false;
		only_digits = only_digits && macro_is_digit(c);
	}
	return !only_digits;
}

bool
spf_macro_is_domain(struct str text)
{
	struct token token = {0};
	struct str tail;
	ptrdiff_t dot;

	if (text.len == 0 || !spf_macro_is_valid(text, SPF_MACRO_IN_RECORD))
		return false;
	while (text.len > 0)
		CHECK(macro_next(&text, &token));
	if (token.is_macro)
		return true;
	tail = token.literal;
	if (tail.p[tail.len - 1] == '.')
		tail.len--;
	dot = str_rindex(tail, '.');
	return dot >= 0 && macro_is_toplabel(str_from(tail, (size_t)dot + 1));
}

bool
spf_macro_uses_client_name(struct str text)
{
	struct token token;

	while (text.len > 0 && macro_next(&text, &token))
		if (token.letter == 'p')
			return true;
	return false;
}

/* Every nibble of an IPv6 address is a part of its own. */
static void
macro_add_client(const struct ip *ip, struct buf *out)
{
	static const char digits[] = "0123456789ABCDEF";
	char text[IP_TEXT_MAX];

	if (ip->family != 6) {
		ip_text(ip, text);
		buf_add_c(out, text);
		return;
	}
	for (unsigned i = 0; i < 16; i++) {
		if (i > 0)
			buf_add_byte(out, '.');
		buf_add_byte(out, digits[ip->bytes[i] >> 4]);
		buf_add_byte(out, '.');
		buf_add_byte(out, digits[ip->bytes[i] & 15]);
	}
}

static void
macro_add_value(char letter, const struct spf_macro_values *v, struct buf *out)
{
	char text[IP_TEXT_MAX];

	switch (letter) {
	case 's':
		buf_add_str(out, v->local);
		buf_add_byte(out, '@');
		buf_add_str(out, v->sender_host);
		break;
	case 'l': buf_add_str(out, v->local); break;
	case 'o': buf_add_str(out, v->sender_host); break;
	case 'd': buf_add_str(out, v->domain); break;
	case 'i': macro_add_client(&v->client, out); break;
	case 'p': buf_add_str(out, v->client_name); break;
	case 'h': buf_add_str(out, v->helo); break;
	case 'v': buf_add_c(out, v->client.family == 6 ? "ip6" : "in-addr"); break;
	case 'r': buf_add_str(out, v->receiver); break;
	case 't': buf_printf(out, "%lld", (long long)(v->now_ms / 1000)); break;
	case 'c':
		ip_text(&v->client, text);
		buf_add_c(out, text);
		break;
	default: CHECK(false);
	}
}

static unsigned
macro_split(struct str value, struct str delimiters, struct str parts[PARTS_MAX])
{
	unsigned count = 0;
	size_t start = 0;

	if (delimiters.len == 0)
		delimiters = STR(".");
	for (size_t i = 0; i < value.len && count + 1 < PARTS_MAX; i++) {
		if (str_index(delimiters, value.p[i]) < 0)
			continue;
		parts[count++] = str_of(value.p + start, i - start);
		start = i + 1;
	}
	parts[count++] = str_from(value, start);
	return count;
}

/* RFC 3986, 2.3: all but the unreserved bytes. */
static void
macro_add_escaped(struct str s, struct buf *out)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];

		if (macro_is_alpha(c) || macro_is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~')
			buf_add_byte(out, c);
		else
			buf_printf(out, "%%%02X", (unsigned)(unsigned char)c);
	}
}

static void
macro_expand_one(const struct token *token, const struct spf_macro_values *values, struct buf *out)
{
	struct buf value = BUF_EMPTY, joined = BUF_EMPTY;
	struct str parts[PARTS_MAX];
	unsigned count, first;

	macro_add_value(token->letter, values, &value);
	count = macro_split(buf_str(&value), token->delimiters, parts);
	first = token->keep > 0 && token->keep < count ? count - token->keep : 0;
	for (unsigned i = first; i < count; i++) {
		if (i > first)
			buf_add_byte(&joined, '.');
		buf_add_str(&joined, parts[token->is_reversed ? count - 1 - i : i]);
	}
	if (token->is_escaped)
		macro_add_escaped(buf_str(&joined), out);
	else
		buf_add_str(out, buf_str(&joined));
	buf_fini(&value);
	buf_fini(&joined);
}

void
spf_macro_expand(struct str text, const struct spf_macro_values *values, struct buf *out)
{
	struct token token;

	while (text.len > 0) {
		CHECK(macro_next(&text, &token));
		if (token.letter == 0)
			buf_add_str(out, token.literal);
		else
			macro_expand_one(&token, values, out);
	}
}
