#include "ctl/first_admin.h"

#include <stdio.h>
#include <string.h>

#include "ctl/secret_file.h"
#include "lib/auth/auth.h"
#include "lib/directory/directory.h"

enum { PASSWORD_CHARACTERS = 16, PASSWORD_MAX = 100 };

static void
first_admin_path(const struct ctl *ctl, char out[LAYOUT_PATH_MAX])
{
	layout_path(&ctl->layout, FIRST_ADMIN_PASSWORD, out);
}

/* The file comes first: nobody may be left with an account whose password nobody knows. */
static int
first_admin_choose(const struct ctl *ctl, char password[PASSWORD_MAX], struct err *err)
{
	char path[LAYOUT_PATH_MAX];

	first_admin_path(ctl, path);
	credential_random(password, PASSWORD_CHARACTERS);
	return secret_file_write(path, password, err);
}

int
first_admin_make(struct ctl *ctl, struct err *err)
{
	static const struct directory_field role = {STR("roles"), STR("system_admin")};
	char password[PASSWORD_MAX], argon2id[AUTH_VERIFIER_MAX], scram[AUTH_VERIFIER_MAX];
	struct ctl_wait w = CTL_WAIT;

	if (first_admin_choose(ctl, password, err) != 0 || auth_make_argon2id(str_c(password), argon2id, err) != 0 ||
	    auth_make_scram_sha256(str_c(password), scram, err) != 0)
		return -1;
	directory_user_add(ctl_directory(ctl), STR(FIRST_ADMIN), str_c(argon2id), str_c(scram), &role, 1, ctl_on_done,
			   &w);
	if (ctl_wait(ctl, &w) == 0)
		return 0;
	*err = w.err;
	return -1;
}

/* ---- Is it still so? ---- */

struct first_admin_look {
	struct ctl_wait wait;
	char verifier[AUTH_VERIFIER_MAX]; /* empty: there is no such administrator */
};

static void
first_admin_take(struct first_admin_look *l, const struct directory_user *user)
{
	if (user != NULL && user->enabled && strstr(user->roles, "system_admin") != NULL)
		str_copy(str_c(user->password), l->verifier, sizeof(l->verifier));
}

static void
first_admin_on_user(void *arg, const struct directory_user *user, const struct err *err)
{
	struct first_admin_look *l = arg;

	first_admin_take(l, user);
	ctl_wait_end(&l->wait, err);
}

static void
first_admin_find(struct ctl *ctl, struct first_admin_look *l)
{
	struct directory_user user;
	bool found;

	if (directory_get_user(ctl_directory(ctl), STR(FIRST_ADMIN), &user, &found, first_admin_on_user, l))
		first_admin_take(l, found ? &user : NULL);
	else
		ctl_wait(ctl, &l->wait);
}

void
first_admin_print(struct ctl *ctl)
{
	struct first_admin_look l = {.wait = CTL_WAIT};
	char path[LAYOUT_PATH_MAX], password[PASSWORD_MAX] = "";
	struct err err;
	bool is_read;

	first_admin_path(ctl, path);
	is_read = secret_file_read(path, password, sizeof(password), &err) == 0;
	first_admin_find(ctl, &l);
	printf("administration: http://127.0.0.1:%d/admin/\n", layout_port(&ctl->layout, 80, 0));
	if (l.verifier[0] == '\0')
		printf("  for accounts with `stagepost user set ADDRESS roles=system_admin`\n");
	else if (is_read && auth_password_fits(l.verifier, str_c(password)))
		printf("  log in as " FIRST_ADMIN " with the password %s\n"
		       "  (kept in %s; to set another: `stagepost user passwd " FIRST_ADMIN " --password-stdin`)\n",
		       password, path);
	else
		printf("  log in as " FIRST_ADMIN "; the password has been changed since the first start\n"
		       "  (to set another: `stagepost user passwd " FIRST_ADMIN " --password-stdin`)\n");
}
