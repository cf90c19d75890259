/* The report of a domain's day (RFC 8460, section 4), from the entries that
 * were counted (tally.h). Pure. */
#ifndef SP_TLSPOLICY_REPORT_H
#define SP_TLSPOLICY_REPORT_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"
#include "lib/smtp/address.h"

/* Who reports, as the settings have it (tls_report_...; empty: the default). */
struct tls_reporting {
	char from[SMTP_ADDRESS_MAX];
	char domain[SMTP_DOMAIN_MAX + 1]; /* of that: the submitter */
	const char *organization;	  /* borrowed, as the next; or the above */
	const char *contact;
};
/* False: from is no address. */
bool tls_reporting_fill(struct tls_reporting *out, const char *from, const char *organization, const char *contact,
			const char *hostname);

struct tls_report_head {
	const char *organization;
	const char *contact;
	const char *id;
	int64_t start_ms; /* unix; the day */
};

cJSON *tls_report_new(const struct tls_report_head *head);
/* An entry with its count; what is none is passed over. */
void tls_report_add(cJSON *report, struct str entry, uint64_t count);
/* Has it anything to say? */
bool tls_report_is_empty(const cJSON *report);
void tls_report_print(const cJSON *report, struct buf *out); /* appends */

/* RFC 1952; appends. */
void tls_report_gzip(struct str text, struct buf *out);

#endif
