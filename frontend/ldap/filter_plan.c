/* Most filters name an address, or have a word that must stand somewhere: then the book
 * is asked for that, and only what it finds is judged. */
#include "frontend/ldap/filter.h"

#define BIT(id) (UINT64_C(1) << LDAP_AT_##id)

/* Attributes whose values, or the words of them, stand in the book's own text. Others are
 * made by us: DNs, object classes, times. */
static const uint64_t plan_texts = BIT(NAME) | BIT(CN) | BIT(SN) | BIT(GIVEN_NAME) | BIT(DISPLAY_NAME) | BIT(UID) |
				   BIT(MAIL) | BIT(TITLE) | BIT(OU) | BIT(O) | BIT(TELEPHONE) | BIT(MOBILE) |
				   BIT(HOME_PHONE) | BIT(PAGER) | BIT(FAX) | BIT(STREET) | BIT(L) | BIT(ST) |
				   BIT(POSTAL_CODE) | BIT(CO) | BIT(URI) | BIT(DESCRIPTION) | BIT(DEPARTMENT_NUMBER) |
				   BIT(UID_NUMBER);

/* The longest run without space and hyphen: in whichever field the text is found, the
 * run is too, though numbers are kept without those and a name may be put together. */
static struct str
plan_run(struct str text)
{
	struct str longest = STR_NONE, word;

	while (str_next_word(&text, " -\t", &word))
		if (word.len > longest.len)
			longest = word;
	return longest;
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

/* Any of the children may match: all of their addresses; a word that all of them have. */
static void
plan_or(const struct ldap_filter *f, struct str domain, struct arena *arena, struct ldap_plan *out)
{
	bool all_exact = f->count != 0, all_same = f->count != 0;

	for (unsigned i = 0; i < f->count; i++) {
		struct ldap_plan child;

		if (f->children[i].test == LDAP_CONSTANT)
			continue; /* never makes it true */
		ldap_filter_plan(&f->children[i], domain, arena, &child);
		all_exact = all_exact && child.is_exact && out->count + child.count <= LDAP_PLAN_ADDRESSES;
		for (unsigned k = 0; all_exact && k < child.count; k++)
			out->addresses[out->count++] = child.addresses[k];
		if (out->needle.len == 0)
			out->needle = child.needle;
		all_same = all_same && child.needle.len != 0 && str_eq_ci(child.needle, out->needle);
	}
	out->is_exact = all_exact;
	if (!all_same)
		out->needle = STR_NONE;
}

void
ldap_filter_plan(const struct ldap_filter *f, struct str domain, struct arena *arena, struct ldap_plan *out)
{
	struct ldap_plan child;

	*out = (struct ldap_plan){.is_exact = false};
	switch (f->test) {
	case LDAP_AND:
		for (unsigned i = 0; i < f->count && !out->is_exact; i++) {
			ldap_filter_plan(&f->children[i], domain, arena, &child);
			if (child.is_exact || child.needle.len > out->needle.len)
				*out = child;
		}
		break;
	case LDAP_OR: plan_or(f, domain, arena, out); break;
	case LDAP_EQUAL:
	case LDAP_PIECES:
		if ((f->attributes & ~plan_texts) == 0 && !f->dn_too)
			out->needle = plan_run(f->raw);
		plan_addresses(f, domain, arena, out);
		break;
	default: break;
	}
}
