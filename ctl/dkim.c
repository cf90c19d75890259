/* The command domain dkim: creates keys, lists them with their records, rotates them. */
#include <stdio.h>
#include <string.h>

#include "ctl/commands.h"
#include "ctl/output.h"
#include "lib/admin/accounts.h"
#include "lib/directory/directory.h"

struct options {
	char domain[DIRECTORY_DOMAIN_MAX];
	const char *selector; /* NULL: not given */
	enum dkim_algorithm algorithm;
	bool has_algorithm;
	bool inactive, activate, delete;
};

static int
dkim_take_options(int *argc, char **argv, struct options *o)
{
	const char *algorithm = NULL;

	memset(o, 0, sizeof(*o));
	o->inactive = ctl_take_flag(argc, argv, "--inactive");
	o->activate = ctl_take_flag(argc, argv, "--activate");
	o->delete = ctl_take_flag(argc, argv, "--delete");
	if (ctl_take_option(argc, argv, "--selector", &o->selector) != 0 ||
	    ctl_take_option(argc, argv, "--algorithm", &algorithm) != 0)
		return ctl_usage("domain dkim");
	if (ctl_has_unknown_option(*argc, argv))
		return 1;
	if (*argc != 1 || o->inactive + o->activate + o->delete > 1 ||
	    ((o->activate || o->delete) && o->selector == NULL))
		return ctl_usage("domain dkim");
	o->has_algorithm = algorithm != NULL;
	if (algorithm != NULL && !dkim_algorithm_parse(str_c(algorithm), &o->algorithm))
		return ctl_fail("--algorithm must be rsa or ed25519");
	if (!directory_canonical_domain(str_c(argv[0]), o->domain))
		return ctl_fail("'%s' is not a domain", argv[0]);
	return 0;
}

static void
dkim_print(const struct ctl *ctl, cJSON *list)
{
	const cJSON *o;

	if (ctl->json) {
		output_json(list);
		return;
	}
	cJSON_ArrayForEach (o, list)
		printf("; selector %s, %s, %s\n%s\n", output_text(o, "selector"), output_text(o, "algorithm"),
		       output_text(o, "state"), output_text(o, "zone_line"));
	cJSON_Delete(list);
}

/* NULL after an error message. */
static cJSON *
dkim_read_list(struct ctl *ctl, const struct options *o)
{
	const struct admin_dkim_choice choice = {.selector = str_c(o->selector),
						 .algorithm = o->algorithm,
						 .any_algorithm = !o->has_algorithm || o->selector != NULL};
	struct ctl_result r = CTL_RESULT;

	admin_dkim_list(&ctl->admin, str_c(o->domain), &choice, ctl_on_result, &r);
	return ctl_await(ctl, &r);
}

/* Prints the keys, after creating a requested one that does not exist. */
static int
dkim_show_or_make(struct ctl *ctl, const struct options *o)
{
	cJSON *list = dkim_read_list(ctl, o);
	struct ctl_wait w = CTL_WAIT;

	if (list == NULL)
		return 1;
	if (cJSON_GetArraySize(list) == 0) {
		cJSON_Delete(list);
		admin_dkim_make(&ctl->admin, str_c(o->domain), str_c(o->selector), o->algorithm, !o->inactive,
				ctl_on_done, &w);
		if (ctl_await_done(ctl, &w) != 0 || (list = dkim_read_list(ctl, o)) == NULL)
			return 1;
	} else if (o->has_algorithm && o->selector != NULL &&
		   strcmp(output_text(cJSON_GetArrayItem(list, 0), "algorithm"), dkim_algorithm_name(o->algorithm)) !=
			   0) {
		cJSON_Delete(list);
		return ctl_fail("selector %s has a key of another algorithm", o->selector);
	}
	dkim_print(ctl, list);
	return 0;
}

int
command_domain_dkim(struct ctl *ctl, int argc, char **argv)
{
	struct ctl_wait w = CTL_WAIT;
	struct options o;
	struct err err;

	if (dkim_take_options(&argc, argv, &o) != 0)
		return 1;
	if (ctl_connect(ctl, &err) != 0)
		return ctl_fail("%s", err.text);
	ctl_dkim(ctl);
	if (o.activate)
		admin_dkim_activate(&ctl->admin, str_c(o.domain), str_c(o.selector), ctl_on_done, &w);
	else if (o.delete)
		admin_dkim_delete(&ctl->admin, str_c(o.domain), str_c(o.selector), ctl_on_done, &w);
	else
		return dkim_show_or_make(ctl, &o);
	return ctl_await_done(ctl, &w);
}
