#include "frontend/ldap/filter.h"

#include "frontend/ldap/ber.h"

/* Context tags of the Filter CHOICE, of substrings and of MatchingRuleAssertion. */
enum {
	TAG_AND = 0xa0,
	TAG_OR = 0xa1,
	TAG_NOT = 0xa2,
	TAG_EQUAL = 0xa3,
	TAG_SUBSTRINGS = 0xa4,
	TAG_GREATER = 0xa5,
	TAG_LESS = 0xa6,
	TAG_PRESENT = 0x87,
	TAG_APPROX = 0xa8,
	TAG_EXTENSIBLE = 0xa9,
	TAG_INITIAL = 0x80,
	TAG_ANY = 0x81,
	TAG_FINAL = 0x82,
	TAG_RULE = 0x81,
	TAG_TYPE = 0x82,
	TAG_VALUE = 0x83,
	TAG_DN = 0x84,
};

struct filter_reader {
	struct arena *arena;
	unsigned terms, dn_terms, depth;
};

static enum ldap_filter_result filter_take(struct filter_reader *r, struct str *rest, struct ldap_filter *out);

static const struct ldap_attribute_type *
filter_type(enum ldap_attribute a)
{
	return &ldap_attribute_types[a];
}

/* The test of a rule; a missing rule or a malformed value makes it Undefined. */
static void
filter_set_value(struct ldap_filter *out, enum ldap_test test, enum ldap_rule rule, struct str value,
		 struct arena *arena)
{
	out->test = LDAP_CONSTANT;
	out->raw = arena_str(arena, value);
	if (rule == LDAP_RULE_NONE)
		return;
	out->form = ldap_rule_types[rule].form;
	if (ldap_normalize(out->form, LDAP_WHOLE, out->raw, arena, &out->value))
		out->test = test;
}

static enum ldap_filter_result
filter_take_value(struct filter_reader *r, ber_tag_t tag, struct str content, struct ldap_filter *out)
{
	struct str description, value;
	enum ldap_attribute a;
	const struct ldap_attribute_type *type;

	if (!ldap_ber_take(&content, LBER_OCTETSTRING, &description) ||
	    !ldap_ber_take(&content, LBER_OCTETSTRING, &value) || content.len != 0)
		return LDAP_FILTER_MALFORMED;
	a = ldap_attribute_find(description);
	out->attributes = ldap_attribute_mask(a);
	if (a == LDAP_AT_NONE) {
		out->test = LDAP_CONSTANT;
		return LDAP_FILTER_GOOD;
	}
	type = filter_type(a);
	if (tag == TAG_GREATER)
		filter_set_value(out, LDAP_GREATER, type->ordering, value, r->arena);
	else if (tag == TAG_LESS)
		filter_set_value(out, LDAP_LESS, type->ordering, value, r->arena);
	else /* approximately equal counts as equal */
		filter_set_value(out, LDAP_EQUAL, type->equality, value, r->arena);
	return LDAP_FILTER_GOOD;
}

static enum ldap_filter_result
filter_take_present(struct str content, struct ldap_filter *out)
{
	enum ldap_attribute a = ldap_attribute_find(content);

	out->test = a != LDAP_AT_NONE ? LDAP_PRESENT : LDAP_CONSTANT;
	out->attributes = ldap_attribute_mask(a);
	return LDAP_FILTER_GOOD;
}

/* One piece. False: its place is wrong. */
static bool
filter_take_piece(struct filter_reader *r, ber_tag_t tag, struct str text, struct ldap_filter *out, struct str *any,
		  struct str *raw)
{
	static const enum ldap_part parts[] = {LDAP_INITIAL, LDAP_ANY, LDAP_FINAL};
	struct str *to = tag == TAG_INITIAL ? &out->initial : tag == TAG_FINAL ? &out->final : &any[out->any_count];

