/* The DNS records that a domain needs so that its mail is found, believed and set up
 * by clients: what to publish, and whether it is published. */
#ifndef SP_ADMIN_DNS_H
#define SP_ADMIN_DNS_H

#include "lib/admin/admin.h"
#include "lib/base/str.h"

/* Of a domain that is served here, from its settings and keys as they are now.
 * a->directory, settings (read), dkim, hostname; checked: a->dns too, which stays
 * until the call has ended or is cancelled.
 *
 *	{"domain", "records": [{"kind", "name", "type", "value", "zone_line", "note"}, ...],
 *	 "notes": [...]}
 *
 * kind: "address", "mx", "spf", "dkim", "dmarc", "mta-sts", "tls-rpt", "alias",
 * "service". An address has neither value nor zone_line: only the operator knows it.
 * note is there where a record is only a start, or needs to be filled in.
 *
 * Checked, each record also has "state": "right", "missing", "wrong", or "unknown", if
 * DNS gave no answer; "found": what is there instead, or beside it; "problem": in words.
 * "good" says of all whether they are right. */
struct admin_call *admin_domain_dns(struct admin *a, struct str domain, bool checked, admin_on_result *cb, void *arg);

#endif
