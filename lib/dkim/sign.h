/* Signs a message as a stream: its body is hashed as it arrives, and only its
 * header is kept. The signature fields are put in front of the message.
 *
 *   stream = dkim_stream_new();
 *   dkim_stream_feed(stream, piece); ...
 *   dkim_sign(signer, &stream, domain, keys, on_signed, arg);
 *
 * rsa-sha256 and ed25519-sha256, relaxed/relaxed. Fields that determine how the
 * message is shown are oversigned: if a second one is added on the way, the
 * signature breaks. */
#ifndef SP_DKIM_SIGN_H
#define SP_DKIM_SIGN_H

#include <event2/event.h>

#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/dkim/keys.h"
#include "lib/dkim/signer.h"

struct dkim_stream;

struct dkim_stream *dkim_stream_new(void);
void dkim_stream_free(struct dkim_stream **s);
/* Feeds the message, with CRLF line ends, from the first byte of its header on. */
void dkim_stream_feed(struct dkim_stream *s, struct str piece);

/* The whole message was fed. False: its header is too large. The header lives as long as
 * the stream; the hash is that of the relaxed body. */
bool dkim_stream_end(struct dkim_stream *s, struct str *header_out, unsigned char body_hash_out[DKIM_DIGEST_BYTES]);

/* fields: whole lines, one DKIM-Signature per key; borrowed for the call. err:
 * there is no signature (ERR_LIMIT: the header is too large; ERR_INVALID: a key
 * is bad). */
typedef void dkim_on_signed(void *arg, struct str fields, const struct err *err);
/* Signs for a domain (as A-labels) with all keys of the set, which stays
 * referenced until the end. Takes over the stream and sets *stream to NULL. cb
 * is called once, later. */
void dkim_sign(struct dkim_signer *s, struct dkim_stream **stream, struct str domain, struct dkim_key_set *keys,
	       dkim_on_signed *cb, void *arg);

#endif
