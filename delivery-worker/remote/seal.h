/* The ARC set of a message that is forwarded: made once for a job, sent above everything else.
 *
 * What a forward breaks is SPF, and what a milter changed breaks DKIM. The set tells the next
 * server what we found out when the message came in (RFC 8617, 5.1). */
#ifndef SP_WORKER_REMOTE_SEAL_H
#define SP_WORKER_REMOTE_SEAL_H

#include "delivery-worker/jobs/job.h"
#include "delivery-worker/remote/client.h"

struct seal;

/* fields: whole lines, borrowed for the call. Empty: the message goes unsealed. */
typedef void seal_on_end(void *arg, struct str fields);
/* NULL: this message is not to be sealed: it was not verified at receipt, its recipients do not
 * all come from aliases of one domain, the domain does not want it (settings:mail-auth arc_seal)
 * or has no key. m and above (whole lines that are sent before the stored message) are borrowed
 * until seal_drop(). cb is called once, never from within. */
struct seal *seal_begin(struct job *job, const struct smtp_message *m, struct str above, seal_on_end *cb, void *arg);
/* At any time, also from cb, which then does not come any more. Sets *s to NULL. */
void seal_drop(struct seal **s);

#endif
