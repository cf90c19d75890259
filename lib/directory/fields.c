/* Fields of domains and users: the input that is accepted, and the form that is stored. */
#include <inttypes.h>

#include "lib/directory/private.h"

static bool
is_off(struct str text)
{
	return str_eq_ci(text, STR("0")) || str_eq_ci(text, STR("off")) || str_eq_ci(text, STR("false")) ||
	       str_eq_ci(text, STR("no"));
}

static int
normalise_bool(struct str value, struct buf *out, struct err *err)
{
	bool on = directory_is_on(value);
	if (!on && !is_off(value))
		return err_set(err, ERR_INVALID, "neither on nor off");
	buf_add_byte(out, on ? '1' : '0');
	return 0;
}

/* What everybody has is not stored. */
static int
normalise_shown(struct str value, struct buf *out, struct err *err)
{
	if (normalise_bool(value, out, err) != 0)
		return -1;
	if (directory_is_on(value))
		buf_clear(out);
	return 0;
}

static int
normalise_address(struct str value, struct buf *out, struct err *err)
{
	char address[DIRECTORY_ADDRESS_MAX];
	if (value.len == 0)
		return 0;
	if (!directory_canonical_address(value, address))
		return err_set(err, ERR_INVALID, "not an address");
	buf_add_c(out, address);
	return 0;
}

static int
normalise_count(struct str value, struct buf *out, struct err *err)
{
	uint64_t number;
	if (!str_to_u64(value, &number) || number > UINT32_MAX)
		return err_set(err, ERR_INVALID, "not a whole number");
	buf_printf(out, "%" PRIu64, number);
	return 0;
}

static int
normalise_size(struct str value, struct buf *out, struct err *err)
{
	uint64_t bytes;
	if (value.len == 0)
		return 0;
	if (!directory_parse_size(value, &bytes))
		return err_set(err, ERR_INVALID, "not a size (bytes, or with K, M, G, T)");
	buf_printf(out, "%" PRIu64, bytes);
	return 0;
}

static int
normalise_text(struct str value, struct buf *out, struct err *err)
{
	for (size_t i = 0; i < value.len; i++)
		if ((unsigned char)value.p[i] < 0x20 || value.p[i] == 0x7f)
			return err_set(err, ERR_INVALID, "control characters are not allowed");
	if (!str_is_utf8(value))
		return err_set(err, ERR_INVALID, "not UTF-8");
	if (value.len > DIRECTORY_TEXT_MAX)
		return err_set(err, ERR_INVALID, "longer than %d bytes", DIRECTORY_TEXT_MAX);
	buf_add_str(out, value);
	return 0;
}

static int
normalise_roles(struct str value, struct buf *out, struct err *err)
{
	static const char *const roles[] = {"domain_admin", "system_admin"};
	struct str word;
	bool has[2] = {false, false};
	while (str_next_word(&value, " ,", &word)) {
		unsigned i = 0;
		while (i < 2 && !str_eq_ci(word, str_c(roles[i])))
			i++;
		if (i == 2)
			return err_set(err, ERR_INVALID, "a role must be domain_admin or system_admin");
		has[i] = true;
	}
	for (unsigned i = 0; i < 2; i++)
		if (has[i])
			buf_printf(out, "%s%s", i == 1 && has[0] ? " " : "", roles[i]);
	return 0;
}

const struct field_rule directory_domain_fields[] = {
	{"disabled", normalise_bool},
	{"catch_all", normalise_address},
	{"max_users", normalise_count},
	{"admins", NULL},
	{NULL, NULL},
};

#define FIELDS_TEXT_RULE(ident, number, name, attribute, what) {name, normalise_text},
const struct field_rule directory_user_fields[] = {
	{"enabled", normalise_bool},
	{"quota", normalise_size},
	{"roles", normalise_roles},
	{"book", normalise_shown},
	DIRECTORY_PERSON_FIELDS(FIELDS_TEXT_RULE){NULL, NULL},
};

static int
no_such_field(const struct field_rule *rules, struct str name, struct err *err)
{
	struct buf names = BUF_EMPTY;
	for (; rules->name != NULL; rules++)
		buf_printf(&names, "%s%s", names.len > 0 ? ", " : "", rules->name);
	err_set(err, ERR_INVALID, "there is no field %.*s; there are: %s", (int)(name.len < 60 ? name.len : 60), name.p,
		names.data);
	buf_fini(&names);
	return -1;
}

static const struct field_rule *
fields_find_rule(const struct field_rule *rules, struct str name)
{
	while (rules->name != NULL && !str_eq(str_c(rules->name), name))
		rules++;
	return rules->name != NULL ? rules : NULL;
}

int
directory_check_user_field(const struct directory_field *field, struct err *err)
{
	const struct field_rule *rule = fields_find_rule(directory_user_fields, field->name);
	struct buf value = BUF_EMPTY;
	int rc;

	if (rule == NULL)
		return no_such_field(directory_user_fields, field->name, err);
	rc = rule->normalise(field->value, &value, err);
	buf_fini(&value);
	return rc;
}

int
order_add_fields(struct order *o, const struct field_rule *rules, const struct directory_field *fields, unsigned count,
		 struct err *err)
{
	for (unsigned i = 0; i < count; i++) {
		const struct field_rule *rule = fields_find_rule(rules, fields[i].name);
		if (rule == NULL)
			return no_such_field(rules, fields[i].name, err);
		if (rule->normalise == NULL)
			return err_set(err, ERR_INVALID, "%s cannot be set yet: an admin must be a user of the domain",
				       rule->name);
		struct buf value = BUF_EMPTY;
		int rc = rule->normalise(fields[i].value, &value, err);
		if (rc == 0) {
			order_add(o, fields[i].name);
			order_add(o, buf_str(&value));
		} else {
			err_prefix(err, "%s", rule->name);
		}
		buf_fini(&value);
		if (rc != 0)
			return -1;
	}
	return 0;
}

/* ---- Checking one, before anything is stored ---- */

static int
check_field(const struct field_rule *rules, const struct directory_field *field, struct err *err)
{
	const struct field_rule *rule = rules;
	struct buf value = BUF_EMPTY;
	int rc;

	while (rule->name != NULL && !str_eq(str_c(rule->name), field->name))
		rule++;
	if (rule->name == NULL)
		return no_such_field(rules, field->name, err);
	if (rule->normalise == NULL)
		return 0;
	rc = rule->normalise(field->value, &value, err);
	buf_fini(&value);
	return rc;
}

int
directory_domain_check_field(const struct directory_field *field, struct err *err)
{
	return check_field(directory_domain_fields, field, err);
}

int
directory_user_check_field(const struct directory_field *field, struct err *err)
{
	return check_field(directory_user_fields, field, err);
}
