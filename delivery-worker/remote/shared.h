/* What all REMOTE jobs of the process have in common. */
#ifndef SP_WORKER_REMOTE_SHARED_H
#define SP_WORKER_REMOTE_SHARED_H

#include <openssl/ssl.h>

#include "delivery-worker/remote/pool.h"
#include "delivery-worker/remote/remote.h"
#include "lib/net/web.h"
#include "lib/tlspolicy/sts.h"

struct remote {
	struct worker *worker;	  /* borrowed */
	SSL_CTX *tls;		  /* owner */
	char *client_certificate; /* its file; owner */
	struct pool *pool;
	struct ip *own; /* addresses of this host; owner */
	unsigned own_count;
	bool has_ipv6;		 /* one that leads somewhere */
	struct web_client *http; /* owner */
	struct sts *sts;	 /* owner */
};

bool remote_is_own(const struct remote *r, const struct ip *ip);
/* False: an address of a family for which this host has no route. */
bool remote_may_reach(const struct remote *r, const struct ip *ip);

#endif
