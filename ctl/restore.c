/* `stagepost restore DIR`: puts the cluster of a backup onto an empty machine.
 *
 * First the whole backup is verified. Then the bodies are written to the blob store,
 * and Redis's part comes last: a restore that dies never leaves a cluster that looks
 * complete but lacks bodies. No process is started. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/commands.h"
#include "ctl/output.h"
#include "ctl/restore.h"
#include "ctl/secret_file.h"
#include "lib/base/clock.h"
#include "lib/base/crashpoint.h"
#include "lib/base/version.h"

#define RESTORE_MARK   LAYOUT_UNFINISHED_RESTORE
#define RESTORE_SECRET "tls/secret.key"

struct restore {
	struct ctl *ctl;
	struct backup_folder folder;
	char name[BACKUP_NAME_MAX];
	struct backup_manifest manifest;
	struct backup_bodies bodies;
	struct backup_faults faults;
	bool replace, despite_damage;
	bool into_files; /* below --dir; otherwise into a running Redis */
	char packs[LAYOUT_TEXT_MAX];
	uint64_t keys;
};

/* ---- The destination ---- */

/* Is `stagepost up` running in the folder? */
static bool
restore_is_running(const struct layout *l)
{
	char path[LAYOUT_PATH_MAX];
	int fd;
	bool running;

	layout_path(l, "run/up.lock", path);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return false;
	running = lockf(fd, F_TEST, 0) != 0;
	close(fd);
	return running;
}

static bool
restore_was_begun(const struct layout *l)
{
	char path[LAYOUT_PATH_MAX];

	layout_path(l, RESTORE_MARK, path);
	return access(path, F_OK) == 0;
}

static int
restore_into_folder(struct restore *r, struct err *err)
{
	struct layout *l = &r->ctl->layout;
	const char *blobs = getenv("STAGEPOST_BLOBS");

	if (layout_prepare(l, r->ctl->dir, err) != 0)
		return -1;
	if (restore_is_running(l))
		return err_set(err, ERR_DENIED, "a cluster is running in %.150s: stop it first", l->dir);
	if (blobs != NULL && blobs[0] != '\0')
		str_copy(str_c(blobs), l->blobs_url, sizeof(l->blobs_url));
	if (restore_files_hold_data(l) && !r->replace && !restore_was_begun(l))
		return err_set(err, ERR_EXISTS, "%.150s has a store already; --replace puts the backup's in its place",
			       l->dir);
	return 0;
}

static int
restore_into_redis(struct restore *r, struct err *err)
{
	if (layout_load(&r->ctl->layout, r->ctl->dir, err) != 0)
		return -1;
	if (r->ctl->layout.blobs_url[0] == '\0')
		return err_set(err, ERR_INVALID, "STAGEPOST_BLOBS does not name a blob store");
	return ctl_connect(r->ctl, err);
}

static int
restore_make_packs_folder(struct restore *r, struct err *err)
{
	struct blob_store *blobs;

	if (!str_starts(str_c(r->ctl->layout.blobs_url), STR("file:")))
		return err_set(err, ERR_INVALID, "only a blob store of the kind file: can be restored to");
	str_copy(str_c(r->ctl->layout.blobs_url + strlen("file:")), r->packs, sizeof(r->packs));
	blobs = blob_store_open(NULL, r->ctl->layout.blobs_url, err);
	if (blobs == NULL)
		return -1;
	blob_store_close(&blobs);
	if (blob_copy_count_packs(r->packs) != 0 && !r->replace &&
	    !(r->into_files && restore_was_begun(&r->ctl->layout)))
		return err_set(err, ERR_EXISTS, "the blob store %.150s is not empty; --replace uses it anyway",
			       r->packs);
	return 0;
}

static bool
restore_key_is_in(struct str key, struct str list)
{
	struct str word;

	while (str_next_word(&list, ", ", &word))
		if (str_eq(word, key))
			return true;
	return false;
}

