/* Does an entry match a filter? Many tests can look at the same values, so those and
 * their normal forms are made once for an entry. */
#include "frontend/ldap/filter.h"

#include <string.h>

/* Units of lib/base/slice.h. */
enum { VALUE_WORK = 30, MEMBER_WORK = 100, DN_WORK = 100, LOOK_WORK = 3 };

struct judge_values {
	struct ldap_values values;
	const struct str *normal[LDAP_FORM_COUNT]; /* of each value, p NULL: it has no such form; NULL: not made yet */
};

/* The judgement of one entry. */
struct judge {
	const struct ldap_entry *entry;
	struct arena *scratch;
	struct slice *slice; /* may be NULL */
	struct judge_values *known[LDAP_AT_COUNT];
	struct ldap_dn *dn; /* the entry's own; NULL: not made yet */
};

static void
judge_spend(struct judge *j, size_t work)
{
	if (j->slice != NULL)
		(void)slice_spend(j->slice, (uint32_t)work);
}

static struct judge_values *
judge_get(struct judge *j, enum ldap_attribute a)
{
	struct judge_values *v = j->known[a];

	if (v != NULL)
		return v;
	v = j->known[a] = arena_new(j->scratch, struct judge_values);
	v->values = ldap_entry_values(j->entry, a, j->scratch);
	judge_spend(j,
		    VALUE_WORK + (a == LDAP_AT_MEMBER || a == LDAP_AT_MEMBER_UID ? MEMBER_WORK * (size_t)v->values.count
										 : 0));
	return v;
}

static struct str
judge_normalize(struct judge *j, enum ldap_form form, struct str raw)
{
	struct str normal;

	judge_spend(j, VALUE_WORK + raw.len / 4 + (form == LDAP_DN_TEXT ? DN_WORK : 0));
	/* A value of another form (an address that is not ASCII) matches nothing. */
	return ldap_normalize(form, LDAP_WHOLE, raw, j->scratch, &normal) ? normal : STR_NONE;
}

static const struct str *
judge_normals(struct judge *j, struct judge_values *v, enum ldap_form form)
{
	struct str *normals;

	if (v->normal[form] != NULL)
		return v->normal[form];
	normals = arena_array(j->scratch, struct str, v->values.count + 1);
	for (unsigned i = 0; i < v->values.count; i++)
		normals[i] = judge_normalize(j, form, v->values.items[i]);
	v->normal[form] = normals;
	return normals;
}

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
judge_value(struct judge *j, const struct ldap_filter *f, struct str value)
{
	judge_spend(j, LOOK_WORK + (f->test == LDAP_PIECES ? value.len / 16 * (f->any_count + 1) : 0));
	if (value.p == NULL)
		return false;
	switch (f->test) {
	case LDAP_EQUAL: return str_eq(value, f->value);
	case LDAP_GREATER: return str_cmp(value, f->value) >= 0;
	case LDAP_LESS: return str_cmp(value, f->value) <= 0;
	case LDAP_PIECES:
		return judge_pieces(f, value) || (f->form == LDAP_FOLDED && str_has_eight_bit(value) &&
						  judge_pieces(f, judge_strip_marks(value, j->scratch)));
	default: return false;
	}
}

static bool
judge_attributes(struct judge *j, const struct ldap_filter *f)
{
	for (uint64_t left = f->attributes; left != 0; left &= left - 1) {
		enum ldap_attribute a = (enum ldap_attribute)__builtin_ctzll(left);
		struct judge_values *v = judge_get(j, a);
		const struct str *normals;

		if (v->values.count == 0)
			continue;
		if (f->test == LDAP_PRESENT)
			return true;
		normals = judge_normals(j, v, f->form);
		for (unsigned i = 0; i < v->values.count; i++)
			if (judge_value(j, f, normals[i]))
				return true;
	}
	return false;
}

/* ":dn": the parts of the entry's own name (RFC 4511, section 4.5.1.7.7). */
static bool
judge_dn(struct judge *j, const struct ldap_filter *f)
{
	if (j->dn == NULL) {
		j->dn = arena_new(j->scratch, struct ldap_dn);
		judge_spend(j, 10 * DN_WORK);
		if (!ldap_dn_parse(ldap_entry_dn(j->entry, j->scratch), j->scratch, j->dn))
			j->dn->count = 0;
	}
	for (unsigned i = 0; i < j->dn->count; i++) {
		const struct ldap_rdn *rdn = &j->dn->rdns[i];

		if (rdn->attribute != LDAP_AT_NONE && (f->attributes >> rdn->attribute & 1) != 0 &&
		    judge_value(j, f, judge_normalize(j, f->form, rdn->value)))
			return true;
	}
	return false;
}

static enum ldap_truth
judge_filter(struct judge *j, const struct ldap_filter *f)
{
	enum ldap_truth truth = f->test == LDAP_AND ? LDAP_TRUE : LDAP_FALSE, child;

	switch (f->test) {
	case LDAP_CONSTANT: return LDAP_UNDEFINED;
	case LDAP_NOT: return (enum ldap_truth)(LDAP_TRUE - judge_filter(j, &f->children[0]));
	case LDAP_AND:
	case LDAP_OR:
		for (unsigned i = 0; i < f->count; i++) {
			child = judge_filter(j, &f->children[i]);
			if (f->test == LDAP_AND ? child < truth : child > truth)
				truth = child;
			if (truth == (f->test == LDAP_AND ? LDAP_FALSE : LDAP_TRUE))
				break;
		}
		return truth;
	default:
		if (judge_attributes(j, f) || (f->dn_too && judge_dn(j, f)))
			return LDAP_TRUE;
		return LDAP_FALSE;
	}
}

enum ldap_truth
ldap_filter_judge(const struct ldap_filter *f, const struct ldap_entry *e, struct arena *scratch, struct slice *slice)
{
	struct judge j = {.entry = e, .scratch = scratch, .slice = slice};

	return judge_filter(&j, f);
}
