/* The secret that all processes of a cluster share, and the keys derived from
 * it.
 *
 * It is STAGEPOST_CLUSTER_KEY or, without that, 32 random bytes in the store
 * (`cluster:secret`), which the first process creates. So everything derived
 * from it is the same in every process, with no further exchange. Keys with
 * different labels are independent of each other. */
#ifndef SP_SECRET_SECRET_H
#define SP_SECRET_SECRET_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/base/str.h"
#include "lib/redis/redis.h"

enum { SECRET_MAC_BYTES = 32 };

struct secret;

/* cluster_key: STAGEPOST_CLUSTER_KEY, or empty: then the secret is read from
 * the store, with retries until it is known. */
struct secret *secret_new(struct event_base *base, struct redis *r, struct str cluster_key);
void secret_free(struct secret **s);

/* False until the store has returned it. The functions below require it. */
bool secret_is_known(const struct secret *s);
/* True if it was given to the process, so that somebody who reads the store does not have it. */
bool secret_is_given(const struct secret *s);

/* Key material of len bytes for one purpose: label names it ("tls ticket"),
 * context distinguishes its instances (a day). */
void secret_derive(const struct secret *s, const char *label, struct str context, void *out, size_t len);
/* HMAC-SHA-256 of data under a key of the label's own. */
void secret_mac(const struct secret *s, const char *label, struct str data, unsigned char out[SECRET_MAC_BYTES]);

#endif
