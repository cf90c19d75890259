/* `stagepost backup DIR`: a copy of the cluster at one moment, while mail flows.
 *
 * The order of the steps makes it consistent. First comes the hold
 * (ctl/backup_hold.c): from then on no body that loses its last reference is
 * released. Then comes the snapshot of Redis, at one moment. Then come the bodies
 * that it refers to: each was synced before anything referred to it, and exists as
 * long as the hold. What arrived after that moment is not copied. The snapshot is
 * what a cluster would find if all its processes had died at that moment, so the
 * same guarantees hold for a restored cluster.
 *
 * A backup gets its name last, by a rename. One that dies leaves `unfinished`, and
 * bodies that the next one finds; earlier backups stay as they are. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/backup.h"
#include "ctl/commands.h"
#include "ctl/output.h"
#include "lib/base/clock.h"
#include "lib/base/crashpoint.h"
#include "lib/base/mem.h"
#include "lib/base/version.h"
#include "lib/redis/snapshot.h"
#include "lib/redis/url.h"

enum { KEEP_DEFAULT = 1, KEEP_MOST = 1000 };

struct backup {
	struct ctl *ctl;
	struct backup_folder folder;
	struct backup_manifest manifest;
	struct backup_bodies bodies;
	struct backup_bodies before; /* of the last backup: these are already in place */
	struct backup_transfer transfer;
	struct backup_progress progress;
	char name[BACKUP_NAME_MAX];
	uint64_t keep;	    /* backups, including this one */
	bool verify;	    /* nothing in the copy is trusted */
	int64_t started_ms; /* monotonic */
};

/* ---- The snapshot ---- */

static int
backup_on_wait(void *arg, uint64_t bytes, struct err *err)
{
	struct backup *b = arg;

	backup_progress_tell(&b->progress, bytes, 0);
	return backup_hold_renew(b->ctl, b->folder.id, err);
}

static int
backup_take_snapshot(struct backup *b, struct err *err)
{
	char path[BACKUP_PATH_MAX];
	struct redis_url url;
	int result;

	if (redis_url_parse(b->ctl->layout.redis_url, &url, err) != 0)
		return -1;
	b->manifest.database = (unsigned)url.database;
	/* Everything answered before this is in it. */
	b->manifest.time_ms = clock_unix_ms();
	backup_folder_path(&b->folder, BACKUP_UNFINISHED, BACKUP_SNAPSHOT, path);
	b->progress = (struct backup_progress){.what = "bytes of the snapshot"};
	result = redis_snapshot(b->ctl->layout.redis_url, path, backup_on_wait, b, err);
	backup_progress_end(&b->progress);
	if (result != 0)
		return -1;
	CRASHPOINT("backup-snapshot");
	if (backup_bodies_read(&b->bodies, path, b->manifest.database, err) != 0)
		return -1;
	b->manifest.keys = b->bodies.keys;
	b->manifest.unreadable = b->bodies.unreadable;
	return backup_manifest_add_file(&b->manifest, &b->folder, BACKUP_UNFINISHED, BACKUP_SNAPSHOT, err);
}

/* ---- Bodies ---- */

/* The last backup's bodies were synced before it got its name. If it cannot be read, they are verified in place. */
static void
backup_read_before(struct backup *b)
{
	char path[BACKUP_PATH_MAX];
	struct backup_manifest m;
	const char *name = b->folder.count != 0 ? b->folder.names[b->folder.count - 1] : NULL;

	if (name == NULL || b->verify || backup_manifest_read(&m, &b->folder, name, NULL) != 0)
		return;
	backup_folder_path(&b->folder, name, BACKUP_SNAPSHOT, path);
	if (backup_bodies_read(&b->before, path, m.database, NULL) != 0)
		backup_bodies_fini(&b->before);
}

static int
backup_on_turn(void *arg, const struct backup_transfer *t, struct err *err)
{
	struct backup *b = arg;

	CRASHPOINT("backup-body");
	backup_progress_tell(&b->progress, t->done, t->bodies->count);
	return backup_hold_renew(b->ctl, b->folder.id, err);
}

static int
backup_copy_bodies(struct backup *b, struct err *err)
{
	const char *packs = b->ctl->layout.blobs_url + strlen("file:");
	int result;

	backup_read_before(b);
	b->progress = (struct backup_progress){.what = "bodies"};
	b->transfer = (struct backup_transfer){.from = packs,
					       .to = b->folder.packs,
					       .way = BLOB_COPY_ADDS,
					       .bodies = &b->bodies,
					       .trusted = &b->before,
					       .on_turn = backup_on_turn,
					       .arg = b};
	result = backup_transfer_run(&b->transfer, err);
	backup_progress_end(&b->progress);
	b->manifest.bodies = b->transfer.good;
	b->manifest.bytes = b->transfer.good_bytes;
	b->manifest.faults = b->transfer.faults;
	return result;
}

