/* Values as an operator writes them: parsed, checked, and formatted.
 *
 * Sizes are in powers of 1024. An error text names the bad value and the
 * allowed ones. */
#include <inttypes.h>
#include <stdio.h>

#include "lib/base/host_port.h"
#include "lib/base/listen_url.h"
#include "lib/base/milter_url.h"
#include "lib/base/service_url.h"
#include "lib/settings/private.h"

struct unit {
	const char *name;
	int64_t factor;
};

/* clang-format off */
static const struct unit duration_units[] = {
	{"d", DAY_MS}, {"h", HOUR_MS}, {"m", MIN_MS}, {"s", SEC_MS}, {"ms", 1}, {"w", 7 * DAY_MS}, {NULL, 0},
};

static const struct unit size_units[] = {
	{"T", INT64_C(1) << 40},   {"G", INT64_C(1) << 30},   {"M", INT64_C(1) << 20},	 {"K", INT64_C(1) << 10},
	{"", 1},		   {"B", 1},		      {"TB", INT64_C(1) << 40},	 {"GB", INT64_C(1) << 30},
	{"MB", INT64_C(1) << 20},  {"KB", INT64_C(1) << 10},  {"TiB", INT64_C(1) << 40}, {"GiB", INT64_C(1) << 30},
	{"MiB", INT64_C(1) << 20}, {"KiB", INT64_C(1) << 10}, {NULL, 0},
};
/* clang-format on */

/* The last valid value stays in force anyway, so this is only for people:
 * truncated, with control characters and 8-bit bytes as '?'. */
#define SHOWN_MAX 60

static int
parse_refuse(const struct settings_row *row, struct str text, const char *what, struct err *err)
{
	char shown[SHOWN_MAX + 1], allowed[ERR_TEXT_MAX];
	struct str head = settings_is_secret(row) ? STR("...") : str_first(text, SHOWN_MAX);
	for (size_t i = 0; i < head.len; i++)
		shown[i] = head.p[i] >= 0x20 && head.p[i] < 0x7f ? head.p[i] : '?';
	shown[head.len] = '\0';
	settings_describe_allowed(row, allowed, sizeof(allowed));
	return err_set(err, ERR_INVALID, "\"%s%s\" %s; allowed: %.120s", shown, text.len > SHOWN_MAX ? "..." : "", what,
		       allowed);
}

/* ---- One function per type ---- */
typedef int parse_fn(const struct settings_row *row, struct str text, struct arena *arena, void *member_out,
		     struct err *err);

static int
parse_bool(const struct settings_row *row, struct str text, struct arena *arena, void *member_out, struct err *err)
{
	(void)arena;
	static const char *const words[2][4] = {{"off", "false", "no", "0"}, {"on", "true", "yes", "1"}};
	struct str word = str_trim(text);
	for (int value = 0; value < 2; value++)
		for (int i = 0; i < 4; i++)
			if (str_eq_ci(word, str_c(words[value][i]))) {
				*(bool *)member_out = value == 1;
				return 0;
			}
	return parse_refuse(row, text, "is neither on nor off", err);
}

static int
store_number(const struct settings_row *row, struct str text, int64_t number, void *member_out, struct err *err)
{
	if (number < row->min || number > row->max)
		return parse_refuse(row, text, "is out of range", err);
	*(int64_t *)member_out = number;
	return 0;
}

static int
parse_int(const struct settings_row *row, struct str text, struct arena *arena, void *member_out, struct err *err)
{
	(void)arena;
	int64_t number;
	if (!str_to_i64(str_trim(text), &number))
		return parse_refuse(row, text, "is not a whole number", err);
	return store_number(row, text, number, member_out, err);
}

/* Digits and a unit ("90s", "90 s"); no unit: bare_unit. False: neither, or
 * too large. */
static bool
parse_number_with_unit(struct str text, const struct unit *units, const char *bare_unit, int64_t *number_out)
{
	size_t digits = 0;
	while (digits < text.len && text.p[digits] >= '0' && text.p[digits] <= '9')
		digits++;
	uint64_t number;
	if (!str_to_u64(str_first(text, digits), &number))
		return false;
	struct str unit = str_trim(str_from(text, digits));
	if (unit.len == 0)
		unit = str_c(bare_unit);
	for (; units->name != NULL; units++) {
		if (!str_eq_ci(unit, str_c(units->name)))
			continue;
		if (number > (uint64_t)(INT64_MAX / units->factor))
			return false;
		*number_out = (int64_t)number * units->factor;
		return true;
	}
	return false;
}

