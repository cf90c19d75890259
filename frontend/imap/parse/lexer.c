/* Words, strings, numbers, sets and lists in commands. */
#include "frontend/imap/parse/lexer.h"

#include <string.h>

void
imap_lex_init(struct imap_lexer *l, struct str text, struct arena *arena, bool utf8)
{
	*l = (struct imap_lexer){.text = text, .arena = arena, .utf8 = utf8};
}

bool
imap_lex_fail(struct imap_lexer *l, const char *error)
{
	if (l->error == NULL)
		l->error = error;
	return false;
}

/* ---- Single characters and words ---- */

int
imap_lex_peek(const struct imap_lexer *l)
{
	return l->at < l->text.len ? (unsigned char)l->text.p[l->at] : -1;
}

bool
imap_lex_at_end(const struct imap_lexer *l)
{
	return l->at >= l->text.len;
}

bool
imap_lex_end(struct imap_lexer *l)
{
	return imap_lex_at_end(l) ? l->error == NULL : imap_lex_fail(l, "too many arguments");
}

bool
imap_lex_try(struct imap_lexer *l, char c)
{
	if (imap_lex_peek(l) != (unsigned char)c)
		return false;
	l->at++;
	return true;
}

bool
imap_lex_sp(struct imap_lexer *l)
{
	if (imap_lex_try(l, ' '))
		return true;
	return imap_lex_fail(l, imap_lex_at_end(l) ? "an argument is missing" : "a space is missing");
}

bool
imap_lex_char(struct imap_lexer *l, char c)
{
	return imap_lex_try(l, c) || imap_lex_fail(l, "an expected character is missing");
}

/* RFC 9051: any character but "(", ")", "{", SP, CTL, list-wildcards, '"', "\" and "]". */
static bool
lex_is_atom_char(int c)
{
	return c > ' ' && c < 0x7f && strchr("(){%*\"\\]", c) == NULL;
}

static struct str
lex_take_while(struct imap_lexer *l, bool (*is_wanted)(int c))
{
	size_t from = l->at;

	while (l->at < l->text.len && is_wanted((unsigned char)l->text.p[l->at]))
		l->at++;
	return str_of(l->text.p + from, l->at - from);
}

bool
imap_lex_try_word(struct imap_lexer *l, const char *word)
{
	size_t from = l->at;

	if (str_eq_ci(lex_take_while(l, lex_is_atom_char), str_c(word)))
		return true;
	l->at = from;
	return false;
}

bool
imap_lex_open(struct imap_lexer *l)
{
	if (!imap_lex_try(l, '('))
		return imap_lex_fail(l, "\"(\" is missing");
	if (++l->depth > IMAP_DEPTH_MAX)
		return imap_lex_fail(l, "parentheses are nested too deeply");
	return true;
}

bool
imap_lex_close(struct imap_lexer *l)
{
	if (l->depth == 0 || !imap_lex_try(l, ')'))
		return imap_lex_fail(l, "\")\" is missing");
	l->depth--;
	return true;
}

bool
imap_lex_more(struct imap_lexer *l)
{
	if (imap_lex_try(l, ' '))
		return true;
	imap_lex_close(l);
	return false;
}

/* ---- Words and strings ---- */

static bool
lex_is_tag_char(int c)
{
	return (lex_is_atom_char(c) || c == ']') && c != '+';
}

static bool
lex_is_astring_char(int c)
{
	return lex_is_atom_char(c) || c == ']';
}

static bool
lex_is_name_char(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
	       c == '_' || c == '=' || c == '/';
}

static bool
lex_take_word(struct imap_lexer *l, bool (*is_wanted)(int c), const char *error, struct str *out)
{
	*out = lex_take_while(l, is_wanted);
	return out->len != 0 || imap_lex_fail(l, error);
}

bool
imap_lex_tag(struct imap_lexer *l, struct str *out)
{
	return lex_take_word(l, lex_is_tag_char, "the tag is missing", out);
}

