/* App passwords and tokens of an account (lib/auth/credential.h), its second factor and
 * its sessions of the page: for the tool, and for the user himself. */
#ifndef SP_ADMIN_CREDENTIALS_H
#define SP_ADMIN_CREDENTIALS_H

#include "lib/admin/admin.h"
#include "lib/auth/credential.h"

struct admin_credential {
	enum credential_kind kind;
	struct str name;
	struct str role; /* of a token; empty: "user". Not more than the account may. */
	int64_t ends_ms; /* unix; 0: never */
};

/* {"id", "name", "role", "created_ms", "expires_ms", "secret"}: the secret is told here
 * and never again. role: only of a token; expires_ms: only if it ends. */
struct admin_call *admin_credential_add(struct admin *a, struct str address, const struct admin_credential *credential,
					admin_on_result *cb, void *arg);
/* [{"id", "name", "role", "created_ms", "expires_ms", "last_used_ms"}, ...]; last_used_ms
 * may be a minute old. */
struct admin_call *admin_credential_list(struct admin *a, struct str address, enum credential_kind kind,
					 admin_on_result *cb, void *arg);
/* From now on no frontend accepts it. */
struct admin_call *admin_credential_remove(struct admin *a, struct str address, enum credential_kind kind,
					   struct str id_or_name, admin_on_done *cb, void *arg);

#endif
