/* Aggregate reports of DMARC that others send us (RFC 7489, Appendix C; RFC 9990): what mail
 * in our domain's name they have seen. In whatever namespace, and without the fields that
 * real reports leave out. Pure. */
#ifndef SP_DMARCRPT_REPORT_H
#define SP_DMARCRPT_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/ip.h"
#include "lib/mailauth/dmarc_record.h"

#define DMARC_REPORT_ELEMENTS_MAX 400000 /* some 20,000 rows */

struct dmarc_report_row {
	char source[IP_TEXT_MAX];
	uint64_t count;			      /* messages, at least 1 */
	enum dmarc_policy disposition;	      /* what was done with them */
	bool is_spf_aligned, is_dkim_aligned; /* and passed */
	struct dmarc_report_row *next;
};

/* Texts are printable, in the arena; empty: missing. */
struct dmarc_report {
	struct str reporter, id, domain; /* domain: in lower case */
	int64_t begin_s, end_s;		 /* unix; 0: missing */
	struct dmarc_report_row *rows;
	unsigned skipped; /* rows without a usable source or count */
};

/* ERR_INVALID: not a report, or too large. */
int dmarc_report_parse(struct str xml, struct arena *arena, struct dmarc_report *report_out, struct err *err);

#endif
