/* Shared by order.c and challenge.c. */
#ifndef SP_WORKER_ACME_ORDER_H
#define SP_WORKER_ACME_ORDER_H

#include "delivery-worker/acme/private.h"

/* ---- order.c ---- */
/* Asks how the order stands, and goes on as it does. */
void acme_order_look(struct acme_round *r);
/* Goes on with next after a while, or leaves it to a later round. */
void acme_order_wait(struct acme_round *r, int64_t retry_after_ms, void (*next)(struct acme_round *r));
/* The ends of an order: it leads nowhere, and the next try makes another one; so does one
 * that the CA itself says has failed; the CA refused a request. */
__attribute__((format(printf, 2, 3))) void acme_order_fail(struct acme_round *r, const char *format, ...);
void acme_order_fail_by(struct acme_round *r, const char *what, const cJSON *error);
void acme_order_refused(struct acme_round *r, const struct acme_trouble *trouble);

/* ---- challenge.c ---- */
/* The order's authorization is looked at, and its challenge answered; then the order. */
void acme_challenge_look(struct acme_round *r);

#endif
