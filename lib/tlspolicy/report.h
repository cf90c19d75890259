/* The report of a domain's day (RFC 8460, section 4), from the counted entries
 * (tally.h). Pure. */
#ifndef SP_TLSPOLICY_REPORT_H
#define SP_TLSPOLICY_REPORT_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"
#include "lib/smtp/address.h"

/* The sender of reports, from the settings (tls_report_...; empty: the default). */
struct tls_reporting {
	char from[SMTP_ADDRESS_MAX];
	char domain[SMTP_DOMAIN_MAX + 1]; /* the domain of `from`: the submitter */
	const char *organization;	  /* borrowed, like the next; or from the buffers above */
	const char *contact;
};
/* False: from is not an address. */
bool tls_reporting_fill(struct tls_reporting *out, const char *from, const char *organization, const char *contact,
			const char *hostname);

struct tls_report_head {
	const char *organization;
	const char *contact;
	const char *id;
	int64_t start_ms; /* unix; of the day */
};

cJSON *tls_report_new(const struct tls_report_head *head);
/* Adds an entry with its count; anything malformed is skipped. */
void tls_report_add(cJSON *report, struct str entry, uint64_t count);
/* True if there is nothing to report. */
bool tls_report_is_empty(const cJSON *report);
void tls_report_print(const cJSON *report, struct buf *out); /* appends */

/* RFC 1952; appends. */
void tls_report_gzip(struct str text, struct buf *out);

#endif