bool
imap_lex_atom(struct imap_lexer *l, struct str *out)
{
	return lex_take_word(l, lex_is_atom_char, "a word is missing", out);
}

bool
imap_lex_name(struct imap_lexer *l, struct str *out)
{
	return lex_take_word(l, lex_is_name_char, "a name is missing", out);
}

static bool
lex_take_quoted(struct imap_lexer *l, struct str *out)
{
	size_t from = ++l->at;
	bool escaped = false;
	char *copy;

	for (; l->at < l->text.len && l->text.p[l->at] != '"'; l->at++) {
		char c = l->text.p[l->at];
		if (c == '\r' || c == '\n' || c == '\0')
			return imap_lex_fail(l, "a quoted string contains CR, LF or NUL");
		if (c != '\\')
			continue;
		escaped = true;
		l->at++;
		if (imap_lex_peek(l) != '"' && imap_lex_peek(l) != '\\')
			return imap_lex_fail(l, "invalid escape in a quoted string");
	}
	if (l->at >= l->text.len)
		return imap_lex_fail(l, "a quoted string is not terminated");
	*out = str_of(l->text.p + from, l->at++ - from);
	if (!str_is_utf8(*out))
		return imap_lex_fail(l, "a quoted string is not UTF-8");
	if (!escaped)
		return true;
	copy = arena_alloc(l->arena, out->len + 1);
	from = 0;
	for (size_t i = 0; i < out->len; i++) {
		i += out->p[i] == '\\';
		copy[from++] = out->p[i];
	}
	*out = str_of(copy, from);
	return true;
}

static bool
lex_take_literal(struct imap_lexer *l, struct str *out)
{
	bool binary = imap_lex_try(l, '~');
	uint64_t size;

	l->at++;
	if (!imap_lex_number64(l, &size))
		return false;
	imap_lex_try(l, '+');
	if (!imap_lex_try(l, '}') || !imap_lex_try(l, '\r') || !imap_lex_try(l, '\n') || size > l->text.len - l->at)
		return imap_lex_fail(l, "malformed literal");
	*out = str_of(l->text.p + l->at, (size_t)size);
	l->at += (size_t)size;
	if (!binary && memchr(out->p, '\0', out->len) != NULL)
		return imap_lex_fail(l, "a literal contains NUL");
	return true;
}

static bool
lex_is_string_next(const struct imap_lexer *l)
{
	int c = imap_lex_peek(l);

	return c == '"' || c == '{' || (c == '~' && l->at + 1 < l->text.len && l->text.p[l->at + 1] == '{');
}

bool
imap_lex_string(struct imap_lexer *l, struct str *out)
{
	*out = STR_NONE;
	if (!lex_is_string_next(l))
		return imap_lex_fail(l, "a string is missing");
	return imap_lex_peek(l) == '"' ? lex_take_quoted(l, out) : lex_take_literal(l, out);
}

bool
imap_lex_astring(struct imap_lexer *l, struct str *out)
{
	if (lex_is_string_next(l))
		return imap_lex_string(l, out);
	return lex_take_word(l, lex_is_astring_char, "an argument is missing or malformed", out);
}

bool
imap_lex_nstring(struct imap_lexer *l, struct str *out)
{
	*out = STR_NONE;
	if (imap_lex_try_word(l, "NIL"))
		return true;
	if (!imap_lex_string(l, out))
		return false;
	if (out->p == NULL)
		out->p = "";
	return true;
}

/* ---- Numbers and sets ---- */

static bool
lex_is_digit(int c)
{
	return c >= '0' && c <= '9';
}

bool
imap_lex_number64(struct imap_lexer *l, uint64_t *out)
{
	struct str digits = lex_take_while(l, lex_is_digit);

	*out = 0;
	if (digits.len == 0)
		return imap_lex_fail(l, "a number is missing");
	if (!str_to_u64(digits, out) || *out > INT64_MAX)
		return imap_lex_fail(l, "a number is too large");
	return true;
}

