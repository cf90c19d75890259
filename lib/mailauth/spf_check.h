/* The state of one SPF check. Private to spf.c and spf_lookup.c. */
#ifndef SP_MAILAUTH_SPF_CHECK_H
#define SP_MAILAUTH_SPF_CHECK_H

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/mailauth/spf.h"
#include "lib/mailauth/spf_macro.h"
#include "lib/mailauth/spf_record.h"

/* RFC 7208, 4.6.4. */
#define SPF_LOOKUPS_MAX 10 /* terms that ask DNS */
#define SPF_NAMES_MAX	10 /* of an MX or PTR answer */
#define SPF_VOIDS_MAX	2  /* queries that found nothing */

/* A record in evaluation: the domain's own, or one that it includes. */
struct spf_frame {
	struct str domain; /* in the check's arena */
	struct spf_record record;
	unsigned at; /* the term in evaluation */
};

struct spf_check {
	struct dns *dns;      /* borrowed */
	struct event *timer;  /* owner: the start, then the time limit */
	struct timeval limit; /* for all of it */
	bool is_started;
	bool is_redirected;	 /* the record that is asked for is that of a redirect */
	bool is_failed;		 /* the result is known; only the explanation is missing */
	struct str explanation;	 /* with macros; empty: not yet read */
	struct dns_query *query; /* owner: the one that is waited for; NULL: none */
	struct arena arena;
	struct spf_macro_values values; /* in the arena; domain and client_name as needed */
	struct str domain;		/* of the first record */

	/* An include adds a frame, a redirect replaces its own: each costs a lookup. */
	struct spf_frame frames[SPF_LOOKUPS_MAX + 1];
	unsigned depth;			 /* frames in use */
	bool is_counted;		 /* the current term's lookup */
	unsigned lookups;		 /* so far */
	unsigned voids;			 /* so far */
	struct str target;		 /* of the current term, expanded */
	struct str names[SPF_NAMES_MAX]; /* of the MX or PTR answer in hand */
	unsigned name_count, name_at;

	/* The client's validated names (5.5), the same for all terms. */
	bool is_named;
	struct str client_names[SPF_NAMES_MAX];
	unsigned client_name_count;

	struct spf_answer answer;
	spf_on_answer *cb;
	void *arg;
};

/* ---- spf.c ---- */
/* Ends the check: calls back and frees it. problem: static, or in the arena. */
void spf_check_end(struct spf_check *c, enum spf_result result, const char *problem);
/* The current term matches, or not: goes on. */
void spf_check_matched(struct spf_check *c, bool matches);
/* Goes on with the current term: its target is expanded, its query asked. */
void spf_check_step(struct spf_check *c);
/* Counts a query that found nothing. False: it was one too many, and the check has ended. */
bool spf_check_count_void(struct spf_check *c);

/* ---- spf_lookup.c: the mechanisms that ask for addresses and names ---- */
void spf_lookup_a(struct spf_check *c);
void spf_lookup_exists(struct spf_check *c);
void spf_lookup_mx(struct spf_check *c);
void spf_lookup_ptr(struct spf_check *c);
/* Finds the client's validated names, then calls spf_check_step(). */
void spf_lookup_client_names(struct spf_check *c);
/* What %{p} stands for in a record of this domain (7.3). */
struct str spf_lookup_client_name(const struct spf_check *c, struct str domain);

#endif
