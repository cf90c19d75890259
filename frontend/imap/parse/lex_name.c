/* Mailbox names and dates in commands. */
#include <string.h>

#include "frontend/imap/parse/lexer.h"
#include "lib/mailbox/mutf7.h"

/* ---- Mailbox names ---- */

/* Converts to UTF-8; INBOX as the first level is converted to capitals. An invalid
 * name, such as a bare "&", is not a syntax error: it becomes IMAP_NO_NAME followed
 * by the original text, which no mailbox is called or can be called. */
static bool
lex_name_normalise(struct imap_lexer *l, struct str wire, struct str *out)
{
	struct buf decoded = BUF_EMPTY, normal = BUF_EMPTY;
	char *name;

	if (memchr(wire.p, '\0', wire.len) != NULL)
		return imap_lex_fail(l, "a mailbox name must not contain NUL");
	if (l->utf8)
		buf_add_str(&decoded, wire);
	if ((!l->utf8 && !mailbox_mutf7_decode(wire, &decoded)) || !mailbox_nfc(buf_str(&decoded), &normal)) {
		buf_clear(&normal);
		buf_add_c(&normal, IMAP_NO_NAME);
		buf_add_str(&normal, wire);
	}
	name = arena_dup(l->arena, normal.data, normal.len);
	*out = str_of(name, normal.len);
	buf_fini(&decoded);
	buf_fini(&normal);
	if (str_starts_ci(*out, STR("INBOX")) && (out->len == 5 || name[5] == '/'))
		memcpy(name, "INBOX", 5);
	return true;
}

bool
imap_lex_mailbox(struct imap_lexer *l, struct str *out)
{
	struct str wire;

	*out = STR_NONE;
	return imap_lex_astring(l, &wire) && lex_name_normalise(l, wire, out);
}

static bool
lex_name_is_list_char(int c)
{
	return c > ' ' && c < 0x7f && strchr("(){\"\\", c) == NULL;
}

bool
imap_lex_list_mailbox(struct imap_lexer *l, struct str *out)
{
	struct str wire;
	size_t from = l->at;

	*out = STR_NONE;
	if (imap_lex_peek(l) == '"' || imap_lex_peek(l) == '{') {
		if (!imap_lex_string(l, &wire))
			return false;
	} else {
		while (l->at < l->text.len && lex_name_is_list_char((unsigned char)l->text.p[l->at]))
			l->at++;
		wire = str_of(l->text.p + from, l->at - from);
		if (wire.len == 0)
			return imap_lex_fail(l, "a mailbox pattern is missing");
	}
	return lex_name_normalise(l, wire, out);
}

/* ---- Dates ---- */

/* Days since 1970-01-01 for a date of the Gregorian calendar. */
static int64_t
lex_name_days_of(int64_t year, int64_t month, int64_t day)
{
	int64_t era, y = month <= 2 ? year - 1 : year, of_era, of_year;

	era = (y >= 0 ? y : y - 399) / 400;
	of_era = y - era * 400;
	of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool
lex_name_two_digits(const char *p, int64_t *out)
{
	if (p[0] < '0' || p[0] > '9' || p[1] < '0' || p[1] > '9')
		return false;
	*out = (p[0] - '0') * 10 + (p[1] - '0');
	return true;
}

static int64_t
lex_name_month_of(struct str name)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	for (int64_t i = 0; i < 12; i++)
		if (str_eq_ci(name, str_of(names + i * 3, 3)))
			return i + 1;
	return 0;
}

static int64_t
lex_name_month_days(int64_t year, int64_t month)
{
	static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

/* "17-Jul-1996"; the day may have one digit, or a space before it. */
static bool
lex_name_read_date(struct str text, int64_t *days_out)
{
	int64_t day, month, year, century;
	char first[2];

	if (text.len != 10 && text.len != 11)
		return false;
	first[0] = text.len == 10 || text.p[0] == ' ' ? '0' : text.p[0];
	first[1] = text.p[text.len - 10];
	text = str_from(text, text.len - 9);
	month = lex_name_month_of(str_first(str_from(text, 1), 3));
	if (!lex_name_two_digits(first, &day) || text.p[0] != '-' || month == 0 || text.p[4] != '-' ||
	    !lex_name_two_digits(text.p + 5, &century) || !lex_name_two_digits(text.p + 7, &year))
		return false;
	year += century * 100;
	if (day < 1 || day > lex_name_month_days(year, month))
		return false;
	*days_out = lex_name_days_of(year, month, day);
	return true;
}

static bool
lex_name_is_date_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
}

bool
imap_lex_date(struct imap_lexer *l, int64_t *days_out)
{
	struct str text;
	size_t from;

	*days_out = 0;
	if (imap_lex_peek(l) == '"') {
		if (!imap_lex_string(l, &text))
			return false;
	} else {
		from = l->at;
		while (l->at < l->text.len && lex_name_is_date_char(l->text.p[l->at]))
			l->at++;
		text = str_of(l->text.p + from, l->at - from);
	}
	return lex_name_read_date(text, days_out) || imap_lex_fail(l, "malformed date");
}

/* " 02:44:25 -0700" */
static bool
lex_name_read_time_and_zone(const char *p, int64_t *seconds_out, int16_t *zone_out)
{
	int64_t hour, minute, second, zone_hours, zone_minutes;

	if (p[0] != ' ' || !lex_name_two_digits(p + 1, &hour) || p[3] != ':' || !lex_name_two_digits(p + 4, &minute) ||
	    p[6] != ':' || !lex_name_two_digits(p + 7, &second) || p[9] != ' ' || (p[10] != '+' && p[10] != '-') ||
	    !lex_name_two_digits(p + 11, &zone_hours) || !lex_name_two_digits(p + 13, &zone_minutes))
		return false;
	if (hour > 23 || minute > 59 || second > 60 || zone_hours > 23 || zone_minutes > 59)
		return false;
	*zone_out = (int16_t)((zone_hours * 60 + zone_minutes) * (p[10] == '-' ? -1 : 1));
	*seconds_out = hour * 3600 + minute * 60 + second;
	return true;
}

bool
imap_lex_date_time(struct imap_lexer *l, int64_t *unix_out, int16_t *zone_minutes_out)
{
	struct str text;
	int64_t days, seconds;

	*unix_out = 0;
	*zone_minutes_out = 0;
	if (imap_lex_peek(l) != '"')
		return imap_lex_fail(l, "a date and time is missing");
	if (!imap_lex_string(l, &text))
		return false;
	if (text.len != 26 || !lex_name_read_date(str_first(text, 11), &days) ||
	    !lex_name_read_time_and_zone(text.p + 11, &seconds, zone_minutes_out))
		return imap_lex_fail(l, "malformed date and time");
	*unix_out = days * 86400 + seconds - (int64_t)*zone_minutes_out * 60;
	return true;
}
