/* Which accounts read the same mailbox. */
#include <string.h>

#include "lib/retrieve/account.h"

static bool
same_mailbox(const struct retrieve_account *a, const struct retrieve_account *b)
{
	return a->protocol == b->protocol && strcmp(a->host, b->host) == 0 && strcmp(a->user, b->user) == 0;
}

static const char *
same_folder(const struct retrieve_account *a, unsigned i)
{
	return a->folder_count == 0 ? "INBOX" : a->folders[i];
}

static unsigned
same_folder_count(const struct retrieve_account *a)
{
	return a->folder_count == 0 ? 1 : a->folder_count;
}

static bool
same_name(const char *a, const char *b)
{
	return strcmp(a, b) == 0 || (str_eq_ci(str_c(a), STR("INBOX")) && str_eq_ci(str_c(b), STR("INBOX")));
}

/* How many of a's folders b reads too. */
static unsigned
same_folders(const struct retrieve_account *a, const struct retrieve_account *b)
{
	unsigned count = 0;

	for (unsigned i = 0; i < same_folder_count(a); i++)
		for (unsigned k = 0; k < same_folder_count(b); k++)
			if (same_name(same_folder(a, i), same_folder(b, k))) {
				count++;
				break;
			}
	return count;
}

bool
retrieve_account_overlaps(const struct retrieve_account *a, const struct retrieve_account *b)
{
	return same_mailbox(a, b) && (a->mirror || b->mirror || same_folders(a, b) != 0);
}

bool
retrieve_account_is_move_of(const struct retrieve_account *a, const struct retrieve_account *b)
{
	return a->once && same_mailbox(a, b);
}

bool
retrieve_account_moves_alike(const struct retrieve_account *a, const struct retrieve_account *b)
{
	unsigned count = same_folder_count(a);

	return a->mirror == b->mirror && strcmp(a->into, b->into) == 0 && a->keep == b->keep &&
	       (a->keep != RETRIEVE_DELETE_AFTER || a->keep_days == b->keep_days) && same_folder_count(b) == count &&
	       same_folders(a, b) == count;
}