/* ---- Files of a cluster that runs on this machine ---- */

int
backup_copy_file(const char *from, const char *to, unsigned mode, struct err *err)
{
	int in = open(from, O_RDONLY | O_CLOEXEC), out = -1, result = 0;
	ssize_t sent = 1;

	if (in < 0)
		return err_set_errno(err, errno, "opening %s", from);
	out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	while (out >= 0 && sent > 0)
		sent = sendfile(out, in, NULL, 1024 * 1024);
	if (out < 0 || sent < 0 || fchmod(out, mode & 0777) != 0 || fsync(out) != 0)
		result = err_set_errno(err, errno, "writing %s", to);
	close(in);
	if (out >= 0)
		close(out);
	return result;
}

/* The certificate and key that `stagepost up` uses; in other clusters they are not ours to keep. */
static int
backup_copy_files(struct backup *b, struct err *err)
{
	static const char *const files[] = {"tls/cert.pem", "tls/key.pem"};
	char from[LAYOUT_PATH_MAX], to[BACKUP_PATH_MAX];
	struct stat st;

	backup_folder_path(&b->folder, BACKUP_UNFINISHED, "tls", to);
	if (mkdir(to, 0700) != 0)
		return err_set_errno(err, errno, "making the folder %s", to);
	for (unsigned i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		layout_path(&b->ctl->layout, files[i], from);
		backup_folder_path(&b->folder, BACKUP_UNFINISHED, files[i], to);
		if (stat(from, &st) != 0)
			continue;
		if (backup_copy_file(from, to, st.st_mode, err) != 0 ||
		    backup_manifest_add_file(&b->manifest, &b->folder, BACKUP_UNFINISHED, files[i], err) != 0)
			return -1;
	}
	return 0;
}

/* ---- Removing old backups ---- */

/* The bodies of all backups that stay. A backup that cannot be read stops this:
 * bodies that it may need are not removed. */
static int
backup_prune(struct backup *b, struct err *err)
{
	struct backup_bodies all = {0};
	struct blob_id *ids;
	int result = 0;

	for (size_t i = 0; i < b->folder.count && result == 0; i++) {
		char path[BACKUP_PATH_MAX];
		struct backup_manifest m;
		backup_folder_path(&b->folder, b->folder.names[i], BACKUP_SNAPSHOT, path);
		result = backup_manifest_read(&m, &b->folder, b->folder.names[i], err);
		if (result == 0)
			result = backup_bodies_read(&all, path, m.database, err);
	}
	if (result == 0) {
		ids = mem_alloc(all.count * sizeof(*ids));
		for (size_t i = 0; i < all.count; i++)
			ids[i] = all.list[i].id;
		result = blob_copy_prune(b->folder.packs, ids, all.count, err);
		mem_free(ids);
	}
	backup_bodies_fini(&all);
	return result;
}

/* A backup with faults does not replace another one. */
static int
backup_drop_old(struct backup *b, struct err *err)
{
	if (backup_manifest_has_faults(&b->manifest))
		return 0;
	while (b->folder.count > b->keep)
		if (backup_folder_remove(&b->folder, b->folder.names[0], err) != 0)
			return -1;
	CRASHPOINT("backup-prune");
	return backup_prune(b, err);
}

/* ---- The command ---- */

static int
backup_make(struct backup *b, struct err *err)
{
	str_copy(STR(STAGEPOST_VERSION), b->manifest.version, sizeof(b->manifest.version));
	str_copy(str_c(b->ctl->layout.hostname), b->manifest.hostname, sizeof(b->manifest.hostname));
	b->manifest.store_version = STAGEPOST_STORE_VERSION;
	if (backup_folder_begin(&b->folder, err) != 0 || backup_take_snapshot(b, err) != 0 ||
	    backup_copy_bodies(b, err) != 0 || backup_copy_files(b, err) != 0 ||
	    backup_manifest_write(&b->manifest, &b->folder, BACKUP_UNFINISHED, err) != 0)
		return -1;
	CRASHPOINT("backup-named");
	return backup_folder_commit(&b->folder, b->manifest.time_ms, b->name, err);
}

