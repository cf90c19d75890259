#include "frontend/ldap/control.h"

#include "frontend/ldap/ber.h"
#include "frontend/ldap/entry.h"

enum {
	TAG_CONTROLS = 0xa0,
	TAG_RULE = 0x80,
	TAG_REVERSE = 0x81,
	/* sortResult */
	SORT_GOOD = 0,
	SORT_NO_SUCH_ATTRIBUTE = 16,
	SORT_NO_MATCHING = 18,
	SORT_TOO_MANY_KEYS = 53,
};

static bool
control_take_page(struct str value, struct ldap_controls *out)
{
	struct str page;

	out->has_page = true;
	return ldap_ber_take(&value, LBER_SEQUENCE, &page) && value.len == 0 &&
	       ldap_ber_take_int(&page, LBER_INTEGER, &out->page_size) && out->page_size >= 0 &&
	       ldap_ber_take(&page, LBER_OCTETSTRING, &out->cookie) && page.len == 0;
}

static void
control_sort_wrong(struct ldap_controls *out, int result, struct str attribute)
{
	if (out->sort_result != SORT_GOOD)
		return;
	out->sort_result = result;
	out->sort_wrong = attribute;
}

/* Any attribute whose values can be compared can be sorted by, in the order of their
 * normal forms, though its type may have no ordering rule. */
static void
control_add_key(struct ldap_controls *out, struct str description, struct str rule_name, bool reverse)
{
	enum ldap_attribute a = ldap_attribute_find(description);
	enum ldap_rule rule;

	if (a == LDAP_AT_NONE) {
		control_sort_wrong(out, SORT_NO_SUCH_ATTRIBUTE, description);
		return;
	}
	rule = rule_name.p != NULL ? ldap_rule_find(rule_name) : ldap_attribute_types[a].equality;
	if (rule == LDAP_RULE_NONE || ldap_rule_types[rule].kind == LDAP_SUBSTRINGS)
		control_sort_wrong(out, SORT_NO_MATCHING, description);
	else if (out->key_count == LDAP_SORT_KEYS_MAX)
		control_sort_wrong(out, SORT_TOO_MANY_KEYS, description);
	else
		out->keys[out->key_count++] = (struct ldap_sort_key){a, ldap_rule_types[rule].form, reverse};
}

static bool
control_take_sort(struct str value, struct ldap_controls *out)
{
	struct str list, key, description, rule;
	unsigned count = 0;
	bool reverse;

	out->has_sort = true;
	if (!ldap_ber_take(&value, LBER_SEQUENCE, &list) || value.len != 0 || list.len == 0)
		return false;
	while (list.len != 0) {
		rule = STR_NONE;
		reverse = false;
		if (count++ == LDAP_SORT_KEYS_READ || !ldap_ber_take(&list, LBER_SEQUENCE, &key) ||
		    !ldap_ber_take(&key, LBER_OCTETSTRING, &description))
			return false;
		(void)ldap_ber_take(&key, TAG_RULE, &rule);
		(void)ldap_ber_take_bool(&key, TAG_REVERSE, &reverse);
		if (key.len != 0)
			return false;
		control_add_key(out, description, rule, reverse);
	}
	return true;
}

static bool
control_take_nothing(struct str value, struct ldap_controls *out)
{
	(void)out;
	return value.len == 0;
}

static const struct {
	struct str oid;
	bool searches_only;
	bool (*take)(struct str value, struct ldap_controls *out);
} controls[] = {
	{STR(LDAP_OID_PAGED), true, control_take_page},
	{STR(LDAP_OID_SORT), true, control_take_sort},
	{STR(LDAP_OID_MANAGE_DSA_IT), false, control_take_nothing},
};
enum { CONTROL_COUNT = sizeof(controls) / sizeof(controls[0]) };

static enum ldap_controls_result
control_take(struct str control, bool is_search, unsigned *seen, struct ldap_controls *out)
{
	struct str oid, value = STR_NONE;
	bool critical = false;

	if (!ldap_ber_take(&control, LBER_OCTETSTRING, &oid))
		return LDAP_CONTROLS_MALFORMED;
	(void)ldap_ber_take_bool(&control, LBER_BOOLEAN, &critical);
	(void)ldap_ber_take(&control, LBER_OCTETSTRING, &value);
	if (control.len != 0)
		return LDAP_CONTROLS_MALFORMED;
	for (unsigned i = 0; i < CONTROL_COUNT; i++) {
		if (!str_eq(oid, controls[i].oid) || (controls[i].searches_only && !is_search))
			continue;
		if ((*seen >> i & 1) != 0 || !controls[i].take(value, out))
			return LDAP_CONTROLS_MALFORMED;
		*seen |= 1U << i;
		if (out->has_sort && str_eq(oid, STR(LDAP_OID_SORT)))
			out->sort_is_critical = critical;
		return LDAP_CONTROLS_GOOD;
	}
	return critical ? LDAP_CONTROLS_UNKNOWN : LDAP_CONTROLS_GOOD;
}

enum ldap_controls_result
ldap_controls_take(struct str rest, bool is_search, struct ldap_controls *out)
{
	enum ldap_controls_result result = LDAP_CONTROLS_GOOD, one;
	struct str list, control;
	unsigned seen = 0, count = 0;

	*out = (struct ldap_controls){.has_page = false};
	if (rest.len == 0)
		return LDAP_CONTROLS_GOOD;
	if (!ldap_ber_take(&rest, TAG_CONTROLS, &list) || rest.len != 0)
		return LDAP_CONTROLS_MALFORMED;
	while (list.len != 0) {
		if (!ldap_ber_take(&list, LBER_SEQUENCE, &control) || count++ == LDAP_CONTROLS_MAX)
			return LDAP_CONTROLS_MALFORMED;
		one = control_take(control, is_search, &seen, out);
		if (one == LDAP_CONTROLS_MALFORMED)
			return one;
		if (one == LDAP_CONTROLS_UNKNOWN)
			result = one;
	}
	return result;
}
