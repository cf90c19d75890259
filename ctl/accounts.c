/* The commands domain, user and alias. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl/commands.h"
#include "ctl/output.h"
#include "ctl/photo.h"
#include "lib/admin/accounts.h"
#include "lib/directory/directory.h"

enum { FIELDS_MAX = 40, PASSWORD_MAX = 1024 };

/* ---- Shared code ---- */

/* Parses FIELD=VALUE, --FIELD=VALUE or --FIELD VALUE arguments into fields;
 * returns the count, or -1 after an error message. */
static int
accounts_take_fields(int argc, char **argv, struct directory_field fields[FIELDS_MAX])
{
	int count = 0;

	for (int i = 0; i < argc; i++) {
		struct directory_field *f = &fields[count];
		bool is_option = strncmp(argv[i], "--", 2) == 0;
		const char *arg = argv[i] + (is_option ? 2 : 0);

		if (count++ == FIELDS_MAX) {
			ctl_fail("at most %d fields", FIELDS_MAX);
			return -1;
		}
		if (output_cut_field(arg, &f->name, &f->value))
			continue;
		if (!is_option || i + 1 == argc) {
			ctl_fail("'%s' is not FIELD=VALUE", argv[i]);
			return -1;
		}
		f->name = str_c(arg);
		f->value = str_c(argv[++i]);
	}
	return count;
}

/* Requests a list and waits for it; the list is kept in the command's arena. */
struct names_wait {
	struct ctl_wait wait;
	struct ctl *ctl;
	struct str *names;
	unsigned count;
};

static void
accounts_on_names(void *arg, const struct str *names, unsigned count, const struct err *err)
{
	struct names_wait *w = arg;

	if (err == NULL) {
		w->names = arena_array(&w->ctl->arena, struct str, count + 1);
		for (unsigned i = 0; i < count; i++)
			w->names[i] = arena_str(&w->ctl->arena, names[i]);
		w->count = count;
	}
	ctl_wait_end(&w->wait, err);
}

static int
accounts_finish(struct ctl *ctl, struct ctl_wait *w)
{
	return ctl_wait(ctl, w) == 0 ? 0 : ctl_fail("%s", w->err.text);
}

static int
accounts_print_names(struct ctl *ctl, struct names_wait *w)
{
	if (ctl_wait(ctl, &w->wait) != 0)
		return ctl_fail("%s", w->wait.err.text);
	output_names(ctl, w->names, w->count);
	return 0;
}

/* The common start: takes options, counts arguments, connects to the store. */
static int
accounts_begin(struct ctl *ctl, const char *name, int argc, char **argv, int least, int most)
{
	struct err err;

	if (ctl_has_unknown_option(argc, argv))
		return 1;
	if (argc < least || argc > most)
		return ctl_usage(name);
	if (ctl_connect(ctl, &err) != 0)
		return ctl_fail("%s", err.text);
	return 0;
}

/* ---- domain ---- */

int
command_domain_add(struct ctl *ctl, int argc, char **argv)
{
	struct ctl_wait w = CTL_WAIT;

	if (accounts_begin(ctl, "domain add", argc, argv, 1, 1) != 0)
		return 1;
	directory_domain_add(ctl_directory(ctl), str_c(argv[0]), NULL, 0, ctl_on_done, &w);
	return accounts_finish(ctl, &w);
}

int
command_domain_list(struct ctl *ctl, int argc, char **argv)
{
	struct names_wait w = {.wait = CTL_WAIT, .ctl = ctl};

	if (accounts_begin(ctl, "domain list", argc, argv, 0, 0) != 0)
		return 1;
	directory_domain_list(ctl_directory(ctl), accounts_on_names, &w);
	return accounts_print_names(ctl, &w);
}

/* Prints the answer of lib/admin; returns the exit status. */
static int
accounts_print_record(struct ctl *ctl, struct ctl_result *r)
{
	if (ctl_await(ctl, r) == NULL)
		return 1;
	/* It is for those who change what they have shown before. */
	cJSON_DeleteItemFromObject(r->json, "version");
	output_record(ctl, r->json);
	return 0;
}

