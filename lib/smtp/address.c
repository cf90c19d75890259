/* Mail addresses: parsing and normalising.
 *
 * Two spellings of one address give the same bytes: quotes only where needed,
 * the domain in lower case and ASCII. The case of the local part is kept; the
 * directory decides whose mailbox it is. */
#include "lib/smtp/address.h"

#include <idn2.h>
#include <string.h>

#include "lib/base/hex.h"
#include "lib/base/ip.h"

enum { LABEL_MAX = 63, DNS_NAME_MAX = 253, ADDRESS_OCTETS_MAX = SMTP_PATH_MAX - 2 };

/* The text still to parse, with its context. */
struct parser {
	struct str rest;
	bool allow_utf8;
	struct arena *arena;
};

static bool
address_is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
is_eight_bit(char c)
{
	return ((unsigned char)c & 0x80) != 0;
}

/* RFC 5322 atext; the caller judges 8-bit bytes. */
static bool
is_atext(char c)
{
	return address_is_alnum(c) || is_eight_bit(c) || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

static bool
next_is(const struct parser *p, char c)
{
	return p->rest.len != 0 && p->rest.p[0] == c;
}

static bool
address_skip(struct parser *p, char c)
{
	if (!next_is(p, c))
		return false;
	p->rest = str_from(p->rest, 1);
	return true;
}

/* ---- Local parts ---- */

/* Can it be written without quotes? Atoms with single dots between them. */
static bool
address_is_dot_string(struct str s)
{
	if (s.len == 0 || s.p[0] == '.' || s.p[s.len - 1] == '.')
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!is_atext(s.p[i]) && (s.p[i] != '.' || s.p[i - 1] == '.'))
			return false;
	return true;
}

/* Decodes a quoted string, whose opening quote is next. */
static enum smtp_path_error
parse_quoted(struct parser *p, char content[SMTP_LOCAL_PART_MAX], size_t *len_out)
{
	size_t len = 0, i = 1;

	for (; i < p->rest.len && p->rest.p[i] != '"'; i++) {
		char c = p->rest.p[i];
		if (c == '\\') {
			if (++i == p->rest.len)
				return SMTP_PATH_SYNTAX;
			c = p->rest.p[i];
		}
		if (c < ' ' ? !is_eight_bit(c) : c == 0x7f)
			return SMTP_PATH_SYNTAX;
		if (len == SMTP_LOCAL_PART_MAX)
			return SMTP_PATH_TOO_LONG;
		content[len++] = c;
	}
	if (i == p->rest.len)
		return SMTP_PATH_SYNTAX;
	p->rest = str_from(p->rest, i + 1);
	*len_out = len;
	return SMTP_PATH_OK;
}

/* The shortest quoted form. */
static struct str
address_quote(struct arena *arena, const char *content, size_t len)
{
	char *quoted = arena_alloc(arena, 2 * len + 2);
	size_t at = 0;

	quoted[at++] = '"';
	for (size_t i = 0; i < len; i++) {
		if (content[i] == '"' || content[i] == '\\')
			quoted[at++] = '\\';
		quoted[at++] = content[i];
	}
	quoted[at++] = '"';
	return str_of(quoted, at);
}

static enum smtp_path_error
parse_local(struct parser *p, struct smtp_path *path)
{
	char content[SMTP_LOCAL_PART_MAX];
	size_t len = 0;

	if (next_is(p, '"')) {
		enum smtp_path_error error = parse_quoted(p, content, &len);
		if (error != SMTP_PATH_OK)
			return error;
		path->local = address_is_dot_string(str_of(content, len)) ? arena_str(p->arena, str_of(content, len))
									  : address_quote(p->arena, content, len);
	} else {
		while (len < p->rest.len && (is_atext(p->rest.p[len]) || p->rest.p[len] == '.'))
			len++;
		if (!address_is_dot_string(str_first(p->rest, len)))
			return SMTP_PATH_SYNTAX;
		if (len > SMTP_LOCAL_PART_MAX)
			return SMTP_PATH_TOO_LONG;
		path->local = str_first(p->rest, len);
		p->rest = str_from(p->rest, len);
	}
	path->is_utf8 = str_has_eight_bit(path->local);
	if (path->is_utf8 && !p->allow_utf8)
		return SMTP_PATH_NEEDS_UTF8;
	if (path->is_utf8 && !str_is_utf8(path->local))
		return SMTP_PATH_SYNTAX;
	return SMTP_PATH_OK;
}

/* ---- Domains ---- */

