/* The table of the commands that read messages. */
#include "frontend/imap/private.h"

const struct imap_command imap_data_commands[] = {
	/* name, allowed in, flags, handler */
	{"FETCH", IMAP_SELECTED, IMAP_NEEDS_VIEW | IMAP_NO_EXPUNGE, imap_cmd_fetch},
	{"UID FETCH", IMAP_SELECTED, IMAP_NEEDS_VIEW | IMAP_BY_UID, imap_cmd_fetch},
	{"SEARCH", IMAP_SELECTED, IMAP_NEEDS_VIEW | IMAP_NO_EXPUNGE, imap_cmd_search},
	{"UID SEARCH", IMAP_SELECTED, IMAP_NEEDS_VIEW | IMAP_BY_UID, imap_cmd_search},
	{"SORT", IMAP_SELECTED, IMAP_NEEDS_VIEW | IMAP_NO_EXPUNGE, imap_cmd_sort},
	{"UID SORT", IMAP_SELECTED, IMAP_NEEDS_VIEW | IMAP_BY_UID, imap_cmd_sort},
	{"THREAD", IMAP_SELECTED, IMAP_NEEDS_VIEW | IMAP_NO_EXPUNGE, imap_cmd_thread},
	{"UID THREAD", IMAP_SELECTED, IMAP_NEEDS_VIEW | IMAP_BY_UID, imap_cmd_thread},
	{NULL, 0, 0, NULL},
};