int
command_domain_show(struct ctl *ctl, int argc, char **argv)
{
	struct ctl_result r = CTL_RESULT;

	if (accounts_begin(ctl, "domain show", argc, argv, 1, 1) != 0)
		return 1;
	ctl_directory(ctl);
	admin_domain_show(&ctl->admin, str_c(argv[0]), ctl_on_result, &r);
	return accounts_print_record(ctl, &r);
}

int
command_domain_set(struct ctl *ctl, int argc, char **argv)
{
	struct directory_field fields[FIELDS_MAX];
	struct ctl_wait w = CTL_WAIT;
	int count;

	if (argc < 2)
		return ctl_usage("domain set");
	count = accounts_take_fields(argc - 1, argv + 1, fields);
	if (count < 0 || accounts_begin(ctl, "domain set", 1, argv, 1, 1) != 0)
		return 1;
	directory_domain_set(ctl_directory(ctl), str_c(argv[0]), fields, (unsigned)count, ctl_on_done, &w);
	return accounts_finish(ctl, &w);
}

/* Sets up what lib/admin needs for accounts. 0, or 1 after an error message. */
static int
accounts_open(struct ctl *ctl)
{
	struct err err;

	ctl_directory(ctl);
	return ctl_mailboxes(ctl, &err) != NULL ? 0 : ctl_fail("%s", err.text);
}

int
command_domain_delete(struct ctl *ctl, int argc, char **argv)
{
	bool forced = ctl_take_flag(&argc, argv, "--force");
	struct ctl_wait w = CTL_WAIT;

	if (accounts_begin(ctl, "domain delete", argc, argv, 1, 1) != 0)
		return 1;
	ctl_directory(ctl);
	if (forced && accounts_open(ctl) != 0)
		return 1;
	admin_domain_delete(&ctl->admin, str_c(argv[0]), forced, ctl_on_done, &w);
	return ctl_await_done(ctl, &w);
}

/* ---- user ---- */

/* The password from the options, or one line of standard input. 1 after an
 * error message; *given_out says whether there was one. */
static int
accounts_take_password(int *argc, char **argv, char out[PASSWORD_MAX], bool *given_out)
{
	bool from_stdin = ctl_take_flag(argc, argv, "--password-stdin");
	const char *password = NULL;

	if (ctl_take_option(argc, argv, "--password", &password) != 0)
		return ctl_fail("--password needs a value");
	*given_out = from_stdin || password != NULL;
	if (from_stdin) {
		if (fgets(out, PASSWORD_MAX, stdin) == NULL)
			return ctl_fail("no password on standard input");
		out[strcspn(out, "\r\n")] = '\0';
	} else if (password != NULL && !str_copy(str_c(password), out, PASSWORD_MAX)) {
		return ctl_fail("a password may have at most %d bytes", PASSWORD_MAX - 1);
	}
	if (*given_out && out[0] == '\0')
		return ctl_fail("the password is empty");
	return 0;
}

int
command_user_add(struct ctl *ctl, int argc, char **argv)
{
	char password[PASSWORD_MAX] = "";
	const char *quota = NULL, *name = NULL;
	struct directory_field fields[2];
	struct ctl_wait w = CTL_WAIT;
	unsigned count = 0;
	bool given = false;

	if (accounts_take_password(&argc, argv, password, &given) != 0)
		return 1;
	if (ctl_take_option(&argc, argv, "--quota", &quota) != 0 || ctl_take_option(&argc, argv, "--name", &name) != 0)
		return ctl_usage("user add");
	if (accounts_begin(ctl, "user add", argc, argv, 1, 1) != 0)
		return 1;
	if (quota != NULL)
		fields[count++] = (struct directory_field){STR("quota"), str_c(quota)};
	if (name != NULL)
		fields[count++] = (struct directory_field){STR("display_name"), str_c(name)};
	ctl_directory(ctl);
	admin_user_add(&ctl->admin, str_c(argv[0]), str_c(password), fields, count, ctl_on_done, &w);
	return ctl_await_done(ctl, &w);
}

int
command_user_list(struct ctl *ctl, int argc, char **argv)
{
	struct names_wait w = {.wait = CTL_WAIT, .ctl = ctl};

	if (accounts_begin(ctl, "user list", argc, argv, 0, 1) != 0)
		return 1;
	directory_user_list(ctl_directory(ctl), argc == 1 ? str_c(argv[0]) : STR_NONE, accounts_on_names, &w);
	return accounts_print_names(ctl, &w);
}

