/* Bind (RFC 4511, section 4.2; RFC 4513, section 5): with a DN or an address and its
 * password, or by SASL. */
#include "frontend/core/login.h"
#include "frontend/ldap/ber.h"
#include "frontend/ldap/private.h"
#include "lib/base/base64.h"

enum {
	TAG_SIMPLE = 0x80,
	TAG_SASL = 0xa3,
	CERTIFICATE_WORK = 20000, /* units of lib/base/slice.h: to check a client's */
};

static enum cmd_status
bind_answer(struct ldap_session *s, enum ldap_reply_name name)
{
	s->sasl_continues = false;
	ldap_answer(s, s->bind_id, LDAP_TAG_BIND_RESPONSE, name, NULL);
	return CMD_DONE;
}

/* ---- The result, for both kinds ---- */

static enum ldap_reply_name
bind_result(enum auth_result result)
{
	switch (result) {
	case AUTH_OK: return LDAP_SUCCESS;
	case AUTH_FAILED: return LDAP_AUTH_FAILED;
	case AUTH_DISABLED: return LDAP_AUTH_DISABLED;
	case AUTH_UNAVAILABLE: return LDAP_AUTH_UNAVAILABLE;
	case AUTH_ABORTED:
	case AUTH_MALFORMED: break;
	}
	return LDAP_AUTH_MALFORMED;
}

void
ldap_on_final(struct session *base, struct str final)
{
	struct ldap_session *s = (struct ldap_session *)base;

	s->sasl_final = final.len != 0 ? arena_str(&s->command.arena, final) : STR_NONE;
}

bool
ldap_on_login(struct session *base, enum auth_result result)
{
	struct ldap_session *s = (struct ldap_session *)base;
	struct ldap_extras extras = {.sasl = s->sasl_final};

	s->binding = false;
	s->sasl_continues = false;
	s->sasl_final = STR_NONE;
	if (result != AUTH_OK)
		extras.sasl = STR_NONE;
	ldap_answer(s, s->bind_id, LDAP_TAG_BIND_RESPONSE, bind_result(result), &extras);
	return true;
}

/* ---- Simple ---- */

/* What the name names as an account: an address, or the DN of one. Another DN is asked
 * for as it is, so that it fails as a wrong password does. False: malformed. */
static bool
bind_account(struct ldap_session *s, struct str name, struct str *account_out)
{
	struct ldap_name dn;

	*account_out = name;
	if (str_index(name, '=') < 0 && str_index(name, '@') >= 0)
		return true;
	if (!ldap_name_parse(name, &s->command.arena, &dn))
		return false;
	if (dn.kind == LDAP_USER)
		*account_out = arena_str(&s->command.arena, str_c(dn.address));
	return true;
}

static enum cmd_status
bind_simple(struct ldap_session *s, struct str name, struct str password)
{
	struct str account;

	if (password.len == 0) /* an anonymous one; with a name RFC 4513, 5.1.2, has it refused */
		return bind_answer(s, name.len == 0 ? LDAP_SUCCESS : LDAP_EMPTY_PASSWORD);
	if (!login_is_allowed(&s->base))
		return bind_answer(s, LDAP_NEEDS_TLS);
	if (!bind_account(s, name, &account))
		return bind_answer(s, LDAP_BAD_DN);
	s->binding = true;
	login_by_password(&s->base, account, password);
	return CMD_WAIT;
}

/* ---- SASL ---- */

/* Core's, without LOGIN, which no LDAP client asks for. */
static struct str
bind_mechanisms(const struct ldap_session *s, struct arena *arena)
{
	struct str all = login_mechanisms(&s->base, true), word;
	char *text = arena_alloc(arena, all.len + 2);
	size_t len = 0;

	if (!login_is_allowed(&s->base))
		return STR_NONE;
	while (str_next_word(&all, " ", &word)) {
		if (str_eq(word, STR("LOGIN")))
			continue;
		memcpy(text + len, word.p, word.len);
		len += word.len;
		text[len++] = ' ';
	}
	return str_trim(str_of(text, len));
}

/* EXTERNAL for clients that have a certificate, whose signatures are checked for that. */
struct str
ldap_mechanisms(struct ldap_session *s, struct arena *arena)
{
	struct str all = bind_mechanisms(s, arena), address;
	struct err err = {.code = ERR_NONE};

	if (all.len != 0 && conn_client_address(s->conn, arena, &address, &err) == 0)
		all = str_c(arena_printf(arena, "%.*s EXTERNAL", STR_ARG(all)));
	if (all.len != 0 && err.code != ERR_NOT_FOUND)
		(void)slice_spend(&s->command.slice, CERTIFICATE_WORK);
	return all;
}

/* As core's login takes it. p NULL: the client sent none. */
static struct str
bind_base64(struct ldap_session *s, struct str raw)
{
	struct buf text = BUF_EMPTY;
	struct str kept;

	if (raw.p == NULL)
		return STR_NONE;
	base64_encode(raw, &text);
	kept = text.len != 0 ? arena_str(&s->command.arena, buf_str(&text)) : STR("=");
	buf_fini(&text);
	return kept;
}

