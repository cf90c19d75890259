/* The table of routes of the HTTP server: the one place that lists them. */
#include "frontend/autodiscover/autodiscover.h"
#include "frontend/http/http.h"
#include "frontend/web/web.h"
#include "frontend/wellknown/wellknown.h"

#define GET  HTTP_BIT(HTTP_GET)
#define POST HTTP_BIT(HTTP_POST)
/* The API answers for itself which of them an endpoint has. */
#define API (GET | POST | HTTP_BIT(HTTP_PUT) | HTTP_BIT(HTTP_PATCH) | HTTP_BIT(HTTP_DELETE))

/* An answer from the loop is the proof of health. */
static void
routes_on_healthz(struct http_request *r)
{
	http_reply(r, 200, "text/plain; charset=utf-8", STR("ok\n"));
}

static const struct http_handler routes_healthz = {.on_begin = routes_on_healthz};

static const struct http_route routes[] = {
	{NULL, "/healthz", GET, HTTP_PLAIN_OK, 0, 0, &routes_healthz},
	{"autoconfig.*", "/mail/config-v1.1.xml", GET, HTTP_CASELESS | HTTP_PLAIN_OK, 0, 0, &autodiscover_autoconfig},
	{NULL, "/.well-known/autoconfig/mail/config-v1.1.xml", GET, HTTP_CASELESS | HTTP_PLAIN_OK, 0, 0,
	 &autodiscover_autoconfig},
	{NULL, "/autodiscover/autodiscover.xml", GET | POST, HTTP_CASELESS | HTTP_LOGIN, 64 * 1024, 0,
	 &autodiscover_pox},
	{NULL, "/autodiscover/autodiscover.svc", GET | POST, HTTP_CASELESS | HTTP_LOGIN, 64 * 1024, 0,
	 &autodiscover_soap},
	{NULL, "/autodiscover/autodiscover.json", GET, HTTP_CASELESS, 0, 0, &autodiscover_json},
	{NULL, "/autodiscover/autodiscover.json/v1.0/*", GET, HTTP_CASELESS, 0, 0, &autodiscover_json},
	{NULL, "/mobileconfig", GET, HTTP_CASELESS, 0, 0, &autodiscover_mobileconfig},
	{"mta-sts.*", "/.well-known/mta-sts.txt", GET, 0, 0, 0, &wellknown_mta_sts},
	{NULL, WELLKNOWN_ACME_PREFIX "*", GET, HTTP_PLAIN_OK, 0, 0, &wellknown_acme},
	{NULL, "/admin", GET, 0, 0, 0, &web_page},
	{NULL, "/admin/*", GET, 0, 0, 0, &web_page},
	/* Nobody is logged in yet, and may not make us keep much. */
	{NULL, "/api/v1/session", API, 0, 16 * 1024, 0, &web_api},
	{NULL, "/api/v1/live", API, 0, 1024 * 1024, 0, &web_api_live},
	{NULL, "/api/v1/*", API, 0, 1024 * 1024, 0, &web_api},
	{.path = NULL},
};

const struct http_route *http_routes = routes;
