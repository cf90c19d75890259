/* The commands certificate list, renew and remove. */
#include <stdio.h>

#include "ctl/commands.h"
#include "ctl/output.h"
#include "lib/admin/certificates.h"

static void
acme_print(const cJSON *o)
{
	const cJSON *days = cJSON_GetObjectItem(o, "days_left");

	printf("%-40s %-10s", output_text(o, "name"), output_text(o, "state"));
	if (cJSON_IsNumber(days))
		printf(" ends %.10s (in %.0f days)", output_text(o, "ends"), days->valuedouble);
	if (*output_text(o, "problem") != '\0')
		printf(" %s", output_text(o, "problem"));
	if (*output_text(o, "next_try") != '\0')
		printf("; next try %.19sZ", output_text(o, "next_try"));
	if (cJSON_IsTrue(cJSON_GetObjectItem(o, "renewal_requested")))
		printf("; renewal requested");
	printf("\n");
}

int
command_certificate_list(struct ctl *ctl, int argc, char **argv)
{
	struct ctl_result r = CTL_RESULT;
	const cJSON *o;
	struct err err;
	cJSON *list;

	if (ctl_has_unknown_option(argc, argv) || argc != 0)
		return ctl_usage("certificate list");
	if (ctl_connect(ctl, &err) != 0)
		return ctl_fail("%s", err.text);
	admin_certificate_list(&ctl->admin, ctl_on_result, &r);
	list = ctl_await(ctl, &r);
	if (list == NULL)
		return 1;
	if (ctl->json) {
		output_json(list);
		return 0;
	}
	cJSON_ArrayForEach (o, list)
		acme_print(o);
	cJSON_Delete(list);
	return 0;
}

typedef struct admin_call *acme_order(struct admin *a, struct str name, admin_on_done *cb, void *arg);

static int
acme_run(struct ctl *ctl, const char *command, acme_order *order, int argc, char **argv)
{
	struct ctl_wait w = CTL_WAIT;
	struct err err;

	if (ctl_has_unknown_option(argc, argv))
		return 1;
	if (argc != 1)
		return ctl_usage(command);
	if (ctl_connect(ctl, &err) != 0)
		return ctl_fail("%s", err.text);
	order(&ctl->admin, str_c(argv[0]), ctl_on_done, &w);
	return ctl_await_done(ctl, &w);
}

int
command_certificate_renew(struct ctl *ctl, int argc, char **argv)
{
	return acme_run(ctl, "certificate renew", admin_certificate_renew, argc, argv);
}

int
command_certificate_remove(struct ctl *ctl, int argc, char **argv)
{
	return acme_run(ctl, "certificate remove", admin_certificate_remove, argc, argv);
}