int
command_user_show(struct ctl *ctl, int argc, char **argv)
{
	struct ctl_result r = CTL_RESULT;

	if (accounts_begin(ctl, "user show", argc, argv, 1, 1) != 0 || accounts_open(ctl) != 0)
		return 1;
	admin_user_show(&ctl->admin, str_c(argv[0]), ctl_on_result, &r);
	return accounts_print_record(ctl, &r);
}

int
command_user_set(struct ctl *ctl, int argc, char **argv)
{
	struct directory_field fields[FIELDS_MAX];
	struct photo_order photo;
	struct ctl_wait w = CTL_WAIT;
	int count;

	if (photo_take(ctl, &argc, argv, &photo) != 0)
		return 1;
	if (argc < (photo.is_given ? 1 : 2))
		return ctl_usage("user set");
	count = accounts_take_fields(argc - 1, argv + 1, fields);
	if (count < 0 || accounts_begin(ctl, "user set", 1, argv, 1, 1) != 0)
		return 1;
	if (count > 0) {
		directory_user_set(ctl_directory(ctl), str_c(argv[0]), fields, (unsigned)count, ctl_on_done, &w);
		if (accounts_finish(ctl, &w) != 0)
			return 1;
	}
	return photo.is_given ? photo_set(ctl, str_c(argv[0]), &photo) : 0;
}

int
command_user_delete(struct ctl *ctl, int argc, char **argv)
{
	struct ctl_wait w = CTL_WAIT;

	if (accounts_begin(ctl, "user delete", argc, argv, 1, 1) != 0 || accounts_open(ctl) != 0)
		return 1;
	admin_user_delete(&ctl->admin, str_c(argv[0]), ctl_on_done, &w);
	return ctl_await_done(ctl, &w);
}

int
command_user_passwd(struct ctl *ctl, int argc, char **argv)
{
	char password[PASSWORD_MAX];
	struct ctl_wait w = CTL_WAIT;
	bool given = false;

	if (accounts_take_password(&argc, argv, password, &given) != 0)
		return 1;
	if (!given)
		return ctl_fail("give --password or --password-stdin");
	if (accounts_begin(ctl, "user passwd", argc, argv, 1, 1) != 0)
		return 1;
	ctl_directory(ctl);
	admin_user_passwd(&ctl->admin, str_c(argv[0]), str_c(password), ctl_on_done, &w);
	return ctl_await_done(ctl, &w);
}

/* ---- alias ---- */

/* argv[1...] as targets. */
static struct str *
accounts_take_targets(struct ctl *ctl, int argc, char **argv)
{
	struct str *targets = arena_array(&ctl->arena, struct str, (size_t)argc);

	for (int i = 1; i < argc; i++)
		targets[i - 1] = str_c(argv[i]);
	return targets;
}

int
command_alias_add(struct ctl *ctl, int argc, char **argv)
{
	struct ctl_wait w = CTL_WAIT;

	if (accounts_begin(ctl, "alias add", argc, argv, 2, DIRECTORY_TARGETS_MAX) != 0)
		return 1;
	directory_alias_add(ctl_directory(ctl), str_c(argv[0]), accounts_take_targets(ctl, argc, argv),
			    (unsigned)argc - 1, ctl_on_done, &w);
	return accounts_finish(ctl, &w);
}

int
command_alias_list(struct ctl *ctl, int argc, char **argv)
{
	struct ctl_result r = CTL_RESULT;

	if (accounts_begin(ctl, "alias list", argc, argv, 0, 1) != 0)
		return 1;
	ctl_directory(ctl);
	admin_alias_list(&ctl->admin, argc == 1 ? str_c(argv[0]) : STR_NONE, ctl_on_result, &r);
	return accounts_print_record(ctl, &r);
}

int
command_alias_delete(struct ctl *ctl, int argc, char **argv)
{
	struct ctl_wait w = CTL_WAIT;

	if (accounts_begin(ctl, "alias delete", argc, argv, 1, DIRECTORY_TARGETS_MAX) != 0)
		return 1;
	directory_alias_delete(ctl_directory(ctl), str_c(argv[0]), accounts_take_targets(ctl, argc, argv),
			       (unsigned)argc - 1, ctl_on_done, &w);
	return accounts_finish(ctl, &w);
}