/* The keys of the backup open what is sealed in its store; those that are here already may
 * be needed by something else. So all of the backup's must be among ours. */
static int
restore_check_secret(const struct restore *r, struct err *err)
{
	char theirs[BACKUP_PATH_MAX], ours[LAYOUT_PATH_MAX];
	char theirs_text[SECRET_FILE_KEY_MAX], ours_text[SECRET_FILE_KEY_MAX];
	struct str rest, key;

	backup_folder_path(&r->folder, r->name, RESTORE_SECRET, theirs);
	layout_path(&r->ctl->layout, RESTORE_SECRET, ours);
	if (!r->into_files || r->replace || access(theirs, F_OK) != 0 || access(ours, F_OK) != 0)
		return 0;
	if (secret_file_read(theirs, theirs_text, sizeof(theirs_text), err) != 0 ||
	    secret_file_read(ours, ours_text, sizeof(ours_text), err) != 0)
		return -1;
	rest = str_c(theirs_text);
	while (str_next_word(&rest, ", ", &key))
		if (!restore_key_is_in(key, str_c(ours_text)))
			return err_set(err, ERR_EXISTS,
				       "%.150s lacks a key of the backup: move it away, or use --replace to restore "
				       "the backup's keys",
				       ours);
	return 0;
}

/* Refuses before anything is changed. */
static int
restore_find_place(struct restore *r, struct err *err)
{
	const char *redis = getenv("STAGEPOST_REDIS");

	r->into_files = redis == NULL || redis[0] == '\0';
	if ((r->into_files ? restore_into_folder(r, err) : restore_into_redis(r, err)) != 0)
		return -1;
	return restore_check_secret(r, err) == 0 ? restore_make_packs_folder(r, err) : -1;
}

/* ---- The content ---- */

static int
restore_verify(struct restore *r, struct err *err)
{
	int result = backup_verify(&r->folder, r->name, &r->manifest, &r->bodies, &r->faults, err);

	if (r->manifest.store_version > STAGEPOST_STORE_VERSION)
		return err_set(err, ERR_INVALID,
			       "the backup is of Stagepost %s, whose store has version %u; this one "
			       "reads up to %u",
			       r->manifest.version, r->manifest.store_version, STAGEPOST_STORE_VERSION);
	if (result == 0)
		return 0;
	backup_print_faults(&r->faults, 0);
	/* Only bodies are damaged: the rest can be restored. */
	if (r->despite_damage && err->code == ERR_CORRUPT && r->faults.missing + r->faults.damaged != 0)
		return 0;
	return -1;
}

static int
restore_on_turn(void *arg, const struct backup_transfer *t, struct err *err)
{
	(void)err;
	CRASHPOINT("restore-body");
	backup_progress_tell(arg, t->done, t->bodies->count);
	return 0;
}

static int
restore_bodies(struct restore *r, struct err *err)
{
	struct backup_progress progress = {.what = "bodies"};
	struct backup_transfer t = {.from = r->folder.packs,
				    .to = r->packs,
				    .way = BLOB_COPY_WRITES,
				    .bodies = &r->bodies,
				    .on_turn = restore_on_turn,
				    .arg = &progress};
	int result = backup_transfer_run(&t, err);

	backup_progress_end(&progress);
	return result;
}

/* Certificate and key, if there are none. */
static int
restore_tls_files(const struct restore *r, struct err *err)
{
	for (unsigned i = 0; i < r->manifest.file_count; i++) {
		const struct backup_file *file = &r->manifest.files[i];
		char from[BACKUP_PATH_MAX], to[LAYOUT_PATH_MAX];

		if (strncmp(file->name, "tls/", 4) != 0)
			continue;
		backup_folder_path(&r->folder, r->name, file->name, from);
		layout_path(&r->ctl->layout, file->name, to);
		if (r->replace)
			unlink(to);
		if (access(to, F_OK) != 0 && backup_copy_file(from, to, file->mode, err) != 0)
			return -1;
	}
	return 0;
}

