/* Validates the ARC chain of a message (RFC 8617, 5.2) as a stream, like dkim_verifier
 * (lib/dkim/verify.h): does the newest message signature hold, and every seal?
 *
 * The keys of all signatures are looked up at once; then one signature after another is
 * judged, with other work of the loop in between. */
#ifndef SP_MAILAUTH_ARC_H
#define SP_MAILAUTH_ARC_H

#include <event2/event.h>

#include "lib/dns/dns.h"
#include "lib/mailauth/arc_set.h"

struct arc_verdict {
	enum arc_result result;
	const char *reason; /* static: why it is not a pass; NULL with pass and none */
	/* Those who passed the message on: sets[count - 1] was the last one. Their words count
	 * only if the result is a pass. With fail: as far as they could be read. */
	const struct arc_set *sets;
	unsigned count;
};

struct arc_verifier;

/* limit_ms: for what is missing at arc_verifier_end(); then it is a temperror. */
struct arc_verifier *arc_verifier_new(struct event_base *base, struct dns *dns, int64_t limit_ms);
/* At any time; a callback that has not come yet will not come. */
void arc_verifier_free(struct arc_verifier **v);
/* Feeds the message, with CRLF line ends, from the first byte of its header on. */
void arc_verifier_feed(struct arc_verifier *v, struct str piece);

/* The verdict lives as long as the verifier. */
typedef void arc_on_verified(void *arg, const struct arc_verdict *verdict);
/* cb is called once, never from within. */
void arc_verifier_end(struct arc_verifier *v, arc_on_verified *cb, void *arg);

#endif
