/* The API's description (OpenAPI 3.1), made from the table of endpoints. */
#include <ctype.h>
#include <string.h>

#include "frontend/web/private.h"
#include "lib/base/version.h"

static cJSON *openapi_schema(const struct web_member *members, bool closed);

/* ---- Values ---- */

static void
openapi_add_type(cJSON *schema, const char *type, bool nullable)
{
	cJSON *types;

	if (!nullable) {
		cJSON_AddStringToObject(schema, "type", type);
		return;
	}
	types = cJSON_AddArrayToObject(schema, "type");
	cJSON_AddItemToArray(types, cJSON_CreateString(type));
	cJSON_AddItemToArray(types, cJSON_CreateString("null"));
}

static void
openapi_add_words(cJSON *schema, const char *words, bool nullable)
{
	cJSON *list = cJSON_AddArrayToObject(schema, "enum");
	struct str rest = str_c(words), word;
	char text[64];

	while (str_next_word(&rest, "|", &word)) {
		str_copy(word, text, sizeof(text));
		cJSON_AddItemToArray(list, cJSON_CreateString(text));
	}
	if (nullable)
		cJSON_AddItemToArray(list, cJSON_CreateNull());
}

static cJSON *
openapi_value(const struct web_member *m, bool closed)
{
	static const char *const types[] = {
		[WEB_TEXT] = "string", [WEB_COUNT] = "integer", [WEB_BOOL] = "boolean", [WEB_TEXTS] = "array",
		[WEB_OBJECT] = NULL,   [WEB_OBJECTS] = "array", [WEB_VALUE] = NULL,
	};
	bool nullable = (m->flags & WEB_NULLABLE) != 0;
	cJSON *schema = m->type == WEB_OBJECT ? openapi_schema(m->of, closed) : cJSON_CreateObject(), *items;

	if (types[m->type] != NULL)
		openapi_add_type(schema, types[m->type], nullable);
	if (m->type == WEB_COUNT)
		cJSON_AddNumberToObject(schema, "minimum", 0);
	if (m->words != NULL)
		openapi_add_words(schema, m->words, nullable);
	if (m->type == WEB_TEXTS) {
		items = cJSON_AddObjectToObject(schema, "items");
		cJSON_AddStringToObject(items, "type", "string");
	} else if (m->type == WEB_OBJECTS) {
		cJSON_AddItemToObject(schema, "items", openapi_schema(m->of, closed));
	}
	if ((m->flags & WEB_SECRET) != 0)
		cJSON_AddStringToObject(schema, "format", "password");
	cJSON_AddStringToObject(schema, "description", m->help);
	return schema;
}

/* closed: there are no members but these, unless "*" is one of them. NULL: any object. */
static cJSON *
openapi_schema(const struct web_member *members, bool closed)
{
	cJSON *schema = cJSON_CreateObject(), *properties, *required = NULL;

	cJSON_AddStringToObject(schema, "type", "object");
	if (members == NULL)
		return schema;
	properties = cJSON_AddObjectToObject(schema, "properties");
	if (closed && strcmp(members->name, "*") != 0)
		cJSON_AddFalseToObject(schema, "additionalProperties");
	for (; members->name != NULL; members++) {
		if (strcmp(members->name, "*") == 0) {
			cJSON_AddItemToObject(schema, "additionalProperties", openapi_value(members, closed));
			continue;
		}
		cJSON_AddItemToObject(properties, members->name, openapi_value(members, closed));
		if ((members->flags & WEB_REQUIRED) == 0)
			continue;
		if (required == NULL)
			required = cJSON_AddArrayToObject(schema, "required");
		cJSON_AddItemToArray(required, cJSON_CreateString(members->name));
	}
	return schema;
}

static void
openapi_add_json(cJSON *place, cJSON *schema)
{
	cJSON *content = cJSON_AddObjectToObject(place, "content");
	cJSON *type = cJSON_AddObjectToObject(content, "application/json");

	cJSON_AddItemToObject(type, "schema", schema);
}

/* ---- Parameters ---- */

static cJSON *
openapi_parameter(cJSON *list, struct str name, const char *in, bool required, const char *help)
{
	cJSON *p = cJSON_CreateObject();
	char text[64];

	str_copy(name, text, sizeof(text));
	cJSON_AddStringToObject(p, "name", text);
	cJSON_AddStringToObject(p, "in", in);
	cJSON_AddBoolToObject(p, "required", required);
	cJSON_AddStringToObject(p, "description", help);
	cJSON_AddItemToArray(list, p);
	return p;
}