/* A label of letters, digits and inner hyphens. The RFC does not allow
 * underscores, but such names occur, and refusing them helps nobody. */
static bool
address_is_label(struct str s)
{
	if (s.len == 0 || s.len > LABEL_MAX || s.p[0] == '-' || s.p[s.len - 1] == '-')
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!address_is_alnum(s.p[i]) && s.p[i] != '-' && s.p[i] != '_')
			return false;
	return true;
}

static bool
is_ascii_domain(struct str s)
{
	struct str label = STR_NONE, rest = s;
	bool more;
	uint64_t number;

	if (s.len > DNS_NAME_MAX)
		return false;
	do {
		more = str_cut(rest, '.', &label, &rest);
		if (!address_is_label(label))
			return false;
	} while (more);
	/* A last label of only digits is an IP address without its brackets. */
	return !str_to_u64(label, &number);
}

/* U-labels to A-labels (IDNA 2008, mapped as UTS 46 does for lookup). */
static bool
domain_to_ascii(struct str text, struct arena *arena, struct str *domain_out)
{
	uint8_t *ascii = NULL;
	const char *terminated;
	bool done;

	if (text.len > SMTP_DOMAIN_MAX * 4 || !str_is_utf8(text) || memchr(text.p, '\0', text.len) != NULL)
		return false;
	terminated = arena_dup(arena, text.p, text.len);
	done = idn2_lookup_u8((const uint8_t *)terminated, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) == IDN2_OK;
	if (done)
		*domain_out = arena_str(arena, str_c((const char *)ascii));
	idn2_free(ascii);
	return done;
}

bool
smtp_domain_normalise(struct str text, struct arena *arena, struct str *domain_out)
{
	struct str ascii = text;

	if (text.len == 0 || (str_has_eight_bit(text) && !domain_to_ascii(text, arena, &ascii)))
		return false;
	if (!is_ascii_domain(ascii))
		return false;
	char *copy = arena_dup(arena, ascii.p, ascii.len);
	str_lower(copy, ascii.len);
	*domain_out = str_of(copy, ascii.len);
	return true;
}

static enum smtp_path_error
parse_literal(struct parser *p, struct str *domain_out)
{
	ptrdiff_t end = str_index(p->rest, ']');
	char text[IP_LITERAL_MAX];
	struct ip ip;

	if (end < 0)
		return SMTP_PATH_SYNTAX;
	if (!ip_literal_parse(str_first(p->rest, (size_t)end + 1), &ip))
		return SMTP_PATH_BAD_DOMAIN;
	p->rest = str_from(p->rest, (size_t)end + 1);
	ip_literal(&ip, text);
	*domain_out = arena_str(p->arena, str_c(text));
	return SMTP_PATH_OK;
}

/* Parses up to the first character that cannot be part of a domain. */
static enum smtp_path_error
address_parse_domain(struct parser *p, struct str *domain_out)
{
	size_t len = 0;
	struct str text;

	if (next_is(p, '['))
		return parse_literal(p, domain_out);
	while (len < p->rest.len && p->rest.p[len] != '\0' && strchr("<>@:, \t\"()[]\\;", p->rest.p[len]) == NULL)
		len++;
	text = str_first(p->rest, len);
	p->rest = str_from(p->rest, len);
	if (len == 0)
		return SMTP_PATH_SYNTAX;
	if (str_has_eight_bit(text) && !p->allow_utf8)
		return SMTP_PATH_NEEDS_UTF8;
	if (!str_has_eight_bit(text) && len > SMTP_DOMAIN_MAX)
		return SMTP_PATH_TOO_LONG;
	return smtp_domain_normalise(text, p->arena, domain_out) ? SMTP_PATH_OK : SMTP_PATH_BAD_DOMAIN;
}

/* ---- Whole addresses ---- */

/* "@one,@two:" is checked and dropped (RFC 5321, appendix C). */
static enum smtp_path_error
skip_source_route(struct parser *p)
{
	do {
		struct str domain;
		if (!address_skip(p, '@'))
			return SMTP_PATH_SYNTAX;
		enum smtp_path_error error = address_parse_domain(p, &domain);
		if (error != SMTP_PATH_OK)
			return error;
	} while (address_skip(p, ','));
	return address_skip(p, ':') ? SMTP_PATH_OK : SMTP_PATH_SYNTAX;
}

