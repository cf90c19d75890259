/* Search filters (RFC 4511, section 4.5.1.7): decoded once, then judged for many
 * entries, with three values: what cannot be judged is Undefined, which NOT leaves so. */
#ifndef SP_FRONTEND_LDAP_FILTER_H
#define SP_FRONTEND_LDAP_FILTER_H

#include "frontend/ldap/entry.h"
#include "frontend/ldap/schema.h"
#include "lib/base/arena.h"
#include "lib/base/slice.h"
#include "lib/base/str.h"

enum {
	LDAP_FILTER_DEPTH_MAX = 32,
	LDAP_FILTER_TERMS_MAX = 256,
	LDAP_DN_TERMS_MAX = 8, /* that compare DNs, of which a list can have thousands */
	LDAP_PIECES_MAX = 32,
};

/* In the order in which AND takes the least and OR the greatest. */
enum ldap_truth { LDAP_FALSE, LDAP_UNDEFINED, LDAP_TRUE };

enum ldap_test {
	LDAP_AND,
	LDAP_OR,
	LDAP_NOT,
	LDAP_CONSTANT, /* Undefined, whatever the entry: an unknown attribute, a malformed value */
	LDAP_PRESENT,
	LDAP_EQUAL,
	LDAP_GREATER, /* or equal */
	LDAP_LESS,
	LDAP_PIECES, /* substrings */
};

struct ldap_filter {
	enum ldap_test test;
	struct ldap_filter *children; /* LDAP_AND, LDAP_OR, LDAP_NOT: in the arena */
	unsigned count;
	uint64_t attributes; /* mask of those that the test looks at */
	enum ldap_form form;
	bool dn_too;	  /* ":dn": the parts of the entry's DN count as attributes */
	struct str value; /* in its normal form */
	struct str raw;	  /* as it came; not of LDAP_PIECES */
	/* LDAP_PIECES: normal forms; empty: there is none */
	struct str initial, final;
	const struct str *any;
	unsigned any_count;
	const struct str *raw_pieces; /* as they came; the first is `initial` if there is one */
	unsigned raw_count;
};

enum ldap_filter_result { LDAP_FILTER_GOOD, LDAP_FILTER_MALFORMED, LDAP_FILTER_TOO_COMPLEX };

/* Takes the filter from the start of *rest. Everything that it keeps is in the arena. */
enum ldap_filter_result ldap_filter_take(struct str *rest, struct arena *arena, struct ldap_filter *out);

/* Does any of its tests look at the attribute? */
bool ldap_filter_looks_at(const struct ldap_filter *f, enum ldap_attribute a);
/* scratch: temporary memory, which the caller resets. slice: where the work is counted; one
 * entry is judged in one go, even if it is over. NULL: nowhere. */
enum ldap_truth ldap_filter_judge(const struct ldap_filter *f, const struct ldap_entry *e, struct arena *scratch,
				  struct slice *slice);
/* One test, for Compare: description=value. False: Undefined, see the result of the types. */
bool ldap_filter_assertion(enum ldap_attribute a, struct str value, struct arena *arena, struct ldap_filter *out);

/* ---- filter_plan.c: which entries need be judged ---- */
enum { LDAP_PLAN_ADDRESSES = 8 };
struct ldap_plan {
	bool is_exact; /* only these addresses can match */
	unsigned count;
	struct str addresses[LDAP_PLAN_ADDRESSES]; /* canonical */
	/* An entry of the book that it does not match, the filter does not match either; in the arena. NULL: none
	 * is known. */
	const struct book_query *query;
};
void ldap_filter_plan(const struct ldap_filter *f, struct str domain, struct arena *arena, struct ldap_plan *out);

#endif
