#include "delivery-worker/retrieve/wire/imap_response.h"

#include <string.h>
#include <time.h>

#include "delivery-worker/retrieve/wire/imap_values.h"

#define ATOM_MAX 255

/* ---- Flags ---- */
struct named_bit {
	struct str name;
	unsigned value;
};

static const struct named_bit response_flags[] = {
	{STR("\\Seen"), REMOTE_SEEN},	    {STR("\\Answered"), REMOTE_ANSWERED}, {STR("\\Flagged"), REMOTE_FLAGGED},
	{STR("\\Deleted"), REMOTE_DELETED}, {STR("\\Draft"), REMOTE_DRAFT},	  {STR_NONE, 0},
};

static const struct named_bit response_uses[] = {
	{STR("\\All"), REMOTE_USE_ALL},		{STR("\\Archive"), REMOTE_USE_ARCHIVE},
	{STR("\\Drafts"), REMOTE_USE_DRAFTS},	{STR("\\Junk"), REMOTE_USE_JUNK},
	{STR("\\Flagged"), REMOTE_USE_FLAGGED}, {STR("\\Sent"), REMOTE_USE_SENT},
	{STR("\\Trash"), REMOTE_USE_TRASH},	{STR_NONE, 0},
};

static unsigned
response_bit(const struct named_bit *table, struct str name)
{
	for (; table->name.len > 0; table++)
		if (str_eq_ci(table->name, name))
			return table->value;
	return 0;
}

static bool
response_is_keyword(struct str atom)
{
	return atom.len > 0 && atom.len <= ATOM_MAX && atom.p[0] != '\\' && str_is_printable_ascii(atom) &&
	       memchr(atom.p, '%', atom.len) == NULL && memchr(atom.p, '*', atom.len) == NULL;
}

static bool
response_take_flags(struct str *rest, struct arena *arena, struct imap_fetch *f)
{
	struct str atom;

	if (!imap_take_char(rest, '('))
		return false;
	f->has_flags = true;
	if (f->keywords == NULL)
		f->keywords = arena_array(arena, struct str, IMAP_KEYWORDS_MAX);
	for (;;) {
		imap_take_spaces(rest);
		if (imap_take_char(rest, ')'))
			return true;
		if (!imap_take_atom(rest, false, &atom))
			return false;
		f->flags |= response_bit(response_flags, atom);
		if (response_is_keyword(atom) && f->keyword_count < IMAP_KEYWORDS_MAX)
			f->keywords[f->keyword_count++] = atom;
	}
}

/* ---- INTERNALDATE ---- */
static bool
response_digits(const char *p, unsigned count, int *out)
{
	*out = 0;
	for (unsigned i = 0; i < count; i++) {
		char c = p[i] == ' ' && i == 0 ? '0' : p[i]; /* " 7-Jul-1996" */

		if (c < '0' || c > '9')
			return false;
		*out = *out * 10 + (c - '0');
	}
	return true;
}

int64_t
imap_date_ms(struct str date)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	int day, year, hour, minute, second, zone_hours, zone_minutes, month = 0;
	struct tm tm;
	int64_t zone;

	if (date.len != 26 || !response_digits(date.p, 2, &day) || !response_digits(date.p + 7, 4, &year) ||
	    !response_digits(date.p + 12, 2, &hour) || !response_digits(date.p + 15, 2, &minute) ||
	    !response_digits(date.p + 18, 2, &second) || !response_digits(date.p + 22, 2, &zone_hours) ||
	    !response_digits(date.p + 24, 2, &zone_minutes))
		return 0;
	while (month < 12 && !str_eq_ci(str_of(date.p + 3, 3), str_of(months + month * 3, 3)))
		month++;
	if (month == 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60 || year < 1970)
		return 0;
	tm = (struct tm){.tm_year = year - 1900,
			 .tm_mon = month,
			 .tm_mday = day,
			 .tm_hour = hour,
			 .tm_min = minute,
			 .tm_sec = second};
	zone = (zone_hours * 60 + zone_minutes) * 60 * (date.p[21] == '-' ? -1 : 1);
	return ((int64_t)timegm(&tm) - zone) * 1000;
}

/* ---- FETCH ---- */
static bool
response_take_u32(struct str *rest, uint32_t *out)
{
	uint64_t number;

	if (!imap_take_number(rest, &number) || number > UINT32_MAX)
		return false;
	*out = (uint32_t)number;
	return true;
}

static bool
response_take_date(struct str *rest, struct arena *arena, struct imap_fetch *f)
{
	struct str date;

	if (!imap_take_string(rest, arena, &date, NULL))
		return false;
	f->date_ms = imap_date_ms(date);
	return true;
}

static bool
response_take_item(struct str *rest, struct arena *arena, struct imap_fetch *f)
{
	struct str name;

	if (!imap_take_atom(rest, true, &name) || !imap_take_char(rest, ' '))
		return false;
	imap_take_spaces(rest);
	if (str_eq_ci(name, STR("UID"))) {
		f->has_uid = true;
		return response_take_u32(rest, &f->uid) && f->uid != 0;
	}
	if (str_eq_ci(name, STR("RFC822.SIZE")))
		return imap_take_number(rest, &f->size);
	if (str_eq_ci(name, STR("FLAGS")))
		return response_take_flags(rest, arena, f);
	if (str_eq_ci(name, STR("INTERNALDATE")))
		return response_take_date(rest, arena, f);
	if (str_eq_ci(name, STR("MODSEQ")))
		return imap_take_char(rest, '(') && imap_take_number(rest, &f->modseq) && imap_take_char(rest, ')');
	if (str_eq_ci(name, STR("BODY[]")) || str_eq_ci(name, STR("BODY[]<0>"))) {
		f->has_body = true;
		return imap_take_string(rest, arena, &f->body, &f->body_is_nil);
	}
	return imap_skip_value(rest);
}