bool
imap_lex_number(struct imap_lexer *l, uint32_t *out)
{
	uint64_t value;

	*out = 0;
	if (!imap_lex_number64(l, &value))
		return false;
	if (value > UINT32_MAX)
		return imap_lex_fail(l, "a number is too large");
	*out = (uint32_t)value;
	return true;
}

bool
imap_lex_nz_number(struct imap_lexer *l, uint32_t *out)
{
	return imap_lex_number(l, out) && (*out != 0 || imap_lex_fail(l, "a number may not be zero"));
}

bool
imap_lex_set(struct imap_lexer *l, struct imap_set *out)
{
	return imap_set_read(l->text, &l->at, l->arena, out) || imap_lex_fail(l, "malformed set of messages");
}

bool
imap_lex_known_uids(struct imap_lexer *l, struct imap_set *out)
{
	if (!imap_lex_set(l, out))
		return false;
	for (uint32_t i = 0; i < out->count; i++)
		if (out->ranges[i].first == IMAP_STAR || out->ranges[i].last == IMAP_STAR)
			return imap_lex_fail(l, "\"*\" is not allowed here");
	if (out->saved)
		return imap_lex_fail(l, "\"$\" is not allowed here");
	imap_set_resolve(out, 0);
	return true;
}

/* ---- Flags ---- */

static const struct {
	const char *name;
	uint16_t flag;
} system_flags[] = {{"Seen", 1}, {"Answered", 2}, {"Flagged", 4}, {"Deleted", 8}, {"Draft", 16}};

static bool
lex_take_system_flag(struct imap_lexer *l, struct imap_flags *out)
{
	struct str name;

	l->at++;
	if (!imap_lex_atom(l, &name))
		return false;
	for (size_t i = 0; i < sizeof(system_flags) / sizeof(system_flags[0]); i++) {
		if (!str_eq_ci(name, str_c(system_flags[i].name)))
			continue;
		out->flags |= system_flags[i].flag;
		return true;
	}
	/* Clients copy it from FETCH; only the server sets it. */
	return str_eq_ci(name, STR("Recent")) || imap_lex_fail(l, "unknown system flag");
}

bool
imap_lex_keyword(struct imap_lexer *l, struct str *out)
{
	if (!imap_lex_atom(l, out))
		return false;
	return out->len <= IMAP_KEYWORD_MAX || imap_lex_fail(l, "a keyword is too long");
}

static bool
lex_take_flag(struct imap_lexer *l, struct imap_flags *out)
{
	struct str keyword;

	if (imap_lex_peek(l) == '\\')
		return lex_take_system_flag(l, out);
	if (!imap_lex_keyword(l, &keyword))
		return false;
	for (unsigned i = 0; i < out->keyword_count; i++)
		if (str_eq_ci(out->keywords[i], keyword))
			return true;
	if (out->keyword_count == IMAP_KEYWORDS_MAX)
		return imap_lex_fail(l, "too many keywords");
	if (out->keywords == NULL)
		out->keywords = arena_array(l->arena, struct str, IMAP_KEYWORDS_MAX);
	out->keywords[out->keyword_count++] = keyword;
	return true;
}

bool
imap_lex_flag_list(struct imap_lexer *l, struct imap_flags *out)
{
	*out = (struct imap_flags){0};
	if (!imap_lex_open(l))
		return false;
	if (imap_lex_peek(l) == ')')
		return imap_lex_close(l);
	do {
		if (!lex_take_flag(l, out))
			return false;
	} while (imap_lex_more(l));
	return l->error == NULL;
}

bool
imap_lex_flags(struct imap_lexer *l, struct imap_flags *out)
{
	if (imap_lex_peek(l) == '(')
		return imap_lex_flag_list(l, out);
	*out = (struct imap_flags){0};
	do {
		if (!lex_take_flag(l, out))
			return false;
	} while (imap_lex_try(l, ' '));
	return true;
}
