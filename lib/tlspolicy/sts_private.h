/* Shared by sts.c, sts_refresh.c and sts_store.c. */
#ifndef SP_TLSPOLICY_STS_PRIVATE_H
#define SP_TLSPOLICY_STS_PRIVATE_H

#include <uthash.h>
#include <utlist.h>

#include "lib/tlspolicy/sts.h"

enum {
	STS_DOUBT_MS = 2000, /* before the record is checked again, if the store could not be reached */
	STS_KEY_MAX = 300,
};

struct sts {
	struct sts_options options;
	struct sts_entry *entries; /* owner: hash */
	struct event *tidy;
};

/* A call to the store in progress; it outlives the entry. */
struct sts_call {
	struct sts_entry *entry; /* borrowed; NULL: gone */
};

struct sts_entry {
	UT_hash_handle hh; /* by name */
	struct sts *sts;   /* borrowed */
	char *policy;	   /* owner; NULL: none is known */
	char id[STS_ID_MAX];
	int64_t fetched_ms, expires_ms; /* unix */
	bool in_store;			/* for certain: if it later is not, an operator wants it forgotten */
	bool store_told;		/* at the last check: a policy known to others would be known here */
	enum tls_result problem;
	char reason[ERR_TEXT_MAX];
	int64_t fresh_until_ms, fetch_after_ms, used_ms; /* monotonic */

	/* The refresh in progress. */
	bool busy;
	struct sts_lookup *lookups; /* owner */
	struct sts_call *call;	    /* the one that reads */
	struct sts_call *saving;    /* possibly in parallel with a refresh */
	struct dns_query *query;
	struct web_request *request;
	char new_id[STS_ID_MAX];
	char name[];
};

struct sts_lookup {
	struct sts_entry *entry; /* borrowed */
	sts_on_answer *cb;
	void *arg;
	struct sts_lookup *prev, *next;
};

/* ---- sts.c ---- */
bool sts_has_policy(const struct sts_entry *e);
void sts_answer_all(struct sts_entry *e);

/* ---- sts_refresh.c ---- */
/* e->busy until its end, which answers all who wait. */
void sts_refresh(struct sts_entry *e);

/* ---- sts_store.c ---- */
struct sts_call *sts_call_new(struct sts_entry *e);
/* Its answer does not matter any more. */
void sts_call_drop(struct sts_call **call);
/* Frees it. NULL: it was dropped. */
struct sts_entry *sts_call_end(struct sts_call *call);
/* Is the text a policy? */
int sts_judge(struct str text, enum sts_mode *mode_out, int64_t *max_age_ms_out, struct err *err);
void sts_keep(struct sts_entry *e, const char *id, int64_t fetched_ms, int64_t expires_ms, struct str policy);
/* What the store has, unless ours is newer. */
int sts_take_stored(struct sts_entry *e, struct str value, struct err *err);
struct str sts_store_key(const struct sts_entry *e, char out[STS_KEY_MAX]);
void sts_forget(struct sts_entry *e);
/* If the store does not accept it, it is kept here and offered again. */
void sts_store(struct sts_entry *e);

#endif
