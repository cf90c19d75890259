/* Header fields and the values of MIME fields. */
#include "lib/mime/header.h"

#include <time.h>

#include "lib/base/buf.h"
#include "lib/base/hex.h"
#include "lib/mime/word.h"

/* ---- Fields ---- */

/* Takes one physical line without its line end. */
static bool
next_line(struct str *rest, struct str *line_out)
{
	ptrdiff_t end;

	if (rest->len == 0)
		return false;
	end = str_index(*rest, '\n');
	*line_out = end < 0 ? *rest : str_first(*rest, (size_t)end);
	*rest = end < 0 ? STR_NONE : str_from(*rest, (size_t)end + 1);
	if (line_out->len != 0 && line_out->p[line_out->len - 1] == '\r')
		line_out->len--;
	return true;
}

static bool
is_field_name(struct str name)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.p[i] <= ' ' || name.p[i] >= 0x7f)
			return false;
	return name.len != 0;
}

bool
mime_next_field(struct str *rest, struct mime_field *field_out)
{
	struct str line;

	while (next_line(rest, &line)) {
		struct str name, value, more, after = *rest;
		if (line.len == 0) {
			*rest = STR_NONE;
			return false;
		}
		if (!str_cut(line, ':', &name, &value))
			continue;
		while (name.len != 0 && (name.p[name.len - 1] == ' ' || name.p[name.len - 1] == '\t'))
			name.len--;
		if (!is_field_name(name))
			continue;
		/* Continuation lines start with white space. */
		while (after.len != 0 && (after.p[0] == ' ' || after.p[0] == '\t') && next_line(&after, &more)) {
			value.len = (size_t)(more.p + more.len - value.p);
			*rest = after;
		}
		field_out->name = name;
		field_out->value = value;
		return true;
	}
	return false;
}

bool
mime_find_field(struct str header, const char *name, struct str *value_out)
{
	struct mime_field field;

	while (mime_next_field(&header, &field))
		if (str_eq_ci(field.name, str_c(name))) {
			*value_out = field.value;
			return true;
		}
	*value_out = STR_NONE;
	return false;
}

struct str
mime_unfold(struct str raw, struct arena *arena)
{
	char *out = arena_alloc(arena, raw.len + 1);
	size_t used = 0;

	for (size_t i = 0; i < raw.len; i++) {
		char c = raw.p[i];
		if (c == '\r' && i + 1 < raw.len && raw.p[i + 1] == '\n')
			continue;
		if (c == '\n')
			continue;
		out[used++] = c == '\0' || c == '\r' ? ' ' : c;
	}
	return str_trim(str_of(out, used));
}

/* ---- Tokens ---- */

void
mime_skip_cfws(struct str *s)
{
	unsigned depth = 0;

	while (s->len != 0) {
		char c = s->p[0];
		if (depth == 0 && c != '(' && c != ' ' && c != '\t' && c != '\r' && c != '\n')
			return;
		if (c == '(')
			depth++;
		else if (c == ')' && depth != 0)
			depth--;
		else if (c == '\\' && depth != 0 && s->len > 1)
			*s = str_from(*s, 1);
		*s = str_from(*s, 1);
	}
}

static bool
is_token_byte(char c)
{
	return (unsigned char)c > ' ' && c != 0x7f && strchr("()<>@,;:\\\"/[]?=", c) == NULL;
}

/* RFC 2045 token. Bytes above 0x7f are accepted: they occur. */
static struct str
take_token(struct str *s)
{
	size_t len = 0;
	struct str token;

	while (len < s->len && is_token_byte(s->p[len]))
		len++;
	token = str_first(*s, len);
	*s = str_from(*s, len);
	return token;
}

/* A copy without NULs, which are not allowed in IMAP strings. */
static struct str
copy_text(struct str s, struct arena *arena)
{
	char *copy = arena_dup(arena, s.p, s.len);

	for (size_t i = 0; i < s.len; i++)
		if (copy[i] == '\0')
			copy[i] = ' ';
	return str_of(copy, s.len);
}

/* A quoted-string, or the text up to the next ';' (filenames often lack the
 * required quotes). */
static struct str
take_param_value(struct str *s, struct arena *arena)
{
	struct buf out = BUF_EMPTY;
	struct str value;
	size_t len = 0;

	if (s->len != 0 && s->p[0] == '"') {
		size_t i = 1;
		for (; i < s->len && s->p[i] != '"'; i++) {
			if (s->p[i] == '\\' && i + 1 < s->len)
				i++;
			if (s->p[i] != '\r' && s->p[i] != '\n')
				buf_add_byte(&out, s->p[i]);
		}
		*s = str_from(*s, i + 1);
		value = copy_text(buf_str(&out), arena);
		buf_fini(&out);
		return value;
	}
	while (len < s->len && s->p[len] != ';' && s->p[len] != '\r' && s->p[len] != '\n' && s->p[len] != '(')
		len++;
	value = str_trim(str_first(*s, len));
	*s = str_from(*s, len);
	return copy_text(value, arena);
}