	if (tag < TAG_INITIAL || tag > TAG_FINAL || text.len == 0 || out->final.p != NULL ||
	    (tag == TAG_INITIAL && (out->initial.p != NULL || out->any_count != 0)))
		return false;
	if (tag == TAG_ANY)
		out->any_count++;
	text = arena_str(r->arena, text);
	raw[out->raw_count++] = text;
	if (out->test == LDAP_PIECES && !ldap_normalize(out->form, parts[tag - TAG_INITIAL], text, r->arena, to))
		out->test = LDAP_CONSTANT;
	if (to->p == NULL) /* it has come, even if it cannot be used */
		*to = STR("");
	return true;
}

static enum ldap_filter_result
filter_take_substrings(struct filter_reader *r, struct str content, struct ldap_filter *out)
{
	struct str description, pieces, text, *any, *raw;
	enum ldap_attribute a;
	unsigned count = 0;
	ber_tag_t tag;

	if (!ldap_ber_take(&content, LBER_OCTETSTRING, &description) ||
	    !ldap_ber_take(&content, LBER_SEQUENCE, &pieces) || content.len != 0 || pieces.len == 0)
		return LDAP_FILTER_MALFORMED;
	a = ldap_attribute_find(description);
	out->attributes = ldap_attribute_mask(a);
	out->test = LDAP_CONSTANT;
	if (a != LDAP_AT_NONE && filter_type(a)->substrings != LDAP_RULE_NONE) {
		out->test = LDAP_PIECES;
		out->form = ldap_rule_types[filter_type(a)->substrings].form;
	}
	any = arena_array(r->arena, struct str, LDAP_PIECES_MAX);
	raw = arena_array(r->arena, struct str, LDAP_PIECES_MAX);
	out->any = any;
	out->raw_pieces = raw;
	while (ldap_ber_next(&pieces, &tag, &text)) {
		if (count++ == LDAP_PIECES_MAX)
			return LDAP_FILTER_TOO_COMPLEX;
		if (!filter_take_piece(r, tag, text, out, any, raw))
			return LDAP_FILTER_MALFORMED;
	}
	return pieces.len == 0 ? LDAP_FILTER_GOOD : LDAP_FILTER_MALFORMED;
}

/* May an attribute be compared by this rule? Texts by any rule for texts. */
static bool
filter_rule_fits(enum ldap_rule rule, enum ldap_attribute a)
{
	enum ldap_rule own = ldap_attribute_types[a].equality;
	enum ldap_form form = ldap_rule_types[rule].form;
	bool is_text = form <= LDAP_IA5_EXACT;

	if (own == LDAP_RULE_NONE)
		return false;
	return form == ldap_rule_types[own].form || (is_text && ldap_rule_types[own].form <= LDAP_IA5_EXACT);
}

static uint64_t
filter_rule_attributes(enum ldap_rule rule)
{
	uint64_t mask = 0;

	for (unsigned i = 0; i < LDAP_AT_COUNT; i++)
		if (filter_rule_fits(rule, (enum ldap_attribute)i))
			mask |= UINT64_C(1) << i;
	return mask;
}

static enum ldap_test
filter_rule_test(enum ldap_rule rule)
{
	/* An ordering rule alone means "less than" (RFC 4511, section 4.5.1.7.7; X.511). */
	return ldap_rule_types[rule].kind == LDAP_ORDERING ? LDAP_LESS : LDAP_EQUAL;
}

static enum ldap_filter_result
filter_take_extensible(struct filter_reader *r, struct str content, struct ldap_filter *out)
{
	struct str rule_name = STR_NONE, description = STR_NONE, value;
	enum ldap_attribute a = LDAP_AT_NONE;
	enum ldap_rule rule;

	(void)ldap_ber_take(&content, TAG_RULE, &rule_name);
	(void)ldap_ber_take(&content, TAG_TYPE, &description);
	if (!ldap_ber_take(&content, TAG_VALUE, &value) || (rule_name.p == NULL && description.p == NULL))
		return LDAP_FILTER_MALFORMED;
	(void)ldap_ber_take_bool(&content, TAG_DN, &out->dn_too);
	if (content.len != 0)
		return LDAP_FILTER_MALFORMED;
	out->test = LDAP_CONSTANT;
	if (description.p != NULL && (a = ldap_attribute_find(description)) == LDAP_AT_NONE)
		return LDAP_FILTER_GOOD;
	rule = rule_name.p != NULL ? ldap_rule_find(rule_name) : filter_type(a)->equality;
	if (rule == LDAP_RULE_NONE || ldap_rule_types[rule].kind == LDAP_SUBSTRINGS ||
	    (a != LDAP_AT_NONE && !filter_rule_fits(rule, a)))
		return LDAP_FILTER_GOOD;
	out->attributes = a != LDAP_AT_NONE ? ldap_attribute_mask(a) : filter_rule_attributes(rule);
	filter_set_value(out, filter_rule_test(rule), rule, value, r->arena);
	return LDAP_FILTER_GOOD;
}

