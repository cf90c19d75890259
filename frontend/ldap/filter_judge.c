/* Does an entry match a filter? */
#include "frontend/ldap/filter.h"

#include <string.h>

static bool
judge_pieces(const struct ldap_filter *f, struct str value)
{
	const char *found;

	if (f->initial.len + f->final.len > value.len || !str_starts(value, f->initial))
		return false;
	if (f->final.len != 0 && memcmp(value.p + value.len - f->final.len, f->final.p, f->final.len) != 0)
		return false;
	value = str_of(value.p + f->initial.len, value.len - f->initial.len - f->final.len);
	for (unsigned i = 0; i < f->any_count; i++) {
		struct str piece = f->any[i];

		if (piece.len == 0)
			continue;
		found = value.len != 0 ? memmem(value.p, value.len, piece.p, piece.len) : NULL;
		if (found == NULL)
			return false;
		value = str_from(value, (size_t)(found - value.p) + piece.len);
	}
	return true;
}

/* Folded text is decomposed: without its combining marks (U+0300 to U+036F) a plain letter
 * in a piece finds one with an accent, as people expect of a search for names. */
static struct str
judge_strip_marks(struct str value, struct arena *scratch)
{
	char *plain = arena_alloc(scratch, value.len + 1);
	size_t used = 0;

	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.p[i],
			      next = i + 1 < value.len ? (unsigned char)value.p[i + 1] : 0;

		if ((c == 0xcc && next >= 0x80) || (c == 0xcd && next >= 0x80 && next <= 0xaf))
			i++;
		else
			plain[used++] = value.p[i];
	}
	return str_of(plain, used);
}

static bool
judge_value(const struct ldap_filter *f, struct str raw, struct arena *scratch)
{
	struct str value;

	/* A value of another form (an address that is not ASCII) matches nothing. */
	if (!ldap_normalize(f->form, LDAP_WHOLE, raw, scratch, &value))
		return false;
	switch (f->test) {
	case LDAP_EQUAL: return str_eq(value, f->value);
	case LDAP_GREATER: return str_cmp(value, f->value) >= 0;
	case LDAP_LESS: return str_cmp(value, f->value) <= 0;
	case LDAP_PIECES:
		return judge_pieces(f, value) || (f->form == LDAP_FOLDED && str_has_eight_bit(value) &&
						  judge_pieces(f, judge_strip_marks(value, scratch)));
	default: return false;
	}
}

static bool
judge_attributes(const struct ldap_filter *f, const struct ldap_entry *e, struct arena *scratch)
{
	for (uint64_t left = f->attributes; left != 0; left &= left - 1) {
		enum ldap_attribute a = (enum ldap_attribute)__builtin_ctzll(left);
		struct ldap_values values = ldap_entry_values(e, a, scratch);

		if (f->test == LDAP_PRESENT && values.count != 0)
			return true;
		for (unsigned i = 0; i < values.count && f->test != LDAP_PRESENT; i++)
			if (judge_value(f, values.items[i], scratch))
				return true;
	}
	return false;
}

/* ":dn": the parts of the entry's own name (RFC 4511, section 4.5.1.7.7). */
static bool
judge_dn(const struct ldap_filter *f, const struct ldap_entry *e, struct arena *scratch)
{
	struct ldap_dn *dn = arena_new(scratch, struct ldap_dn);

	if (!ldap_dn_parse(ldap_entry_dn(e, scratch), scratch, dn))
		return false;
	for (unsigned i = 0; i < dn->count; i++) {
		const struct ldap_rdn *rdn = &dn->rdns[i];

		if (rdn->attribute != LDAP_AT_NONE && (f->attributes >> rdn->attribute & 1) != 0 &&
		    judge_value(f, rdn->value, scratch))
			return true;
	}
	return false;
}

enum ldap_truth
ldap_filter_judge(const struct ldap_filter *f, const struct ldap_entry *e, struct arena *scratch)
{
	enum ldap_truth truth = f->test == LDAP_AND ? LDAP_TRUE : LDAP_FALSE, child;

	switch (f->test) {
	case LDAP_CONSTANT: return LDAP_UNDEFINED;
	case LDAP_NOT: return (enum ldap_truth)(LDAP_TRUE - ldap_filter_judge(&f->children[0], e, scratch));
	case LDAP_AND:
	case LDAP_OR:
		for (unsigned i = 0; i < f->count; i++) {
			child = ldap_filter_judge(&f->children[i], e, scratch);
			if (f->test == LDAP_AND ? child < truth : child > truth)
				truth = child;
			if (truth == (f->test == LDAP_AND ? LDAP_FALSE : LDAP_TRUE))
				break;
		}
		return truth;
	default:
		if (judge_attributes(f, e, scratch) || (f->dn_too && judge_dn(f, e, scratch)))
			return LDAP_TRUE;
		return LDAP_FALSE;
	}
}