static struct str
header_lowered(struct str s, struct arena *arena)
{
	char *copy = arena_dup(arena, s.p, s.len);
	str_lower(copy, s.len);
	return str_of(copy, s.len);
}

/* ---- RFC 2231: name*0*=charset'lang'text; name*1=... ---- */

/* Splits "name*2*": the number (or -1), and whether it is percent-encoded. */
static struct str
split_2231(struct str name, int *section_out, bool *encoded_out)
{
	struct str base, rest;
	uint64_t number;

	*section_out = -1;
	*encoded_out = false;
	if (!str_cut(name, '*', &base, &rest) || base.len == 0)
		return name;
	if (rest.len == 0 || rest.p[rest.len - 1] == '*') {
		*encoded_out = true;
		rest.len -= rest.len != 0;
	}
	if (rest.len == 0)
		return base;
	if (!str_to_u64(rest, &number) || number >= MIME_PARAMS_MAX)
		return name;
	*section_out = (int)number;
	return base;
}

static void
percent_decode(struct str s, struct buf *out)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '%' && i + 2 < s.len && hex_value(s.p[i + 1]) >= 0 && hex_value(s.p[i + 2]) >= 0) {
			buf_add_byte(out, (char)(hex_value(s.p[i + 1]) << 4 | hex_value(s.p[i + 2])));
			i += 2;
		} else {
			buf_add_byte(out, s.p[i]);
		}
	}
}

/* Sections 0, 1, 2, ... of name, joined and in UTF-8. */
static struct str
join_2231(const struct mime_param *raw, unsigned count, struct str name, struct arena *arena)
{
	struct buf joined = BUF_EMPTY;
	struct str charset = STR_NONE, result;
	bool any_encoded = false;

	for (int want = -1; want < MIME_PARAMS_MAX; want++) {
		bool found = false;
		for (unsigned i = 0; i < count && !found; i++) {
			int section;
			bool encoded;
			struct str value = raw[i].value, rest, language;
			if (!str_eq(split_2231(raw[i].name, &section, &encoded), name) || section != want ||
			    str_eq(raw[i].name, name))
				continue;
			found = true;
			if (encoded && want <= 0 && str_index(value, '\'') >= 0) {
				str_cut(value, '\'', &charset, &rest);
				if (!str_cut(rest, '\'', &language, &value))
					value = rest;
			}
			any_encoded |= encoded;
			if (encoded)
				percent_decode(value, &joined);
			else
				buf_add_str(&joined, value);
		}
		if (!found && want >= 0)
			break;
	}
	result = copy_text(any_encoded ? mime_to_utf8(charset, buf_str(&joined), arena) : buf_str(&joined), arena);
	buf_fini(&joined);
	return result;
}

static bool
has_param(const struct mime_value *v, struct str name)
{
	for (unsigned i = 0; i < v->param_count; i++)
		if (str_eq(v->params[i].name, name))
			return true;
	return false;
}

/* Copies plain parameters and joins RFC 2231 sections. Of two with the same
 * name the RFC 2231 form wins, else the first. */
static void
finish_params(const struct mime_param *raw, unsigned count, struct arena *arena, struct mime_value *out)
{
	out->params = arena_array(arena, struct mime_param, count + 1);
	for (unsigned i = 0; i < count; i++) {
		int section;
		bool encoded;
		struct str base = split_2231(raw[i].name, &section, &encoded);
		if ((section >= 0 || encoded) && !has_param(out, base))
			out->params[out->param_count++] =
				(struct mime_param){base, join_2231(raw, count, base, arena), true};
	}
	for (unsigned i = 0; i < count; i++) {
		int section;
		bool encoded;
		split_2231(raw[i].name, &section, &encoded);
		if (section < 0 && !encoded && !has_param(out, raw[i].name))
			out->params[out->param_count++] = raw[i];
	}
}

void
mime_parse_value(struct str raw, struct arena *arena, struct mime_value *out)
{
	struct mime_param params[MIME_PARAMS_MAX];
	unsigned count = 0;
	struct str s = raw;

	*out = (struct mime_value){0};
	mime_skip_cfws(&s);
	out->main = header_lowered(take_token(&s), arena);
	mime_skip_cfws(&s);
	if (s.len != 0 && s.p[0] == '/') {
		s = str_from(s, 1);
		mime_skip_cfws(&s);
		out->sub = header_lowered(take_token(&s), arena);
	}
	while (s.len != 0 && count < MIME_PARAMS_MAX) {
		ptrdiff_t semicolon = str_index(s, ';');
		struct str name;
		if (semicolon < 0)
			break;
		s = str_from(s, (size_t)semicolon + 1);
		mime_skip_cfws(&s);
		name = take_token(&s);
		mime_skip_cfws(&s);
		if (name.len == 0 || s.len == 0 || s.p[0] != '=')
			continue;
		s = str_from(s, 1);
		mime_skip_cfws(&s);
		params[count].name = header_lowered(name, arena);
		params[count].extended = false;
		params[count++].value = take_param_value(&s, arena);
	}
	finish_params(params, count, arena, out);
}

