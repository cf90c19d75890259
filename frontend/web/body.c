/* The body of a request: read as JSON, and checked against the table of endpoints, so
 * that handlers judge only what the values mean. */
#include <string.h>

#include "frontend/web/private.h"
#include "lib/http/uri.h"

enum { BODY_DEPTH_MAX = 32, BODY_MEMBERS_MAX = 200 };

static bool
body_is_type(const struct http_request *r, struct str wanted)
{
	struct str type, parameters;

	str_cut(http_field(r, STR("Content-Type")), ';', &type, &parameters);
	return str_eq_ci(str_trim(type), wanted);
}

bool
web_body_is_json(const struct http_request *r)
{
	return body_is_type(r, STR("application/json"));
}

bool
web_body_is_form(const struct http_request *r)
{
	return body_is_type(r, STR("application/x-www-form-urlencoded"));
}

/* ---- Reading ---- */

/* Not nested too deep, and no NUL in a text: it would end there for us. */
static bool
body_may_parse(struct str text)
{
	unsigned depth = 0;
	bool quoted = false;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.p[i];
		if (quoted && c == '\\') {
			if (str_starts(str_from(text, ++i), STR("u0000")))
				return false;
		} else if (c == '"') {
			quoted = !quoted;
		} else if (!quoted && (c == '{' || c == '[')) {
			if (++depth > BODY_DEPTH_MAX)
				return false;
		} else if (!quoted && (c == '}' || c == ']') && depth > 0) {
			depth--;
		}
	}
	return str_is_utf8(text);
}

/* Texts, of the names that the endpoint knows. */
static cJSON *
body_parse_form(struct web_request *w)
{
	cJSON *o = cJSON_CreateObject();
	struct str value;

	for (const struct web_member *m = w->endpoint->body; m->name != NULL; m++)
		if (http_uri_parameter(buf_str(&w->bytes), str_c(m->name), http_arena(w->r), &value))
			cJSON_AddStringToObject(o, m->name,
						arena_dup(http_arena(w->r), value.p != NULL ? value.p : "", value.len));
	return o;
}

/* ---- Checking ---- */

static bool
body_is_word(struct str words, struct str value)
{
	struct str word;

	while (str_next_word(&words, "|", &word))
		if (str_eq(word, value))
			return true;
	return false;
}

static bool
body_are_texts(const cJSON *list)
{
	const cJSON *item;

	if (!cJSON_IsArray(list))
		return false;
	cJSON_ArrayForEach (item, list)
		if (!cJSON_IsString(item))
			return false;
	return true;
}

/* NULL: the value fits. */
static const char *
body_judge(struct web_request *w, const struct web_member *m, const cJSON *value)
{
	if (cJSON_IsNull(value) && (m->flags & WEB_NULLABLE) != 0)
		return NULL;
	switch (m->type) {
	case WEB_TEXT:
		if (!cJSON_IsString(value))
			return "it must be a text";
		if (m->words != NULL && !body_is_word(str_c(m->words), str_c(value->valuestring)))
			return arena_printf(http_arena(w->r), "it must be one of %s", m->words);
		return NULL;
	case WEB_COUNT:
		/* 2^53: beyond that a number of JSON is no longer exact. */
		return cJSON_IsNumber(value) && value->valuedouble >= 0 && value->valuedouble <= 9007199254740992.0 &&
				       value->valuedouble == (double)(uint64_t)value->valuedouble
			       ? NULL
			       : "it must be a whole number that is not negative";
	case WEB_BOOL: return cJSON_IsBool(value) ? NULL : "it must be true or false";
	case WEB_TEXTS: return body_are_texts(value) ? NULL : "it must be an array of texts";
	case WEB_OBJECT: return cJSON_IsObject(value) ? NULL : "it must be an object";
	case WEB_OBJECTS: return cJSON_IsArray(value) ? NULL : "it must be an array of objects";
	case WEB_VALUE: return NULL;
	}
	return NULL;
}

static const char *
body_unknown(struct web_request *w)
{
	struct buf names = BUF_EMPTY;
	const char *text;

	for (const struct web_member *m = w->endpoint->body; m->name != NULL; m++)
		buf_printf(&names, "%s%s", names.len != 0 ? ", " : "", m->name);
	text = arena_printf(http_arena(w->r), "there is no such member; there are: %.*s", STR_ARG(buf_str(&names)));
	buf_fini(&names);
	return text;
}

static void
body_check_member(struct web_request *w, const cJSON *value, cJSON *faults)
{
	const struct web_member *m = w->endpoint->body;
	const char *fault;

	while (m->name != NULL && strcmp(m->name, "*") != 0 && strcmp(m->name, value->string) != 0)
		m++;
	fault = m->name == NULL ? body_unknown(w) : body_judge(w, m, value);
	if (fault != NULL)
		cJSON_AddStringToObject(faults, value->string, fault);
}

/* Which of two members of one name is meant is not defined (RFC 8259, section 4): one
 * reader would check the first, and another would store the last. False: refused. */
static bool
body_names_are_unique(struct web_request *w)
{
	const cJSON *value;

	if (cJSON_GetArraySize(w->body) > BODY_MEMBERS_MAX) {
		web_refuse(w, 422, "the body has more than %d members", BODY_MEMBERS_MAX);
		return false;
	}
	cJSON_ArrayForEach (value, w->body) {
		if (cJSON_GetObjectItemCaseSensitive(w->body, value->string) == value)
			continue;
		web_refuse(w, 400, "a member of the body is named twice");
		return false;
	}
	return true;
}

/* False: refused. */
static bool
body_check(struct web_request *w)
{
	cJSON *faults = cJSON_CreateObject();
	const cJSON *value;

	cJSON_ArrayForEach (value, w->body)
		body_check_member(w, value, faults);
	for (const struct web_member *m = w->endpoint->body; m->name != NULL; m++)
		if ((m->flags & WEB_REQUIRED) != 0 && cJSON_GetObjectItemCaseSensitive(w->body, m->name) == NULL)
			cJSON_AddStringToObject(faults, m->name, "it is missing");
	if (faults->child == NULL) {
		cJSON_Delete(faults);
		return true;
	}
	web_refuse_fields(w, faults);
	return false;
}

bool
web_body_take(struct web_request *w)
{
	struct str text = buf_str(&w->bytes);

	if (web_body_is_form(w->r))
		w->body = body_parse_form(w);
	else if (text.len != 0 && body_may_parse(text))
		w->body = cJSON_ParseWithLength(text.p, text.len);
	buf_fini(&w->bytes);
	if (cJSON_IsObject(w->body))
		return body_names_are_unique(w) && body_check(w);
	web_refuse(w, 400, "the body is not a JSON object");
	return false;
}
