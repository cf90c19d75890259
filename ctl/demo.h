/* The first start: a domain, its administrator, two accounts, and a message sent through SMTP and
 * read back by POP3, so that a person sees at once that it works. */
#ifndef SP_CTL_DEMO_H
#define SP_CTL_DEMO_H

#include "ctl/layout.h"

/* Does nothing if the cluster has a domain already. */
int demo_run(const struct layout *l, struct err *err);
/* The page's address, and how its first administrator logs in. */
void demo_print_admin(const struct layout *l);
/* Commands that a person may try with it. */
void demo_print_try(const struct layout *l);

#endif
