/* The commands retrieve add and once. */
#include <inttypes.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdio.h>

#include "ctl/commands.h"
#include "ctl/output.h"
#include "ctl/progress.h"
#include "ctl/retrieve.h"
#include "lib/base/clock.h"

enum { ONCE_POLL_MS = 250, ONCE_FAILURES = 3 };

static void
add_on_step(void *arg, const char *words)
{
	(void)arg;
	fprintf(stderr, "%s\n", words);
}

/* The call's own; the caller starts what the options say. */
typedef struct admin_call *add_order(struct admin *a, const struct admin_retrieve *wanted, bool tried,
				     admin_retrieve_on_step *on_step, admin_on_result *cb, void *arg);

/* The new account; NULL: after an error message. */
static cJSON *
add_run(struct ctl *ctl, const char *command, add_order *order, int argc, char **argv, struct retrieve_options *o)
{
	struct ctl_result r = CTL_RESULT;
	struct admin_retrieve wanted;
	struct err err;

	if (retrieve_take_options(&argc, argv, o) != 0 || ctl_has_unknown_option(argc, argv))
		return NULL;
	if (argc != 1) {
		ctl_usage(command);
		return NULL;
	}
	if (ctl_connect(ctl, &err) != 0 || ctl_seals(ctl, &err) != 0) {
		ctl_fail("%s", err.text);
		return NULL;
	}
	if (retrieve_get_token(ctl, o) != 0)
		return NULL;
	wanted = (struct admin_retrieve){.address = str_c(argv[0]),
					 .fields = o->fields,
					 .count = o->count,
					 .secret = str_c(o->secret),
					 .client_secret = str_c(o->client_secret)};
	order(&ctl->admin, &wanted, !o->not_tried, add_on_step, ctl_on_result, &r);
	return ctl_await(ctl, &r);
}

static cJSON *
add_do(struct ctl *ctl, const char *command, add_order *order, int argc, char **argv)
{
	struct retrieve_options o = {.count = 0};
	cJSON *account = add_run(ctl, command, order, argc, argv, &o);

	OPENSSL_cleanse(o.secret, sizeof(o.secret));
	OPENSSL_cleanse(o.client_secret, sizeof(o.client_secret));
	return account;
}

int
command_retrieve_add(struct ctl *ctl, int argc, char **argv)
{
	cJSON *account = add_do(ctl, "retrieve add", admin_retrieve_add, argc, argv);

	if (account == NULL)
		return 1;
	if (ctl->json) {
		output_json(account);
		return 0;
	}
	retrieve_print(account);
	cJSON_Delete(account);
	return 0;
}

/* ---- A move ---- */

static volatile sig_atomic_t once_interrupted;

static void
once_on_signal(int signal_number)
{
	(void)signal_number;
	once_interrupted = 1;
}

struct once {
	struct ctl *ctl;
	const char *address, *id; /* in the tool's arena */
	struct progress progress;
	int64_t begun_ms;
	double first_bytes; /* that were here when it began */
	double failures;    /* told so far */
};

static void
once_note(struct once *o, const cJSON *account)
{
	double bytes = output_number(account, "bytes"), total = output_number(account, "total_bytes");
	double seconds = (double)(clock_monotonic_ms() - o->begun_ms) / 1000, rate = (bytes - o->first_bytes) / seconds;
	int written = snprintf(o->progress.note, sizeof(o->progress.note), " messages, %.0f of %.0f MB", bytes / 1e6,
			       total / 1e6);

	if (seconds > 2 && rate > 0 && total > bytes && written > 0) {
		int64_t left_s = (int64_t)((total - bytes) / rate);

		snprintf(o->progress.note + written, sizeof(o->progress.note) - (size_t)written,
			 ", %" PRId64 ":%02" PRId64 " left", left_s / 60, left_s % 60);
	}
	progress_show(&o->progress, (uint64_t)output_number(account, "messages"),
		      (uint64_t)output_number(account, "total_messages"));
}

static cJSON *
once_look(struct once *o)
{
	struct ctl_result r = CTL_RESULT;

	admin_retrieve_show(&o->ctl->admin, str_c(o->address), str_c(o->id), ctl_on_result, &r);
	return ctl_await(o->ctl, &r);
}

/* It rests until the command is given again. */
static int
once_stop(struct once *o, const char *why)
{
	struct ctl_wait w = CTL_WAIT;

	progress_end(&o->progress);
	admin_retrieve_disable(&o->ctl->admin, str_c(o->address), str_c(o->id), ctl_on_done, &w);
	if (ctl_await_done(o->ctl, &w) != 0)
		return 1;
	return ctl_fail("%s; run the command again for the rest", why);
}

/* Trouble that is new is told. True: there has been too much of it. */
static bool
once_is_stuck(struct once *o, const cJSON *account)
{
	double failures = output_number(account, "failures");
	const char *text = output_text(account, "last_error");

	if (failures > o->failures && text[0] != '\0') {
		progress_end(&o->progress);
		fprintf(stderr, "%s\n", text);
	}
	o->failures = failures;
	return failures >= ONCE_FAILURES;
}

/* -1: go on; else the exit status. */
static int
once_judge(struct once *o, cJSON *account)
{
	struct str state = str_c(output_text(account, "state"));

	once_note(o, account);
	if (once_is_stuck(o, account))
		return once_stop(o, "it fails again and again");
	if (str_eq(state, STR("disabled"))) {
		progress_end(&o->progress);
		return ctl_fail("%s", output_text(account, "last_error")[0] != '\0' ? output_text(account, "last_error")
										    : "it was disabled");
	}
	if (!str_eq(state, STR("done")))
		return -1;
	progress_end(&o->progress);
	if (o->ctl->json)
		output_json(cJSON_Duplicate(account, true));
	else
		printf("%.0f messages, %.0f bytes are here\n", output_number(account, "messages"),
		       output_number(account, "bytes"));
	return 0;
}

static int
once_follow(struct once *o)
{
	int status = -1;

	while (status < 0) {
		int64_t until = clock_monotonic_ms() + ONCE_POLL_MS;
		cJSON *account = once_look(o);

		if (account == NULL)
			return 1;
		status = once_judge(o, account);
		cJSON_Delete(account);
		while (status < 0 && clock_monotonic_ms() < until && !once_interrupted)
			ctl_turn(o->ctl);
		if (status < 0 && once_interrupted)
			return once_stop(o, "interrupted");
	}
	return status;
}

int
command_retrieve_once(struct ctl *ctl, int argc, char **argv)
{
	struct sigaction stop = {.sa_handler = once_on_signal};
	struct once o = {.ctl = ctl, .begun_ms = clock_monotonic_ms()};
	cJSON *account;

	account = add_do(ctl, "retrieve once", admin_retrieve_once, argc, argv);
	if (account == NULL)
		return 1;
	o.address = arena_strdup(&ctl->arena, output_text(account, "address"));
	o.id = arena_strdup(&ctl->arena, output_text(account, "id"));
	o.first_bytes = output_number(account, "bytes");
	o.failures = output_number(account, "failures");
	cJSON_Delete(account);
	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	progress_begin(&o.progress, "retrieving");
	return once_follow(&o);
}
