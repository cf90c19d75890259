#include "lib/tlspolicy/report.h"

#include <zlib.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/tlspolicy/tally.h"

/* The parts of an entry, in its order. */
enum part { TYPE, DOMAIN, STRINGS, PATTERNS, RESULT, SENDING_IP, MX_HOST, MX_HELO, RECEIVING_IP, REASON, PARTS };

/* The names of the last ones in a report; helo and reason only if known. */
static const struct {
	enum part part;
	const char *name;
} details[] = {
	{SENDING_IP, "sending-mta-ip"}, {MX_HOST, "receiving-mx-hostname"}, {MX_HELO, "receiving-mx-helo"},
	{RECEIVING_IP, "receiving-ip"}, {REASON, "failure-reason-code"},
};

bool
tls_reporting_fill(struct tls_reporting *out, const char *from, const char *organization, const char *contact,
		   const char *hostname)
{
	struct smtp_path path;
	struct arena arena;
	bool ok;

	arena_init(&arena);
	if (*from == '\0')
		from = arena_printf(&arena, "postmaster@%s", hostname);
	ok = smtp_address_parse(str_c(from), false, &arena, &path) == SMTP_PATH_OK && path.kind == SMTP_PATH_MAILBOX &&
	     path.domain.p[0] != '[' && str_copy(path.address, out->from, sizeof(out->from)) &&
	     str_copy(path.domain, out->domain, sizeof(out->domain));
	arena_fini(&arena);
	out->organization = *organization != '\0' ? organization : out->domain;
	out->contact = *contact != '\0' ? contact : out->from;
	return ok;
}

static void
add_time(cJSON *object, const char *name, int64_t unix_ms)
{
	char text[CLOCK_ISO8601_MAX];

	clock_iso8601(unix_ms, text, sizeof(text));
	/* Without fractions of a second, as in the RFC's examples. */
	text[19] = 'Z';
	text[20] = '\0';
	cJSON_AddStringToObject(object, name, text);
}

cJSON *
tls_report_new(const struct tls_report_head *head)
{
	cJSON *report = cJSON_CreateObject(), *range;

	cJSON_AddStringToObject(report, "organization-name", head->organization);
	range = cJSON_AddObjectToObject(report, "date-range");
	add_time(range, "start-datetime", head->start_ms);
	add_time(range, "end-datetime", head->start_ms + TALLY_DAY_MS - 1000);
	cJSON_AddStringToObject(report, "contact-info", head->contact);
	cJSON_AddStringToObject(report, "report-id", head->id);
	cJSON_AddArrayToObject(report, "policies");
	return report;
}

/* Does it have the form that tally.c writes? */
static bool
is_sound(const cJSON *entry)
{
	if (!cJSON_IsArray(entry) || cJSON_GetArraySize(entry) != PARTS)
		return false;
	for (int i = 0; i < PARTS; i++) {
		const cJSON *part = cJSON_GetArrayItem(entry, i);

		if (i == STRINGS || i == PATTERNS ? !cJSON_IsArray(part) : !cJSON_IsString(part))
			return false;
	}
	return true;
}

static cJSON *
policy_object(const cJSON *entry)
{
	cJSON *policy = cJSON_CreateObject();
	const cJSON *strings = cJSON_GetArrayItem(entry, STRINGS), *patterns = cJSON_GetArrayItem(entry, PATTERNS);

	cJSON_AddItemToObject(policy, "policy-type", cJSON_Duplicate(cJSON_GetArrayItem(entry, TYPE), true));
	if (cJSON_GetArraySize(strings) > 0)
		cJSON_AddItemToObject(policy, "policy-string", cJSON_Duplicate(strings, true));
	cJSON_AddItemToObject(policy, "policy-domain", cJSON_Duplicate(cJSON_GetArrayItem(entry, DOMAIN), true));
	if (cJSON_GetArraySize(patterns) > 0)
		cJSON_AddItemToObject(policy, "mx-host", cJSON_Duplicate(patterns, true));
	return policy;
}

/* The report's part for the entry's policy, created for its first entry. */
static cJSON *
part_about(cJSON *report, const cJSON *entry)
{
	cJSON *all = cJSON_GetObjectItem(report, "policies"), *part, *policy = policy_object(entry), *summary;

	cJSON_ArrayForEach (part, all) {
		if (!cJSON_Compare(cJSON_GetObjectItem(part, "policy"), policy, true))
			continue;
		cJSON_Delete(policy);
		return part;
	}
	part = cJSON_CreateObject();
	cJSON_AddItemToArray(all, part);
	cJSON_AddItemToObject(part, "policy", policy);
	summary = cJSON_AddObjectToObject(part, "summary");
	cJSON_AddNumberToObject(summary, "total-successful-session-count", 0);
	cJSON_AddNumberToObject(summary, "total-failure-session-count", 0);
	return part;
}

static void
add_count(cJSON *part, const char *name, uint64_t count)
{
	cJSON *number = cJSON_GetObjectItem(cJSON_GetObjectItem(part, "summary"), name);

	cJSON_SetNumberValue(number, cJSON_GetNumberValue(number) + (double)count);
}

static void
add_failure(cJSON *part, const cJSON *entry, uint64_t count)
{
	cJSON *list = cJSON_GetObjectItem(part, "failure-details"), *detail = cJSON_CreateObject();

	if (list == NULL)
		list = cJSON_AddArrayToObject(part, "failure-details");
	cJSON_AddItemToArray(list, detail);
	cJSON_AddItemToObject(detail, "result-type", cJSON_Duplicate(cJSON_GetArrayItem(entry, RESULT), true));
	for (size_t i = 0; i < sizeof(details) / sizeof(details[0]); i++) {
		const cJSON *text = cJSON_GetArrayItem(entry, (int)details[i].part);

		if (*cJSON_GetStringValue(text) != '\0')
			cJSON_AddItemToObject(detail, details[i].name, cJSON_Duplicate(text, true));
	}
	cJSON_AddNumberToObject(detail, "failed-session-count", (double)count);
}

void
tls_report_add(cJSON *report, struct str text, uint64_t count)
{
	cJSON *entry = text.len > 0 && text.p[0] == '[' ? cJSON_ParseWithLength(text.p, text.len) : NULL, *part;

	if (entry != NULL && is_sound(entry) && count > 0) {
		bool failed = *cJSON_GetStringValue(cJSON_GetArrayItem(entry, RESULT)) != '\0';

		part = part_about(report, entry);
		add_count(part, failed ? "total-failure-session-count" : "total-successful-session-count", count);
		if (failed)
			add_failure(part, entry, count);
	}
	cJSON_Delete(entry);
}

bool
tls_report_is_empty(const cJSON *report)
{
	return cJSON_GetArraySize(cJSON_GetObjectItem(report, "policies")) == 0;
}

void
tls_report_print(const cJSON *report, struct buf *out)
{
	char *text = cJSON_Print(report);

	CHECK(text != NULL);
	buf_add_c(out, text);
	buf_add_c(out, "\n");
	cJSON_free(text);
}

void
tls_report_gzip(struct str text, struct buf *out)
{
	z_stream z = {.zalloc = NULL};
	size_t most;

	CHECK(deflateInit2(&z, Z_BEST_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
	most = deflateBound(&z, (uLong)text.len);
	z.next_in = (Bytef *)(uintptr_t)text.p;
	z.avail_in = (uInt)text.len;
	z.next_out = (Bytef *)buf_reserve(out, most);
	z.avail_out = (uInt)most;
	CHECK(deflate(&z, Z_FINISH) == Z_STREAM_END);
	out->len += most - z.avail_out;
	deflateEnd(&z);
}
