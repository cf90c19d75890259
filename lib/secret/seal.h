/* Secrets that must be read again (a password for another's server) at rest:
 * sealed with AES-256-GCM under the operator's keys, STAGEPOST_SECRET_KEY.
 *
 * The keys lie where the store does not, so that a copy of the store alone
 * opens nothing. They are a list, "id:base64,id:base64": the first seals, all
 * open; so a new key is put in front, and the old one goes when nothing is
 * sealed with it any more. A sealed text is
 *   v1.<id>.<base64 of nonce (12), ciphertext, tag (16)> */
#ifndef SP_SECRET_SEAL_H
#define SP_SECRET_SEAL_H

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

struct secret_keys;

/* Empty text: no keys, nothing can be sealed. NULL: ERR_INVALID; err never
 * shows a key. */
struct secret_keys *secret_keys_new(struct str text, struct err *err);
void secret_keys_free(struct secret_keys **k);

/* context says what it is the secret of (the name of its key and field): a
 * sealed text that was moved elsewhere does not open. Appends to sealed_out.
 * ERR_DENIED: there is no key. */
int secret_seal(const struct secret_keys *k, struct str context, struct str plain, struct buf *sealed_out,
		struct err *err);
/* Appends to plain_out. ERR_NOT_FOUND: sealed with a key that is not here;
 * ERR_CORRUPT: damaged, or of another context. plain_out stays as it was then. */
int secret_open(const struct secret_keys *k, struct str context, struct str sealed, struct buf *plain_out,
		struct err *err);

#endif
