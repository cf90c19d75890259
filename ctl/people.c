/* `stagepost user import` and `user export`. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/commands.h"
#include "ctl/output.h"
#include "ctl/progress.h"
#include "lib/admin/import.h"

#define PEOPLE_FILE_MAX ((size_t)512 * 1024 * 1024)
enum { PEOPLE_PIECE = 256 * 1024, PEOPLE_TOLD_MAX = 1000 };

/* "csv" or "ldif"; absent: *format_out stays. 1 after an error message. */
static int
people_take_format(int *argc, char **argv, enum people_format *format_out, bool *given_out)
{
	const char *name = NULL;

	if (ctl_take_option(argc, argv, "--format", &name) != 0)
		return ctl_fail("--format needs a value");
	*given_out = name != NULL;
	if (name == NULL)
		return 0;
	if (strcmp(name, "csv") != 0 && strcmp(name, "ldif") != 0)
		return ctl_fail("--format must be csv or ldif");
	*format_out = name[0] == 'c' ? PEOPLE_CSV : PEOPLE_LDIF;
	return 0;
}

/* ---- Import ---- */
struct people_import {
	struct ctl *ctl;
	const char *name; /* of the file, in messages */
	struct buf text;
	struct people people;
	struct progress progress;
	enum admin_import_step step;
	bool dry_run;
	struct ctl_result result;
};

static int
people_read_file(struct people_import *im)
{
	int fd = strcmp(im->name, "-") == 0 ? STDIN_FILENO : open(im->name, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0)
		return ctl_fail("%s: %s", im->name, strerror(errno));
	while ((got = read(fd, buf_reserve(&im->text, PEOPLE_PIECE), PEOPLE_PIECE)) > 0) {
		im->text.len += (size_t)got;
		if (im->text.len > PEOPLE_FILE_MAX)
			break;
	}
	int failed = errno;
	if (fd != STDIN_FILENO)
		close(fd);
	if (got < 0)
		return ctl_fail("%s: %s", im->name, strerror(failed));
	if (im->text.len > PEOPLE_FILE_MAX)
		return ctl_fail("%s: larger than %zu MiB", im->name, PEOPLE_FILE_MAX >> 20);
	return 0;
}

static void
people_on_read(void *arg, size_t bytes)
{
	struct people_import *im = arg;

	progress_show(&im->progress, bytes, im->text.len);
}

static void
people_on_progress(void *arg, enum admin_import_step step, uint64_t done, uint64_t total)
{
	struct people_import *im = arg;

	if (step != im->step)
		progress_begin(&im->progress, step == ADMIN_IMPORT_CHECKING ? "checking" : "importing");
	im->step = step;
	progress_show(&im->progress, done, total);
}

static void
people_on_imported(void *arg, cJSON *json, const struct err *err)
{
	struct people_import *im = arg;

	ctl_on_result(&im->result, json, err);
}

static int
people_compare_complaints(const void *a, const void *b)
{
	const struct people_complaint *x = a, *y = b;

	return x->line < y->line ? -1 : x->line > y->line;
}

/* "file:12: city: not UTF-8", in the order of lines. */
static void
people_tell_complaints(struct people_import *im)
{
	size_t count = people_complaint_count(&im->people);

	if (count == 0)
		return;
	qsort(im->people.complaints.data, count, sizeof(struct people_complaint), people_compare_complaints);
	for (size_t i = 0; i < count && i < PEOPLE_TOLD_MAX; i++) {
		const struct people_complaint *c = people_complaint(&im->people, i);
		fprintf(stderr, "%s:%llu: %s\n", im->name, (unsigned long long)c->line, c->text);
	}
	if (count > PEOPLE_TOLD_MAX)
		fprintf(stderr, "%s: and %s%zu more\n", im->name, im->people.has_more ? "at least " : "",
			count - PEOPLE_TOLD_MAX);
}

/* Accounts that could not be written, one a line. */
static void
people_tell_failed(struct people_import *im, const cJSON *json)
{
	const cJSON *row;

	cJSON_ArrayForEach (row, cJSON_GetObjectItem(json, "failed"))
		fprintf(stderr, "%s:%.0f: %s: %s\n", im->name, output_number(row, "line"), output_text(row, "address"),
			output_text(row, "error"));
}

static void
people_print_result(struct people_import *im, cJSON *json)
{
	cJSON *list;

	if (!im->ctl->json) {
		if (people_complaint_count(&im->people) == 0)
			printf("%.0f accounts %sadded, %.0f %schanged\n", output_number(json, "added"),
			       im->dry_run ? "would be " : "", output_number(json, "changed"),
			       im->dry_run ? "would be " : "");
		cJSON_Delete(json);
		return;
	}
	list = cJSON_AddArrayToObject(json, "complaints");
	for (size_t i = 0; i < people_complaint_count(&im->people); i++) {
		cJSON *row = cJSON_CreateObject();
		cJSON_AddNumberToObject(row, "line", (double)people_complaint(&im->people, i)->line);
		cJSON_AddStringToObject(row, "error", people_complaint(&im->people, i)->text);
		cJSON_AddItemToArray(list, row);
	}
	cJSON_AddBoolToObject(json, "dry_run", im->dry_run);
	output_json(json);
}

