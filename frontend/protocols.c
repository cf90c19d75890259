/* The table of protocols: the one place that lists them. */
#include "frontend/core/protocol.h"
#include "frontend/http/http.h"
#include "frontend/imap/imap.h"
#include "frontend/ldap/ldap.h"
#include "frontend/pop3/pop3.h"
#include "frontend/smtp/smtp.h"

const struct protocol *const protocols[] = {&protocol_smtp, &protocol_pop3, &protocol_imap,
					    &protocol_ldap, &protocol_http, NULL};
