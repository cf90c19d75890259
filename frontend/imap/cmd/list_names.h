/* The names that LIST chooses from. */
#ifndef SP_FRONTEND_IMAP_CMD_LIST_NAMES_H
#define SP_FRONTEND_IMAP_CMD_LIST_NAMES_H

#include "lib/mailbox/mailbox.h"

/* All folders, sorted by name, and names that are only subscribed to. */
struct list_names {
	const struct mailbox_folder *folders;
	unsigned folder_count;
	const struct str *missing;
	unsigned missing_count;
};

bool list_names_is_below(struct str name, struct str upper);
/* Index of the first folder that may be below the name: they are sorted, except that
 * INBOX comes first. */
unsigned list_names_first_below(const struct list_names *n, struct str name);
bool list_names_has_children(const struct list_names *n, struct str name);
bool list_names_folder_exists(const struct list_names *n, struct str name);
/* Replaces the name by its parent's; false: there is none. */
bool list_names_go_up(struct str *name);

#endif
