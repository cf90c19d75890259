/* One table per command. The parser checks syntax, repetition and whether a value is
 * required; the rows check the value. */
#include "frontend/smtp/params.h"

#include "lib/base/check.h"
#include "lib/smtp/address.h"
#include "lib/smtp/orcpt.h"

enum { SIZE_DIGITS_MAX = 20, ENVID_MAX = 100, ORCPT_MAX = 500 };

struct param_row {
	struct str name;
	bool has_value;
	bool (*take)(struct str value, void *out); /* false: not a permitted value */
};

/* ---- MAIL ---- */

static bool
params_take_size(struct str value, void *out)
{
	struct smtp_mail_params *params = out;
	return value.len <= SIZE_DIGITS_MAX && str_to_u64(value, &params->size_bytes);
}

static bool
params_take_body(struct str value, void *out)
{
	struct smtp_mail_params *params = out;
	params->eight_bit = str_eq_ci(value, STR("8BITMIME"));
	return params->eight_bit || str_eq_ci(value, STR("7BIT"));
}

static bool
params_take_utf8(struct str value, void *out)
{
	struct smtp_mail_params *params = out;
	(void)value;
	params->utf8 = true;
	return true;
}

static bool
params_take_require_tls(struct str value, void *out)
{
	struct smtp_mail_params *params = out;
	(void)value;
	params->require_tls = true;
	return true;
}

static bool
params_take_priority(struct str value, void *out)
{
	struct smtp_mail_params *params = out;
	bool negative = value.len == 2 && value.p[0] == '-' && value.p[1] != '0';
	char digit;

	if (value.len != (negative ? 2 : 1))
		return false;
	digit = value.p[value.len - 1];
	params->priority = (int8_t)(negative ? '0' - digit : digit - '0');
	params->has_priority = true;
	return digit >= '0' && digit <= '9';
}

/* The user who submitted it elsewhere. We trust no such claim, so it is only checked
 * for syntax (RFC 4954, section 5: treat as AUTH=<>). */
static bool
params_take_auth(struct str value, void *out)
{
	(void)out;
	return str_eq(value, STR("<>")) || (value.len != 0 && smtp_xtext_is_valid(value));
}

static bool
params_take_ret(struct str value, void *out)
{
	struct smtp_mail_params *params = out;
	if (str_eq_ci(value, STR("FULL")))
		params->ret = STR("FULL");
	else if (str_eq_ci(value, STR("HDRS")))
		params->ret = STR("HDRS");
	return params->ret.len != 0;
}

static bool
params_take_envid(struct str value, void *out)
{
	struct smtp_mail_params *params = out;
	params->envid = value;
	return value.len != 0 && value.len <= ENVID_MAX && smtp_xtext_is_valid(value);
}

static const struct param_row mail_rows[] = {
	{STR("SIZE"), true, params_take_size},
	{STR("BODY"), true, params_take_body},
	{STR("SMTPUTF8"), false, params_take_utf8},
	{STR("AUTH"), true, params_take_auth},
	{STR("RET"), true, params_take_ret},
	{STR("ENVID"), true, params_take_envid},
	{STR("REQUIRETLS"), false, params_take_require_tls},
	{STR("MT-PRIORITY"), true, params_take_priority},
};

/* ---- RCPT ---- */

static bool
params_take_notify(struct str value, void *out)
{
	static const struct {
		struct str word;
		unsigned bit;
	} words[] = {
		{STR("NEVER"), NOTIFY_NEVER},
		{STR("SUCCESS"), NOTIFY_SUCCESS},
		{STR("FAILURE"), NOTIFY_FAILURE},
		{STR("DELAY"), NOTIFY_DELAY},
	};
	struct smtp_rcpt_params *params = out;
	struct str word, rest = value;
	bool more;

	do {
		unsigned bit = 0;
		more = str_cut(rest, ',', &word, &rest);
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			if (str_eq_ci(word, words[i].word))
				bit = words[i].bit;
		if (bit == 0)
			return false;
		params->notify |= bit;
	} while (more);
	/* NEVER must be the only value. */
	return (params->notify & NOTIFY_NEVER) == 0 || params->notify == NOTIFY_NEVER;
}

static bool
params_take_orcpt(struct str value, void *out)
{
	struct smtp_rcpt_params *params = out;
	struct smtp_orcpt orcpt;
	struct arena arena;
	bool good;

	arena_init(&arena);
	good = value.len <= ORCPT_MAX && smtp_orcpt_parse(value, &arena, &orcpt);
	arena_fini(&arena);
	params->orcpt = value;
	return good;
}

static const struct param_row rcpt_rows[] = {
	{STR("NOTIFY"), true, params_take_notify},
	{STR("ORCPT"), true, params_take_orcpt},
};

/* ---- Both ---- */

/* esmtp-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-") */
static bool
params_is_keyword(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];
		bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		if (!alnum && (c != '-' || i == 0))
			return false;
	}
	return s.len != 0;
}

static const struct param_row *
params_find_row(const struct param_row *rows, size_t count, struct str name)
{
	for (size_t i = 0; i < count; i++)
		if (str_eq_ci(rows[i].name, name))
			return &rows[i];
	return NULL;
}

static enum smtp_params_error
params_parse(struct str text, const struct param_row *rows, size_t count, void *out, struct str *culprit_out)
{
	unsigned seen = 0;
	struct str word, value;

	CHECK(count <= 32);
	*culprit_out = str_trim(text);
	/* A blank must separate the path from the first parameter. */
	if (text.len != 0 && text.p[0] != ' ')
		return PARAMS_BAD;
	while (str_next_word(&text, " ", &word)) {
		bool has_value = str_cut(word, '=', culprit_out, &value);
		const struct param_row *row = params_find_row(rows, count, *culprit_out);
		if (!params_is_keyword(*culprit_out))
			return PARAMS_BAD;
		if (row == NULL)
			return PARAMS_UNKNOWN;
		unsigned bit = 1u << (row - rows);
		if ((seen & bit) != 0 || has_value != row->has_value || !row->take(value, out))
			return PARAMS_BAD;
		seen |= bit;
	}
	return PARAMS_OK;
}

enum smtp_params_error
smtp_mail_params_parse(struct str text, struct smtp_mail_params *out, struct str *culprit_out)
{
	*out = (struct smtp_mail_params){0};
	return params_parse(text, mail_rows, sizeof(mail_rows) / sizeof(mail_rows[0]), out, culprit_out);
}

enum smtp_params_error
smtp_rcpt_params_parse(struct str text, struct smtp_rcpt_params *out, struct str *culprit_out)
{
	*out = (struct smtp_rcpt_params){0};
	return params_parse(text, rcpt_rows, sizeof(rcpt_rows) / sizeof(rcpt_rows[0]), out, culprit_out);
}
