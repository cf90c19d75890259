/* Autodiscover v2: GET /autodiscover/autodiscover.json?Email=...&Protocol=..., or
 * with the address in the path,
 * /autodiscover/autodiscover.json/v1.0/ADDRESS?Protocol=... It returns the URL of an
 * Exchange protocol; AutodiscoverV1 leads to POX. */
#include <cjson/cJSON.h>

#include "frontend/autodiscover/autodiscover.h"
#include "frontend/autodiscover/services.h"
#include "lib/base/mem.h"

static void
json_reply(struct http_request *r, int status, cJSON *object)
{
	char *text = cJSON_PrintUnformatted(object);

	http_reply(r, status, "application/json; charset=utf-8", str_c(text));
	cJSON_free(text);
	cJSON_Delete(object);
}

static void
json_refuse(struct http_request *r, const char *code, const char *message)
{
	cJSON *object = cJSON_CreateObject();

	cJSON_AddStringToObject(object, "ErrorCode", code);
	cJSON_AddStringToObject(object, "ErrorMessage", message);
	json_reply(r, 400, object);
}

static void
json_on_found(struct http_request *r, const struct discovered *found)
{
	struct str protocol;
	cJSON *object;

	if (found == NULL) {
		json_refuse(r, "UserNotFound", "The domain is not served here.");
	} else if (!http_parameter(r, STR("Protocol"), &protocol) || protocol.len == 0) {
		json_refuse(r, "MandatoryParameterMissing", "The parameter Protocol is missing.");
	} else if (!str_eq_ci(protocol, STR("AutodiscoverV1"))) {
		json_refuse(r, "InvalidProtocol", "The protocol is not available here; only AutodiscoverV1 is.");
	} else {
		object = cJSON_CreateObject();
		cJSON_AddStringToObject(object, "Protocol", "AutodiscoverV1");
		cJSON_AddStringToObject(
			object, "Url", arena_printf(http_arena(r), "%s/autodiscover/autodiscover.xml", http_origin(r)));
		json_reply(r, 200, object);
	}
}

static void
json_on_begin(struct http_request *r)
{
	static const char in_path[] = "/autodiscover/autodiscover.json/v1.0/";
	struct str path = http_head(r)->path;
	char address[DIRECTORY_ADDRESS_MAX];

	if (!str_starts_ci(path, str_c(in_path)))
		discover_by_request(r, STR("autodiscover."), json_on_found);
	else if (directory_canonical_address(str_from(path, sizeof(in_path) - 1), address))
		discover(r, directory_domain_of(str_c(address)), str_c(address), json_on_found);
	else
		json_refuse(r, "InvalidUserId", "The address is malformed.");
}

const struct http_handler autodiscover_json = {.on_begin = json_on_begin};
