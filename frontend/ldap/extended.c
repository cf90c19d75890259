/* Extended operations (RFC 4511, section 4.12): StartTLS, Who am I? (RFC 4532), Cancel
 * (RFC 3909); and Abandon. */
#include "frontend/ldap/ber.h"
#include "frontend/ldap/private.h"

enum { TAG_REQUEST_NAME = 0x80, TAG_REQUEST_VALUE = 0x81 };

static enum cmd_status
extended_start_tls(struct ldap_session *s, const struct ldap_request *r, struct str value)
{
	const struct ldap_extras extras = {.name = STR(LDAP_OID_START_TLS)};
	enum ldap_reply_name name = LDAP_SUCCESS;

	if (value.p != NULL)
		name = LDAP_MALFORMED;
	else if (conn_is_tls(s->conn) || !conn_tls_available(s->conn))
		name = LDAP_NO_TLS;
	else if (s->searches != NULL || s->sasl_continues)
		name = LDAP_BUSY_BEFORE_TLS; /* RFC 4511, section 4.14.1 */
	ldap_answer(s, r->id, r->operation->response, name, &extras);
	if (name == LDAP_SUCCESS)
		session_start_tls(&s->base);
	return CMD_DONE;
}

static enum cmd_status
extended_who_am_i(struct ldap_session *s, const struct ldap_request *r, struct str value)
{
	struct ldap_extras extras = {.has_value = true, .value = STR("")};
	struct str account = str_c(s->account), dn;
	ptrdiff_t at = str_rindex(account, '@');

	if (value.p != NULL)
		return ldap_refuse(s, r, LDAP_MALFORMED);
	if (at > 0) {
		dn = ldap_dn_of(LDAP_USER, str_from(account, (size_t)at + 1), str_first(account, (size_t)at),
				&s->command.arena);
		extras.value = str_c(arena_printf(&s->command.arena, "dn:%.*s", STR_ARG(dn)));
	}
	ldap_answer(s, r->id, r->operation->response, LDAP_SUCCESS, &extras);
	return CMD_DONE;
}

static enum cmd_status
extended_cancel(struct ldap_session *s, const struct ldap_request *r, struct str value)
{
	struct ldap_search *search;
	struct str content;
	int32_t id;

	if (value.p == NULL || !ldap_ber_take(&value, LBER_SEQUENCE, &content) || value.len != 0 ||
	    !ldap_ber_take_int(&content, LBER_INTEGER, &id) || content.len != 0)
		return ldap_refuse(s, r, LDAP_MALFORMED);
	search = ldap_search_find(s, id);
	if (search == NULL)
		return ldap_refuse(s, r, LDAP_NO_SUCH_OPERATION);
	ldap_search_end(search, LDAP_CANCELED);
	return ldap_refuse(s, r, LDAP_SUCCESS);
}

static enum cmd_status
extended_password(struct ldap_session *s, const struct ldap_request *r, struct str value)
{
	(void)value;
	return ldap_refuse(s, r, LDAP_NO_PASSWORD_CHANGE);
}

static const struct {
	struct str oid;
	enum cmd_status (*handler)(struct ldap_session *s, const struct ldap_request *r, struct str value);
} extensions[] = {
	{STR(LDAP_OID_START_TLS), extended_start_tls},
	{STR(LDAP_OID_WHO_AM_I), extended_who_am_i},
	{STR(LDAP_OID_CANCEL), extended_cancel},
	{STR(LDAP_OID_PASSWORD), extended_password},
};

enum cmd_status
ldap_cmd_extended(struct ldap_session *s, const struct ldap_request *r)
{
	struct str rest = r->body, oid, value = STR_NONE;

	if (!ldap_ber_take(&rest, TAG_REQUEST_NAME, &oid))
		return ldap_refuse(s, r, LDAP_MALFORMED);
	(void)ldap_ber_take(&rest, TAG_REQUEST_VALUE, &value);
	if (rest.len != 0)
		return ldap_refuse(s, r, LDAP_MALFORMED);
	for (unsigned i = 0; i < sizeof(extensions) / sizeof(extensions[0]); i++)
		if (str_eq(oid, extensions[i].oid))
			return extensions[i].handler(s, r, value);
	return ldap_refuse(s, r, LDAP_UNKNOWN_EXTENSION);
}

/* Never answered, whatever it names; its content is the message id. */
enum cmd_status
ldap_cmd_abandon(struct ldap_session *s, const struct ldap_request *r)
{
	struct berval bytes = {.bv_len = r->body.len, .bv_val = (char *)r->body.p};
	struct ldap_search *search;
	ber_int_t id;

	if (r->body.len == 0 || ber_decode_int(&bytes, &id) != 0) {
		s->bad_commands++;
		return CMD_DONE;
	}
	search = ldap_search_find(s, id);
	if (search != NULL)
		ldap_search_drop(&search);
	return CMD_DONE;
}