static int
parse_duration(const struct settings_row *row, struct str text, struct arena *arena, void *member_out, struct err *err)
{
	(void)arena;
	int64_t ms;
	if (!parse_number_with_unit(str_trim(text), duration_units, row->unit, &ms))
		return parse_refuse(row, text, "is not a duration", err);
	return store_number(row, text, ms, member_out, err);
}

static int
parse_size(const struct settings_row *row, struct str text, struct arena *arena, void *member_out, struct err *err)
{
	(void)arena;
	int64_t bytes;
	if (!parse_number_with_unit(str_trim(text), size_units, "", &bytes))
		return parse_refuse(row, text, "is not a size", err);
	return store_number(row, text, bytes, member_out, err);
}

/* Addresses are the pseudo units of TEXT rows. */
static bool
is_ipv4(struct str text)
{
	struct ip ip;
	return ip_parse(text, &ip) && ip.family == 4;
}

static bool
is_ipv6(struct str text)
{
	struct ip ip;
	return ip_parse(text, &ip) && ip.family == 6;
}

static bool
is_host(struct str text)
{
	struct host_port at;
	return host_port_parse(text, &at);
}

/* Refuses only what certainly is not one; the rest is for the directory to judge. */
static bool
is_mail_address(struct str text)
{
	ptrdiff_t at = str_rindex(text, '@');
	return at > 0 && (size_t)at + 1 < text.len && str_index(text, ' ') < 0 && str_index(text, '<') < 0 &&
	       str_index(text, '>') < 0 && str_index(text, ',') < 0;
}

/* With any path. */
static bool
is_https(struct str text)
{
	struct str host, rest, start = STR("https://");

	if (!str_starts_ci(text, start) || str_index(text, ' ') >= 0 || str_index(text, '@') >= 0)
		return false;
	str_cut(str_from(text, start.len), '/', &host, &rest);
	return is_host(host);
}

/* Strings of a certain form, by their unit; an empty one is always allowed. */
static const struct text_kind {
	const char *unit;
	bool (*is_one)(struct str text);
	const char *allowed, *complaint;
} text_kinds[] = {
	{"ipv4", is_ipv4, "an IPv4 address", "is not an IPv4 address"},
	{"ipv6", is_ipv6, "an IPv6 address", "is not an IPv6 address"},
	{"host", is_host, "host[:port] or [address][:port]", "is neither a host[:port] nor an [address][:port]"},
	{"https", is_https, "an https URL", "is not an https URL"},
	{"address", is_mail_address, "a mail address", "is not a mail address"},
};

/* NULL: any string. */
static const struct text_kind *
text_kind_of(const char *unit)
{
	for (size_t i = 0; i < sizeof(text_kinds) / sizeof(text_kinds[0]); i++)
		if (strcmp(unit, text_kinds[i].unit) == 0)
			return &text_kinds[i];
	return NULL;
}

/* NULL: the text is valid. */
static const char *
complaint_of_text(struct str text, const char *unit)
{
	const struct text_kind *kind = text_kind_of(unit);

	return kind == NULL || text.len == 0 || kind->is_one(text) ? NULL : kind->complaint;
}

static bool
has_control(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.p[i] < 0x20 || text.p[i] == 0x7f)
			return true;
	return false;
}

static int
parse_text(const struct settings_row *row, struct str text, struct arena *arena, void *member_out, struct err *err)
{
	/* A line end in a banner would let its author speak for the protocol. */
	if (has_control(text))
		return parse_refuse(row, text, "has control characters", err);
	if (!str_is_utf8(text))
		return parse_refuse(row, text, "is not UTF-8", err);
	if (text.len < (size_t)row->min || text.len > (size_t)row->max)
		return parse_refuse(row, text, text.len == 0 ? "is empty" : "is too long", err);
	const char *complaint = complaint_of_text(text, row->unit);
	if (complaint != NULL)
		return parse_refuse(row, text, complaint, err);
	*(const char **)member_out = arena_dup(arena, text.p, text.len);
	return 0;
}

static int
parse_enum(const struct settings_row *row, struct str text, struct arena *arena, void *member_out, struct err *err)
{
	(void)arena;
	struct str words = str_c(row->unit), word;
	for (int value = 0; str_next_word(&words, "|", &word); value++)
		if (str_eq_ci(word, str_trim(text))) {
			*(int *)member_out = value;
			return 0;
		}
	return parse_refuse(row, text, "is not one of the allowed words", err);
}

#define LIST_SEPARATORS ", \t"

