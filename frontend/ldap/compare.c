/* Compare (RFC 4511, section 4.10): a search of one entry whose result says whether it
 * matches. */
#include "frontend/ldap/ber.h"
#include "frontend/ldap/private.h"

enum cmd_status
ldap_cmd_compare(struct ldap_session *s, const struct ldap_request *r)
{
	struct str rest = r->body, dn, assertion, description, value;
	struct ldap_search *search;
	enum ldap_attribute a;

	if (!ldap_ber_take(&rest, LBER_OCTETSTRING, &dn) || !ldap_ber_take(&rest, LBER_SEQUENCE, &assertion) ||
	    rest.len != 0 || !ldap_ber_take(&assertion, LBER_OCTETSTRING, &description) ||
	    !ldap_ber_take(&assertion, LBER_OCTETSTRING, &value) || assertion.len != 0)
		return ldap_refuse(s, r, LDAP_MALFORMED);
	a = ldap_attribute_find(description);
	if (a == LDAP_AT_NONE)
		return ldap_refuse(s, r, LDAP_UNKNOWN_ATTRIBUTE);
	search = ldap_search_new(s, r);
	search->compares = true;
	search->scope = LDAP_SCOPE_BASE;
	search->most = 1;
	search->time_ms = ldap_settings(s)->command_timeout;
	search->selection.attributes = UINT64_C(1) << a;
	if (!ldap_filter_assertion(a, value, &search->op.arena, &search->filter))
		ldap_search_end(search, LDAP_NO_MATCHING);
	else if (ldap_request_base(search, dn))
		ldap_search_start(search);
	return CMD_DONE;
}
