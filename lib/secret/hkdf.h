/* HKDF (RFC 5869) with SHA-256: derives keys for separate purposes from one secret. */
#ifndef SP_SECRET_HKDF_H
#define SP_SECRET_HKDF_H

#include <stddef.h>

#include "lib/base/str.h"

enum { HKDF_MAX = 255 * 32 }; /* maximum bytes of one derivation */

/* info names the purpose. len: at most HKDF_MAX. */
void hkdf_sha256(struct str salt, struct str secret, struct str info, void *out, size_t len);

#endif
