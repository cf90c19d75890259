/* DMARC policy records (RFC 9989, 4.7; RFC 7489, 6.3, whose pct= is still in use). */
#ifndef SP_MAILAUTH_DMARC_RECORD_H
#define SP_MAILAUTH_DMARC_RECORD_H

#include <stdbool.h>

#include "lib/base/str.h"

enum dmarc_policy { DMARC_NONE, DMARC_QUARANTINE, DMARC_REJECT, DMARC_POLICIES };

/* Texts point into the record. */
struct dmarc_record {
	enum dmarc_policy policy;	      /* p= */
	enum dmarc_policy subdomain_policy;   /* sp=; if it is missing that of p= */
	enum dmarc_policy nonexistent_policy; /* np=, for names that DNS does not know; if it is missing that of sp= */
	bool has_nonexistent_policy;
	bool is_dkim_strict, is_spf_strict; /* adkim=, aspf= */
	bool is_test;			    /* t=y */
	bool is_public_suffix;		    /* psd=y */
	unsigned percent;		    /* pct=, 0 to 100 */
	struct str aggregate_to;	    /* rua=, as written; empty: none */
	struct str failures_to;		    /* ruf= */
};

const char *dmarc_policy_name(enum dmarc_policy policy);
/* False: not a DMARC record. Whatever in it is malformed or unknown counts as missing. */
bool dmarc_record_parse(struct str text, struct dmarc_record *record_out);

#endif
