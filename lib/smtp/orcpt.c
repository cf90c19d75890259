/* ORCPT: "type;address", the address in xtext or in the forms of RFC 6533. */
#include "lib/smtp/orcpt.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/hex.h"
#include "lib/smtp/address.h"

enum { HEX_DIGITS_MAX = 6, CODE_POINT_MAX = 0x10ffff, ROOM_MAX = 12 };

/* ---- \x{...} ---- */
/* Writes a code point as UTF-8; returns the number of bytes. */
static size_t
put_utf8(char out[4], unsigned code)
{
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (char)(0xc0 | code >> 6);
		out[1] = (char)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000) {
		out[0] = (char)(0xe0 | code >> 12);
		out[1] = (char)(0x80 | (code >> 6 & 0x3f));
		out[2] = (char)(0x80 | (code & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | code >> 18);
	out[1] = (char)(0x80 | (code >> 12 & 0x3f));
	out[2] = (char)(0x80 | (code >> 6 & 0x3f));
	out[3] = (char)(0x80 | (code & 0x3f));
	return 4;
}

/* "\x{...}" at the start of text; its length, or 0. */
static size_t
take_code_point(struct str text, unsigned *code_out)
{
	unsigned code = 0;
	size_t i;

	if (!str_starts(text, STR("\\x{")))
		return 0;
	for (i = 3; i < text.len && i < 3 + HEX_DIGITS_MAX && hex_value(text.p[i]) >= 0; i++)
		code = code << 4 | (unsigned)hex_value(text.p[i]);
	if (i == 3 || i == text.len || text.p[i] != '}' || code > CODE_POINT_MAX)
		return 0;
	*code_out = code;
	return i + 1;
}

/* Decodes all three forms: a raw address has no '\' other than in these. */
static bool
decode_utf8(struct str text, struct arena *arena, struct str *out)
{
	char *decoded = arena_alloc(arena, text.len + 1);
	size_t len = 0, used;
	unsigned code;

	for (size_t i = 0; i < text.len; i += used) {
		if ((unsigned char)text.p[i] <= ' ' || text.p[i] == 0x7f)
			return false;
		used = 1;
		if (text.p[i] != '\\') {
			decoded[len++] = text.p[i];
			continue;
		}
		used = take_code_point(str_from(text, i), &code);
		if (used == 0)
			return false;
		len += put_utf8(decoded + len, code); /* never longer than its escape */
	}
	*out = str_of(decoded, len);
	return str_is_utf8(*out);
}

struct str
smtp_utf8_xtext_encode(struct str address, struct arena *arena)
{
	char *encoded = arena_alloc(arena, address.len * 8 + ROOM_MAX);
	size_t len = 0;

	for (size_t i = 0; i < address.len;) {
		unsigned char c = (unsigned char)address.p[i];
		size_t n = str_utf8_sequence(str_from(address, i));
		unsigned code = c;
		if (c > ' ' && c < 0x7f && c != '+' && c != '=' && c != '\\') {
			encoded[len++] = (char)c;
			i++;
			continue;
		}
		if (n > 1)
			code = c & (0xffu >> (n + 1));
		for (size_t k = 1; k < n; k++)
			code = code << 6 | ((unsigned char)address.p[i + k] & 0x3f);
		len += (size_t)snprintf(encoded + len, ROOM_MAX, "\\x{%02X}", code);
		i += n > 1 ? n : 1;
	}
	return str_of(encoded, len);
}

/* ---- The whole value ---- */
bool
smtp_orcpt_parse(struct str text, struct arena *arena, struct smtp_orcpt *out)
{
	struct str address;

	if (!str_cut(text, ';', &out->type, &address) || out->type.len == 0 || address.len == 0 ||
	    !smtp_xtext_is_valid(out->type))
		return false;
	if (str_eq_ci(out->type, STR("utf-8")))
		return decode_utf8(address, arena, &out->address);
	return smtp_xtext_decode(address, arena, &out->address);
}

static struct str
orcpt_join(struct str type, struct str address, struct arena *arena)
{
	return str_c(arena_printf(arena, "%.*s;%.*s", STR_ARG(type), STR_ARG(address)));
}

struct str
smtp_orcpt_make(struct str address, struct arena *arena)
{
	if (str_has_eight_bit(address))
		return orcpt_join(STR("utf-8"), smtp_utf8_xtext_encode(address, arena), arena);
	return orcpt_join(STR("rfc822"), smtp_xtext_encode(address, arena), arena);
}

bool
smtp_orcpt_to_ascii(struct str text, struct arena *arena, struct str *out)
{
	struct smtp_orcpt orcpt;

	if (!smtp_orcpt_parse(text, arena, &orcpt))
		return false;
	*out = str_has_eight_bit(text) ? orcpt_join(orcpt.type, smtp_utf8_xtext_encode(orcpt.address, arena), arena)
				       : text;
	return true;
}
