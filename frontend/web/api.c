/* The API: which endpoint, who asks, may he, the body; then the endpoint's handler.
 *
 * A change by cookie must come from a page of ours: its Origin is ours, and it brings
 * the session's own token. A change by Basic login must not come from a page of others:
 * JSON, which no form can send, and no foreign Origin. */
#include <openssl/crypto.h>

#include "frontend/web/private.h"
#include "lib/http/uri.h"

#define API_PREFIX "/api/v1/"

enum { API_BODY_DEPTH_MAX = 32 };

static const struct web_endpoint api_endpoints[] = {
	/* method, pattern, least role, takes a body, handler */
	{HTTP_POST, "session", WEB_ANYBODY, true, web_login},
	{HTTP_GET, "session", WEB_USER, false, web_whoami},
	{HTTP_DELETE, "session", WEB_USER, false, web_logout},
	{HTTP_GET, "settings", WEB_SYSTEM_ADMIN, false, web_settings_list},
	{HTTP_GET, "settings/{}", WEB_SYSTEM_ADMIN, false, web_settings_get},
	{HTTP_PUT, "settings/{}", WEB_SYSTEM_ADMIN, true, web_settings_put},
	{HTTP_DELETE, "settings/{}/{}", WEB_SYSTEM_ADMIN, false, web_settings_unset},
	{HTTP_GET, "status", WEB_SYSTEM_ADMIN, false, web_status},
	{HTTP_GET, "queue", WEB_SYSTEM_ADMIN, false, web_queue_list},
	{HTTP_GET, "queue/summary", WEB_SYSTEM_ADMIN, false, web_queue_summary},
	{HTTP_GET, "queue/{}", WEB_SYSTEM_ADMIN, false, web_queue_show},
	{HTTP_POST, "queue/{}/{}", WEB_SYSTEM_ADMIN, false, web_queue_order},
};

#define API_ENDPOINT_COUNT (sizeof(api_endpoints) / sizeof(api_endpoints[0]))

/* ---- Which endpoint ---- */

/* Segments are compared as they came and decoded then: an escaped slash parts nothing. */
static bool
api_match(struct web_request *w, const char *pattern, struct str path)
{
	struct str want = str_c(pattern), piece, got;
	unsigned count = 0;

	for (;;) {
		bool more_want = str_cut(want, '/', &piece, &want);
		bool more_got = str_cut(path, '/', &got, &path);
		if (more_want != more_got)
			return false;
		if (str_eq(piece, STR("{}"))) {
			if (got.len == 0 || !http_uri_decode(got, false, http_arena(w->r), &w->args[count]))
				return false;
			count++;
		} else if (!str_eq(piece, got)) {
			return false;
		}
		if (!more_want)
			return true;
	}
}

static void
api_refuse_method(struct web_request *w, unsigned allowed)
{
	struct buf names = BUF_EMPTY;

	for (unsigned i = 0; i < HTTP_METHOD_COUNT; i++)
		if ((allowed & HTTP_BIT(i)) != 0)
			buf_printf(&names, "%s%s", names.len != 0 ? ", " : "", http_method_name(i));
	w->allow = arena_strdup(http_arena(w->r), names.data);
	buf_fini(&names);
	web_refuse(w, 405, "only %s can be used here", w->allow);
}

/* False: refused. */
static bool
api_find(struct web_request *w)
{
	const struct http_head *head = http_head(w->r);
	enum http_method method = head->method == HTTP_HEAD ? HTTP_GET : head->method;
	struct str path = http_uri_raw_path(head->target);
	unsigned allowed = 0;

	if (!str_starts(path, STR(API_PREFIX))) {
		web_refuse(w, 404, "there is no such endpoint");
		return false;
	}
	path = str_from(path, sizeof(API_PREFIX) - 1);
	for (size_t i = 0; i < API_ENDPOINT_COUNT && w->endpoint == NULL; i++) {
		if (!api_match(w, api_endpoints[i].pattern, path))
			continue;
		allowed |= HTTP_BIT(api_endpoints[i].method);
		if (api_endpoints[i].method == method)
			w->endpoint = &api_endpoints[i];
	}
	if (w->endpoint == NULL && allowed != 0)
		api_refuse_method(w, allowed);
	else if (w->endpoint == NULL)
		web_refuse(w, 404, "there is no such endpoint");
	return w->endpoint != NULL;
}

/* ---- May he ---- */

/* "https://mail.example.com:8443" is ours where Host says the same. Without TLS only on
 * loopback: anybody on the way could have made such a page. */
static bool
api_origin_is_ours(const struct http_request *r, struct str origin)
{
	struct str host = http_field(r, STR("Host"));

	if (str_starts_ci(origin, STR("https://")))
		return str_eq_ci(str_from(origin, 8), host);
	return str_starts_ci(origin, STR("http://")) && ip_is_loopback(http_client(r)) &&
	       str_eq_ci(str_from(origin, 7), host);
}

