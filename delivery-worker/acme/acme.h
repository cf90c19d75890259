/* Orders and renews certificates (ACME, RFC 8555), for one process of the cluster at a
 * time: under a lease with a fence (lib/acme/store.h). Off until settings acme
 * directory_url and contact are set. */
#ifndef SP_WORKER_ACME_ACME_H
#define SP_WORKER_ACME_ACME_H

#include <cjson/cJSON.h>

#include "lib/base/err.h"

struct acme;
struct worker;

/* NULL: STAGEPOST_SECRET_KEY is malformed. */
struct acme *acme_new(struct worker *w, struct err *err);
/* Nothing is ordered any more; another process may go on at once. */
void acme_stop(struct acme *a);
void acme_free(struct acme **a);
/* Adds "acme", if this process orders. */
void acme_add_status(const struct acme *a, cJSON *status);

#endif
