/* The tls-report commands: what was counted, and the reports made from it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/commands.h"
#include "ctl/output.h"
#include "lib/base/clock.h"
#include "lib/directory/directory.h"
#include "lib/redis/keys.h"
#include "lib/settings/settings.h"
#include "lib/tlspolicy/report.h"
#include "lib/tlspolicy/tally.h"

struct subject {
	char day[TALLY_DAY_MAX];
	int64_t start_ms;
	char domain[DIRECTORY_DOMAIN_MAX];
};

/* DAY, and DOMAIN if one is required. */
static int
take_subject(struct ctl *ctl, const char *command, int argc, char **argv, bool has_domain, struct subject *s)
{
	struct err err;

	if (ctl_has_unknown_option(argc, argv))
		return 1;
	if (argc != (has_domain ? 2 : 1))
		return ctl_usage(command);
	if (strcmp(argv[0], "today") == 0)
		tally_day(clock_unix_ms(), s->day);
	else if (strcmp(argv[0], "yesterday") == 0)
		tally_day(clock_unix_ms() - TALLY_DAY_MS, s->day);
	else
		str_copy(str_c(argv[0]), s->day, sizeof(s->day));
	if (!tally_day_parse(str_c(s->day), &s->start_ms) || strlen(argv[0]) >= TALLY_DAY_MAX)
		return ctl_fail("'%s' is not a day (2026-11-24, today, yesterday)", argv[0]);
	if (has_domain && !directory_canonical_domain(str_c(argv[1]), s->domain))
		return ctl_fail("'%s' is not a domain", argv[1]);
	return ctl_connect(ctl, &err) == 0 ? 0 : ctl_fail("%s", err.text);
}

/* A command on a key of the day, or of a domain's day; NULL after an error message. */
static redisReply *
tls_report_ask(struct ctl *ctl, const struct subject *s, const char *verb, enum redis_key row, const char *arg)
{
	const struct str parts[] = {str_c(s->day), str_c(s->domain)};
	const char *key = redis_key_of(&ctl->arena, row, parts, row == KEY_TLSRPT_DONE ? 1 : 2).p;
	struct err err;
	redisReply *reply = ctl_redis(ctl, &err, verb, key, arg, NULL);

	if (reply == NULL)
		ctl_fail("%s", err.text);
	return reply;
}

static cJSON *
report_of(const struct tls_report_head *head, const redisReply *counts)
{
	cJSON *report = tls_report_new(head);

	for (size_t i = 0; i + 1 < counts->elements; i += 2)
		tls_report_add(report, redis_str(counts->element[i]), (uint64_t)redis_i64(counts->element[i + 1], 0));
	return report;
}

/* ---- list ---- */
static double
tls_report_sum(const cJSON *report, const char *name)
{
	const cJSON *policy;
	double total = 0;

	cJSON_ArrayForEach (policy, cJSON_GetObjectItem(report, "policies"))
		total += output_number(cJSON_GetObjectItem(policy, "summary"), name);
	return total;
}

static int
add_line(struct ctl *ctl, struct subject *s, cJSON *list, struct str domain, const char *state)
{
	static const struct tls_report_head none = {"", "", "", 0};
	cJSON *line, *report;
	redisReply *counts;

	str_copy(domain, s->domain, sizeof(s->domain));
	counts = tls_report_ask(ctl, s, "HGETALL", KEY_TLSRPT_COUNTS, NULL);
	if (counts == NULL)
		return 1;
	report = report_of(&none, counts);
	line = cJSON_CreateObject();
	cJSON_AddStringToObject(line, "domain", s->domain);
	cJSON_AddNumberToObject(line, "successful", tls_report_sum(report, "total-successful-session-count"));
	cJSON_AddNumberToObject(line, "failed", tls_report_sum(report, "total-failure-session-count"));
	cJSON_AddStringToObject(line, "report", state);
	cJSON_AddItemToArray(list, line);
	cJSON_Delete(report);
	freeReplyObject(counts);
	return 0;
}

static int
add_lines(struct ctl *ctl, struct subject *s, cJSON *list, const redisReply *due, const redisReply *done)
{
	char when[CLOCK_ISO8601_MAX], state[CLOCK_ISO8601_MAX + 8];

	for (size_t i = 0; i + 1 < due->elements; i += 2) {
		clock_iso8601((int64_t)strtod(due->element[i + 1]->str, NULL), when, sizeof(when));
		snprintf(state, sizeof(state), "due %s", when);
		if (add_line(ctl, s, list, redis_str(due->element[i]), state) != 0)
			return 1;
	}
	for (size_t i = 0; i + 1 < done->elements; i += 2)
		if (add_line(ctl, s, list, redis_str(done->element[i]), done->element[i + 1]->str) != 0)
			return 1;
	return 0;
}

