/* The commands token and user app-password, which share their shape, and user totp. */
#include <stdio.h>

#include "ctl/commands.h"
#include "ctl/output.h"
#include "lib/admin/credentials.h"
#include "lib/admin/totp.h"
#include "lib/base/clock.h"

static int
credentials_begin(struct ctl *ctl, const char *name, int argc, char **argv, int count)
{
	struct err err;

	if (ctl_has_unknown_option(argc, argv))
		return 1;
	if (argc != count)
		return ctl_usage(name);
	if (ctl_connect(ctl, &err) != 0)
		return ctl_fail("%s", err.text);
	ctl_directory(ctl);
	return 0;
}

static int
credentials_add(struct ctl *ctl, const char *command, enum credential_kind kind, int argc, char **argv)
{
	const char *name = NULL, *role = NULL, *expires = NULL;
	struct admin_credential wanted = {.kind = kind};
	struct ctl_result r = CTL_RESULT;
	int64_t lifetime_ms;

	if (ctl_take_option(&argc, argv, "--name", &name) != 0 ||
	    ctl_take_option(&argc, argv, "--expires", &expires) != 0 ||
	    (kind == CREDENTIAL_TOKEN && ctl_take_option(&argc, argv, "--role", &role) != 0) || name == NULL)
		return ctl_usage(command);
	if (expires != NULL && ctl_duration("--expires", expires, &lifetime_ms) != 0)
		return 1;
	if (credentials_begin(ctl, command, argc, argv, 1) != 0)
		return 1;
	wanted.name = str_c(name);
	wanted.role = str_c(role);
	wanted.ends_ms = expires != NULL ? clock_unix_ms() + lifetime_ms : 0;
	admin_credential_add(&ctl->admin, str_c(argv[0]), &wanted, ctl_on_result, &r);
	if (ctl_await(ctl, &r) == NULL)
		return 1;
	if (ctl->json) {
		output_json(r.json);
		return 0;
	}
	printf("%s\n", output_text(r.json, "secret"));
	cJSON_Delete(r.json);
	return 0;
}

static void
credentials_print_time(const cJSON *o, const char *name, const char *text, const char *otherwise)
{
	const cJSON *ms = cJSON_GetObjectItem(o, name);
	char time[CLOCK_ISO8601_MAX];

	if (cJSON_IsNumber(ms))
		clock_iso8601((int64_t)ms->valuedouble, time, sizeof(time));
	printf("  %s %s", text, cJSON_IsNumber(ms) ? time : otherwise);
}

static int
credentials_list(struct ctl *ctl, const char *command, enum credential_kind kind, int argc, char **argv)
{
	struct ctl_result r = CTL_RESULT;
	const cJSON *o;

	if (credentials_begin(ctl, command, argc, argv, 1) != 0)
		return 1;
	admin_credential_list(&ctl->admin, str_c(argv[0]), kind, ctl_on_result, &r);
	if (ctl_await(ctl, &r) == NULL)
		return 1;
	if (ctl->json) {
		output_json(r.json);
		return 0;
	}
	cJSON_ArrayForEach (o, r.json) {
		const char *role = output_text(o, "role");
		printf("%s", output_text(o, "id"));
		if (role[0] != '\0')
			printf("  %s", role);
		credentials_print_time(o, "created_ms", "made", "");
		credentials_print_time(o, "expires_ms", "ends", "never");
		credentials_print_time(o, "last_used_ms", "last used", "never");
		printf("  %s\n", output_text(o, "name"));
	}
	cJSON_Delete(r.json);
	return 0;
}

static int
credentials_delete(struct ctl *ctl, const char *command, enum credential_kind kind, int argc, char **argv)
{
	struct ctl_wait w = CTL_WAIT;

	if (credentials_begin(ctl, command, argc, argv, 2) != 0)
		return 1;
	admin_credential_remove(&ctl->admin, str_c(argv[0]), kind, str_c(argv[1]), ctl_on_done, &w);
	return ctl_await_done(ctl, &w);
}

int
command_token_add(struct ctl *ctl, int argc, char **argv)
{
	return credentials_add(ctl, "token add", CREDENTIAL_TOKEN, argc, argv);
}

int
command_token_list(struct ctl *ctl, int argc, char **argv)
{
	return credentials_list(ctl, "token list", CREDENTIAL_TOKEN, argc, argv);
}

int
command_token_delete(struct ctl *ctl, int argc, char **argv)
{
	return credentials_delete(ctl, "token delete", CREDENTIAL_TOKEN, argc, argv);
}

/* The third word of "user app-password add" and "user totp disable". */
static const char *
credentials_verb(int *argc, char ***argv)
{
	if (*argc == 0)
		return "";
	(*argc)--;
	return *(*argv)++;
}

int
command_user_totp(struct ctl *ctl, int argc, char **argv)
{
	struct str verb = str_c(credentials_verb(&argc, &argv));
	struct ctl_wait w = CTL_WAIT;

	if (!str_eq(verb, STR("disable")))
		return ctl_usage("user totp");
	if (credentials_begin(ctl, "user totp", argc, argv, 1) != 0)
		return 1;
	admin_totp_disable(&ctl->admin, str_c(argv[0]), ctl_on_done, &w);
	return ctl_await_done(ctl, &w);
}

int
command_user_app_password(struct ctl *ctl, int argc, char **argv)
{
	struct str verb = str_c(credentials_verb(&argc, &argv));

	if (str_eq(verb, STR("add")))
		return credentials_add(ctl, "user app-password", CREDENTIAL_APP, argc, argv);
	if (str_eq(verb, STR("list")))
		return credentials_list(ctl, "user app-password", CREDENTIAL_APP, argc, argv);
	if (str_eq(verb, STR("delete")))
		return credentials_delete(ctl, "user app-password", CREDENTIAL_APP, argc, argv);
	return ctl_usage("user app-password");
}