static void
openapi_add_parameters(cJSON *operation, const struct web_endpoint *e)
{
	cJSON *list = cJSON_AddArrayToObject(operation, "parameters"), *p;
	struct str rest = str_c(e->pattern), piece;
	bool more;

	do {
		more = str_cut(rest, '/', &piece, &rest);
		if (!str_starts(piece, STR("{")))
			continue;
		piece = str_first(str_from(piece, 1), piece.len - 2);
		p = openapi_parameter(list, piece, "path", true, web_parameter_help(piece));
		cJSON_AddStringToObject(cJSON_AddObjectToObject(p, "schema"), "type", "string");
	} while (more);
	for (const struct web_member *m = e->query; m != NULL && m->name != NULL; m++) {
		p = openapi_parameter(list, str_c(m->name), "query", (m->flags & WEB_REQUIRED) != 0, m->help);
		cJSON_AddItemToObject(p, "schema", openapi_value(m, true));
	}
	if ((e->flags & WEB_VERSIONED) != 0 && e->method != HTTP_GET) {
		p = openapi_parameter(list, STR("If-Match"), "header", false,
				      "the ETag of what is to be changed: 412 if it has been changed since");
		cJSON_AddStringToObject(cJSON_AddObjectToObject(p, "schema"), "type", "string");
	}
}

/* ---- Answers ---- */

static void
openapi_add_refusal(cJSON *responses, const char *status, const char *help)
{
	cJSON *answer = cJSON_AddObjectToObject(responses, status), *schema = cJSON_CreateObject();

	cJSON_AddStringToObject(answer, "description", help);
	cJSON_AddStringToObject(schema, "$ref", "#/components/schemas/Error");
	openapi_add_json(answer, schema);
}

static void
openapi_add_responses(cJSON *operation, const struct web_endpoint *e)
{
	cJSON *responses = cJSON_AddObjectToObject(operation, "responses"), *answer, *tag;
	char status[16];

	snprintf(status, sizeof(status), "%d", e->status);
	answer = cJSON_AddObjectToObject(responses, status);
	cJSON_AddStringToObject(answer, "description", e->status == 204 ? "Done." : "The answer.");
	if (e->method == HTTP_DELETE && e->query != NULL)
		cJSON_AddStringToObject(cJSON_AddObjectToObject(responses, "202"), "description",
					"It has begun, and continues after this answer.");
	if (e->status != 204)
		openapi_add_json(answer, openapi_schema(e->answer, false));
	if ((e->flags & WEB_VERSIONED) != 0 && e->status != 204) {
		tag = cJSON_AddObjectToObject(cJSON_AddObjectToObject(answer, "headers"), "ETag");
		cJSON_AddStringToObject(cJSON_AddObjectToObject(tag, "schema"), "type", "string");
	}
	openapi_add_refusal(responses, "401", "Nobody is logged in, or the login is wrong.");
	if (e->role != WEB_ANYBODY || e->method != HTTP_GET)
		openapi_add_refusal(responses, "403", "This account may not do that.");
	if (strchr(e->pattern, '{') != NULL)
		openapi_add_refusal(responses, "404", "It does not exist.");
	if (e->method != HTTP_GET)
		openapi_add_refusal(responses, "409", "It conflicts with what exists.");
	if ((e->flags & WEB_VERSIONED) != 0 && e->method != HTTP_GET)
		openapi_add_refusal(responses, "412", "It has been changed since.");
	openapi_add_refusal(responses, "422", "A value is not allowed; fields says which, and why.");
	openapi_add_refusal(responses, "503", "The store is unavailable; try again later.");
}

/* ---- The whole ---- */

/* "get-queue-id" */
static void
openapi_add_id(cJSON *operation, const char *method, const char *pattern)
{
	char text[128], *out = text + snprintf(text, 16, "%s-", method);

	for (; *pattern != '\0' && out < text + sizeof(text) - 1; pattern++)
		if (*pattern != '{' && *pattern != '}')
			*out++ = *pattern == '/' || *pattern == '.' ? '-' : *pattern;
	*out = '\0';
	cJSON_AddStringToObject(operation, "operationId", text);
}

/* What an endpoint takes as a login; a token not where it could make itself last. */
static void
openapi_add_security(cJSON *place, bool by_token)
{
	static const char *const names[] = {"basic", "session", "bearer"};
	cJSON *security = cJSON_AddArrayToObject(place, "security"), *item;

	for (unsigned i = 0; i < (by_token ? 3 : 2); i++) {
		item = cJSON_CreateObject();
		cJSON_AddArrayToObject(item, names[i]);
		cJSON_AddItemToArray(security, item);
	}
}