static void
print_list(const struct ctl *ctl, cJSON *list)
{
	const cJSON *line;

	if (ctl->json) {
		output_json(list);
		return;
	}
	cJSON_ArrayForEach (line, list)
		printf("%-40s %8.0f ok %8.0f failed  %s\n", output_text(line, "domain"),
		       output_number(line, "successful"), output_number(line, "failed"), output_text(line, "report"));
	cJSON_Delete(list);
}

static int
list_day(struct ctl *ctl, struct subject *s, cJSON *list)
{
	const char *key = redis_key(&ctl->arena, KEY_TLSRPT_DUE, str_c(s->day)).p;
	redisReply *due, *done;
	struct err err;
	int status = 1;

	due = ctl_redis(ctl, &err, "ZRANGE", key, "0", "-1", "WITHSCORES", NULL);
	if (due == NULL)
		return ctl_fail("%s", err.text);
	done = tls_report_ask(ctl, s, "HGETALL", KEY_TLSRPT_DONE, NULL);
	if (done != NULL) {
		status = add_lines(ctl, s, list, due, done);
		freeReplyObject(done);
	}
	freeReplyObject(due);
	return status;
}

int
command_tls_report_list(struct ctl *ctl, int argc, char **argv)
{
	struct subject s;
	cJSON *list;

	if (take_subject(ctl, "tls-report list", argc, argv, false, &s) != 0)
		return 1;
	list = cJSON_CreateArray();
	if (list_day(ctl, &s, list) != 0) {
		cJSON_Delete(list);
		return 1;
	}
	print_list(ctl, list);
	return 0;
}

/* ---- show ---- */
/* Filled in as the workers do, from the settings and the cluster's hostname. */
static int
fill_head(struct ctl *ctl, const struct subject *s, struct tls_report_head *head)
{
	const struct settings_smtp_out *o = settings_smtp_out(settings_current(ctl_settings(ctl)), STR_NONE);
	struct tls_reporting *who = arena_new(&ctl->arena, struct tls_reporting);
	const char *hostname = *ctl->layout.hostname != '\0' ? ctl->layout.hostname : "localhost";
	redisReply *id;

	if (!tls_reporting_fill(who, o->tls_report_from, o->tls_report_organization, o->tls_report_contact, hostname))
		return ctl_fail("the setting smtp-out.tls_report_from is not an address");
	id = tls_report_ask(ctl, s, "HGET", KEY_TLSRPT_PLAN, "id");
	if (id == NULL)
		return 1;
	head->id = id->type == REDIS_REPLY_STRING ? arena_printf(&ctl->arena, "%s@%s", id->str, who->domain)
						  : "not made yet";
	head->organization = who->organization;
	head->contact = who->contact;
	head->start_ms = s->start_ms;
	freeReplyObject(id);
	return 0;
}

int
command_tls_report_show(struct ctl *ctl, int argc, char **argv)
{
	struct tls_report_head head;
	redisReply *counts;
	struct subject s;
	cJSON *report;
	int status = 0;

	if (take_subject(ctl, "tls-report show", argc, argv, true, &s) != 0 || fill_head(ctl, &s, &head) != 0)
		return 1;
	counts = tls_report_ask(ctl, &s, "HGETALL", KEY_TLSRPT_COUNTS, NULL);
	if (counts == NULL)
		return 1;
	report = report_of(&head, counts);
	freeReplyObject(counts);
	if (tls_report_is_empty(report)) {
		cJSON_Delete(report);
		status = ctl_fail("no TLS sessions of %s were counted on %s", s.domain, s.day);
	} else {
		output_json(report);
	}
	return status;
}

/* ---- send ---- */
int
command_tls_report_send(struct ctl *ctl, int argc, char **argv)
{
	redisReply *reply;
	struct subject s;
	const char *key;
	struct err err;
	bool known;

	if (take_subject(ctl, "tls-report send", argc, argv, true, &s) != 0)
		return 1;
	reply = tls_report_ask(ctl, &s, "HGET", KEY_TLSRPT_DONE, s.domain);
	if (reply == NULL)
		return 1;
	known = reply->type == REDIS_REPLY_STRING;
	if (known)
		ctl_fail("the report is already done: %s", reply->str);
	freeReplyObject(reply);
	if (known)
		return 1;
	key = redis_key(&ctl->arena, KEY_TLSRPT_DUE, str_c(s.day)).p;
	reply = ctl_redis(ctl, &err, "ZSCORE", key, s.domain, NULL);
	if (reply == NULL)
		return ctl_fail("%s", err.text);
	known = reply->type == REDIS_REPLY_STRING;
	freeReplyObject(reply);
	if (!known)
		return ctl_fail("no TLS sessions of %s were counted on %s", s.domain, s.day);
	reply = ctl_redis(ctl, &err, "ZADD", key, "XX", "0", s.domain, NULL);
	if (reply == NULL)
		return ctl_fail("%s", err.text);
	freeReplyObject(reply);
	printf("it will be made within a few seconds\n");
	return 0;
}