static enum ldap_filter_result
filter_take_set(struct filter_reader *r, struct str content, struct ldap_filter *out)
{
	struct str rest = content, part;
	ber_tag_t tag;

	while (ldap_ber_next(&rest, &tag, &part))
		out->count++;
	if (rest.len != 0 || (out->test == LDAP_NOT && out->count != 1))
		return LDAP_FILTER_MALFORMED;
	if (out->count + r->terms > LDAP_FILTER_TERMS_MAX || r->depth == LDAP_FILTER_DEPTH_MAX)
		return LDAP_FILTER_TOO_COMPLEX;
	out->children = arena_array(r->arena, struct ldap_filter, out->count + 1);
	r->depth++;
	for (unsigned i = 0; i < out->count; i++) {
		enum ldap_filter_result result = filter_take(r, &content, &out->children[i]);

		if (result != LDAP_FILTER_GOOD)
			return result;
	}
	r->depth--;
	return LDAP_FILTER_GOOD;
}

static enum ldap_filter_result
filter_take_test(struct filter_reader *r, ber_tag_t tag, struct str content, struct ldap_filter *out)
{
	switch (tag) {
	case TAG_AND:
	case TAG_OR:
	case TAG_NOT: out->test = (enum ldap_test)(LDAP_AND + (tag - TAG_AND)); return filter_take_set(r, content, out);
	case TAG_EQUAL:
	case TAG_GREATER:
	case TAG_LESS:
	case TAG_APPROX: return filter_take_value(r, tag, content, out);
	case TAG_SUBSTRINGS: return filter_take_substrings(r, content, out);
	case TAG_PRESENT: return filter_take_present(content, out);
	case TAG_EXTENSIBLE: return filter_take_extensible(r, content, out);
	default: return LDAP_FILTER_MALFORMED;
	}
}

static enum ldap_filter_result
filter_take(struct filter_reader *r, struct str *rest, struct ldap_filter *out)
{
	enum ldap_filter_result result;
	struct str content;
	ber_tag_t tag;

	*out = (struct ldap_filter){0};
	if (!ldap_ber_next(rest, &tag, &content))
		return LDAP_FILTER_MALFORMED;
	if (++r->terms > LDAP_FILTER_TERMS_MAX)
		return LDAP_FILTER_TOO_COMPLEX;
	result = filter_take_test(r, tag, content, out);
	if (out->form == LDAP_DN_TEXT && ++r->dn_terms > LDAP_DN_TERMS_MAX)
		return LDAP_FILTER_TOO_COMPLEX;
	return result;
}

enum ldap_filter_result
ldap_filter_take(struct str *rest, struct arena *arena, struct ldap_filter *out)
{
	struct filter_reader reader = {.arena = arena};

	return filter_take(&reader, rest, out);
}

bool
ldap_filter_looks_at(const struct ldap_filter *f, enum ldap_attribute a)
{
	for (unsigned i = 0; f->children != NULL && i < f->count; i++)
		if (ldap_filter_looks_at(&f->children[i], a))
			return true;
	return (f->attributes >> a & 1) != 0;
}

bool
ldap_filter_assertion(enum ldap_attribute a, struct str value, struct arena *arena, struct ldap_filter *out)
{
	*out = (struct ldap_filter){.attributes = ldap_attribute_mask(a)};
	filter_set_value(out, LDAP_EQUAL, filter_type(a)->equality, value, arena);
	return out->test == LDAP_EQUAL;
}
