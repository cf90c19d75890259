/* Retrieves mail from accounts at other servers, by POP3 and IMAP.
 *
 * Workers share the accounts without a broker: each looks for what is due in the store, and claims it with a
 * lease and a fence (claim.c, ledger.h). So an account is read by one worker at a time, and one that slept
 * beyond its lease changes nothing when it wakes. Each message is handed to the spool under an id that is stored
 * before, which makes it come exactly once through any crash. */
#ifndef SP_WORKER_RETRIEVE_RETRIEVER_H
#define SP_WORKER_RETRIEVE_RETRIEVER_H

#include <cjson/cJSON.h>

#include "lib/base/err.h"

struct retriever;
struct worker;

/* NULL: STAGEPOST_SECRET_KEY is malformed, or there is no TLS. */
struct retriever *retriever_new(struct worker *w, struct err *err);
/* No new rounds; those in progress are given back. */
void retriever_stop(struct retriever *v);
void retriever_free(struct retriever **v);
/* Adds "retrieval". */
void retriever_add_status(const struct retriever *v, cJSON *status);

#endif
