/* A message of the queue, printed for people. */
#include "ctl/message.h"

#include <stdio.h>

#include "ctl/output.h"

void
message_print_listed(const cJSON *m)
{
	const cJSON *recipient, *verdict = cJSON_GetObjectItem(m, "spam_check");

	printf("%s  %-8s %8.0f s  %9.0f  <%s>\n", output_text(m, "id"), output_text(m, "state"),
	       output_number(m, "age_ms") / 1000, output_number(m, "size"), output_text(m, "sender"));
	cJSON_ArrayForEach (recipient, cJSON_GetObjectItem(m, "recipients"))
		printf("    <%s>\n", cJSON_GetStringValue(recipient));
	if (output_text(m, "answer")[0] != '\0')
		printf("    (%s)\n", output_text(m, "answer"));
	if (verdict != NULL)
		printf("    [%s, %.2f of %.2f]\n", output_text(m, "spam"), output_number(verdict, "score"),
		       output_number(verdict, "required"));
}

void
message_print_trace(const cJSON *r)
{
	const cJSON *item;

	printf("%s  %s  from <%s>  %.0f bytes\n", output_text(r, "id"), output_text(r, "state"),
	       output_text(r, "sender"), output_number(r, "size"));
	printf("  client %s (%s) by %s %s%s%s\n", output_text(r, "client_ip"), output_text(r, "client_helo"),
	       output_text(r, "protocol"), output_text(r, "tls"),
	       output_text(r, "authenticated_as")[0] != '\0' ? ", as " : "", output_text(r, "authenticated_as"));
	printf("  received %s by %s, settings %s; spam: %s\n", output_text(r, "received"), output_text(r, "frontend"),
	       output_text(r, "settings_version"), output_text(r, "spam"));
	if (output_text(r, "mail_auth")[0] != '\0')
		printf("  %s\n", output_text(r, "mail_auth"));
	cJSON_ArrayForEach (item, cJSON_GetObjectItem(r, "recipients"))
		printf("  to <%s>: %s %s %s\n", output_text(item, "address"), output_text(item, "state"),
		       output_text(item, "code"), output_text(item, "answer"));
	cJSON_ArrayForEach (item, cJSON_GetObjectItem(r, "parts"))
		printf("  now, for %s: %s %s%s%s%s %s\n", output_text(item, "destination"), output_text(item, "state"),
		       output_text(item, "next_try"), output_text(item, "worker")[0] != '\0' ? "by " : "",
		       output_text(item, "worker"),
		       output_text(item, "ill_until")[0] != '\0' ? "; the destination has trouble:" : "",
		       output_text(item, "trouble"));
	cJSON_ArrayForEach (item, cJSON_GetObjectItem(r, "events"))
		printf("  %s  %-10s %s %s %s %s %s\n", output_text(item, "time"), output_text(item, "kind"),
		       output_text(item, "recipient"), output_text(item, "host"), output_text(item, "remote"),
		       output_text(item, "tls"), output_text(item, "detail"));
}
