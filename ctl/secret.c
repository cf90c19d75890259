/* The commands secret list and secret rotate. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "ctl/commands.h"
#include "ctl/output.h"
#include "ctl/progress.h"
#include "ctl/secret_file.h"
#include "lib/admin/secrets.h"
#include "lib/secret/seal.h"

struct secret_run {
	struct ctl_result result; /* first: see ctl_on_result() */
	struct progress progress;
};

static void
secret_on_examined(void *arg, uint64_t examined)
{
	struct secret_run *run = arg;

	progress_show(&run->progress, examined, 0);
}

/* The keys of the environment, or of the cluster of --dir, to which ctl is connected.
 * NULL with ERR_NONE: there are none. */
static struct secret_keys *
secret_find_keys(struct ctl *ctl, struct err *err)
{
	const char *given = getenv("STAGEPOST_SECRET_KEY");
	char path[LAYOUT_PATH_MAX], text[SECRET_FILE_KEY_MAX];

	err->code = ERR_NONE;
	if (given != NULL && given[0] != '\0')
		return secret_keys_new(str_c(given), err);
	if (ctl->layout.dir[0] == '\0')
		return NULL; /* a store by its URL */
	layout_path(&ctl->layout, "tls/secret.key", path);
	if (secret_file_read(path, text, sizeof(text), err) == 0)
		return secret_keys_new(str_c(text), err);
	if (err->code == ERR_NOT_FOUND)
		err->code = ERR_NONE;
	return NULL;
}

/* ---- What was found ---- */

static void
secret_print_places(const cJSON *result)
{
	const cJSON *place, *count;

	cJSON_ArrayForEach (place, cJSON_GetObjectItem(result, "places")) {
		const char *between = " ";
		printf("%-40s", output_text(place, "place"));
		cJSON_ArrayForEach (count, cJSON_GetObjectItem(place, "keys")) {
			printf("%s%s: %.0f", between, count->string, count->valuedouble);
			between = ", ";
		}
		printf("%s\n", cJSON_GetArraySize(cJSON_GetObjectItem(place, "keys")) == 0 ? " none" : "");
	}
}

static void
secret_print_unreadable(const cJSON *result)
{
	const cJSON *one;

	cJSON_ArrayForEach (one, cJSON_GetObjectItem(result, "unreadable"))
		printf("cannot be opened: %s %s: %s\n", output_text(one, "key"), output_text(one, "field"),
		       output_text(one, "error"));
}

static void
secret_print(const cJSON *result, bool rotates, bool is_dry)
{
	const char *current = output_text(result, "current");

	secret_print_places(result);
	secret_print_unreadable(result);
	if (cJSON_GetObjectItem(result, "current") == NULL)
		printf("STAGEPOST_SECRET_KEY is not set here, so nothing was opened\n");
	else if (rotates)
		printf("%.0f sealed anew with key '%s'; %.0f left with other keys\n", output_number(result, "resealed"),
		       current, output_number(result, "old"));
	else
		printf("%.0f of %.0f are sealed with a key other than the first one, '%s'%s\n",
		       output_number(result, "old"), output_number(result, "examined"), current,
		       is_dry ? "; nothing was changed" : "");
}

/* ---- The commands ---- */

/* NULL after an error message. */
static cJSON *
secret_examine(struct ctl *ctl, bool rotates)
{
	struct secret_run run = {.result = CTL_RESULT};
	struct secret_keys *keys;
	struct err err;
	cJSON *result;

	if (ctl_connect(ctl, &err) != 0) {
		ctl_fail("%s", err.text);
		return NULL;
	}
	keys = secret_find_keys(ctl, &err);
	if (err.code != ERR_NONE) {
		ctl_fail("%s", err.text);
		return NULL;
	}
	ctl->admin.seals = keys;
	progress_begin(&run.progress, rotates ? "sealing anew" : "reading");
	admin_secrets(&ctl->admin, rotates, secret_on_examined, ctl_on_result, &run);
	result = ctl_await(ctl, &run.result);
	progress_end(&run.progress);
	ctl->admin.seals = NULL;
	secret_keys_free(&keys);
	return result;
}

static int
secret_tell(const struct ctl *ctl, cJSON *result, bool rotates, bool is_dry)
{
	bool is_whole =
		output_number(result, "unreadable_count") == 0 && (!rotates || output_number(result, "old") == 0);

	if (ctl->json) {
		output_json(result);
	} else {
		secret_print(result, rotates, is_dry);
		cJSON_Delete(result);
	}
	return is_whole ? 0 : 1;
}

int
command_secret_list(struct ctl *ctl, int argc, char **argv)
{
	cJSON *result;

	if (ctl_has_unknown_option(argc, argv))
		return 1;
	if (argc != 0)
		return ctl_usage("secret list");
	result = secret_examine(ctl, false);
	return result != NULL ? secret_tell(ctl, result, false, false) : 1;
}

int
command_secret_rotate(struct ctl *ctl, int argc, char **argv)
{
	bool is_dry = ctl_take_flag(&argc, argv, "--dry-run");
	cJSON *result;

	if (ctl_has_unknown_option(argc, argv))
		return 1;
	if (argc != 0)
		return ctl_usage("secret rotate");
	result = secret_examine(ctl, !is_dry);
	return result != NULL ? secret_tell(ctl, result, !is_dry, is_dry) : 1;
}
