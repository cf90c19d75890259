/* The canonical form of addresses and domains, so that all spellings of a name
 * lead to the same keys.
 *
 * Plain ASCII is the common case and takes a fast path. libidn2 converts other
 * domains to A-labels (UTS #46, non-transitional), ICU converts other local
 * parts to lower case and NFC. */
#include <idn2.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>

#include "lib/directory/private.h"

/* RFC 5321, 4.5.3.1 */
enum { LOCAL_MAX = 64, DOMAIN_TEXT_MAX = 253, LABEL_MAX = 63 };

static bool
names_is_ascii(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] >= 0x80)
			return false;
	return true;
}

/* Letters, digits, hyphens, in labels. */
static bool
is_host_name(struct str s)
{
	size_t label = 0; /* bytes of the label so far */
	if (s.len == 0 || s.len > DOMAIN_TEXT_MAX)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];
		bool is_end = i + 1 == s.len || s.p[i + 1] == '.';
		if (c == '.') {
			if (label == 0 || is_end)
				return false;
			label = 0;
			continue;
		}
		bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
		if (!is_letter && (c != '-' || label == 0 || is_end))
			return false;
		if (++label > LABEL_MAX)
			return false;
	}
	return true;
}

static bool
canonical_international_domain(struct str text, char out[DIRECTORY_DOMAIN_MAX])
{
	char *u_labels, *a_labels = NULL;
	if (text.len > 4 * DOMAIN_TEXT_MAX || !str_is_utf8(text) || str_index(text, '\0') >= 0)
		return false;
	u_labels = str_dup(text);
	int rc =
		idn2_lookup_u8((const uint8_t *)u_labels, (uint8_t **)&a_labels, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
	bool ok = rc == IDN2_OK && is_host_name(str_c(a_labels));
	if (ok) {
		str_copy(str_c(a_labels), out, DIRECTORY_DOMAIN_MAX);
		str_lower(out, strlen(out));
	}
	idn2_free(a_labels);
	mem_free(u_labels);
	return ok;
}

bool
directory_canonical_domain(struct str text, char out[DIRECTORY_DOMAIN_MAX])
{
	if (!names_is_ascii(text))
		return canonical_international_domain(text, out);
	if (!is_host_name(text))
		return false;
	str_copy(text, out, DIRECTORY_DOMAIN_MAX);
	str_lower(out, text.len);
	return true;
}

/* "[192.0.2.1]": allowed in an address, but never a local domain. */
static bool
canonical_literal(struct str text, char out[DIRECTORY_DOMAIN_MAX])
{
	if (text.len < 3 || text.len > DOMAIN_TEXT_MAX || text.p[text.len - 1] != ']' ||
	    !str_is_printable_ascii(text) || str_index(text, ' ') >= 0)
		return false;
	str_copy(text, out, DIRECTORY_DOMAIN_MAX);
	str_lower(out, text.len);
	return true;
}

/* ---- Local parts ---- */
static bool
is_atom_byte(char c)
{
	return (unsigned char)c >= 0x80 || (c > 0x20 && c < 0x7f && strchr("()<>[]:;@\\,.\"", c) == NULL);
}

/* RFC 5321, 4.1.2: Dot-string, with the UTF-8 of RFC 6531. */
static bool
is_dot_string(struct str s)
{
	bool after_dot = true;
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '.' ? after_dot : !is_atom_byte(s.p[i]))
			return false;
		after_dot = s.p[i] == '.';
	}
	return s.len > 0 && !after_dot;
}

/* The content of a quoted string; false: malformed. */
static bool
names_unquote(struct str quoted, struct buf *out)
{
	struct str inside = str_of(quoted.p + 1, quoted.len - 2);
	for (size_t i = 0; i < inside.len; i++) {
		char c = inside.p[i];
		if (c == '"')
			return false;
		if (c == '\\' && ++i == inside.len)
			return false;
		c = inside.p[i];
		if ((unsigned char)c < 0x20 || c == 0x7f)
			return false;
		buf_add_byte(out, c);
	}
	return true;
}

static void
names_quote(struct str raw, struct buf *out)
{
	buf_add_byte(out, '"');
	for (size_t i = 0; i < raw.len; i++) {
		if (raw.p[i] == '"' || raw.p[i] == '\\')
			buf_add_byte(out, '\\');
		buf_add_byte(out, raw.p[i]);
	}
	buf_add_byte(out, '"');
}

