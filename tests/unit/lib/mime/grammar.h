/* A strict parser for the structure of a message as sent by IMAP (RFC 9051, 9):
 * envelope and body follow the grammar to the letter, or more narrowly where
 * clients are known to choke. It shares no code with the writer. */
#ifndef SP_TESTS_UNIT_MIME_GRAMMAR_H
#define SP_TESTS_UNIT_MIME_GRAMMAR_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/str.h"

enum { GRAMMAR_QUOTED_MAX = 2100, GRAMMAR_DEPTH_MAX = 200 };

static inline bool
grammar_take(struct str *s, const char *token)
{
	if (!str_starts(*s, str_c(token)))
		return false;
	*s = str_from(*s, strlen(token));
	return true;
}

/* A number of 32 bits. */
static inline bool
grammar_number(struct str *s)
{
	size_t len = 0;
	uint64_t value;

	while (len < s->len && s->p[len] >= '0' && s->p[len] <= '9')
		len++;
	if (len == 0 || !str_to_u64(str_first(*s, len), &value) || value > UINT32_MAX)
		return false;
	*s = str_from(*s, len);
	return true;
}

/* "{n}" CRLF and n bytes, none of them NUL. */
static inline bool
grammar_literal(struct str *s, struct str *out)
{
	struct str size, rest;
	uint64_t number;

	if (!str_cut(str_from(*s, 1), '}', &size, &rest) || !str_to_u64(size, &number) ||
	    !str_starts(rest, STR("\r\n")) || rest.len - 2 < number)
		return false;
	rest = str_from(rest, 2);
	*out = str_first(rest, number);
	*s = str_from(rest, number);
	return str_index(*out, '\0') < 0;
}

/* Quoted, of printable ASCII and with no escape but of '"' and '\', or a literal.
 * out: as it stands between the quotes. */
static inline bool
grammar_string(struct str *s, struct str *out)
{
	size_t i = 1;

	if (s->len != 0 && s->p[0] == '{')
		return grammar_literal(s, out);
	if (s->len == 0 || s->p[0] != '"')
		return false;
	for (; i < s->len && s->p[i] != '"'; i++) {
		if (s->p[i] < ' ' || s->p[i] > '~')
			return false;
		if (s->p[i] == '\\' && (++i == s->len || (s->p[i] != '"' && s->p[i] != '\\')))
			return false;
	}
	if (i >= s->len || i > GRAMMAR_QUOTED_MAX)
		return false;
	*out = str_of(s->p + 1, i - 1);
	*s = str_from(*s, i + 1);
	return true;
}

/* out->p is NULL for NIL. */
static inline bool
grammar_nstring(struct str *s, struct str *out)
{
	*out = STR_NONE;
	return grammar_take(s, "NIL") || grammar_string(s, out);
}

static inline bool
grammar_sp_string(struct str *s, struct str *out)
{
	return grammar_take(s, " ") && grammar_string(s, out);
}

static inline bool
grammar_sp_nstring(struct str *s)
{
	struct str out;

	return grammar_take(s, " ") && grammar_nstring(s, &out);
}

/* ---- ENVELOPE ---- */

/* One address; *in_group follows the groups, which must be paired. */
static inline bool
grammar_address(struct str *s, bool *in_group)
{
	struct str name, route, mailbox, host;

	if (!grammar_take(s, "(") || !grammar_nstring(s, &name) || !grammar_take(s, " ") ||
	    !grammar_nstring(s, &route) || !grammar_take(s, " ") || !grammar_nstring(s, &mailbox) ||
	    !grammar_take(s, " ") || !grammar_nstring(s, &host) || !grammar_take(s, ")"))
		return false;
	if (host.p != NULL)
		return mailbox.p != NULL;
	/* The start of a group has its name as the mailbox, its end nothing. */
	if (name.p != NULL || route.p != NULL || *in_group == (mailbox.p != NULL))
		return false;
	*in_group = mailbox.p != NULL;
	return true;
}

/* "NIL", or at least one address, without spaces between them. */
static inline bool
grammar_addresses(struct str *s)
{
	bool in_group = false;

	if (grammar_take(s, "NIL"))
		return true;
	if (!grammar_take(s, "("))
		return false;
	do {
		if (!grammar_address(s, &in_group))
			return false;
	} while (!grammar_take(s, ")"));
	return !in_group;
}

