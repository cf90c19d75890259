/* The photo of a user: he changes his own, his domain's administrator those of the domain. */
#include "frontend/web/private.h"
#include "lib/base/base64.h"

/* ---- Showing ---- */

static void
photo_on_read(void *arg, struct str photo, const struct err *err)
{
	struct web_request *w = arg;
	struct buf text = BUF_EMPTY;
	cJSON *result;

	if (!http_back(w->r))
		return;
	if (err != NULL) {
		web_fail(w, err);
		return;
	}
	if (photo.len == 0) {
		web_refuse(w, 404, "%s has no photo", w->address);
		return;
	}
	base64_encode(photo, &text);
	buf_add_byte(&text, '\0');
	result = cJSON_CreateObject();
	cJSON_AddStringToObject(result, "photo", text.data);
	buf_fini(&text);
	web_answer(w, 200, result);
}

void
web_photo_show(struct web_request *w)
{
	http_hold(w->r);
	directory_photo_read(w->web->admin.redis, str_c(w->address), photo_on_read, w);
}

/* ---- Changing ---- */

static void
photo_refuse(struct web_request *w, const char *why)
{
	cJSON *faults = cJSON_CreateObject();

	cJSON_AddStringToObject(faults, "photo", why);
	web_refuse_fields(w, faults);
}

static void
photo_put(struct web_request *w)
{
	struct buf photo = BUF_EMPTY;
	struct err err;

	if (!base64_decode(web_member(w, "photo"), &photo))
		photo_refuse(w, "it is not base64");
	else if (directory_photo_check(buf_str(&photo), &err) != 0)
		photo_refuse(w, err.text);
	else {
		web_change_begin(w, "photo changed", w->address, NULL);
		directory_photo_set(w->web->admin.directory, str_c(w->address), buf_str(&photo), web_on_changed, w);
	}
	buf_fini(&photo);
}

void
web_photo_put(struct web_request *w)
{
	web_guard_user(w, photo_put);
}

static void
photo_remove(struct web_request *w)
{
	web_change_begin(w, "photo removed", w->address, NULL);
	directory_photo_set(w->web->admin.directory, str_c(w->address), STR_NONE, web_on_changed, w);
}

void
web_photo_remove(struct web_request *w)
{
	web_guard_user(w, photo_remove);
}
