/* HKDF (RFC 5869) with SHA-256: keys for one purpose each, made from one secret. */
#ifndef SP_SECRET_HKDF_H
#define SP_SECRET_HKDF_H

#include <stddef.h>

#include "lib/base/str.h"

enum { HKDF_MAX = 255 * 32 }; /* bytes that one derivation can give */

/* info names the purpose. len: at most HKDF_MAX. */
void hkdf_sha256(struct str salt, struct str secret, struct str info, void *out, size_t len);

#endif
