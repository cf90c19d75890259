/* The MTA-STS policy that we serve for a domain of ours, by its settings smtp-in
 * mta_sts, mta_sts_mx and mta_sts_max_age. */
#ifndef SP_TLSPOLICY_STS_OWN_H
#define SP_TLSPOLICY_STS_OWN_H

#include "lib/base/buf.h"
#include "lib/settings/settings.h"

/* Appends the body of mta-sts.txt. hostname: the mail server where none is set.
 * False: the domain has no policy. */
bool sts_own_policy(const struct settings_smtp_in *settings, struct str hostname, struct buf *out);

#endif
