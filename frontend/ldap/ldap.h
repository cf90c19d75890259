/* The LDAP server: listeners ldap and ldaps; the accounts and aliases of a domain as a
 * read-only directory (RFC 4510 to 4519). */
#ifndef SP_FRONTEND_LDAP_LDAP_H
#define SP_FRONTEND_LDAP_LDAP_H

#include "frontend/core/protocol.h"

extern const struct protocol protocol_ldap;

#endif
