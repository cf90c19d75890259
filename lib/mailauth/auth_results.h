/* Authentication-Results (RFC 8601): what we found out, in the words that others read.
 *
 *	auth_results_begin(&r, authserv_id, &out);
 *	auth_results_add_spf(&r, ...); auth_results_add_dkim(&r, ...); ...
 *	auth_results_end(&r);
 *
 * out then has the payload, folded, without a field name and a last line end: the same text
 * goes into Authentication-Results and into ARC-Authentication-Results. Whatever comes from
 * the message or from DNS is quoted as needed; nothing in it can end the field. */
#ifndef SP_MAILAUTH_AUTH_RESULTS_H
#define SP_MAILAUTH_AUTH_RESULTS_H

#include "lib/dkim/verify.h"
#include "lib/mailauth/arc.h"
#include "lib/mailauth/dmarc.h"
#include "lib/mailauth/spf.h"

struct auth_results {
	struct buf *out; /* borrowed */
	bool has_any;
};

void auth_results_begin(struct auth_results *r, struct str authserv_id, struct buf *out);
/* identity: the reverse-path without <>, or, if is_helo, the HELO name. */
void auth_results_add_spf(struct auth_results *r, const struct spf_answer *answer, bool is_helo, struct str identity);
/* One result for each signature; with none of them "dkim=none". */
void auth_results_add_dkim(struct auth_results *r, const struct dkim_verdict *verdicts, unsigned count);
void auth_results_add_dmarc(struct auth_results *r, const struct dmarc_answer *answer);
/* is_trusted: its sealers' word has outweighed DMARC's. */
void auth_results_add_arc(struct auth_results *r, const struct arc_verdict *verdict, bool is_trusted);
/* With no result at all it says so ("none"). */
void auth_results_end(struct auth_results *r);

/* Does this value of an Authentication-Results field (what follows the colon) claim to come
 * from us? Also if it is malformed after its authserv-id. */
bool auth_results_is_of(struct str value, struct str authserv_id);

#endif
