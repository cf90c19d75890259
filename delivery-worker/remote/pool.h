/* Connections that are idle for a moment, to be used for the next message to
 * the same server; and the servers that could not be reached a moment ago. */
#ifndef SP_WORKER_REMOTE_POOL_H
#define SP_WORKER_REMOTE_POOL_H

#include "delivery-worker/remote/client.h"

#define POOL_IDLE_MS	  5000
#define POOL_MESSAGES_MAX 100 /* over one connection */
#define POOL_IDLE_TOTAL	  1000
#define POOL_DEAD_MS	  30000
#define POOL_WAY_BYTES	  16

struct pool;

/* The same path to the same server. */
struct pool_key {
	struct ip ip;
	struct ip source;
	uint16_t port;
	bool tls;			   /* wanted */
	unsigned char way[POOL_WAY_BYTES]; /* a digest of what else was agreed: login, how it was verified */
};

struct pool *pool_new(struct event_base *base);
void pool_free(struct pool **p);

/* NULL: none. The caller owns the client and sets itself as its owner. */
struct smtp_client *pool_take(struct pool *p, const struct pool_key *key);
/* Takes over the client, or sends QUIT if it is used up. Sets *c to NULL. */
void pool_put(struct pool *p, const struct pool_key *key, struct smtp_client **c);
unsigned pool_idle(const struct pool *p);

void pool_note_dead(struct pool *p, const struct smtp_target *t);
bool pool_is_dead(const struct pool *p, const struct smtp_target *t);

#endif
