/* Most filters name an address, or have texts that must stand somewhere: then the book is
 * asked for those, and only what it finds is judged. */
#include "frontend/ldap/filter.h"

#define BIT(id) (UINT64_C(1) << LDAP_AT_##id)

enum { PLAN_TEXTS = 4 /* of one test */ };

/* 0: the values of some attribute are made by us: DNs, object classes, times. NAME has
 * subtypes alone, whose values are its values. */
static uint32_t
plan_fields(const struct ldap_filter *f)
{
	uint32_t fields = 0, more;

	for (uint64_t left = f->attributes & ~BIT(NAME); left != 0; left &= left - 1) {
		more = ldap_attribute_fields((enum ldap_attribute)__builtin_ctzll(left));
		if (more == 0)
			return 0;
		fields |= more;
	}
	return f->dn_too ? 0 : fields;
}

/* ---- The texts of a test ---- */
struct plan_list {
	struct book_query *items; /* in the arena */
	unsigned count;
	uint32_t fields;
	struct arena *arena;
};

static void
plan_add(struct plan_list *l, enum book_match match, struct str text)
{
	struct book_query q;

	if (l->count == PLAN_TEXTS)
		return;
	book_query_init(&q, match, l->fields, text, l->arena);
	/* Other characters than those that separate runs may have become spaces. */
	if (q.needle.len != 0 && str_index(q.needle, ' ') < 0)
		l->items[l->count++] = q;
}

/* A part of a value as it came. Spaces and hyphens need not be the same in the book, so each run
 * without them is a text. Telephone numbers are kept without those. */
static void
plan_add_runs(struct plan_list *l, const struct ldap_filter *f, struct str text, bool begins)
{
	enum book_match match = begins ? BOOK_WORD : BOOK_SUBSTRING;
	struct str run;

	if (f->form == LDAP_DIGITS) {
		plan_add(l, match, text);
		return;
	}
	while (str_next_word(&text, " -\t", &run)) {
		plan_add(l, match, run);
		match = BOOK_SUBSTRING;
	}
}

/* The lists of which this name is a member. */
static const struct book_query *
plan_member(const struct ldap_filter *f, struct arena *arena)
{
	struct book_query *out = arena_new(arena, struct book_query);
	struct ldap_name name;

	if (f->test != LDAP_EQUAL || f->dn_too || !ldap_name_parse(f->raw, arena, &name) ||
	    (name.kind != LDAP_USER && name.kind != LDAP_GROUP))
		return NULL;
	book_query_init(out, BOOK_EQUAL, BOOK_FIELD_BIT(BOOK_MEMBER), str_c(name.address), arena);
	return out;
}

static const struct book_query *
plan_join(struct arena *arena, enum book_match match, const struct book_query *parts, unsigned count)
{
	struct book_query *out;

	if (count == 1)
		return parts;
	out = arena_new(arena, struct book_query);
	book_query_join(out, match, parts, count);
	return out;
}

static const struct book_query *
plan_query(const struct ldap_filter *f, struct arena *arena)
{
	struct plan_list l = {.fields = plan_fields(f), .arena = arena};

	if (f->attributes == BIT(MEMBER))
		return plan_member(f, arena);
	if (l.fields == 0)
		return NULL;
	l.items = arena_array(arena, struct book_query, PLAN_TEXTS);
	if (f->test == LDAP_EQUAL)
		plan_add_runs(&l, f, f->raw, true);
	for (unsigned i = 0; f->test == LDAP_PIECES && i < f->raw_count; i++)
		plan_add_runs(&l, f, f->raw_pieces[i], i == 0 && f->initial.p != NULL);
	return l.count != 0 ? plan_join(arena, BOOK_ALL_OF, l.items, l.count) : NULL;
}

static void
plan_addresses(const struct ldap_filter *f, struct str domain, struct arena *arena, struct ldap_plan *out)
{
	struct str text = str_trim(f->raw);
	char address[DIRECTORY_ADDRESS_MAX];

	if (f->test != LDAP_EQUAL || f->dn_too || (f->attributes != BIT(UID) && f->attributes != BIT(MAIL)))
		return;
	if (f->attributes == BIT(UID))
		text = str_c(arena_printf(arena, "%.*s@%.*s", STR_ARG(text), STR_ARG(domain)));
	out->is_exact = true;
	out->count = 0;
	if (directory_canonical_address(text, address))
		out->addresses[out->count++] = arena_str(arena, str_c(address));
}

/* ---- Filters of several tests ---- */
/* All of the children must match. */
static void
plan_and(const struct ldap_filter *f, struct str domain, struct arena *arena, struct ldap_plan *out)
{
	struct book_query *parts = arena_array(arena, struct book_query, f->count + 1);
	struct ldap_plan child;
	unsigned count = 0;

	for (unsigned i = 0; i < f->count; i++) {
		ldap_filter_plan(&f->children[i], domain, arena, &child);
		if (child.query != NULL)
			parts[count++] = *child.query;
		if (!child.is_exact || out->is_exact)
			continue;
		out->is_exact = true;
		out->count = child.count;
		memcpy(out->addresses, child.addresses, child.count * sizeof(child.addresses[0]));
	}
	if (count != 0)
		out->query = plan_join(arena, BOOK_ALL_OF, parts, count);
}

/* Any of the children may match. */
static void
plan_or(const struct ldap_filter *f, struct str domain, struct arena *arena, struct ldap_plan *out)
{
	struct book_query *parts = arena_array(arena, struct book_query, f->count + 1);
	bool all_exact = f->count != 0, all_known = f->count != 0;
	struct ldap_plan child;
	unsigned count = 0;

	for (unsigned i = 0; i < f->count; i++) {
		if (f->children[i].test == LDAP_CONSTANT)
			continue; /* never makes it true */
		ldap_filter_plan(&f->children[i], domain, arena, &child);
		all_exact = all_exact && child.is_exact && out->count + child.count <= LDAP_PLAN_ADDRESSES;
		for (unsigned k = 0; all_exact && k < child.count; k++)
			out->addresses[out->count++] = child.addresses[k];
		all_known = all_known && child.query != NULL;
		if (all_known)
			parts[count++] = *child.query;
	}
	out->is_exact = all_exact;
	if (all_known)
		out->query = plan_join(arena, BOOK_ANY_OF, parts, count);
}

void
ldap_filter_plan(const struct ldap_filter *f, struct str domain, struct arena *arena, struct ldap_plan *out)
{
	*out = (struct ldap_plan){.is_exact = false};
	switch (f->test) {
	case LDAP_AND: plan_and(f, domain, arena, out); break;
	case LDAP_OR: plan_or(f, domain, arena, out); break;
	case LDAP_EQUAL:
	case LDAP_PIECES:
		out->query = plan_query(f, arena);
		plan_addresses(f, domain, arena, out);
		break;
	default: break;
	}
}