/* NFC, and lower case on request; room: some scripts grow by this. */
static bool
normalise_international(struct buf *local, bool lower)
{
	enum { UNITS = LOCAL_MAX * 4, BYTES = UNITS * 3 };
	UChar units[UNITS], other[UNITS];
	char bytes[BYTES];
	int32_t count, len;
	UErrorCode status = U_ZERO_ERROR;

	if (!str_is_utf8(buf_str(local)))
		return false;
	u_strFromUTF8(other, UNITS, &count, local->data, (int32_t)local->len, &status);
	if (lower) {
		u_memcpy(units, other, U_SUCCESS(status) ? count : 0);
		count = u_strToLower(other, UNITS, units, count, "", &status);
	}
	const UNormalizer2 *nfc = unorm2_getNFCInstance(&status);
	count = unorm2_normalize(nfc, other, count, units, UNITS, &status);
	u_strToUTF8(bytes, BYTES, &len, units, count, &status);
	if (U_FAILURE(status) || len <= 0)
		return false;
	buf_clear(local);
	buf_add(local, bytes, (size_t)len);
	return true;
}

/* The slow path, for quoted and international local parts. */
static bool
canonical_uncommon_local(struct str text, struct buf *out)
{
	struct buf raw = BUF_EMPTY;
	bool is_quoted = text.len >= 2 && text.p[0] == '"' && text.p[text.len - 1] == '"';
	bool ok = is_quoted ? names_unquote(text, &raw) : is_dot_string(text);
	if (ok && !is_quoted)
		buf_add_str(&raw, text);
	if (ok && raw.len > 0) {
		str_lower(raw.data, raw.len);
		if (!names_is_ascii(buf_str(&raw)))
			ok = normalise_international(&raw, true);
	}
	if (ok && raw.len > LOCAL_MAX)
		ok = false;
	if (ok && is_dot_string(buf_str(&raw)))
		buf_add_str(out, buf_str(&raw));
	else if (ok)
		names_quote(buf_str(&raw), out);
	buf_fini(&raw);
	return ok;
}

bool
directory_canonical_address(struct str text, char out[DIRECTORY_ADDRESS_MAX])
{
	ptrdiff_t at = str_rindex(text, '@');
	char domain[DIRECTORY_DOMAIN_MAX];
	if (at < 1)
		return false;
	struct str local = str_first(text, (size_t)at), domain_text = str_from(text, (size_t)at + 1);
	if (domain_text.len > 0 && domain_text.p[0] == '[' ? !canonical_literal(domain_text, domain)
							   : !directory_canonical_domain(domain_text, domain))
		return false;
	if (local.len > 4 * LOCAL_MAX)
		return false;

	struct buf uncommon = BUF_EMPTY;
	bool is_common = names_is_ascii(local) && local.len <= LOCAL_MAX && is_dot_string(local);
	if (!is_common) {
		if (!canonical_uncommon_local(local, &uncommon)) {
			buf_fini(&uncommon);
			return false;
		}
		local = buf_str(&uncommon);
	}
	size_t domain_len = strlen(domain);
	bool fits = local.len + 1 + domain_len < DIRECTORY_ADDRESS_MAX;
	if (fits) {
		memcpy(out, local.p, local.len);
		if (is_common)
			str_lower(out, local.len);
		out[local.len] = '@';
		memcpy(out + local.len + 1, domain, domain_len + 1);
	}
	buf_fini(&uncommon);
	return fits;
}

/* ---- user+detail ---- */
/* The text after the '+', as written except for normalisation; empty if it is
 * too long. */
static void
names_take_detail(struct str written, char out[DIRECTORY_DETAIL_MAX])
{
	struct buf detail = BUF_EMPTY;

	buf_add_str(&detail, written);
	if ((!names_is_ascii(written) && !normalise_international(&detail, false)) ||
	    !str_copy(buf_str(&detail), out, DIRECTORY_DETAIL_MAX))
		out[0] = '\0';
	buf_fini(&detail);
}

bool
names_split_detail(struct str address, char base[DIRECTORY_ADDRESS_MAX], char detail[DIRECTORY_DETAIL_MAX])
{
	ptrdiff_t at = str_rindex(address, '@'), plus;
	struct str local = str_first(address, at > 0 ? (size_t)at : 0);
	struct buf raw = BUF_EMPTY, text = BUF_EMPTY;
	bool is_quoted = local.len >= 2 && local.p[0] == '"' && local.p[local.len - 1] == '"';
	bool ok = local.len <= 4 * LOCAL_MAX && (!is_quoted || names_unquote(local, &raw));

	if (ok && !is_quoted)
		buf_add_str(&raw, local);
	plus = ok ? str_index(buf_str(&raw), '+') : -1;
	if (plus > 0) {
		names_quote(str_first(buf_str(&raw), (size_t)plus), &text);
		buf_add_str(&text, str_from(address, (size_t)at));
		names_take_detail(str_from(buf_str(&raw), (size_t)plus + 1), detail);
	}
	ok = plus > 0 && directory_canonical_address(buf_str(&text), base);
	buf_fini(&raw);
	buf_fini(&text);
	return ok;
}

struct str
directory_domain_of(struct str address)
{
	ptrdiff_t at = str_rindex(address, '@');
	return at < 0 ? STR_NONE : str_from(address, (size_t)at + 1);
}