/* local@domain, or "postmaster" alone. */
static enum smtp_path_error
parse_mailbox(struct parser *p, struct smtp_path *path)
{
	enum smtp_path_error error = parse_local(p, path);
	char *address;

	if (error != SMTP_PATH_OK)
		return error;
	if (!address_skip(p, '@')) {
		if (!str_eq_ci(path->local, STR("postmaster")))
			return SMTP_PATH_SYNTAX;
		path->kind = SMTP_PATH_POSTMASTER;
		path->local = path->address = arena_str(p->arena, STR("postmaster"));
		return SMTP_PATH_OK;
	}
	error = address_parse_domain(p, &path->domain);
	if (error != SMTP_PATH_OK)
		return error;
	path->kind = SMTP_PATH_MAILBOX;
	path->address.len = path->local.len + 1 + path->domain.len;
	if (path->address.len > ADDRESS_OCTETS_MAX)
		return SMTP_PATH_TOO_LONG;
	address = arena_alloc(p->arena, path->address.len + 1);
	memcpy(address, path->local.p, path->local.len);
	address[path->local.len] = '@';
	memcpy(address + path->local.len + 1, path->domain.p, path->domain.len);
	path->address.p = address;
	path->local.p = address;
	path->domain.p = address + path->local.len + 1;
	return SMTP_PATH_OK;
}

enum smtp_path_error
smtp_path_parse(struct str text, bool allow_utf8, struct arena *arena, struct smtp_path *path_out, struct str *rest_out)
{
	struct parser p = {.rest = text, .allow_utf8 = allow_utf8, .arena = arena};
	enum smtp_path_error error = SMTP_PATH_OK;

	*path_out = (struct smtp_path){.kind = SMTP_PATH_NULL};
	*rest_out = STR_NONE;
	if (!address_skip(&p, '<'))
		return SMTP_PATH_SYNTAX;
	if (address_skip(&p, '>')) {
		*rest_out = p.rest;
		return SMTP_PATH_OK;
	}
	if (next_is(&p, '@'))
		error = skip_source_route(&p);
	if (error == SMTP_PATH_OK)
		error = parse_mailbox(&p, path_out);
	if (error == SMTP_PATH_OK && !address_skip(&p, '>'))
		error = SMTP_PATH_SYNTAX;
	*rest_out = p.rest;
	return error;
}

enum smtp_path_error
smtp_address_parse(struct str text, bool allow_utf8, struct arena *arena, struct smtp_path *path_out)
{
	struct parser p = {.rest = text, .allow_utf8 = allow_utf8, .arena = arena};
	enum smtp_path_error error;

	*path_out = (struct smtp_path){.kind = SMTP_PATH_NULL};
	error = parse_mailbox(&p, path_out);
	return error == SMTP_PATH_OK && p.rest.len != 0 ? SMTP_PATH_SYNTAX : error;
}

/* ---- xtext (RFC 3461, section 4) ---- */

/* xtext has no lower-case hexadecimal digits. */
static int
xtext_value(char c)
{
	return c >= 'a' ? -1 : hex_value(c);
}

static bool
is_xchar(char c)
{
	return c > ' ' && c < 0x7f && c != '+' && c != '=';
}

/* Decodes into out (NULL: only checks). */
static bool
xtext_walk(struct str text, char *out, size_t *len_out)
{
	size_t len = 0;

	for (size_t i = 0; i < text.len; i++, len++) {
		char c = text.p[i];
		if (c == '+') {
			if (text.len - i < 3 || xtext_value(text.p[i + 1]) < 0 || xtext_value(text.p[i + 2]) < 0)
				return false;
			c = (char)(xtext_value(text.p[i + 1]) << 4 | xtext_value(text.p[i + 2]));
			i += 2;
		} else if (!is_xchar(c)) {
			return false;
		}
		if (out != NULL)
			out[len] = c;
	}
	*len_out = len;
	return true;
}

bool
smtp_xtext_is_valid(struct str text)
{
	size_t len;
	return xtext_walk(text, NULL, &len);
}

bool
smtp_xtext_decode(struct str text, struct arena *arena, struct str *out)
{
	char *decoded = arena_alloc(arena, text.len + 1);
	size_t len;

	if (!xtext_walk(text, decoded, &len))
		return false;
	*out = str_of(decoded, len);
	return true;
}

struct str
smtp_xtext_encode(struct str text, struct arena *arena)
{
	static const char digits[] = "0123456789ABCDEF";
	char *encoded = arena_alloc(arena, text.len * 3 + 1);
	size_t len = 0;

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.p[i];
		if (is_xchar((char)c)) {
			encoded[len++] = (char)c;
			continue;
		}
		encoded[len++] = '+';
		encoded[len++] = digits[c >> 4];
		encoded[len++] = digits[c & 15];
	}
	return str_of(encoded, len);
}
