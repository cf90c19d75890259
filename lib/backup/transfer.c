/* All bodies of a snapshot, one after the other. */
#include "lib/backup/transfer.h"

static void
transfer_note_fault(struct backup_transfer *t, const struct backup_body *body, enum blob_copied copied)
{
	struct backup_faults *f = &t->faults;

	if (body->is_digest) {
		t->digests_lost++;
		return;
	}
	f->missing += copied == BLOB_COPY_MISSING;
	f->damaged += copied == BLOB_COPY_DAMAGED;
	if (f->named < BACKUP_FAULTS_NAMED)
		f->ids[f->named++] = body->id;
}

static int
transfer_one(struct backup_transfer *t, struct blob_copier *c, const struct backup_body *body, struct err *err)
{
	bool trusted = t->trusted != NULL && backup_bodies_have(t->trusted, &body->id);
	enum blob_copied copied;

	if (blob_copier_take(c, &body->id, trusted, &copied, err) != 0)
		return -1;
	if (copied == BLOB_COPY_MISSING || copied == BLOB_COPY_DAMAGED) {
		transfer_note_fault(t, body, copied);
		return 0;
	}
	t->good++;
	t->good_bytes += body->id.length;
	if (copied == BLOB_COPY_MADE) {
		t->made++;
		t->made_bytes += body->id.length;
	}
	return 0;
}

int
backup_transfer_run(struct backup_transfer *t, struct err *err)
{
	struct blob_copier *c = blob_copier_new(t->from, t->to, t->way);

	for (; t->done < t->bodies->count; t->done++)
		if (t->on_turn(t->arg, t, err) != 0 || transfer_one(t, c, &t->bodies->list[t->done], err) != 0) {
			blob_copier_drop(&c);
			return -1;
		}
	return blob_copier_finish(&c, err);
}
