/* Signing a message that streams by: its body is hashed as it comes, only its
 * header is kept. The signature fields go in front of the message.
 *
 *   stream = dkim_stream_new();
 *   dkim_stream_feed(stream, piece); ...
 *   dkim_sign(signer, &stream, domain, keys, on_signed, arg);
 *
 * rsa-sha256 and ed25519-sha256, relaxed/relaxed. Fields that say what the
 * message is are oversigned: a second one of them, added on the way, breaks the
 * signature. */
#ifndef SP_DKIM_SIGN_H
#define SP_DKIM_SIGN_H

#include <event2/event.h>

#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/dkim/keys.h"

#define DKIM_HEADER_MAX (256 * 1024) /* a larger header is not signed */

struct dkim_stream;

struct dkim_stream *dkim_stream_new(void);
void dkim_stream_free(struct dkim_stream **s);
/* The message with CRLF line ends, from its header's first byte on. */
void dkim_stream_feed(struct dkim_stream *s, struct str piece);

/* ---- The signer: a thread, since an RSA signature takes about 1 ms ---- */
struct dkim_signer;

struct dkim_signer *dkim_signer_new(struct event_base *base);
/* What was given and not yet answered ends without a callback. */
void dkim_signer_free(struct dkim_signer **s);

/* fields: whole lines, one DKIM-Signature a key; borrowed for the call. err:
 * there is none (ERR_LIMIT: the header is too large; ERR_INVALID: a key). */
typedef void dkim_on_signed(void *arg, struct str fields, const struct err *err);
/* By all keys of the set, which stays in use until the end; for a domain (as
 * A-labels). Takes the stream over and NULLs *stream. cb comes once, later. */
void dkim_sign(struct dkim_signer *s, struct dkim_stream **stream, struct str domain, struct dkim_key_set *keys,
	       dkim_on_signed *cb, void *arg);

#endif
