/* The envelope of a message (RFC 4511, section 4.1.1) and the dispatcher. */
#include "frontend/ldap/ber.h"
#include "frontend/ldap/private.h"

static enum cmd_status
cmd_unbind(struct ldap_session *s, const struct ldap_request *r)
{
	(void)r;
	ldap_search_drop_all(s);
	conn_close(s->conn);
	return CMD_DONE;
}

/* Add, Delete, Modify, ModifyDN: their contents do not matter. */
static enum cmd_status
cmd_write(struct ldap_session *s, const struct ldap_request *r)
{
	return ldap_refuse(s, r, LDAP_READ_ONLY);
}

static const struct ldap_operation operations[] = {
	/* request, response, paging and sorting, handler */
	{0x60, 0x61, false, ldap_cmd_bind},	{0x42, 0, false, cmd_unbind},
	{0x63, 0x65, true, ldap_cmd_search},	{0x66, 0x67, false, cmd_write}, /* Modify */
	{0x68, 0x69, false, cmd_write},						/* Add */
	{0x4a, 0x6b, false, cmd_write},						/* Delete */
	{0x6c, 0x6d, false, cmd_write},						/* ModifyDN */
	{0x6e, 0x6f, false, ldap_cmd_compare},	{0x50, 0, false, ldap_cmd_abandon},
	{0x77, 0x78, false, ldap_cmd_extended}, {0},
};

static const struct ldap_operation *
message_operation(ber_tag_t tag)
{
	for (const struct ldap_operation *o = operations; o->request != 0; o++)
		if (o->request == tag)
			return o;
	return NULL;
}

/* What cannot be answered ends the session (RFC 4511, section 4.1.1). */
static enum cmd_status
message_break(struct ldap_session *s)
{
	log_info(conn_log(s->conn), "refused", F_C("reply", ldap_reply_get(LDAP_BAD_ENVELOPE)->text));
	ldap_search_drop_all(s);
	ldap_notice(s->conn, LDAP_BAD_ENVELOPE);
	conn_close(s->conn);
	return CMD_DONE;
}

enum cmd_status
ldap_dispatch(struct ldap_session *s, struct str message)
{
	struct ldap_request r = {0};
	ber_tag_t tag;

	if (!ldap_ber_take_int(&message, LBER_INTEGER, &r.id) || r.id < 0 || !ldap_ber_next(&message, &tag, &r.body))
		return message_break(s);
	r.operation = message_operation(tag);
	/* 0 is ours, for notices. */
	if (r.operation == NULL || (r.id == 0 && r.operation->response != 0))
		return message_break(s);
	metrics_add(M_LDAP_OPERATIONS, 1);
	switch (ldap_controls_take(message, r.operation->takes_search_controls, &r.controls)) {
	case LDAP_CONTROLS_GOOD: break;
	case LDAP_CONTROLS_MALFORMED:
		return r.operation->response != 0 ? ldap_refuse(s, &r, LDAP_BAD_CONTROL) : message_break(s);
	case LDAP_CONTROLS_UNKNOWN:
		if (r.operation->response != 0)
			return ldap_refuse(s, &r, LDAP_UNKNOWN_CONTROL);
		break;
	}
	return r.operation->handler(s, &r);
}