static unsigned
count_words(struct str text)
{
	unsigned count = 0;
	struct str word;
	while (str_next_word(&text, LIST_SEPARATORS, &word))
		count++;
	return count;
}

/* The unit lists the schemes of rows whose values must be URLs; "listen": URLs of
 * listeners; "listen-host": those without a path; "milter": places of milters. */
static bool
is_of_schemes(struct str word, const char *unit)
{
	struct str schemes = str_c(unit), scheme;
	struct service_url url;
	struct listen_url listen;
	struct milter_url milter;

	if (*unit == '\0')
		return true;
	if (strcmp(unit, "listen") == 0)
		return listen_url_parse(word, &listen);
	if (strcmp(unit, "listen-host") == 0)
		return listen_url_parse(word, &listen) && str_eq(listen.path, STR("/"));
	if (strcmp(unit, "milter") == 0)
		return milter_url_parse(word, &milter);
	if (!service_url_parse(word, &url))
		return false;
	while (str_next_word(&schemes, "|", &scheme))
		if (str_eq_ci(scheme, url.scheme))
			return true;
	return false;
}

static int
parse_list(const struct settings_row *row, struct str text, struct arena *arena, void *member_out, struct err *err)
{
	if (has_control(text) || !str_is_utf8(text))
		return parse_refuse(row, text, "has control characters or is not UTF-8", err);
	unsigned count = count_words(text);
	if (count < row->min || count > row->max)
		return parse_refuse(row, text, "has too many or too few entries", err);
	struct str *items = arena_array(arena, struct str, count + 1), word;
	for (unsigned i = 0; str_next_word(&text, LIST_SEPARATORS, &word); i++) {
		if (!is_of_schemes(word, row->unit))
			return parse_refuse(row, word, "is not a URL of an allowed kind", err);
		items[i] = arena_str(arena, word);
	}
	*(struct settings_list *)member_out = (struct settings_list){items, count};
	return 0;
}

static int
parse_cidrs(const struct settings_row *row, struct str text, struct arena *arena, void *member_out, struct err *err)
{
	unsigned count = count_words(text);
	if (count < row->min || count > row->max)
		return parse_refuse(row, text, "has too many or too few entries", err);
	struct ip_block *blocks = arena_array(arena, struct ip_block, count + 1);
	struct str rest = text, word;
	for (unsigned i = 0; str_next_word(&rest, LIST_SEPARATORS, &word); i++)
		if (!ip_block_parse(word, &blocks[i]))
			return parse_refuse(row, word, "is neither an IP address nor a CIDR block", err);
	*(struct ip_blocks *)member_out = (struct ip_blocks){blocks, count};
	return 0;
}

static parse_fn *const parsers[] = {
	[SETTING_BOOL] = parse_bool, [SETTING_INT] = parse_int,	    [SETTING_DURATION] = parse_duration,
	[SETTING_SIZE] = parse_size, [SETTING_TEXT] = parse_text,   [SETTING_ENUM] = parse_enum,
	[SETTING_LIST] = parse_list, [SETTING_CIDRS] = parse_cidrs,
};

int
settings_parse(const struct settings_row *row, struct str text, struct arena *arena, void *member_out, struct err *err)
{
	if (text.len > SETTINGS_VALUE_MAX)
		return parse_refuse(row, text, "is too long", err);
	return parsers[row->type](row, text, arena, member_out, err);
}

int
settings_check_value(const struct settings_row *row, struct str text, struct err *err)
{
	union {
		bool flag;
		int word;
		int64_t number;
		const char *text;
		struct settings_list list;
		struct ip_blocks blocks;
	} value;
	struct arena arena;
	arena_init(&arena);
	int rc = settings_parse(row, text, &arena, &value, err);
	arena_fini(&arena);
	return rc;
}

/* ---- Writing ---- */
/* Uses the first unit of the table (they are sorted, largest first) that divides the number. */
static void
format_with_unit(int64_t number, const struct unit *units, struct buf *out)
{
	if (number == 0) {
		buf_add_byte(out, '0');
		return;
	}
	while (number % units->factor != 0)
		units++;
	buf_printf(out, "%" PRId64 "%s", number / units->factor, units->name);
}

static void
format_cidrs(const struct ip_blocks *blocks, struct buf *out)
{
	for (unsigned i = 0; i < blocks->count; i++) {
		const struct ip_block *block = &blocks->items[i];
		char text[IP_TEXT_MAX];
		ip_text(&block->ip, text);
		buf_printf(out, "%s%s", i > 0 ? " " : "", text);
		if (block->prefix != (block->ip.family == 4 ? 32 : 128))
			buf_printf(out, "/%u", block->prefix);
	}
}

