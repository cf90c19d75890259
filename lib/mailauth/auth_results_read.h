/* What another server wrote into its Authentication-Results (RFC 8601, 2.2), or into an ARC set.
 * Whoever reads must already trust the writer. What is malformed or ambiguous says nothing. */
#ifndef SP_MAILAUTH_AUTH_RESULTS_READ_H
#define SP_MAILAUTH_AUTH_RESULTS_READ_H

#include <stdbool.h>

#include "lib/base/str.h"

/* Does it say that the message passed DMARC for this author's domain? payload: from the
 * authserv-id on. There must be one result of DMARC, with that domain as header.from. */
bool auth_results_say_dmarc_pass(struct str payload, struct str author);

#endif
