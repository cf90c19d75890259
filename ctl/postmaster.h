/* Who takes the mail for postmaster and abuse (RFC 5321, 4.5.1)? */
#ifndef SP_CTL_POSTMASTER_H
#define SP_CTL_POSTMASTER_H

#include "ctl/ctl.h"

/* The addresses postmaster@ and abuse@ of domains here that nobody takes yet,
 * sorted by domain, in the command's arena. After ctl_connect(). */
int postmaster_find_unclaimed(struct ctl *ctl, struct str **addresses_out, unsigned *count_out, struct err *err);

/* "nobody takes mail for ..., ... and 3 more; it is kept in the queue: ...";
 * count is not 0. In the arena. */
const char *postmaster_warning(struct ctl *ctl, const struct str *addresses, unsigned count);

#endif