struct str
mime_param_find(const struct mime_value *v, const char *name)
{
	for (unsigned i = 0; i < v->param_count; i++)
		if (str_eq(v->params[i].name, str_c(name)))
			return v->params[i].value;
	return STR_NONE;
}

/* ---- Dates ---- */

static bool
header_take_number(struct str *s, int *out)
{
	int value = 0;
	size_t len = 0;

	mime_skip_cfws(s);
	while (len < s->len && len < 5 && s->p[len] >= '0' && s->p[len] <= '9')
		value = value * 10 + (s->p[len++] - '0');
	*s = str_from(*s, len);
	*out = value;
	return len != 0;
}

static struct str
take_letters(struct str *s)
{
	size_t len = 0;
	struct str word;

	mime_skip_cfws(s);
	while (len < s->len && ((s->p[len] | 32) >= 'a' && (s->p[len] | 32) <= 'z'))
		len++;
	word = str_first(*s, len);
	*s = str_from(*s, len);
	return word;
}

static bool
take_month(struct str *s, int *month_out)
{
	static const char names[12][4] = {"jan", "feb", "mar", "apr", "may", "jun",
					  "jul", "aug", "sep", "oct", "nov", "dec"};
	struct str word = take_letters(s);

	for (int i = 0; i < 12; i++)
		if (word.len >= 3 && str_eq_ci(str_first(word, 3), str_c(names[i]))) {
			*month_out = i;
			return true;
		}
	return false;
}

/* "+0100", "-0330", or the obsolete names; anything else counts as UTC. */
static int
take_zone(struct str *s)
{
	static const struct {
		const char *name;
		int minutes;
	} zones[] = {{"EST", -300}, {"EDT", -240}, {"CST", -360}, {"CDT", -300},
		     {"MST", -420}, {"MDT", -360}, {"PST", -480}, {"PDT", -420}};
	struct str word;

	mime_skip_cfws(s);
	if (s->len >= 5 && (s->p[0] == '+' || s->p[0] == '-')) {
		int sign = s->p[0] == '-' ? -1 : 1, value;
		struct str digits = str_from(str_first(*s, 5), 1);
		uint64_t number;
		if (!str_to_u64(digits, &number) || number % 100 >= 60)
			return 0;
		value = (int)number;
		return sign * (value / 100 * 60 + value % 100);
	}
	word = take_letters(s);
	for (unsigned i = 0; i < sizeof(zones) / sizeof(zones[0]); i++)
		if (str_eq_ci(word, str_c(zones[i].name)))
			return zones[i].minutes;
	return 0;
}

static bool
take_byte(struct str *s, char c)
{
	mime_skip_cfws(s);
	if (s->len == 0 || s->p[0] != c)
		return false;
	*s = str_from(*s, 1);
	return true;
}

bool
mime_parse_date(struct str raw, int64_t *unix_seconds_out, int *zone_minutes_out)
{
	struct tm tm = {0};
	struct str s = raw;
	int year;

	take_letters(&s); /* the day of the week is redundant */
	take_byte(&s, ',');
	if (!header_take_number(&s, &tm.tm_mday))
		return false;
	take_byte(&s, '-');
	if (!take_month(&s, &tm.tm_mon))
		return false;
	take_byte(&s, '-');
	if (!header_take_number(&s, &year))
		return false;
	if (year < 50)
		year += 2000;
	else if (year < 1000)
		year += 1900;
	tm.tm_year = year - 1900;
	if (header_take_number(&s, &tm.tm_hour) && take_byte(&s, ':') && header_take_number(&s, &tm.tm_min) &&
	    take_byte(&s, ':'))
		header_take_number(&s, &tm.tm_sec);
	if (tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60 || year > 9999)
		return false;
	*zone_minutes_out = take_zone(&s);
	*unix_seconds_out = (int64_t)timegm(&tm) - (int64_t)*zone_minutes_out * 60;
	return true;
}

/* ---- Message ids ---- */

bool
mime_next_msg_id(struct str *rest, struct str *id_out)
{
	ptrdiff_t open, close;

	open = str_index(*rest, '<');
	if (open < 0)
		return false;
	*rest = str_from(*rest, (size_t)open);
	close = str_index(*rest, '>');
	if (close < 0)
		return false;
	*id_out = str_first(*rest, (size_t)close + 1);
	*rest = str_from(*rest, (size_t)close + 1);
	return true;
}