/* As long as the mark exists, `stagepost up` does not start in this folder. */
static int
restore_mark(const struct restore *r, struct err *err)
{
	char path[LAYOUT_PATH_MAX];
	int fd;

	layout_path(&r->ctl->layout, RESTORE_MARK, path);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || fsync(fd) != 0)
		err_set_errno(err, errno, "making %s", path);
	if (fd >= 0)
		close(fd);
	return fd >= 0 ? 0 : -1;
}

static int
restore_write(struct restore *r, struct err *err)
{
	char snapshot[BACKUP_PATH_MAX], mark[LAYOUT_PATH_MAX];

	backup_folder_path(&r->folder, r->name, BACKUP_SNAPSHOT, snapshot);
	if (!r->into_files) {
		/* Emptied first: references to bodies are removed before the bodies may be overwritten. */
		return restore_redis_prepare(r->ctl, r->replace, err) == 0 && restore_bodies(r, err) == 0
			       ? restore_redis_write(r->ctl, snapshot, r->manifest.database, &r->keys, err)
			       : -1;
	}
	layout_path(&r->ctl->layout, RESTORE_MARK, mark);
	if (restore_mark(r, err) != 0 || restore_bodies(r, err) != 0 || restore_tls_files(r, err) != 0 ||
	    restore_files_write(&r->ctl->layout, snapshot, r->manifest.database, &r->keys, err) != 0)
		return -1;
	return unlink(mark) == 0 ? 0 : err_set_errno(err, errno, "removing %s", mark);
}

/* ---- The command ---- */

static void
restore_print(const struct restore *r)
{
	char time[CLOCK_ISO8601_MAX];
	cJSON *o;

	clock_iso8601(r->manifest.time_ms, time, sizeof(time));
	if (!r->ctl->json) {
		printf("Restored: %llu keys, %zu bodies and digests, as they were at %s.\n"
		       "What arrived or was changed after that is lost; mail that was sent on to other servers after "
		       "it "
		       "is sent again.\n",
		       (unsigned long long)r->keys, r->bodies.count, time);
		return;
	}
	o = cJSON_CreateObject();
	cJSON_AddStringToObject(o, "name", r->name);
	cJSON_AddStringToObject(o, "time", time);
	cJSON_AddNumberToObject(o, "keys", (double)r->keys);
	cJSON_AddNumberToObject(o, "bodies", (double)r->bodies.count);
	cJSON_AddNumberToObject(o, "missing", (double)r->faults.missing);
	cJSON_AddNumberToObject(o, "damaged", (double)r->faults.damaged);
	output_json(o);
}

static int
restore_run(struct restore *r, const char *dir, const char *at)
{
	struct err err;

	if (backup_folder_open(&r->folder, dir, &err) != 0)
		return ctl_fail("%s", err.text);
	if (backup_choose(&r->folder, at, r->name, &err) != 0 || restore_find_place(r, &err) != 0 ||
	    restore_verify(r, &err) != 0 || restore_write(r, &err) != 0)
		return ctl_fail("%s", err.text);
	restore_print(r);
	return 0;
}

int
command_restore(struct ctl *ctl, int argc, char **argv)
{
	struct restore r = {.ctl = ctl, .folder = {.lock = -1}};
	const char *at = NULL;
	int status;

	r.replace = ctl_take_flag(&argc, argv, "--replace");
	r.despite_damage = ctl_take_flag(&argc, argv, "--despite-damage");
	if (ctl_take_option(&argc, argv, "--at", &at) != 0 || ctl_has_unknown_option(argc, argv) || argc != 1)
		return ctl_usage("restore");
	crashpoint_init();
	status = restore_run(&r, argv[0], at);
	backup_bodies_fini(&r.bodies);
	backup_folder_close(&r.folder);
	return status;
}