void
ldap_on_challenge(struct session *base, struct str challenge)
{
	struct ldap_session *s = (struct ldap_session *)base;
	struct buf raw = BUF_EMPTY;
	struct ldap_extras extras = {.sasl = STR("")};

	s->binding = false;
	s->sasl_continues = true;
	if (base64_decode(challenge, &raw) && raw.len != 0)
		extras.sasl = buf_str(&raw);
	ldap_answer(s, s->bind_id, LDAP_TAG_BIND_RESPONSE, LDAP_SASL_CONTINUES, &extras);
	buf_fini(&raw);
}

/* Is the identity that the client asks for that of its certificate? None, "u:" with an
 * address, or "dn:" (RFC 4513, section 5.2.1.8). */
static bool
bind_is_own(struct ldap_session *s, struct str wanted, struct str address)
{
	char own[DIRECTORY_ADDRESS_MAX], other[DIRECTORY_ADDRESS_MAX];
	struct ldap_name dn;

	if (wanted.len == 0)
		return true;
	if (!directory_canonical_address(address, own))
		return false;
	if (str_starts(wanted, STR("u:")))
		return directory_canonical_address(str_from(wanted, 2), other) && strcmp(own, other) == 0;
	return str_starts(wanted, STR("dn:")) && ldap_name_parse(str_from(wanted, 3), &s->command.arena, &dn) &&
	       dn.kind == LDAP_USER && strcmp(own, dn.address) == 0;
}

static enum cmd_status
bind_external(struct ldap_session *s, struct str wanted)
{
	struct err err = {.code = ERR_NONE};
	struct str address;

	login_free(&s->base);
	s->sasl_continues = false;
	if (conn_client_address(s->conn, &s->command.arena, &address, &err) == 0 && !bind_is_own(s, wanted, address))
		err_set(&err, ERR_DENIED, "it does not name the identity asked for");
	if (err.code == ERR_NOT_FOUND)
		return bind_answer(s, LDAP_UNKNOWN_MECHANISM);
	/* The authorities do not load, which is not the client's fault; the operator has been told. */
	if (err.code == ERR_INVALID)
		return bind_answer(s, LDAP_AUTH_UNAVAILABLE);
	if (err.code != ERR_NONE) {
		metrics_add(M_AUTH_FAILED, 1);
		log_info(conn_log(s->conn), "the client's certificate is refused", F_ERR(&err));
		return bind_answer(s, LDAP_AUTH_FAILED);
	}
	s->binding = true;
	return login_by_certificate(&s->base, address) ? CMD_DONE : CMD_WAIT;
}

static enum cmd_status
bind_sasl(struct ldap_session *s, struct str content)
{
	struct str mechanism, credentials = STR_NONE, text;

	if (!ldap_ber_take(&content, LBER_OCTETSTRING, &mechanism))
		return bind_answer(s, LDAP_MALFORMED);
	(void)ldap_ber_take(&content, LBER_OCTETSTRING, &credentials);
	if (content.len != 0)
		return bind_answer(s, LDAP_MALFORMED);
	if (!login_is_allowed(&s->base))
		return bind_answer(s, LDAP_NEEDS_TLS);
	if (str_eq_ci(mechanism, STR("EXTERNAL")))
		return bind_external(s, credentials);
	text = bind_base64(s, credentials);
	s->binding = true;
	if (s->sasl_continues && str_eq_ci(mechanism, str_c(s->mechanism)))
		return login_respond(&s->base, text.p != NULL ? text : STR("=")) ? CMD_DONE : CMD_WAIT;
	/* Another mechanism begins anew (RFC 4511, section 4.2.1). */
	login_free(&s->base);
	s->sasl_continues = false;
	if (!login_is_offered(bind_mechanisms(s, &s->command.arena), mechanism)) {
		s->binding = false;
		return bind_answer(s, LDAP_UNKNOWN_MECHANISM);
	}
	str_copy(mechanism, s->mechanism, sizeof(s->mechanism));
	return login_begin(&s->base, mechanism, text) ? CMD_DONE : CMD_WAIT;
}

enum cmd_status
ldap_cmd_bind(struct ldap_session *s, const struct ldap_request *r)
{
	struct str rest = r->body, name, content;
	int32_t version;

	s->bind_id = r->id;
	/* Whoever it was, it is not any more, and nothing of its requests goes on. */
	ldap_search_drop_all(s);
	session_forget_account(&s->base);
	s->roles_until_ms = 0;
	s->is_admin = false;
	if (!ldap_ber_take_int(&rest, LBER_INTEGER, &version) || !ldap_ber_take(&rest, LBER_OCTETSTRING, &name))
		return bind_answer(s, LDAP_MALFORMED);
	if (version != 3)
		return bind_answer(s, LDAP_BAD_VERSION);
	if (ldap_ber_take(&rest, TAG_SASL, &content))
		return rest.len == 0 ? bind_sasl(s, content) : bind_answer(s, LDAP_MALFORMED);
	login_free(&s->base);
	s->sasl_continues = false;
	if (ldap_ber_take(&rest, TAG_SIMPLE, &content))
		return rest.len == 0 ? bind_simple(s, name, content) : bind_answer(s, LDAP_MALFORMED);
	return bind_answer(s, LDAP_UNKNOWN_MECHANISM);
}