static void
backup_print(const struct backup *b)
{
	cJSON *o = backup_manifest_json(&b->manifest);
	const struct backup_transfer *t = &b->transfer;

	if (b->ctl->json) {
		cJSON_AddStringToObject(o, "name", b->name);
		cJSON_AddNumberToObject(o, "new_bodies", (double)t->made);
		cJSON_AddNumberToObject(o, "new_bytes", (double)t->made_bytes);
		cJSON_AddNumberToObject(o, "digests_lost", (double)t->digests_lost);
		cJSON_AddNumberToObject(o, "seconds", (double)(clock_monotonic_ms() - b->started_ms) / 1000);
		output_json(o);
		return;
	}
	cJSON_Delete(o);
	printf("Backup %s: %llu keys, %llu bodies (%llu bytes), of which %llu (%llu bytes) are new.\n", b->name,
	       (unsigned long long)b->manifest.keys, (unsigned long long)t->good, (unsigned long long)t->good_bytes,
	       (unsigned long long)t->made, (unsigned long long)t->made_bytes);
}

/* After the hold. Whether or not the backup succeeded, what was kept for it is released. */
static int
backup_run(struct backup *b)
{
	struct err err, late;
	int result = backup_hold_drain(b->ctl, &err); /* left by one that died */

	if (result == 0)
		result = backup_make(b, &err);
	backup_hold_end(b->ctl, b->folder.id);
	if (backup_hold_drain(b->ctl, &late) != 0)
		ctl_fail("bodies without a reference are kept until the next backup: %s", late.text);
	if (result != 0)
		return ctl_fail("%s", err.text);
	backup_print(b);
	if (backup_drop_old(b, &err) != 0)
		return ctl_fail("the backup is complete, but older ones were not removed: %s", err.text);
	if (!backup_manifest_has_faults(&b->manifest))
		return 0;
	backup_print_faults(&b->manifest.faults, b->manifest.unreadable);
	return ctl_fail(
		"the store itself has lost bodies (above); everything else is in the backup, and older ones are kept");
}

static int
backup_start(struct backup *b, const char *dir)
{
	struct err err;
	int status;

	if (ctl_connect(b->ctl, &err) != 0)
		return ctl_fail("%s", err.text);
	if (!str_starts(str_c(b->ctl->layout.blobs_url), STR("file:")))
		return ctl_fail("only a blob store of the kind file: is backed up, not '%s'", b->ctl->layout.blobs_url);
	if (backup_folder_open_to_write(&b->folder, dir, &err) != 0)
		return ctl_fail("%s", err.text);
	if (backup_hold_take(b->ctl, b->folder.id, &err) != 0)
		status = ctl_fail("%s", err.text);
	else
		status = backup_run(b);
	backup_bodies_fini(&b->bodies);
	backup_bodies_fini(&b->before);
	backup_folder_close(&b->folder);
	return status;
}

static int
backup_check(struct ctl *ctl, const char *dir, const char *at)
{
	struct backup_folder folder;
	struct backup_manifest manifest = {.time_ms = 0};
	struct backup_bodies bodies = {0};
	struct backup_faults faults = {0};
	char name[BACKUP_NAME_MAX];
	struct err err;
	int result;

	if (backup_folder_open(&folder, dir, &err) != 0)
		return ctl_fail("%s", err.text);
	result = backup_choose(&folder, at, name, &err);
	if (result == 0)
		result = backup_verify(&folder, name, &manifest, &bodies, &faults, &err);
	backup_print_faults(&faults, manifest.unreadable);
	if (result == 0 && ctl->json)
		output_json(backup_manifest_json(&manifest));
	else if (result == 0)
		printf("Backup %s is intact: %llu keys, %zu bodies and digests.\n", name,
		       (unsigned long long)bodies.keys, bodies.count);
	backup_bodies_fini(&bodies);
	backup_folder_close(&folder);
	return result == 0 ? 0 : ctl_fail("%s", err.text);
}

int
command_backup(struct ctl *ctl, int argc, char **argv)
{
	struct backup b = {.ctl = ctl, .keep = KEEP_DEFAULT, .started_ms = clock_monotonic_ms()};
	bool check = ctl_take_flag(&argc, argv, "--check");
	const char *keep = NULL, *at = NULL;

	b.verify = ctl_take_flag(&argc, argv, "--verify");
	if (ctl_take_option(&argc, argv, "--keep", &keep) != 0 || ctl_take_option(&argc, argv, "--at", &at) != 0 ||
	    ctl_has_unknown_option(argc, argv) || argc != 1 || (check ? keep : at) != NULL || (check && b.verify))
		return ctl_usage("backup");
	if (check)
		return backup_check(ctl, argv[0], at);
	if (keep != NULL && ctl_number("--keep", keep, &b.keep) != 0)
		return 1;
	if (b.keep < 1 || b.keep > KEEP_MOST)
		return ctl_fail("--keep takes a number from 1 to %d", KEEP_MOST);
	crashpoint_init();
	return backup_start(&b, argv[0]);
}
