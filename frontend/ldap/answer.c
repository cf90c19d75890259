/* Results and entries, as the client reads them. */
#include "frontend/ldap/ber.h"
#include "frontend/ldap/private.h"
#include "lib/base/check.h"

enum { TAG_SASL = 0x87, TAG_NAME = 0x8a, TAG_VALUE = 0x8b, TAG_CONTROLS = 0xa0, TAG_SORT_WRONG = 0x80 };

static void
answer_control(BerElement *ber, const char *oid, struct evbuffer *value)
{
	size_t len = evbuffer_get_length(value);

	ber_start_seq(ber, LBER_SEQUENCE);
	ldap_ber_put(ber, LBER_OCTETSTRING, str_c(oid));
	ldap_ber_put(ber, LBER_OCTETSTRING, str_of((const char *)evbuffer_pullup(value, -1), len));
	ber_put_seq(ber);
	evbuffer_drain(value, len);
}

/* The controls of a search that are answered (RFC 2696, section 3; RFC 2891, section 1.2). */
static void
answer_controls(BerElement *ber, const struct ldap_extras *extras)
{
	const struct ldap_controls *c = extras->controls;
	struct evbuffer *value;
	BerElement *inner;

	if (c == NULL || (!c->has_page && !c->has_sort))
		return;
	value = evbuffer_new();
	CHECK(value != NULL);
	ber_start_seq(ber, TAG_CONTROLS);
	if (c->has_sort) {
		inner = ldap_ber_begin();
		ber_start_seq(inner, LBER_SEQUENCE);
		ber_put_enum(inner, c->sort_result, LBER_ENUMERATED);
		if (c->sort_result != 0)
			ldap_ber_put(inner, TAG_SORT_WRONG, c->sort_wrong);
		ber_put_seq(inner);
		ldap_ber_end(inner, value);
		answer_control(ber, LDAP_OID_SORTED, value);
	}
	if (c->has_page) {
		inner = ldap_ber_begin();
		ber_start_seq(inner, LBER_SEQUENCE);
		ber_put_int(inner, 0, LBER_INTEGER); /* how many there are in all: not known */
		ldap_ber_put(inner, LBER_OCTETSTRING, extras->cookie);
		ber_put_seq(inner);
		ldap_ber_end(inner, value);
		answer_control(ber, LDAP_OID_PAGED, value);
	}
	ber_put_seq(ber);
	evbuffer_free(value);
}

static void
answer_write(struct evbuffer *out, int32_t id, unsigned tag, enum ldap_reply_name name,
	     const struct ldap_extras *extras)
{
	const struct ldap_reply *reply = ldap_reply_get(name);
	BerElement *ber = ldap_ber_begin();

	ber_start_seq(ber, LBER_SEQUENCE);
	ber_put_int(ber, id, LBER_INTEGER);
	ber_start_seq(ber, tag);
	ber_put_enum(ber, reply->code, LBER_ENUMERATED);
	ldap_ber_put(ber, LBER_OCTETSTRING, extras->matched_dn);
	ldap_ber_put(ber, LBER_OCTETSTRING, str_c(reply->text));
	if (extras->sasl.p != NULL)
		ldap_ber_put(ber, TAG_SASL, extras->sasl);
	if (extras->name.len != 0)
		ldap_ber_put(ber, TAG_NAME, extras->name);
	if (extras->has_value)
		ldap_ber_put(ber, TAG_VALUE, extras->value);
	ber_put_seq(ber);
	answer_controls(ber, extras);
	ber_put_seq(ber);
	ldap_ber_end(ber, out);
}

void
ldap_answer(struct ldap_session *s, int32_t id, unsigned tag, enum ldap_reply_name name,
	    const struct ldap_extras *extras)
{
	static const struct ldap_extras nothing;
	const struct ldap_reply *reply = ldap_reply_get(name);

	if (conn_is_closing(s->conn))
		return;
	answer_write(conn_output(s->conn), id, tag, name, extras != NULL ? extras : &nothing);
	if ((reply->flags & IS_BAD_COMMAND) != 0)
		s->bad_commands++;
	if ((reply->flags & IS_LOGGED) != 0)
		log_info(conn_log(s->conn), "refused", F_C("reply", reply->text),
			 F_C("account", s->account != NULL ? s->account : ""));
}

enum cmd_status
ldap_refuse(struct ldap_session *s, const struct ldap_request *r, enum ldap_reply_name name)
{
	ldap_answer(s, r->id, r->operation->response, name, NULL);
	return CMD_DONE;
}

void
ldap_notice(struct conn *c, enum ldap_reply_name name)
{
	const struct ldap_extras extras = {.name = STR(LDAP_OID_DISCONNECTION)};

	if (!conn_is_closing(c))
		answer_write(conn_output(c), 0, LDAP_TAG_EXTENDED_RESPONSE, name, &extras);
}

/* ---- Entries ---- */

/* Bytes of values. */
static size_t
answer_attribute(BerElement *ber, enum ldap_attribute a, const struct ldap_values *values, bool types_only)
{
	size_t bytes = 0;

	ber_start_seq(ber, LBER_SEQUENCE);
	ldap_ber_put(ber, LBER_OCTETSTRING, str_c(ldap_attribute_types[a].name));
	ber_start_set(ber, LBER_SET);
	for (unsigned i = 0; i < values->count; i++) {
		if (!types_only)
			ldap_ber_put(ber, LBER_OCTETSTRING, values->items[i]);
		bytes += values->items[i].len; /* made in any case */
	}
	ber_put_set(ber);
	ber_put_seq(ber);
	return bytes;
}

size_t
ldap_answer_entry(struct ldap_session *s, int32_t id, const struct ldap_entry *e,
		  const struct ldap_selection *selection, struct arena *scratch)
{
	BerElement *ber = ldap_ber_begin();
	size_t bytes = 0;

	ber_start_seq(ber, LBER_SEQUENCE);
	ber_put_int(ber, id, LBER_INTEGER);
	ber_start_seq(ber, LDAP_TAG_ENTRY);
	ldap_ber_put(ber, LBER_OCTETSTRING, ldap_entry_dn(e, scratch));
	ber_start_seq(ber, LBER_SEQUENCE);
	for (uint64_t left = selection->attributes; left != 0; left &= left - 1) {
		enum ldap_attribute a = (enum ldap_attribute)__builtin_ctzll(left);
		struct ldap_values values = ldap_entry_values(e, a, scratch);

		if (values.count != 0)
			bytes += answer_attribute(ber, a, &values, selection->types_only);
	}
	ber_put_seq(ber);
	ber_put_seq(ber);
	ber_put_seq(ber);
	ldap_ber_end(ber, conn_output(s->conn));
	metrics_add(M_LDAP_ENTRIES, 1);
	return bytes;
}
