/* Which entries a search looks at: the containers of the domain, then the book in the
 * order of addresses, so that a cookie can say where to go on. */
#include "frontend/ldap/private.h"
#include "lib/base/check.h"

enum { JUDGE_WORK = 30, FIND_WORK = 100 }; /* units of lib/base/slice.h, beside those of the filter */

/* Where the addresses that can match are known, they take the place of a scan. */
static void
walk_plan(struct ldap_search *s)
{
	bool is_one = s->base.kind == LDAP_USER || s->base.kind == LDAP_GROUP;

	if (!is_one)
		ldap_filter_plan(&s->filter, s->base.domain, &s->op.arena, &s->plan);
	if (is_one || s->view.only_own) {
		s->plan = (struct ldap_plan){.is_exact = true, .count = 1};
		s->plan.addresses[0] = is_one ? str_c(s->base.address) : s->view.own;
	}
	/* In the order of addresses, each once. */
	for (unsigned i = 1; i < s->plan.count; i++)
		for (unsigned k = i; k > 0 && str_cmp(s->plan.addresses[k], s->plan.addresses[k - 1]) < 0; k--) {
			struct str other = s->plan.addresses[k];

			s->plan.addresses[k] = s->plan.addresses[k - 1];
			s->plan.addresses[k - 1] = other;
		}
}

void
ldap_walk_begin(struct ldap_search *s)
{
	walk_plan(s);
	if (s->stage == LDAP_NOTHING)
		s->stage = LDAP_DOMAIN;
	if (s->plan.query != NULL)
		s->query = *s->plan.query;
	else
		book_query_init(&s->query, BOOK_PRESENT, BOOK_FIELD_BIT(BOOK_ADDRESS), STR_NONE, &s->op.arena);
	s->looked_at = s->plan.is_exact ? s->plan.count : book_query_aim(&s->query, s->book, &s->op.arena);
	s->query.with_hidden = s->view.with_hidden;
}

static void
walk_make(const struct ldap_search *s, const struct book_entry *person, struct ldap_entry *out)
{
	*out = (struct ldap_entry){.kind = person->is_group ? LDAP_GROUP : LDAP_USER,
				   .domain = s->base.domain,
				   .person = person,
				   .book = s->book,
				   .with_hidden = s->view.with_hidden,
				   .viewer = s->view.own,
				   .posix = s->with_posix ? &s->posix : NULL};
}

bool
ldap_walk_find(const struct ldap_search *s, struct str address, struct ldap_entry *out, struct book_entry *person)
{
	bool is_own = str_eq(address, s->view.own);

	if ((s->view.only_own && !is_own) || !str_eq(directory_domain_of(address), s->base.domain) ||
	    !book_find(s->book, address, s->view.with_hidden || is_own, person))
		return false;
	walk_make(s, person, out);
	return true;
}

static bool
walk_judge(struct ldap_search *s, struct slice *slice, const struct ldap_entry *e)
{
	arena_reset(&s->scratch);
	return ldap_filter_judge(&s->filter, e, &s->scratch, slice) == LDAP_TRUE;
}

static enum ldap_step
walk_exact(struct ldap_search *s, struct slice *slice, struct ldap_entry *out, struct book_entry *person)
{
	while (s->exact_at < s->plan.count) {
		struct str address;

		if (slice_spend(slice, FIND_WORK))
			return LDAP_STEP_PAUSE;
		address = s->plan.addresses[s->exact_at++];
		if (s->exact_at > 1 && str_eq(address, s->plan.addresses[s->exact_at - 2]))
			continue;
		/* On an earlier page? */
		if (s->cursor.address[0] != '\0' && str_cmp(address, str_c(s->cursor.address)) <= 0)
			continue;
		if (ldap_walk_find(s, address, out, person) && (s->kinds >> out->kind & 1) != 0 &&
		    walk_judge(s, slice, out))
			return LDAP_STEP_ENTRY;
	}
	return LDAP_STEP_END;
}

static enum ldap_step
walk_scan(struct ldap_search *s, struct slice *slice, struct ldap_entry *out, struct book_entry *person)
{
	for (;;) {
		if (slice_spend(slice, JUDGE_WORK))
			return LDAP_STEP_PAUSE;
		switch (book_next(s->book, &s->cursor, &s->query, slice, person)) {
		case BOOK_PAUSE: return LDAP_STEP_PAUSE;
		case BOOK_END: return LDAP_STEP_END;
		case BOOK_FOUND: break;
		}
		walk_make(s, person, out);
		if ((s->kinds >> out->kind & 1) != 0 && walk_judge(s, slice, out))
			return LDAP_STEP_ENTRY;
	}
}

enum ldap_step
ldap_walk_next(struct ldap_search *s, struct slice *slice, struct ldap_entry *out, struct book_entry *person)
{
	while (s->stage < LDAP_USER) {
		*out = (struct ldap_entry){.kind = s->stage, .domain = s->base.domain};
		s->stage = (enum ldap_kind)(s->stage + 1);
		if ((s->kinds >> out->kind & 1) == 0)
			continue;
		if (walk_judge(s, slice, out))
			return LDAP_STEP_ENTRY;
	}
	if ((s->kinds & (1U << LDAP_USER | 1U << LDAP_GROUP)) == 0)
		return LDAP_STEP_END;
	if (!s->plan.is_exact)
		return walk_scan(s, slice, out, person);
	return walk_exact(s, slice, out, person);
}
