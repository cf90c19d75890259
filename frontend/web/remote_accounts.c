/* Remote accounts from which mail is retrieved: of one's own account, or of a user. */
#include <string.h>

#include "frontend/web/private.h"
#include "lib/admin/retrieve.h"
#include "lib/retrieve/account.h"

enum { REMOTE_INTERVAL_MIN_MS = 60 * 1000 };

/* Members of the body that are not fields of the account. */
static const char *const remote_others[] = {"password", "refresh_token", "client_secret", "folders", "try", NULL};

/* "account/..." is the caller's own. */
static struct str
remote_address(const struct web_request *w)
{
	return str_c(w->address[0] != '\0' ? w->address : w->who.address);
}

static struct str
remote_id(const struct web_request *w)
{
	return web_arg(w, "remote");
}

/* For the log; what is no id is not found later. */
static const char *
remote_id_text(const struct web_request *w)
{
	struct str id = remote_id(w);

	return arena_dup(http_arena(w->r), id.p, id.len);
}

/* ---- Reading ---- */

static void
remote_on_list(void *arg, cJSON *result, const struct err *err)
{
	web_answer_list(arg, "remote_accounts", result, err);
}

void
web_remote_list(struct web_request *w)
{
	w->call = admin_retrieve_list(&w->web->admin, remote_address(w), remote_on_list, w);
}

void
web_remote_list_all(struct web_request *w)
{
	struct directory_page page;

	if (web_take_page(w, &page))
		w->call = admin_retrieve_page(&w->web->admin, STR_NONE, page.after, page.limit, web_on_result, w);
}

void
web_remote_list_domain(struct web_request *w)
{
	struct directory_page page;

	if (web_take_page(w, &page))
		w->call =
			admin_retrieve_page(&w->web->admin, str_c(w->domain), page.after, page.limit, web_on_result, w);
}

void
web_remote_show(struct web_request *w)
{
	w->call = admin_retrieve_show(&w->web->admin, remote_address(w), remote_id(w), web_on_result, w);
}

/* ---- What a body says ---- */

/* Whoever runs the server may have mail retrieved more often, by the tool. */
static int
remote_check(const struct directory_field *field, struct err *err)
{
	struct retrieve_account a = {.interval_ms = 0};
	struct arena arena;
	int result = admin_retrieve_check(field, err);

	if (result != 0 || !str_eq(field->name, STR("interval")))
		return result;
	arena_init(&arena);
	(void)retrieve_account_set(&a, field->name, field->value, &arena, NULL);
	arena_fini(&arena);
	if (a.interval_ms != 0 && a.interval_ms < REMOTE_INTERVAL_MIN_MS)
		return err_set(err, ERR_INVALID, "it is at least 1m");
	return 0;
}

/* False: refused. */
static bool
remote_take(struct web_request *w, struct admin_retrieve *out)
{
	const cJSON *folders = cJSON_GetObjectItemCaseSensitive(w->body, "folders"), *folder;
	struct str password = web_member(w, "password");
	const struct directory_field *fields;
	struct directory_field *all;
	unsigned count;

	fields = web_take_fields(w, remote_others, remote_check, &count);
	if (fields == NULL)
		return false;
	all = arena_array(http_arena(w->r), struct directory_field, count + (size_t)cJSON_GetArraySize(folders) + 1);
	for (unsigned i = 0; i < count; i++)
		all[i] = fields[i];
	cJSON_ArrayForEach (folder, folders)
		all[count++] = (struct directory_field){STR("folder"), str_c(folder->valuestring)};
	*out = (struct admin_retrieve){
		.address = remote_address(w),
		.fields = all,
		.count = count,
		.secret = password.len != 0 ? password : web_member(w, "refresh_token"),
		.client_secret = web_member(w, "client_secret"),
		.by_user = true,
	};
	return true;
}

/* ---- Adding ---- */

static void
remote_on_added(void *arg, cJSON *result, const struct err *err)
{
	struct web_request *w = arg;

	if (err == NULL)
		web_audit(w, w->action, w->target,
			  arena_printf(http_arena(w->r), "%s %s",
				       cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(result, "id")),
				       w->detail));
	if (!web_is_still_there(w, result))
		return;
	if (err != NULL)
		web_fail(w, err);
	else
		web_answer(w, w->endpoint->status, result);
}

static void
remote_add(struct web_request *w)
{
	bool tried = !cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(w->body, "try"));
	struct admin_retrieve wanted;

	if (!remote_take(w, &wanted))
		return;
	web_change_begin(w, "remote account added", remote_address(w).p, web_change_detail(w));
	admin_retrieve_add(&w->web->admin, &wanted, tried, NULL, remote_on_added, w);
}

void
web_remote_add(struct web_request *w)
{
	web_guard_user(w, remote_add);
}

/* ---- Changes ---- */

static void
remote_set(struct web_request *w)
{
	struct admin_retrieve wanted;

	if (!remote_take(w, &wanted))
		return;
	web_change_begin(w, "remote account changed", remote_address(w).p,
			 arena_printf(http_arena(w->r), "%s %s", remote_id_text(w), web_change_detail(w)));
	admin_retrieve_set(&w->web->admin, remote_id(w), &wanted, web_on_changed, w);
}

void
web_remote_set(struct web_request *w)
{
	web_guard_user(w, remote_set);
}

static void
remote_now(struct web_request *w)
{
	web_change_begin(w, "remote account retrieved now", remote_address(w).p, remote_id_text(w));
	admin_retrieve_soon(&w->web->admin, remote_address(w), remote_id(w), web_on_changed, w);
}

void
web_remote_now(struct web_request *w)
{
	web_guard_user(w, remote_now);
}

static void
remote_delete(struct web_request *w)
{
	web_change_begin(w, "remote account deleted", remote_address(w).p, remote_id_text(w));
	admin_retrieve_delete(&w->web->admin, remote_address(w), remote_id(w), web_on_changed, w);
}

void
web_remote_delete(struct web_request *w)
{
	web_guard_user(w, remote_delete);
}