static bool
response_parse_fetch(struct str rest, struct arena *arena, struct imap_fetch *f)
{
	if (!imap_take_char(&rest, '('))
		return false;
	for (;;) {
		imap_take_spaces(&rest);
		if (imap_take_char(&rest, ')'))
			return true;
		if (!response_take_item(&rest, arena, f))
			return false;
	}
}

/* ---- LIST ---- */
static bool
response_parse_list(struct str rest, struct arena *arena, struct imap_list *list)
{
	struct str atom, delimiter;
	bool is_nil;

	if (!imap_take_char(&rest, '('))
		return false;
	for (imap_take_spaces(&rest); !imap_take_char(&rest, ')'); imap_take_spaces(&rest)) {
		unsigned use;

		if (!imap_take_atom(&rest, false, &atom))
			return false;
		use = response_bit(response_uses, atom);
		if (use != 0 && list->use == REMOTE_USE_NONE)
			list->use = (enum remote_use)use;
		if (str_eq_ci(atom, STR("\\Noselect")) || str_eq_ci(atom, STR("\\NonExistent")))
			list->no_select = true;
	}
	imap_take_spaces(&rest);
	if (!imap_take_string(&rest, arena, &delimiter, &is_nil) || (!is_nil && delimiter.len != 1))
		return false;
	list->delimiter = is_nil ? '\0' : delimiter.p[0];
	imap_take_spaces(&rest);
	/* A name may contain ']' and the like; servers are not strict about atoms. */
	return imap_take_string(&rest, arena, &list->name, NULL);
}

/* ---- Statuses ---- */
static bool
response_read_status(struct str word, enum imap_status *out)
{
	static const char *const words[] = {"OK", "NO", "BAD", "BYE", "PREAUTH"};

	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!str_eq_ci(word, str_c(words[i])))
			continue;
		*out = (enum imap_status)i;
		return true;
	}
	return false;
}

static void
response_parse_status(struct str rest, struct imap_response *out)
{
	struct str inside, after;

	out->text = rest;
	if (!str_starts(rest, STR("[")) || !str_cut(str_from(rest, 1), ']', &inside, &after))
		return;
	str_cut(inside, ' ', &out->code, &out->code_value);
	out->text = str_trim(after);
}

/* ---- All ---- */
static bool
response_parse_numbered(struct str number, struct str rest, struct arena *arena, struct imap_response *out)
{
	struct str word;
	uint64_t value;

	if (!str_to_u64(number, &value))
		return true; /* IMAP_OTHER */
	if (value > UINT32_MAX)
		return false;
	out->number = (uint32_t)value;
	str_cut(rest, ' ', &word, &rest);
	if (str_eq_ci(word, STR("EXISTS"))) {
		out->kind = IMAP_EXISTS;
	} else if (str_eq_ci(word, STR("EXPUNGE"))) {
		out->kind = IMAP_EXPUNGE;
	} else if (str_eq_ci(word, STR("FETCH"))) {
		out->kind = IMAP_FETCH;
		imap_take_spaces(&rest);
		return response_parse_fetch(rest, arena, &out->fetch);
	}
	return true;
}

static bool
response_parse_untagged(struct str rest, struct arena *arena, struct imap_response *out)
{
	struct str word;

	str_cut(rest, ' ', &word, &rest);
	out->kind = IMAP_OTHER;
	if (response_read_status(word, &out->status)) {
		out->kind = IMAP_UNTAGGED;
		response_parse_status(rest, out);
	} else if (str_eq_ci(word, STR("CAPABILITY"))) {
		out->kind = IMAP_CAPABILITY;
		out->text = rest;
	} else if (str_eq_ci(word, STR("SEARCH"))) {
		out->kind = IMAP_SEARCH;
		out->text = rest;
	} else if (str_eq_ci(word, STR("LIST"))) {
		out->kind = IMAP_LIST;
		return response_parse_list(rest, arena, &out->list);
	} else {
		return response_parse_numbered(word, rest, arena, out);
	}
	return true;
}

bool
imap_response_parse(struct str text, struct arena *arena, struct imap_response *out)
{
	struct str rest = text, word;

	memset(out, 0, sizeof(*out));
	if (imap_take_char(&rest, '+')) {
		out->kind = IMAP_CONTINUE;
		out->text = str_trim(rest);
		return true;
	}
	str_cut(text, ' ', &word, &rest);
	if (str_eq(word, STR("*")))
		return response_parse_untagged(rest, arena, out);
	out->kind = IMAP_TAGGED;
	out->tag = word;
	str_cut(rest, ' ', &word, &rest);
	if (out->tag.len == 0 || !response_read_status(word, &out->status) || out->status > IMAP_BAD)
		return false;
	response_parse_status(rest, out);
	return true;
}

uint64_t
imap_number(struct str text)
{
	uint64_t number;

	return str_to_u64(str_trim(text), &number) ? number : 0;
}
