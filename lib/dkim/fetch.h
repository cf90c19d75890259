/* Looks up the key of a signature: TXT records of <selector>._domainkey.<domain>. */
#ifndef SP_DKIM_FETCH_H
#define SP_DKIM_FETCH_H

#include "lib/base/arena.h"
#include "lib/dkim/record.h"
#include "lib/dns/dns.h"

#define DKIM_RECORDS_MAX      4	   /* of one selector that are tried */
#define DKIM_RECORD_BYTES_MAX 8192 /* longer ones are ignored */

/* All zero at first; must stay in place while it is waiting. */
struct dkim_fetch {
	struct dns_query *query;	      /* owner; NULL: not asked, or answered */
	bool is_failed;			      /* there is no answer for now */
	struct str records[DKIM_RECORDS_MAX]; /* in the arena */
	unsigned count;

	/* private */
	struct arena *arena; /* borrowed */
	void (*on_end)(void *arg);
	void *arg;
};

/* on_end is called once, never from within. */
void dkim_fetch_start(struct dkim_fetch *f, struct dns *dns, struct arena *arena, struct str selector,
		      struct str domain, void (*on_end)(void *arg), void *arg);
bool dkim_fetch_is_waiting(const struct dkim_fetch *f);
/* Does not wait any more: as if the answer had failed. */
void dkim_fetch_cancel(struct dkim_fetch *f);
/* The first record that has a key for this algorithm. NULL: it is in *record_out, which the
 * caller frees. Else why there is none, and how that counts. Takes some 0.1 ms. */
const char *dkim_fetch_key(const struct dkim_fetch *f, enum dkim_algorithm algorithm, struct dkim_record *record_out,
			   enum dkim_result *result_out);

#endif
