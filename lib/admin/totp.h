/* The second factor of an account: codes by time (lib/auth/totp.h). Begun, then confirmed
 * by a first code, so that nobody locks himself out with an app that does not work. */
#ifndef SP_ADMIN_TOTP_H
#define SP_ADMIN_TOTP_H

#include "lib/admin/admin.h"
#include "lib/base/str.h"

/* {"secret", "uri"}: a secret to be confirmed within 10 minutes. ERR_EXISTS: the account
 * has a second factor; ERR_DENIED: there is no key to seal it with. */
struct admin_call *admin_totp_begin(struct admin *a, struct str address, admin_on_result *cb, void *arg);
/* {"recovery_codes": [...]}, told here and never again. ERR_INVALID: the code is wrong. */
struct admin_call *admin_totp_confirm(struct admin *a, struct str address, struct str code, admin_on_result *cb,
				      void *arg);
struct admin_call *admin_totp_disable(struct admin *a, struct str address, admin_on_done *cb, void *arg);

#endif