static bool
api_is_json(const struct http_request *r)
{
	struct str type, parameters;

	str_cut(http_field(r, STR("Content-Type")), ';', &type, &parameters);
	return str_eq_ci(str_trim(type), STR("application/json"));
}

static bool
api_is_form(const struct http_request *r)
{
	struct str type, parameters;

	str_cut(http_field(r, STR("Content-Type")), ';', &type, &parameters);
	return str_eq_ci(str_trim(type), STR("application/x-www-form-urlencoded"));
}

static bool
api_has_token(const struct web_request *w)
{
	struct str token = http_field(w->r, STR("X-Stagepost-Token")), csrf = str_c(w->who.csrf);

	return token.len == csrf.len && csrf.len != 0 && CRYPTO_memcmp(token.p, csrf.p, csrf.len) == 0;
}

/* False: refused. A login may come by a form, as nobody is logged in yet. */
static bool
api_is_meant(struct web_request *w)
{
	struct str origin = http_field(w->r, STR("Origin"));
	bool is_login = w->endpoint->handle == web_login;

	if (w->endpoint->method == HTTP_GET)
		return true;
	if (origin.p != NULL && !api_origin_is_ours(w->r, origin))
		web_refuse(w, 403, "the request comes from a page of another origin");
	else if (!is_login && w->who.by_cookie && origin.p == NULL)
		web_refuse(w, 403, "a change made with a session cookie needs an Origin header");
	else if (!is_login && w->who.by_cookie && !api_has_token(w))
		web_refuse(w, 403, "X-Stagepost-Token is missing or wrong");
	else if (!api_is_json(w->r) && !(is_login && api_is_form(w->r)))
		web_refuse(w, 415, "a change needs Content-Type: application/json");
	else
		return true;
	return false;
}

static void
api_on_identity(struct web_request *w)
{
	enum web_role role = w->endpoint->role;

	if (role != WEB_ANYBODY && w->who.role == WEB_ANYBODY) {
		web_refuse(w, 401, "log in first");
	} else if (w->who.role < role) {
		web_refuse(w, 403, "this account may not do that");
	} else if (api_is_meant(w)) {
		if (w->endpoint->body)
			http_want_body(w->r);
		else
			w->endpoint->handle(w);
	}
}

/* ---- The body ---- */

/* Not nested too deep, and no NUL in a text: it would end there for us. */
static bool
api_may_parse(struct str text)
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
			if (++depth > API_BODY_DEPTH_MAX)
				return false;
		} else if (!quoted && (c == '}' || c == ']') && depth > 0) {
			depth--;
		}
	}
	return str_is_utf8(text);
}

static cJSON *
api_parse_form(struct web_request *w)
{
	cJSON *o = cJSON_CreateObject();
	struct str value;

	for (unsigned i = 0; i < 2; i++) {
		static const char *const names[] = {"address", "password"};
		if (http_uri_parameter(buf_str(&w->bytes), str_c(names[i]), http_arena(w->r), &value))
			cJSON_AddStringToObject(o, names[i],
						arena_dup(http_arena(w->r), value.p != NULL ? value.p : "", value.len));
	}
	return o;
}

static void
api_on_body(struct http_request *r, struct str piece)
{
	struct web_request *w = http_state(r);

	buf_add_str(&w->bytes, piece);
}

static void
api_on_end(struct http_request *r)
{
	struct web_request *w = http_state(r);
	struct str text = buf_str(&w->bytes);

	if (api_is_form(r))
		w->body = api_parse_form(w);
	else if (text.len != 0 && api_may_parse(text))
		w->body = cJSON_ParseWithLength(text.p, text.len);
	buf_fini(&w->bytes);
	if (!cJSON_IsObject(w->body))
		web_refuse(w, 400, "the body is not a JSON object");
	else
		w->endpoint->handle(w);
}

/* ---- The request ---- */

static void
api_on_begin(struct http_request *r)
{
	struct web_request *w = arena_new(http_arena(r), struct web_request);

	http_set_state(r, w);
	w->r = r;
	w->web = http_frontend(r)->web;
	w->on_identity = api_on_identity;
	if (!api_find(w))
		return;
	/* Who logs in is not yet anybody, whatever he brings. */
	if (w->endpoint->role == WEB_ANYBODY)
		api_on_identity(w);
	else
		web_identify(w);
}

static void
api_on_gone(struct http_request *r)
{
	struct web_request *w = http_state(r);

	if (w == NULL)
		return;
	if (w->login != NULL)
		auth_cancel(&w->login);
	admin_cancel(&w->call);
	cJSON_Delete(w->body);
	w->body = NULL;
	buf_fini(&w->bytes);
}

const struct http_handler web_api = {
	.on_begin = api_on_begin, .on_body = api_on_body, .on_end = api_on_end, .on_gone = api_on_gone};
