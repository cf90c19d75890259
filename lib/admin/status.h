/* The state of the cluster: its processes by their heartbeats, the queue, the store. */
#ifndef SP_ADMIN_STATUS_H
#define SP_ADMIN_STATUS_H

#include "lib/admin/admin.h"
#include "lib/base/buf.h"

/* {"processes": [...], "queue": {...}, "store": {...}, "sweep": {...},
 * "acme": {...} (if certificates are ordered), "warnings": [...]}: each process with its own report, the sum of the brokers'
 * counts, the store's configuration and state, and what an operator should
 * attend to. */
struct admin_call *admin_status(struct admin *a, admin_on_result *cb, void *arg);

/* The same without "sweep", and without what takes a look at each domain: "warnings" is
 * empty. For those who ask every few seconds. */
struct admin_call *admin_status_brief(struct admin *a, admin_on_result *cb, void *arg);

/* Judges such a result. False if the cluster does no work or accepts no mail; why
 * is appended to reason. */
bool admin_status_is_good(const cJSON *status, struct buf *reason);
/* The certificates of all frontends, each once, in an array that the caller must
 * delete before the status. {"name", "ordered" (by the cluster), "hosts", "issuer",
 * "ends", "days_left", "problem"}. */
cJSON *admin_status_certificates(const cJSON *status);

#endif
