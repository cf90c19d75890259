/* Protects stored secrets that must be readable again (a password for another
 * server): they are sealed with AES-256-GCM under the operator's keys,
 * STAGEPOST_SECRET_KEY.
 *
 * The keys are kept outside the store, so that a copy of the store alone
 * reveals nothing. They are a list, "id:base64,id:base64": the first key seals,
 * all can open. So a new key is put in front, and the old one is removed when
 * nothing is sealed with it any more. A sealed text is
 *   v1.<id>.<base64 of nonce (12), ciphertext, tag (16)> */
#ifndef SP_SECRET_SEAL_H
#define SP_SECRET_SEAL_H

#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

struct secret_keys;

/* Empty text: no keys, nothing can be sealed. NULL: ERR_INVALID; err never
 * contains a key. */
struct secret_keys *secret_keys_new(struct str text, struct err *err);
void secret_keys_free(struct secret_keys **k);

/* context identifies where the secret is stored (its key and field): a sealed
 * text that was moved elsewhere cannot be opened. Appends to sealed_out.
 * ERR_DENIED: there is no key. */
int secret_seal(const struct secret_keys *k, struct str context, struct str plain, struct buf *sealed_out,
		struct err *err);
/* The id of the key that has sealed it; empty: it is malformed. */
struct str secret_key_id(struct str sealed);
/* The id of the first key; empty: there is none. */
struct str secret_current_id(const struct secret_keys *k);
/* Is it sealed with the first key? */
bool secret_is_current(const struct secret_keys *k, struct str sealed);
/* Appends to plain_out. ERR_NOT_FOUND: sealed with a key that is missing;
 * ERR_CORRUPT: damaged, or from another context. On error plain_out is unchanged. */
int secret_open(const struct secret_keys *k, struct str context, struct str sealed, struct buf *plain_out,
		struct err *err);

#endif
