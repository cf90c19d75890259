/* The commands queue list and queue summary. */
#include <stdio.h>
#include <string.h>

#include "ctl/brokers.h"
#include "ctl/commands.h"
#include "ctl/message.h"
#include "ctl/output.h"
#include "ctl/queue_filter.h"
#include "lib/admin/queue.h"
#include "lib/base/clock.h"
#include "lib/spool/id.h"

enum { DEFAULT_LIMIT = 100, SUMMARY_LIMIT = 40 };

/* Connects; NULL after an error message. */
static struct admin_brokers *
list_open(struct ctl *ctl)
{
	struct err err;

	if (ctl_connect(ctl, &err) == 0)
		return brokers_get(ctl);
	ctl_fail("%s", err.text);
	return NULL;
}

/* The options of both commands. 0, or the exit status. */
static int
list_take_options(const char *name, int argc, char **argv, Stagepost__QueueFilter *filter, uint64_t *limit)
{
	const char *text = NULL;
	bool any;

	if (queue_filter_take(name, &argc, argv, filter, &any) != 0)
		return 1;
	if (ctl_take_option(&argc, argv, "--limit", &text) != 0 || ctl_has_unknown_option(argc, argv) || argc != 0)
		return ctl_usage(name);
	return text != NULL ? ctl_number("--limit", text, limit) : 0;
}

/* ---- list: pages, printed as they arrive ---- */
struct listing {
	struct ctl *ctl;
	struct admin_brokers *brokers;
	Stagepost__QueueFilter filter;
	char after[SPOOL_ID_MAX]; /* empty: everything was shown */
	uint64_t limit, shown;
	cJSON *list; /* owner; NULL: printed as they arrive */
};

static void
list_show_page(struct listing *l, cJSON *messages)
{
	cJSON *m;

	while ((m = cJSON_DetachItemFromArray(messages, 0)) != NULL) {
		l->shown++;
		if (l->list != NULL) {
			cJSON_AddItemToArray(l->list, m);
			continue;
		}
		message_print_listed(m);
		cJSON_Delete(m);
	}
}

static int
queue_list_run(struct listing *l)
{
	do {
		struct ctl_result r = CTL_RESULT;

		admin_queue_list(l->brokers, &l->filter, l->after, l->limit - l->shown, ctl_on_result, &r);
		if (ctl_await(l->ctl, &r) == NULL)
			return 1;
		brokers_tell_missing(l->ctl, r.json);
		str_copy(str_c(output_text(r.json, "next")), l->after, sizeof(l->after));
		list_show_page(l, cJSON_GetObjectItem(r.json, "messages"));
		cJSON_Delete(r.json);
	} while (l->after[0] != '\0' && l->shown < l->limit);
	return 0;
}

int
command_queue_list(struct ctl *ctl, int argc, char **argv)
{
	struct listing l = {.ctl = ctl, .limit = DEFAULT_LIMIT};

	if (list_take_options("queue list", argc, argv, &l.filter, &l.limit) != 0)
		return 1;
	if ((l.brokers = list_open(ctl)) == NULL)
		return 1;
	l.list = ctl->json ? cJSON_CreateArray() : NULL;
	if (l.limit != 0 && queue_list_run(&l) != 0)
		return 1;
	if (l.list != NULL)
		output_json(l.list);
	else if (l.after[0] != '\0')
		fprintf(stderr, "(the first %llu; --limit N for more)\n", (unsigned long long)l.limit);
	return ctl->is_partial ? 1 : 0;
}

/* ---- The summary ---- */
static void
summary_print_line(const cJSON *line, int64_t now_ms)
{
	const char *answer = output_text(line, "answer");
	double next_ms = output_number(line, "next_try_ms");
	char next[32] = "-";

	if (next_ms != 0)
		snprintf(next, sizeof(next), "%.0f s", (next_ms - (double)now_ms) / 1000);
	if (answer[0] == '\0')
		answer = cJSON_IsTrue(cJSON_GetObjectItem(line, "throttled"))
				 ? "waits because of the limits in settings:destination"
				 : "";
	printf("%-40s %8.0f %8.0f %8.0f %8.0f %9.0f s %10s  %s\n", output_text(line, "destination"),
	       output_number(line, "queued"), output_number(line, "active"), output_number(line, "deferred"),
	       output_number(line, "held"), output_number(line, "oldest_age_ms") / 1000, next, answer);
}

static void
summary_print(const cJSON *summary)
{
	const cJSON *line, *lines = cJSON_GetObjectItem(summary, "destinations");
	double all = output_number(summary, "count");
	int64_t now_ms = clock_unix_ms();

	printf("%-40s %8s %8s %8s %8s %11s %10s  %s\n", "DESTINATION", "QUEUED", "ACTIVE", "DEFERRED", "HELD", "OLDEST",
	       "NEXT TRY", "LAST ANSWER");
	cJSON_ArrayForEach (line, lines)
		summary_print_line(line, now_ms);
	if (cJSON_GetArraySize(lines) < all)
		fprintf(stderr, "(%d of %.0f; --limit N for more)\n", cJSON_GetArraySize(lines), all);
}

/* Scripts get the time of the next try only as a date. */
static void
summary_print_json(cJSON *summary)
{
	cJSON *line, *lines = cJSON_DetachItemFromObject(summary, "destinations");

	cJSON_ArrayForEach (line, lines)
		cJSON_DeleteItemFromObject(line, "next_try_ms");
	output_json(lines);
}

int
command_queue_summary(struct ctl *ctl, int argc, char **argv)
{
	uint64_t limit = ctl->json ? UINT32_MAX : SUMMARY_LIMIT;
	struct ctl_result r = CTL_RESULT;
	Stagepost__QueueFilter filter;
	struct admin_brokers *b;

	if (list_take_options("queue summary", argc, argv, &filter, &limit) != 0)
		return 1;
	if ((b = list_open(ctl)) == NULL)
		return 1;
	admin_queue_summary(b, &filter, limit, ctl_on_result, &r);
	if (ctl_await(ctl, &r) == NULL)
		return 1;
	brokers_tell_missing(ctl, r.json);
	if (ctl->json)
		summary_print_json(r.json);
	else
		summary_print(r.json);
	cJSON_Delete(r.json);
	return ctl->is_partial ? 1 : 0;
}
