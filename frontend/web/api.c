/* The API: which endpoint, who asks, may he, the body; then the endpoint's handler.
 *
 * A change by cookie must come from a page of ours: its Origin is ours, and it brings
 * the session's own token. A change by Basic login must not come from a page of others:
 * JSON, which no form can send, and no foreign Origin. */
#include <openssl/crypto.h>

#include "frontend/http/websocket.h"
#include "frontend/web/private.h"
#include "lib/base/check.h"
#include "lib/http/uri.h"

#define API_PREFIX "/api/v1/"

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
		if (str_starts(piece, STR("{"))) {
			CHECK(count < WEB_ARGS_MAX);
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
	for (const struct web_endpoint *e = web_endpoints; e->pattern != NULL && w->endpoint == NULL; e++) {
		if (!api_match(w, e->pattern, path))
			continue;
		allowed |= HTTP_BIT(e->method);
		if (e->method == method)
			w->endpoint = e;
	}
	if (w->endpoint == NULL && allowed != 0)
		api_refuse_method(w, allowed);
	else if (w->endpoint == NULL)
		web_refuse(w, 404, "there is no such endpoint");
	return w->endpoint != NULL;
}

struct str
web_arg(const struct web_request *w, const char *name)
{
	struct str rest = str_c(w->endpoint->pattern), piece;
	unsigned count = 0;
	bool more;

	do {
		more = str_cut(rest, '/', &piece, &rest);
		if (!str_starts(piece, STR("{")))
			continue;
		if (str_eq(str_first(str_from(piece, 1), piece.len - 2), str_c(name)))
			return w->args[count];
		count++;
	} while (more);
	return STR_NONE;
}

/* {domain} and {address} in canonical form. An address is looked for in its own domain
 * only. False: refused. */
static bool
api_take_names(struct web_request *w)
{
	struct str domain = web_arg(w, "domain"), address = web_arg(w, "address");

	for (unsigned i = 0; i < WEB_ARGS_MAX; i++)
		if (w->args[i].len != 0 && !str_is_utf8(w->args[i])) {
			web_refuse(w, 400, "the path is not UTF-8");
			return false;
		}
	if (domain.len != 0 && !directory_canonical_domain(domain, w->domain)) {
		web_refuse(w, 404, "'%.*s' is not a domain", STR_ARG(str_first_utf8(domain, 100)));
		return false;
	}
	if (address.len == 0)
		return true;
	if (!directory_canonical_address(address, w->address)) {
		web_refuse(w, 404, "'%.*s' is not an address", STR_ARG(str_first_utf8(address, 100)));
		return false;
	}
	if (domain.len != 0 && !str_eq(directory_domain_of(str_c(w->address)), str_c(w->domain))) {
		web_refuse(w, 404, "%s is not an address of %s", w->address, w->domain);
		return false;
	}
	return true;
}

/* ---- May he ---- */

/* Whether what the path names is the caller's. Who administers a domain is a user of
 * it: see directory.h. */
static bool
api_reaches(const struct web_request *w)
{
	struct str own = str_c(w->who.address), domain = directory_domain_of(own);

	if (w->who.role == WEB_SYSTEM_ADMIN)
		return true;
	switch (w->endpoint->reach) {
	case WEB_REACH_ROLE:
	case WEB_REACH_OWN: return true;
	case WEB_REACH_DOMAIN: return w->who.role == WEB_DOMAIN_ADMIN && str_eq(domain, str_c(w->domain));
	case WEB_REACH_ACCOUNT:
		return str_eq(own, str_c(w->address)) ||
		       (w->who.role == WEB_DOMAIN_ADMIN && str_eq(domain, directory_domain_of(str_c(w->address))));
	}
	return false;
}

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
api_has_token(const struct web_request *w)
{
	struct str token = http_field(w->r, STR("X-Stagepost-Token")), csrf = str_c(w->who.csrf);

	return token.len == csrf.len && csrf.len != 0 && CRYPTO_memcmp(token.p, csrf.p, csrf.len) == 0;
}

/* Any page can make a browser ask for a WebSocket with the user's cookie, and read what
 * comes. The origin, if there is one, has been checked (api_live_terms). False: refused. */
static bool
api_is_websocket_meant(struct web_request *w)
{
	if (!w->who.by_cookie || http_field(w->r, STR("Origin")).p != NULL)
		return true;
	web_refuse(w, 403, "a WebSocket with a session cookie needs an Origin header");
	return false;
}

/* False: refused. A login may come by a form, as nobody is logged in yet. */
static bool
api_is_meant(struct web_request *w)
{
	struct str origin = http_field(w->r, STR("Origin"));
	bool is_login = w->endpoint->handle == web_login;

	if (w->endpoint->method == HTTP_GET)
		return !websocket_is_wanted(w->r) || api_is_websocket_meant(w);
	if (origin.p != NULL && !api_origin_is_ours(w->r, origin))
		web_refuse(w, 403, "the request comes from a page of another origin");
	else if (!is_login && w->who.by_cookie && origin.p == NULL)
		web_refuse(w, 403, "a change made with a session cookie needs an Origin header");
	else if (!is_login && w->who.by_cookie && !api_has_token(w))
		web_refuse(w, 403, "X-Stagepost-Token is missing or wrong");
	else if (!web_body_is_json(w->r) && !(is_login && web_body_is_form(w->r)))
		web_refuse(w, 415, "a change needs Content-Type: application/json");
	else
		return true;
	return false;
}

/* Nobody would read it, and a stream that stays open waits for its client's end. */
static bool
api_has_stray_body(const struct web_request *w)
{
	const struct http_head *head = http_head(w->r);

	return w->endpoint->method == HTTP_GET && (head->chunked || head->length != 0);
}

static void
api_on_identity(struct web_request *w)
{
	enum web_role role = w->endpoint->role;

	if (role != WEB_ANYBODY && w->who.role == WEB_ANYBODY) {
		web_refuse(w, 401, w->challenge != NULL ? "the token is not valid" : "log in first");
	} else if (!api_take_names(w)) {
		return; /* refused */
	} else if (w->who.role < role || !api_reaches(w)) {
		web_refuse(w, 403, "this account may not do that");
	} else if (w->who.token[0] != '\0' && (w->endpoint->flags & WEB_NOT_BY_TOKEN) != 0) {
		web_refuse(w, 403, "this cannot be done with a token: log in with the password");
	} else if (api_has_stray_body(w)) {
		web_refuse(w, 400, "a GET request must not have a body");
	} else if (api_is_meant(w)) {
		if (w->endpoint->body != NULL)
			http_want_body(w->r);
		else
			w->endpoint->handle(w);
	}
}

/* ---- The body ---- */

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

	if (web_body_take(w))
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
	cJSON_Delete(w->with_session);
	w->with_session = NULL;
	cJSON_Delete(w->body);
	w->body = NULL;
	buf_fini(&w->bytes);
}

static const struct websocket_terms api_live_terms = {
	.protocols = "stagepost.live", .message_max = 1024, .is_origin_ok = api_origin_is_ours};

#define API_HANDLER .on_begin = api_on_begin, .on_body = api_on_body, .on_end = api_on_end, .on_gone = api_on_gone
const struct http_handler web_api = {API_HANDLER}, web_api_live = {API_HANDLER, .websocket = &api_live_terms};
