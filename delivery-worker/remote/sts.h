/* MTA-STS for one job (RFC 8461). */
#ifndef SP_WORKER_REMOTE_STS_H
#define SP_WORKER_REMOTE_STS_H

#include "delivery-worker/remote/route.h"
#include "lib/tlspolicy/sts.h"

struct remote_work;

/* ours: the policy is not known, because of trouble of our own. */
typedef void sts_on_end(struct remote_work *w, const struct err *ours);

struct sts_check {
	sts_on_end *on_end;
	struct sts_lookup *lookup; /* in progress */
	bool found;
	struct sts_policy policy; /* in the arena */
	enum tls_result problem;  /* with the one that the domain has now */
	const char *reason;
};

void sts_init(struct remote_work *w, sts_on_end *on_end);
/* Looks up the policy of the destination. on_end is called once, possibly from within. */
void sts_look_up(struct remote_work *w);
void sts_stop(struct remote_work *w);
/* May mail be sent to the host? If not, the trouble is noted. */
bool sts_allows(struct remote_work *w, const struct route_host *h);
/* Is there a policy that must be enforced? */
bool sts_is_enforced(const struct remote_work *w);

#endif
