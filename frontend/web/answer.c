/* Answers of the API, always JSON, and the log of changes. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "frontend/web/private.h"
#include "lib/base/log.h"
#include "lib/redis/keys.h"

#define ANSWER_JSON "application/json; charset=utf-8"

static void
answer_send(struct web_request *w, int status, cJSON *result, const char *version)
{
	struct http_request *r = w->r;
	char *text = cJSON_PrintUnformatted(result);

	http_begin(r, status, ANSWER_JSON, strlen(text));
	http_add_header(r, "Cache-Control", STR("no-store"));
	http_add_header(r, "X-Content-Type-Options", STR("nosniff"));
	if (version != NULL)
		http_add_header(r, "ETag", str_c(arena_printf(http_arena(r), "\"%s\"", version)));
	if (status == 401) /* no browser asks for a password because of it */
		http_add_header(r, "WWW-Authenticate",
				w->challenge != NULL ? str_c(w->challenge) : STR("Session realm=\"Stagepost\""));
	if (status == 201 && w->location != NULL)
		http_add_header(r, "Location", str_c(w->location));
	if (w->allow != NULL)
		http_add_header(r, "Allow", str_c(w->allow));
	http_write(r, str_c(text));
	cJSON_free(text);
	cJSON_Delete(result);
	cJSON_Delete(w->body);
	cJSON_Delete(w->with_session);
	w->body = w->with_session = NULL;
	buf_fini(&w->bytes);
	http_finish(r);
}

void
web_answer(struct web_request *w, int status, cJSON *result)
{
	answer_send(w, status, result, NULL);
}

void
web_answer_version(struct web_request *w, cJSON *result, const char *version)
{
	answer_send(w, 200, result, version);
}

/* Nothing, or where the new thing is. */
static void
answer_send_done(struct web_request *w)
{
	struct http_request *r = w->r;

	http_begin(r, 204, NULL, 0);
	http_add_header(r, "Cache-Control", STR("no-store"));
	http_add_header(r, "X-Content-Type-Options", STR("nosniff"));
	cJSON_Delete(w->body);
	w->body = NULL;
	http_finish(r);
}

void
web_answer_done(struct web_request *w)
{
	cJSON *o;

	if (w->endpoint->status == 204) {
		answer_send_done(w);
		return;
	}
	o = cJSON_CreateObject();
	cJSON_AddStringToObject(o, "location", w->location);
	web_answer(w, w->endpoint->status, o);
}

void
web_on_versioned(void *arg, cJSON *result, const struct err *err)
{
	struct web_request *w = arg;
	const char *version;

	w->call = NULL;
	if (err != NULL) {
		web_fail(w, err);
		return;
	}
	version = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(result, "version"));
	web_answer_version(w, result, arena_strdup(http_arena(w->r), version));
}

struct str
web_expected(const struct web_request *w)
{
	struct str text = http_field(w->r, STR("If-Match"));

	if (text.p == NULL || str_eq(text, STR("*")))
		return STR_NONE;
	/* "" is the version of nothing, and stays as it is: no version is required by an empty text. A field
	 * without a value names none either. */
	if (text.len == 0)
		return STR("\"\"");
	if (text.len > 2 && text.p[0] == '"' && text.p[text.len - 1] == '"')
		return str_first(str_from(text, 1), text.len - 2);
	return text;
}

/* A text that was too long was cut somewhere. */
static void
answer_end_whole(char *text)
{
	text[str_first_utf8(str_c(text), strlen(text)).len] = '\0';
}

void
web_refuse(struct web_request *w, int status, const char *format, ...)
{
	cJSON *o = cJSON_CreateObject();
	char text[ERR_TEXT_MAX + 100];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	answer_end_whole(text);
	cJSON_AddStringToObject(o, "error", text);
	web_answer(w, status, o);
}

void
web_refuse_fields(struct web_request *w, cJSON *faults)
{
	cJSON *o = cJSON_CreateObject(), *fault;

	cJSON_ArrayForEach (fault, faults)
		answer_end_whole(fault->valuestring);
	cJSON_AddStringToObject(o, "error", "nothing is stored: a value is not allowed");
	cJSON_AddItemToObject(o, "fields", faults);
	web_answer(w, 422, o);
}

void
web_fail(struct web_request *w, const struct err *err)
{
	static const int statuses[] = {
		[ERR_NONE] = 500,     [ERR_IO] = 500,	      [ERR_UNAVAILABLE] = 503, [ERR_TIMEOUT] = 503,
		[ERR_NO_SPACE] = 503, [ERR_OVER_QUOTA] = 409, [ERR_LIMIT] = 409,       [ERR_NOT_FOUND] = 404,
		[ERR_EXISTS] = 409,   [ERR_INVALID] = 422,    [ERR_FENCED] = 412,      [ERR_DENIED] = 409,
		[ERR_CORRUPT] = 500,
	};

	web_refuse(w, statuses[err->code], "%s", err->text);
}

void
web_answer_list(struct web_request *w, const char *member, cJSON *list, const struct err *err)
{
	cJSON *o;

	w->call = NULL;
	if (err != NULL) {
		web_fail(w, err);
		return;
	}
	o = cJSON_CreateObject();
	cJSON_AddItemToObject(o, member, list);
	web_answer(w, 200, o);
}

void
web_on_result(void *arg, cJSON *result, const struct err *err)
{
	struct web_request *w = arg;

	w->call = NULL;
	if (err != NULL)
		web_fail(w, err);
	else
		web_answer(w, 200, result);
}

void
web_audit_as(struct web *web, const struct web_identity *who, const char *from, const char *action, const char *target,
	     const char *detail)
{
	if (detail == NULL)
		detail = "";
	if (who->role == WEB_USER) {
		log_info(NULL, "changed by its user", F_C("by", who->address), F_C("token", who->token),
			 F_C("from", from), F_C("action", action), F_C("target", target), F_C("detail", detail));
		return;
	}
	log_info(NULL, "changed by an administrator", F_C("by", who->address), F_C("token", who->token),
		 F_C("from", from), F_C("action", action), F_C("target", target), F_C("detail", detail));
	redis_call_key(web->admin.redis, NULL, NULL, "XADD", str_c(redis_key_pattern(KEY_ADMIN_LOG)),
		       who->token[0] != '\0' ? 16 : 14,
		       (const struct str[]){STR("MAXLEN"), STR("~"), STR("10000"), STR("*"), STR("by"),
					    str_c(who->address), STR("from"), str_c(from), STR("action"), str_c(action),
					    STR("target"), str_c(target), STR("detail"), str_c(detail), STR("token"),
					    str_c(who->token)});
}

void
web_audit(struct web_request *w, const char *action, const char *target, const char *detail)
{
	char from[IP_TEXT_MAX];

	ip_text(http_client(w->r), from);
	web_audit_as(w->web, &w->who, from, action, target, detail);
}

struct str
web_member(const struct web_request *w, const char *name)
{
	return str_c(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(w->body, name)));
}
