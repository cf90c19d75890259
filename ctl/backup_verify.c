/* Is a backup still as it was made? */
#include <stdio.h>
#include <unistd.h>

#include "ctl/backup.h"
#include "lib/base/clock.h"

/* ---- Progress ---- */

void
backup_progress_tell(struct backup_progress *p, uint64_t done, uint64_t total)
{
	bool seen = isatty(STDERR_FILENO);
	int64_t now = clock_monotonic_ms();

	if (p->told_ms == 0 && !seen)
		p->told_ms = now;
	if (now - p->told_ms < (seen ? 1000 : 30000))
		return;
	p->told_ms = now;
	fprintf(stderr, "%s%s: %llu", seen ? "\r" : "", p->what, (unsigned long long)done);
	if (total != 0)
		fprintf(stderr, " of %llu", (unsigned long long)total);
	if (!seen)
		fputc('\n', stderr);
	p->open = seen;
	fflush(stderr);
}

void
backup_progress_end(struct backup_progress *p)
{
	if (p->open)
		fputc('\n', stderr);
	p->open = false;
}

/* ---- Verifying ---- */

int
backup_choose(const struct backup_folder *f, const char *name, char name_out[BACKUP_NAME_MAX], struct err *err)
{
	if (f->count == 0)
		return err_set(err, ERR_NOT_FOUND, "there is no complete backup in %.150s", f->path);
	for (size_t i = f->count; i > 0; i--)
		if (name == NULL || str_eq(str_c(name), str_c(f->names[i - 1]))) {
			str_copy(str_c(f->names[i - 1]), name_out, BACKUP_NAME_MAX);
			return 0;
		}
	return err_set(err, ERR_NOT_FOUND, "there is no backup %.40s in %.150s", name, f->path);
}

static int
verify_on_turn(void *arg, const struct backup_transfer *t, struct err *err)
{
	(void)err;
	backup_progress_tell(arg, t->done, t->bodies->count);
	return 0;
}

static int
verify_bodies(const struct backup_folder *f, const struct backup_bodies *bodies, struct backup_faults *faults_out,
	      struct err *err)
{
	struct backup_progress progress = {.what = "verifying bodies"};
	struct backup_transfer t = {.from = f->packs,
				    .way = BLOB_COPY_LOOKS,
				    .bodies = bodies,
				    .on_turn = verify_on_turn,
				    .arg = &progress};
	int result = backup_transfer_run(&t, err);

	backup_progress_end(&progress);
	*faults_out = t.faults;
	return result;
}

int
backup_verify(const struct backup_folder *f, const char *name, struct backup_manifest *manifest_out,
	      struct backup_bodies *bodies_out, struct backup_faults *faults_out, struct err *err)
{
	char path[BACKUP_PATH_MAX];

	if (backup_manifest_read(manifest_out, f, name, err) != 0)
		return -1;
	for (unsigned i = 0; i < manifest_out->file_count; i++)
		if (backup_manifest_check_file(&manifest_out->files[i], f, name, err) != 0)
			return -1;
	backup_folder_path(f, name, BACKUP_SNAPSHOT, path);
	if (backup_bodies_read(bodies_out, path, manifest_out->database, err) != 0)
		return -1;
	if (bodies_out->keys != manifest_out->keys)
		return err_set(err, ERR_CORRUPT, "the snapshot of %.40s has %llu keys, not the %llu of its manifest",
			       name, (unsigned long long)bodies_out->keys, (unsigned long long)manifest_out->keys);
	if (verify_bodies(f, bodies_out, faults_out, err) != 0)
		return -1;
	if (faults_out->missing + faults_out->damaged > manifest_out->faults.missing + manifest_out->faults.damaged)
		return err_set(err, ERR_CORRUPT, "of the bodies of %.40s %llu are missing and %llu damaged", name,
			       (unsigned long long)faults_out->missing, (unsigned long long)faults_out->damaged);
	return 0;
}

void
backup_print_faults(const struct backup_faults *faults, uint64_t unreadable)
{
	uint64_t total = faults->missing + faults->damaged;
	char text[BLOB_ID_TEXT];

	for (unsigned i = 0; i < faults->named; i++) {
		blob_id_text(&faults->ids[i], text);
		fprintf(stderr, "body %s is missing or damaged\n", text);
	}
	if (total > faults->named)
		fprintf(stderr, "and %llu more\n", (unsigned long long)(total - faults->named));
	if (unreadable != 0)
		fprintf(stderr, "%llu envelopes of the spool are damaged; their bodies are not in the backup\n",
			(unsigned long long)unreadable);
}
