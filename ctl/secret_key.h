/* The key with which a cluster on one machine seals stored secrets (lib/secret/seal.h):
 * made at the first start, kept beside the store, not in it. */
#ifndef SP_CTL_SECRET_KEY_H
#define SP_CTL_SECRET_KEY_H

#include "ctl/layout.h"
#include "lib/base/err.h"

/* Puts it into our environment, from which all programs get it, unless
 * STAGEPOST_SECRET_KEY is set already. The file is <dir>/secret.key, mode 0600. */
int secret_key_provide(const struct layout *layout, struct err *err);

#endif