static void
format_list(const struct settings_list *list, struct buf *out)
{
	for (unsigned i = 0; i < list->count; i++) {
		if (i > 0)
			buf_add_byte(out, ' ');
		buf_add_str(out, list->items[i]);
	}
}

static void
format_enum(const struct settings_row *row, int value, struct buf *out)
{
	struct str words = str_c(row->unit), word = STR_NONE;
	for (int i = 0; i <= value; i++)
		str_next_word(&words, "|", &word);
	buf_add_str(out, word);
}

void
settings_format(const struct settings_row *row, const void *member, struct buf *out)
{
	switch (row->type) {
	case SETTING_BOOL: buf_add_c(out, *(const bool *)member ? "on" : "off"); break;
	case SETTING_INT: buf_printf(out, "%" PRId64, *(const int64_t *)member); break;
	case SETTING_DURATION: format_with_unit(*(const int64_t *)member, duration_units, out); break;
	case SETTING_SIZE: format_with_unit(*(const int64_t *)member, size_units, out); break;
	case SETTING_TEXT: buf_add_c(out, *(const char *const *)member); break;
	case SETTING_ENUM: format_enum(row, *(const int *)member, out); break;
	case SETTING_LIST: format_list(member, out); break;
	case SETTING_CIDRS: format_cidrs(member, out); break;
	}
}

static void
describe_range(const struct settings_row *row, const struct unit *units, struct buf *out)
{
	format_with_unit(row->min, units, out);
	if (row->max == INT64_MAX) {
		buf_add_c(out, " or more");
		return;
	}
	buf_add_c(out, " to ");
	format_with_unit(row->max, units, out);
}

static void
describe_text(const struct settings_row *row, struct buf *out)
{
	const struct text_kind *kind = text_kind_of(row->unit);

	if (settings_is_secret(row))
		buf_printf(out, "text of at most %" PRId64 " bytes, not shown in lists", row->max);
	else if (kind != NULL)
		buf_printf(out, "%s, or empty", kind->allowed);
	else
		buf_printf(out, "text of %s%" PRId64 " bytes", row->min > 0 ? "1 to " : "at most ", row->max);
}

static void
describe_list(const struct settings_row *row, struct buf *out)
{
	struct str schemes = str_c(row->unit), scheme;

	if (*row->unit == '\0') {
		buf_printf(out, "at most %" PRId64 " words, separated by spaces or commas", row->max);
		return;
	}
	if (str_starts(schemes, STR("listen"))) {
		const char *path = strcmp(row->unit, "listen") == 0 ? "[/path]" : "";
		buf_printf(out,
			   "at most %" PRId64 " of http://ADDRESS[:port]%s https://ADDRESS[:port]%s, separated by "
			   "spaces or commas; + for all addresses",
			   row->max, path, path);
		return;
	}
	if (str_eq(schemes, STR("milter"))) {
		buf_printf(out,
			   "at most %" PRId64
			   " of inet:ADDRESS:port inet6:[ADDRESS]:port unix:/PATH, separated by spaces "
			   "or commas",
			   row->max);
		return;
	}
	buf_printf(out, "at most %" PRId64 " of", row->max);
	while (str_next_word(&schemes, "|", &scheme))
		buf_printf(out, " %.*s://host[:port]", STR_ARG(scheme));
	buf_add_c(out, ", separated by spaces or commas");
}

void
settings_describe_allowed(const struct settings_row *row, char *out, size_t size)
{
	struct buf text = BUF_EMPTY;
	switch (row->type) {
	case SETTING_BOOL: buf_add_c(&text, "on or off"); break;
	case SETTING_INT: buf_printf(&text, "%" PRId64 " to %" PRId64, row->min, row->max); break;
	case SETTING_DURATION:
		describe_range(row, duration_units, &text);
		buf_printf(&text, " (units ms, s, m, h, d, w; none: %s)", row->unit);
		break;
	case SETTING_SIZE:
		describe_range(row, size_units, &text);
		buf_add_c(&text, " (units K, M, G, T; none: bytes)");
		break;
	case SETTING_TEXT: describe_text(row, &text); break;
	case SETTING_ENUM: buf_add_c(&text, row->unit); break;
	case SETTING_LIST: describe_list(row, &text); break;
	case SETTING_CIDRS:
		buf_printf(&text, "at most %" PRId64 " IP addresses or CIDR blocks, separated by spaces or commas",
			   row->max);
		break;
	}
	str_copy(buf_str(&text), out, size);
	buf_fini(&text);
}