static inline bool
grammar_envelope_in(struct str *s)
{
	struct str text;

	if (!grammar_take(s, "(") || !grammar_nstring(s, &text) || !grammar_sp_nstring(s))
		return false;
	for (unsigned i = 0; i < 6; i++)
		if (!grammar_take(s, " ") || !grammar_addresses(s))
			return false;
	return grammar_sp_nstring(s) && grammar_sp_nstring(s) && grammar_take(s, ")");
}

static inline bool
grammar_envelope(struct str text)
{
	return grammar_envelope_in(&text) && text.len == 0;
}

/* ---- BODY and BODYSTRUCTURE ---- */

static inline bool
grammar_sp_params(struct str *s)
{
	struct str name, value;

	if (grammar_take(s, " NIL"))
		return true;
	if (!grammar_take(s, " ("))
		return false;
	do {
		if (!grammar_string(s, &name) || name.len == 0 || !grammar_sp_string(s, &value))
			return false;
	} while (grammar_take(s, " "));
	return grammar_take(s, ")");
}

/* SP body-fld-dsp SP body-fld-lang SP body-fld-loc */
static inline bool
grammar_tail(struct str *s)
{
	struct str text;

	if (!grammar_take(s, " NIL") &&
	    (!grammar_take(s, " (") || !grammar_string(s, &text) || !grammar_sp_params(s) || !grammar_take(s, ")")))
		return false;
	if (grammar_take(s, " (")) {
		do {
			if (!grammar_string(s, &text))
				return false;
		} while (grammar_take(s, " "));
		if (!grammar_take(s, ")"))
			return false;
	} else if (!grammar_sp_nstring(s)) {
		return false;
	}
	return grammar_sp_nstring(s);
}

static inline bool grammar_body_in(struct str *s, bool extended, unsigned depth);

static inline bool
grammar_multipart(struct str *s, bool extended, unsigned depth)
{
	struct str subtype;

	do {
		if (!grammar_body_in(s, extended, depth + 1))
			return false;
	} while (s->len != 0 && s->p[0] == '(');
	return grammar_sp_string(s, &subtype) && subtype.len != 0 &&
	       (!extended || (grammar_sp_params(s) && grammar_tail(s)));
}

/* Behind the type and the fields that all parts have. */
static inline bool
grammar_of_type(struct str *s, struct str type, struct str subtype, bool extended, unsigned depth)
{
	if (str_eq_ci(type, STR("multipart")))
		return false;
	if (str_eq_ci(type, STR("text")))
		return grammar_take(s, " ") && grammar_number(s);
	if (!str_eq_ci(type, STR("message")) ||
	    (!str_eq_ci(subtype, STR("rfc822")) && !str_eq_ci(subtype, STR("global"))))
		return true;
	return grammar_take(s, " ") && grammar_envelope_in(s) && grammar_take(s, " ") &&
	       grammar_body_in(s, extended, depth + 1) && grammar_take(s, " ") && grammar_number(s);
}

static inline bool
grammar_leaf(struct str *s, bool extended, unsigned depth)
{
	struct str type, subtype, encoding;

	return grammar_string(s, &type) && type.len != 0 && grammar_sp_string(s, &subtype) && subtype.len != 0 &&
	       grammar_sp_params(s) && grammar_sp_nstring(s) && grammar_sp_nstring(s) &&
	       grammar_sp_string(s, &encoding) && encoding.len != 0 && grammar_take(s, " ") && grammar_number(s) &&
	       grammar_of_type(s, type, subtype, extended, depth) &&
	       (!extended || (grammar_sp_nstring(s) && grammar_tail(s)));
}

static inline bool
grammar_body_in(struct str *s, bool extended, unsigned depth)
{
	if (depth > GRAMMAR_DEPTH_MAX || !grammar_take(s, "("))
		return false;
	return (s->len != 0 && s->p[0] == '(' ? grammar_multipart(s, extended, depth)
					       : grammar_leaf(s, extended, depth)) &&
	       grammar_take(s, ")");
}

/* extended: BODYSTRUCTURE, with all of its fields. */
static inline bool
grammar_body(struct str text, bool extended)
{
	return grammar_body_in(&text, extended, 0) && text.len == 0;
}

#endif
