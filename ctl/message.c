/* A message of the queue, printed for people. */
#include "ctl/message.h"

#include <stdio.h>

static const char *
message_text(const cJSON *o, const char *name)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(o, name));
	return text != NULL ? text : "";
}

static double
message_verdict_number(const cJSON *m, const char *name)
{
	return cJSON_GetNumberValue(cJSON_GetObjectItem(cJSON_GetObjectItem(m, "spam_check"), name));
}

void
message_print_listed(const cJSON *m)
{
	const cJSON *recipient;

	printf("%s  %-8s %8.0f s  %9.0f  <%s>\n", message_text(m, "id"), message_text(m, "state"),
	       cJSON_GetNumberValue(cJSON_GetObjectItem(m, "age_ms")) / 1000,
	       cJSON_GetNumberValue(cJSON_GetObjectItem(m, "size")), message_text(m, "sender"));
	cJSON_ArrayForEach (recipient, cJSON_GetObjectItem(m, "recipients"))
		printf("    <%s>\n", cJSON_GetStringValue(recipient));
	if (message_text(m, "answer")[0] != '\0')
		printf("    (%s)\n", message_text(m, "answer"));
	if (cJSON_HasObjectItem(m, "spam_check"))
		printf("    [%s, %.2f of %.2f]\n", message_text(m, "spam"), message_verdict_number(m, "score"),
		       message_verdict_number(m, "required"));
}

void
message_print_trace(const cJSON *r)
{
	const cJSON *item;

	printf("%s  %s  from <%s>  %.0f bytes\n", message_text(r, "id"), message_text(r, "state"),
	       message_text(r, "sender"), cJSON_GetNumberValue(cJSON_GetObjectItem(r, "size")));
	printf("  client %s (%s) by %s %s%s%s\n", message_text(r, "client_ip"), message_text(r, "client_helo"),
	       message_text(r, "protocol"), message_text(r, "tls"),
	       message_text(r, "authenticated_as")[0] != '\0' ? ", as " : "", message_text(r, "authenticated_as"));
	printf("  received %s by %s, settings %s; spam: %s\n", message_text(r, "received"), message_text(r, "frontend"),
	       message_text(r, "settings_version"), message_text(r, "spam"));
	cJSON_ArrayForEach (item, cJSON_GetObjectItem(r, "recipients"))
		printf("  to <%s>: %s %s %s\n", message_text(item, "address"), message_text(item, "state"),
		       message_text(item, "code"), message_text(item, "answer"));
	cJSON_ArrayForEach (item, cJSON_GetObjectItem(r, "parts"))
		printf("  now, for %s: %s %s%s%s%s %s\n", message_text(item, "destination"),
		       message_text(item, "state"), message_text(item, "next_try"),
		       message_text(item, "worker")[0] != '\0' ? "by " : "", message_text(item, "worker"),
		       message_text(item, "ill_until")[0] != '\0' ? "; the destination has trouble:" : "",
		       message_text(item, "trouble"));
	cJSON_ArrayForEach (item, cJSON_GetObjectItem(r, "events"))
		printf("  %s  %-10s %s %s %s %s %s\n", message_text(item, "time"), message_text(item, "kind"),
		       message_text(item, "recipient"), message_text(item, "host"), message_text(item, "remote"),
		       message_text(item, "tls"), message_text(item, "detail"));
}
