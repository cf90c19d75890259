/* Seals a message that is passed on (RFC 8617, 5.1): three fields that go in front of it
 * say how it was when it came, so that those who trust us may believe it although what
 * SPF and DKIM prove is lost on the way. */
#ifndef SP_MAILAUTH_ARC_SEAL_H
#define SP_MAILAUTH_ARC_SEAL_H

#include "lib/dkim/sign.h"
#include "lib/mailauth/arc_set.h"

/* Borrowed for the call, but stream and keys. */
struct arc_seal_request {
	/* The message as it will leave, with the sets of those before. Taken over. */
	struct dkim_stream **stream;
	struct str domain;	   /* who seals, as A-labels */
	struct dkim_key_set *keys; /* its keys; stays referenced until the end. That of RSA is used, if there is one. */
	enum arc_result chain;	   /* the state in which the message came: arc_verdict.result */
	struct str results; /* "<authserv-id>; spf=pass ...": folded as it shall stand, without a last line end */
};

/* fields: whole lines, borrowed for the call. err: it is not sealed. ERR_LIMIT: its header is
 * too large, or it has 50 sets. ERR_INVALID: a holder before us found the chain broken, which
 * ends it; or a key is bad. ERR_UNAVAILABLE: the state is a temperror, and nothing can be said. */
typedef void arc_on_sealed(void *arg, struct str fields, const struct err *err);
/* cb is called once, later; not if the signer is freed before. */
void arc_seal_message(struct dkim_signer *s, const struct arc_seal_request *request, arc_on_sealed *cb, void *arg);

#endif
