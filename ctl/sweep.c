/* `stagepost sweep`: finds bodies that nothing refers to any more (lib/sweep/sweep.h),
 * at once and as fast as it can. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/commands.h"
#include "ctl/output.h"
#include "ctl/sweep.h"
#include "lib/base/clock.h"
#include "lib/blob/blob.h"
#include "lib/mailbox/mailbox.h"
#include "lib/redis/keys.h"
#include "lib/sweep/sweep.h"

#define DEFAULT_AGE_MS (INT64_C(24) * 3600 * 1000)

struct sweep_wait {
	bool done;
	struct sweep_figures figures;
	struct err err; /* code ERR_NONE: success */
};

static void
sweep_on_done(void *arg, const struct sweep_figures *figures, const struct err *err)
{
	struct sweep_wait *w = arg;

	w->done = true;
	w->figures = *figures;
	if (err != NULL)
		w->err = *err;
}

static void
sweep_tell(const struct sweep_figures *f, const struct sweep_options *o)
{
	printf("%llu bodies are referenced; %llu leaked ones (%llu bytes) %s", (unsigned long long)f->referred,
	       (unsigned long long)f->released, (unsigned long long)f->released_bytes,
	       o->dry_run ? "would be released" : "were released");
	if (f->in_doubt != 0)
		printf("; %llu more must be examined again by a sweep in %lld hours", (unsigned long long)f->in_doubt,
		       (long long)(o->suspect_ms / 3600000));
	printf("\n");
}

/* The holder of the lease is reported as "<process> <number>". */
static int
sweep_fail_by(const struct err *err)
{
	size_t len = strcspn(err->text, " ");

	if (err->code == ERR_EXISTS)
		return ctl_fail("%.*s sweeps already", (int)len, err->text);
	if (err->code == ERR_FENCED)
		return ctl_fail("another sweep has started; this one was given up");
	return ctl_fail("%s", err->text);
}

static int
ctl_sweep_run(struct ctl *ctl, const struct sweep_options *options)
{
	struct sweep_wait wait = {.done = false};
	struct sweep *s = sweep_start(options, sweep_on_done, &wait);

	while (!wait.done)
		event_base_loop(ctl->base, EVLOOP_ONCE);
	sweep_free(&s);
	if (wait.err.code == ERR_NONE || wait.figures.released != 0)
		sweep_tell(&wait.figures, options);
	return wait.err.code == ERR_NONE ? 0 : sweep_fail_by(&wait.err);
}

int
command_sweep(struct ctl *ctl, int argc, char **argv)
{
	struct sweep_options options = {.is_manual = true,
					.dry_run = ctl_take_flag(&argc, argv, "--dry-run"),
					.age_ms = DEFAULT_AGE_MS,
					.share = 100};
	const char *age = NULL;
	char name[120] = "tool@", *host = name + strlen(name);
	struct err err;

	if (ctl_take_option(&argc, argv, "--older-than", &age) != 0 || ctl_has_unknown_option(argc, argv) || argc != 0)
		return ctl_usage("sweep");
	if (age != NULL && ctl_duration("--older-than", age, &options.age_ms) != 0)
		return 1;
	options.suspect_ms = options.age_ms < SWEEP_SUSPECT_MS ? options.age_ms : SWEEP_SUSPECT_MS;
	if (gethostname(host, sizeof(name) - strlen(name) - 1) != 0)
		strcpy(host, "localhost");
	options.name = name;
	if (ctl_connect(ctl, &err) != 0 || (options.mailboxes = ctl_mailboxes(ctl, &err)) == NULL)
		return ctl_fail("%s", err.text);
	options.base = ctl->base;
	options.redis = ctl->redis;
	options.blobs = ctl->blobs;
	return ctl_sweep_run(ctl, &options);
}

/* ---- For `stagepost status` ---- */

static const char *
sweep_by(const cJSON *o)
{
	const char *by = output_text(o, "by");

	return by[0] != '\0' ? by : "unknown";
}

void
sweep_print(const cJSON *record)
{
	const cJSON *last = cJSON_GetObjectItem(record, "last"), *failed = cJSON_GetObjectItem(record, "failed");
	const cJSON *running = cJSON_GetObjectItem(record, "running");

	printf("sweep: ");
	if (last == NULL)
		printf("none has finished yet");
	else
		printf("the last one ended %.1f hours ago by %s: %.0f examined, %.0f released (%.0f bytes), %.0f in "
		       "doubt",
		       ((double)clock_unix_ms() - output_number(last, "end_ms")) / 3600000, sweep_by(last),
		       output_number(last, "examined"), output_number(last, "released"),
		       output_number(last, "released_bytes"), output_number(last, "in_doubt"));
	if (running != NULL)
		printf("; %s sweeps now: %.0f examined", sweep_by(running), output_number(running, "examined"));
	if (failed != NULL)
		printf("; one FAILED %.1f hours ago by %s: %s",
		       ((double)clock_unix_ms() - output_number(failed, "end_ms")) / 3600000, sweep_by(failed),
		       output_text(failed, "reason"));
	printf("\n");
}
