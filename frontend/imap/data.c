/* The table of the commands that read messages. */
#include "frontend/imap/private.h"

const struct imap_command imap_data_commands[] = {
	/* name, allowed in, flags, handler */
	{NULL, 0, 0, NULL},
};
