/* The administrator that the first start of `stagepost up` makes. His password is random,
 * and kept in a file of the cluster's folder so that later starts can show it too. */
#ifndef SP_CTL_FIRST_ADMIN_H
#define SP_CTL_FIRST_ADMIN_H

#include "ctl/ctl.h"

#define FIRST_ADMIN	     "admin@example.test"
#define FIRST_ADMIN_PASSWORD "admin-password" /* the file, below the cluster's folder */

/* Creates the account, with the role system_admin. Its domain must exist. */
int first_admin_make(struct ctl *ctl, struct err *err);
/* Prints the page's address, and how to log in there. */
void first_admin_print(struct ctl *ctl);

#endif
