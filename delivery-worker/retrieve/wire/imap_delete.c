/* Deleting: \Deleted, then UID EXPUNGE (RFC 4315) of exactly these messages. A server without
 * UIDPLUS has only EXPUNGE, which removes whatever is marked: it is sent if nothing else is. */
#include <stdlib.h>

#include "delivery-worker/retrieve/wire/imap.h"

#define SET_BYTES  2000
#define FOUND_LINE (1024 * 1024) /* for some 100,000 numbers */

static int
delete_compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void
delete_store(struct remote_box *b)
{
	struct imap_deleting *d = &b->imap->deleting;
	struct buf set = BUF_EMPTY;

	d->asked = d->done + imap_add_set(&set, b->op.uids + d->done, b->op.count - d->done, SET_BYTES);
	imap_command(b, IMAP_STEP_STORE, "UID STORE %s +FLAGS.SILENT (\\Deleted)", set.data);
	buf_fini(&set);
}

void
imap_start_delete(struct remote_box *b)
{
	struct imap *m = b->imap;

	m->deleting = (struct imap_deleting){0};
	if (m->selected.uidvalidity == 0 || m->selected.read_only) {
		op_refused(b, STR_NONE, "the folder is read-only");
		return;
	}
	if (b->op.count == 0) {
		op_deleted(b, true);
		return;
	}
	qsort(b->op.uids, b->op.count, sizeof(uint32_t), delete_compare);
	if ((m->caps & IMAP_CAN_UIDPLUS) != 0) {
		delete_store(b);
		return;
	}
	m->reader.max = FOUND_LINE;
	imap_command(b, IMAP_STEP_SEARCH, "UID SEARCH DELETED");
}

/* Is any of them not ours? */
void
imap_delete_found(struct remote_box *b, struct str numbers)
{
	struct str word;

	while (str_next_word(&numbers, " ", &word)) {
		uint64_t uid = imap_number(word);
		uint32_t key = (uint32_t)uid;

		if (uid == 0 || uid > UINT32_MAX ||
		    bsearch(&key, b->op.uids, b->op.count, sizeof(key), delete_compare) == NULL)
			b->imap->deleting.mark_only = true;
	}
}

void
imap_search_tagged(struct remote_box *b, const struct imap_response *r)
{
	b->imap->reader.max = BOX_LINE_MAX;
	if (r->status != IMAP_OK)
		imap_fail_status(b, REMOTE_REFUSED, r, "SEARCH");
	else
		delete_store(b);
}

static void
delete_go_on(struct remote_box *b)
{
	struct imap_deleting *d = &b->imap->deleting;

	d->done = d->asked;
	if (d->done < b->op.count)
		delete_store(b);
	else
		op_deleted(b, !d->mark_only);
}

void
imap_store_tagged(struct remote_box *b, const struct imap_response *r)
{
	struct imap *m = b->imap;
	struct imap_deleting *d = &m->deleting;
	struct buf set = BUF_EMPTY;

	if (r->status != IMAP_OK) {
		imap_fail_status(b, REMOTE_REFUSED, r, "STORE");
	} else if ((m->caps & IMAP_CAN_UIDPLUS) != 0) {
		imap_add_set(&set, b->op.uids + d->done, d->asked - d->done, SET_BYTES);
		imap_command(b, IMAP_STEP_EXPUNGE, "UID EXPUNGE %s", set.data);
		buf_fini(&set);
	} else if (d->mark_only || d->asked < b->op.count) {
		delete_go_on(b);
	} else {
		imap_command(b, IMAP_STEP_EXPUNGE, "EXPUNGE");
	}
}

void
imap_expunge_tagged(struct remote_box *b, const struct imap_response *r)
{
	if (r->status != IMAP_OK)
		imap_fail_status(b, REMOTE_REFUSED, r, "EXPUNGE");
	else
		delete_go_on(b);
}
