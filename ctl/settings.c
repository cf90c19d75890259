/* The commands settings list|describe|get|set|unset|check|reference. */
#include "lib/settings/settings.h"

#include <stdio.h>

#include "ctl/commands.h"
#include "ctl/output.h"
#include "lib/admin/settings.h"
#include "lib/base/buf.h"

static int
settings_connect(struct ctl *ctl)
{
	struct err err;
	return ctl_connect(ctl, &err) == 0 ? 0 : ctl_fail("%s", err.text);
}

static void
settings_print(const cJSON *list)
{
	const cJSON *o;

	cJSON_ArrayForEach (o, list) {
		const char *state = !cJSON_IsTrue(cJSON_GetObjectItem(o, "set")) ? ""
				    : cJSON_IsTrue(cJSON_GetObjectItem(o, "good"))
					    ? "   (set)"
					    : "   (stored value is bad; see stagepost settings check)";
		printf("%s=%s%s%s\n", output_text(o, "name"), output_text(o, "value"), state,
		       cJSON_IsTrue(cJSON_GetObjectItem(o, "planned")) ? "   (planned: not used yet)" : "");
	}
}

int
command_settings_list(struct ctl *ctl, int argc, char **argv)
{
	struct ctl_result r = CTL_RESULT;

	if (ctl_has_unknown_option(argc, argv) || settings_connect(ctl) != 0)
		return 1;
	if (argc > 1)
		return ctl_usage("settings list");
	admin_settings_list(&ctl->admin, argc == 1 ? argv[0] : NULL, ctl_on_result, &r);
	if (ctl_await(ctl, &r) == NULL)
		return 1;
	if (ctl->json) {
		output_json(r.json);
		return 0;
	}
	settings_print(r.json);
	cJSON_Delete(r.json);
	return 0;
}

int
command_settings_describe(struct ctl *ctl, int argc, char **argv)
{
	struct err err;
	cJSON *o;

	if (argc != 1)
		return ctl_usage("settings describe");
	o = admin_settings_describe(argv[0], &err);
	if (o == NULL)
		return ctl_fail("%s", err.text);
	output_record(ctl, o);
	return 0;
}

int
command_settings_get(struct ctl *ctl, int argc, char **argv)
{
	struct ctl_result r = CTL_RESULT;
	struct err err;

	if (argc != 1)
		return ctl_usage("settings get");
	if (admin_settings_check_name(str_c(argv[0]), &err) != 0)
		return ctl_fail("%s", err.text);
	if (settings_connect(ctl) != 0)
		return 1;
	admin_settings_get(&ctl->admin, argv[0], ctl_on_result, &r);
	if (ctl_await(ctl, &r) == NULL)
		return 1;
	printf("%s\n", output_text(r.json, "value"));
	cJSON_Delete(r.json);
	return 0;
}

int
command_settings_set(struct ctl *ctl, int argc, char **argv)
{
	struct ctl_wait w = CTL_WAIT;
	struct admin_setting *settings;
	struct err err;

	if (argc < 1)
		return ctl_usage("settings set");
	settings = arena_array(&ctl->arena, struct admin_setting, (size_t)argc);
	for (int i = 0; i < argc; i++) {
		struct admin_setting *s = &settings[i];
		if (!output_cut_field(argv[i], &s->name, &s->value))
			return ctl_fail("'%s' is not GROUP.FIELD=VALUE", argv[i]);
		if (admin_settings_check_name(s->name, &err) != 0)
			return ctl_fail("%s", err.text);
		if (admin_settings_check_value(s, &err) != 0)
			return ctl_fail("%.*s: %s", STR_ARG(s->name), err.text);
	}
	if (settings_connect(ctl) != 0)
		return 1;
	admin_settings_set(&ctl->admin, settings, (size_t)argc, ctl_on_done, &w);
	return ctl_await_done(ctl, &w);
}

int
command_settings_unset(struct ctl *ctl, int argc, char **argv)
{
	struct ctl_wait w = CTL_WAIT;
	struct str *names;

	if (argc < 1)
		return ctl_usage("settings unset");
	if (settings_connect(ctl) != 0)
		return 1;
	names = arena_array(&ctl->arena, struct str, (size_t)argc);
	for (int i = 0; i < argc; i++)
		names[i] = str_c(argv[i]);
	admin_settings_unset(&ctl->admin, names, (size_t)argc, ctl_on_done, &w);
	return ctl_await_done(ctl, &w);
}

static void
settings_print_findings(const cJSON *list, const char *what)
{
	const cJSON *o;

	cJSON_ArrayForEach (o, list)
		printf("%s: %s: %s\n", what, output_text(o, "name"), output_text(o, "text"));
}

int
command_settings_check(struct ctl *ctl, int argc, char **argv)
{
	struct ctl_result r = CTL_RESULT;
	const cJSON *errors;
	int status;

	if (ctl_has_unknown_option(argc, argv) || argc != 0)
		return ctl_usage("settings check");
	if (settings_connect(ctl) != 0)
		return 1;
	ctl_directory(ctl);
	admin_settings_check(&ctl->admin, ctl_on_result, &r);
	if (ctl_await(ctl, &r) == NULL)
		return 1;
	errors = cJSON_GetObjectItem(r.json, "errors");
	settings_print_findings(errors, "error");
	settings_print_findings(cJSON_GetObjectItem(r.json, "warnings"), "warning");
	status = cJSON_GetArraySize(errors) == 0 ? 0 : 1;
	cJSON_Delete(r.json);
	return status;
}

int
command_settings_reference(struct ctl *ctl, int argc, char **argv)
{
	struct buf page = BUF_EMPTY;

	(void)ctl, (void)argc, (void)argv;
	settings_reference(&page);
	fwrite(page.data, 1, page.len, stdout);
	buf_fini(&page);
	return 0;
}
