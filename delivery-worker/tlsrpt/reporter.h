/* TLS reports (RFC 8460): counts TLS sessions, and once a day sends a report, by
 * mail or POST, to each domain that asks for it. Any worker makes any report;
 * the store knows which are due and which worker has them
 * (lib/tlspolicy/pending.h). */
#ifndef SP_WORKER_TLSRPT_REPORTER_H
#define SP_WORKER_TLSRPT_REPORTER_H

#include "delivery-worker/worker.h"

struct tls_reporter;

/* Fills in w->tally. */
struct tls_reporter *tls_reporter_new(struct worker *w);
/* Must be idle. */
void tls_reporter_free(struct tls_reporter **r);

/* Starts no more reports; those in progress end at their next step. */
void tls_reporter_stop(struct tls_reporter *r);
/* After tls_reporter_stop(), when nothing is counted any more: calls on_end
 * once everything has ended and the counts are in the store, or cannot be
 * stored. */
void tls_reporter_drain(struct tls_reporter *r, void (*on_end)(void *arg), void *arg);
bool tls_reporter_is_idle(const struct tls_reporter *r);

#endif
