/* The first start: a domain, two accounts, and a message sent through SMTP and
 * read back by POP3, so that a person sees at once that it works. */
#ifndef SP_CTL_DEMO_H
#define SP_CTL_DEMO_H

#include "ctl/layout.h"

/* Does nothing if the cluster has a domain already. */
int demo_run(const struct layout *l, struct err *err);
/* Commands that a person may try with it. */
void demo_print_try(const struct layout *l);

#endif
