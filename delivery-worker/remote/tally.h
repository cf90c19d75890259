/* TLS sessions of REMOTE jobs, counted for the reports to other domains. */
#ifndef SP_WORKER_REMOTE_TALLY_H
#define SP_WORKER_REMOTE_TALLY_H

#include "delivery-worker/remote/work.h"

/* w->client, a new one, is ready. */
void tally_session(const struct remote_work *w);
void tally_failure(const struct remote_work *w, const struct smtp_failure *f);
/* Hosts that were skipped: without records that should exist, or not in the MTA-STS policy. */
void tally_no_records(const struct remote_work *w, const struct route_host *h, const struct err *err);
void tally_not_named(const struct remote_work *w, const struct route_host *h);

#endif
