/* The table of results. */
#include "frontend/ldap/replies.h"

#include "lib/base/check.h"

const struct ldap_reply *
ldap_reply_get(enum ldap_reply_name name)
{
#define LDAP_REPLY_ROW(name, code, flags, text) {code, flags, text},
	static const struct ldap_reply replies[] = {LDAP_REPLIES(LDAP_REPLY_ROW)};
#undef LDAP_REPLY_ROW

	CHECKF(name < LDAP_REPLY_COUNT, "reply %d", (int)name);
	return &replies[name];
}