static void
openapi_add_endpoint(cJSON *paths, const struct web_endpoint *e)
{
	static const char *const roles[] = {"anybody", "user", "domain_admin", "system_admin"};
	static const char *const reaches[] = {"role", "own", "domain", "account"};
	char path[128], method[16];
	cJSON *item, *operation, *body;

	snprintf(path, sizeof(path), "/%s", e->pattern);
	snprintf(method, sizeof(method), "%s", http_method_name(e->method));
	for (char *c = method; *c != '\0'; c++)
		*c = (char)tolower((unsigned char)*c);
	item = cJSON_GetObjectItemCaseSensitive(paths, path);
	if (item == NULL)
		item = cJSON_AddObjectToObject(paths, path);
	operation = cJSON_AddObjectToObject(item, method);
	openapi_add_id(operation, method, e->pattern);
	cJSON_AddStringToObject(operation, "summary", e->summary);
	cJSON_AddStringToObject(operation, "x-role", roles[e->role]);
	cJSON_AddStringToObject(operation, "x-reach", reaches[e->reach]);
	if (e->role == WEB_ANYBODY)
		cJSON_AddArrayToObject(operation, "security");
	else if ((e->flags & WEB_NOT_BY_TOKEN) != 0)
		openapi_add_security(operation, false);
	openapi_add_parameters(operation, e);
	if (e->body != NULL) {
		body = cJSON_AddObjectToObject(operation, "requestBody");
		cJSON_AddTrueToObject(body, "required");
		openapi_add_json(body, openapi_schema(e->body, true));
	}
	openapi_add_responses(operation, e);
}

static void
openapi_add_schemes(cJSON *components)
{
	cJSON *schemes = cJSON_AddObjectToObject(components, "securitySchemes"), *scheme;

	for (unsigned i = 0; i < 2; i++) {
		static const char *const names[] = {"basic", "bearer"};
		scheme = cJSON_AddObjectToObject(schemes, names[i]);
		cJSON_AddStringToObject(scheme, "type", "http");
		cJSON_AddStringToObject(scheme, "scheme", names[i]);
	}
	scheme = cJSON_AddObjectToObject(schemes, "session");
	cJSON_AddStringToObject(scheme, "type", "apiKey");
	cJSON_AddStringToObject(scheme, "in", "cookie");
	cJSON_AddStringToObject(scheme, "name", "__Host-stagepost");
	cJSON_AddStringToObject(scheme, "description",
				"Changes also need X-Stagepost-Token, and an Origin of this server.");
}

static char *
openapi_make(void)
{
	static const struct web_member error[] = {
		{"error", WEB_TEXT, WEB_REQUIRED, "what is wrong", NULL, NULL},
		{"fields", WEB_OBJECT, 0, "what is wrong with each member", NULL, NULL},
		{.name = NULL},
	};
	cJSON *o = cJSON_CreateObject(), *info, *server, *paths, *components;
	char *text;

	cJSON_AddStringToObject(o, "openapi", "3.1.0");
	info = cJSON_AddObjectToObject(o, "info");
	cJSON_AddStringToObject(info, "title", "Stagepost");
	cJSON_AddStringToObject(info, "version", STAGEPOST_VERSION);
	cJSON_AddStringToObject(info, "description",
				"Administration of the mail server. x-role is the least role that an endpoint needs, "
				"x-reach what of its path the caller must own: a domain_admin his domain, a user his "
				"account; a system_admin reaches everything.");
	server = cJSON_CreateObject();
	cJSON_AddStringToObject(server, "url", "/api/v1");
	cJSON_AddItemToArray(cJSON_AddArrayToObject(o, "servers"), server);
	paths = cJSON_AddObjectToObject(o, "paths");
	for (const struct web_endpoint *e = web_endpoints; e->pattern != NULL; e++)
		openapi_add_endpoint(paths, e);
	components = cJSON_AddObjectToObject(o, "components");
	cJSON_AddItemToObject(cJSON_AddObjectToObject(components, "schemas"), "Error", openapi_schema(error, false));
	openapi_add_schemes(components);
	openapi_add_security(o, true);
	text = cJSON_PrintUnformatted(o);
	cJSON_Delete(o);
	return text;
}

/* It is the same as long as the process runs, and takes some milliseconds: made once. */
void
web_openapi(struct web_request *w)
{
	struct http_request *r = w->r;

	if (w->web->openapi == NULL)
		w->web->openapi = openapi_make();
	http_begin(r, 200, "application/json; charset=utf-8", strlen(w->web->openapi));
	http_add_header(r, "Cache-Control", STR("no-store"));
	http_add_header(r, "X-Content-Type-Options", STR("nosniff"));
	http_write(r, str_c(w->web->openapi));
	http_finish(r);
}
