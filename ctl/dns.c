/* The command domain dns: what to publish for a domain, and whether it is published. */
#include <stdio.h>
#include <string.h>

#include "ctl/commands.h"
#include "ctl/output.h"
#include "lib/admin/dns.h"

static void
dns_print_notes(const cJSON *list)
{
	const cJSON *note;

	cJSON_ArrayForEach (note, cJSON_GetObjectItem(list, "notes"))
		printf("; %s\n", note->valuestring);
}

/* Fit for a zone file. */
static void
dns_print_zone(const cJSON *list)
{
	const cJSON *o;

	cJSON_ArrayForEach (o, cJSON_GetObjectItem(list, "records")) {
		const char *note = output_text(o, "note"), *line = output_text(o, "zone_line");

		if (line[0] == '\0')
			printf("; %s. needs %s\n", output_text(o, "name"), note);
		else if (note[0] != '\0')
			printf("; %s\n", note);
		if (line[0] != '\0')
			printf("%s\n", line);
	}
	dns_print_notes(list);
}

/* A line a record: "right    example.com. MX". What is not right is told below. */
static void
dns_print_check(const cJSON *list)
{
	const cJSON *o, *found;

	cJSON_ArrayForEach (o, cJSON_GetObjectItem(list, "records")) {
		const char *state = output_text(o, "state"), *problem = output_text(o, "problem");
		const char *line = output_text(o, "zone_line"), *note = output_text(o, "note");

		printf("%-8s %s. %s%s%s\n", state, output_text(o, "name"), output_text(o, "type"),
		       problem[0] != '\0' ? ": " : "", problem);
		if (strcmp(state, "right") == 0)
			continue;
		cJSON_ArrayForEach (found, cJSON_GetObjectItem(o, "found"))
			printf("         found: %s\n", found->valuestring);
		printf("         publish: %s\n", line[0] != '\0' ? line : note);
	}
	dns_print_notes(list);
}

static int
dns_print(const struct ctl *ctl, cJSON *list, bool checked)
{
	int status = checked && !cJSON_IsTrue(cJSON_GetObjectItem(list, "good"));

	if (ctl->json) {
		output_json(list);
		return status;
	}
	if (checked)
		dns_print_check(list);
	else
		dns_print_zone(list);
	cJSON_Delete(list);
	return status;
}

int
command_domain_dns(struct ctl *ctl, int argc, char **argv)
{
	bool checked = ctl_take_flag(&argc, argv, "--check");
	struct ctl_result r = CTL_RESULT;
	struct err err;

	if (ctl_has_unknown_option(argc, argv))
		return 1;
	if (argc != 1)
		return ctl_usage("domain dns");
	if (ctl_connect(ctl, &err) != 0 || ctl_hostname(ctl, &err) != 0 || (checked && ctl_dns(ctl, &err) == NULL))
		return ctl_fail("%s", err.text);
	ctl_directory(ctl);
	ctl_dkim(ctl);
	admin_domain_dns(&ctl->admin, str_c(argv[0]), checked, ctl_on_result, &r);
	if (ctl_await(ctl, &r) == NULL)
		return 1;
	return dns_print(ctl, r.json, checked);
}