static int
people_end_import(struct people_import *im, cJSON *json)
{
	size_t complaints = people_complaint_count(&im->people);
	double left = output_number(json, "left");
	int failed = cJSON_GetArraySize(cJSON_GetObjectItem(json, "failed"));

	if (!im->ctl->json) {
		people_tell_complaints(im);
		people_tell_failed(im, json);
	}
	people_print_result(im, json);
	if (complaints != 0)
		return ctl_fail("%s%zu errors in %s; nothing was imported", im->people.has_more ? "more than " : "",
				complaints, im->name);
	if (left != 0)
		return ctl_fail("%.0f accounts are not imported yet: run the command again", left);
	return failed != 0 ? ctl_fail("%d accounts were not imported", failed) : 0;
}

static int
people_run_import(struct people_import *im)
{
	cJSON *json;
	struct err err;

	/* What is wrong in the file itself is told without a cluster too. */
	if (people_count(&im->people) == 0) {
		json = cJSON_CreateObject();
		return people_end_import(im, json);
	}
	if (ctl_connect(im->ctl, &err) != 0)
		return ctl_fail("%s", err.text);
	ctl_directory(im->ctl);
	im->step = ADMIN_IMPORT_CHECKING;
	progress_begin(&im->progress, "checking");
	admin_import(&im->ctl->admin, &im->people, im->dry_run, people_on_progress, people_on_imported, im);
	json = ctl_await(im->ctl, &im->result);
	progress_end(&im->progress);
	return json == NULL ? 1 : people_end_import(im, json);
}

int
command_user_import(struct ctl *ctl, int argc, char **argv)
{
	struct people_import im = {
		.ctl = ctl, .dry_run = ctl_take_flag(&argc, argv, "--dry-run"), .result = CTL_RESULT};
	enum people_format format = PEOPLE_CSV;
	bool given = false, with_roles = ctl_take_flag(&argc, argv, "--with-roles");
	int status = 1;

	if (people_take_format(&argc, argv, &format, &given) != 0)
		return 1;
	if (argc != 1 || (strcmp(argv[0], "-") != 0 && ctl_has_unknown_option(argc, argv)))
		return ctl_usage("user import");
	im.name = argv[0];
	people_init(&im.people);
	im.people.with_roles = with_roles;
	if (people_read_file(&im) == 0) {
		progress_begin(&im.progress, "reading");
		people_read(&im.people, given ? format : people_guess_format(buf_str(&im.text)), buf_str(&im.text),
			    people_on_read, &im);
		progress_end(&im.progress);
		status = people_run_import(&im);
	}
	people_fini(&im.people);
	if (im.text.len != 0)
		OPENSSL_cleanse(im.text.data, im.text.len);
	buf_fini(&im.text);
	return status;
}

/* ---- Export ---- */
struct people_export {
	FILE *out;
	struct progress progress;
	struct ctl_result result;
};

static void
people_on_piece(void *arg, struct str piece, uint64_t done, uint64_t total)
{
	struct people_export *ex = arg;

	(void)fwrite(piece.p, 1, piece.len, ex->out); /* an error is found at the end */
	progress_show(&ex->progress, done, total);
}

static void
people_on_exported(void *arg, cJSON *json, const struct err *err)
{
	struct people_export *ex = arg;

	ctl_on_result(&ex->result, json, err);
}

/* Hashes of passwords are for the owner's eyes alone. */
static FILE *
people_open_output(const char *path)
{
	int fd;

	if (path == NULL)
		return stdout;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return fd < 0 ? NULL : fdopen(fd, "w");
}

static int
people_run_export(struct ctl *ctl, struct people_export *ex, struct str domain, enum people_format format,
		  bool with_passwords, const char *path)
{
	cJSON *json;

	ctl_directory(ctl);
	progress_begin(&ex->progress, "exporting");
	if (path == NULL)
		ex->progress.is_terminal = false; /* both would go to the terminal */
	admin_export(&ctl->admin, domain, format, with_passwords, people_on_piece, people_on_exported, ex);
	json = ctl_await(ctl, &ex->result);
	progress_end(&ex->progress);
	if (json == NULL)
		return 1;
	if (format == PEOPLE_CSV && output_number(json, "photos") != 0)
		fprintf(stderr,
			"stagepost: CSV has no photos: those of %.0f accounts are not in it (--format ldif has them)\n",
			output_number(json, "photos"));
	if (path != NULL)
		output_record(ctl, json);
	else
		cJSON_Delete(json);
	return 0;
}

int
command_user_export(struct ctl *ctl, int argc, char **argv)
{
	struct people_export ex = {.result = CTL_RESULT};
	enum people_format format = PEOPLE_CSV;
	bool given, with_passwords = !ctl_take_flag(&argc, argv, "--no-passwords");
	const char *path = NULL;
	struct err err;
	int status;

	if (ctl_take_option(&argc, argv, "--output", &path) != 0)
		return ctl_fail("--output needs a value");
	if (people_take_format(&argc, argv, &format, &given) != 0 || ctl_has_unknown_option(argc, argv))
		return 1;
	if (argc > 1)
		return ctl_usage("user export");
	if (ctl_connect(ctl, &err) != 0)
		return ctl_fail("%s", err.text);
	ex.out = people_open_output(path);
	if (ex.out == NULL)
		return ctl_fail("%s: %s", path, strerror(errno));
	status = people_run_export(ctl, &ex, argc == 1 ? str_c(argv[0]) : STR_NONE, format, with_passwords, path);
	bool broken = fflush(ex.out) != 0 || ferror(ex.out) || (path != NULL && fclose(ex.out) != 0);
	if (path != NULL && (status != 0 || broken))
		unlink(path); /* half of them would pass for all */
	if (status == 0 && broken)
		return ctl_fail("%s: %s", path != NULL ? path : "standard output", strerror(errno));
	return status;
}
